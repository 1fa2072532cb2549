/* A session's state is text: rules files, code of -e, and lines made by hand. Nothing computed is
 * kept: a change, an undo or a file edited outside is met by running all of it again in a fresh
 * sandbox. What changes it is in session_rules.c. */
#include "repl/session.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loader/format/failed_load.h"
#include "loader/format/format.h"
#include "loader/source/url.h"
#include "repl/session_parts.h"
#include "repl/user_files.h"

/* The text of a failed load tells of a target by what the checkpoint lacks and has: the rest of it
 * is the checkpoint's. False where it is no such text, or no dict could be chosen. */
static bool complete_target(SessionFiles *files)
{
    const Checkpoint *text = files->target_checkpoint;
    if (files->target_inside || !failed_load_is(text)) return false;
    if (failed_load_is(files->source)) {         /* also where the model lacks nothing */
        files->target = checkpoint_find_container(text, "")->dict;
        files->target_container = "";
        return true;
    }
    const Container *loaded =
        files->source_inside ? checkpoint_find_container(files->source, files->source_inside)
                             : failed_load_container(text, files->source);
    if (!loaded) loaded = checkpoint_choose(files->source, NULL, NULL);
    if (!loaded) return false;
    files->made_target = files->target = failed_load_target(text, loaded->dict);
    files->target_container = "";
    return true;
}

/* The target's dict: the named part, or the one that holds the weights. Unlike the source's it is
 * chosen at once: rules fit a source to it, and cannot choose it. */
static bool choose_target(SessionFiles *files, Error *err)
{
    const Container *container;
    if (complete_target(files)) return true;
    if (files->target_inside) {
        container = checkpoint_find_container(files->target_checkpoint, files->target_inside);
        if (!container)
            return error_set(err, ERR_NOT_FOUND, "%s: no dict of tensors at '%s'; tenon ls --all "
                             "shows what it holds", checkpoint_path(files->target_checkpoint),
                             files->target_inside);
    } else if (!(container = checkpoint_choose_weights(files->target_checkpoint, NULL, err))) {
        return false;
    }
    files->target = container->dict;
    files->target_container = container->path;
    return true;
}

/* A source without a tensor, for rules that are run without one. */
static Checkpoint *open_nothing(const char *name)
{
    Checkpoint *nothing = checkpoint_new(name, "schema");
    checkpoint_add_container(nothing, "", dict_new(), 0, false);
    return nothing;
}

/* What alias() says of a name, when the rules are run over nothing: NULL for names that are there,
 * or that it says nothing of. A URL may be aliased to a folder, too. The names must be known before
 * the source is, so an error in the rules, which without a source is likely, only ends the
 * search. */
static const char *find_alias(Session *session, const char *name, Error *err)
{
    struct stat status;
    const char *file, *inside;
    checkpoint_spec(session->arena, name, &file, &inside);
    if (!session_now(session)->count || stat(file, &status) == 0) return NULL;
    Checkpoint *nothing = open_nothing("");
    Draft *draft = draft_new(nothing, NULL, NULL, session->seed);
    Snapshot *snapshot = session_copy(session);
    snapshot_rehearse(snapshot, draft);
    snapshot_free(snapshot);
    const char *path = later_find_alias(draft_later(draft), session->arena, name, err);
    draft_free(draft);
    checkpoint_unref(nothing);
    return path;
}

bool session_split_name(Session *session, const char *name, const char **file, const char **inside,
                        Error *err)
{
    Error refused = {0};
    const char *aliased = find_alias(session, name, &refused);
    if (refused.code) {
        if (err) *err = refused;
        return false;
    }
    checkpoint_spec(session->arena, aliased ? aliased : name, file, inside);
    return true;
}

static void open_files(const SessionOptions *options, Opened *opened)
{
    const SessionOpener *opener = options->opener;
    if (!opened->names[0] && !opened->names[1]) return;
    if (opener) opener->open(opener->context, opened);
    else opened_wait(opened);
}

static bool is_folder(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

static bool has_source(const SessionOptions *options)
{
    return options->source && *options->source;
}

static bool name_source(Session *session, SessionFiles *files, const SessionOptions *options,
                        Error *err)
{
    const char *inside;
    files->source_path = files->source_file = files->source_name = "";
    if (!has_source(options)) return true;
    files->source_path = arena_strdup(session->arena, url_shown(session->arena, options->source));
    if (!session_split_name(session, options->source, &files->source_file, &files->source_inside,
                            err))
        return false;
    checkpoint_spec(session->arena, options->source, &files->source_name, &inside);
    files->source_folder = is_folder(files->source_file) ? mem_strdup(files->source_file)
                                                         : path_folder(files->source_file);
    return true;
}

static bool name_target(Session *session, SessionFiles *files, const SessionOptions *options,
                        Error *err)
{
    if (!options->target) return true;
    files->target_path = arena_strdup(session->arena, url_shown(session->arena, options->target));
    return session_split_name(session, options->target, &files->target_file,
                              &files->target_inside, err);
}

/* The source's part is chosen later, by the draft, since rules may name another. */
static bool take_source(Session *session, SessionFiles *files, const SessionOptions *options,
                        const Opened *opened, Error *err)
{
    if (!has_source(options)) {
        files->source = open_nothing("nothing is open");
        return true;
    }
    files->source = options->source_opened ? checkpoint_ref(options->source_opened)
                                           : opened->files[0];
    if (files->source) return true;
    files->unopened = opened->errors[0];
    if (!is_folder(files->source_file) || !session_now(session)->count) {
        if (err) *err = files->unopened;
        return false;
    }
    files->source = open_nothing("");            /* source(…) may name files in it */
    return true;
}

static bool take_target(SessionFiles *files, const SessionOptions *options, const Opened *opened,
                        Error *err)
{
    if (!options->target) return true;
    files->target_checkpoint = options->target_opened ? checkpoint_ref(options->target_opened)
                                                      : opened->files[1];
    if (files->target_checkpoint) return choose_target(files, err);
    if (err) *err = opened->errors[1];
    return false;
}

/* Also what could be opened before something failed, for whoever asks what it was. What is wrong
 * with the source is told before what is wrong with the target, its name included. */
static bool open_both(Session *session, SessionFiles *files, const SessionOptions *options,
                      Error *err)
{
    Error misnamed = {0};
    Opened opened = {.names = {NULL}};
    if (!name_source(session, files, options, err)) return false;
    const bool named = name_target(session, files, options, &misnamed);
    if (has_source(options) && !options->source_opened) opened.names[0] = files->source_file;
    if (named && !options->target_opened) opened.names[1] = files->target_file;
    for (int i = 0; i < 2; i++)
        if (opened.names[i]) file_stamps_begin(&files->stamps[i], opened.names[i]);
    open_files(options, &opened);
    for (int i = 0; i < 2; i++)
        if (opened.files[i]) file_stamps_add(&files->stamps[i], opened.names[i], opened.files[i]);
    const bool source = take_source(session, files, options, &opened, err);
    if (source && named) return take_target(files, options, &opened, err);
    if (source && err) *err = misnamed;
    checkpoint_unref(opened.files[1]);
    return false;
}

static SessionFiles *new_files(void)
{
    SessionFiles *files = mem_alloc(sizeof *files);
    *files = (SessionFiles){.refs = 1};
    return files;
}

void session_files_unref(SessionFiles *files)
{
    if (!files || --files->refs) return;
    free(files->source_folder);
    for (int side = 0; side < 2; side++) file_stamps_done(&files->stamps[side]);
    checkpoint_unref(files->source);
    dict_unref(files->made_target);
    checkpoint_unref(files->target_checkpoint);
    free(files);
}

SessionFiles *session_open_files(Session *session, const SessionOptions *options, Error *err)
{
    SessionFiles *files = new_files();
    if (open_both(session, files, options, err)) return files;
    session_files_unref(files);
    return NULL;
}

/* "-e", with its number where there are several: every place in the rules has a name of its own. */
static const char *name_code(Session *session, const SessionOptions *options, size_t index)
{
    size_t number = 0, count = 0;
    for (size_t i = 0; i < options->rule_count; i++) {
        count += options->rules[i].kind == RULES_CODE;
        if (i == index) number = count;
    }
    for (size_t i = 0; i < options->text_count; i++)
        count += options->texts[i].kind == RULES_CODE && has_prefix(options->texts[i].name, "-e");
    return count > 1 ? arena_printf(session->arena, "-e %zu", number) : "-e";
}

/* The first state's rules: those of the command line, then those of a saved session. */
static bool take_rules(Session *session, const SessionOptions *options, Error *err)
{
    SessionState *state = session_now(session);
    for (size_t i = 0; i < options->rule_count; i++) {
        const char *name = name_code(session, options, i);
        RulesText *text = session_read_text(session, &options->rules[i], name, err);
        if (!text) return false;
        session_append(state, text, false);
    }
    for (size_t i = 0; i < options->text_count; i++) {
        const SessionText *text = &options->texts[i];
        session_append(state, session_new_text(session, text->kind, text->name, text->text,
                                               text->length), text->off);
    }
    return true;
}

/* Rules are read first, since they may say where the source lies; but mistakes are told in the
 * order in which a person would look for them: source, target, rules. */
Session *session_new(const SessionOptions *options, Error *err)
{
    Session *session = mem_alloc(sizeof *session);
    *session = (Session){.arena = arena_new(), .seed = options->seed};
    session->lexicon_path = user_config_file(session->arena, "lexicon.lua");
    if (options->file) session->file = arena_strdup(session->arena, options->file);
    if (options->model) session->model = arena_strdup(session->arena, options->model);
    if (options->log_preset)
        session->log_preset = arena_strdup(session->arena, options->log_preset);
    session_begin(session);
    Error unread = {0};
    bool ok = take_rules(session, options, &unread);
    SessionFiles *files = session_now(session)->files = new_files();
    if (open_both(session, files, options, err) && ok) return session;
    if (!ok && err && files->source && (files->target || !options->target)) *err = unread;
    session_free(session);
    return NULL;
}

void session_free(Session *session)
{
    if (!session) return;
    session_free_states(session);
    free(session->names);
    text_done(&session->output);
    judge_book_done(&session->judged);
    arena_free(session->arena);
    free(session);
}

static const SessionFiles *files_of(const Session *session)
{
    return session_now(session)->files;
}

Checkpoint *session_source(const Session *session)
{
    return files_of(session)->source;
}

Checkpoint *session_target_checkpoint(const Session *session)
{
    return files_of(session)->target_checkpoint;
}

StateDict *session_target(const Session *session)
{
    return files_of(session)->target;
}

const char *session_target_container(const Session *session)
{
    const char *container = files_of(session)->target_container;
    return container ? container : "";
}

const char *session_source_path(const Session *session)
{
    return files_of(session)->source_path;
}

const char *session_target_path(const Session *session)
{
    return files_of(session)->target_path;
}

bool session_side_changed(const Session *session, int side)
{
    return file_stamps_changed(&files_of(session)->stamps[side]);
}

uint64_t session_seed(const Session *session)
{
    return session->seed;
}

const char *session_file(const Session *session)
{
    return session->file;
}

/* The list is made anew each time, since rules may have been added; good until the next call. */
size_t session_rule_files(const Session *session, const char *const **files)
{
    Session *self = (Session *)session;   /* the list of names is a cache */
    const SessionState *state = session_now(session);
    size_t count = 0;
    self->names = mem_realloc(self->names, (state->count + 1) * sizeof *self->names);
    for (size_t i = 0; i < state->count; i++)
        if (state->items[i].text->kind != RULES_LINE && !state->items[i].off)
            self->names[count++] = state->items[i].text->name;
    *files = self->names;
    return count;
}

/* A line has no file: errors call it ":" and its number, as the list of rules shows it. */
static void add_texts(const Session *session, Snapshot *snapshot)
{
    SessionText text;
    char name[32];
    for (size_t i = 0; session_text(session, i, &text); i++) {
        snprintf(name, sizeof name, ":%zu", i + 1);
        if (text.kind == RULES_LINE) text.name = name;
        snapshot_add(snapshot, &text);
    }
}

/* Without rules it stands on the sides alone. */
static Snapshot *copy_session(const Session *session, bool rules)
{
    const SessionFiles *files = files_of(session);
    char *folder = session->file ? path_folder(session->file) : NULL;
    const SnapshotSides sides = {
        .source = files->source,
        .source_file = url_shown(session->arena, files->source_file),
        .source_name = url_shown(session->arena, files->source_name),
        .source_inside = files->source_inside,
        .source_folder = files->source_folder, .session_folder = folder,
        .unopened = files->unopened, .target = files->target, .seed = session->seed,
        .lexicon_path = session->lexicon_path, .model = session->model,
        .log_preset = session->log_preset};
    Snapshot *snapshot = snapshot_new(&sides);
    free(folder);
    if (rules) add_texts(session, snapshot);
    return snapshot;
}

Snapshot *session_copy(const Session *session)
{
    return copy_session(session, true);
}

static Snapshot *snapshot_of(Session *session, bool rules)
{
    Snapshot *snapshot = copy_session(session, rules);
    *snapshot_judged(snapshot) = session->judged;
    session->judged = (JudgeBook){0};
    return snapshot;
}

Snapshot *session_snapshot(Session *session)
{
    return snapshot_of(session, true);
}

/* What was judged last is kept, here or there. */
static void take_judged(Session *session, Snapshot *snapshot)
{
    JudgeBook *judged = snapshot_judged(snapshot);
    if (!judged->judgement) return;
    judge_book_done(&session->judged);
    session->judged = *judged;
    *judged = (JudgeBook){0};
}

/* Where other files were opened meanwhile, nothing of it holds any more. */
void session_give_back(Session *session, Snapshot *snapshot)
{
    const SnapshotSides *sides = snapshot_sides(snapshot);
    const SessionFiles *files = files_of(session);
    if (sides->source == files->source && sides->target == files->target) {
        take_judged(session, snapshot);
        text_clear(&session->output);
        text_add(&session->output, snapshot_output(snapshot));
    }
    snapshot_free(snapshot);
}

bool session_read_rules(Session *session, Error *err)
{
    const SessionState *state = session_now(session);
    for (size_t i = 0; i < state->count; i++) {
        const RuleItem *item = &state->items[i];
        if (item->text->kind == RULES_FILE && !item->off && !session_read_again(item->text, err))
            return false;
    }
    return true;
}

static Alignment *align_all(Session *session, const SnapshotRun *run, bool *failed, Error *err)
{
    *failed = true;
    if (!session_read_rules(session, err)) return NULL;
    Snapshot *snapshot = session_snapshot(session);
    Alignment *alignment = snapshot_align(snapshot, run, failed, err);
    session_give_back(session, snapshot);
    return alignment;
}

Alignment *session_align(Session *session, bool *failed, Error *err)
{
    return align_all(session, &(SnapshotRun){0}, failed, err);
}

Alignment *session_states(Session *session, bool *failed, Error *err)
{
    const AlignWatch states = {.counts = true};
    return align_all(session, &(SnapshotRun){.watch = &states}, failed, err);
}

/* Files are not read again: the preview of a line must not change what stands before it. */
Alignment *session_try(Session *session, const char *line, Error *err)
{
    Snapshot *snapshot = session_snapshot(session);
    Alignment *alignment = snapshot_try(snapshot, &(SnapshotRun){.extra = line}, err);
    session_give_back(session, snapshot);
    return alignment;
}

Alignment *session_run(Session *session, const char *text, const char *name, Error *err)
{
    const SessionText alone = {.kind = RULES_FILE, .name = name, .text = text,
                               .length = strlen(text)};
    Snapshot *snapshot = snapshot_of(session, false);
    snapshot_add(snapshot, &alone);
    Alignment *alignment = snapshot_try(snapshot, &(SnapshotRun){.part = NULL}, err);
    take_judged(session, snapshot);
    snapshot_free(snapshot);
    return alignment;
}

const char *session_output(const Session *session)
{
    return text_string(&session->output);
}
