/* Any bytes as a plan: read or refused with an error. What can be carried out over a small source is
 * computed; its inverse is a plan again, and its Python is plain ASCII. */
#include <stdio.h>
#include <stdlib.h>

#include "loader/export/plan_emit.h"
#include "loader/export/plan_open.h"
#include "loader/export/plan_reverse.h"
#include "tests/unit/tiny_source.h"

enum { VALUES_MAX = 1 << 16, DEPTH_SMALL = 12, NODES_SMALL = 200 };

/* Values of small ones; large ones take a machine's time, and no more paths. */
static void compute(const Plan *plan)
{
    for (size_t i = 0; i < plan->count; i++) {
        const PlanEntry *entry = &plan->entries[i];
        uint64_t bytes = plan_entry_bytes(entry);
        if (bytes > VALUES_MAX || entry->expr->nodes > NODES_SMALL) continue;
        bool small = entry->expr->depth < DEPTH_SMALL;
        void *values = mem_alloc((size_t)bytes + 16);
        Error err = {0};
        if (small && !expr_fill(entry->expr, NULL, NULL, values, &err) && err.code == ERR_NONE)
            abort();
        free(values);
    }
}

/* Whether operands are small all the way: a repeat may make much of little before a sum. */
static bool is_small(const Expr *e)
{
    uint64_t count = 1;
    for (unsigned i = 0; i < e->rank; i++)
        if (!sum_mul(count, (uint64_t)e->dims[i] + 1, &count)) return false;
    if (count > VALUES_MAX) return false;
    for (uint32_t i = 0; i < e->count; i++)
        if (!is_small(e->from[i])) return false;
    return true;
}

/* The source; one with an optimizer where the plan says what becomes of it. */
static Checkpoint *open_source(const PlanFile *file)
{
    Checkpoint *source =
        file->optimizer ? checkpoint_open("tests/data/optimizer/two_groups.pth", NULL) : NULL;
    return source ? source : open_tiny();
}

static void carry_out(const PlanFile *file)
{
    Error err = {0};
    Checkpoint *source = open_source(file), *target = open_tiny();
    Plan *plan = plan_open_over(file, source, plan_file_target(file) ? target : NULL, &err);
    if (!plan && err.code == ERR_NONE) abort();
    bool small = plan != NULL;
    for (size_t i = 0; small && i < plan->count; i++)
        small = plan->entries[i].expr->nodes <= NODES_SMALL && is_small(plan->entries[i].expr);
    if (small) compute(plan);
    plan_free(plan);
    checkpoint_unref(source);
    checkpoint_unref(target);
}

/* What was written is a plan. */
static void turn(const PlanFile *file)
{
    Error err = {0};
    PlanInverse inverse;
    Text text = {0};
    if (!plan_inverse_make(&inverse, file, &err)) {
        if (err.code == ERR_NONE) abort();
        return;
    }
    if (!plan_inverse_json(&inverse, "q.json", NULL, &text, &err)) abort();
    PlanFile *again = plan_file_parse(text_string(&text), text.length, "q.json", &err);
    if (!again && err.code != ERR_LIMIT) {
        fprintf(stderr, "%s\n%s\n", err.text, text_string(&text));
        abort();
    }
    plan_file_free(again);
    text_done(&text);
    plan_inverse_done(&inverse);
}

static void print(const PlanFile *file)
{
    Error err = {0};
    Text text = {0};
    if (!plan_emit_python(file, &text, &err) && err.code == ERR_NONE) abort();
    for (size_t i = 0; i < text.length; i++)
        if ((unsigned char)text.bytes[i] >= 0x7F ||
            ((unsigned char)text.bytes[i] < ' ' && text.bytes[i] != '\n'))
            abort();
    text_done(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Error err = {0};
    PlanFile *file = plan_file_parse((const char *)data, size, "fuzz.json", &err);
    if (!file && err.code == ERR_NONE) abort();
    if (!file) return 0;
    carry_out(file);
    turn(file);
    print(file);
    plan_file_free(file);
    return 0;
}
