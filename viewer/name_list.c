/* Nothing is prepared: a million names cost no more than a screen of them. */
#include "viewer/name_list.h"

#include <stdlib.h>

enum { GAP = 3 };                /* columns between the sides */

/* One side: a dict, or what was seen so far of one; neither: there is none. */
typedef struct NameSide {
    const StateDict *dict;       /* borrowed, as is … */
    const Glimpse *glimpse;
} NameSide;

typedef struct NameList {
    Panel panel;
    NameSide sides[2];
    size_t top;                  /* the first line on show */
} NameList;

/* How many there are, those that cannot be shown included. */
static size_t count_of(const NameSide *side)
{
    if (side->glimpse) return glimpse_count(side->glimpse);
    return side->dict ? dict_count(side->dict) : 0;
}

/* How many of them can be shown. */
static size_t shown_of(const NameSide *side)
{
    const size_t n = count_of(side);
    return side->glimpse && n > GLIMPSE_NAMES ? GLIMPSE_NAMES : n;
}

static GlimpseName name_at(const NameSide *side, size_t index)
{
    if (side->glimpse) return *glimpse_at(side->glimpse, index);
    const Tensor *tensor = dict_at(side->dict, index);
    return (GlimpseName){tensor->name, tensor->dims, tensor->rank};
}

static bool is_whole(const NameList *list)
{
    return !list->sides[0].glimpse && !list->sides[1].glimpse;
}

/* Of the longer side, by one of the two counts. */
static size_t longer(const NameList *list, size_t (*count)(const NameSide *side))
{
    const size_t n = count(&list->sides[0]), m = count(&list->sides[1]);
    return n > m ? n : m;
}

static void head(const Panel *panel, Text *title, Text *place)
{
    const NameList *list = (const NameList *)panel;
    const size_t room = (size_t)panel->height, n = longer(list, count_of);
    text_add(title, is_whole(list) ? "names, as they stand in the files" : "names read so far");
    if (n > room)
        text_addf(place, " %zu-%zu of %zu%s ", list->top + 1, list->top + room, n,
                  is_whole(list) ? "" : " so far");
}

/* The shape against the right edge, the name in what is left. */
static void draw_name(Screen *screen, int x, int y, int width, const GlimpseName *name)
{
    Text shape = {0};
    show_shape(name->dims, name->rank, &shape);
    int used = screen_put_right(screen, x + width, y, width / 3, STYLE_DIM, text_string(&shape));
    screen_put_elided(screen, x, y, width - used - 1, STYLE_PLAIN, name->name);
    text_done(&shape);
}

static void draw_side(Screen *screen, Box box, const NameSide *side, size_t top)
{
    const size_t n = shown_of(side);
    for (int y = 0; y < box.height && top + (size_t)y < n; y++) {
        const GlimpseName name = name_at(side, top + (size_t)y);
        draw_name(screen, box.x, box.y + y, box.width, &name);
    }
}

static void draw(Panel *panel, Screen *screen, Box box)
{
    NameList *list = (NameList *)panel;
    const int width = (box.width - GAP) / 2;
    const size_t n = longer(list, shown_of), room = (size_t)box.height;
    if (list->top + room > n) list->top = n > room ? n - room : 0;
    for (int side = 0; side < 2; side++)
        draw_side(screen, (Box){box.x + side * (width + GAP), box.y, width, box.height},
                  &list->sides[side], list->top);
}

/* Beyond the end is cut when it is drawn. There is nothing to go into, nor out of: behind the names
 * is no list yet. */
static bool move(Panel *panel, PanelMove move, long n)
{
    NameList *list = (NameList *)panel;
    long to = (long)list->top;
    switch (move) {
    case PANEL_ROWS: to += n; break;
    case PANEL_PAGES: to += n * panel->height; break;
    case PANEL_END: to = n > 0 ? (long)longer(list, shown_of) : 0; break;
    case PANEL_COLUMNS: case PANEL_FOLD: break;
    }
    list->top = to > 0 ? (size_t)to : 0;
    return true;
}

static void free_list(Panel *panel)
{
    free(panel);
}

static const PanelOps name_list_ops = {.name = "names", .hint = "{quit} quit", .head = head,
                                       .draw = draw, .move = move, .free = free_list};

static const PanelOps reading_ops = {.name = "names", .hint = "{quit} stops", .head = head,
                                     .draw = draw, .move = move, .free = free_list};

static Panel *new_list(const PanelOps *ops, NameSide source, NameSide target)
{
    NameList *list = mem_alloc(sizeof *list);
    *list = (NameList){.panel.ops = ops, .sides = {source, target}};
    return &list->panel;
}

Panel *name_list_new(const StateDict *source, const StateDict *target)
{
    return new_list(&name_list_ops, (NameSide){.dict = source}, (NameSide){.dict = target});
}

Panel *name_list_of_glimpses(const Glimpse *source, const Glimpse *target)
{
    return new_list(&reading_ops, (NameSide){.glimpse = source}, (NameSide){.glimpse = target});
}

size_t name_list_top(const Panel *panel)
{
    return ((const NameList *)panel)->top;
}
