/* Nothing is prepared: a million names cost no more than a screen of them. */
#include "viewer/name_list.h"

#include <stdlib.h>

enum { GAP = 3 };                /* columns between the sides */

typedef struct NameList {
    Panel panel;
    const StateDict *sides[2];   /* borrowed; NULL: none */
    size_t top;                  /* the first line on show */
} NameList;

static size_t count_of(const StateDict *dict)
{
    return dict ? dict_count(dict) : 0;
}

static size_t line_count(const NameList *list)
{
    size_t n = count_of(list->sides[0]), m = count_of(list->sides[1]);
    return n > m ? n : m;
}

static void head(const Panel *panel, Text *title, Text *place)
{
    const NameList *list = (const NameList *)panel;
    size_t n = line_count(list), room = (size_t)panel->height;
    text_add(title, "names, as they stand in the files");
    if (n > room) text_addf(place, " %zu-%zu of %zu ", list->top + 1, list->top + room, n);
}

/* The shape against the right edge, the name in what is left. */
static void draw_name(Screen *screen, int x, int y, int width, const Tensor *tensor)
{
    Text shape = {0};
    show_shape(tensor->dims, tensor->rank, &shape);
    int used = screen_put_right(screen, x + width, y, width / 3, STYLE_DIM, text_string(&shape));
    screen_put_elided(screen, x, y, width - used - 1, STYLE_PLAIN, tensor->name);
    text_done(&shape);
}

static void draw(Panel *panel, Screen *screen, Box box)
{
    NameList *list = (NameList *)panel;
    int width = (box.width - GAP) / 2;
    size_t n = line_count(list), room = (size_t)box.height;
    if (list->top + room > n) list->top = n > room ? n - room : 0;
    for (int y = 0; y < box.height; y++)
        for (int side = 0; side < 2; side++) {
            size_t at = list->top + (size_t)y;
            if (at < count_of(list->sides[side]))
                draw_name(screen, box.x + side * (width + GAP), box.y + y, width,
                          dict_at(list->sides[side], at));
        }
}

/* Beyond the end is cut when it is drawn. */
static bool move(Panel *panel, PanelMove move, long n)
{
    NameList *list = (NameList *)panel;
    long to = (long)list->top;
    switch (move) {
    case PANEL_ROWS: to += n; break;
    case PANEL_PAGES: to += n * panel->height; break;
    case PANEL_END: to = n > 0 ? (long)line_count(list) : 0; break;
    case PANEL_COLUMNS: case PANEL_FOLD: return false;
    }
    list->top = to > 0 ? (size_t)to : 0;
    return true;
}

static void free_list(Panel *panel)
{
    free(panel);
}

const PanelOps name_list_ops = {.name = "names", .hint = " q quit ", .head = head, .draw = draw,
                                .move = move, .free = free_list};

Panel *name_list_new(const StateDict *source, const StateDict *target)
{
    NameList *list = mem_alloc(sizeof *list);
    list->panel.ops = &name_list_ops;
    list->sides[0] = source;
    list->sides[1] = target;
    return &list->panel;
}
