/* What tells a block from those beside it in a run with exceptions: both are gone through in step,
 * up to the first row that is not the same. */
#include <stdlib.h>
#include <string.h>

#include "viewer/rows.h"

/* Rows of a block that are looked at: this is for one line, drawn with every frame. */
enum { LOOKED_AT_MAX = 4096 };

/* The path of a row below a block, without the block's own; "" when it has none on that side. */
static const char *below(const RowModel *model, uint32_t block, uint32_t row, Side side, Text *out)
{
    text_clear(out);
    const RowSide *top = &model->rows[block].side[side], *part = &model->rows[row].side[side];
    if (top->path && part->path && part->to > top->to &&
        memcmp(part->path, top->path, top->to) == 0)
        text_addn(out, part->path + top->to + 1, part->to - top->to - 1);
    return text_string(out);
}

/* "f32 3×3 shape (4×3 offered)": what a row of a tensor is, its state, and what it was offered
 * where that is not the same. */
static void add_facts(const RowModel *model, uint32_t row, Text *out)
{
    const Binding *binding = rows_binding(model, row);
    const SourceUse *use = rows_use(model, row);
    const Tensor *tensor = use ? use->tensor : NULL;
    text_addf(out, "%s ", dtype_name(binding ? binding->dtype : tensor->dtype));
    if (binding) show_shape(binding->dims, binding->rank, out);
    else show_shape(tensor->dims, tensor->rank, out);
    text_addf(out, " %s", state_info(state_worst(model->spans[row].states & STATE_ALL))->word);
    const Expr *offer = binding ? align_offer(binding) : NULL;
    if (!offer || offer->unknown) return;
    text_add(out, " (");
    if (offer->dtype != binding->dtype) text_addf(out, "%s ", dtype_name(offer->dtype));
    show_shape(offer->dims, offer->rank, out);
    text_add(out, " offered)");
}

/* The next tensor at or behind `row`, before `end`. */
static uint32_t next_tensor(const RowModel *model, uint32_t row, uint32_t end)
{
    while (row < end && !row_is_tensor(&model->rows[row])) row++;
    return row;
}

/* The first tensor in which the two differ: "attn.w f32 3 shape, else f32 2 exact"; one that only
 * one of them has is said so. */
static void compare_blocks(const RowModel *model, uint32_t odd, uint32_t other, Text *out)
{
    uint32_t a = odd, b = other, a_end = model->spans[odd].end, b_end = model->spans[other].end;
    Side side = model->rows[odd].side[SIDE_TARGET].path && model->rows[other].side[SIDE_TARGET].path
                    ? SIDE_TARGET : SIDE_SOURCE;
    Text name = {0}, other_name = {0}, facts = {0}, other_facts = {0};
    for (int looks = 0; looks < LOOKED_AT_MAX && !out->length; looks++, a++, b++) {
        a = next_tensor(model, a, a_end);
        b = next_tensor(model, b, b_end);
        if (a >= a_end && b >= b_end) break;
        text_clear(&facts);
        text_clear(&other_facts);
        if (a < a_end) add_facts(model, a, &facts);
        if (b < b_end) add_facts(model, b, &other_facts);
        const char *x = a < a_end ? below(model, odd, a, side, &name) : "";
        const char *y = b < b_end ? below(model, other, b, side, &other_name) : "";
        bool same = strcmp(x, y) == 0;
        if (same && strcmp(text_string(&facts), text_string(&other_facts)) == 0) continue;
        if (!same && (a >= a_end || (b < b_end && a_end - odd < b_end - other)))
            text_addf(out, "no %s here", y);
        else if (!same)
            text_addf(out, "%s is only here", x);
        else
            text_addf(out, "%s%s%s, else %s", x, *x ? " " : "", text_string(&facts),
                      text_string(&other_facts));
    }
    text_done(&name);
    text_done(&other_name);
    text_done(&facts);
    text_done(&other_facts);
}

/* Whether a number is among "7,9-10". */
static bool is_listed(const char *list, unsigned long number)
{
    while (*list) {
        char *end;
        unsigned long first = strtoul(list, &end, 10), last = first;
        if (*end == '-') last = strtoul(end + 1, &end, 10);
        if (number >= first && number <= last) return true;
        list = *end ? end + 1 : end;
    }
    return false;
}

/* The number of a block: the first of its label below the run. */
static unsigned long number_of(const Row *row)
{
    const RowSide *side = &row->side[SIDE_TARGET];
    if (!side->path) side = &row->side[SIDE_SOURCE];
    const char *label = side->path + side->from;
    return strtoul(label + (*label == '{'), NULL, 10);
}

bool rows_is_exception(const RowModel *model, uint32_t index)
{
    const Row *row = &model->rows[index];
    const Row *run = row->parent == ROW_NONE ? NULL : &model->rows[row->parent];
    return run && run->odd && is_listed(run->odd, number_of(row));
}

/* The others are one of the blocks that are not listed; in a run of them, the first. */
void rows_tell_exception(const RowModel *model, uint32_t index, Text *out)
{
    const Row *row = &model->rows[index], *run = &model->rows[row->parent];
    uint32_t odd = row_is_run(row) ? index + 1 : index;
    for (uint32_t i = row->parent + 1; i < model->spans[row->parent].end; i = model->spans[i].end) {
        if (is_listed(run->odd, number_of(&model->rows[i]))) continue;
        compare_blocks(model, odd, row_is_run(&model->rows[i]) ? i + 1 : i, out);
        return;
    }
}
