/* The paired list: source left, target right, the state between them; of a checkpoint alone its
 * tensors with their bytes, over the whole width. */
#include <stdio.h>
#include <string.h>

#include "viewer/change.h"
#include "viewer/row_key.h"
#include "viewer/view_parts.h"

/* Columns of a side. On a narrow one names matter more than the look of the tree: indents are
 * halved, and dtypes go when names would be cut. */
enum { NARROW = 44 };

/* Columns of a list of one side: numbers that stand farther from their names are hard to follow. */
enum { LISTING_MAX = 120 };

/* What a name needs to say something, with its indent: on a side of less there are names alone. */
enum { LABEL_MIN = 16 };

/* Columns right of the labels, the same for all rows of a side on show. */
typedef struct Columns {
    int dtype, shape;        /* widths; dtype 0: not shown */
    int extra;               /* of what the rows are sorted by, or of bytes; 0: not shown */
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

/* 100 % means certain. */
static void show_confidence(uint32_t sure, Text *out)
{
    double percent = (double)sure * 100 / SURE_ONE;
    if (sure < SURE_ONE && percent > 99.9) percent = 99.9;
    text_addf(out, sure < SURE_ONE ? "%.1f %%" : "%.0f %%", percent);
}

/* What a row shows beyond dtype and shape: bytes in a listing and where rows are sorted by size,
 * how certain a pair is, or the least certain one of a module, where they are sorted by that. Of a
 * pair it stands on the target's side; on the source's there are only strays, and they do without
 * where it is narrow. */
static void show_extra(const View *view, const Panes *panes, uint32_t index, Side side, Text *out)
{
    const RowModel *rows = view->rows;
    const Row *row = &rows->rows[index];
    bool narrow = panes->side_width[SIDE_SOURCE] < NARROW;
    if (side == SIDE_SOURCE && (narrow || row->side[SIDE_TARGET].path)) return;
    if (panes->listing || rows->order == ORDER_SIZE) {
        char bytes[32];
        show_bytes(rows->bytes[index], bytes);
        if (rows->bytes[index]) text_add(out, bytes);
    } else if (rows->order == ORDER_CONFIDENCE) {
        if (rows->sure[index] != SURE_NONE) show_confidence(rows->sure[index], out);
    }
}

/* What rows may take of a side. */
static int row_width(const Panes *panes, Side side)
{
    int width = panes->side_width[side];
    return panes->listing && width > LISTING_MAX ? LISTING_MAX : width;
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
    Text text = {0};
    if (view->rows->rows[index].side[side].path) show_extra(view, panes, index, side, &text);
    columns->extra = max_int(columns->extra, screen_columns_of(screen, text_string(&text)));
    if (find_facts(view->rows, index, side, &facts)) {
        text_clear(&text);
        show_shape(facts.dims, facts.rank, &text);
        columns->shape = max_int(columns->shape, screen_columns_of(screen, text_string(&text)));
        if (facts.dtype != DT_UNKNOWN)   /* a listing without dtypes needs no column of "?" */
            columns->dtype = max_int(columns->dtype,
                                     max_int(3, (int)strlen(dtype_name(facts.dtype))));
        text_clear(&text);
        rows_label(view->rows, index, side, &text);
        int indent = indent_of(panes, &view->rows->rows[index], side);
        columns->label = max_int(columns->label,
                                 3 + indent + screen_columns_of(screen, text_string(&text)));
    }
    text_done(&text);
}

/* Only what is on show is measured; a million rows cost nothing. The shape may have two fifths of
 * the side, the dtype a quarter; the label gets what is left. */
static Columns measure(const View *view, const Panes *panes, const Screen *screen, Side side)
{
    Columns columns = {0};
    int width = row_width(panes, side);
    for (int i = 0; i < panes->list_height; i++) {
        size_t at = view->top + (size_t)i;
        if (at >= view->rows->visible_count) break;
        measure_row(view, panes, screen, view->rows->visible[at], side, &columns);
    }
    if (columns.extra) columns.extra += 2;   /* the blanks before it */
    if (columns.extra > width / 3) columns.extra = 0;
    width -= columns.extra;
    if (columns.shape > width * 2 / 5) columns.shape = width * 2 / 5;
    if (columns.shape + LABEL_MIN > width) columns.shape = 0;
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
    int shape_x = x + width - columns.shape - (columns.shape > 0);
    screen_put_elided(screen, shape_x, y, columns.shape, STYLE_PLAIN, text_string(&shape));
    text_done(&shape);
    if (!columns.dtype) return shape_x - x - 1;
    screen_put(screen, shape_x - columns.dtype - 2, y, columns.dtype, STYLE_DIM,
               dtype_name(facts->dtype));
    return shape_x - columns.dtype - 2 - x - 1;
}

/* "318/318", "36 ×2", of a run with exceptions "287/288 ×32 but 7", and of an exception "8/9
 * differs"; returns the columns left of it. */
static int draw_module_counts(const View *view, Screen *screen, int x, int y, int width,
                              uint32_t index, bool target)
{
    const Row *row = &view->rows->rows[index];
    Text text = {0};
    if (target) text_addf(&text, "%u/%u", row->loaded, row->targets);
    else text_addf(&text, "%u", row->sources);
    if (row->members) text_addf(&text, " ×%u", row->members);
    if (row->odd) text_addf(&text, " but %s", row->odd);
    bool differs = rows_is_exception(view->rows, index);
    if (differs) text_add(&text, " differs");
    bool told = row->odd || differs || (target && row->loaded < row->targets);
    unsigned style = told ? STYLE_PLAIN : STYLE_DIM;
    int limit = row->odd ? width * 2 / 3 : width / 2;   /* which blocks differ is told whole */
    int used = screen_put_right(screen, x + width - 1, y, limit, style, text_string(&text));
    text_done(&text);
    return width - 2 - used;
}

/* The label of a visible row on a side, for its neighbours to differ from; NULL where there is
 * none. The text is `out`'s. */
static const char *label_at(const View *view, size_t at, Side side, Text *out)
{
    if (at >= view->rows->visible_count) return NULL;
    rows_label(view->rows, view->rows->visible[at], side, out);
    return out->length ? text_string(out) : NULL;
}

/* The name in `room` columns, elided where it is like those above and below it; more: how many
 * further sources there are, as " +2". What a search found looks like it. */
static void draw_label(const View *view, Screen *screen, int x, int y, int room, size_t at,
                       Side side, uint32_t more)
{
    uint32_t index = view->rows->visible[at];
    const Row *row = &view->rows->rows[index];
    unsigned style = row_is_tensor(row) ? STYLE_PLAIN : STYLE_MODULE;
    if (view->search && row_is_tensor(row) && finder_rank(view->search, index)) style = STYLE_HIT;
    Text label = {0}, above = {0}, below = {0};
    rows_label(view->rows, index, side, &label);
    if (!label.length) text_add(&label, "\"\"");   /* a key may be empty */
    if (more) text_addf(&label, " +%u", more);
    const char *others[] = {at ? label_at(view, at - 1, side, &above) : NULL,
                            label_at(view, at + 1, side, &below)};
    screen_put_telling(screen, x, y, room, style, text_string(&label), others, countof(others));
    text_done(&label);
    text_done(&above);
    text_done(&below);
}

static bool is_marked(const View *view, uint32_t index, Side side)
{
    const ViewMarks *marks = &view->marks[side];
    if (!marks->count) return false;
    Text name = {0};
    if (row_is_tensor(&view->rows->rows[index])) {
        const char *key = row_key(view->rows, index, side);
        if (key) text_add(&name, key);
    } else {
        rows_path(view->rows, index, side, &name);
        text_add(&name, ".**");
    }
    bool marked = false;
    for (size_t i = 0; name.length && i < marks->count; i++)
        marked = marked || strcmp(marks->keys[i], text_string(&name)) == 0;
    text_done(&name);
    return marked;
}

/* One side of one row: from the right what it is sorted by, facts or counts, then fold mark and
 * label in what is left. An empty place stays blank. */
static void draw_side(const View *view, const Panes *panes, Screen *screen, int y, size_t at,
                      Side side, Columns columns)
{
    uint32_t index = view->rows->visible[at];
    const Row *row = &view->rows->rows[index];
    int x = panes->side_x[side], width = row_width(panes, side);
    if (!row->side[side].path) return;
    Facts facts = {0};
    bool tensor = find_facts(view->rows, index, side, &facts);
    if (columns.extra) {
        Text extra = {0};
        show_extra(view, panes, index, side, &extra);
        screen_put_right(screen, x + width - 1, y, columns.extra - 2, STYLE_DIM,
                         text_string(&extra));
        text_done(&extra);
        width -= columns.extra;
    }
    int room = width - 2;
    bool target = side == SIDE_TARGET && !panes->listing;
    if (tensor) room = draw_facts(screen, x, y, width, columns, &facts);
    else if (!row_is_tensor(row)) room = draw_module_counts(view, screen, x, y, width, index,
                                                              target);
    int indent = indent_of(panes, row, side);
    if (!row_is_tensor(row))
        screen_put(screen, x + 1 + indent, y, 1, STYLE_MODULE,
                   view->rows->open[index] ? "▾" : "▸");
    if (is_marked(view, index, side)) screen_put(screen, x, y, 1, STYLE_KEY, "◆");
    int label_x = indent + 3;
    draw_label(view, screen, x + label_x, y, room - label_x, at, side, facts.more);
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
    for (int side = 0; side < SIDE_COUNT; side++)
        if (panes->side_width[side])
            draw_side(view, panes, screen, y, at, (Side)side, columns[side]);
    if (!panes->listing) draw_middle(view, panes, screen, y, view->rows->visible[at]);
    if (at != view->cursor) return;
    for (int side = 0; side < SIDE_COUNT; side++)
        screen_add_flags(screen, panes->side_x[side], y, panes->side_width[side],
                         panes->listing || side == (int)view->side ? STYLE_REVERSED
                                                                   : STYLE_BOLDER);
    if (!panes->listing) screen_add_flags(screen, panes->middle_x, y, 3, STYLE_REVERSED);
}

/* "only shape *.bias · 12 of 320 ─ by size": what is not as it is by itself. On a narrow side the
 * whole of the count goes first, then all of it. */
static void show_choice(const RowModel *rows, int parts, Text *out)
{
    if (rows->filter.text) text_addf(out, " only %s ", rows->filter.text);
    if (rows->filter.text && parts > 0) text_addf(out, "· %zu ", rows->passed);
    if (rows->filter.text && parts > 1) text_addf(out, "of %zu ", rows->tensors);
    if (rows_filter_due(rows)) text_add(out, "… ");
    if (rows_order(rows) == ORDER_TARGET) return;
    text_addf(out, "%sby %s%s ", rows->filter.text ? "─ " : " ", row_order_word(rows_order(rows)),
              rows->sorting ? " …" : "");
}

/* Behind the title of the first side, as much as fits. */
static void draw_choice(const View *view, const Panes *panes, Screen *screen)
{
    Side first = panes->listing ? SIDE_TARGET : SIDE_SOURCE;
    int title = panes->listing ? 10 : 9, room = panes->side_width[first] - title - 1;
    Text choice = {0};
    for (int parts = 2; parts >= 0; parts--) {
        text_clear(&choice);
        show_choice(view->rows, parts, &choice);
        if (screen_columns_of(screen, text_string(&choice)) <= room) break;
    }
    screen_put_elided(screen, panes->side_x[first] + title, panes->list_y - 1, room, STYLE_KEY,
                      text_string(&choice));
    text_done(&choice);
}

/* Titles of the sides, the filter and the order, and how far down the list the cursor is. */
static void draw_header(const View *view, const Panes *panes, Screen *screen)
{
    int y = panes->list_y - 1, last = panes->columns - 1;
    screen_fill(screen, 0, y, panes->columns, STYLE_BORDER, "─");
    screen_put(screen, 0, y, 1, STYLE_BORDER, "┌");
    screen_put(screen, last, y, 1, STYLE_BORDER, "┐");
    for (int k = -1; k <= 3 && !panes->listing; k += 4)
        screen_put(screen, panes->middle_x + k, y, 1, STYLE_BORDER, "┬");
    for (int side = 0; side < SIDE_COUNT && !panes->listing; side++)
        screen_put(screen, panes->side_x[side], y, panes->side_width[side],
                   side == (int)view->side ? STYLE_TITLE : STYLE_BORDER,
                   side == SIDE_SOURCE ? " source " : " target ");
    if (panes->listing) screen_put(screen, 1, y, last - 1, STYLE_TITLE, " tensors ");
    draw_choice(view, panes, screen);
    if (view->rows->visible_count <= (size_t)panes->list_height) return;
    char place[64];
    snprintf(place, sizeof place, " %zu of %zu ", view->cursor + 1, view->rows->visible_count);
    screen_put_right(screen, last, y, panes->side_width[SIDE_TARGET] - 9, STYLE_BORDER, place);
}

/* The map: the right border of a list that does not fit. A cell stands for as many rows as any
 * other; the worst that is among them is its sign, and a thick line where the screen is. */
static void draw_map(const View *view, const Panes *panes, Screen *screen)
{
    const RowModel *rows = view->rows;
    size_t n = rows->visible_count, height = (size_t)panes->list_height;
    for (size_t i = 0; i < height; i++) {
        size_t from = i * n / height, to = (i + 1) * n / height;
        unsigned states = rows_visible_states(rows, from, to);
        bool here = to > view->top && from < view->top + height;
        int x = panes->columns - 1, y = panes->list_y + (int)i;
        if (states & STATE_PROBLEM) {
            const RowStateInfo *info = state_info(state_worst(states & STATE_ALL));
            screen_put(screen, x, y, 1, info->style, info->glyph);
        } else if (here) {
            screen_put(screen, x, y, 1, STYLE_TITLE, "┃");
        }
        if (here) screen_add_flags(screen, x, y, 1, STYLE_BOLDER);
    }
}

/* Borders are drawn on every line of the pane, also below the last row. */
void pane_draw_list(const View *view, const Panes *panes, Screen *screen)
{
    Columns columns[SIDE_COUNT] = {0};
    for (int side = 0; side < SIDE_COUNT; side++)
        if (panes->side_width[side])
            columns[side] = measure(view, panes, screen, (Side)side);
    draw_header(view, panes, screen);
    for (int i = 0; i < panes->list_height; i++) {
        int y = panes->list_y + i;
        const int borders[] = {0, panes->columns - 1, panes->middle_x - 1, panes->middle_x + 3};
        for (size_t k = 0; k < (panes->listing ? 2 : countof(borders)); k++)
            screen_put(screen, borders[k], y, 1, STYLE_BORDER, "│");
        size_t at = view->top + (size_t)i;
        if (at < view->rows->visible_count) draw_row(view, panes, screen, y, at, columns);
    }
    if (view->rows->visible_count > (size_t)panes->list_height) draw_map(view, panes, screen);
    if (view->rows->visible_count) return;
    Side first = panes->listing ? SIDE_TARGET : SIDE_SOURCE;
    screen_put(screen, panes->side_x[first] + 1, panes->list_y, panes->side_width[first] - 2,
               STYLE_DIM, !view->rows->count ? "no tensors"
                          : rows_filter_due(view->rows) ? "…" : "none: F shows everything");
}
