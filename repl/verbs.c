/* The table, and what each verb does. A verb is a few lines over Ui and View; what is longer
 * belongs there. Each has the same form, so that keys, prompt and tests can call any of them. */
#include "repl/verbs.h"

#include <stdlib.h>
#include <string.h>

#include "repl/editor.h"
#include "repl/help.h"

/* name, C name, arguments, what it does. Brackets in the arguments say that they may be left out;
 * completion goes by them: "PATH" and "[FILE]" are files, "[STATE]" states, "KEY" keys. */
#define VERBS(X)                                                                              \
    X("up", up, "[N]", "moves up N rows")                                                     \
    X("down", down, "[N]", "moves down N rows")                                               \
    X("page-up", page_up, "", "moves up a page")                                              \
    X("page-down", page_down, "", "moves down a page")                                        \
    X("top", top, "", "goes to the first row")                                                \
    X("bottom", bottom, "", "goes to the last row")                                           \
    X("in", in, "", "opens the module, or goes into it")                                      \
    X("out", out, "", "closes the module, or goes to the one above")                          \
    X("side", side, "[source|target]", "switches the side")                                   \
    X("fold", fold, "", "opens or closes the module under the cursor")                        \
    X("fold-all", fold_all, "", "closes all modules")                                         \
    X("unfold-all", unfold_all, "", "opens all modules but the runs of equal blocks")         \
    X("goto", goto, "KEY", "goes to a key of the target or the source")                       \
    X("search", search, "[TEXT]", "searches the keys of both sides")                          \
    X("next-hit", next_hit, "", "goes to the next hit")                                       \
    X("previous-hit", previous_hit, "", "goes to the previous hit")                           \
    X("next-problem", next_problem, "", "goes to the next tensor that is open")               \
    X("previous-problem", previous_problem, "", "goes to the previous tensor that is open")   \
    X("filter", filter, "[STATE]", "shows one state: all problems loaded exact renamed cast " \
      "tied filled dropped kept unused missing dtype shape ambiguous")                        \
    X("prompt", prompt, "[TEXT]", "types a line, beginning with TEXT")                        \
    X("align", align, "[likely]", "finds the alignment without rules: auto{} as a line")     \
    X("proposals", proposals, "", "tries what would settle the row, or else anything")        \
    X("try", try, "N", "applies the N-th of the proposals")                                   \
    X("undo", undo, "", "takes the last line back")                                           \
    X("redo", redo, "", "puts it there again")                                                \
    X("reload", reload, "", "reads the rules files again and aligns")                         \
    X("edit", edit, "[FILE]", "opens the rules file in the editor")                           \
    X("write", write, "PATH", "writes the aligned checkpoint; its suffix says the format")    \
    X("write!", force_write, "PATH", "the same, over an existing file")                       \
    X("save", save, "PATH", "adds the session's lines to a rules file")                       \
    X("notes", notes, "", "shows notes of the rules, collisions and warnings of the files")   \
    X("lines", lines, "", "shows the lines of this session")                                  \
    X("help", help, "[WORD]", "shows keys, verbs and statements, or one of them")                                   \
    X("redraw", redraw, "", "draws the screen anew")                                          \
    X("quit", quit, "", "quits; asks when lines are not saved")                               \
    X("quit!", force_quit, "", "quits, whatever is not saved")

#define VERB_DECLARATION(name, id, args, help) \
    static bool run_##id(Ui *ui, const char *argument, Error *err);
VERBS(VERB_DECLARATION)
#undef VERB_DECLARATION

#define VERB_ROW(name, id, args, help) {name, args, help, run_##id},
static const Verb verbs[] = {VERBS(VERB_ROW)};
#undef VERB_ROW

const Verb *verb_table(size_t *count)
{
    *count = countof(verbs);
    return verbs;
}

/* A name that is both a verb and a statement or variable is a verb when it stands as one: followed
 * by a blank, or nothing. `help "x"`, `filter = 1`, `top.x` and `write(1)` are told apart by what
 * comes next; of these only help("x") is a verb all the same. */
const Verb *verb_find(const char *line, const char **argument)
{
    while (*line == ' ') line++;
    size_t n = strcspn(line, " =(.,[{\"");
    const char *rest = line + n;
    while (*rest == ' ') rest++;
    bool lua = (line[n] && line[n] != ' ') || *rest == '=' || *rest == '(';
    for (size_t i = 0; i < countof(verbs); i++) {
        if (strlen(verbs[i].name) != n || memcmp(verbs[i].name, line, n) != 0) continue;
        if (lua && verbs[i].run != run_help) return NULL;   /* help("split") is ours too */
        *argument = rest;
        return &verbs[i];
    }
    return NULL;
}

/* The argument is copied: a verb may change the line it came from. Blanks at its end are cut, in
 * front verb_find did that. An argument nobody takes is an error rather than ignored. */
bool verb_run(Ui *ui, const char *line, Error *err)
{
    const char *rest;
    const Verb *verb = verb_find(line, &rest);
    if (!verb) return error_set(err, ERR_USAGE, "'%s' is no verb; ? lists them", line);
    char *argument = mem_strdup(rest);
    for (size_t n = strlen(argument); n && argument[n - 1] == ' ';) argument[--n] = '\0';
    bool ok = *verb->args || !*argument;
    if (ok) ok = verb->run(ui, argument, err);
    else error_set(err, ERR_USAGE, "%s takes no argument", verb->name);
    free(argument);
    return ok;
}

/* The N of "up 3"; 1 when there is none. The bound keeps sums of it and a row within a long of 32
 * bits. */
static bool read_count(const char *argument, long *count, Error *err)
{
    char *end;
    *count = *argument ? strtol(argument, &end, 10) : 1;
    if (*argument && (*end || *count < 1 || *count > 1000000000))
        return error_set(err, ERR_USAGE, "'%s' is no number of rows", argument);
    return true;
}

/* Rows on show count, not rows of the model: what is folded away is one step. */
static bool run_up(Ui *ui, const char *argument, Error *err)
{
    long count;
    if (!read_count(argument, &count, err)) return false;
    view_move(&ui->view, -count);
    return true;
}

static bool run_down(Ui *ui, const char *argument, Error *err)
{
    long count;
    if (!read_count(argument, &count, err)) return false;
    view_move(&ui->view, count);
    return true;
}

/* A page is one row less than the list is high: the row that was first is still there, as last. */
static bool run_page_up(Ui *ui, const char *argument, Error *err)
{
    (void)argument, (void)err;
    view_move(&ui->view, 1 - ui->view.page);
    return true;
}

static bool run_page_down(Ui *ui, const char *argument, Error *err)
{
    (void)argument, (void)err;
    view_move(&ui->view, ui->view.page - 1);
    return true;
}

/* The cursor is set, and the next frame scrolls to it. */
static bool run_top(Ui *ui, const char *argument, Error *err)
{
    (void)argument, (void)err;
    ui->view.cursor = 0;
    return true;
}

/* view_move stops at the last row. */
static bool run_bottom(Ui *ui, const char *argument, Error *err)
{
    (void)argument, (void)err;
    view_move(&ui->view, (long)ui->rows->visible_count);
    return true;
}

/* On a tensor it does nothing: rows_set_open leaves those alone. */
static bool run_fold(Ui *ui, const char *argument, Error *err)
{
    (void)argument, (void)err;
    uint32_t row = view_row(&ui->view);
    if (row != ROW_NONE) rows_set_open(ui->rows, row, !ui->rows->open[row]);
    return true;
}

/* Right arrow, as in a file tree: opens what is closed, goes to the first row inside what is open,
 * which is the next one on show. On a tensor, and in an empty list, nothing happens. */
static bool run_in(Ui *ui, const char *argument, Error *err)
{
    uint32_t row = view_row(&ui->view);
    if (row == ROW_NONE || row_is_tensor(&ui->rows->rows[row])) return true;
    if (!ui->rows->open[row]) return run_fold(ui, argument, err);
    view_move(&ui->view, 1);
    return true;
}

/* Left arrow: closes, and on what is closed (or a tensor) goes up to the module around it. At the
 * top level nothing happens. */
static bool run_out(Ui *ui, const char *argument, Error *err)
{
    uint32_t row = view_row(&ui->view);
    if (row == ROW_NONE) return true;
    if (ui->rows->open[row]) return run_fold(ui, argument, err);
    if (ui->rows->rows[row].parent != ROW_NONE)
        view_goto(&ui->view, ui->rows->rows[row].parent);
    return true;
}

/* Which side's key and detail are shown; the list itself shows both. Without an argument the
 * other one. */
static bool run_side(Ui *ui, const char *argument, Error *err)
{
    if (!*argument) ui->view.side = ui->view.side == SIDE_SOURCE ? SIDE_TARGET : SIDE_SOURCE;
    else if (strcmp(argument, "source") == 0) ui->view.side = SIDE_SOURCE;
    else if (strcmp(argument, "target") == 0) ui->view.side = SIDE_TARGET;
    else return error_set(err, ERR_USAGE, "the sides are source and target");
    return true;
}

/* Opens or closes everything; the cursor stays on what it was on, or what hides it now: after
 * closing, that is the row at the very top of its branch. */
static void open_all(Ui *ui, bool open)
{
    uint32_t row = view_row(&ui->view);
    rows_open_all(ui->rows, open);
    while (!open && row != ROW_NONE && ui->rows->rows[row].parent != ROW_NONE)
        row = ui->rows->rows[row].parent;
    if (row != ROW_NONE) ui->view.cursor = rows_visible_at(ui->rows, row);
}

/* z and Z; a filter's choice of rows stays as it is. */
static bool run_fold_all(Ui *ui, const char *argument, Error *err)
{
    (void)argument, (void)err;
    open_all(ui, false);
    return true;
}

static bool run_unfold_all(Ui *ui, const char *argument, Error *err)
{
    (void)argument, (void)err;
    open_all(ui, true);
    return true;
}

/* By whole key, of either side; for a source key, the row of the first target that took it. Looked
 * at from the first row on: a jump that is typed can wait for a million comparisons. */
static bool run_goto(Ui *ui, const char *argument, Error *err)
{
    for (uint32_t i = 0; i < ui->rows->count; i++) {
        const Binding *binding = rows_binding(ui->rows, i);
        const SourceUse *use = rows_use(ui->rows, i);
        bool here = (binding && strcmp(binding->name, argument) == 0) ||
                    (use && strcmp(use->tensor->name, argument) == 0);
        for (uint32_t k = 0; !here && binding && k < binding->source_count; k++)
            here = strcmp(binding->sources[k]->name, argument) == 0;
        if (!here) continue;
        view_goto(&ui->view, i);
        return true;
    }
    return error_set(err, ERR_NOT_FOUND, "no key '%s'", argument);
}

/* With a text the search runs at once, and the prompt is open to go on typing. */
static bool run_search(Ui *ui, const char *argument, Error *err)
{
    (void)err;
    ui_open_search(ui, argument);
    return true;
}

/* Goes round at the ends, unlike problems: ui_search_jump says which of how many the hit is, so
 * that a user sees when it began again. */
static bool jump_hit(Ui *ui, int direction, Error *err)
{
    if (!ui->search.text.length)
        return error_set(err, ERR_USAGE, "nothing was searched for yet; / searches");
    if (ui_search_jump(ui, direction)) return true;
    return error_set(err, ERR_NOT_FOUND, "no key holds '%s'", text_string(&ui->search.text));
}

static bool run_next_hit(Ui *ui, const char *argument, Error *err)
{
    (void)argument;
    return jump_hit(ui, +1, err);
}

static bool run_previous_hit(Ui *ui, const char *argument, Error *err)
{
    (void)argument;
    return jump_hit(ui, -1, err);
}

/* At the end it says so instead of going round: the user wants to know when all are seen. The row
 * under the cursor does not count, also where it is a problem itself. */
static bool jump_problem(Ui *ui, int direction)
{
    uint32_t from = view_row(&ui->view);
    uint32_t found = rows_next_problem(ui->rows, from == ROW_NONE ? 0 : from, direction);
    if (found != ROW_NONE) view_goto(&ui->view, found);
    else view_say(&ui->view, STYLE_PLAIN, direction > 0 ? "no problem below" : "no problem above");
    return true;
}

static bool run_next_problem(Ui *ui, const char *argument, Error *err)
{
    (void)argument, (void)err;
    return jump_problem(ui, +1);
}

static bool run_previous_problem(Ui *ui, const char *argument, Error *err)
{
    (void)argument, (void)err;
    return jump_problem(ui, -1);
}

/* The next filter that would show something: all, problems, then the states, worst first; behind
 * the best one all again. The states of the topmost rows are those of everything below them, so
 * `end` steps from one to the next and nothing else is looked at. */
static unsigned next_filter(const RowModel *rows)
{
    unsigned present = 0;
    for (uint32_t i = 0; i < rows->count; i = rows->rows[i].end) present |= rows->rows[i].states;
    if (rows->filter == STATE_ALL && present & STATE_PROBLEM) return STATE_PROBLEM;
    int state = ROW_STATE_COUNT - 1;
    if (rows->filter != STATE_ALL && rows->filter != STATE_PROBLEM)
        state = (int)state_worst(rows->filter & STATE_ALL) - 1;
    while (state >= 0 && !(present & 1u << state)) state--;
    return state >= 0 ? 1u << state : STATE_ALL;
}

/* Without a word, the next state that would show something. The cursor stays on its row where that
 * is shown, else goes to the row that comes before it. */
static bool run_filter(Ui *ui, const char *argument, Error *err)
{
    unsigned filter = *argument ? state_mask_of(argument) : next_filter(ui->rows);
    if (!filter)
        return error_set(err, ERR_USAGE, "'%s' is no state; help lists them", argument);
    uint32_t row = view_row(&ui->view);
    rows_set_filter(ui->rows, filter);
    ui->view.cursor = row == ROW_NONE ? 0 : rows_visible_at(ui->rows, row);
    return true;
}

/* A name to begin with, in the source's format where that is one that can be written. It is only
 * a suggestion: the suffix that is typed decides. */
static void suggest_output(const Ui *ui, Text *out)
{
    const char *format = checkpoint_format(session_source(ui->session));
    text_add(out, strcmp(format, "safetensors") == 0 ? "aligned.safetensors" : "aligned.pth");
}

/* For write and save a name is suggested, to be taken or changed: for save the rules file that is
 * in use, so that Enter adds the lines to it. Anything else is put into the line as it stands. */
static bool run_prompt(Ui *ui, const char *argument, Error *err)
{
    (void)err;
    Text text = {0};
    text_add(&text, argument);
    if (strcmp(argument, "write") == 0 || strcmp(argument, "save") == 0) text_addc(&text, ' ');
    if (strcmp(argument, "write") == 0) suggest_output(ui, &text);
    if (strcmp(argument, "save") == 0)
        text_add(&text, ui->view.title.rules && strcmp(ui->view.title.rules, "-e") != 0
                            ? ui->view.title.rules : "rules.lua");
    ui_prompt(ui, text_string(&text));
    text_done(&text);
    return true;
}

/* Text over the list, until a key closes it. `title` must live as long; the text is copied. */
static void show_text(Ui *ui, const char *title, const char *text)
{
    ui_leave(ui);
    ui->mode = UI_PAGER;
    view_open_pager(&ui->view, title, text);
}

/* A page, since the detail has room for three; digits work on it as well. */
static bool run_proposals(Ui *ui, const char *argument, Error *err)
{
    (void)argument;
    ui_choices_all(ui);
    Text text = {0};
    choices_tell(&ui->choices, &text);
    bool any = text.length > 0;
    if (any) show_text(ui, "proposals", text_string(&text));
    text_done(&text);
    return any || error_set(err, ERR_NOT_FOUND, "nothing is known that would settle it");
}

static bool run_try(Ui *ui, const char *argument, Error *err)
{
    uint64_t number;
    const char *line = parse_digits(argument, strlen(argument), &number)
                           ? ui_choice(ui, (size_t)number) : NULL;
    if (!line) return error_set(err, ERR_USAGE, "there is no such proposal; s lists them");
    char *copy = mem_strdup(line);       /* applying it makes others */
    bool ok = ui_apply_line(ui, copy, err);
    free(copy);
    return ok;
}

/* The line is kept for redo until another one is typed. It is copied for the message, since
 * aligning anew may take long and the session is free to forget it. */
static bool run_undo(Ui *ui, const char *argument, Error *err)
{
    (void)argument;
    size_t n = session_line_count(ui->session);
    if (!n) return error_set(err, ERR_USAGE, "nothing to undo");
    char *line = mem_strdup(session_line(ui->session, n - 1));
    session_undo(ui->session);
    bool ok = ui_align(ui, err);
    if (ok) view_say(&ui->view, STYLE_PLAIN, "undone: %s", line);
    free(line);
    return ok;
}

/* The line runs again as it stands; where files changed meanwhile it may have another effect. */
static bool run_redo(Ui *ui, const char *argument, Error *err)
{
    (void)argument;
    if (!session_redo(ui->session)) return error_set(err, ERR_USAGE, "nothing to redo");
    if (!ui_align(ui, err)) return false;
    view_say(&ui->view, STYLE_PLAIN, "redone: %s",
             session_line(ui->session, session_line_count(ui->session) - 1));
    return true;
}

/* As if the line had been typed; undo takes it back. */
static bool run_align(Ui *ui, const char *argument, Error *err)
{
    if (*argument && strcmp(argument, "likely") != 0)
        return error_set(err, ERR_USAGE, "align takes nothing, or likely");
    return ui_apply_line(ui, *argument ? "auto{accept=\"likely\"}" : "auto{}", err);
}

/* Reads files whatever their time and size say: a file restored with its old date looks unchanged.
 * The session's lines run after them, as ever. */
static bool run_reload(Ui *ui, const char *argument, Error *err)
{
    (void)argument;
    if (!ui_align(ui, err)) return false;
    if (!ui->rules_failed) view_say(&ui->view, STYLE_PLAIN, "rules read again");
    return true;
}

/* The last rules file of the session; NULL when it has none. Code of -e is passed over: there is
 * nothing to edit. Borrowed from the session. */
static const char *last_rules_file(const Ui *ui)
{
    const char *const *files;
    size_t n = session_rule_files(ui->session, &files);
    while (n && strcmp(files[n - 1], "-e") == 0) n--;
    return n ? files[n - 1] : NULL;
}

/* A file that came out of the editor changed is read again at once. The window may have changed its
 * size meanwhile, hence the look at it. Another file may be named, and need not be there. */
static bool run_edit(Ui *ui, const char *argument, Error *err)
{
    const char *file = *argument ? argument : last_rules_file(ui);
    if (!file)
        return error_set(err, ERR_USAGE, "there is no rules file; W saves this session's lines "
                         "as one, -r names one on the command line");
    if (!editor_run(ui->terminal, file, err)) return false;
    ui_resize(ui);
    return !session_rules_changed(ui->session) || run_reload(ui, "", err);
}

/* An existing file is asked about, and then written by write!. That it exists is for the export to
 * find out and not for a test before it: between the two anything could happen. */
static bool write_to(Ui *ui, const char *path, bool force, Error *err)
{
    if (!*path) return error_set(err, ERR_USAGE, "write takes a path: write aligned.pth");
    Error problem = {0};
    if (ui_write(ui, path, force, &problem)) return true;
    if (problem.code == ERR_EXISTS && !force) {
        Text yes = {0}, question = {0};
        text_addf(&yes, "write! %s", path);
        text_addf(&question, "%s exists: replace it? y/n", path);
        ui_ask(ui, text_string(&question), text_string(&yes));
        text_done(&yes);
        text_done(&question);
        return true;
    }
    *err = problem;
    return false;
}

static bool run_write(Ui *ui, const char *argument, Error *err)
{
    return write_to(ui, argument, false, err);
}

/* The verb behind a yes; nothing is asked a second time. */
static bool run_force_write(Ui *ui, const char *argument, Error *err)
{
    return write_to(ui, argument, true, err);
}

/* The lines are part of the file afterwards: there is nothing left to undo. Aligning again shows
 * that the file does what the lines did, and sets the title. */
static bool run_save(Ui *ui, const char *argument, Error *err)
{
    size_t n = session_line_count(ui->session);
    if (!*argument) return error_set(err, ERR_USAGE, "save takes a path: save rules.lua");
    if (!n) return error_set(err, ERR_USAGE, "this session has no lines to save");
    if (!session_save_lines(ui->session, argument, err) || !ui_align(ui, err)) return false;
    view_say(&ui->view, STYLE_RENAMED, "saved %zu line%s to %s", n, n == 1 ? "" : "s", argument);
    return true;
}

/* Notes, collisions and warnings in full; the title has only their number. */
static bool run_notes(Ui *ui, const char *argument, Error *err)
{
    (void)argument, (void)err;
    Text text = {0};
    help_notes(ui->session, ui->alignment, &text);
    show_text(ui, "notes", text.length ? text_string(&text) : "no notes\n");
    text_done(&text);
    return true;
}

/* What save would write: applied lines in their order, undone ones not among them. */
static bool run_lines(Ui *ui, const char *argument, Error *err)
{
    (void)argument, (void)err;
    Text text = {0};
    size_t n = session_line_count(ui->session);
    for (size_t i = 0; i < n; i++) text_addf(&text, "%s\n", session_line(ui->session, i));
    show_text(ui, "lines of this session", n ? text_string(&text) : "none\n");
    text_done(&text);
    return true;
}

/* `help split`, and help("split") as in Lua, explain one word: what surrounds it is cut on both
 * sides. Without one, the whole page. */
static bool run_help(Ui *ui, const char *argument, Error *err)
{
    Text text = {0};
    argument += strspn(argument, "(\" '");
    char *word = mem_strdup(argument);
    word[strcspn(word, ")\" '")] = '\0';
    if (*word) help_word(verbs, countof(verbs), word, &text);
    else help_page(verbs, countof(verbs), &text);
    free(word);
    if (!text.length)
        return error_set(err, ERR_NOT_FOUND, "no help on %s; ? lists what there is", argument);
    show_text(ui, "help", text_string(&text));
    text_done(&text);
    return true;
}

/* For when another program wrote on the screen, or the size was missed: both are asked for anew,
 * and nothing of what the terminal shows is relied upon. */
static bool run_redraw(Ui *ui, const char *argument, Error *err)
{
    (void)argument, (void)err;
    ui_resize(ui);
    ui->terminal->ops->repaint(ui->terminal->state);
    return true;
}

/* Lines typed by hand are work; they are not thrown away unasked. A session whose lines were saved,
 * or undone back to where they were, has nothing to ask about. */
static bool run_quit(Ui *ui, const char *argument, Error *err)
{
    if (session_is_saved(ui->session)) return run_force_quit(ui, argument, err);
    size_t n = session_line_count(ui->session);
    Text question = {0};
    text_addf(&question, "%zu line%s not saved (W saves): quit all the same? y/n", n,
              n == 1 ? " is" : "s are");
    ui_ask(ui, text_string(&question), "quit!");
    text_done(&question);
    return true;
}

/* The loop ends after this press; what is to be freed is freed there. */
static bool run_force_quit(Ui *ui, const char *argument, Error *err)
{
    (void)argument, (void)err;
    ui->quit = true;
    return true;
}
