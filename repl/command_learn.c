/* tenon learn: rules from the same weights in two layouts, by value. */
#include "repl/command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "loader/align/induce.h"
#include "loader/align/learn_script.h"
#include "loader/align/report_page.h"
#include "loader/core/fold.h"
#include "loader/export/atomic.h"
#include "loader/source/file_text.h"
#include "repl/answer.h"
#include "repl/interrupt.h"
#include "repl/progress.h"
#include "repl/user_files.h"
#include "scripting/lexicon.h"

enum { CONFIG_BYTES_MAX = 64 << 20, CONFIG_VALUES_MAX = 1 << 20 };

/* One run of the command. */
typedef struct Run {
    const Invocation *invocation;    /* borrowed */
    Arena *arena;                /* owned; of all that is found */
    Session *session;            /* owned */
    Alignment *alignment;        /* a reference: says which dicts are meant */
    const StateDict *old, *now;  /* borrowed from it */
    const LearnResult *result;
    const LearnScript *script;
    const Induction *induction;
    Text rules;                  /* the whole script */
    int status;
} Run;

/* -- The script ------------------------------------------------------------------------- */

/* A name in a comment, which must not end it. */
static void add_comment_name(const char *name, Text *out)
{
    Text shown = {0};
    name_show(name, &shown);
    text_add(out, text_string(&shown));
    text_done(&shown);
}

static void write_script(Run *run)
{
    Text *out = &run->rules;
    const LearnResult *result = run->result;
    text_add(out, "-- learned from ");
    add_comment_name(session_source_path(run->session), out);
    text_add(out, " and ");
    add_comment_name(session_target_path(run->session), out);
    text_addf(out, "\n-- %zu of %zu tensors, every value verified", result->state[LEARN_LEARNED],
              result->count);
    if (result->rounded) text_addf(out, ", of %zu up to rounding", result->rounded);
    if (result->named) text_addf(out, "; %zu with equals were told by names", result->named);
    text_addc(out, '\n');
    text_add(out, run->script->top);
    induce_write(run->induction, NULL, NULL, out);
}

/* -- Text ------------------------------------------------------------------------------- */

/* Targets of one state in folded lines, each with its reason. */
static void add_state(Run *run, Page *page, LearnState state, const char *title)
{
    const LearnResult *result = run->result;
    if (!result->state[state]) return;
    page_section(page, true);
    page_line(page, LINE_HEAD, "  %s (%zu)", title, result->state[state]);
    for (size_t i = 0; i < result->count; i++) {
        if (result->targets[i].state != state) continue;
        text_add(&page->line, "    ");
        add_comment_name(dict_at(run->now, i)->name, &page->line);
        page_pad(page, 36);
        if (result->targets[i].why) text_add(&page->line, result->targets[i].why);
        page_end_line(page, LINE_GROUP);
    }
    if (state == LEARN_AMBIGUOUS)
        page_line(page, LINE_TAIL, "    What is what is told by:   tenon learn … --say \"A=B\"");
}

/* "cat 4   rope_pairs 16   T 12": how many bundles each op is in. */
static void add_ops(Run *run, Page *page)
{
    size_t counts[OP_KIND_COUNT] = {0};
    bool any = false;
    for (size_t i = 0; i < run->result->bundle_count; i++)
        for (size_t k = 0; k < run->result->bundles[i].op_count; k++)
            counts[run->result->bundles[i].ops[k].kind]++;
    text_add(&page->line, "  ops found:");
    for (int kind = 0; kind < OP_KIND_COUNT; kind++) {
        if (!counts[kind]) continue;
        text_addf(&page->line, "   %s %zu", op_name((OpKind)kind), counts[kind]);
        any = true;
    }
    if (!any) text_add(&page->line, "   none, only names differ");
    page_end_line(page, LINE_HEAD);
}

static void print_text(Run *run)
{
    Text out = {0};
    Page page = {.arena = arena_new()};
    const LearnResult *result = run->result;
    add_comment_name(session_source_path(run->session), &page.line);
    text_add(&page.line, " → ");
    add_comment_name(session_target_path(run->session), &page.line);
    page_end_line(&page, LINE_HEAD);
    page_section(&page, true);
    page_line(&page, LINE_HEAD, "  %zu of %zu tensors learned and verified   %zu rule%s",
              result->state[LEARN_LEARNED], result->count,
              run->induction->count + run->induction->first_count,
              run->induction->count + run->induction->first_count == 1 ? "" : "s");
    if (result->bundle_count) add_ops(run, &page);
    if (result->rounded)
        page_line(&page, LINE_HEAD, "  %zu of them computed, and equal up to rounding",
                  result->rounded);
    if (result->named)
        page_line(&page, LINE_HEAD, "  %zu of them hold what others hold as well, and were told by "
                  "names, shapes and order", result->named);
    if (result->unused_count)
        page_line(&page, LINE_HEAD, "  %zu of the source in none of them", result->unused_count);
    add_state(run, &page, LEARN_AMBIGUOUS, "Ambiguous: equal values, and names do not decide");
    add_state(run, &page, LEARN_UNEXPLAINED, "Unexplained");
    add_state(run, &page, LEARN_UNREAD, "Not readable as numbers");
    page_write(&page, run->invocation->set[OPT_VERBOSE], 0, &out);
    fwrite(text_string(&out), 1, out.length, stdout);
    if (run->invocation->set[OPT_OUT])
        printf("\nwritten %s\n", run->invocation->value[OPT_OUT]);
    else if (result->bundle_count)
        printf("\n%s", text_string(&run->rules));
    text_done(&out);
    arena_free(page.arena);
}

/* -- JSON ------------------------------------------------------------------------------- */

/* {"sources":[["q"],["k"]],"targets":["qk"],"ops":["cat(0)"]} */
static void put_bundle(JsonWriter *json, const Bundle *bundle)
{
    json_map(json);
    json_key(json, "sources");
    json_list(json);
    for (size_t i = 0; i < bundle->source_count; i++) {
        json_list(json);
        for (size_t k = 0; k < bundle->sources[i].count; k++)
            json_string(json, bundle->sources[i].names[k]);
        json_end(json);
    }
    json_end(json);
    json_put_names(json, "targets", bundle->targets, bundle->target_count);
    json_key(json, "ops");
    json_list(json);
    for (size_t i = 0; i < bundle->op_count; i++) {
        Text text = {0};
        op_show(&bundle->ops[i], &text);
        json_string(json, text_string(&text));
        text_done(&text);
    }
    json_end(json);
    json_end(json);
}

static void print_json(Run *run)
{
    Text out = {0};
    const LearnResult *result = run->result;
    JsonWriter *json = answer_begin(&out);
    json_put_text(json, "old", session_source_path(run->session));
    json_put_text(json, "new", session_target_path(run->session));
    json_key(json, "summary");
    json_map(json);
    json_put_uint(json, "tensors", result->count);
    for (int i = 0; i < LEARN_STATE_COUNT; i++)
        json_put_uint(json, learn_word((LearnState)i), result->state[i]);
    json_put_uint(json, "rounded", result->rounded);
    json_put_uint(json, "named", result->named);
    json_put_uint(json, "rules", run->induction->count + run->induction->first_count);
    json_end(json);
    json_key(json, "bundles");
    json_list(json);
    for (size_t i = 0; i < result->bundle_count; i++) put_bundle(json, &result->bundles[i]);
    json_end(json);
    json_key(json, "open");
    json_list(json);
    for (size_t i = 0; i < result->count; i++) {
        if (result->targets[i].state == LEARN_LEARNED) continue;
        json_map(json);
        json_put_text(json, "target", dict_at(run->now, i)->name);
        json_put_text(json, "state", learn_word(result->targets[i].state));
        json_put_text(json, "why", result->targets[i].why);
        json_end(json);
    }
    json_end(json);
    json_put_names(json, "unused", result->unused, result->unused_count);
    json_put_text(json, "rules", text_string(&run->rules));
    json_put_text(json, "output", run->invocation->value[OPT_OUT]);
    answer_print(json, run->status, &out);
}

/* -- The whole -------------------------------------------------------------------------- */

static bool open_both(Run *run, Error *err)
{
    const Invocation *invocation = run->invocation;
    SessionOptions options = {.source = invocation->operands[0],
                              .target = invocation->operands[1]};
    bool failed;
    run->session = session_new(&options, err);
    run->alignment = run->session ? session_states(run->session, &failed, err) : NULL;
    if (!run->alignment) return false;
    run->old = align_source_dict(run->alignment);
    run->now = align_target(run->alignment);
    return true;
}

/* --say A=B, of which there is an A and a '='. */
static const AutoAnswer *read_answers(Run *run)
{
    const Invocation *invocation = run->invocation;
    AutoAnswer *answers = arena_alloc(run->arena, (invocation->say_count + 1) * sizeof *answers);
    for (size_t i = 0; i < invocation->say_count; i++) {
        const char *text = invocation->says[i], *equals = strchr(text, '=');
        answers[i] = (AutoAnswer){arena_strndup(run->arena, text, (size_t)(equals - text)),
                                  arena_strdup(run->arena, equals + 1)};
    }
    return answers;
}

static bool learn(Run *run, Error *err)
{
    Progress progress;
    bool found;
    const Lexicon *lexicon =
        lexicon_load(run->arena, user_config_file(run->arena, "lexicon.lua"), &found, err);
    if (!lexicon) return false;
    const AutoAnswer *answers = read_answers(run);
    progress_start(&progress, session_source_path(run->session),
                   isatty(STDERR_FILENO) && !run->invocation->set[OPT_QUIET]);
    const LearnOptions options = {progress_step, &progress, lexicon, answers,
                                  run->invocation->say_count};
    run->result = learn_pair(run->arena, run->old, run->now, &options, err);
    progress_end(&progress);
    return run->result != NULL;
}

/* The config.json beside the source, or in it where it is a folder; NULL: there is none that can be
 * read. */
static const Value *read_config(Run *run)
{
    const char *path = session_source_path(run->session);
    char *folder = path_folder(path);
    const Value *config = NULL;
    const char *const places[] = {path, folder};
    for (size_t i = 0; i < countof(places) && !config; i++) {
        const char *name = arena_printf(run->arena, "%s/config.json", places[i]);
        size_t n;
        char *text = file_text(name, CONFIG_BYTES_MAX, &n, NULL);
        if (text) config = json_parse(run->arena, text, n, name, CONFIG_VALUES_MAX, NULL);
        free(text);
    }
    free(folder);
    return config;
}

/* The rules are made of names alone. */
static bool induce(Run *run, Error *err)
{
    size_t n = dict_count(run->old);
    const char **keys = arena_alloc(run->arena, (n + 1) * sizeof *keys);
    for (size_t i = 0; i < n; i++) keys[i] = dict_at(run->old, i)->name;
    run->script = learn_script(run->arena, run->result, run->old, run->now, read_config(run));
    const InduceInput input = {run->script->bundles, run->script->bundle_count, keys, n,
                               .general = true};
    run->induction = induce_rules(run->arena, &input, err);
    if (run->induction) write_script(run);
    return run->induction != NULL;
}

static bool save(Run *run, Error *err)
{
    const char *path = run->invocation->value[OPT_OUT];
    return !path || atomic_write_file(path, run->invocation->set[OPT_FORCE], &run->rules, err);
}

/* tenon learn OLD NEW */
int command_learn(const Invocation *invocation)
{
    Error err = {0};
    Run run = {.invocation = invocation, .arena = arena_new()};
    const char *path = invocation->value[OPT_OUT];
    interrupt_watch();
    bool fine = (!path || atomic_check(path, invocation->set[OPT_FORCE], &err)) &&
                open_both(&run, &err) && learn(&run, &err) && induce(&run, &err) &&
                save(&run, &err);
    if (fine) {
        bool whole = run.result->state[LEARN_LEARNED] == run.result->count &&
                     !run.induction->left_count;
        run.status = whole ? EXIT_COMPLETE : EXIT_DIFFERS;
        if (invocation->set[OPT_JSON]) print_json(&run);
        else if (!invocation->set[OPT_QUIET]) print_text(&run);
    } else {
        run.status = complain(&err);
    }
    text_done(&run.rules);
    align_unref(run.alignment);
    session_free(run.session);
    arena_free(run.arena);
    return run.status;
}
