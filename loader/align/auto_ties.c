/* What cannot be told apart, as questions; and the answers that were given to them. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "loader/align/auto_parts.h"

enum { TIE_MAX = 24, SHOWN = 6 };
/* Below this nothing speaks for any pair of a class, and there is nothing to ask. */
static const double SPEAKS = 0.1;
/* From which margin an answer is the likelier one. */
static const double LEANS = 0.005;

/* ---- answers ---- */

static bool is_edge(char c)
{
    return !c || is_separator(c) || c == '_' || c == '-';
}

bool name_holds(const char *name, const char *text)
{
    size_t n = strlen(text);
    if (!n) return false;
    for (const char *at = name; *at; at++) {
        if (at > name && !is_edge(at[-1])) continue;
        size_t i = 0;
        while (i < n && (at[i] == text[i] || (is_separator(at[i]) && is_separator(text[i])))) i++;
        if (i == n && is_edge(at[n])) return true;
    }
    return false;
}

static const char *name_of(const Side *side, const Template *t)
{
    return main_tensor(side, &side->units[side->order[t->first]])->name;
}

/* Of a row the first and the last: an answer about one of its blocks is none about the row. */
bool template_holds(const Side *side, const Template *t, const char *text)
{
    const Unit *last = &side->units[side->order[t->first + t->count - 1]];
    return name_holds(name_of(side, t), text) && name_holds(main_tensor(side, last)->name, text);
}

/* Whether an answer speaks of a template; a sum of what stands for its parts. */
static bool heard(const Auto *a, int side, const Template *t, const char *text, size_t answer)
{
    Sum sum;
    if (!sum_read(a->arena, text, &sum)) return template_holds(&a->side[side], t, text);
    return t->group && a->groups[t->group - 1].answer == answer + 1;
}

int answer_of(const Auto *a, const Template *s, const Template *t)
{
    const AutoOptions *options = a->options;
    int verdict = 0;
    for (size_t i = 0; i < options->answer_count; i++) {
        const AutoAnswer *answer = &options->answers[i];
        bool left = heard(a, 0, s, answer->source, i);
        bool right = answer->target && *answer->target && heard(a, 1, t, answer->target, i);
        if (left && right) return 1;
        if (left || right) verdict = -1;
    }
    return verdict;
}

/* ---- names for people ---- */

/* The numbers of a slot over all units of a template: "{0-11}", "{1,3,5}". */
static void show_numbers(const Side *side, const Template *t, unsigned slot, Text *out)
{
    int64_t seen[SHOWN + 1], low = INT64_MAX, high = INT64_MIN;
    size_t n = 0;
    for (uint32_t k = 0; k < t->count; k++) {
        int64_t number = side->numbers[side->units[side->order[t->first + k]].numbers + slot];
        size_t i = 0;
        while (i < n && seen[i] != number) i++;
        if (i == n && n <= SHOWN) seen[n++] = number;
        if (number < low) low = number;
        if (number > high) high = number;
    }
    if (n == 1) text_addf(out, "%" PRId64, low);
    else if (n > SHOWN || high - low + 1 == (int64_t)n)
        text_addf(out, "{%" PRId64 "-%" PRId64 "}", low, high);
    else
        for (size_t i = 0; i < n; i++)
            text_addf(out, "%s%" PRId64 "%s", i ? "," : "{", seen[i], i + 1 == n ? "}" : "");
}

/* A piece of a template's name, its free numbers as ranges. `slot` is that of the first number. */
static void show_piece(const Side *side, const Template *t, const char *at, const char *end,
                       unsigned slot, Text *out)
{
    while (at < end) {
        int64_t value;
        size_t digits = is_digit(*at) && slot < SLOTS_MAX ? name_number(at, end, &value) : 0;
        if (digits) {
            show_numbers(side, t, slot++, out);
            at += digits;
            continue;
        }
        bool digit = is_digit(*at);
        do text_addc(out, *at++); while (digit && at < end && is_digit(*at));
    }
}

const char *question_text(Auto *a, const Side *side, const Template *t)
{
    NameParts parts = words_parts(a->words, name_of(side, t));
    const Unit *unit = &side->units[side->order[t->first]];
    Text out = {0};
    show_piece(side, t, parts.path, parts.path + parts.path_length, 0, &out);
    if (unit->count > 1) text_add(&out, ".*");
    else if (parts.role_length) text_add(&out, parts.path + parts.path_length);
    return text_keep(&out, a->out);
}

/* What tells a template from the others of its list: its last segments, no more than it takes,
 * and none that holds a number which counts. */
const char *question_tell(Auto *a, const Side *side, const uint32_t *list, size_t n, size_t i)
{
    const Template *t = &side->templates[list[i]];
    NameParts parts = words_parts(a->words, name_of(side, t));
    const char *begin = parts.path, *end = begin + parts.path_length, *at = end;
    const char *best = NULL;
    while (at > begin) {
        const char *before = at;
        while (before > begin && !is_separator(before[-1])) before--;
        char *text = arena_strndup(a->out, before, (size_t)(end - before));
        bool unique = true;
        for (size_t j = 0; j < n && unique; j++)
            unique = j == i || !name_holds(name_of(side, &side->templates[list[j]]), text);
        best = text;
        const bool says = text[strspn(text, "0123456789")];      /* a number alone is anywhere */
        if ((unique && says) || before == begin) break;
        at = before - 1;
    }
    return best ? best : name_of(side, t);
}

/* ---- ties ---- */

typedef struct TieList {
    AutoTie *items;          /* [count] owned */
    size_t count, room;
} TieList;

/* Some of its units have no partner yet. */
static bool is_open(const Side *side, const Template *t)
{
    if (t->mate != NONE || side->units[side->order[t->first]].fixed) return false;
    for (uint32_t k = 0; k < t->count; k++)
        if (side->units[side->order[t->first + k]].mate == NONE) return true;
    return false;
}

static size_t list_open(const Side *side, const uint32_t *list, size_t n, uint32_t *out)
{
    size_t open = 0;
    for (size_t i = 0; i < n; i++) {
        if (is_open(side, &side->templates[list[i]]) && open <= TIE_MAX) out[open++] = list[i];
    }
    return open;
}

void question_keys(Auto *a, const uint32_t *t, size_t n, AutoTie *tie)
{
    const Side *side = &a->side[1];
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        const Template *target = &side->templates[t[i]];
        for (uint32_t k = 0; k < target->count; k++)
            count += side->units[side->order[target->first + k]].count;
    }
    const char **keys = arena_alloc(a->out, (count + 1) * sizeof *keys);
    for (size_t i = 0; i < n; i++) {
        const Template *target = &side->templates[t[i]];
        for (uint32_t k = 0; k < target->count; k++) {
            const Unit *unit = &side->units[side->order[target->first + k]];
            for (uint32_t m = 0; m < unit->count && unit->mate == NONE; m++)
                keys[tie->key_count++] =
                    side->given->tensors[side->members[unit->first + m]].name;
        }
    }
    tie->keys = keys;
    tie->tensors = tie->key_count;
}

static const char **show_list(Auto *a, int s, const uint32_t *list, size_t n)
{
    const char **names = arena_alloc(a->out, (n + 1) * sizeof *names);
    for (size_t i = 0; i < n; i++)
        names[i] = question_text(a, &a->side[s], &a->side[s].templates[list[i]]);
    return names;
}

static void add_tie(Auto *a, TieList *ties, const uint32_t *s, size_t rows, const uint32_t *t,
                    size_t columns, const double *scores)
{
    double *margin = arena_alloc(a->arena, rows * sizeof *margin);
    uint32_t *mate = arena_alloc(a->arena, rows * sizeof *mate);
    assign_best(scores, rows, columns, mate, margin);
    AutoTie tie = {.source_count = rows, .target_count = columns};
    float *shown = arena_alloc(a->out, rows * columns * sizeof *shown);
    size_t asked = 0;
    for (size_t i = 0; i < rows * columns; i++) shown[i] = scores[i] > 0 ? (float)scores[i] : 0;
    while (asked + 1 < rows && mate[asked] == NONE) asked++;
    tie.scores = shown;
    tie.sources = show_list(a, 0, s, rows);
    tie.targets = show_list(a, 1, t, columns);
    const char *left = question_tell(a, &a->side[0], s, rows, asked);
    tie.ask = arena_printf(a->out, "%s=?", left);
    /* of answers that are as good, none is put into anybody's mouth */
    if (mate[asked] != NONE && margin[asked] >= LEANS)
        tie.say = arena_printf(a->out, "%s=%s", left,
                               question_tell(a, &a->side[1], t, columns, mate[asked]));
    question_keys(a, t, columns, &tie);
    ties->items = mem_grow(ties->items, &ties->room, ties->count + 1, sizeof *ties->items);
    ties->items[ties->count++] = tie;
}

static int compare_ties(const void *x, const void *y)
{
    const AutoTie *a = x, *b = y;
    return a->tensors > b->tensors ? -1 : a->tensors < b->tensors;
}

/* Of names that may mean another layer, question by question. */
static void ask_renamed(Auto *a, TieList *ties)
{
    Table asked = {.arena = a->arena};
    for (size_t from = 0; from < a->renamed_count; from++) {
        bool fresh;
        const uint32_t question = a->renamed[from].question;
        uint32_t list[2][TIE_MAX];
        size_t n[2] = {0, 0};
        table_add(&asked, question, 1, &fresh);
        for (size_t i = from; i < a->renamed_count && fresh; i++) {
            const InDoubt *one = &a->renamed[i];
            const Unit *unit = &a->side[one->side].units[one->unit];
            size_t k = 0;
            if (one->question != question || unit->mate != NONE) continue;
            while (k < n[one->side] && list[one->side][k] != unit->template) k++;
            if (k == n[one->side] && k < TIE_MAX) list[one->side][n[one->side]++] = unit->template;
        }
        if (!n[0] || !n[1]) continue;
        double *scores = arena_alloc(a->arena, n[0] * n[1] * sizeof *scores);
        match_scores(a, list[0], n[0], list[1], n[1], scores);
        add_tie(a, ties, list[0], n[0], list[1], n[1], scores);
    }
}

void ties_collect(Auto *a, AutoResult *result)
{
    TieList ties = {0};
    for (size_t i = 0; i < a->asked_count; i++) {
        ties.items = mem_grow(ties.items, &ties.room, ties.count + 1, sizeof *ties.items);
        ties.items[ties.count++] = a->asked[i];
    }
    for (size_t i = 0; i < a->unsettled_count; i++) {
        ties.items = mem_grow(ties.items, &ties.room, ties.count + 1, sizeof *ties.items);
        ties.items[ties.count++] = a->unsettled[i];
    }
    ask_renamed(a, &ties);
    ClassList source = classes_list(a, &a->side[0]), target = classes_list(a, &a->side[1]);
    for (size_t c = 0; c < a->class_count; c++) {
        uint32_t s[TIE_MAX + 1], t[TIE_MAX + 1];
        size_t rows = list_open(&a->side[0], source.templates + source.first[c],
                                source.first[c + 1] - source.first[c], s);
        size_t columns = list_open(&a->side[1], target.templates + target.first[c],
                                   target.first[c + 1] - target.first[c], t);
        if (!rows || !columns || rows > TIE_MAX || columns > TIE_MAX || ties.count > 4096) continue;
        double *scores = arena_alloc(a->arena, rows * columns * sizeof *scores);
        if (match_scores(a, s, rows, t, columns, scores) >= SPEAKS)
            add_tie(a, &ties, s, rows, t, columns, scores);
    }
    if (ties.count) qsort(ties.items, ties.count, sizeof *ties.items, compare_ties);
    AutoTie *list = arena_alloc(a->out, (ties.count + 1) * sizeof *list);
    for (size_t i = 0; i < ties.count; i++) list[i] = ties.items[i];
    result->ties = list;
    result->tie_count = ties.count;
    free(ties.items);
}
