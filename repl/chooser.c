#include "repl/chooser.h"

#include <stdlib.h>

#include "repl/verbs.h"
#include "viewer/outline.h"

/* The outline is freed with it. */
typedef struct Chooser {
    Ui *ui;                      /* borrowed */
    char **lines;                /* owned, [count]; NULL where there is nothing to choose */
    size_t count, room;
} Chooser;

/* The panel goes first: a verb may open another one, or move in the list. */
static void enter(Panel *panel, void *owner)
{
    Chooser *chooser = owner;
    uint32_t item = outline_item(panel);
    if (item >= chooser->count || !chooser->lines[item]) return;
    Ui *ui = chooser->ui;
    char *line = mem_strdup(chooser->lines[item]);
    Error err = {0};
    view_pop_panel(&ui->view);
    if (!verb_run(ui, line, &err)) view_notice(&ui->view, STYLE_ERROR, "error", err.text);
    free(line);
}

static void free_chooser(void *owner)
{
    Chooser *chooser = owner;
    for (size_t i = 0; i < chooser->count; i++) free(chooser->lines[i]);
    free(chooser->lines);
    free(chooser);
}

/* What it offers was found for the ledger that was there. */
static void refresh(Panel *panel, void *owner)
{
    (void)owner;
    outline_clear(panel);
}

Panel *chooser_open(Ui *ui, const char *name, const char *title)
{
    Chooser *chooser = mem_alloc(sizeof *chooser);
    chooser->ui = ui;
    const OutlineOptions options = {.name = name, .hint = "{fold} chooses  {quit} closes",
                                    .title = title, .owner = chooser, .enter = enter,
                                    .refresh = refresh, .free = free_chooser};
    Panel *panel = outline_new(&options);
    ui_leave(ui);
    view_push_panel(&ui->view, panel);
    return panel;
}

void chooser_add(Panel *panel, Style style, const char *text, const char *right, const char *line)
{
    Chooser *chooser = outline_owner(panel);
    chooser->lines = mem_grow(chooser->lines, &chooser->room, chooser->count + 1,
                              sizeof *chooser->lines);
    const OutlineLine shown = {.text = text, .right = right, .style = (uint8_t)style,
                               .item = (uint32_t)chooser->count};
    chooser->lines[chooser->count++] = line ? mem_strdup(line) : NULL;
    outline_add(panel, &shown);
}
