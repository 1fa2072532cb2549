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

bool rows_passes(const RowModel *model, uint32_t index)
{
    return model->pass ? model->pass[index] : model->spans[index].states & model->filter.states;
}

/* What is hidden by closed rows, and by the filter, is left out. A row that is not shown takes all
 * below it along: it is passed by a jump to its end, so that the cost is what is on show, not what
 * the model holds. Rows that a filter has not come to yet pass nothing. The states of what is on
 * show are noted in blocks, for rows_visible_states. */
void rows_list(RowModel *model)
{
    size_t n = 0, end = rows_filter_due(model) ? model->filter_next : model->count;
    memset(model->visible_states, 0,
           (model->count / STATES_BLOCK + 1) * sizeof *model->visible_states);
    for (uint32_t i = 0; i < end;) {
        const RowSpan *span = &model->spans[i];
        bool shown = rows_passes(model, i);
        if (shown) {
            if (!model->open[i]) model->visible_states[n / STATES_BLOCK] |= span->states;
            model->visible[n++] = i;
        }
        i = shown && model->open[i] ? i + 1 : span->end;
    }
    model->visible_count = n;
}

/* Whole blocks are known; the rows at either end are looked at. */
unsigned rows_visible_states(const RowModel *model, size_t from, size_t to)
{
    unsigned states = 0;
    while (from < to) {
        if (from % STATES_BLOCK == 0 && from + STATES_BLOCK <= to) {
            states |= model->visible_states[from / STATES_BLOCK];
            from += STATES_BLOCK;
        } else {
            uint32_t row = model->visible[from++];
            if (!model->open[row]) states |= model->spans[row].states;
        }
    }
    return states;
}

/* Nothing is open yet, so the rows on show are the topmost ones. */
RowModel *rows_new(Alignment *alignment)
{
    RowModel *model = mem_alloc(sizeof *model);
    model->alignment = align_ref(alignment);
    model->arena = arena_new();
    model->row_of_binding = new_indexes(align_count(alignment));
    model->row_of_use = new_indexes(align_use_count(alignment));
    row_filter_done(&model->filter);   /* begins with everything */
    rows_build(model);
    model->open = mem_alloc(model->count + 1);
    model->visible = new_indexes(model->count);
    model->visible_states = mem_alloc((model->count / STATES_BLOCK + 1) *
                                      sizeof *model->visible_states);
    rows_list(model);
    return model;
}

void rows_free(RowModel *model)
{
    if (!model) return;
    rows_sort_cancel(model);
    row_filter_done(&model->filter);
    align_unref(model->alignment);
    arena_free(model->arena);
    free(model->rows);
    free(model->spans);
    free(model->bytes);
    free(model->sure);
    free(model->built);
    free(model->open);
    free(model->marks);
    free(model->visible);
    free(model->visible_states);
    free(model->pass);
    free(model->row_of_binding);
    free(model->row_of_use);
    free(model->before_filter);
    free(model);
}

bool row_is_tensor(const Row *row)
{
    return row->item != ROW_NONE;
}

bool row_is_run(const Row *row)
{
    return row->members && !row->odd;
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

const Tensor *rows_tensor(const RowModel *model, uint32_t index)
{
    const Binding *binding = rows_binding(model, index);
    const SourceUse *use = rows_use(model, index);
    if (use) return use->tensor;
    if (!binding) return NULL;
    return binding->target ? binding->target : binding->source_count ? binding->sources[0] : NULL;
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
    unsigned mask = model->spans[index].states & STATE_ALL;
    *state = state_worst(mask);
    return mask == 1u << *state || !model->open[index];
}

/* All sources of a merged tensor count, not only the one that is shown. */
bool rows_name_fits(const RowModel *model, uint32_t index, const NameTest *test, bool *fits,
                    Error *err)
{
    *fits = false;
    const Binding *binding = rows_binding(model, index);
    if (!binding) {
        const SourceUse *use = rows_use(model, index);
        return !use || name_test_fits(test, use->tensor->name, fits, err);
    }
    if (!name_test_fits(test, binding->name, fits, err)) return false;
    for (uint32_t i = 0; i < binding->source_count && !*fits; i++) {
        const char *source = binding->sources[i]->name;
        if (strcmp(source, binding->name) != 0 && !name_test_fits(test, source, fits, err))
            return false;
    }
    return true;
}

bool rows_is_listing(const RowModel *model)
{
    return !align_target(model->alignment) && !(model->states & ~(1u << ROW_EXACT));
}

/* Tensors do not open. */
void rows_set_open(RowModel *model, uint32_t index, bool open)
{
    if (row_is_tensor(&model->rows[index]) || model->open[index] == open) return;
    model->open[index] = open;
    rows_list(model);
}

/* Runs stay closed: a model of 90,000 tensors unfolds to a few screens, not thousands. */
void rows_open_all(RowModel *model, bool open)
{
    for (uint32_t i = 0; i < model->count; i++) model->open[i] = open && model->spans[i].opens;
    rows_list(model);
}

/* How many rows would appear if `index` were opened now: those right below it, since they are
 * closed. Counting ends soon after `limit`, where the answer is no longer asked for. */
static size_t rows_behind(const RowModel *model, uint32_t index, size_t limit)
{
    size_t n = 0;
    for (uint32_t i = index + 1; i < model->spans[index].end && n <= limit; i = model->spans[i].end)
        n += rows_passes(model, i);
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
        const unsigned all = model->spans[index].states, mask = all & STATE_ALL;
        if (row_is_tensor(row) || model->open[index] || row_is_run(row)) continue;
        if (!(all & states) || (mixed && !(mask & (mask - 1)))) continue;
        size_t more = rows_behind(model, index, lines);
        if (shown + more > lines) continue;
        shown += more;
        model->open[index] = opened = true;
    }
    if (opened) rows_list(model);
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

/* The copy must be of this model. Comparing is much less than listing a million rows anew. */
void rows_restore_open(RowModel *model, const uint8_t *copy)
{
    if (memcmp(model->open, copy, model->count) == 0) return;
    memcpy(model->open, copy, model->count);
    rows_list(model);
}

/* Also takes a filter off that would hide the row. The list is made anew once, not for each module
 * on the way up. */
void rows_reveal(RowModel *model, uint32_t index)
{
    bool changed = false;
    if (!rows_passes(model, index)) {
        rows_set_filter(model, NULL);
        changed = true;
    }
    for (uint32_t up = model->rows[index].parent; up != ROW_NONE; up = model->rows[up].parent) {
        changed |= !model->open[up];
        model->open[up] = true;
    }
    if (changed) rows_list(model);
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

static uint32_t row_of(const RowModel *model, const Binding *binding)
{
    return binding ? model->row_of_binding[binding - align_binding(model->alignment, 0)] : ROW_NONE;
}

/* The row that shows a source tensor: that of the first target that took it, or was offered it, or
 * its own. */
static uint32_t find_source(const RowModel *model, const char *key)
{
    const Alignment *alignment = model->alignment;
    const SourceUse *use = align_find_use(alignment, key);
    if (!use) return ROW_NONE;
    size_t n, index = dict_index(align_source_dict(alignment), use->tensor);
    const uint32_t *bindings = align_uses_of(alignment, index, &n);
    if (n) return model->row_of_binding[bindings[0]];
    uint32_t own = model->row_of_use[index];
    return own != ROW_NONE ? own : row_of(model, use->offered_to);
}

static uint32_t find_target(const RowModel *model, const char *key)
{
    return row_of(model, align_find(model->alignment, key));
}

uint32_t rows_find(const RowModel *model, const char *key)
{
    uint32_t found = find_target(model, key);
    return found != ROW_NONE ? found : find_source(model, key);
}

/* Forward, whole modules without problems are stepped over. Backward a module's end comes before
 * the module itself, so every row is looked at. `from` need not be visible. */
uint32_t rows_next_problem(const RowModel *model, uint32_t from, int direction)
{
    const RowSpan *spans = model->spans;
    if (direction > 0) {
        for (uint32_t i = from + 1; i < model->count;) {
            bool problem = spans[i].states & STATE_PROBLEM;
            if (problem && row_is_tensor(&model->rows[i])) return i;
            i = problem ? i + 1 : spans[i].end;
        }
        return ROW_NONE;
    }
    for (uint32_t i = from; i-- > 0;)
        if (spans[i].states & STATE_PROBLEM && row_is_tensor(&model->rows[i])) return i;
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
    rows_list(model);
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

/* The row of the same path, the target's if it has one; ROW_NONE if there is none. A stray may
 * have found its target meanwhile. A tensor is looked up, modules are gone through: they have no
 * table. */
static uint32_t find_same(const RowModel *model, const RowModel *other, uint32_t index)
{
    const Binding *binding = rows_binding(other, index);
    const SourceUse *use = rows_use(other, index);
    if (binding) return find_target(model, binding->name);
    if (use) return find_source(model, use->tensor->name);
    Side side = other->rows[index].side[SIDE_TARGET].path ? SIDE_TARGET : SIDE_SOURCE;
    const RowSide *wanted = &other->rows[index].side[side];
    for (uint32_t i = 0; wanted->path && i < model->count; i++) {
        const RowSide *found = &model->rows[i].side[side];
        if (!row_is_tensor(&model->rows[i]) && found->path && found->to == wanted->to &&
            memcmp(found->path, wanted->path, wanted->to) == 0) return i;
    }
    return ROW_NONE;
}

/* Rules change what a row is beside, seldom what it is: its path finds it again. Where even that
 * is gone, the nearest module above that is still there; in the end the first row. */
uint32_t rows_same(const RowModel *model, const RowModel *other, uint32_t index)
{
    uint32_t found = ROW_NONE;
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
    rows_list(model);
}
