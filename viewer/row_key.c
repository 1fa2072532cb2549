#include "viewer/row_key.h"

#include <string.h>

#include "loader/align/align_marks.h"

const char *row_key(const RowModel *model, uint32_t row, Side side)
{
    const Binding *binding = rows_binding(model, row);
    const SourceUse *use = rows_use(model, row);
    if (side == SIDE_TARGET) return binding && binding->target ? binding->name : NULL;
    if (use) return align_key_name(model->alignment, use->tensor, use->step);
    if (!binding || !binding->source_count) return NULL;
    return align_key_name(model->alignment, binding->sources[0], binding->step);
}

const char *row_stray_key(const SourceUse *use)
{
    return use->step && use->step->to ? use->step->to : use->tensor->name;
}

/* ---- how a word goes on ---- */

typedef struct Offering {
    const RowModel *model;
    const char *word;
    size_t length;           /* bytes of it */
    void (*offer)(void *context, const char *key, size_t n);
    void *context;
} Offering;

/* The bytes that the word and its segment take of a key that goes on from it, of which n are known;
 * n where the segment's end is not among them. */
static size_t segment_end(const Offering *offering, const char *key, size_t n)
{
    size_t at = offering->length;
    while (at < n && key[at] != '.' && key[at] != '/') at++;
    return at;
}

static void offer_key(const Offering *offering, const char *key)
{
    if (strncmp(key, offering->word, offering->length) != 0) return;
    const size_t n = strlen(key), end = segment_end(offering, key, n);
    offering->offer(offering->context, key, end + (end < n));
}

/* What the keys of one side below a row have to do with the word. */
typedef enum Reach {
    REACH_NONE,              /* none goes on from it */
    REACH_ALL,               /* all do, in the same way */
    REACH_SOME               /* each has to be asked */
} Reach;

/* Keys below a module begin with its path, and those of a run with what stands before its numbers.
 * The text of a path is a key's, which goes on. */
static Reach reach_of(const Offering *offering, uint32_t row, Side side)
{
    const RowSide *part = &offering->model->rows[row].side[side];
    const bool run = offering->model->rows[row].members;
    if (!part->path) return REACH_SOME;
    const char *brace = run ? memchr(part->path, '{', part->to) : NULL;
    const size_t known = brace ? (size_t)(brace - part->path) : part->to;
    const size_t common = known < offering->length ? known : offering->length;
    if (memcmp(part->path, offering->word, common) != 0) return REACH_NONE;
    const bool whole = known >= offering->length &&
                       (!run || segment_end(offering, part->path, known) < known);
    return whole ? REACH_ALL : REACH_SOME;
}

static void offer_part(const Offering *offering, uint32_t row, Side side)
{
    const RowSide *part = &offering->model->rows[row].side[side];
    const size_t end = segment_end(offering, part->path, part->to);
    offering->offer(offering->context, part->path, end + 1);
}

static void offer_tensor(const Offering *offering, uint32_t row)
{
    const Binding *binding = rows_binding(offering->model, row);
    const SourceUse *use = rows_use(offering->model, row);
    if (binding) offer_key(offering, binding->name);
    else if (use->status == USE_UNUSED) offer_key(offering, row_stray_key(use));
}

void row_key_offers(const RowModel *model, const char *word,
                    void (*offer)(void *context, const char *key, size_t n), void *context)
{
    const Offering offering = {model, word, strlen(word), offer, context};
    for (uint32_t i = 0; i < model->count;) {
        Reach reach[SIDE_COUNT] = {REACH_NONE, REACH_NONE};
        if (row_is_tensor(&model->rows[i])) {
            offer_tensor(&offering, i++);
            continue;
        }
        if (model->rows[i].targets) reach[SIDE_TARGET] = reach_of(&offering, i, SIDE_TARGET);
        if (model->spans[i].states & 1u << ROW_UNUSED)
            reach[SIDE_SOURCE] = model->renamed ? REACH_SOME : reach_of(&offering, i, SIDE_SOURCE);
        if (reach[SIDE_TARGET] == REACH_SOME || reach[SIDE_SOURCE] == REACH_SOME) {
            i++;
            continue;
        }
        for (int side = 0; side < SIDE_COUNT; side++)
            if (reach[side] == REACH_ALL) offer_part(&offering, i, (Side)side);
        i = model->spans[i].end;
    }
}
