/* The keys. Tests hold that every line here runs a verb and that no key is bound twice. Letters are
 * those of less and vim where these have one. A capital is its letter's counterpart: n and N go
 * forward and back, z and Z fold and unfold, w and W write the checkpoint and the rules. */
#include "repl/keys.h"

#include <stdlib.h>
#include <string.h>

enum { OWN_MAX = 512 };          /* keys that the user may bind */

/* In the order of the help page; keys of one line stand together, since help prints them as
 * one. Keys of other modes (Enter and Esc while a line is typed) are not here: they are no verbs,
 * and cannot be bound. Lines that end with a blank open the prompt to be gone on with. */
static const KeyBinding bindings[] = {
    {"", "Up", "up", "row above"},
    {"", "k", "up", "row above"},
    {"", "Down", "down", "row below"},
    {"", "j", "down", "row below"},
    {"", "PgUp", "page-up", "page above"},
    {"", "Ctrl-B", "page-up", "page above"},
    {"", "PgDn", "page-down", "page below"},
    {"", "Ctrl-F", "page-down", "page below"},
    {"", "Home", "top", "first row"},
    {"", "g", "top", "first row"},
    {"", "End", "bottom", "last row"},
    {"", "G", "bottom", "last row"},
    {"", "Left", "out", "close the module, or go to the one above"},
    {"", "h", "out", "close the module, or go to the one above"},
    {"", "Right", "in", "open the module, or go into it"},
    {"", "l", "in", "open the module, or go into it"},
    {"", "Tab", "side", "source or target: whose key and detail is shown"},
    {"", "BackTab", "side", "source or target: whose key and detail is shown"},
    {"", "Enter", "fold", "open or close the module, or show the tensor's values"},
    {"", "Space", "fold", "open or close the module, or show the tensor's values"},
    {"", "z", "fold-all", "close all modules"},
    {"", "Z", "unfold-all", "open all modules; runs of equal blocks stay closed"},
    {"", "/", "search", "search the keys of both sides: text, glob, /regex/"},
    {"", "n", "next-hit", "next hit"},
    {"", "N", "previous-hit", "previous hit"},
    {"", "]", "next-problem", "next problem"},
    {"", "[", "previous-problem", "previous problem"},
    {"", "f", "filter", "show only the next state there is: problems, shape, missing …"},
    {"", "F", "filter all", "show everything again"},
    {"", "&", "narrow", "type a filter: states, dtypes, sizes, keys"},
    {"", "S", "sort", "sort by the next of: target, source, name, size, state, confidence"},
    {"", "{", "divider left", "move the divider between the sides; = puts it in the middle"},
    {"", "}", "divider right", "move the divider between the sides; = puts it in the middle"},
    {"", "=", "divider", "both sides as wide as each other"},
    {"", "%", "coverage", "the coverage bar: of values, of bytes, of tensors"},
    {"", ":", "prompt", "a line of rules (Lua), or a verb; shows what it would change"},
    {"", "a", "align", "automatic alignment; A takes what is likely, too"},
    {"", "A", "align likely", "automatic alignment; A takes what is likely, too"},
    {"", "s", "proposals", "lines that would settle this row, tried; digits apply one"},
    {"", "1", "try 1", "apply the first of them"},
    {"", "2", "try 2", "the second"},
    {"", "3", "try 3", "the third"},
    {"", "4", "try 4", "the fourth"},
    {"", "5", "try 5", "the fifth"},
    {"", "6", "try 6", "the sixth"},
    {"", "7", "try 7", "the seventh"},
    {"", "8", "try 8", "the eighth"},
    {"", "9", "try 9", "the ninth"},
    {"", "D", "detail", "all that is known of the row, or a notice, in full"},
    {"", "m", "mark", "mark, and match with what is marked on the other side; U forgets marks"},
    {"", "U", "unmark", "forget what is marked"},
    {"", "x", "unmatch", "take the pair apart"},
    {"", "i", "induce", "rules that follow from the pairs made by hand"},
    {"", "d", "ignore", "drop what the target does not need; keep what the source lacks"},
    {"", "+", "fill-in", "fill it: zeros, normal, kaiming …"},
    {"", "r", "rule-list", "the rules: order, rows that each touches, errors"},
    {"rules", "Space", "rule-toggle", "rules: turn one off, or on"},
    {"rules", "K", "rule-move up", "rules: earlier"},
    {"rules", "J", "rule-move down", "rules: later"},
    {"rules", "e", "rule-edit", "rules: edit one"},
    {"rules", "s", "rule-split", "rules: take one apart into its statements"},
    {"rules", "d", "rule-delete", "rules: delete one"},
    {"rules", "p", "rule-rows", "rules: the rows that one touches"},
    {"rules", "x", "rule-without", "rules: mark what would change without it"},
    {"", "b", "bisect", "which rule broke this row, or made it so"},
    {"", "v", "values", "the tensor's values: statistics, heat map, numbers, rows, difference"},
    {"values", "Tab", "values-page", "values: next page"},
    {"values", "s", "values-side", "values: source, what is made of it, target"},
    {"values", "+", "values-zoom in", "values: fewer or more elements in a cell"},
    {"values", "-", "values-zoom out", "values: fewer or more elements in a cell"},
    {"values", ",", "values-slice -1", "values: back or on along the axes that are not on show"},
    {"values", ".", "values-slice 1", "values: back or on along the axes that are not on show"},
    {"values", "x", "values-axes", "values: the next pair of axes as rows and columns"},
    {"values", "L", "values-scale", "values: by size (logarithmic), or linear"},
    {"values", "o", "values-sort", "values: norms of rows by size, or in order"},
    {"values", "p", "values-peak", "values: the largest of a cell, or its mean"},
    {"", "M", "metadata", "what the files say of themselves"},
    {"", "O", "objects", "all objects of the source as a tree"},
    {"", "o", "optimizer-state", "the state of the source's optimizer"},
    {"", "C", "check", "read all of the source, and show what is wrong with it"},
    {"", "u", "undo", "take the last line back"},
    {"", "Ctrl-R", "redo", "put it there again"},
    {"", "e", "edit", "the rules file in $EDITOR"},
    {"", "w", "prompt write ", "write the aligned checkpoint"},
    {"", "E", "export", "how it is written: format, shards, the rest; and what it takes"},
    {"export", "w", "export write", "export: write it"},
    {"", "c", "containers", "choose among several dicts in a file"},
    {"", "<", "prompt open-source ", "another source"},
    {"", ">", "prompt open-target ", "another target"},
    {"", "R", "reopen", "open again what has changed on disk"},
    {"", "W", "prompt save ", "save the session's lines as rules"},
    {"", "K", "prompt save-session ", "keep the whole session, to go on with or to run"},
    {"", "!", "notes", "notes of the rules, collisions, warnings of the files"},
    {"", "WheelUp", "up 3", "three rows above"},
    {"", "WheelDown", "down 3", "three rows below"},
    {"", "Ctrl-L", "redraw", "draw the screen anew"},
    {"", "?", "help", "this page"},
    {"", "q", "quit", "quit; asks when lines are not saved"},
};

/* For help and for tests; a press is looked up by key_line. */
const KeyBinding *key_table(size_t *count)
{
    *count = countof(bindings);
    return bindings;
}

/* The process's, like the terminal: there is one user. */
static KeyBinding own[OWN_MAX];
static size_t own_count;

const KeyBinding *key_own(size_t *count)
{
    *count = own_count;
    return own;
}

void key_reset(void)
{
    for (; own_count; own_count--) {
        free((char *)own[own_count - 1].panel);
        free((char *)own[own_count - 1].key);
        free((char *)own[own_count - 1].line);
    }
}

/* A panel is known by the keys that the table has for it. */
static bool is_panel(const char *panel)
{
    if (!*panel) return true;
    for (size_t i = 0; i < countof(bindings); i++)
        if (strcmp(bindings[i].panel, panel) == 0) return true;
    return false;
}

bool key_bind(const char *panel, const char *key, const char *line, Error *err)
{
    Press press;
    if (!is_panel(panel))
        return error_set(err, ERR_USAGE, "no panel '%.60s' has keys of its own", panel);
    if (!press_parse(key, &press))
        return error_set(err, ERR_USAGE, "'%.60s' is no key; they are written as ? shows them: x, "
                         "Ctrl-X, PgUp, Space", key);
    if (own_count == OWN_MAX)
        return error_set(err, ERR_LIMIT, "no more than %d keys can be bound", OWN_MAX);
    own[own_count++] = (KeyBinding){mem_strdup(panel), mem_strdup(key), mem_strdup(line),
                                    "bound by you"};
    return true;
}

static bool is_for(const KeyBinding *key, const char *name, const char *panel)
{
    const bool here = panel ? strcmp(key->panel, panel) == 0 : !*key->panel;
    return here && strcmp(key->key, name) == 0;
}

/* The binding for that panel, NULL for what is bound everywhere; the user's newest before the
 * table's. By the name of the press, so that the table can be read and a test can press what it
 * says. Linear: nobody types faster than a hundred comparisons. */
static const KeyBinding *find_binding(Press press, const char *panel)
{
    Text name = {0};
    const KeyBinding *found = NULL;
    press_name(press, &name);
    for (size_t i = own_count; i && !found; i--)
        if (is_for(&own[i - 1], text_string(&name), panel)) found = &own[i - 1];
    for (size_t i = 0; i < countof(bindings) && !found; i++)
        if (is_for(&bindings[i], text_string(&name), panel)) found = &bindings[i];
    text_done(&name);
    return found;
}

const char *key_line(Press press, const char *panel)
{
    const KeyBinding *key = panel ? find_binding(press, panel) : NULL;
    if (!key) key = find_binding(press, NULL);
    return key && *key->line ? key->line : NULL;
}

bool key_is_for(Press press, const char *panel)
{
    return find_binding(press, panel) != NULL;
}

/* Whether a press of it does what its binding says: one that was bound anew does not. */
static bool is_in_force(const KeyBinding *key, const char *panel)
{
    Press press;
    if (*key->panel && (!panel || strcmp(key->panel, panel) != 0)) return false;
    const char *line = press_parse(key->key, &press) ? key_line(press, panel) : NULL;
    return line && strcmp(line, key->line) == 0;
}

const char *key_for(const char *line, const char *panel)
{
    for (size_t i = own_count; i > 0; i--)
        if (strcmp(own[i - 1].line, line) == 0 && is_in_force(&own[i - 1], panel))
            return own[i - 1].key;
    for (size_t i = 0; i < countof(bindings); i++)
        if (strcmp(bindings[i].line, line) == 0 && is_in_force(&bindings[i], panel))
            return bindings[i].key;
    return NULL;
}

const char *key_of(const char *line)
{
    return key_for(line, NULL);
}
