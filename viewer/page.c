/* A page of text: help, notes, proposals. */
#include <stdlib.h>
#include <string.h>

#include "viewer/panel.h"

enum {
    HANGING = 4,             /* columns by which the rest of a cut line is indented */
    COLUMN_MIN = 24,         /* columns that are enough for what goes on below a column */
    LINES_MAX = 1000000000   /* beyond the end of any page */
};

typedef struct Page {
    Panel panel;
    char *title, *text;      /* owned */
    size_t top;              /* first line on show */
    size_t lines;            /* as wrapped last */
} Page;

/* Where the last column of a line begins, if it stands in columns: behind the last gap of two
 * blanks; 0 where there is none. */
static size_t last_column(const char *line)
{
    size_t at = strlen(line);
    while (at > 2 && !(line[at - 1] == ' ' && line[at - 2] == ' ' && line[at] != ' ')) at--;
    return at > 2 && strspn(line, " ") < at ? at : 0;
}

/* A line cut for the screen; returns how many it takes. What is cut off goes on below the last
 * column, or, where that would leave it little room, a bit further in. */
static size_t wrap_line(const Screen *screen, const char *line, int width, Text *out)
{
    Text head = {0}, cut = {0};
    size_t n = last_column(line), lines = 0;
    text_addn(&head, line, n);
    int hanging = screen_columns_of(screen, text_string(&head));
    if (hanging == 0 || width - hanging < COLUMN_MIN) {
        hanging = HANGING;       /* kept on the first line too, so that one width serves */
        n = 0;
    }
    screen_wrap(screen, line + n, width - hanging, &cut);
    text_addn(out, line, n);
    for (const char *p = text_string(&cut);; p++, text_addf(out, "%*s", hanging, "")) {
        size_t m = strcspn(p, "\n");
        text_addn(out, p, m);
        text_addc(out, '\n');
        lines++;
        p += m;
        if (!*p) break;
    }
    text_done(&head);
    text_done(&cut);
    return lines;
}

/* Appends all of it; returns how many lines there are then. */
static size_t wrap_text(const Screen *screen, const char *text, int width, Text *out)
{
    size_t lines = 0;
    Text line = {0};
    while (*text) {
        size_t n = strcspn(text, "\n");
        text_clear(&line);
        text_addn(&line, text, n);
        lines += wrap_line(screen, text_string(&line), width, out);
        text += n + (text[n] == '\n');
    }
    text_done(&line);
    return lines;
}

/* " 21-40 of 97 ", when not all are on show. */
static void head_page(const Panel *panel, Text *title, Text *place)
{
    const Page *page = (const Page *)panel;
    size_t room = (size_t)panel->height;
    text_add(title, page->title);
    if (page->lines > room)
        text_addf(place, " %zu-%zu of %zu ", page->top + 1, page->top + room, page->lines);
}

/* Wrapped anew for every frame: pages are short, and the screen may have changed. `top` is cut to
 * the last page here, since only here the number of lines is known. */
static void draw_page(Panel *panel, Screen *screen, Box box)
{
    Page *page = (Page *)panel;
    Text text = {0}, line = {0};
    size_t room = (size_t)box.height;
    page->lines = wrap_text(screen, page->text, box.width, &text);
    if (page->top + room > page->lines) page->top = page->lines > room ? page->lines - room : 0;
    const char *p = text_string(&text);
    for (size_t i = 0; i < page->top; i++) p += strcspn(p, "\n") + 1;
    for (int i = 0; i < box.height; i++) {
        size_t n = strcspn(p, "\n");
        text_clear(&line);
        text_addn(&line, p, n);
        screen_put(screen, box.x, box.y + i, box.width, STYLE_PLAIN, text_string(&line));
        p += n + (p[n] == '\n');
    }
    text_done(&text);
    text_done(&line);
}

/* Enter and Space turn the page, as in less; there is nothing to go into. Drawing cuts `top` at the
 * end. */
static bool move_page(Panel *panel, PanelMove move, long n)
{
    Page *page = (Page *)panel;
    long rows = panel->height > 1 ? panel->height - 1 : 1, to = (long)page->top;
    if (move == PANEL_COLUMNS) return false;
    if (move == PANEL_END) to = n > 0 ? LINES_MAX : 0;
    else if (move == PANEL_FOLD) to += rows;
    else to += move == PANEL_PAGES ? n * rows : n;
    page->top = to > 0 ? (size_t)to : 0;
    return true;
}

static void free_page(Panel *panel)
{
    Page *page = (Page *)panel;
    free(page->title);
    free(page->text);
    free(page);
}

const PanelOps page_ops = {.name = "page", .hint = "{quit} closes", .head = head_page,
                           .draw = draw_page, .move = move_page, .free = free_page};

Panel *page_new(const char *title, const char *text)
{
    Page *page = mem_alloc(sizeof *page);
    *page = (Page){.panel = {.ops = &page_ops}, .title = mem_strdup(title),
                   .text = mem_strdup(text)};
    return &page->panel;
}

const char *page_title(const Panel *panel)
{
    return panel->ops == &page_ops ? ((const Page *)panel)->title : NULL;
}
