/* Nothing on these pages is written twice: keys, verbs, states, statements and ops explain
 * themselves in their own tables. */
#include "repl/help.h"

#include <string.h>

#include "repl/call_list.h"
#include "repl/keys.h"
#include "scripting/script.h"

/* `text` behind an indent of two, and blanks up to `width` columns; one at least, where the text is
 * wider. Characters are counted, not bytes: arrows and "…" have three. */
static void add_column(Text *out, const char *text, size_t width)
{
    size_t columns = 0;
    for (const char *p = text, *end = p + strlen(p); p < end; columns++) utf8_next(&p, end);
    text_addf(out, "  %s", text);
    do text_addc(out, ' ');
    while (++columns < width);
}

/* What the user has bound, before the table's that it takes the place of. */
static void help_own_keys(Text *out)
{
    size_t n;
    const KeyBinding *keys = key_own(&n);
    if (n) text_add(out, "Your keys\n");
    for (size_t i = 0; i < n; i++) {
        add_column(out, keys[i].key, 16);
        add_column(out, *keys[i].line ? keys[i].line : "nothing", 20);
        if (*keys[i].panel) text_addf(out, "while %s is on show", keys[i].panel);
        text_addc(out, '\n');
    }
    if (n) text_addc(out, '\n');
}

/* A panel's own keys come first while it is on show: they are what was asked for. */
static void help_panel_keys(const char *panel, Text *out)
{
    size_t n, found = 0;
    const KeyBinding *keys = key_table(&n);
    for (size_t i = 0; *panel && i < n; i++) {
        if (strcmp(keys[i].panel, panel) != 0) continue;
        if (!found++) text_addf(out, "Keys of this panel (%s)\n", panel);
        add_column(out, keys[i].key, 16);
        add_column(out, keys[i].line, 20);
        const char *words = strstr(keys[i].help, ": ");
        text_addf(out, "%s\n", words ? words + 2 : keys[i].help);
    }
    if (found) text_addc(out, '\n');
}

/* Keys of the same line share one: "Up k   up   row above". They stand together in the table,
 * which is what this relies on. */
static void help_keys(Text *out)
{
    size_t n;
    const KeyBinding *keys = key_table(&n);
    text_add(out, "Keys\n");
    Text names = {0};
    for (size_t i = 0; i < n; i++) {
        if (names.length) text_addc(&names, ' ');
        text_add(&names, keys[i].key);
        if (i + 1 < n && strcmp(keys[i + 1].line, keys[i].line) == 0) continue;
        add_column(out, text_string(&names), 16);
        add_column(out, keys[i].line, 20);
        text_addf(out, "%s\n", keys[i].help);
        text_clear(&names);
    }
    text_done(&names);
}

/* The legend of the middle column: sign, word, meaning, from best to worst. */
static void help_states(Text *out)
{
    text_add(out, "\nSigns between the two sides\n");
    for (int i = 0; i < ROW_STATE_COUNT; i++) {
        const RowStateInfo *info = state_info((RowState)i);
        add_column(out, info->glyph, 3);
        add_column(out, info->word, 12);
        text_addf(out, "%s\n", info->help);
    }
    text_add(out, "  While a line is typed: + would load, ! would break, * would change\n");
}

/* Filters and orders, each by its table. */
static void help_list(Text *out)
{
    text_add(out, "\nFilters, after & (all words must hold)\n");
    for (int i = 0; i < FILTER_WORDS; i++) {
        add_column(out, row_filter_words[i].word, 20);
        text_addf(out, "%s\n", row_filter_words[i].help);
    }
    text_add(out, "\nOrders, by S\n");
    for (int i = 0; i < ROW_ORDER_COUNT; i++) {
        add_column(out, row_order_word((RowOrder)i), 20);
        text_addf(out, "%s\n", row_order_help((RowOrder)i));
    }
}

/* One word: how it is used, and what it does. With a title the word is the first of its section,
 * and the title comes before it. */
static void help_words(const char *title, const char *name, const char *args, const char *help,
                       Text *out)
{
    Text usage = {0};
    if (title) text_addf(out, "\n%s\n", title);
    text_add(&usage, name);
    if (*args) text_addf(&usage, " %s", args);
    add_column(out, text_string(&usage), 36);
    text_addf(out, "%s\n", help);
    text_done(&usage);
}

/* In the order in which they are needed: keys, what the signs mean, verbs, the rule language,
 * functions. */
void help_page(const Verb *verbs, size_t count, const char *panel, Text *out)
{
    help_panel_keys(panel, out);
    help_own_keys(out);
    help_keys(out);
    help_states(out);
    help_list(out);
    for (size_t i = 0; i < count; i++)
        help_words(i ? NULL : "Verbs, after :", verbs[i].name, verbs[i].args, verbs[i].help, out);
    size_t n;
    const ScriptWord *words = script_words(&n);
    for (size_t i = 0; i < n; i++)
        help_words(i ? NULL : "Statements and ops of rules (Lua), after : as well",
                   words[i].name, words[i].args, words[i].help, out);
    const ConsoleCalls *calls = call_table();
    for (size_t i = 0; i < calls->count; i++)
        help_words(i ? NULL : "Functions (Lua), after : and in tenon repl; rules cannot call them",
                   calls->words[i].name, calls->words[i].args, calls->words[i].help, out);
}

/* One word may be several things: "filter" is a verb, "f" a key that runs it, "fit" an op. All that
 * go by the name are told; nothing is appended when there is none, which is how a caller knows. */
void help_word(const Verb *verbs, size_t count, const char *word, Text *out)
{
    size_t n;
    for (size_t i = 0; i < count; i++)
        if (strcmp(verbs[i].name, word) == 0)
            help_words(NULL, verbs[i].name, verbs[i].args, verbs[i].help, out);
    const ScriptWord *words = script_words(&n);
    for (size_t i = 0; i < n; i++)
        if (strcmp(words[i].name, word) == 0)
            help_words(NULL, words[i].name, words[i].args, words[i].help, out);
    const ConsoleCalls *calls = call_table();
    for (size_t i = 0; i < calls->count; i++)
        if (strcmp(calls->words[i].name, word) == 0)
            help_words(NULL, word, calls->words[i].args, calls->words[i].help, out);
    const KeyBinding *keys = key_table(&n);
    for (size_t i = 0; i < n; i++)
        if (strcmp(keys[i].key, word) == 0)
            help_words(NULL, keys[i].key, keys[i].line, keys[i].help, out);
}

/* "fix.lua:12: "; nothing for what no rule did. */
static void add_origin(const Origin *origin, Text *out)
{
    if (origin && origin->file && origin->line)
        text_addf(out, "%s:%d: ", origin->file, origin->line);
}

/* "collision: fix.lua:3: fc.weight is claimed by a.fc.weight and b.fc.weight after strip". */
static void note_collision(const Collision *collision, Text *out)
{
    text_add(out, "collision: ");
    add_origin(&collision->origin, out);
    text_addf(out, "%s is claimed by", collision->name);
    for (size_t i = 0; i < collision->source_count; i++)
        text_addf(out, "%s %s", i ? " and" : "", collision->sources[i]);
    if (collision->what) text_addf(out, " after %s", collision->what);
    text_addc(out, '\n');
}

/* What reading a file had to say. No target: NULL, which has none. */
static void note_warnings(const Checkpoint *checkpoint, Text *out)
{
    for (size_t i = 0; checkpoint && i < checkpoint_finding_count(checkpoint); i++)
        text_addf(out, "%s: %s\n", checkpoint_path(checkpoint),
                  checkpoint_finding(checkpoint, i)->what);
}

/* Collisions first: nothing can be written over them. Then the rules' notes in their order, then
 * what reading the files gave; "" when there is nothing at all. */
void help_notes(const Session *session, const Alignment *alignment, Text *out)
{
    for (size_t i = 0; i < align_collision_count(alignment); i++)
        note_collision(align_collision(alignment, i), out);
    for (size_t i = 0; i < align_note_count(alignment); i++) {
        const RuleNote *note = align_note(alignment, i);
        text_add(out, note->level == NOTE_ERROR ? "error: " : "note: ");
        add_origin(&note->origin, out);
        text_addf(out, "%s\n", note->text);
    }
    note_warnings(session_source(session), out);
    note_warnings(session_target_checkpoint(session), out);
}
