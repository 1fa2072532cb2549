/* Nothing computed is kept but what values say: a run is all texts in a fresh sandbox, in their
 * order, and the ledger made of what they did. */
#include "repl/snapshot.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "repl/interrupt.h"

struct Snapshot {
    Arena *arena;                /* all texts and names; owned */
    SnapshotSides sides;         /* source and target: references; texts in the arena */
    SessionText *texts;          /* owned, in the order in which they run */
    size_t count, room;
    JudgeBook judged;
    Text output;                 /* what the texts, or the line that was tried, printed */
};

static const char *copy(Snapshot *snapshot, const char *text)
{
    return text ? arena_strdup(snapshot->arena, text) : NULL;
}

Snapshot *snapshot_new(const SnapshotSides *sides)
{
    Snapshot *snapshot = mem_alloc(sizeof *snapshot);
    snapshot->arena = arena_new();
    snapshot->sides = *sides;
    if (sides->source) checkpoint_ref(sides->source);
    if (sides->target) dict_ref(sides->target);
    snapshot->sides.source_file = copy(snapshot, sides->source_file);
    snapshot->sides.source_name = copy(snapshot, sides->source_name);
    snapshot->sides.source_inside = copy(snapshot, sides->source_inside);
    snapshot->sides.source_folder = copy(snapshot, sides->source_folder);
    snapshot->sides.session_folder = copy(snapshot, sides->session_folder);
    snapshot->sides.lexicon_path = copy(snapshot, sides->lexicon_path);
    snapshot->sides.model = copy(snapshot, sides->model);
    snapshot->sides.log_preset = copy(snapshot, sides->log_preset);
    return snapshot;
}

void snapshot_free(Snapshot *snapshot)
{
    if (!snapshot) return;
    checkpoint_unref(snapshot->sides.source);
    dict_unref(snapshot->sides.target);
    free(snapshot->texts);
    judge_book_done(&snapshot->judged);
    text_done(&snapshot->output);
    arena_free(snapshot->arena);
    free(snapshot);
}

const SnapshotSides *snapshot_sides(const Snapshot *snapshot)
{
    return &snapshot->sides;
}

void snapshot_add(Snapshot *snapshot, const SessionText *text)
{
    snapshot->texts = mem_grow(snapshot->texts, &snapshot->room, snapshot->count + 1,
                               sizeof *snapshot->texts);
    SessionText *own = &snapshot->texts[snapshot->count++];
    *own = *text;
    own->name = copy(snapshot, text->name);
    own->text = arena_strndup(snapshot->arena, text->text, text->length);
}

JudgeBook *snapshot_judged(Snapshot *snapshot)
{
    return &snapshot->judged;
}

const char *snapshot_output(const Snapshot *snapshot)
{
    return text_string(&snapshot->output);
}

/* One text; what it printed is kept, also when it failed. */
static bool run_text(Snapshot *snapshot, Script *script, const SessionText *text, Error *err)
{
    bool ok = script_run(script, text->text, text->length, text->name, err);
    text_add(&snapshot->output, script_output(script));
    return ok;
}

/* How much of the index-th text runs, in bytes. */
static size_t length_of(const Snapshot *snapshot, const SnapshotRun *run, size_t index)
{
    const SessionText *text = &snapshot->texts[index];
    const SnapshotPart *part = run->part;
    if (text->off || index + 1 == run->without || (part && index > part->count)) return 0;
    if (text->kind == RULES_LINE && run->leave && run->leave(text->text)) return 0;
    return part && index == part->count ? part->bytes : text->length;
}

/* Everything in its order, and last the extra line, of which alone the output is asked then; stops
 * at the first that fails. The extra line is named as it will be in the session. */
static bool run_texts(Snapshot *snapshot, Script *script, const SnapshotRun *run, Error *err)
{
    const char *extra = run->extra;
    text_clear(&snapshot->output);
    for (size_t i = 0; i < snapshot->count; i++) {
        SessionText text = snapshot->texts[i];
        text.length = length_of(snapshot, run, i);
        if (text.length && !run_text(snapshot, script, &text, err)) return false;
    }
    if (!extra) return true;
    char name[32];
    snprintf(name, sizeof name, ":%zu", snapshot->count + 1);
    const SessionText line = {.kind = RULES_LINE, .name = name, .text = extra,
                              .length = strlen(extra)};
    text_clear(&snapshot->output);
    return run_text(snapshot, script, &line, err);
}

void snapshot_rehearse(Snapshot *snapshot, Draft *draft)
{
    Script *script = script_new(draft, &(ScriptOptions){.interrupt = interrupt_flag()});
    Error ignored = {0};
    run_texts(snapshot, script, &(SnapshotRun){.part = NULL}, &ignored);
    script_free(script);
}

/* Whether one of the texts has called that preset: then it has said what there is to say. */
static bool has_preset_run(const Draft *draft, const char *preset)
{
    for (size_t i = 0; i < draft_saying_count(draft); i++)
        if (strcmp(draft_saying(draft, i)->system, "") == 0 &&
            strcmp(draft_saying(draft, i)->text, preset) == 0)
            return true;
    return false;
}

/* Where an error of a rules file lies, "fix.lua:3: …": its note then has its place as others do.
 * Returns the text behind it. */
static const char *split_place(const Snapshot *snapshot, const char *text, Origin *origin,
                               Arena *arena)
{
    for (size_t i = 0; i < snapshot->count; i++) {
        const char *name = snapshot->texts[i].name;
        size_t n = strlen(name);
        if (strncmp(text, name, n) != 0 || text[n] != ':') continue;
        char *end;
        long line = strtol(text + n + 1, &end, 10);
        if (line <= 0 || line > INT_MAX || strncmp(end, ": ", 2) != 0) continue;
        *origin = (Origin){arena_strdup(arena, name), (int)line};
        return end + 2;
    }
    return text;
}

Draft *snapshot_draft(const Snapshot *snapshot)
{
    const SnapshotSides *sides = &snapshot->sides;
    return draft_new(sides->source, sides->source_inside, sides->target, sides->seed);
}

ScriptOptions snapshot_script_options(const Snapshot *snapshot)
{
    const SnapshotSides *sides = &snapshot->sides;
    return (ScriptOptions){.json_folder = sides->session_folder,
                           .json_folder2 = sides->source_folder,
                           .source_path = sides->source_file,
                           .source_name = sides->source_name,
                           .model = sides->model, .log = sides->log_preset,
                           .lexicon_path = sides->lexicon_path,
                           .interrupt = interrupt_flag()};
}

bool snapshot_text(const Snapshot *snapshot, size_t index, SessionText *out)
{
    if (index < snapshot->count) *out = snapshot->texts[index];
    return index < snapshot->count;
}

static bool run_all(Snapshot *snapshot, Draft *draft, const SnapshotRun *run, Error *err)
{
    const SnapshotSides *sides = &snapshot->sides;
    ScriptOptions options = snapshot_script_options(snapshot);
    if (run->interrupt) options.interrupt = run->interrupt;
    if (run->halt) options.interrupt = run->halt;
    Script *script = script_new(draft, &options);
    bool good = run_texts(snapshot, script, run, err);
    if (good && sides->log_preset && !has_preset_run(draft, sides->log_preset))
        good = script_rehearse(script, sides->log_preset, err);
    script_free(script);
    return good;
}

/* Runs all texts, and the extra line after them when it is given. What a failing script had said
 * before it failed stays in the ledger, with its error as a note. align_finish frees the draft. */
static Alignment *align_with(Snapshot *snapshot, const SnapshotRun *run, const Vetoes *vetoes,
                             bool *failed, Error *err)
{
    const SnapshotSides *sides = &snapshot->sides;
    Draft *draft = snapshot_draft(snapshot);
    Error problem = {0};
    *failed = !run_all(snapshot, draft, run, &problem);
    if (sides->unopened.code && draft_checkpoint(draft) == sides->source) {
        if (err) *err = sides->unopened;
        *failed = true;
        draft_free(draft);
        return NULL;
    }
    if (*failed) {
        Origin origin = {0};
        const char *text = split_place(snapshot, problem.text, &origin, draft_arena(draft));
        draft_note(draft, NOTE_ERROR, origin, "%s", text);
        if (err) *err = problem;
    }
    Error unclosed = {0};
    draft_later(draft)->vetoes = vetoes;
    draft_later(draft)->watch = run->watch;
    Alignment *alignment = align_finish(draft, &unclosed);
    if (!alignment && !*failed && err) *err = unclosed;
    return alignment;
}

/* Where something was found without a rule, and values contradict, the ledger is made again with
 * what they say. */
Alignment *snapshot_align(Snapshot *snapshot, const SnapshotRun *run, bool *failed, Error *err)
{
    const atomic_bool *interrupt = run->interrupt ? run->interrupt : interrupt_flag();
    Alignment *alignment = align_with(snapshot, run, NULL, failed, err);
    const Judgement *judgement;
    if (!alignment || *failed || !align_is_automatic(alignment)) return alignment;
    if (!judge_book_ask(&snapshot->judged, alignment, run->extra != NULL, interrupt, &judgement,
                        err)) {
        align_unref(alignment);
        return NULL;
    }
    const bool follow = judgement && judgement->vetoes.count;
    if (follow) {
        align_unref(alignment);
        alignment = align_with(snapshot, run, &judgement->vetoes, failed, err);
    }
    if (alignment && judgement && !*failed) judge_close(alignment, judgement, follow);
    return alignment;
}

Alignment *snapshot_try(Snapshot *snapshot, const SnapshotRun *run, Error *err)
{
    bool failed;
    Alignment *alignment = snapshot_align(snapshot, run, &failed, err);
    if (!alignment || !failed) return alignment;
    align_unref(alignment);
    return NULL;
}
