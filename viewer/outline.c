/* Lines in one array, in reading order; what stands in a line is what follows it with a greater
 * depth. Which are on show is worked out anew when something folds: a frame costs the height of the
 * screen. */
#include "viewer/outline.h"

#include <stdlib.h>
#include <string.h>

#include "loader/core/memory.h"

typedef struct Outline {
    Panel panel;
    PanelOps ops;                    /* its own, for name and hint are */
    OutlineOptions options;
    char *title;                     /* owned */
    Arena *arena;                    /* owned: texts of lines */
    OutlineLine *lines;              /* owned, [count] */
    size_t count, room;
    uint32_t *visible;               /* owned, [visible_count]; NULL: to be made */
    size_t visible_count;
    size_t cursor, top;              /* indexes into `visible` */
    uint32_t wanted;                 /* the item on which the cursor was before outline_clear */
} Outline;

static void make_visible(Outline *outline)
{
    if (outline->visible) return;
    outline->visible = mem_alloc((outline->count + 1) * sizeof *outline->visible);
    outline->visible_count = 0;
    for (size_t i = 0; i < outline->count;) {
        const OutlineLine *line = &outline->lines[i];
        outline->visible[outline->visible_count++] = (uint32_t)i++;
        while (line->closed && i < outline->count && outline->lines[i].depth > line->depth) i++;
    }
}

/* The cursor is on a line again after any change. */
static void settle(Outline *outline)
{
    make_visible(outline);
    if (outline->wanted != OUTLINE_NONE && outline->count) {
        uint32_t wanted = outline->wanted;
        outline->wanted = OUTLINE_NONE;
        outline_goto(&outline->panel, wanted);
        make_visible(outline);
    }
    size_t n = outline->visible_count;
    if (outline->cursor >= n) outline->cursor = n ? n - 1 : 0;
}

static OutlineLine *line_at_cursor(Outline *outline)
{
    settle(outline);
    return outline->visible_count ? &outline->lines[outline->visible[outline->cursor]] : NULL;
}

/* Whether something stands in the line. */
static bool is_module(const Outline *outline, const OutlineLine *line)
{
    size_t i = (size_t)(line - outline->lines);
    return i + 1 < outline->count && outline->lines[i + 1].depth > line->depth;
}

static void set_closed(Outline *outline, OutlineLine *line, bool closed)
{
    line->closed = closed;
    free(outline->visible);
    outline->visible = NULL;
}

static void head_outline(const Panel *panel, Text *title, Text *place)
{
    const Outline *outline = (const Outline *)panel;
    text_add(title, outline->title);
    if (outline->visible_count)
        text_addf(place, " %zu of %zu ", outline->cursor + 1, outline->visible_count);
}

static void draw_line(const Outline *outline, const OutlineLine *line, Screen *screen, Box box,
                      int y)
{
    int x = box.x + 2 * line->depth, end = box.x + box.width;
    if (is_module(outline, line))
        screen_put(screen, x, y, 1, STYLE_DIM, line->closed ? "▸" : "▾");
    x += 2;
    if (line->sign) x += 1 + screen_put(screen, x, y, 2, line->sign_style, line->sign);
    if (line->right) end -= 1 + screen_put_right(screen, end, y, box.width / 2, STYLE_DIM,
                                                 line->right);
    if (end > x) screen_put_elided(screen, x, y, end - x, line->style, line->text);
}

/* Whether draw_line shows all of it in a box that wide. */
static bool fits(const OutlineLine *line, const Screen *screen, int width)
{
    const int right = line->right ? screen_columns_of(screen, line->right) + 1 : 0;
    const int sign = line->sign ? screen_columns_of(screen, line->sign) + 1 : 0;
    const int text = screen_columns_of(screen, line->text);
    return right <= width / 2 && 2 * line->depth + 2 + sign + text + right <= width;
}

/* The line under the cursor in full, below the others, where it does not fit among them. Returns
 * the rows that it takes, a third of all at most. */
static int draw_foot(Outline *outline, Screen *screen, Box box)
{
    enum { SHARE = 3 };
    const OutlineLine *line = line_at_cursor(outline);
    if (!line || box.height < 2 * SHARE || fits(line, screen, box.width)) return 0;
    Text whole = {0}, lines = {0};
    text_add(&whole, line->text);
    if (line->right) text_addf(&whole, "   %s", line->right);
    int rows = screen_wrap(screen, text_string(&whole), box.width, &lines);
    if (rows > box.height / SHARE) rows = box.height / SHARE;
    int y = box.y + box.height - rows;
    screen_fill(screen, box.x, y - 1, box.width, STYLE_BORDER, "─");
    char *p = lines.bytes;
    for (int i = 0; i < rows; i++) {
        char *end = p + strcspn(p, "\n");
        const bool more = *end;
        *end = '\0';
        screen_put(screen, box.x, y + i, box.width, STYLE_PLAIN, p);
        p = end + more;
    }
    text_done(&whole);
    text_done(&lines);
    return rows + 1;
}

static void draw_outline(Panel *panel, Screen *screen, Box box)
{
    Outline *outline = (Outline *)panel;
    settle(outline);
    box.height -= draw_foot(outline, screen, box);
    size_t page = box.height > 0 ? (size_t)box.height : 0, n = outline->visible_count;
    if (outline->cursor < outline->top) outline->top = outline->cursor;
    if (page && outline->cursor >= outline->top + page) outline->top = outline->cursor - page + 1;
    if (outline->top + page > n) outline->top = n > page ? n - page : 0;
    for (size_t i = 0; i < page && outline->top + i < n; i++) {
        const OutlineLine *line = &outline->lines[outline->visible[outline->top + i]];
        int y = box.y + (int)i;
        draw_line(outline, line, screen, box, y);
        if (outline->top + i == outline->cursor)
            screen_add_flags(screen, box.x, y, box.width, STYLE_REVERSED);
    }
}

static void move_cursor(Outline *outline, long delta)
{
    settle(outline);
    long n = (long)outline->visible_count, to = (long)outline->cursor + delta;
    outline->cursor = n ? (size_t)(to < 0 ? 0 : to >= n ? n - 1 : to) : 0;
}

/* As in a file tree: right opens, then goes in; left closes, then goes to the line around. */
static bool move_across(Outline *outline, long n)
{
    OutlineLine *line = line_at_cursor(outline);
    if (!line) return false;
    bool module = is_module(outline, line);
    if (n > 0) {
        if (module && line->closed) set_closed(outline, line, false);
        else if (module) move_cursor(outline, 1);
        return true;
    }
    if (module && !line->closed) {
        set_closed(outline, line, true);
        return true;
    }
    for (size_t i = outline->cursor; i-- > 0;) {
        if (outline->lines[outline->visible[i]].depth >= line->depth) continue;
        outline->cursor = i;
        return true;
    }
    return false;
}

static bool move_outline(Panel *panel, PanelMove move, long n)
{
    Outline *outline = (Outline *)panel;
    long page = panel->height > 1 ? panel->height - 1 : 1;
    OutlineLine *line = line_at_cursor(outline);
    switch (move) {
    case PANEL_ROWS: move_cursor(outline, n); return true;
    case PANEL_PAGES: move_cursor(outline, n * page); return true;
    case PANEL_END: outline->cursor = n > 0 ? outline->count : 0; settle(outline); return true;
    case PANEL_COLUMNS: return move_across(outline, n);
    case PANEL_FOLD:
        if (line && is_module(outline, line)) set_closed(outline, line, !line->closed);
        else if (line && outline->options.enter)
            outline->options.enter(panel, outline->options.owner);
        return true;
    }
    return false;
}

/* On the line that has the cursor already a click is Enter, as in the list. */
static void click_outline(Panel *panel, int x, int y)
{
    Outline *outline = (Outline *)panel;
    (void)x;
    settle(outline);
    size_t at = outline->top + (size_t)y;
    if (y < 0 || at >= outline->visible_count) return;
    if (outline->cursor == at) move_outline(panel, PANEL_FOLD, 1);
    else outline->cursor = at;
}

static void refresh_outline(Panel *panel)
{
    Outline *outline = (Outline *)panel;
    if (outline->options.refresh) outline->options.refresh(panel, outline->options.owner);
}

static void poll_outline(Panel *panel)
{
    Outline *outline = (Outline *)panel;
    if (outline->options.poll) outline->options.poll(panel, outline->options.owner);
}

static void free_outline(Panel *panel)
{
    Outline *outline = (Outline *)panel;
    if (outline->options.free) outline->options.free(outline->options.owner);
    arena_free(outline->arena);
    free(outline->lines);
    free(outline->visible);
    free(outline->title);
    free(outline);
}

Panel *outline_new(const OutlineOptions *options)
{
    Outline *outline = mem_alloc(sizeof *outline);
    *outline = (Outline){.options = *options, .title = mem_strdup(options->title),
                         .arena = arena_new(), .wanted = OUTLINE_NONE};
    outline->ops = (PanelOps){.name = options->name, .hint = options->hint, .head = head_outline,
                              .draw = draw_outline, .move = move_outline, .click = click_outline,
                              .refresh = refresh_outline, .poll = poll_outline,
                              .free = free_outline};
    outline->panel.ops = &outline->ops;
    return &outline->panel;
}

bool outline_is(const Panel *panel, const char *name)
{
    return panel && panel->ops->draw == draw_outline && strcmp(panel->ops->name, name) == 0;
}

void *outline_owner(const Panel *panel)
{
    return ((const Outline *)panel)->options.owner;
}

void outline_clear(Panel *panel)
{
    Outline *outline = (Outline *)panel;
    if (outline->count) outline->wanted = outline_item(panel);
    arena_free(outline->arena);
    outline->arena = arena_new();
    outline->count = 0;
    free(outline->visible);
    outline->visible = NULL;
}

void outline_add(Panel *panel, const OutlineLine *line)
{
    Outline *outline = (Outline *)panel;
    outline->lines = mem_grow(outline->lines, &outline->room, outline->count + 1,
                              sizeof *outline->lines);
    OutlineLine *own = &outline->lines[outline->count++];
    *own = *line;
    own->text = arena_strdup(outline->arena, line->text);
    if (line->sign) own->sign = arena_strdup(outline->arena, line->sign);
    if (line->right) own->right = arena_strdup(outline->arena, line->right);
    free(outline->visible);
    outline->visible = NULL;
}

uint32_t outline_item(const Panel *panel)
{
    OutlineLine *line = line_at_cursor((Outline *)panel);
    return line ? line->item : OUTLINE_NONE;
}

/* Lines around it are those before it of ever smaller depth. */
void outline_goto(Panel *panel, uint32_t item)
{
    Outline *outline = (Outline *)panel;
    size_t at = 0;
    while (at < outline->count && outline->lines[at].item != item) at++;
    if (at == outline->count) return;
    int depth = outline->lines[at].depth;
    for (size_t i = at; i-- > 0 && depth;) {
        if (outline->lines[i].depth >= depth) continue;
        depth = outline->lines[i].depth;
        set_closed(outline, &outline->lines[i], false);
    }
    make_visible(outline);
    outline->cursor = 0;
    while (outline->cursor + 1 < outline->visible_count && outline->visible[outline->cursor] != at)
        outline->cursor++;
}
