#include "repl/hint.h"

#include "repl/keys.h"

/* A key as the user has bound it; what has none is not hinted at. */
static void add(const char *line, const char *words, Text *out)
{
    const char *key = key_of(line);
    if (key) text_addf(out, "%s %s\n", key, words);
}

/* One checkpoint alone. */
static void hint_listing(Text *out)
{
    add("values", "values", out);
    add("search", "search", out);
    add("check", "check the file", out);
    add("prompt open-target ", "a target", out);
}

/* Marks are half of a pair. */
static bool is_marking(const Ui *ui)
{
    return ui->view.marks[SIDE_SOURCE].count || ui->view.marks[SIDE_TARGET].count;
}

static void hint_problems(const Ui *ui, Text *out)
{
    if (is_marking(ui)) add("mark", "matches here", out);
    else if (ui_choice(ui, 1)) add("try 1", "applies the first", out);
    add("next-problem", "next problem", out);
    add("proposals", "proposals", out);
    add("align", "automatic", out);
}

static void hint_done(const Ui *ui, Text *out)
{
    add("prompt write ", "writes the result", out);
    add("export", "how", out);
    if (!session_is_saved(ui->session)) add("prompt save ", "saves the rules", out);
}

void hint_show(const Ui *ui, Text *out)
{
    if (!ui->rows || ui->view.panel) return;
    if (ui->view.title.busy) text_add(out, "Esc stops\n");
    if (ui->changed[0] || ui->changed[1]) add("reopen", "opens the changed file again", out);
    if (ui->rules_failed) {
        add("rule-list", "rules and their errors", out);
        add("edit", "edit", out);
    } else if (rows_is_listing(ui->rows)) {
        hint_listing(out);
    } else if (ui->rows->problems || is_marking(ui)) {
        hint_problems(ui, out);
    } else {
        hint_done(ui, out);
    }
}
