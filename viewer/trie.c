#include "viewer/trie.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "loader/core/memory.h"

uint64_t hash_word(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * 0x9E3779B97F4A7C15u;
    return hash ^ hash >> 32;
}

uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t n)
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

static uint32_t add_node(Trie *trie, TrieNode node)
{
    trie->nodes = mem_grow(trie->nodes, &trie->room, trie->count + 1, sizeof *trie->nodes);
    trie->nodes[trie->count] = node;
    return (uint32_t)trie->count++;
}

void trie_init(Trie *trie)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    *trie = (Trie){.seed = (uint64_t)now.tv_nsec << 32 ^ (uint64_t)now.tv_sec, .last = ""};
    add_node(trie, (TrieNode){.key = "", .parent = TRIE_NONE, .leaf = TRIE_NONE});
}

void trie_done(Trie *trie)
{
    free(trie->nodes);
    free(trie->leaves);
    free(trie->slots);
    *trie = (Trie){0};
}

/* The border counts: "a.b" and "a/b" are different modules. */
static uint64_t segment_hash(const Trie *trie, const TrieNode *node)
{
    return hash_bytes(hash_word(trie->seed, node->parent), node->key + node->from,
                      node->to - node->from + 1);
}

static bool same_segment(const TrieNode *a, const TrieNode *b)
{
    size_t n = a->to - a->from + 1;
    return a->parent == b->parent && b->to - b->from + 1 == n &&
           memcmp(a->key + a->from, b->key + b->from, n) == 0;
}

/* The slot of an equal module, or the free one where it belongs. */
static uint32_t *find_slot(const Trie *trie, const TrieNode *node)
{
    size_t mask = trie->slot_room - 1;
    for (size_t i = segment_hash(trie, node) & mask;; i = (i + 1) & mask) {
        uint32_t *slot = &trie->slots[i];
        if (!*slot || same_segment(&trie->nodes[*slot], node)) return slot;
    }
}

static void grow_slots(Trie *trie)
{
    if (trie->module_count * 2 < trie->slot_room) return;
    uint32_t *old = trie->slots;
    size_t room = trie->slot_room;
    trie->slot_room = room ? room * 2 : 256;
    trie->slots = mem_alloc(trie->slot_room * sizeof *trie->slots);
    for (size_t i = 0; i < room; i++)
        if (old[i]) *find_slot(trie, &trie->nodes[old[i]]) = old[i];
    free(old);
}

static uint32_t find_module(Trie *trie, TrieNode node)
{
    grow_slots(trie);
    uint32_t *slot = find_slot(trie, &node);   /* the root, node 0, is never in the table */
    if (*slot) return *slot;
    uint32_t made = add_node(trie, node);
    *slot = made;
    trie->module_count++;
    return made;
}

/* Keeps of the last name's path the modules that this name runs through too. */
static uint32_t keep_path(Trie *trie, const char *name)
{
    size_t same = 0;
    while (name[same] && name[same] == trie->last[same]) same++;
    while (trie->path_count && trie->nodes[trie->path[trie->path_count - 1]].to >= same)
        trie->path_count--;
    return trie->path_count ? trie->path[trie->path_count - 1] : 0;
}

void trie_add(Trie *trie, const char *name)
{
    uint32_t parent = keep_path(trie, name);
    size_t from = trie->path_count ? trie->nodes[parent].to + 1 : 0;
    while (trie->path_count < TRIE_DEPTH) {
        size_t n = strcspn(name + from, "./");
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
