/* Filters on the rows. One that asks for states alone costs what is on show, since modules know
 * the states of what is below them. Any other one is asked about every tensor, in steps. */
#include <stdlib.h>
#include <string.h>

#include "loader/core/clock.h"
#include "viewer/rows.h"

/* What a step may take, and after how many rows the clock is looked at. */
enum { STEP_MS = 4, ROWS_BETWEEN_LOOKS = 256 };

/* Opens what leads to the tensors whose states fit, and counts them; a run is one match, and stays
 * closed. */
static void open_matches(RowModel *model)
{
    model->passed = 0;
    for (uint32_t i = 0, closed = 0; i < model->count;) {
        const RowSpan span = model->spans[i];
        const bool shown = rows_passes(model, i), tensor = span.end == i + 1;
        model->passed += shown && tensor;
        if (shown && !tensor && !span.opens && span.end > closed) closed = span.end;
        if (shown && span.opens && i >= closed) model->open[i] = true;
        i = shown ? i + 1 : span.end;
    }
}

/* The first filter saves what was open, the last one to go restores it. In between filters change
 * without saving: what open_matches opened is not the user's choice. */
static void keep_open(RowModel *model, bool everything)
{
    if (everything && model->before_filter) {
        free(model->open);
        model->open = model->before_filter;
        model->before_filter = NULL;
    } else if (!everything && !model->before_filter) {
        model->before_filter = rows_copy_open(model);
    }
}

void rows_set_filter(RowModel *model, RowFilter *filter)
{
    row_filter_done(&model->filter);
    if (filter) model->filter = *filter;
    keep_open(model, !model->filter.text);
    free(model->pass);
    model->pass = NULL;
    model->filter_next = 0;
    if (!model->filter.text) {
        model->passed = model->tensors;
    } else if (row_filter_is_states(&model->filter)) {
        open_matches(model);
    } else {
        model->passed = 0;
        model->pass = mem_alloc(model->count + 1);
        rows_filter_step(model, NULL);
    }
    rows_list(model);
}

bool rows_filter_due(const RowModel *model)
{
    return model->pass && model->filter_next < model->count;
}

static RowFacts facts_of(const RowModel *model, uint32_t index)
{
    const Row *row = &model->rows[index];
    const Binding *binding = rows_binding(model, index);
    RowFacts facts = {.states = model->spans[index].states, .bytes = model->bytes[index],
                      .sure = -1};
    if (binding) {
        facts.dtype = binding->dtype;
        facts.rank = binding->dims ? binding->rank : -1;
        if (binding->expr && row->loaded) facts.sure = binding->confidence;
        return facts;
    }
    const Tensor *tensor = rows_use(model, index)->tensor;
    facts.dtype = tensor->dtype;
    facts.rank = tensor->dims ? tensor->rank : -1;
    return facts;
}

/* Facts first: they are cheap, and spare most names the test. */
static bool fits(const RowModel *model, uint32_t index, bool *fit, Error *err)
{
    RowFacts facts = facts_of(model, index);
    *fit = row_filter_fits(&model->filter, &facts);
    for (size_t i = 0; *fit && i < model->filter.name_count; i++) {
        if (!rows_name_fits(model, index, &model->filter.names[i], fit, err)) return false;
        *fit = *fit != model->filter.name_not[i];
    }
    return true;
}

/* The row and all above it; those that are marked already have theirs above them marked. */
static void let_through(RowModel *model, uint32_t index)
{
    model->passed++;
    for (; index != ROW_NONE && !model->pass[index]; index = model->rows[index].parent) {
        model->pass[index] = true;
        const Row *row = &model->rows[index];
        if (!row_is_tensor(row) && !row_is_run(row)) model->open[index] = true;
    }
}

/* Runs of which only some blocks passed: they are not equal here. */
static void open_parted_runs(RowModel *model)
{
    for (uint32_t i = 0; i < model->count;) {
        const uint32_t end = model->spans[i].end;
        bool run = model->pass[i] && row_is_run(&model->rows[i]);
        for (uint32_t k = i + 1; run && k < end && !model->open[i]; k = model->spans[k].end)
            model->open[i] = !model->pass[k];
        i = model->pass[i] ? i + 1 : end;
    }
}

bool rows_filter_step(RowModel *model, Error *err)
{
    int64_t end = clock_ms() + STEP_MS;
    bool ok = true, fit;
    for (uint32_t i = model->filter_next; ok && i < model->count;) {
        if (row_is_tensor(&model->rows[i])) {
            ok = fits(model, i, &fit, err);
            if (ok && fit) let_through(model, i);
        }
        model->filter_next = ok ? ++i : (uint32_t)model->count;
        if (i % ROWS_BETWEEN_LOOKS == 0 && clock_ms() >= end) break;
    }
    if (!rows_filter_due(model)) open_parted_runs(model);
    rows_list(model);
    return ok;
}
