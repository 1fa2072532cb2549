/* While files are read, their names are all there is to be moved through. */
#include "repl/opening_screen.h"

#include "loader/source/url.h"
#include "repl/keys.h"
#include "viewer/name_list.h"
#include "viewer/terminal.h"
#include "viewer/view.h"

/* What is opened sooner needs no screen; how often is looked at keys and files, since who waits for
 * a large file waits for that too; every how many looks what is told of them is drawn. */
enum { AT_ONCE_MS = 30, LOOK_MS = 2, LOOKS_DRAWN = 10 };

/* What is on show of it. */
typedef struct Show {
    OpeningScreen *own;
    const Opening *opening;
    const Terminal *terminal;
    View view;
    Screen screen;
    Panel *names;            /* the view's; NULL: no name was read yet … */
    PanelOps page;           /* … and a page is on show */
} Show;

/* What is shown of a side; the name lies in the arena. */
static ViewFile name_of(const Opening *opening, int side, Arena *arena)
{
    const char *name = opening_name(opening, side);
    return (ViewFile){.name = url_shown(arena, name), .container = ""};
}

static bool has_names(const Opening *opening)
{
    for (int side = 0; side < 2; side++) {
        const Glimpse *glimpse = opening_glimpse(opening, side);
        if (glimpse && glimpse_count(glimpse)) return true;
    }
    return false;
}

/* Names where there are some, and how far it is in the bottom line; else a page says that. */
static void set_panel(Show *show)
{
    Text told = {0};
    View *view = &show->view;
    opening_tell(show->opening, &told);
    if (!show->names) view_close_panels(view);
    if (!show->names && has_names(show->opening)) {
        show->names = name_list_of_glimpses(opening_glimpse(show->opening, 0),
                                            opening_glimpse(show->opening, 1));
        view_push_panel(view, show->names);
    } else if (!show->names) {
        Panel *page = page_new("opening", text_string(&told));
        page->ops = &show->page;
        view_push_panel(view, page);
        text_clear(&told);
    }
    if (show->own->ahead.count) text_clear(&told);
    typed_ahead_tell(&show->own->ahead, &told);
    view_say(view, STYLE_TITLE, "%s", text_string(&told));
    text_done(&told);
}

static void draw(Show *show)
{
    const TerminalOps *ops = show->terminal->ops;
    set_panel(show);
    show->view.title.busy = show->names ? "reading…" : NULL;
    show->view.title.percent = opening_percent(show->opening);
    view_draw(&show->view, &show->screen);
    if (ops->flush) ops->flush(show->terminal->state, &show->screen);
}

/* Ends with 128 and the signal's number where a signal ended it, as a shell reports it; Ctrl-C is
 * one here, since nothing can be lost yet. */
static void leave(OpeningScreen *own, int status)
{
    own->left = true;
    own->status = status;
}

/* Whether there is something else to be seen. */
static bool handle(Show *show, Press press)
{
    OpeningScreen *own = show->own;
    const bool interrupt = press.kind == PRESS_CTRL && press.code == 'C';
    if (press.kind == PRESS_CLOSE || interrupt) {
        leave(own, interrupt ? 130 : press.code ? 128 + (int)press.code : 0);
        return false;
    }
    const AheadPress what = typed_ahead_press(&own->ahead, press, show->names);
    if (what == AHEAD_CANCEL || what == AHEAD_QUIT) leave(own, 0);
    return what == AHEAD_MOVED || what == AHEAD_CHANGED;
}

static bool resize(Show *show)
{
    int columns, rows;
    const Terminal *terminal = show->terminal;
    terminal->ops->size(terminal->state, &columns, &rows);
    if (columns == show->screen.columns && rows == show->screen.rows) return false;
    screen_resize(&show->screen, columns, rows, terminal->ascii);
    return true;
}

/* The first names are shown as soon as they are there. */
static void watch(OpeningScreen *own, const Opening *opening)
{
    const Terminal *terminal = own->terminal ? own->terminal : &own->own;
    Arena *arena = arena_new();
    Show show = {.own = own, .opening = opening, .terminal = terminal, .view.key_for = key_for,
                 .view.title = {.source = name_of(opening, 0, arena),
                                .target = name_of(opening, 1, arena), .opening = true}};
    ViewTitle *title = &show.view.title;
    show.page = page_ops;
    show.page.hint = "{quit} stops";
    if (!title->source.name) title->source = title->target;
    bool news = true;
    for (unsigned look = 0; !own->left && !opening_wait(opening, 0); look++) {
        Press press;
        news |= resize(&show) || look % LOOKS_DRAWN == 0 || (!show.names && has_names(opening));
        if (news) draw(&show);
        news = terminal->ops->read(terminal->state, LOOK_MS, &press) && handle(&show, press);
    }
    if (show.names) own->top = name_list_top(show.names);
    view_done(&show.view);
    screen_done(&show.screen);
    arena_free(arena);
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
