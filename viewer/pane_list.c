/* The paired list: source left, target right, the state between them. */
#include <stdio.h>
#include <string.h>

#include "viewer/change.h"
#include "viewer/row_key.h"
#include "viewer/view_parts.h"

/* Columns of a side. On a narrow one names matter more than the look of the tree: indents are
 * halved, and dtypes go when names would be cut. */
enum { NARROW = 44 };

/* Columns right of the labels, the same for all rows of a side on show. */
typedef struct Columns {
    int dtype, shape;        /* widths; dtype 0: not shown */
    int label;               /* the widest label with its indent */
} Columns;

typedef struct Facts {       /* what stands in those columns for a tensor */
    DType dtype;
    const int64_t *dims;
    unsigned rank;
    uint32_t more;           /* further sources */
} Facts;

/* False where there is nothing to say: modules, empty places. The source side of a binding tells
 * of its first source; of one that was refused, of what was offered, if that is a plain tensor. */
static bool find_facts(const RowModel *rows, uint32_t index, Side side, Facts *facts)
{
    const Binding *binding = rows_binding(rows, index);
    const SourceUse *use = rows_use(rows, index);
    *facts = (Facts){0};
    if (!rows->rows[index].side[side].path || (!binding && !use)) return false;
    if (binding && side == SIDE_TARGET) {
        *facts = (Facts){binding->dtype, binding->dims, binding->rank, 0};
        return true;
    }
    const Tensor *tensor = use ? use->tensor : NULL;
    if (binding && binding->source_count) {
        tensor = binding->sources[0];
        facts->more = binding->source_count - 1;
    } else if (binding && binding->offered) {
        tensor = expr_as_source(binding->offered);
    }
    if (!tensor) return false;
    *facts = (Facts){tensor->dtype, tensor->dims, tensor->rank, facts->more};
    return true;
}

static int max_int(int a, int b)
{
    return a > b ? a : b;
}

/* Deep modules may not push their names out of the column. */
static int indent_of(const Panes *panes, const Row *row, Side side)
{
    int width = panes->side_width[side];
    int indent = row->depth[side] * (width < NARROW ? 1 : 2);
    return indent < width / 3 ? indent : width / 3;
}

/* Widens the columns for one row. The 3 is a blank, the fold mark and a blank before a label. */
static void measure_row(const View *view, const Panes *panes, const Screen *screen,
                        uint32_t index, Side side, Columns *columns)
{
    Facts facts;
    if (!find_facts(view->rows, index, side, &facts)) return;
    Text text = {0};
    show_shape(facts.dims, facts.rank, &text);
    columns->shape = max_int(columns->shape, screen_columns_of(screen, text_string(&text)));
    if (facts.dtype != DT_UNKNOWN)   /* a listing without dtypes needs no column of "?" */
        columns->dtype = max_int(columns->dtype, max_int(3, (int)strlen(dtype_name(facts.dtype))));
    text_clear(&text);
    rows_label(view->rows, index, side, &text);
    int indent = indent_of(panes, &view->rows->rows[index], side);
    columns->label = max_int(columns->label,
                             3 + indent + screen_columns_of(screen, text_string(&text)));
    text_done(&text);
}

/* Only what is on show is measured; a million rows cost nothing. The shape may have two fifths of
 * the side, the dtype a quarter; the label gets what is left. */
static Columns measure(const View *view, const Panes *panes, const Screen *screen, Side side)
{
    Columns columns = {0};
    int width = panes->side_width[side];
    for (int i = 0; i < panes->list_height; i++) {
        size_t at = view->top + (size_t)i;
        if (at >= view->rows->visible_count) break;
        measure_row(view, panes, screen, view->rows->visible[at], side, &columns);
    }
    if (columns.shape > width * 2 / 5) columns.shape = width * 2 / 5;
    /* The detail says the dtype too; a name that is cut says too little. */
    bool tight = columns.label + columns.shape + columns.dtype + 5 > width;
    if (columns.dtype > width / 4 || (tight && width < NARROW)) columns.dtype = 0;
    return columns;
}

/* Dtype and shape, against the right edge of a side of `width` columns at x; returns the columns
 * left of them and of a blank. Two blanks stand between dtype and shape, one behind the shape: the
 * border should not touch a number. */
static int draw_facts(Screen *screen, int x, int y, int width, Columns columns, const Facts *facts)
{
    Text shape = {0};
    show_shape(facts->dims, facts->rank, &shape);
    int shape_x = x + width - columns.shape - 1;
    screen_put_elided(screen, shape_x, y, columns.shape, STYLE_PLAIN, text_string(&shape));
    text_done(&shape);
    if (!columns.dtype) return shape_x - x - 1;
    screen_put(screen, shape_x - columns.dtype - 2, y, columns.dtype, STYLE_DIM,
               dtype_name(facts->dtype));
    return shape_x - columns.dtype - 2 - x - 1;
}

/* "318/318" or "36 ×2"; returns the columns left of it. */
static int draw_module_counts(Screen *screen, int x, int y, int width, const Row *row, Side side)
{
    char text[64];
    int n = side == SIDE_TARGET ? snprintf(text, sizeof text, "%u/%u", row->loaded, row->targets)
                                : snprintf(text, sizeof text, "%u", row->sources);
    if (row->members) snprintf(text + n, sizeof text - (size_t)n, " ×%u", row->members);
    unsigned style = side == SIDE_TARGET && row->loaded < row->targets ? STYLE_PLAIN : STYLE_DIM;
    return width - 2 - screen_put_right(screen, x + width - 1, y, width / 2, style, text);
}

/* The name in `room` columns, elided in its middle; more: how many further sources there are,
 * as " +2". What a search found looks like it. */
static void draw_label(const View *view, Screen *screen, int x, int y, int room, uint32_t index,
                       Side side, uint32_t more)
{
    const Row *row = &view->rows->rows[index];
    unsigned style = row_is_tensor(row) ? STYLE_PLAIN : STYLE_MODULE;
    if (view->search && row_is_tensor(row) && finder_rank(view->search, index)) style = STYLE_HIT;
    Text label = {0};
    rows_label(view->rows, index, side, &label);
    if (!label.length) text_add(&label, "\"\"");   /* a key may be empty */
    if (more) text_addf(&label, " +%u", more);
    screen_put_elided(screen, x, y, room, style, text_string(&label));
    text_done(&label);
}

static bool is_marked(const View *view, uint32_t index, Side side)
{
    const ViewMarks *marks = &view->marks[side];
    const char *key = marks->count ? row_key(view->rows, index, side) : NULL;
    for (size_t i = 0; key && i < marks->count; i++)
        if (strcmp(marks->keys[i], key) == 0) return true;
    return false;
}

/* One side of one row: facts or counts from the right, then fold mark and label in what is left.
 * An empty place stays blank. */
static void draw_side(const View *view, const Panes *panes, Screen *screen, int y,
                      uint32_t index, Side side, Columns columns)
{
    const Row *row = &view->rows->rows[index];
    int x = panes->side_x[side], width = panes->side_width[side];
    if (!row->side[side].path) return;
    Facts facts = {0};
    bool tensor = find_facts(view->rows, index, side, &facts);
    int room = width - 2;
    if (tensor) room = draw_facts(screen, x, y, width, columns, &facts);
    else if (!row_is_tensor(row)) room = draw_module_counts(screen, x, y, width, row, side);
    int indent = indent_of(panes, row, side);
    if (!row_is_tensor(row))
        screen_put(screen, x + 1 + indent, y, 1, STYLE_MODULE,
                   view->rows->open[index] ? "▾" : "▸");
    if (is_marked(view, index, side)) screen_put(screen, x, y, 1, STYLE_KEY, "◆");
    int label_x = indent + 3;
    draw_label(view, screen, x + label_x, y, room - label_x, index, side, facts.more);
}

/* The state, and while a line is typed what it would change. */
static void draw_middle(const View *view, const Panes *panes, Screen *screen, int y,
                        uint32_t index)
{
    RowState state;
    if (rows_state(view->rows, index, &state)) {
        const RowStateInfo *info = state_info(state);
        screen_put(screen, panes->middle_x + 1, y, 1, info->style, info->glyph);
    }
    static const char *const marks[] = {" ", "*", "+", "!"};
    static const Style styles[] = {STYLE_PLAIN, STYLE_MADE, STYLE_RENAMED, STYLE_ERROR};
    uint8_t mark = view->rows->marks ? view->rows->marks[index] : CHANGE_NONE;
    if (mark != CHANGE_NONE)
        screen_put(screen, panes->middle_x + 2, y, 1, styles[mark], marks[mark]);
}

/* The cursor is reversed on the side whose key is shown, and bold on the other. */
static void draw_row(const View *view, const Panes *panes, Screen *screen, int y, size_t at,
                     const Columns columns[SIDE_COUNT])
{
    uint32_t index = view->rows->visible[at];
    for (int side = 0; side < SIDE_COUNT; side++)
        draw_side(view, panes, screen, y, index, (Side)side, columns[side]);
    draw_middle(view, panes, screen, y, index);
    if (at != view->cursor) return;
    for (int side = 0; side < SIDE_COUNT; side++)
        screen_add_flags(screen, panes->side_x[side], y, panes->side_width[side],
                         side == (int)view->side ? STYLE_REVERSED : STYLE_BOLDER);
    screen_add_flags(screen, panes->middle_x, y, 3, STYLE_REVERSED);
}

/* The word that sets the filter; NULL when there is none. */
static const char *filter_name(unsigned filter)
{
    if (filter == STATE_ALL) return NULL;
    if (filter == STATE_PROBLEM) return "problems";
    if (filter == STATE_LOADED) return "loaded";
    return state_info(state_worst(filter))->word;
}

/* Titles of the sides, the filter, and how far down the list the cursor is. */
static void draw_header(const View *view, const Panes *panes, Screen *screen)
{
    int y = panes->list_y - 1, last = panes->columns - 1;
    screen_fill(screen, 0, y, panes->columns, STYLE_BORDER, "─");
    screen_put(screen, 0, y, 1, STYLE_BORDER, "┌");
    screen_put(screen, panes->middle_x - 1, y, 1, STYLE_BORDER, "┬");
    screen_put(screen, panes->middle_x + 3, y, 1, STYLE_BORDER, "┬");
    screen_put(screen, last, y, 1, STYLE_BORDER, "┐");
    for (int side = 0; side < SIDE_COUNT; side++)
        screen_put(screen, panes->side_x[side], y, panes->side_width[side],
                   side == (int)view->side ? STYLE_TITLE : STYLE_BORDER,
                   side == SIDE_SOURCE ? " source " : " target ");
    const char *filter = filter_name(view->rows->filter);
    if (filter)
        screen_putf(screen, panes->side_x[SIDE_SOURCE] + 9, y,
                    panes->side_width[SIDE_SOURCE] - 9, STYLE_KEY, " only %s ", filter);
    if (view->rows->visible_count <= (size_t)panes->list_height) return;
    char place[64];
    snprintf(place, sizeof place, " %zu of %zu ", view->cursor + 1, view->rows->visible_count);
    screen_put_right(screen, last, y, panes->side_width[SIDE_TARGET] - 9, STYLE_BORDER, place);
}

/* Borders are drawn on every line of the pane, also below the last row. */
void pane_draw_list(const View *view, const Panes *panes, Screen *screen)
{
    Columns columns[SIDE_COUNT];
    for (int side = 0; side < SIDE_COUNT; side++)
        columns[side] = measure(view, panes, screen, (Side)side);
    draw_header(view, panes, screen);
    for (int i = 0; i < panes->list_height; i++) {
        int y = panes->list_y + i;
        const int borders[] = {0, panes->middle_x - 1, panes->middle_x + 3,
                               panes->columns - 1};
        for (size_t k = 0; k < countof(borders); k++)
            screen_put(screen, borders[k], y, 1, STYLE_BORDER, "│");
        size_t at = view->top + (size_t)i;
        if (at < view->rows->visible_count) draw_row(view, panes, screen, y, at, columns);
    }
    if (!view->rows->visible_count)
        screen_put(screen, panes->side_x[SIDE_SOURCE] + 1, panes->list_y,
                   panes->side_width[SIDE_SOURCE] - 2, STYLE_DIM,
                   view->rows->count ? "none: f filters otherwise" : "no tensors");
}
