/* Induce, the whole: groups, tails, words, order, the check, and what replaces a rule that fails
 * it; see induce.h. */
#include "loader/align/induce.h"

#include <stdlib.h>
#include <string.h>

#include "loader/align/induce_parts.h"
#include "loader/align/rule_lex.h"

enum { FINER_ROUNDS = 8, ROUNDS_MAX = 16, GIVE_UP = 64, ALIGNED_MAX = 60 };

/* ---- lines of their own ---- */

static Head name_head(const char *name)
{
    return (Head){name, strlen(name), 0, true};
}

static const char *spell_name(Arena *arena, const char *name)
{
    Text text = {0};
    Head head = name_head(name);
    side_write(&head, TAIL_NONE, NULL, &text);
    return text_keep(&text, arena);
}

/* A bundle whose lists are one key each: names alone. */
static const Made *spell_names(Inducer *inducer, const Pair *pair, const uint32_t *index)
{
    Arena *arena = inducer->scratch;
    const char **sides = arena_alloc(arena, (pair->list_count + pair->target_count) *
                                                sizeof *sides);
    bool *keep = arena_alloc(arena, pair->list_count * sizeof *keep);
    for (size_t i = 0; i < pair->list_count; i++) {
        sides[i] = spell_name(arena, inducer->keys[pair->lists[i].keys[0]].name);
        keep[i] = pair->lists[i].keep;
    }
    for (size_t i = 0; i < pair->target_count; i++)
        sides[pair->list_count + i] = spell_name(arena, pair->targets[i].name);
    Made made = {.sides = sides, .keep = keep, .list_count = pair->list_count,
                 .target_count = pair->target_count, .ops = pair->ops, .pairs = index,
                 .pair_count = 1, .literal = true};
    return arena_copy(arena, &made, sizeof made);
}

/* One bundle as a line of its own; NULL: no line can say it. */
static const Made *pair_literal(Inducer *inducer, uint32_t index)
{
    Pair *pair = &inducer->pairs[index];
    bool single = true;
    for (size_t i = 0; i < pair->list_count; i++) single = single && pair->lists[i].count == 1;
    const uint32_t *copy = arena_copy(inducer->scratch, &index, sizeof index);
    if (single) {
        pair->counted = 0;
        return spell_names(inducer, pair, copy);
    }
    Form form = inducer->groups[pair->group].form;
    uint32_t alone = index;
    form.pairs = &alone;
    form.count = 1;
    MadeList list = {0};
    bool good = form_divide(inducer, &form, 1, NULL, &list);
    const Made *made = good ? list.items[0] : NULL;
    free(list.items);
    return made;
}

static void leave(Inducer *inducer, uint32_t index)
{
    inducer->pairs[index].state = PAIR_LEFT;
    inducer->pairs[index].rule = 0;
}

/* Adds a line for each bundle. */
static void add_literals(Inducer *inducer, const uint32_t *pairs, size_t n, bool early,
                         MadeList *list)
{
    for (size_t i = 0; i < n; i++) {
        const Made *made = pair_literal(inducer, pairs[i]);
        if (!made) {
            leave(inducer, pairs[i]);
            continue;
        }
        Made one = *made;
        one.early = early;
        made_add(list, arena_copy(inducer->scratch, &one, sizeof one));
    }
}

/* ---- groups ---- */

/* For qsort: a group's size beside its index. */
typedef struct Sized {
    size_t size;
    uint32_t index;
} Sized;

static int compare_sizes(const void *a, const void *b)
{
    const Sized *x = a, *y = b;
    if (x->size != y->size) return x->size > y->size ? -1 : 1;
    return (x->index > y->index) - (x->index < y->index);
}

/* The largest first: what they are solved with is a hint for the smaller ones. */
static void divide_groups(Inducer *inducer)
{
    Sized *list = mem_alloc((inducer->group_count + 1) * sizeof *list);
    for (uint32_t i = 0; i < inducer->group_count; i++)
        list[i] = (Sized){inducer->groups[i].form.count, i};
    qsort(list, inducer->group_count, sizeof *list, compare_sizes);
    for (size_t i = 0; i < inducer->group_count; i++) {
        Group *group = &inducer->groups[list[i].index];
        if (!form_divide(inducer, &group->form, SIZE_MAX, NULL, &group->made))
            add_literals(inducer, group->form.pairs, group->form.count, false, &group->made);
    }
    free(list);
}

/* A key that goes nowhere, and whose name a bundle gives to another tensor. */
static void drop_rivals(Inducer *inducer)
{
    static const bool keep[1] = {false};
    for (uint32_t i = 0; i < inducer->input->key_count; i++) {
        if (inducer->first_use[i]) continue;
        uint32_t pair = map_get(&inducer->target_index, inducer->input->keys[i]);
        if (pair == MAP_NONE || inducer->pairs[pair].state != PAIR_PLAIN) continue;
        const char *side = spell_name(inducer->scratch, inducer->input->keys[i]);
        Made made = {.sides = arena_copy(inducer->scratch, &side, sizeof side), .keep = keep,
                     .list_count = 1, .ops = inducer->no_ops, .literal = true};
        made_add(&inducer->made, arena_copy(inducer->scratch, &made, sizeof made));
    }
}

/* ---- order ---- */

static bool keeps_any(const Made *made)
{
    for (size_t i = 0; i < made->list_count; i++)
        if (made->keep[i]) return true;
    return false;
}

/* What relies on others comes last; what leaves keys to others first, and then lines that name
 * them; else as the bundles stand. */
static int compare_made(const void *a, const void *b)
{
    const Made *x = *(const Made *const *)a, *y = *(const Made *const *)b;
    if (x->order != y->order) return x->order < y->order ? -1 : 1;
    if (keeps_any(x) != keeps_any(y)) return keeps_any(x) ? -1 : 1;
    if (x->early != y->early) return x->early ? -1 : 1;
    if (!x->pair_count || !y->pair_count) {
        if (x->pair_count || y->pair_count) return x->pair_count ? -1 : 1;
        return strcmp(x->sides[0], y->sides[0]);
    }
    return (x->pairs[0] > y->pairs[0]) - (x->pairs[0] < y->pairs[0]);
}

static void sort_made(MadeList *list)
{
    if (list->count) qsort(list->items, list->count, sizeof *list->items, compare_made);
}

/* ---- what fails ---- */

/* Puts finer rules in the place of those that failed, or a line for each of their bundles
 * (`lines`). Rules that come from the same finer ones go together. A line that fails is given
 * up. */
static void replace_failed(Inducer *inducer, const bool *failed, bool lines)
{
    MadeList *list = &inducer->made, out = {0};
    bool *replaced = mem_alloc(inducer->input->bundle_count + 1);
    for (size_t i = 0; i < list->count; i++) {
        const Made *made = list->items[i];
        bool kin = failed[i];
        for (size_t j = 0; !kin && made->finer && j < list->count; j++)
            kin = failed[j] && list->items[j]->finer == made->finer;
        if (!kin) {
            made_add(&out, made);
            continue;
        }
        if (made->finer && !lines) {
            for (size_t j = 0; j < made->finer_count; j++) {
                if (replaced[made->finer[j]->pairs[0]]) continue;
                replaced[made->finer[j]->pairs[0]] = true;
                made_add(&out, made->finer[j]);
            }
        } else if (!made->early) {
            add_literals(inducer, made->pairs, made->pair_count, true, &out);
        } else {
            for (size_t j = 0; j < made->pair_count; j++) leave(inducer, made->pairs[j]);
        }
    }
    free(replaced);
    free(list->items);
    *list = out;
}

/* Where nobody is to blame: all rules that are more than such a line, or all lines. */
static void blame_all(const MadeList *list, bool *failed)
{
    bool any = false;
    for (size_t i = 0; i < list->count; i++) any = any || failed[i];
    for (size_t i = 0; !any && i < list->count; i++) failed[i] = !list->items[i]->early;
    for (size_t i = 0; !any && i < list->count; i++) any = failed[i];
    for (size_t i = 0; !any && i < list->count; i++) failed[i] = true;
}

/* Ends: from some round on every rule is a line, a line that fails is given up, and at last all
 * are. */
static void verify(Inducer *inducer)
{
    for (int round = 0;; round++) {
        sort_made(&inducer->made);
        bool *failed = mem_alloc(inducer->made.count + 1);
        bool good = rules_verify(inducer, &inducer->made, failed);
        if (!good) {
            blame_all(&inducer->made, failed);
            for (size_t i = 0; round >= ROUNDS_MAX && i < inducer->made.count; i++)
                failed[i] = failed[i] || !inducer->made.items[i]->early || round > GIVE_UP;
            replace_failed(inducer, failed, round >= FINER_ROUNDS);
        }
        free(failed);
        if (good) return;
    }
}

/* ---- handing out ---- */

static InducedRule hand_out(Inducer *inducer, const Made *made)
{
    InducedRule rule = {.text = made_text(inducer->arena, inducer, made), .confidence = 1,
                        .bundles = arena_copy(inducer->arena, made->pairs,
                                              made->pair_count * sizeof *made->pairs),
                        .bundle_count = made->pair_count, .literal = made->literal};
    for (size_t i = 0; i < made->pair_count; i++) {
        const Bundle *bundle = &inducer->input->bundles[made->pairs[i]];
        if (i && bundle->confidence >= rule.confidence) continue;
        rule.confidence = bundle->confidence;
        rule.why = bundle->why;
    }
    return rule;
}

/* The block that gives names which sort, as far as they are still asked for. */
static void hand_out_renames(Inducer *inducer, Induction *out)
{
    InducedRule *rules = arena_alloc(inducer->arena, inducer->renamed_count * sizeof *rules);
    for (size_t i = 0; i < inducer->renamed_count; i++) {
        uint32_t key = inducer->renamed[i];
        uint32_t pair = inducer->uses[inducer->first_use[key] - 1].pair;
        if (inducer->pairs[pair].state != PAIR_PLAIN) continue;
        rules[out->first_count++] = (InducedRule){
            .text = arena_printf(inducer->arena, "%s -> %s",
                                 spell_name(inducer->scratch, inducer->input->keys[key]),
                                 inducer->keys[key].name),
            .bundles = arena_copy(inducer->arena, &pair, sizeof pair), .bundle_count = 1,
            .confidence = inducer->input->bundles[pair].confidence,
            .why = inducer->input->bundles[pair].why, .literal = true};
    }
    out->first = rules;
}

static const Induction *hand_out_all(Inducer *inducer)
{
    const MadeList *list = &inducer->made;
    Induction *out = arena_alloc(inducer->arena, sizeof *out);
    InducedRule *rules = arena_alloc(inducer->arena, list->count * sizeof *rules);
    uint32_t *left = arena_alloc(inducer->arena, inducer->input->bundle_count * sizeof *left);
    for (size_t i = 0; i < list->count; i++) rules[i] = hand_out(inducer, list->items[i]);
    for (uint32_t i = 0; i < inducer->input->bundle_count; i++)
        if (inducer->pairs[i].state == PAIR_LEFT) left[out->left_count++] = i;
    out->rules = rules;
    out->count = list->count;
    out->left = left;
    if (inducer->renamed_count) hand_out_renames(inducer, out);
    return out;
}

const Induction *induce_rules(Arena *arena, const InduceInput *input, Error *err)
{
    Inducer inducer = {.arena = arena, .scratch = arena_new(), .input = input};
    const Induction *out = NULL;
    if (names_read(&inducer, err)) {
        customs_learn(&inducer);
        divide_groups(&inducer);
        merge_tails(&inducer);
        merge_words(&inducer, &inducer.made);
        drop_rivals(&inducer);
        verify(&inducer);
        out = hand_out_all(&inducer);
    }
    names_done(&inducer);
    arena_free(inducer.scratch);
    return out;
}

/* ---- writing ---- */

/* How wide the left side is, in bytes. */
static size_t left_width(const char *text)
{
    const char *at = text, *end = text + strlen(text);
    while (at < end && !(at[0] == '-' && at[1] == '>')) {
        const char *behind = *at == '"' ? skip_quoted(at, end)
                             : *at == '{' ? skip_braced(at, end) : at + 1;
        at = behind ? behind : end;
    }
    while (at > text && at[-1] == ' ') at--;
    return (size_t)(at - text);
}

static void write_comment(const char *text, Text *out)
{
    while (*text) {
        size_t n = strcspn(text, "\n");
        text_add(out, "  -- ");
        text_addn(out, text, n);
        text_addc(out, '\n');
        text += n + (text[n] == '\n');
    }
}

/* The lines of a block; arrows stand below each other, as far as the sides are not too long. */
static void write_lines(const InducedRule *rules, size_t n, InduceNote *note, void *context,
                        Text *out)
{
    size_t width = 0;
    Text comment = {0};
    for (size_t i = 0; i < n; i++) {
        size_t left = left_width(rules[i].text);
        if (left <= ALIGNED_MAX && left > width) width = left;
    }
    for (size_t i = 0; i < n; i++) {
        text_clear(&comment);
        if (note) note(context, &rules[i], &comment);
        write_comment(text_string(&comment), out);
        size_t left = left_width(rules[i].text);
        text_addf(out, "  %.*s", (int)left, rules[i].text);
        for (size_t at = left; at < width; at++) text_addc(out, ' ');
        text_addf(out, "%s\n", rules[i].text + left);
    }
    text_done(&comment);
}

/* Brackets that the text does not close. */
static void write_block(const InducedRule *rules, size_t n, InduceNote *note, void *context,
                        Text *out)
{
    if (!n) return;
    Text body = {0}, level = {0}, close = {0};
    write_lines(rules, n, note, context, &body);
    for (;;) {
        text_clear(&close);
        text_addf(&close, "]%s]", text_string(&level));
        if (!strstr(text_string(&body), text_string(&close))) break;
        text_addc(&level, '=');
    }
    text_addf(out, "rules [%s[\n%s%s\n", text_string(&level), text_string(&body),
              text_string(&close));
    text_done(&body);
    text_done(&level);
    text_done(&close);
}

void induce_write(const Induction *induction, InduceNote *note, void *context, Text *out)
{
    write_block(induction->first, induction->first_count, NULL, NULL, out);
    write_block(induction->rules, induction->count, note, context, out);
}
