/* Candidates are gathered as whole words from where they live, and the line gets what they have
 * in common. Nothing is kept between two presses of Tab. */
#include "repl/complete.h"

#include <stdlib.h>
#include <string.h>

#include "loader/core/map.h"
#include "repl/file_names.h"
#include "repl/verbs.h"
#include "scripting/pack.h"
#include "scripting/script.h"
#include "viewer/row_key.h"

enum { CHOICES_SHOWN = 200 };

/* Everything that may stand where the cursor is; lives for one press of Tab. */
typedef struct Candidates {
    Arena *arena;
    const char *word;            /* what is there already */
    size_t length;               /* bytes of it */
    const char **list;           /* owned */
    size_t count, room;
    NameMap seen;                /* those on the list; keys meet again on the other side */
    bool words;                  /* words of the language may stand here: one is explained */
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
    const size_t n = candidates->length + strcspn(key + candidates->length, "./");
    offer(candidates, key, n + (key[n] != '\0'));
}

/* Of row_key_offers. */
static void offer_part(void *context, const char *key, size_t n)
{
    offer(context, key, n);
}

/* Keys as rules see them now: the target's, and the source's after what was applied. */
static void offer_keys(Candidates *candidates, const CompleteFrom *from)
{
    const Alignment *alignment = from->alignment;
    if (from->rows) {
        const char *word = arena_strndup(candidates->arena, candidates->word, candidates->length);
        row_key_offers(from->rows, word, offer_part, candidates);
        return;
    }
    if (!alignment) return;
    for (size_t i = 0; i < align_count(alignment); i++)
        offer_key(candidates, align_binding(alignment, i)->name);
    for (size_t i = 0; i < align_use_count(alignment); i++) {
        const SourceUse *use = align_use(alignment, i);   /* under its name of now */
        if (use->status == USE_UNUSED) offer_key(candidates, row_stray_key(use));
    }
}

static void offer_verbs(Candidates *candidates)
{
    size_t n;
    const Verb *verbs = verb_table(&n);
    for (size_t i = 0; i < n; i++) offer_word(candidates, verbs[i].name);
}

static void offer_words(Candidates *candidates, const CompleteFrom *from)
{
    size_t n;
    candidates->words = true;
    const ScriptWord *words = script_words(&n);
    for (size_t i = 0; i < n; i++) offer_word(candidates, words[i].name);
    for (size_t i = 0; i < from->call_count; i++) offer_word(candidates, from->calls[i].name);
}

/* The word of that name, n bytes; NULL. */
static const ScriptWord *find_word(const CompleteFrom *from, const char *name, size_t n)
{
    size_t count;
    const ScriptWord *words = script_words(&count);
    for (size_t i = 0; i < count + from->call_count; i++) {
        const ScriptWord *word = i < count ? &words[i] : &from->calls[i - count];
        if (strlen(word->name) == n && memcmp(word->name, name, n) == 0) return word;
    }
    return NULL;
}

/* What a filter can ask for but keys, which come behind them. */
static void offer_filters(Candidates *candidates)
{
    for (size_t i = 0; state_groups[i]; i++) offer_word(candidates, state_groups[i]);
    for (int i = 0; i < ROW_STATE_COUNT; i++)
        offer_word(candidates, state_info((RowState)i)->word);
    for (int i = 0; i < DT_UNKNOWN; i++) offer_word(candidates, dtype_name((DType)i));
}

static void offer_orders(Candidates *candidates)
{
    for (int i = 0; i < ROW_ORDER_COUNT; i++)
        offer_word(candidates, row_order_word((RowOrder)i));
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
           (c && strchr("_.-/!", c)) || (unsigned char)c >= 0x80;
}

static bool is_name_byte(char c)
{
    return is_word_byte(c) && !strchr(".-/!", c) && (unsigned char)c < 0x80;
}

/* Where the cursor stands in Lua. */
typedef struct Inside {
    size_t quote;                /* 1 + where the string that is open begins; 0: none is */
    const ScriptWord *word;      /* whose arguments stand around the cursor; NULL: nobody's known */
    bool braces;                 /* in a table of them */
} Inside;

enum { OPEN_MAX = 32 };

/* The word in front of a bracket, a quote or a blank. */
static const ScriptWord *word_before(const CompleteFrom *from, const char *text, size_t at)
{
    while (at && text[at - 1] == ' ') at--;
    size_t end = at;
    while (at && is_name_byte(text[at - 1])) at--;
    return at < end ? find_word(from, text + at, end - at) : NULL;
}

/* Reads the text up to the cursor: brackets are remembered by the word in front of them. A bracket
 * inside the arguments of a word, as the table in write("x", {…, is that word's. */
static Inside look_around(const CompleteFrom *from, const char *text, size_t cursor)
{
    Inside inside = {0};
    Inside open[OPEN_MAX];
    const ScriptWord *around = NULL;     /* whose arguments the open string is one of */
    size_t depth = 0;
    char quote = 0;
    for (size_t i = 0; i < cursor; i++) {
        const char c = text[i];
        if (quote) {
            if (c == '\\') i++;
            else if (c == quote) {
                quote = 0;
                inside.quote = 0;
                inside.word = around;
            }
        } else if (c == '"' || c == '\'') {
            const ScriptWord *word = word_before(from, text, i);
            quote = c;
            around = inside.word;
            inside.quote = i + 2;
            if (word) inside.word = word;
        } else if (c == '(' || c == '{') {
            const ScriptWord *word = word_before(from, text, i);
            if (depth < OPEN_MAX) open[depth++] = inside;
            inside = (Inside){.word = word ? word : inside.word, .braces = c == '{'};
        } else if ((c == ')' || c == '}') && depth) {
            inside = open[--depth];
        }
    }
    return inside;
}

/* The options that a word's arguments list: "shape=" in {shape=, dtype=}. */
static void offer_options(Candidates *candidates, const ScriptWord *word)
{
    for (const char *equals = strchr(word->args, '='); equals; equals = strchr(equals + 1, '=')) {
        const char *start = equals;
        while (start > word->args && is_name_byte(start[-1])) start--;
        if (start < equals) offer(candidates, start, (size_t)(equals - start) + 1);
    }
}

static bool takes_file(const ScriptWord *word)
{
    return word && (strstr(word->args, "\"file\"") || strstr(word->args, "\"folder\""));
}

/* How it is called, and what it does. */
static void tell_usage(const ScriptWord *word, Text *choices)
{
    text_addf(choices, "%s %s   %s\n", word->name, word->args, word->help);
}

/* The words in small letters among what a verb takes: "[N|left|right]" has two. */
static void offer_literals(Candidates *candidates, const char *args)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz-";
    for (const char *p = args + strcspn(args, letters); *p; p += strcspn(p, letters)) {
        const size_t n = strspn(p, letters);
        offer(candidates, p, n);
        p += n;
    }
}

/* What may stand behind a verb, by what it takes. `first`: it is the first word there. */
static void offer_arguments(Candidates *candidates, const CompleteFrom *from, const char *args,
                            bool first)
{
    const bool filter = strcmp(args, "[WORD]...") == 0;
    if (filter) offer_filters(candidates);
    if (filter || strstr(args, "KEY") || strcmp(args, "[TEXT]") == 0)
        offer_keys(candidates, from);
    else if (strcmp(args, "[ORDER]") == 0) offer_orders(candidates);
    else if (strcmp(args, "[WORD]") == 0) {
        offer_verbs(candidates);
        offer_words(candidates, from);
    } else if (first) offer_literals(candidates, args);
}

/* Behind a verb come its words, files or keys. A verb that takes a path has all of the rest as its
 * word, since paths hold blanks. Returns where the word begins; SIZE_MAX: this is no verb's. */
static size_t gather_verb(const CompleteFrom *from, const char *before, Candidates *candidates)
{
    const char *argument = NULL;
    const size_t cursor = strlen(before);
    const Verb *verb = from->verbs ? verb_find(before, &argument) : NULL;
    if (!verb || argument <= before + strlen(verb->name) || strstr(verb->args, "LINE"))
        return SIZE_MAX;
    const char *start = has_prefix(argument, "path ") ? argument + strlen("path ") : argument;
    const bool path = strstr(verb->args, "PATH") || strcmp(verb->args, "[FILE]") == 0 ||
                      (start > argument && has_prefix(verb->args, "[path|"));
    size_t at = cursor;
    if (path) at = (size_t)(start - before);
    else while (at && is_word_byte(before[at - 1])) at--;
    candidates->word = before + at;
    candidates->length = cursor - at;
    if (path) file_names(candidates->arena, candidates->word, offer_file, candidates);
    else offer_arguments(candidates, from, verb->args, before + at == argument);
    return at;
}

/* The texts that a word can only take one of: "source" | "target". */
static void offer_texts(Candidates *candidates, const ScriptWord *word)
{
    bool after = false;          /* the text before this one was one of several */
    for (const char *p = strchr(word->args, '"'); p; p = strchr(p, '"')) {
        const size_t n = strcspn(p + 1, "\"");
        const char *next = p + 1 + n + (p[1 + n] == '"');
        const bool more = has_prefix(next, " | \"");
        if (more || after) offer(candidates, p + 1, n);
        after = more;
        p = next;
    }
}

/* Names of packs and presets; a pack that goes back has two. */
static void offer_presets(Candidates *candidates)
{
    for (const BundledRules *rules = bundled_rules; rules->name; rules++) {
        if (rules->kind == BUNDLED_SHARED) continue;
        const char *back = pack_reverse_name(candidates->arena, rules);
        offer_word(candidates, rules->name);
        if (back) offer_word(candidates, back);
    }
}

/* In a string: what the word takes that it is an argument of, and keys where that tells nothing. */
static void offer_in_string(Candidates *candidates, const CompleteFrom *from,
                            const ScriptWord *word)
{
    const char *name = word ? word->name : "";
    if (takes_file(word)) {
        file_names(candidates->arena, candidates->word, offer_file, candidates);
        return;
    }
    if (word) offer_texts(candidates, word);
    if (strcmp(name, "rows") == 0) offer_filters(candidates);
    if (strcmp(name, "help") == 0) offer_words(candidates, from);
    else if (strcmp(name, "preset") == 0) offer_presets(candidates);
    else if (strcmp(name, "problems") == 0)
        for (int i = 0; i < BIND_STATUS_COUNT; i++)
            offer_word(candidates, bind_word((BindStatus)i));
    else if (!word || strstr(word->args, "\"key\"") || !strstr(word->args, " | \""))
        offer_keys(candidates, from);
}

/* In a string stand files or keys, by whose it is; in braces options; at the start a verb, a
 * statement or a function, and these elsewhere too, with keys, which rule text has unquoted. */
static size_t gather_lua(const CompleteFrom *from, const char *before, Candidates *candidates,
                         Text *choices)
{
    const size_t cursor = strlen(before);
    const Inside inside = look_around(from, before, cursor);
    size_t at = cursor;
    if (inside.quote && takes_file(inside.word)) at = inside.quote - 1;
    else while (at && is_word_byte(before[at - 1])) at--;
    candidates->word = before + at;
    candidates->length = cursor - at;
    if (inside.quote) {
        offer_in_string(candidates, from, inside.word);
    } else {
        const bool first = strspn(before, " ") >= at;
        if (inside.braces && inside.word) offer_options(candidates, inside.word);
        if (first && from->verbs) offer_verbs(candidates);
        if (first || (!candidates->count && candidates->length)) offer_words(candidates, from);
        if (!first && !inside.braces) offer_keys(candidates, from);
        if (!candidates->length && inside.word) tell_usage(inside.word, choices);
    }
    return at;
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

/* The folders and segments that all of them stand in are left out, and more than a screen of them
 * helps nobody. */
static void list_choices(Candidates *candidates, Text *choices)
{
    size_t inside = common_length(candidates);
    while (inside && !strchr("./", candidates->list[0][inside - 1])) inside--;
    qsort(candidates->list, candidates->count, sizeof *candidates->list, compare_natural);
    for (size_t i = 0; i < candidates->count && i < CHOICES_SHOWN; i++) {
        if (i) text_add(choices, "  ");
        name_show(candidates->list[i] + inside, choices);
    }
    if (candidates->count > CHOICES_SHOWN)
        text_addf(choices, "  and %zu more", candidates->count - CHOICES_SHOWN);
}

size_t complete_at(const CompleteFrom *from, const char *text, size_t cursor, Text *word,
                   Text *choices)
{
    Candidates candidates = {.arena = arena_new()};
    map_init(&candidates.seen);
    const char *before = arena_strndup(candidates.arena, text, cursor);
    size_t at = gather_verb(from, before, &candidates);
    if (at == SIZE_MAX) at = gather_lua(from, before, &candidates, choices);
    if (candidates.count) text_addn(word, candidates.list[0], common_length(&candidates));
    if (candidates.count > 1) {
        list_choices(&candidates, choices);
    } else if (candidates.count && candidates.words) {
        const ScriptWord *whole = find_word(from, candidates.list[0], strlen(candidates.list[0]));
        if (whole) tell_usage(whole, choices);
    }
    map_done(&candidates.seen);
    free(candidates.list);
    arena_free(candidates.arena);
    return at;
}
