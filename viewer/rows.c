/* The model after it was built: what is open, what is visible, and finding one's way in it. What
 * is visible is listed in O(rows that are looked at), when it changes and not when it is drawn. */
#include "viewer/rows.h"

#include <stdlib.h>
#include <string.h>

#include "loader/core/map.h"

/* n indexes, all ROW_NONE. */
static uint32_t *new_indexes(size_t n)
{
    uint32_t *list = mem_alloc((n + 1) * sizeof *list);
    memset(list, 0xFF, (n + 1) * sizeof *list);
    return list;
}

/* What is hidden by closed rows, and by the filter, is left out. A row that is not shown takes all
 * below it along: it is passed by a jump to its end, so that the cost is what is on show, not what
 * the model holds. */
static void list_visible(RowModel *model)
{
    size_t n = 0;
    for (uint32_t i = 0; i < model->count;) {
        const Row *row = &model->rows[i];
        bool shown = row->states & model->filter;
        if (shown) model->visible[n++] = i;
        i = shown && model->open[i] ? i + 1 : row->end;
    }
    model->visible_count = n;
}

/* Nothing is open yet, so the rows on show are the topmost ones. */
RowModel *rows_new(Alignment *alignment)
{
    RowModel *model = mem_alloc(sizeof *model);
    model->alignment = align_ref(alignment);
    model->arena = arena_new();
    model->row_of_binding = new_indexes(align_count(alignment));
    model->row_of_use = new_indexes(align_use_count(alignment));
    model->filter = STATE_ALL;
    rows_build(model);
    model->open = mem_alloc(model->count + 1);
    model->visible = new_indexes(model->count);
    list_visible(model);
    return model;
}

void rows_free(RowModel *model)
{
    if (!model) return;
    align_unref(model->alignment);
    arena_free(model->arena);
    free(model->rows);
    free(model->open);
    free(model->marks);
    free(model->visible);
    free(model->row_of_binding);
    free(model->row_of_use);
    free(model->before_filter);
    free(model);
}

bool row_is_tensor(const Row *row)
{
    return row->item != ROW_NONE;
}

/* Tensors with a target side are bindings, those without are strays. */
const Binding *rows_binding(const RowModel *model, uint32_t index)
{
    const Row *row = &model->rows[index];
    if (!row_is_tensor(row) || !row->side[SIDE_TARGET].path) return NULL;
    return align_binding(model->alignment, row->item);
}

const SourceUse *rows_use(const RowModel *model, uint32_t index)
{
    const Row *row = &model->rows[index];
    if (!row_is_tensor(row) || row->side[SIDE_TARGET].path) return NULL;
    return align_use(model->alignment, row->item);
}

/* "conv1.weight" of "layer1.0.conv1.weight", where the modules above have rows of their own. */
void rows_label(const RowModel *model, uint32_t index, Side side, Text *out)
{
    const RowSide *part = &model->rows[index].side[side];
    if (part->path) text_addn(out, part->path + part->from, part->to - part->from);
}

void rows_path(const RowModel *model, uint32_t index, Side side, Text *out)
{
    const RowSide *part = &model->rows[index].side[side];
    if (part->path) text_addn(out, part->path, part->to);
}

/* An open module leaves it to its rows, unless they all say the same. */
bool rows_state(const RowModel *model, uint32_t index, RowState *state)
{
    unsigned mask = model->rows[index].states & STATE_ALL;
    *state = state_worst(mask);
    return mask == 1u << *state || !model->open[index];
}

/* Tensors do not open. */
void rows_set_open(RowModel *model, uint32_t index, bool open)
{
    if (row_is_tensor(&model->rows[index]) || model->open[index] == open) return;
    model->open[index] = open;
    list_visible(model);
}

/* Runs stay closed: a model of 90,000 tensors unfolds to a few screens, not thousands. */
void rows_open_all(RowModel *model, bool open)
{
    for (uint32_t i = 0; i < model->count; i++) {
        const Row *row = &model->rows[i];
        model->open[i] = open && !row_is_tensor(row) && !row->members;
    }
    list_visible(model);
}

/* How many rows would appear if `index` were opened now: those right below it, since they are
 * closed. Counting ends soon after `limit`, where the answer is no longer asked for. */
static size_t rows_behind(const RowModel *model, uint32_t index, size_t limit)
{
    size_t n = 0;
    const Row *row = &model->rows[index];
    for (uint32_t i = index + 1; i < row->end && n <= limit; i = model->rows[i].end)
        n += (model->rows[i].states & model->filter) != 0;
    return n;
}

/* Opens the next level of the modules with one of `states` in them (`mixed`: and with another
 * one beside), one after the other while there is room; false when none was opened. A mask with
 * more than one bit set is one from which mask & (mask - 1) leaves something. */
static bool open_level(RowModel *model, size_t lines, unsigned states, bool mixed)
{
    bool opened = false;
    size_t shown = model->visible_count;
    for (size_t i = 0; i < model->visible_count; i++) {
        uint32_t index = model->visible[i];
        const Row *row = &model->rows[index];
        unsigned mask = row->states & STATE_ALL;
        if (row_is_tensor(row) || model->open[index] || row->members) continue;
        if (!(row->states & states) || (mixed && !(mask & (mask - 1)))) continue;
        size_t more = rows_behind(model, index, lines);
        if (shown + more > lines) continue;
        shown += more;
        model->open[index] = opened = true;
    }
    if (opened) list_visible(model);
    return opened;
}

/* Uniform modules need no opening to be understood; one level of them shows what there is. The
 * loop ends: each turn opens a module that was closed, or stops. */
void rows_open_some(RowModel *model, size_t lines)
{
    while (open_level(model, lines, STATE_PROBLEM, true)) continue;
    open_level(model, lines, STATE_ALL, false);
}

uint8_t *rows_copy_open(const RowModel *model)
{
    uint8_t *copy = mem_alloc(model->count + 1);
    memcpy(copy, model->open, model->count);
    return copy;
}

/* The copy must be of this model. */
void rows_restore_open(RowModel *model, const uint8_t *copy)
{
    memcpy(model->open, copy, model->count);
    list_visible(model);
}

/* Also takes a filter off that would hide the row. The list is made anew once, not for each module
 * on the way up. */
void rows_reveal(RowModel *model, uint32_t index)
{
    bool changed = false;
    if (!(model->rows[index].states & model->filter)) {
        rows_set_filter(model, STATE_ALL);
        changed = true;
    }
    for (uint32_t up = model->rows[index].parent; up != ROW_NONE; up = model->rows[up].parent) {
        changed |= !model->open[up];
        model->open[up] = true;
    }
    if (changed) list_visible(model);
}

/* `visible` ascends, and a hidden row's index lies behind that of the closed row that hides it:
 * both cases are the last visible index that is not greater. */
size_t rows_visible_at(const RowModel *model, uint32_t index)
{
    size_t low = 0, high = model->visible_count;
    while (low < high) {   /* the last visible row that is not behind it */
        size_t middle = (low + high) / 2;
        if (model->visible[middle] <= index) low = middle + 1;
        else high = middle;
    }
    return low ? low - 1 : 0;
}

/* Opens what leads to a match; a run is one match, and stays closed. */
static void open_matches(RowModel *model)
{
    for (uint32_t i = 0; i < model->count;) {
        const Row *row = &model->rows[i];
        bool inside = row->states & model->filter && !row->members;
        if (inside && !row_is_tensor(row)) model->open[i] = true;
        i = inside ? i + 1 : row->end;
    }
}

/* The first filter saves what was open, the last one to go restores it. In between filters change
 * without saving: what open_matches opened is not the user's choice. */
void rows_set_filter(RowModel *model, unsigned states)
{
    if (states == STATE_ALL && model->before_filter) {
        free(model->open);
        model->open = model->before_filter;
        model->before_filter = NULL;
    } else if (states != STATE_ALL && !model->before_filter) {
        model->before_filter = rows_copy_open(model);
    }
    model->filter = states;
    if (states != STATE_ALL) open_matches(model);
    list_visible(model);
}

/* Forward, whole modules without problems are stepped over. Backward a module's end comes before
 * the module itself, so every row is looked at. `from` need not be visible. */
uint32_t rows_next_problem(const RowModel *model, uint32_t from, int direction)
{
    const Row *rows = model->rows;
    if (direction > 0) {
        for (uint32_t i = from + 1; i < model->count;) {
            bool problem = rows[i].states & STATE_PROBLEM;
            if (problem && row_is_tensor(&rows[i])) return i;
            i = problem ? i + 1 : rows[i].end;
        }
        return ROW_NONE;
    }
    for (uint32_t i = from; i-- > 0;)
        if (row_is_tensor(&rows[i]) && rows[i].states & STATE_PROBLEM) return i;
    return ROW_NONE;
}

/* What tells a side of a row from others in another model of the same files; NULL when that
 * side is empty. "t>fc.weight" is a target tensor, "m<module.fc" a source module: a tensor and a
 * module may have the same path. The text is `out`'s. */
static const char *row_key(const RowModel *model, uint32_t index, Side side, Text *out)
{
    if (!model->rows[index].side[side].path) return NULL;
    text_clear(out);
    text_addc(out, row_is_tensor(&model->rows[index]) ? 't' : 'm');
    text_addc(out, side == SIDE_TARGET ? '>' : '<');
    rows_path(model, index, side, out);
    return text_string(out);
}

/* Either side's path will do: a stray module stays open when its target is found. */
static bool was_open(const RowModel *model, uint32_t index, const NameMap *opened, Text *key)
{
    for (int side = 0; side < SIDE_COUNT; side++) {
        const char *name = row_key(model, index, (Side)side, key);
        if (name && map_get(opened, name) != MAP_NONE) return true;
    }
    return false;
}

/* Paths of what was open go into a map, so that the cost is the rows of both models and not their
 * product. */
void rows_open_as(RowModel *model, const RowModel *other, const uint8_t *open)
{
    NameMap opened;
    Text key = {0};
    Arena *arena = arena_new();
    map_init(&opened);
    for (uint32_t i = 0; i < other->count; i++) {
        for (int side = 0; open[i] && side < SIDE_COUNT; side++) {
            const char *name = row_key(other, i, (Side)side, &key);
            if (name) map_set(&opened, arena_strdup(arena, name), i);
        }
    }
    for (uint32_t i = 0; opened.count && i < model->count; i++)
        if (!row_is_tensor(&model->rows[i]) && was_open(model, i, &opened, &key))
            model->open[i] = true;
    map_done(&opened);
    arena_free(arena);
    text_done(&key);
    list_visible(model);
}

/* What is open apart from what a filter has opened. */
static const uint8_t *chosen_open(const RowModel *model)
{
    return model->before_filter ? model->before_filter : model->open;
}

uint8_t *rows_copy_chosen(const RowModel *model)
{
    uint8_t *copy = mem_alloc(model->count + 1);
    memcpy(copy, chosen_open(model), model->count);
    return copy;
}

/* Under a filter what counts is what was open before it. */
void rows_open_like(RowModel *model, const RowModel *other)
{
    rows_open_as(model, other, chosen_open(other));
}

/* The row of the same path, the target's if it has one; ROW_NONE if there is none. */
static uint32_t find_same(const RowModel *model, const RowModel *other, uint32_t index)
{
    Text key = {0}, wanted = {0};
    Side side = other->rows[index].side[SIDE_TARGET].path ? SIDE_TARGET : SIDE_SOURCE;
    uint32_t found = ROW_NONE;
    row_key(other, index, side, &wanted);
    for (uint32_t i = 0; i < model->count && found == ROW_NONE; i++) {
        const char *name = row_key(model, i, side, &key);
        if (name && strcmp(name, text_string(&wanted)) == 0) found = i;
    }
    text_done(&key);
    text_done(&wanted);
    return found;
}

/* Rules change what a row is beside, seldom what it is: its path finds it again. Where even that
 * is gone, the nearest module above that is still there; in the end the first row. */
uint32_t rows_same(const RowModel *model, const RowModel *other, uint32_t index)
{
    uint32_t found = ROW_NONE;
    const SourceUse *use = rows_use(other, index);
    bool same_source = align_source_dict(other->alignment) == align_source_dict(model->alignment);
    if (use && same_source) {   /* a stray may have found its target meanwhile */
        size_t n, at = dict_index(align_source_dict(other->alignment), use->tensor);
        const uint32_t *bindings = align_uses_of(model->alignment, at, &n);
        if (n) found = model->row_of_binding[bindings[0]];
    }
    for (; found == ROW_NONE && index != ROW_NONE; index = other->rows[index].parent)
        found = find_same(model, other, index);
    return found == ROW_NONE ? 0 : found;
}

/* A person opens one or two modules while work goes on; who opens all of them waits once. */
void rows_open_since(RowModel *model, const RowModel *other, const uint8_t *open)
{
    enum { FEW = 8 };
    const uint8_t *now = chosen_open(other);
    size_t changed = 0;
    if (memcmp(now, open, other->count) == 0) return;
    for (size_t i = 0; i < other->count; i++) changed += now[i] != open[i];
    if (changed > FEW) {
        memset(model->open, 0, model->count);
        rows_open_as(model, other, now);
        return;
    }
    for (uint32_t i = 0; i < other->count; i++) {
        uint32_t same = now[i] != open[i] ? find_same(model, other, i) : ROW_NONE;
        if (same != ROW_NONE) model->open[same] = now[i];
    }
    list_visible(model);
}
