/* Verbs that change the rules, and those that save them. */
#include "repl/verb_list.h"

#include <stdlib.h>
#include <string.h>

#include "repl/editor.h"
#include "repl/session_file.h"
#include "repl/verbs.h"

bool verb_try(Ui *ui, const char *argument, Error *err)
{
    uint64_t number = 0;
    parse_digits(argument, strlen(argument), &number);
    const char *shown = ui_choice(ui, (size_t)number);
    char *line = shown ? mem_strdup(shown) : NULL;       /* applying it makes others */
    /* Only now: what is numbered on a page is on show while the page is. */
    if (ui->view.panel && ui->view.panel->ops == &page_ops) view_pop_panel(&ui->view);
    if (!line && number && ui->asking) { /* typed ahead of the page */
        ui->choice_wanted = (size_t)number;
        return true;
    }
    if (!line) return error_set(err, ERR_USAGE, "there is no such proposal; s lists them");
    bool ok = ui_apply_line(ui, line, err);
    free(line);
    return ok;
}

/* The ledger is made anew only where the rules or the files are others: a mark costs nothing. */
static bool step(Ui *ui, bool (*go)(Session *session), const char *what, const char *how,
                 Error *err)
{
    char *line = mem_strdup(what);       /* what it says is the session's to forget */
    unsigned version = session_rules_version(ui->session);
    go(ui->session);
    ui_refresh(ui);
    bool ok = version == session_rules_version(ui->session) || ui_align_again(ui, err);
    if (ok && !ui->rules_failed) view_say(&ui->view, STYLE_PLAIN, "%s: %s", how, line);
    free(line);
    return ok;
}

bool verb_undo(Ui *ui, const char *argument, Error *err)
{
    (void)argument;
    const char *what = session_undo_what(ui->session);
    if (!what) return error_set(err, ERR_USAGE, "nothing to undo");
    return step(ui, session_undo, what, "undone", err);
}

/* A line runs again as it stands; where files changed meanwhile it may have another effect. */
bool verb_redo(Ui *ui, const char *argument, Error *err)
{
    (void)argument;
    const char *what = session_redo_what(ui->session);
    if (!what) return error_set(err, ERR_USAGE, "nothing to redo");
    return step(ui, session_redo, what, "redone", err);
}

/* As if the line had been typed; undo takes it back. */
bool verb_align(Ui *ui, const char *argument, Error *err)
{
    if (*argument && strcmp(argument, "likely") != 0)
        return error_set(err, ERR_USAGE, "align takes nothing, or likely");
    return ui_apply_line(ui, *argument ? "auto{accept=\"likely\"}" : "auto{}", err);
}

/* Reads files whatever their time and size say: a file restored with its old date looks unchanged.
 * The session's lines run after them, as ever. */
bool verb_reload(Ui *ui, const char *argument, Error *err)
{
    (void)argument;
    if (!ui_align(ui, err)) return false;
    if (!ui->rules_failed) view_say(&ui->view, STYLE_PLAIN, "rules read again");
    return true;
}

/* The last rules file of the session that runs; NULL when it has none. Borrowed from it. */
static const char *last_rules_file(const Ui *ui)
{
    const char *last = NULL;
    SessionText text;
    for (size_t i = 0; session_text(ui->session, i, &text); i++)
        if (text.kind == RULES_FILE && !text.off) last = text.name;
    return last;
}

/* The line of a file in which the first error of the rules is; 0: there is none. */
static int error_line(const Ui *ui, const char *file)
{
    for (size_t i = 0; i < align_note_count(ui->alignment); i++) {
        const RuleNote *note = align_note(ui->alignment, i);
        if (note->level == NOTE_ERROR && note->origin.file && strcmp(note->origin.file, file) == 0)
            return note->origin.line;
    }
    return 0;
}

/* A file that came out of the editor changed is read again at once. The window may have changed its
 * size meanwhile, hence the look at it. Another file may be named, and need not be there. */
bool verb_edit(Ui *ui, const char *argument, Error *err)
{
    const char *file = *argument ? argument : last_rules_file(ui);
    if (!file)
        return error_set(err, ERR_USAGE, "there is no rules file; W saves this session's lines "
                         "as one, -r names one on the command line");
    if (!editor_run(ui->terminal, file, error_line(ui, file), err)) return false;
    ui_resize(ui);
    return !session_rules_changed(ui->session) || verb_reload(ui, "", err);
}

/* For these verbs a name is suggested, to be taken or changed: for save the rules file that is
 * in use, so that Enter adds the lines to it. Anything else is put into the line as it stands. */
bool verb_prompt(Ui *ui, const char *argument, Error *err)
{
    (void)err;
    Text text = {0};
    text_add(&text, argument);
    const char *rest;
    if (verb_find(argument, &rest) && !*rest) text_addc(&text, ' ');
    if (strcmp(argument, "save-session") == 0)
        text_add(&text, session_file(ui->session) ? session_file(ui->session) : "session.lua");
    if (strcmp(argument, "write") == 0) text_add(&text, ui_output_path(ui));
    const char *file = last_rules_file(ui);
    if (strcmp(argument, "save") == 0) text_add(&text, file ? file : "rules.lua");
    ui_prompt(ui, text_string(&text));
    text_done(&text);
    return true;
}

/* The lines are part of the file afterwards: there is nothing left to undo. Aligning again shows
 * that the file does what the lines did, and sets the title. */
bool verb_save(Ui *ui, const char *argument, Error *err)
{
    size_t n = session_line_count(ui->session);
    if (!*argument) return error_set(err, ERR_USAGE, "save takes a path: save rules.lua");
    if (!n) return error_set(err, ERR_USAGE, "this session has no lines to save");
    if (!session_save_lines(ui->session, argument, err) || !ui_align(ui, err)) return false;
    view_say(&ui->view, STYLE_RENAMED, "saved %zu line%s to %s", n, n == 1 ? "" : "s", argument);
    return true;
}

static bool save_session(Ui *ui, const char *path, bool force, Error *err)
{
    Error problem = {0};
    const char *file = *path ? path : session_file(ui->session);
    if (!file)
        return error_set(err, ERR_USAGE, "save-session takes a path: save-session session.lua");
    const Alignment *alignment = ui->rules_failed ? NULL : ui->alignment;
    if (session_save(ui->session, alignment, file, force, &problem)) {
        ui_refresh(ui);
        view_say(&ui->view, STYLE_RENAMED, "saved the session: tenon %s goes on with it", file);
        return true;
    }
    if (!force && ui_ask_to_replace(ui, &problem, "save-session", file)) return true;
    *err = problem;
    return false;
}

bool verb_save_session(Ui *ui, const char *argument, Error *err)
{
    return save_session(ui, argument, false, err);
}

bool verb_force_save_session(Ui *ui, const char *argument, Error *err)
{
    return save_session(ui, argument, true, err);
}
