/* Pairs of models (keys, shapes, truth) in tests of automatic alignment: reading, changing and
 * scoring them as shared/pairs/README.md says. */
#ifndef TESTS_UNIT_AUTO_PAIRS_H
#define TESTS_UNIT_AUTO_PAIRS_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loader/align/auto.h"
#include "loader/core/json.h"
#include "loader/core/map.h"

typedef struct Pair {
    Arena *arena;
    AutoTensor *tensors[2];      /* [count] source, target */
    size_t count[2];
    struct Truth { const char *source, *target; } *truth;
    size_t truth_count;
    const char **ignored;
    size_t ignored_count;
    uint64_t state;              /* of the random numbers */
} Pair;

typedef struct PairScore {
    size_t right, wrong, abstained, wanted, likely_right, likely_wrong;
} PairScore;

static inline void pair_read_side(Pair *pair, int side, const Value *list)
{
    pair->count[side] = list->list.count;
    pair->tensors[side] = arena_alloc(pair->arena, (list->list.count + 1) * sizeof(AutoTensor));
    for (size_t i = 0; i < list->list.count; i++) {
        const Value *item = list->list.items[i].value, *shape = value_get(item, "shape");
        AutoTensor *tensor = &pair->tensors[side][i];
        int64_t *dims = arena_alloc(pair->arena, 8 * sizeof *dims);
        for (size_t d = 0; d < shape->list.count && d < 8; d++)
            dims[d] = shape->list.items[d].value->integer;
        *tensor = (AutoTensor){.name = value_get_string(item, "key", ""), .dims = dims,
                               .rank = (uint8_t)shape->list.count, .dtype = DT_F32};
    }
}

static inline bool pair_read(Pair *pair, const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file) return false;
    Text text = {0};
    char buffer[65536];
    for (size_t n; (n = fread(buffer, 1, sizeof buffer, file));) text_addn(&text, buffer, n);
    fclose(file);
    *pair = (Pair){.arena = arena_new(), .state = 1};
    Error err = {0};
    const Value *root = json_parse(pair->arena, text_string(&text), text.length, path, 10000000,
                                   &err);
    text_done(&text);
    if (!root) return false;
    pair_read_side(pair, 0, value_get(value_get(root, "source"), "tensors"));
    pair_read_side(pair, 1, value_get(value_get(root, "target"), "tensors"));
    const Value *truth = value_get(root, "truth"), *ignored = value_get(root, "ignore");
    pair->truth = arena_alloc(pair->arena, (truth->list.count + 1) * sizeof *pair->truth);
    for (size_t i = 0; i < truth->list.count; i++) {
        const ValueItem *items = truth->list.items[i].value->list.items;
        pair->truth[pair->truth_count++] = (struct Truth){items[0].value->string,
                                                          items[1].value->string};
    }
    if (!ignored) return true;
    pair->ignored = arena_alloc(pair->arena, (ignored->list.count + 1) * sizeof *pair->ignored);
    for (size_t i = 0; i < ignored->list.count; i++)
        pair->ignored[pair->ignored_count++] = ignored->list.items[i].value->string;
    return true;
}

static inline uint64_t pair_random(Pair *pair)
{
    pair->state = pair->state * 6364136223846793005u + 1442695040888963407u;
    return pair->state >> 33;
}

/* ---- changes ---- */

static inline void pair_shuffle(Pair *pair, int side)
{
    for (size_t i = pair->count[side]; i > 1; i--) {
        size_t j = pair_random(pair) % i;
        AutoTensor swap = pair->tensors[side][i - 1];
        pair->tensors[side][i - 1] = pair->tensors[side][j];
        pair->tensors[side][j] = swap;
    }
}

static inline int pair_compare(const void *x, const void *y)
{
    return strcmp(((const AutoTensor *)x)->name, ((const AutoTensor *)y)->name);
}

static inline void pair_sort(Pair *pair, int side)
{
    qsort(pair->tensors[side], pair->count[side], sizeof(AutoTensor), pair_compare);
}

/* The name of a source tensor changes, and so does the truth. */
static inline const char *pair_renamed(Pair *pair, const NameMap *map, const char **names,
                                const char *old)
{
    (void)pair;
    uint32_t index = map_get(map, old);
    return index == MAP_NONE ? old : names[index];
}

/* Every word a random one, the same for the same word; numbers stay. */
static inline void pair_rename(Pair *pair)
{
    NameMap words, keys;
    map_init(&words);
    map_init(&keys);
    const char **made = arena_alloc(pair->arena, 100000 * sizeof *made);
    const char **names = arena_alloc(pair->arena, (pair->count[0] + 1) * sizeof *names);
    uint32_t word_count = 0;
    for (size_t i = 0; i < pair->count[0]; i++) {
        Text out = {0};
        const char *name = pair->tensors[0][i].name;
        for (const char *at = name; *at;) {
            size_t n = strspn(at, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");
            if (!n) {
                text_addc(&out, *at++);
                continue;
            }
            const char *word = arena_strndup(pair->arena, at, n);
            uint32_t index = map_get(&words, word);
            if (index == MAP_NONE) {
                index = word_count++;
                map_set(&words, word, index);
                char text[8];
                for (int k = 0; k < 6; k++) text[k] = (char)('a' + pair_random(pair) % 26);
                text[6] = 0;
                made[index] = arena_strdup(pair->arena, text);
            }
            text_add(&out, made[index]);
            at += n;
        }
        names[i] = arena_strdup(pair->arena, text_string(&out));
        map_set(&keys, name, (uint32_t)i);
        text_done(&out);
    }
    for (size_t i = 0; i < pair->truth_count; i++)
        pair->truth[i].source = pair_renamed(pair, &keys, names, pair->truth[i].source);
    for (size_t i = 0; i < pair->count[0]; i++) pair->tensors[0][i].name = names[i];
    map_done(&words);
    map_done(&keys);
}

static inline void pair_transpose(Pair *pair)
{
    for (size_t i = 0; i < pair->count[0]; i++) {
        AutoTensor *tensor = &pair->tensors[0][i];
        if (tensor->rank != 2) continue;
        int64_t *dims = arena_alloc(pair->arena, 2 * sizeof *dims);
        dims[0] = tensor->dims[1];
        dims[1] = tensor->dims[0];
        tensor->dims = dims;
    }
}

/* Takes away what stands under "PREFIX" in one side; its truth goes. */
static inline void pair_drop(Pair *pair, int side, const char *prefix)
{
    size_t n = 0, m = 0;
    for (size_t i = 0; i < pair->count[side]; i++)
        if (!has_prefix(pair->tensors[side][i].name, prefix))
            pair->tensors[side][n++] = pair->tensors[side][i];
    pair->count[side] = n;
    for (size_t i = 0; i < pair->truth_count; i++)
        if (!has_prefix(side ? pair->truth[i].target : pair->truth[i].source, prefix))
            pair->truth[m++] = pair->truth[i];
    pair->truth_count = m;
}

/* A random prefix that ends in a number and holds at least four tensors: a block. NULL: none. */
static inline const char *pair_block(Pair *pair, int side)
{
    for (int tries = 0; tries < 1000; tries++) {
        const char *name = pair->tensors[side][pair_random(pair) % pair->count[side]].name;
        const char *at = name;
        while (*at && !(at > name && is_digit(at[-1]) && (*at == '.' || *at == '/'))) at++;
        if (!*at) continue;
        const char *prefix = arena_strndup(pair->arena, name, (size_t)(at - name) + 1);
        size_t n = 0;
        for (size_t i = 0; i < pair->count[side]; i++)
            n += has_prefix(pair->tensors[side][i].name, prefix);
        if (n >= 4 && n * 2 < pair->count[side]) return prefix;
    }
    return NULL;
}

/* ---- scoring ---- */

static inline bool pair_is_true(const Pair *pair, const Bundle *bundle, const char *target)
{
    size_t wanted = 0, found = 0, given = 0;
    for (size_t i = 0; i < bundle->source_count; i++) given += bundle->sources[i].count;
    for (size_t k = 0; k < pair->truth_count; k++) {
        if (strcmp(pair->truth[k].target, target) != 0) continue;
        wanted++;
        for (size_t i = 0; i < bundle->source_count; i++)
            for (size_t j = 0; j < bundle->sources[i].count; j++)
                if (strcmp(bundle->sources[i].names[j], pair->truth[k].source) == 0) {
                    found++;
                    i = bundle->source_count - 1;
                    break;
                }
    }
    return wanted && wanted == found && given == wanted;
}

static inline bool pair_is_ignored(const Pair *pair, const char *target)
{
    for (size_t i = 0; i < pair->ignored_count; i++)
        if (strcmp(pair->ignored[i], target) == 0) return true;
    return false;
}

static inline void pair_count_bundles(const Pair *pair, const Bundle *bundles, size_t n, size_t *right,
                               size_t *wrong, const char *show)
{
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < bundles[i].target_count; j++) {
            const char *target = bundles[i].targets[j];
            if (pair_is_ignored(pair, target)) continue;
            bool good = pair_is_true(pair, &bundles[i], target);
            *(good ? right : wrong) += 1;
            if (!good && show)
                printf("    %s %s <- %s (%.2f)\n", show, target, bundles[i].sources[0].names[0],
                       (double)bundles[i].confidence);
        }
}

static inline PairScore pair_score(const Pair *pair, const AutoResult *result, bool show)
{
    PairScore score = {0};
    const char *last = "";
    for (size_t i = 0; i < pair->truth_count; i++) {
        score.wanted += strcmp(pair->truth[i].target, last) != 0;
        last = pair->truth[i].target;
    }
    pair_count_bundles(pair, result->bundles, result->bundle_count, &score.right, &score.wrong,
                       show ? "WRONG" : NULL);
    pair_count_bundles(pair, result->likely, result->likely_count, &score.likely_right,
                       &score.likely_wrong, show ? "likely wrong" : NULL);
    score.abstained = score.wanted - score.right;
    return score;
}

#endif
