/* A session's state is text: rules files, code of -e, and lines made by hand, run in that order.
 * Nothing computed is kept: a change, an undo or a file edited outside is met by running all of
 * it again in a fresh sandbox. */
#include "repl/session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "loader/export/atomic.h"
#include "loader/format/failed_load.h"
#include "loader/format/format.h"

enum { RULES_BYTES_MAX = 16 << 20 };     /* of one rules file; a person writes a few thousand */

/* One rules file or piece of code, with its text as last read. */
typedef struct RulesText {
    RulesKind kind;              /* code has no file, so it is never read again */
    const char *name;            /* path, or "-e"; in the arena */
    char *text;                  /* owned */
    size_t length;               /* bytes of text, without its closing NUL */
    struct timespec changed;     /* of the file when it was read */
    off_t size;                  /* and its bytes then */
} RulesText;

struct Session {
    Arena *arena;                /* paths and names; owned */
    /* FILE::PATH as the user gave it, FILE, and PATH or NULL; for the target NULL without one. */
    const char *source_path, *source_file, *source_inside;
    const char *source_name;     /* FILE as the user gave it, where an alias says where it lies */
    Error unopened;              /* of a folder that no format knows, for want of a source(…);
                                    code 0: the source was opened */
    char *source_folder;         /* owned; where the source lies: scripts may read JSON there */
    const char *target_path, *target_file, *target_inside;
    Checkpoint *source, *target_checkpoint;      /* references; no target: NULL */
    StateDict *target;           /* borrowed from target_checkpoint, or made */
    StateDict *made_target;      /* a reference; of the text of a failed load; NULL */
    const char *target_container;    /* its path in the target; borrowed */
    RulesText *rules;            /* owned, in the order in which they run */
    size_t rule_count, rule_room;
    const char **names;          /* of rules, for reports; owned, made when asked for */
    char **lines;                /* owned; the first line_count are applied, the rest undone */
    size_t line_count, line_total, line_room;
    size_t saved_count;          /* how many lines were applied when last saved */
    uint64_t seed;               /* for fills */
    const char *lexicon_path;    /* of the user's words for auto{}; in the arena; NULL: no home */
    const char *model, *log_preset;  /* as in SessionOptions; in the arena */
    JudgeBook judged;            /* what values say of what was found without a rule */
    Text output;                 /* what the rules, or the line that was tried, printed */
};

/* Reads a rules file, or reads it again; the old text stays when that fails. Time and size are
 * what session_rules_changed compares with. */
static bool read_rules(RulesText *rules, Error *err)
{
    struct stat info;
    bool known = stat(rules->name, &info) == 0;   /* before the read: a later edit shows */
    ByteSource *file = source_open_file(rules->name, err);
    if (!file) return false;
    if (known) {
        rules->changed = info.st_mtim;
        rules->size = info.st_size;
    }
    size_t n;
    char *text = source_slurp(file, RULES_BYTES_MAX, &n, err);
    source_unref(file);
    if (!text) return false;
    free(rules->text);
    rules->text = text;
    rules->length = n;
    return true;
}

/* --preset NAME is the statement preset "NAME"; NAME{option=…} has options. Quotes in a name would
 * end it: the statement refuses such a name, whatever becomes of them. */
static void take_preset(Session *session, RulesText *rules, const char *text)
{
    Text code = {0};
    const size_t n = strcspn(text, "{");
    text_add(&code, "preset \"");
    for (size_t i = 0; i < n; i++)
        if (text[i] != '"' && text[i] != '\\' && text[i] != '\n') text_addc(&code, text[i]);
    text_addf(&code, "\"%s", text + n);
    rules->name = arena_printf(session->arena, "--preset %.*s", (int)n, text);
    rules->text = mem_strdup(text_string(&code));
    rules->length = code.length;
    text_done(&code);
}

/* One more rules text at the end; none is added when its file cannot be read. */
static bool add_rules(Session *session, const RulesArgument *argument, Error *err)
{
    session->rules = mem_grow(session->rules, &session->rule_room, session->rule_count + 1,
                              sizeof *session->rules);
    RulesText *rules = &session->rules[session->rule_count];
    *rules = (RulesText){.kind = argument->kind};
    if (argument->kind == RULES_CODE || argument->kind == RULES_AUTO) {
        rules->name = argument->kind == RULES_CODE ? "-e" : "--auto";
        rules->text = mem_strdup(argument->text);
        rules->length = strlen(argument->text);
    } else if (argument->kind == RULES_PRESET) {
        take_preset(session, rules, argument->text);
    } else {
        rules->name = arena_strdup(session->arena, argument->text);
        if (!read_rules(rules, err)) return false;
    }
    session->rule_count++;
    return true;
}

/* The text of a failed load tells of a target by what the checkpoint lacks and has: the rest of it
 * is the checkpoint's. False where it is no such text, or no dict could be chosen. */
static bool complete_target(Session *session)
{
    const Checkpoint *text = session->target_checkpoint;
    if (session->target_inside || !failed_load_is(text)) return false;
    if (failed_load_is(session->source)) {       /* also where the model lacks nothing */
        session->target = checkpoint_find_container(text, "")->dict;
        session->target_container = "";
        return true;
    }
    const Container *loaded =
        session->source_inside
            ? checkpoint_find_container(session->source, session->source_inside)
            : failed_load_container(text, session->source);
    if (!loaded) loaded = checkpoint_choose(session->source, NULL, NULL);
    if (!loaded) return false;
    session->made_target = session->target = failed_load_target(text, loaded->dict);
    session->target_container = "";
    return true;
}

/* The target's dict: the named part, or the one that holds the weights. Unlike the source's it is
 * chosen at once: rules fit a source to it, and cannot choose it. */
static bool choose_target(Session *session, Error *err)
{
    const Container *container;
    if (complete_target(session)) return true;
    if (session->target_inside) {
        container = checkpoint_find_container(session->target_checkpoint, session->target_inside);
        if (!container)
            return error_set(err, ERR_NOT_FOUND, "%s: no dict of tensors at '%s'; tenon ls --all "
                             "shows what it holds", session->target_file, session->target_inside);
    } else if (!(container = checkpoint_choose_weights(session->target_checkpoint, NULL, err))) {
        return false;
    }
    session->target = container->dict;
    session->target_container = container->path;
    return true;
}

/* A source without a tensor, for rules that are run without one. */
static Checkpoint *open_nothing(void)
{
    Checkpoint *nothing = checkpoint_new("", "schema");
    checkpoint_add_container(nothing, "", dict_new(), 0, false);
    return nothing;
}

/* What alias() says of a name, when the rules are run over nothing: NULL for names that are there,
 * or that it says nothing of. The names must be known before the source is, so an error in the
 * rules, which without a source is likely, only ends the search. */
static const char *find_alias(Session *session, const char *name, Error *err)
{
    struct stat status;
    const char *file, *inside;
    checkpoint_spec(session->arena, name, &file, &inside);
    if (!session->rule_count || stat(file, &status) == 0) return NULL;
    Checkpoint *nothing = open_nothing();
    Draft *draft = draft_new(nothing, NULL, NULL, session->seed);
    Snapshot *snapshot = session_snapshot(session);
    snapshot_rehearse(snapshot, draft);
    snapshot_free(snapshot);
    const char *path = later_find_alias(draft_later(draft), session->arena, name, err);
    draft_free(draft);
    checkpoint_unref(nothing);
    return path;
}

/* Splits FILE::PATH behind what an alias makes of it. */
static bool split_name(Session *session, const char *name, const char **file, const char **inside,
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

/* The source's part is chosen later, by the draft, since rules may name another. */
static bool open_both(Session *session, const SessionOptions *options, Error *err)
{
    session->source_path = arena_strdup(session->arena, options->source);
    if (!split_name(session, options->source, &session->source_file, &session->source_inside, err))
        return false;
    const char *inside;
    checkpoint_spec(session->arena, options->source, &session->source_name, &inside);
    struct stat status;
    bool folder = stat(session->source_file, &status) == 0 && S_ISDIR(status.st_mode);
    session->source_folder = folder ? mem_strdup(session->source_file)
                                    : path_folder(session->source_file);
    session->source = options->source_opened
                          ? checkpoint_ref(options->source_opened)
                          : checkpoint_open(session->source_file, &session->unopened);
    /* what one kind of folder refused, another may have read */
    if (session->source) session->unopened = (Error){0};
    if (!session->source && folder && session->rule_count) {
        session->source = open_nothing();        /* source(…) may name files in it */
    } else if (!session->source) {
        if (err) *err = session->unopened;
        return false;
    }
    if (!options->target) return true;
    session->target_path = arena_strdup(session->arena, options->target);
    if (!split_name(session, options->target, &session->target_file, &session->target_inside, err))
        return false;
    session->target_checkpoint = options->target_opened
                                     ? checkpoint_ref(options->target_opened)
                                     : checkpoint_open(session->target_file, err);
    return session->target_checkpoint && choose_target(session, err);
}

/* $XDG_CONFIG_HOME/tenon/lexicon.lua, whether it is there or not. */
static const char *find_lexicon(Arena *arena)
{
    const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
    if (config && *config == '/') return arena_printf(arena, "%s/tenon/lexicon.lua", config);
    if (home && *home) return arena_printf(arena, "%s/.config/tenon/lexicon.lua", home);
    return NULL;
}

/* Rules are read first, since they may say where the source lies; but mistakes are told in the
 * order in which a person would look for them: source, target, rules. */
Session *session_new(const SessionOptions *options, Error *err)
{
    Session *session = mem_alloc(sizeof *session);
    session->arena = arena_new();
    session->seed = options->seed;
    session->lexicon_path = find_lexicon(session->arena);
    if (options->model) session->model = arena_strdup(session->arena, options->model);
    if (options->log_preset)
        session->log_preset = arena_strdup(session->arena, options->log_preset);
    Error unread = {0};
    bool ok = true;
    for (size_t i = 0; ok && i < options->rule_count; i++)
        ok = add_rules(session, &options->rules[i], &unread);
    if (open_both(session, options, err) && ok) return session;
    if (!ok && err && session->source && (session->target || !options->target)) *err = unread;
    session_free(session);
    return NULL;
}

void session_free(Session *session)
{
    if (!session) return;
    for (size_t i = 0; i < session->line_total; i++) free(session->lines[i]);
    for (size_t i = 0; i < session->rule_count; i++) free(session->rules[i].text);
    free(session->lines);
    free(session->rules);
    free(session->names);
    text_done(&session->output);
    judge_book_done(&session->judged);
    free(session->source_folder);
    checkpoint_unref(session->source);
    dict_unref(session->made_target);
    checkpoint_unref(session->target_checkpoint);
    arena_free(session->arena);
    free(session);
}

Checkpoint *session_source(const Session *session)
{
    return session->source;
}

Checkpoint *session_target_checkpoint(const Session *session)
{
    return session->target_checkpoint;
}

StateDict *session_target(const Session *session)
{
    return session->target;
}

const char *session_target_container(const Session *session)
{
    return session->target_container ? session->target_container : "";
}

const char *session_source_path(const Session *session)
{
    return session->source_path;
}

const char *session_target_path(const Session *session)
{
    return session->target_path;
}

/* The list is made anew each time, since rules may have been added; good until the next call. */
size_t session_rule_files(const Session *session, const char *const **files)
{
    Session *self = (Session *)session;   /* the list of names is a cache */
    self->names = mem_realloc(self->names, (session->rule_count + 1) * sizeof *self->names);
    for (size_t i = 0; i < session->rule_count; i++) self->names[i] = session->rules[i].name;
    *files = self->names;
    return session->rule_count;
}

/* The texts in their order; but lines that `leave` says. */
static Snapshot *snapshot_of(Session *session, bool (*leave)(const char *line))
{
    const SnapshotSides sides = {
        .source = session->source, .source_file = session->source_file,
        .source_name = session->source_name, .source_inside = session->source_inside,
        .source_folder = session->source_folder,
        .unopened = session->unopened, .target = session->target, .seed = session->seed,
        .lexicon_path = session->lexicon_path, .model = session->model,
        .log_preset = session->log_preset};
    Snapshot *snapshot = snapshot_new(&sides);
    SessionText text;
    for (size_t i = 0; session_text(session, i, &text); i++)
        if (i < session->rule_count || !leave || !leave(text.text)) snapshot_add(snapshot, &text);
    *snapshot_judged(snapshot) = session->judged;
    session->judged = (JudgeBook){0};
    return snapshot;
}

Snapshot *session_snapshot(Session *session)
{
    return snapshot_of(session, NULL);
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

void session_give_back(Session *session, Snapshot *snapshot)
{
    take_judged(session, snapshot);
    text_clear(&session->output);
    text_add(&session->output, snapshot_output(snapshot));
    snapshot_free(snapshot);
}

bool session_read_rules(Session *session, Error *err)
{
    for (size_t i = 0; i < session->rule_count; i++) {
        RulesText *rules = &session->rules[i];
        if (rules->kind == RULES_FILE && !read_rules(rules, err)) return false;
    }
    return true;
}

Alignment *session_align(Session *session, bool *failed, Error *err)
{
    *failed = true;
    if (!session_read_rules(session, err)) return NULL;
    Snapshot *snapshot = session_snapshot(session);
    Alignment *alignment = snapshot_align(snapshot, &(SnapshotRun){0}, failed, err);
    session_give_back(session, snapshot);
    return alignment;
}

/* Files are not read again: the preview of a line must not change what stands before it. */
Alignment *session_try(Session *session, const char *line, Error *err)
{
    Snapshot *snapshot = session_snapshot(session);
    Alignment *alignment = snapshot_try(snapshot, &(SnapshotRun){.extra = line}, err);
    session_give_back(session, snapshot);
    return alignment;
}

bool session_text(const Session *session, size_t index, SessionText *out)
{
    if (index < session->rule_count) {
        const RulesText *rules = &session->rules[index];
        *out = (SessionText){rules->kind, rules->name, rules->text, rules->length};
        return true;
    }
    index -= session->rule_count;
    if (index >= session->line_count) return false;
    const char *line = session->lines[index];
    *out = (SessionText){RULES_CODE, ":", line, strlen(line)};
    return true;
}

Alignment *session_run(Session *session, const char *text, const char *name, Error *err)
{
    Session alone = *session;            /* the same sides, and no rules */
    alone.rule_count = alone.line_count = 0;
    Snapshot *snapshot = session_snapshot(&alone);
    session->judged = alone.judged;
    snapshot_add(snapshot, &(SessionText){RULES_FILE, name, text, strlen(text)});
    Alignment *alignment = snapshot_try(snapshot, &(SnapshotRun){0}, err);
    take_judged(session, snapshot);
    snapshot_free(snapshot);
    return alignment;
}

Alignment *session_align_but(Session *session, bool (*leave)(const char *line), Error *err)
{
    Snapshot *snapshot = snapshot_of(session, leave);
    Alignment *alignment = snapshot_try(snapshot, &(SnapshotRun){0}, err);
    session_give_back(session, snapshot);
    return alignment;
}

const char *session_output(const Session *session)
{
    return text_string(&session->output);
}

size_t session_line_count(const Session *session)
{
    return session->line_count;
}

const char *session_line(const Session *session, size_t index)
{
    return session->lines[index];
}

/* Lines that were undone are forgotten. If the saved state was among them it can never be reached
 * again, which SIZE_MAX says. */
void session_add_line(Session *session, const char *line)
{
    while (session->line_total > session->line_count) free(session->lines[--session->line_total]);
    if (session->saved_count > session->line_count) session->saved_count = SIZE_MAX;
    session->lines = mem_grow(session->lines, &session->line_room, session->line_total + 1,
                              sizeof *session->lines);
    session->lines[session->line_total++] = mem_strdup(line);
    session->line_count = session->line_total;
}

/* The line stays behind the applied ones, for session_redo. */
bool session_undo(Session *session)
{
    if (!session->line_count) return false;
    session->line_count--;
    return true;
}

bool session_redo(Session *session)
{
    if (session->line_count == session->line_total) return false;
    session->line_count++;
    return true;
}

/* Undoing back to the saved state makes the session saved again. */
bool session_is_saved(const Session *session)
{
    return session->line_count == session->saved_count;
}

/* Moves the applied lines out of the session: they stand in the file now. Undone ones go as well:
 * what they would be put back behind is no longer a line. */
static void drop_lines(Session *session)
{
    for (size_t i = 0; i < session->line_total; i++) free(session->lines[i]);
    session->line_count = session->line_total = session->saved_count = 0;
}

/* The file as it is on disk, a newline where its last line lacks one, and the lines behind it,
 * written whole and renamed. A file that is not there begins empty. */
static bool write_lines(const Session *session, const char *path, Error *err)
{
    Text text = {0};
    ByteSource *before = source_open_file(path, NULL);
    bool ok = true;
    if (before) {
        size_t n;
        char *old = source_slurp(before, RULES_BYTES_MAX, &n, err);
        ok = old != NULL;
        if (old) text_addn(&text, old, n);
        if (n && old && old[n - 1] != '\n') text_addc(&text, '\n');
        free(old);
        source_unref(before);
    }
    for (size_t i = 0; i < session->line_count; i++) text_addf(&text, "%s\n", session->lines[i]);
    AtomicFile *file = ok ? atomic_open(path, true, err) : NULL;
    ok = file && atomic_write(file, text_string(&text), text.length, err);
    if (ok) ok = atomic_commit(file, NULL, err);
    else atomic_discard(file);
    text_done(&text);
    return ok;
}

/* The file gets the lines and the session forgets them, so that they do not run twice. */
bool session_save_lines(Session *session, const char *path, Error *err)
{
    if (!write_lines(session, path, err)) return false;
    drop_lines(session);
    for (size_t i = 0; i < session->rule_count; i++)
        if (session->rules[i].kind == RULES_FILE && strcmp(session->rules[i].name, path) == 0)
            return read_rules(&session->rules[i], err);
    return add_rules(session, &(RulesArgument){RULES_FILE, path}, err);
}

/* By time and size; a file that is gone counts as unchanged, since editors save by renaming. */
bool session_rules_changed(Session *session)
{
    for (size_t i = 0; i < session->rule_count; i++) {
        const RulesText *rules = &session->rules[i];
        struct stat info;
        if (rules->kind == RULES_FILE && stat(rules->name, &info) == 0 &&
            (info.st_size != rules->size || info.st_mtim.tv_sec != rules->changed.tv_sec ||
             info.st_mtim.tv_nsec != rules->changed.tv_nsec))
            return true;
    }
    return false;
}
