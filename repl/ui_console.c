/* Lines after ":" that are no rules: they run at a prompt that lives as long as the viewer, on its
 * session. Rules go their own way (ui_work.c), since these are tried beside the keys. */
#include <string.h>

#include "repl/call_list.h"
#include "repl/fault.h"
#include "repl/ui.h"
#include "repl/verbs.h"

enum { NOTICE_LINES = 6 };       /* what is longer is a page */

/* By its first word. What is assigned, asked or called is no rule, even where rules come of it. */
static bool is_rule(const char *line)
{
    line += strspn(line, " ");
    const size_t n = strspn(line, "abcdefghijklmnopqrstuvwxyz_");
    const char *rest = line + n + strspn(line + n, " ");
    return script_has_statement(line, n) && *rest && strchr("\"'[{(.", *rest);
}

/* Of ConsoleOptions. */
static bool run_verb(void *context, const char *line, Error *err)
{
    return verb_run(context, line, err);
}

/* Of ConsoleOptions. */
static bool show_progress(void *context, const char *what, uint64_t done, uint64_t total)
{
    Ui *ui = context;
    return ui_progress(ui, "reading", what, &ui->bar, done, total);
}

/* Of ConsoleOptions. */
static void open_later(void *context, int side, const char *path)
{
    ui_open_later(context, side, path);
}

void ui_close_console(Ui *ui)
{
    console_free(ui->console);
    ui->console = NULL;
}

/* Keys stop nothing while a script runs, so that none may take longer than one of rules. */
static Console *open_console(Ui *ui)
{
    if (ui->console && ui->console_rules != session_rules_version(ui->session))
        console_forget(ui->console);
    if (!ui->console)
        ui->console = console_new(ui->session, &(ConsoleOptions){
            .calls = call_table(), .lent = true, .patience = 1, .verb = run_verb,
            .progress = show_progress, .open = open_later, .context = ui});
    return ui->console;
}

/* The values of one expression stand apart by tabs. */
static void show_output(Ui *ui, const char *output)
{
    Text shown = {0};
    size_t lines = 0;
    for (; *output; output++) {
        lines += *output == '\n';
        if (*output == '\t') text_add(&shown, "   ");
        else text_addc(&shown, *output);
    }
    if (shown.length && lines <= NOTICE_LINES)
        view_notice(&ui->view, STYLE_PLAIN, "value", text_string(&shown));
    else if (shown.length)
        view_push_panel(&ui->view, page_new("value", text_string(&shown)));
    text_done(&shown);
}

/* exit() is q: lines that are not saved are asked about. */
static bool leave(Ui *ui, Error *err)
{
    ui_leave(ui);
    if (session_is_saved(ui->session)) ui->status = ui->console->status;
    return verb_run(ui, "quit", err);
}

bool ui_run_line(Ui *ui, const char *line, Error *err)
{
    if (is_rule(line)) return ui_apply_line(ui, line, err);
    if (ui_is_settling(ui)) {
        ui_queue(ui, line);
        return true;
    }
    Console *console = open_console(ui);
    const unsigned before = session_rules_version(ui->session);
    Error problem = {0};
    struct timespec began;
    clock_gettime(CLOCK_MONOTONIC, &began);
    ui->bar = began;
    bool ok = console_enter(console, line, &problem);
    ui->console_rules = session_rules_version(ui->session);
    if (memcmp(&began, &ui->bar, sizeof began) != 0) text_clear(&ui->view.message);
    if (ok && console->said.length)
        view_say(&ui->view, STYLE_PLAIN, "applied (%s): %s", text_string(&console->said), line);
    if (ui->mode == UI_PROMPT) ui_leave(ui);
    show_output(ui, console_output(console));
    if (before != ui->console_rules && !ui_align(ui, err)) return false;
    if (console->exits) return leave(ui, err);
    if (ok) return true;
    Text shown = {0};
    fault_show(&problem, NULL, line, &shown);
    if (shown.length) shown.bytes[--shown.length] = '\0';
    error_set(err, problem.code, "%s", text_string(&shown));
    text_done(&shown);
    return false;
}
