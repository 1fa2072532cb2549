/* Rules written out: statements as they were given, then rules for what was found. */
#include "repl/emit_rules.h"

#include <stdlib.h>
#include <string.h>

#include "loader/align/bundle.h"
#include "loader/align/family.h"
#include "loader/align/found.h"
#include "loader/align/rule_lex.h"
#include "loader/core/json.h"
#include "loader/export/atomic.h"

/* ---- the statements that were given ---- */

/* Whether it is written out: it runs, and is not what --auto says. */
static bool is_given(const SessionText *text)
{
    return text->kind != RULES_AUTO && !text->off;
}

/* How many texts there are beside what --auto says. */
static size_t count_texts(const Session *session)
{
    SessionText text;
    size_t count = 0;
    for (size_t i = 0; session_text(session, i, &text); i++) count += is_given(&text);
    return count;
}

/* A comment that a name cannot end. */
static void write_title(const char *title, const char *name, Text *out)
{
    text_add(out, title);
    name_show(name, out);
    text_addc(out, '\n');
}

/* Files that a script reads lie beside it: where it moves, they do not. */
static void write_folder(const SessionText *text, const char *path, Text *out)
{
    if (!has_word(text->text, text->length, "json") &&
        !has_word(text->text, text->length, "source")) return;
    char *was = text->kind == RULES_FILE ? path_folder(text->name) : mem_strdup(".");
    char *is = path_folder(path);
    if (strcmp(was, is) != 0) {
        write_title("-- the files it names were looked for in ", was, out);
        text_add(out, "-- and will be looked for beside this file\n");
    }
    free(was);
    free(is);
}

/* Several scripts in one file keep their locals apart, and a `return` ends only its own. Without
 * the `do`, Lua would take the parenthesis for a call of what stands before it. */
static void write_texts(const Session *session, const char *path, Text *out)
{
    bool several = count_texts(session) > 1;
    SessionText text;
    for (size_t i = 0; session_text(session, i, &text); i++) {
        if (!is_given(&text)) continue;
        bool apart = several && text.kind == RULES_FILE;
        write_title("\n-- ", text.name, out);
        write_folder(&text, path, out);
        if (apart) text_add(out, "do (function()\n");
        text_addn(out, text.text, text.length);
        if (!text.length || text.text[text.length - 1] != '\n') text_addc(out, '\n');
        if (apart) text_add(out, "end)() end\n");
    }
}

/* What has been carried out must not be carried out again. */
static void write_stops(const Session *session, const Alignment *alignment, Text *out)
{
    bool says_auto = false, says_match = found_is_matched(alignment);
    SessionText text;
    for (size_t i = 0; session_text(session, i, &text); i++)
        says_auto = says_auto || (is_given(&text) && has_word(text.text, text.length, "auto"));
    if (!align_is_automatic(alignment) || (!says_auto && !says_match)) return;
    text_add(out, "\n-- What these found stands below as rules.\n");
    if (says_auto) text_add(out, "auto = function() end\n");
    if (says_match) text_add(out, "match = function() end\n");
}

/* ---- the rules ---- */

/* "0.93, 32 tensors: names, order": the doubtful ones say so. */
static void note_rule(void *context, const InducedRule *rule, Text *out)
{
    (void)context;
    if (!rule->bundle_count) {
        text_add(out, "another tensor gets this name");
        return;
    }
    text_addf(out, "%.2f  %zu tensor%s", (double)rule->confidence, rule->bundle_count,
              rule->bundle_count == 1 ? "" : "s");
    if (!rule->why) return;
    text_add(out, ": ");
    name_show(rule->why, out);
}

/* "a, b" of a few names. */
static void write_names(const char *const *names, size_t n, Text *out)
{
    enum { SHOWN = 4 };
    for (size_t i = 0; i < n && i < SHOWN; i++) {
        if (i) text_add(out, ", ");
        name_show(names[i], out);
    }
    if (n > SHOWN) text_addf(out, " and %zu more", n - SHOWN);
}

/* Questions as comments: with an answer, --auto would add rules. */
static void write_doubts(const Alignment *alignment, Text *out)
{
    for (size_t i = 0; i < align_doubt_count(alignment); i++) {
        const Doubt *doubt = align_doubt(alignment, i);
        if (!doubt->open) continue;
        text_add(out, i ? "" : "\n");
        text_addf(out, "-- %s (%zu tensor%s): ", doubt->likely ? "likely" : "not decided",
                  doubt->tensors, doubt->tensors == 1 ? "" : "s");
        write_names(doubt->sources, doubt->source_count, out);
        text_add(out, " -> ");
        write_names(doubt->targets, doubt->target_count, out);
        write_title(doubt->likely ? "\n--   --auto --accept likely, or --say " : "\n--   --say ",
                    doubt->likely && doubt->say ? doubt->say : doubt->ask, out);
    }
}

/* Equal names bind: those that are no evidence are taken away before anything is named anew. */
static void write_withheld(const Alignment *alignment, Arena *arena, Text *out)
{
    size_t n;
    const char *const *names = align_withheld(alignment, &n);
    InducedRule *drops = arena_alloc(arena, (n + 1) * sizeof *drops);
    const Induction withheld = {.first = drops, .first_count = n};
    for (size_t i = 0; i < n; i++) {
        Text rule = {0};
        rule_quote(names[i], strlen(names[i]), &rule);
        text_add(&rule, " ->");
        drops[i] = (InducedRule){.text = text_keep(&rule, arena)};
    }
    if (n) text_add(out, "\n-- Names of the target that may be those of other layers.\n");
    induce_write(&withheld, NULL, NULL, out);
}

static bool write_found(const Alignment *alignment, Text *out, size_t *rules, Error *err)
{
    Arena *arena = arena_new();
    InduceInput input;
    bool good = true;
    *rules = 0;
    write_withheld(alignment, arena, out);
    if (found_collect(alignment, arena, &input)) {
        const Induction *induction = induce_rules(arena, &input, err);
        good = induction != NULL;
        if (good && induction->left_count)
            good = error_set(err, ERR_INTERNAL, "%zu bundles cannot be said as rules",
                             induction->left_count);
        if (good && induction->count) {
            text_add(out, "\n-- Found without a rule: how sure it is, how many tensors, and what "
                          "it rests on.\n");
            induce_write(induction, note_rule, NULL, out);
            *rules = induction->count;
        }
    }
    arena_free(arena);
    if (good) write_doubts(alignment, out);
    return good;
}

/* ---- the check ---- */

static void write_value(const Expr *expr, Text *out)
{
    text_clear(out);
    if (!expr) return;
    JsonWriter *writer = json_writer_new(out, false);
    expr_write_json(expr, writer);
    json_writer_free(writer);
}

/* The first target that the two ledgers give different values; NULL: there is none. */
static const char *find_difference(const Alignment *a, const Alignment *b)
{
    const char *name = align_count(a) == align_count(b) ? NULL : "";
    Text x = {0}, y = {0};
    for (size_t i = 0; !name && i < align_count(a); i++) {
        write_value(align_value(align_binding(a, i)), &x);
        write_value(align_value(align_binding(b, i)), &y);
        if (strcmp(text_string(&x), text_string(&y)) != 0) name = align_binding(a, i)->name;
    }
    text_done(&x);
    text_done(&y);
    return name;
}

bool emit_check(Session *session, const Alignment *alignment, const char *path, const char *text,
                Error *err)
{
    Alignment *again = session_run(session, text, path, err);
    if (!again) return error_prefix(err, "%s: the rules written out would not run", path);
    const char *name = find_difference(alignment, again);
    if (name) {
        Text shown = {0};
        name_show(name, &shown);
        error_set(err, ERR_INTERNAL, "%s: the rules written out would give '%.300s' another value; "
                  "nothing written", path, text_string(&shown));
        text_done(&shown);
    }
    align_unref(again);
    return !name;
}

bool emit_rules(Session *session, const Alignment *alignment, const char *path, bool force,
                size_t *rules, Error *err)
{
    Text text = {0};
    write_title("-- Rules for ", session_source_path(session), &text);
    if (session_target_path(session))
        write_title("--        as ", session_target_path(session), &text);
    text_add(&text, "-- written by tenon --emit-rules; they come to the same plan without "
                    "--auto.\n");
    if (align_seed(alignment))
        text_addf(&text, "-- Fills are those of --seed %llu: say that beside -r, too.\n",
                  (unsigned long long)align_seed(alignment));
    write_stops(session, alignment, &text);
    write_texts(session, path, &text);
    bool good = atomic_check(path, force, err) && write_found(alignment, &text, rules, err) &&
                emit_check(session, alignment, path, text_string(&text), err) &&
                atomic_write_file(path, force, &text, err);
    text_done(&text);
    return good;
}
