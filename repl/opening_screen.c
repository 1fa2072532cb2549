/* Nothing is known yet but names, so there is nothing that could be moved through. */
#include "repl/opening_screen.h"

#include "loader/source/url.h"
#include "viewer/terminal.h"
#include "viewer/view.h"

/* What is opened sooner needs no screen; how often is looked at keys and files, since who waits for
 * a large file waits for that too; every how many looks what is told of them is drawn. */
enum { AT_ONCE_MS = 30, LOOK_MS = 2, LOOKS_DRAWN = 10 };

/* What is shown of a side; the name lies in the arena. */
static ViewFile name_of(const Opening *opening, int side, Arena *arena)
{
    const char *name = opening_name(opening, side);
    return (ViewFile){.name = url_shown(arena, name), .container = ""};
}

static void draw(const Terminal *terminal, const Opening *opening, Screen *screen)
{
    Text text = {0};
    Arena *arena = arena_new();
    View view = {.title = {.source = name_of(opening, 0, arena),
                           .target = name_of(opening, 1, arena), .opening = true, .percent = -1}};
    if (!view.title.source.name) view.title.source = view.title.target;
    opening_tell(opening, &text);
    Panel *page = page_new("opening", text_string(&text));
    PanelOps ops = page_ops;
    ops.hint = " q stops ";
    page->ops = &ops;
    view_push_panel(&view, page);
    view_draw(&view, screen);
    if (terminal->ops->flush) terminal->ops->flush(terminal->state, screen);
    view_done(&view);
    text_done(&text);
    arena_free(arena);
}

/* Ends with 128 and the signal's number where a signal ended it, as a shell reports it; Ctrl-C is
 * one here, since nothing can be lost yet. */
static void handle(OpeningScreen *own, Press press)
{
    const bool interrupt = press.kind == PRESS_CTRL && press.code == 'C';
    const bool quit = press.kind == PRESS_ESCAPE || (press.kind == PRESS_CHAR && press.code == 'q');
    if (!interrupt && !quit && press.kind != PRESS_CLOSE) return;
    own->left = true;
    own->status = interrupt ? 130 : quit || !press.code ? 0 : 128 + (int)press.code;
}

static void watch(OpeningScreen *own, const Opening *opening)
{
    const Terminal *terminal = own->terminal ? own->terminal : &own->own;
    Screen screen = {0};
    for (unsigned look = 0; !own->left && !opening_wait(opening, 0); look++) {
        int columns, rows;
        Press press;
        terminal->ops->size(terminal->state, &columns, &rows);
        const bool resized = columns != screen.columns || rows != screen.rows;
        if (resized) screen_resize(&screen, columns, rows, terminal->ascii);
        if (resized || look % LOOKS_DRAWN == 0) draw(terminal, opening, &screen);
        if (terminal->ops->read(terminal->state, LOOK_MS, &press)) handle(own, press);
    }
    screen_done(&screen);
}

/* Also where the files were there before the terminal: who left has left. */
static void refuse(Opened *opened, const Error *why)
{
    for (int side = 0; side < 2; side++) {
        checkpoint_unref(opened->files[side]);
        opened->files[side] = NULL;
        opened->errors[side] = *why;
    }
}

void opening_screen_run(void *context, Opened *opened)
{
    OpeningScreen *own = context;
    Error err = {0};
    Opening *opening = opening_start(opened->names);
    if (!opening_wait(opening, AT_ONCE_MS)) {
        if (own->terminal || own->own.ops || terminal_open(&own->own, own->no_color, &err))
            watch(own, opening);
        if (own->left) error_set(&err, ERR_CANCELLED, "stopped");
        if (err.code) opening_stop(opening);
    }
    opening_end(opening, opened);
    if (err.code) refuse(opened, &err);
}
