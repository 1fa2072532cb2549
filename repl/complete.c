/* Candidates are gathered as whole words from where they live, and the line gets what they have
 * in common. Nothing is kept between two presses of Tab. */
#include "repl/complete.h"

#include <stdlib.h>
#include <string.h>

#include "loader/core/map.h"
#include "repl/file_names.h"
#include "repl/verbs.h"
#include "scripting/script.h"

enum { CHOICES_SHOWN = 200 };

/* Everything that may stand where the cursor is; lives for one press of Tab. */
typedef struct Candidates {
    Arena *arena;
    const char *word;            /* what is there already */
    size_t length;               /* bytes of it */
    const char **list;           /* owned */
    size_t count, room;
    NameMap seen;                /* those on the list; keys meet again on the other side */
} Candidates;

/* Adds the first n bytes of `text` when it goes on from the word. */
static void offer(Candidates *candidates, const char *text, size_t n)
{
    if (n < candidates->length || memcmp(text, candidates->word, candidates->length) != 0) return;
    if (candidates->count) {   /* neighbours are mostly the same */
        const char *last = candidates->list[candidates->count - 1];
        if (strlen(last) == n && memcmp(last, text, n) == 0) return;
    }
    const char *copy = arena_strndup(candidates->arena, text, n);
    if (map_get(&candidates->seen, copy) != MAP_NONE) return;
    map_set(&candidates->seen, copy, 0);
    candidates->list = mem_grow(candidates->list, &candidates->room, candidates->count + 1,
                                sizeof *candidates->list);
    candidates->list[candidates->count++] = copy;
}

static void offer_word(Candidates *candidates, const char *text)
{
    offer(candidates, text, strlen(text));
}

/* A key up to the end of the segment that goes on, its border included: "lay" offers "layer1." and
 * "layer2.", not the hundred keys below them. */
static void offer_key(Candidates *candidates, const char *key)
{
    if (strncmp(key, candidates->word, candidates->length) != 0) return;
    size_t n = candidates->length + strcspn(key + candidates->length, "./");
    offer(candidates, key, n + (key[n] != '\0'));
}

/* Keys as rules see them now: the target's, and the source's after what was applied. */
static void offer_keys(Candidates *candidates, const Alignment *alignment)
{
    for (size_t i = 0; i < align_count(alignment); i++)
        offer_key(candidates, align_binding(alignment, i)->name);
    for (size_t i = 0; i < align_use_count(alignment); i++) {
        const SourceUse *use = align_use(alignment, i);   /* under its name of now */
        if (use->status == USE_UNUSED)
            offer_key(candidates, use->step && use->step->to ? use->step->to : use->tensor->name);
    }
}

static void offer_verbs(Candidates *candidates)
{
    size_t n;
    const Verb *verbs = verb_table(&n);
    for (size_t i = 0; i < n; i++) offer_word(candidates, verbs[i].name);
}

static void offer_statements(Candidates *candidates)
{
    size_t n;
    const ScriptWord *words = script_words(&n);
    for (size_t i = 0; i < n; i++) offer_word(candidates, words[i].name);
}

static void offer_states(Candidates *candidates)
{
    static const char *const others[] = {"all", "problems", "loaded"};
    for (size_t i = 0; i < countof(others); i++) offer_word(candidates, others[i]);
    for (int i = 0; i < ROW_STATE_COUNT; i++)
        offer_word(candidates, state_info((RowState)i)->word);
}

/* A visitor of file_names. */
static void offer_file(void *context, const char *name)
{
    offer_word(context, name);
}

/* What keys, verbs and paths are made of; brackets and quotes end a word, so that a key is
 * completed inside strip "… as well as at the prompt. Bytes from 0x80 on belong to characters. */
static bool is_word_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           strchr("_.-/!", c) || (unsigned char)c >= 0x80;
}

/* What may stand where the cursor is; returns where the word begins. A verb that takes a path has
 * all of the rest as its word, since paths hold blanks. The first word may be a verb or a
 * statement; behind a verb come its states, files or keys, behind a statement keys. */
static size_t gather(const Ui *ui, const char *text, size_t cursor, Candidates *candidates)
{
    const char *argument = NULL;
    char *before = arena_strndup(candidates->arena, text, cursor);
    const Verb *verb = verb_find(before, &argument);
    size_t from = cursor;
    if (verb && (argument > before + strlen(verb->name)) &&
        (strcmp(verb->args, "PATH") == 0 || strcmp(verb->args, "[FILE]") == 0)) {
        from = (size_t)(argument - before);
    } else {
        while (from && is_word_byte(text[from - 1])) from--;
    }
    bool first = strspn(before, " ") >= from;
    candidates->word = before + from;
    candidates->length = cursor - from;
    if (verb && !first && strcmp(verb->args, "[STATE]") == 0) {
        offer_states(candidates);
    } else if (verb && !first && verb->args[0] && strcmp(verb->args, "KEY") != 0) {
        file_names(candidates->arena, candidates->word, offer_file, candidates);
    } else {
        if (first) offer_verbs(candidates);
        if (!verb || first) offer_statements(candidates);
        if (!first) offer_keys(candidates, ui->alignment);
    }
    return from;
}

/* Bytes that all candidates have in common. Not into the middle of a character: "é" and "è" begin
 * with the same byte. */
static size_t common_length(const Candidates *candidates)
{
    size_t n = strlen(candidates->list[0]);
    for (size_t i = 1; i < candidates->count; i++) {
        size_t same = 0;
        while (same < n && candidates->list[0][same] == candidates->list[i][same]) same++;
        n = same;
    }
    while (n && ((unsigned char)candidates->list[0][n] & 0xC0) == 0x80) n--;
    return n;
}

static int compare_natural(const void *a, const void *b)
{
    return natural_compare(*(const char *const *)a, *(const char *const *)b);
}

/* More than a screen of them helps nobody. */
static void list_choices(Candidates *candidates, Text *choices)
{
    qsort(candidates->list, candidates->count, sizeof *candidates->list, compare_natural);
    for (size_t i = 0; i < candidates->count && i < CHOICES_SHOWN; i++)
        text_addf(choices, "%s%s", i ? "  " : "", candidates->list[i]);
    if (candidates->count > CHOICES_SHOWN)
        text_addf(choices, "  and %zu more", candidates->count - CHOICES_SHOWN);
}

void complete_line(const Ui *ui, Line *line, Text *choices)
{
    Candidates candidates = {.arena = arena_new()};
    map_init(&candidates.seen);
    size_t cursor = line->cursor;
    size_t from = gather(ui, text_string(&line->text), cursor, &candidates);
    if (candidates.count) {
        char *common = arena_strndup(candidates.arena, candidates.list[0],
                                     common_length(&candidates));
        line_replace(line, from, cursor, common);
    }
    if (candidates.count > 1) list_choices(&candidates, choices);
    map_done(&candidates.seen);
    free(candidates.list);
    arena_free(candidates.arena);
}
