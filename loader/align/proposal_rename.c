/* Modules that have another name: the run of segments in which two names differ, found once for all
 * names that differ so, as a line of `sub`.
 *
 *   features.norm.1.weight, features.norm1.weight     sub [[ norm.{i} -> norm{i} ]]
 *   l.0.LayerNorm.gamma, l.0.LayerNorm.weight         sub [[ LayerNorm.gamma -> LayerNorm.weight ]]
 */
#include <stdlib.h>
#include <string.h>

#include "loader/align/family.h"
#include "loader/align/proposal_parts.h"
#include "loader/align/report_parts.h"

enum {
    CLANS_MAX = 2000,            /* of a side that are looked at */
    PARTS_MAX = 16,              /* segments of such a name */
    RUN_MAX = 3,                 /* segments in which two names differ */
    RIVALS_MAX = 16,             /* runs of one hole that are compared */
    SHOWN_MAX = 6                /* lines that are proposed, those with most names */
};

static const char HOLE = '\x02';

/* A family cut into segments. */
typedef struct Parts {
    const char *at[PARTS_MAX + 1];   /* where each begins; at[count]: behind the last one's dot */
    size_t count;                    /* 0: too many */
} Parts;

static void cut(const char *family, Parts *parts)
{
    parts->count = 0;
    for (const char *p = family;; p++) {
        if (parts->count == PARTS_MAX) {
            parts->count = 0;
            return;
        }
        parts->at[parts->count++] = p;
        p += strcspn(p, ".");
        if (*p) continue;
        parts->at[parts->count] = p + 1;
        return;
    }
}

/* Two names that differ in one run. */
typedef struct Edit {
    const char *from, *to;       /* lines of sub are made of these: "norm.{i}" and "norm{i}" */
    const char *bare;            /* the line without what stands behind; NULL: nothing does */
    size_t count;                /* names */
} Edit;

/* Segments from … to of a missing family, which others share all but these with. */
typedef struct Run {
    uint32_t clan;
    uint32_t next;               /* another run of this hole; MAP_NONE */
    uint8_t from, to;
} Run;

typedef struct Renamer {
    Proposer *proposer;
    NameMap holes;               /* a missing family with a hole → index of runs */
    Run *runs;                   /* owned */
    size_t run_count, run_room;
    NameMap names;               /* line → index of edits */
    Edit *edits;                 /* owned */
    size_t edit_count, edit_room;
    Text text;                   /* scratch */
} Renamer;

/* The family with segments i … j replaced by a hole, in text. */
static const char *make_hole(Renamer *renamer, const Parts *parts, size_t i, size_t j)
{
    Text *text = &renamer->text;
    text_clear(text);
    text_addn(text, parts->at[0], (size_t)(parts->at[i] - parts->at[0]));
    text_addc(text, HOLE);
    if (j < parts->count) text_add(text, parts->at[j]);
    return text_string(text);
}

static void list_holes(Renamer *renamer)
{
    const Loose *missing = &renamer->proposer->missing;
    for (uint32_t c = 0; c < missing->clan_count && c < CLANS_MAX; c++) {
        Parts parts;
        cut(missing->clans[c].family, &parts);
        for (size_t i = 0; i < parts.count; i++)
            for (size_t j = i; j <= parts.count && j <= i + RUN_MAX; j++) {
                const char *hole = make_hole(renamer, &parts, i, j);
                renamer->runs = mem_grow(renamer->runs, &renamer->run_room,
                                         renamer->run_count + 1, sizeof *renamer->runs);
                Run *run = &renamer->runs[renamer->run_count];
                *run = (Run){c, map_get(&renamer->holes, hole), (uint8_t)i, (uint8_t)j};
                map_set(&renamer->holes, arena_strdup(renamer->proposer->arena, hole),
                        (uint32_t)renamer->run_count++);
            }
    }
}

static size_t count_marks(const char *text, size_t n)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++) count += text[i] == FAMILY_MARK;
    return count;
}

/* Segments i … j as sub spells them, without the dot at the end; numbers are {i}, {j} … */
static const char *spell(Renamer *renamer, const Parts *parts, size_t i, size_t j)
{
    static const char letters[] = "ijkluvwz";
    Text *text = &renamer->text;
    size_t used = 0;
    text_clear(text);
    const char *p = parts->at[i], *end = i == j ? p : parts->at[j] - 1;
    while (p < end) {
        const char *mark = memchr(p, FAMILY_MARK, (size_t)(end - p));
        size_t n = (size_t)((mark ? mark : end) - p);
        if (n) rule_quote(p, n, text);
        p += n;
        if (p == end) break;
        text_addf(text, "{%c}", letters[used++ % 8]);
        p++;
    }
    return arena_strdup(renamer->proposer->arena, text_string(text));
}

static void count_edit(Renamer *renamer, const char *from, const char *to, const char *bare,
                       size_t count)
{
    const char *key = arena_printf(renamer->proposer->arena, "%s -> %s", from, to);
    uint32_t index = map_get(&renamer->names, key);
    if (index == MAP_NONE) {
        index = (uint32_t)renamer->edit_count;
        renamer->edits = mem_grow(renamer->edits, &renamer->edit_room, renamer->edit_count + 1,
                                  sizeof(Edit));
        renamer->edits[renamer->edit_count++] = (Edit){from, to, bare, 0};
        map_set(&renamer->names, key, index);
    }
    renamer->edits[index].count += count;
}

/* A mask that nothing asks for is no index table that is missing: each is what the code makes. A
 * bias of attention is taken for no mask here. */
static bool are_other_buffers(const char *a, const char *b)
{
    const BufferCause *one = report_buffer(a, 1), *other = report_buffer(b, 1);
    return (one || other) && one != other;
}

/* The first n segments of a name, with the dot behind them. */
static const char *beginning(Renamer *renamer, const char *name, size_t n)
{
    const char *end = name;
    for (; n && *end; n--) {
        end += strcspn(end, ".");
        end += *end == '.';
    }
    return arena_strndup(renamer->proposer->arena, name, (size_t)(end - name));
}

/* Whether a segment can stand beside a run: a literal one; before a leaf, behind which nothing
 * stands, one with a number too: norm{i}.gamma. */
static bool is_context(const Parts *parts, size_t at, bool leaf)
{
    const size_t n = (size_t)(parts->at[at + 1] - parts->at[at]) - 1;
    const size_t marks = count_marks(parts->at[at], n);
    return !marks || (leaf && marks < n);
}

/* The two runs, with the literal segment before them (or behind, where there is none before) in
 * both: an edit that stands beside nothing would meet names elsewhere. */
static void add_edit(Renamer *renamer, const Clan *spare, const Parts *a, size_t i, size_t j,
                     uint32_t run)
{
    const Clan *missing = &renamer->proposer->missing.clans[renamer->runs[run].clan];
    size_t k = renamer->runs[run].from, l = renamer->runs[run].to;
    Parts b;
    cut(missing->family, &b);
    size_t from_marks = i == j ? 0 : count_marks(a->at[i], (size_t)(a->at[j] - a->at[i]) - 1);
    size_t to_marks = k == l ? 0 : count_marks(b.at[k], (size_t)(b.at[l] - b.at[k]) - 1);
    if (from_marks != to_marks || k != i) return;
    if (are_other_buffers(spare->first, missing->first)) return;
    if (propose_is_head_swap(renamer->proposer, beginning(renamer, spare->first, i + 1),
                             beginning(renamer, missing->first, i + 1)))
        return;
    const size_t run_from = i, run_to = j, other_from = k, other_to = l;
    bool before = i > 0 && is_context(a, i - 1, j == a->count);
    if (before) i--, k--;
    bool behind = !before && j < a->count && l < b.count &&
                  !count_marks(a->at[j], (size_t)(a->at[j + 1] - a->at[j]) - 1);
    if (behind) j++, l++;
    if (i == j || k == l) return;
    const char *bare = NULL;
    if (behind && run_from < run_to && other_from < other_to) {
        bare = spell(renamer, a, run_from, run_to);
        bare = arena_printf(renamer->proposer->arena, "%s -> %s", bare,
                            spell(renamer, &b, other_from, other_to));
    }
    const char *from = spell(renamer, a, i, j);
    count_edit(renamer, from, spell(renamer, &b, k, l), bare, spare->count);
}

/* Last segments that mean the same in different libraries. */
static bool are_synonyms(const char *a, const char *b)
{
    static const char *const pairs[][2] = {
        {"gamma", "weight"}, {"beta", "bias"}, {"scale", "weight"}, {"kernel", "weight"},
        {"offset", "bias"}, {"moving_mean", "running_mean"}, {"moving_variance", "running_var"}};
    const char *x = strrchr(a, '.'), *y = strrchr(b, '.');
    x = x ? x + 1 : a;
    y = y ? y + 1 : b;
    for (size_t i = 0; i < countof(pairs); i++)
        for (int k = 0; k < 2; k++)
            if (strcmp(x, pairs[i][k]) == 0 && strcmp(y, pairs[i][!k]) == 0) return true;
    return false;
}

/* Of the runs in one hole the one that sounds most like the spare family; several that do so alike
 * decide nothing. */
static uint32_t choose_run(const Renamer *renamer, const Clan *spare, uint32_t run)
{
    double best = -1;
    uint32_t chosen = MAP_NONE;
    for (unsigned seen = 0; run != MAP_NONE && seen < RIVALS_MAX; seen++) {
        const Clan *missing = &renamer->proposer->missing.clans[renamer->runs[run].clan];
        double likeness = family_likeness(spare->family, missing->family) +
                          (missing->count == spare->count ? 0.1 : 0) +
                          (are_synonyms(spare->family, missing->family) ? 0.3 : 0);
        if (likeness > best) {
            best = likeness;
            chosen = run;
        } else if (likeness == best) {
            chosen = MAP_NONE;
        }
        run = renamer->runs[run].next;
    }
    return chosen;
}

/* The missing family that differs from a spare one in the least. */
static void find_edit(Renamer *renamer, const Clan *spare)
{
    Parts parts;
    cut(spare->family, &parts);
    size_t best = 1, best_i = 0, best_j = 0;     /* of a hole alone nothing is in common */
    uint32_t best_run = MAP_NONE;
    for (size_t i = 0; i < parts.count; i++)
        for (size_t j = i; j <= parts.count && j <= i + RUN_MAX; j++) {
            const char *hole = make_hole(renamer, &parts, i, j);
            uint32_t run = map_get(&renamer->holes, hole);
            if (run == MAP_NONE || renamer->text.length <= best) continue;
            run = choose_run(renamer, spare, run);
            if (run == MAP_NONE) continue;
            best = renamer->text.length;
            best_i = i;
            best_j = j;
            best_run = run;
        }
    if (best_run != MAP_NONE) add_edit(renamer, spare, &parts, best_i, best_j, best_run);
}

static int by_count(const void *a, const void *b)
{
    const Edit *x = a, *y = b;
    if (x->count != y->count) return x->count < y->count ? 1 : -1;
    return strcmp(x->from, y->from);
}

/* Edits that say the same before different segments are one that says it before none: bn.bias ->
 * norm.bias and bn.weight -> norm.weight are bn -> norm. Whether that meets names elsewhere is
 * tried. Leaves, and what stands behind different modules, keep them: names that did load are not
 * in an error's text, and gamma may be a weight here and a layer scale there. Makes `merged` of the
 * edits; returns how many. */
static size_t merge_edits(const Renamer *renamer, Edit *merged)
{
    NameMap bare;
    size_t count = 0;
    map_init(&bare);
    for (size_t i = 0; i < renamer->edit_count; i++) {
        const Edit *edit = &renamer->edits[i];
        const uint32_t known = edit->bare ? map_get(&bare, edit->bare) : MAP_NONE;
        if (known != MAP_NONE) {
            merged[known].from = merged[known].bare;
            merged[known].count += edit->count;
            continue;
        }
        if (edit->bare) map_set(&bare, edit->bare, (uint32_t)count);
        merged[count++] = *edit;
    }
    map_done(&bare);
    return count;
}

/* One that was merged has its whole line in `from`. */
static void add_line(const Edit *edit, Text *out)
{
    text_add(out, edit->from);
    if (edit->from != edit->bare) text_addf(out, " -> %s", edit->to);
}

/* All in one block first, then each alone. */
static void propose_lines(Proposer *proposer, Edit *edits, size_t count)
{
    size_t shown = count < SHOWN_MAX ? count : SHOWN_MAX, names = 0;
    Text all = {0};
    if (count) qsort(edits, count, sizeof(Edit), by_count);
    for (size_t i = 0; i < shown; i++) {
        if (i) text_add(&all, " ; ");
        add_line(&edits[i], &all);
        names += edits[i].count;
    }
    if (shown > 1)
        propose(proposer, PROPOSE_RENAME, COST_NONE,
                arena_printf(proposer->arena, "sub [[ %s ]]", text_string(&all)),
                "%zu names differ in these parts only.", names);
    for (size_t i = 0; i < shown; i++) {
        text_clear(&all);
        add_line(&edits[i], &all);
        propose(proposer, PROPOSE_RENAME, COST_NONE,
                arena_printf(proposer->arena, "sub [[ %s ]]", text_string(&all)),
                "%zu name%s in this part only.", edits[i].count,
                edits[i].count == 1 ? " differs" : "s differ");
    }
    text_done(&all);
}

/* Of lines that do the same the first one stays: the short ones. */
static void propose_edits(Renamer *renamer)
{
    Edit *merged = mem_alloc((renamer->edit_count + 1) * sizeof *merged);
    const size_t count = merge_edits(renamer, merged);
    if (count < renamer->edit_count) propose_lines(renamer->proposer, merged, count);
    propose_lines(renamer->proposer, renamer->edits, renamer->edit_count);
    free(merged);
}

void propose_renames(Proposer *proposer)
{
    Renamer renamer = {.proposer = proposer};
    map_init(&renamer.holes);
    map_init(&renamer.names);
    list_holes(&renamer);
    for (size_t c = 0; c < proposer->spare.clan_count && c < CLANS_MAX; c++)
        find_edit(&renamer, &proposer->spare.clans[c]);
    propose_edits(&renamer);
    map_done(&renamer.holes);
    map_done(&renamer.names);
    free(renamer.runs);
    free(renamer.edits);
    text_done(&renamer.text);
}
