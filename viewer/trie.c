/* Keys come in the order of their file, so that one shares most of its modules with the one
 * before: the path of the last key is kept, and only what differs is looked up. The hash table is
 * needed for modules that are left and entered again. */
#include "viewer/trie.h"

#include <stdlib.h>
#include <string.h>

#include "loader/core/map.h"
#include "loader/core/memory.h"

/* A 64-bit product folded in two: every bit of the word reaches every bit of the hash. */
uint64_t hash_word(uint64_t hash, uint64_t word)
{
    __uint128_t wide = (__uint128_t)(hash ^ word) * 0x9E3779B97F4A7C15u;
    return (uint64_t)wide ^ (uint64_t)(wide >> 64);
}

/* The length goes in first, so that "a","bc" and "ab","c" differ. */
uint64_t hash_segment(uint64_t hash, const void *bytes, size_t n)
{
    const char *p = bytes;
    uint64_t word;
    hash = hash_word(hash, n);
    for (; n >= sizeof word; n -= sizeof word, p += sizeof word) {
        memcpy(&word, p, sizeof word);
        hash = hash_word(hash, word);
    }
    word = 0;
    memcpy(&word, p, n);
    return hash_word(hash, word);
}

/* The array may move: nodes are known by index. */
static uint32_t add_node(Trie *trie, TrieNode node)
{
    trie->nodes = mem_grow(trie->nodes, &trie->room, trie->count + 1, sizeof *trie->nodes);
    trie->nodes[trie->count] = node;
    return (uint32_t)trie->count++;
}

/* The root is node 0, so that a slot's node 0 can mean that it is free. */
void trie_init(Trie *trie)
{
    *trie = (Trie){.seed = map_seed(), .last = ""};
    add_node(trie, (TrieNode){.key = "", .parent = TRIE_NONE, .leaf = TRIE_NONE});
}

void trie_done(Trie *trie)
{
    free(trie->nodes);
    free(trie->leaves);
    free(trie->slots);
    *trie = (Trie){0};
}

/* Of a module by parent and segment, and the byte behind it. The border counts: "a" in "a.b" and
 * "a" in "a/b" are different modules. The two halves are folded, so that all 64 bits count. */
static uint32_t segment_hash(const Trie *trie, const TrieNode *node)
{
    uint64_t hash = hash_segment(hash_word(trie->seed, node->parent), node->key + node->from,
                               node->to - node->from + 1);
    return (uint32_t)(hash ^ hash >> 32);
}

/* The byte behind a module's segment is its border, and is compared with it. */
static bool same_segment(const TrieNode *a, const TrieNode *b)
{
    size_t n = a->to - a->from + 1;
    return a->parent == b->parent && b->to - b->from + 1 == n &&
           memcmp(a->key + a->from, b->key + b->from, n) == 0;
}

/* The slot of an equal module, or the free one where it belongs. Open addressing, step by step;
 * the search ends, because grow_slots never lets the table be more than half full. */
static TrieSlot *find_slot(const Trie *trie, const TrieNode *node, uint32_t hash)
{
    size_t mask = trie->slot_room - 1;
    for (size_t i = hash & mask;; i = (i + 1) & mask) {
        TrieSlot *slot = &trie->slots[i];
        if (!slot->node) return slot;
        if (slot->hash == hash && same_segment(&trie->nodes[slot->node], node)) return slot;
    }
}

/* Doubles the table when it is half full. The hashes are kept in it: no key is read again. Room is
 * a power of two, so that a mask takes the place of a remainder. */
static void grow_slots(Trie *trie)
{
    if (trie->module_count * 2 < trie->slot_room) return;
    TrieSlot *old = trie->slots;
    size_t room = trie->slot_room;
    trie->slot_room = room ? room * 2 : 256;
    trie->slots = mem_alloc(trie->slot_room * sizeof *trie->slots);
    size_t mask = trie->slot_room - 1;
    for (size_t i = 0; i < room; i++) {
        if (!old[i].node) continue;
        size_t at = old[i].hash & mask;
        while (trie->slots[at].node) at = (at + 1) & mask;
        trie->slots[at] = old[i];
    }
    free(old);
}

/* The module with that segment below that parent, made when it is not there. */
static uint32_t find_module(Trie *trie, TrieNode node)
{
    grow_slots(trie);
    uint32_t hash = segment_hash(trie, &node);
    TrieSlot *slot = find_slot(trie, &node, hash);
    if (slot->node) return slot->node;
    *slot = (TrieSlot){add_node(trie, node), hash};
    trie->module_count++;
    return slot->node;
}

/* Bytes up to the next border ('.' or '/') or the end. */
static size_t segment_length(const char *p)
{
    const char *start = p;
    while (*p && *p != '.' && *p != '/') p++;
    return (size_t)(p - start);
}

/* Keeps of the last name's path the modules that this name runs through too, and returns the
 * deepest of them (0: the root). A module is kept when its border is equal as well: "conv1.weight"
 * behind "conv.weight" shares four bytes and no module. */
static uint32_t keep_path(Trie *trie, const char *name)
{
    size_t same = 0;
    while (name[same] && name[same] == trie->last[same]) same++;
    while (trie->path_count && trie->nodes[trie->path[trie->path_count - 1]].to >= same)
        trie->path_count--;
    return trie->path_count ? trie->path[trie->path_count - 1] : 0;
}

/* The last segment is the tensor's own node, also where a module has the same name. It is not in
 * the hash table: names are distinct, so no leaf is ever looked for. */
void trie_add(Trie *trie, const char *name)
{
    uint32_t parent = keep_path(trie, name);
    size_t from = trie->path_count ? trie->nodes[parent].to + 1 : 0;
    while (trie->path_count < TRIE_DEPTH) {
        size_t n = segment_length(name + from);
        if (!name[from + n]) break;
        parent = find_module(trie, (TrieNode){.key = name, .from = (uint32_t)from,
                                              .to = (uint32_t)(from + n), .parent = parent,
                                              .leaf = TRIE_NONE,
                                              .depth = trie->path_count + 1});
        trie->path[trie->path_count++] = parent;
        from += n + 1;
    }
    trie->leaves = mem_grow(trie->leaves, &trie->leaf_room, trie->leaf_count + 1,
                            sizeof *trie->leaves);
    trie->leaves[trie->leaf_count] =
        add_node(trie, (TrieNode){.key = name, .from = (uint32_t)from,
                                  .to = (uint32_t)strlen(name), .parent = parent,
                                  .leaf = (uint32_t)trie->leaf_count,
                                  .depth = trie->path_count + 1});
    trie->leaf_count++;
    trie->last = name;
}

/* Climbs from the deeper of the two until both are the same; the root is above all. */
uint32_t trie_common(const Trie *trie, uint32_t a, uint32_t b)
{
    if (a == TRIE_NONE) return b;
    if (b == TRIE_NONE) return a;
    while (a != b) {
        if (trie->nodes[a].depth >= trie->nodes[b].depth) a = trie->nodes[a].parent;
        else b = trie->nodes[b].parent;
    }
    return a;
}

bool trie_is_module(const Trie *trie, uint32_t node)
{
    return trie->nodes[node].leaf == TRIE_NONE;
}

/* Numbers with leading zeros are names: "{0-3}" would not spell them. */
bool trie_number(const TrieNode *node, uint32_t *number)
{
    const char *p = node->key + node->from;
    size_t n = node->to - node->from;
    if (!n || n > TRIE_NUMBER_MAX || (p[0] == '0' && n > 1)) return false;
    *number = 0;
    for (size_t i = 0; i < n; i++) {
        if (p[i] < '0' || p[i] > '9') return false;
        *number = *number * 10 + (uint32_t)(p[i] - '0');
    }
    return true;
}
