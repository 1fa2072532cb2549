/* Verbs that show pages, and those of the program itself. */
#include "repl/verb_list.h"

#include <stdlib.h>
#include <string.h>

#include "repl/help.h"
#include "repl/verbs.h"

/* Text over the list, until a key closes it. Both are copied. */
static void show_text(Ui *ui, const char *title, const char *text)
{
    ui_leave(ui);
    view_push_panel(&ui->view, page_new(title, text));
}

bool verb_proposals(Ui *ui, const char *argument, Error *err)
{
    (void)argument, (void)err;
    ui_choices_all(ui);
    return true;
}

/* Lines that were tried stand below each other; the page has the room. */
static void add_words(const char *words, Text *out)
{
    for (const char *gap; (gap = strstr(words, CHOICE_GAP)); words = gap + strlen(CHOICE_GAP)) {
        text_addn(out, words, (size_t)(gap - words));
        text_add(out, "\n      ");
    }
    text_add(out, words);
}

/* Of the row, or the notice that stands in its place. */
bool verb_detail(Ui *ui, const char *argument, Error *err)
{
    (void)argument, (void)err;
    Text title = {0}, words = {0}, text = {0};
    view_detail(&ui->view, &title, &words);
    add_words(text_string(&words), &text);
    if (text.length) show_text(ui, text_string(&title), text_string(&text));
    text_done(&title);
    text_done(&words);
    text_done(&text);
    return true;
}

/* Notes, collisions and warnings in full; the title has only their number. */
bool verb_notes(Ui *ui, const char *argument, Error *err)
{
    (void)argument, (void)err;
    Text text = {0};
    help_notes(ui->session, ui->alignment, &text);
    show_text(ui, "notes", text.length ? text_string(&text) : "no notes\n");
    text_done(&text);
    return true;
}

/* What save would write: applied lines in their order, undone ones not among them. */
bool verb_lines(Ui *ui, const char *argument, Error *err)
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
bool verb_help(Ui *ui, const char *argument, Error *err)
{
    Text text = {0};
    argument += strspn(argument, "(\" '");
    char *word = mem_strdup(argument);
    word[strcspn(word, ")\" '")] = '\0';
    size_t count;
    const Verb *verbs = verb_table(&count);
    const Panel *panel = ui->view.panel;
    if (*word) help_word(verbs, count, word, &text);
    else help_page(verbs, count, panel ? panel->ops->name : "", &text);
    free(word);
    if (!text.length)
        return error_set(err, ERR_NOT_FOUND, "no help on %s; ? lists what there is", argument);
    show_text(ui, "help", text_string(&text));
    text_done(&text);
    return true;
}

/* For when another program wrote on the screen, or the size was missed: both are asked for anew,
 * and nothing of what the terminal shows is relied upon. */
bool verb_redraw(Ui *ui, const char *argument, Error *err)
{
    (void)argument, (void)err;
    ui_resize(ui);
    ui->terminal->ops->repaint(ui->terminal->state);
    return true;
}

/* Back to the list, or to the panel below. */
bool verb_close(Ui *ui, const char *argument, Error *err)
{
    (void)argument, (void)err;
    view_pop_panel(&ui->view);
    return true;
}

/* Lines typed by hand are work; they are not thrown away unasked. A session whose lines were saved,
 * or undone back to where they were, has nothing to ask about. */
bool verb_quit(Ui *ui, const char *argument, Error *err)
{
    size_t n = session_line_count(ui->session) + ui->queue_count + (ui->apply != NULL);
    if (session_is_saved(ui->session) && !ui->queue_count && !ui->apply)
        return verb_force_quit(ui, argument, err);
    Text question = {0};
    if (n)
        text_addf(&question, "%zu line%s not saved (W saves): quit all the same? y/n", n,
                  n == 1 ? " is" : "s are");
    else text_add(&question, "changes are not saved (K saves): quit all the same? y/n");
    ui_ask(ui, text_string(&question), "quit!");
    text_done(&question);
    return true;
}

/* The loop ends after this press; what is to be freed is freed there. */
bool verb_force_quit(Ui *ui, const char *argument, Error *err)
{
    (void)argument, (void)err;
    ui->quit = true;
    return true;
}
