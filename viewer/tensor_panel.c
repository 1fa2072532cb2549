/* Where the panel is: side, page, axes, cursor. The cursor is an element and stays one, whatever
 * the zoom; what is on show follows it when it is drawn. */
#include "viewer/tensor_panel.h"

#include <stdlib.h>
#include <string.h>

#include "viewer/tensor_panel_parts.h"

enum { ZOOM_MAX = 1 << 16 };

bool tensor_panel_dims(const TensorPanel *panel, const int64_t **dims, unsigned *rank)
{
    DType dtype;
    if (!panel->sides.count) return false;
    value_type(panel->sides.of[panel->side], &dtype, dims, rank);
    return *dims || *rank == 0;
}

/* Size of an axis; 1 for none. */
static int64_t size_of(const TensorPanel *panel, int axis)
{
    const int64_t *dims;
    unsigned rank;
    if (!tensor_panel_dims(panel, &dims, &rank) || axis < 0) return 1;
    return (unsigned)axis < rank ? dims[axis] : 1;
}

/* A vector's only axis is walked along by columns. */
static int64_t columns_of(const TensorPanel *panel)
{
    return size_of(panel, panel->row_axis < 0 ? 0 : panel->column_axis);
}

static int64_t clamp(int64_t value, int64_t count)
{
    return value < 0 || count <= 0 ? 0 : value < count ? value : count - 1;
}

/* The first two axes, which of kernels are outputs and inputs; nothing of where it was before. */
static void reset_axes(TensorPanel *panel)
{
    const int64_t *dims;
    unsigned rank;
    bool matrix = tensor_panel_dims(panel, &dims, &rank) && rank >= 2;
    panel->row_axis = matrix ? 0 : -1;
    panel->column_axis = matrix ? 1 : -1;
    memset(panel->index, 0, sizeof panel->index);
    panel->row = panel->column = panel->top = panel->left = 0;
    panel->zoom = 1;
}

static bool same_shape(const TensorPanel *panel, ValueSide a, ValueSide b)
{
    DType dtype;
    const int64_t *x, *y;
    unsigned n, m;
    value_type(panel->sides.of[a], &dtype, &x, &n);
    value_type(panel->sides.of[b], &dtype, &y, &m);
    return same_dims(x, n, y, m);
}

/* The place stays where the shape is the same. */
static void set_side(TensorPanel *panel, ValueSide side)
{
    bool same = value_is(panel->sides.of[panel->side]) && same_shape(panel, panel->side, side);
    panel->side = side;
    if (!same) reset_axes(panel);
}

static void find_sides(TensorPanel *panel)
{
    const Alignment *alignment = panel->view->rows->alignment;
    const Binding *binding = align_find(alignment, panel->name);
    const SourceUse *use = binding ? NULL : align_find_use(alignment, panel->name);
    panel->sides = (TensorSides){0};
    if (binding) tensor_sides_of_binding(&panel->sides, binding);
    else if (use) tensor_sides_of_tensor(&panel->sides, use->tensor);
}

static ValueSide first_side(const TensorPanel *panel, ValueSide from)
{
    for (unsigned i = 0; i < VALUE_SIDES; i++) {
        unsigned side = ((unsigned)from + i) % VALUE_SIDES;
        if (value_is(panel->sides.of[side])) return (ValueSide)side;
    }
    return from;
}

/* ---- the panel ---- */

const char *tensor_page_word(TensorPage page)
{
#define TENSOR_PAGE_WORD(id, word, what) word,
    static const char *const words[] = {TENSOR_PAGES(TENSOR_PAGE_WORD)};
#undef TENSOR_PAGE_WORD
    return words[page];
}

static void head_tensor(const Panel *base, Text *title, Text *place)
{
    const TensorPanel *panel = (const TensorPanel *)base;
    text_add(title, panel->name);
    text_addf(place, " %s, page %d of %d ", tensor_page_word(panel->page), panel->page + 1,
              TENSOR_PAGE_COUNT);
}

static void draw_tensor(Panel *base, Screen *screen, Box box)
{
    TensorPanel *panel = (TensorPanel *)base;
    if (!panel->sides.count)
        screen_put(screen, box.x, box.y, box.width, STYLE_PLAIN, "it is no longer there");
    else if (panel->page == TENSOR_SUMMARY) tensor_draw_summary(panel, screen, box);
    else if (panel->page == TENSOR_ROWS) tensor_draw_rows(panel, screen, box);
    else tensor_draw_map(panel, screen, box);
}

/* By cells; a vector goes on in the next line. */
static void move_cursor(TensorPanel *panel, int64_t rows, int64_t columns)
{
    if (panel->row_axis < 0) {
        columns += rows * panel->cells_x;
        rows = 0;
    }
    panel->row = clamp(panel->row + rows * panel->zoom, size_of(panel, panel->row_axis));
    panel->column = clamp(panel->column + columns * panel->zoom, columns_of(panel));
}

static void go_to_end(TensorPanel *panel, bool last)
{
    panel->row = last ? clamp(INT64_MAX, size_of(panel, panel->row_axis)) : 0;
    if (panel->row_axis < 0) panel->column = last ? clamp(INT64_MAX, columns_of(panel)) : 0;
}

static bool move_lines(TensorPanel *panel, PanelMove move, long n)
{
    int64_t page = panel->panel.height > 2 ? panel->panel.height - 2 : 1, to = panel->line;
    if (move == PANEL_COLUMNS) return n > 0;
    if (move == PANEL_END) to = n > 0 ? panel->lines : 0;
    else to += move == PANEL_ROWS ? n : n * page;
    panel->line = clamp(to, panel->lines);
    return true;
}

/* Left of a page without a cursor closes the panel, as it does everywhere. */
static bool move_tensor(Panel *base, PanelMove move, long n)
{
    TensorPanel *panel = (TensorPanel *)base;
    if (panel->page == TENSOR_SUMMARY || panel->page == TENSOR_ROWS)
        return move_lines(panel, move, n);
    switch (move) {
    case PANEL_ROWS: move_cursor(panel, n, 0); break;
    case PANEL_COLUMNS: move_cursor(panel, 0, n); break;
    case PANEL_PAGES: move_cursor(panel, n * panel->cells_y, 0); break;
    case PANEL_END: go_to_end(panel, n > 0); break;
    case PANEL_FOLD: tensor_panel_zoom(base, true); break;
    }
    return true;
}

/* The cursor goes to the cell. */
static void click_tensor(Panel *base, int x, int y)
{
    TensorPanel *panel = (TensorPanel *)base;
    if (panel->page == TENSOR_SUMMARY || panel->page == TENSOR_ROWS || !panel->cell_width) return;
    int column = (x - panel->cells_from_x) / panel->cell_width, row = y - panel->cells_from_y;
    if (x < panel->cells_from_x || row < 0 || column >= panel->cells_x || row >= panel->cells_y)
        return;
    if (panel->row_axis < 0) {
        panel->column = clamp(((panel->top + row) * panel->cells_x + column) * panel->zoom,
                              columns_of(panel));
        return;
    }
    panel->row = clamp(panel->top + row * panel->zoom, size_of(panel, panel->row_axis));
    panel->column = clamp(panel->left + column * panel->zoom, columns_of(panel));
}

static void refresh_tensor(Panel *base)
{
    TensorPanel *panel = (TensorPanel *)base;
    find_sides(panel);
    panel->side = first_side(panel, panel->side);
    reset_axes(panel);
}

static void free_tensor(Panel *base)
{
    free(((TensorPanel *)base)->name);
    free(base);
}

static const PanelOps tensor_ops = {
    .name = "values", .hint = "{values-page} page  {values-zoom in}/{values-zoom out} zoom  "
                              "{help} keys  {quit} closes",
    .head = head_tensor, .draw = draw_tensor, .move = move_tensor,
    .click = click_tensor, .refresh = refresh_tensor,
    .free = free_tensor,
};

Panel *tensor_panel_new(const View *view, const char *name, Error *err)
{
    const Alignment *alignment = view->rows->alignment;
    Text shown = {0};
    TensorPanel *panel = mem_alloc(sizeof *panel);
    *panel = (TensorPanel){.panel = {.ops = &tensor_ops}, .view = view, .name = mem_strdup(name),
                           .cells_x = 1, .cells_y = 1};
    find_sides(panel);
    if (panel->sides.count) {
        ValueSide wish = view->side == SIDE_TARGET ? VALUE_TARGET : VALUE_SOURCE;
        panel->side = first_side(panel, wish);
        reset_axes(panel);
        return &panel->panel;
    }
    free_tensor(&panel->panel);
    name_show(name, &shown);
    bool there = align_find(alignment, name) || align_find_use(alignment, name);
    error_set(err, ERR_NOT_FOUND, there ? "%s has no values" : "there is no tensor %s",
              text_string(&shown));
    text_done(&shown);
    return NULL;
}

bool tensor_panel_is(const Panel *panel)
{
    return panel && panel->ops == &tensor_ops;
}

/* ---- what verbs do ---- */

TensorPage tensor_panel_page(const Panel *panel)
{
    return ((const TensorPanel *)panel)->page;
}

void tensor_panel_show(Panel *base, TensorPage page)
{
    TensorPanel *panel = (TensorPanel *)base;
    panel->page = page;
    panel->line = 0;
    /* what is compared has the target's shape */
    if (page == TENSOR_DIFFERENCE && value_is(panel->sides.of[VALUE_TARGET]))
        set_side(panel, VALUE_TARGET);
}

void tensor_panel_turn_side(Panel *base)
{
    TensorPanel *panel = (TensorPanel *)base;
    set_side(panel, first_side(panel, (ValueSide)((panel->side + 1) % VALUE_SIDES)));
}

void tensor_panel_zoom(Panel *base, bool in)
{
    TensorPanel *panel = (TensorPanel *)base;
    if (in && panel->zoom > 1) panel->zoom /= 2;
    else if (!in && panel->zoom < ZOOM_MAX) panel->zoom *= 2;
}

bool tensor_panel_axes(Panel *base, int rows, int columns)
{
    TensorPanel *panel = (TensorPanel *)base;
    const int64_t *dims;
    unsigned rank;
    if (!tensor_panel_dims(panel, &dims, &rank) || rows == columns || rows < 0 || columns < 0 ||
        (unsigned)rows >= rank || (unsigned)columns >= rank)
        return false;
    reset_axes(panel);
    panel->row_axis = rows;
    panel->column_axis = columns;
    return true;
}

void tensor_panel_next_axes(Panel *base)
{
    TensorPanel *panel = (TensorPanel *)base;
    const int64_t *dims;
    unsigned rank;
    if (!tensor_panel_dims(panel, &dims, &rank) || rank < 2) return;
    int rows = panel->row_axis, columns = panel->column_axis, n = (int)rank;
    do {
        if (++columns == n) {
            columns = 0;
            rows = (rows + 1) % n;
        }
    } while (rows == columns);
    tensor_panel_axes(base, rows, columns);
}

void tensor_panel_slice(Panel *base, long delta)
{
    TensorPanel *panel = (TensorPanel *)base;
    const int64_t *dims;
    unsigned rank;
    if (!tensor_panel_dims(panel, &dims, &rank)) return;
    for (unsigned axis = rank; axis-- > 0 && delta;) {
        if ((int)axis == panel->row_axis || (int)axis == panel->column_axis) continue;
        int64_t n = dims[axis] > 0 ? dims[axis] : 1, to = panel->index[axis] + delta % n;
        delta /= (long)n;
        if (to >= n) to -= n, delta++;
        if (to < 0) to += n, delta--;
        panel->index[axis] = to;
    }
}

void tensor_panel_turn_scale(Panel *base)
{
    TensorPanel *panel = (TensorPanel *)base;
    panel->by_size = !panel->by_size;
}

void tensor_panel_turn_order(Panel *base)
{
    TensorPanel *panel = (TensorPanel *)base;
    panel->sorted = !panel->sorted;
    panel->line = 0;
}

void tensor_panel_turn_peak(Panel *base)
{
    TensorPanel *panel = (TensorPanel *)base;
    panel->peak = !panel->peak;
}
