/* Plain substrings: names are short, and memory reads faster than an index could be kept. */
#include "viewer/finder.h"

#include <stdlib.h>
#include <string.h>

/* Hits are forgotten, their array kept for the next ones: a text is typed letter by letter. The
 * empty text finds nothing, and is done at once. */
void finder_start(Finder *finder, const char *text)
{
    text_clear(&finder->text);
    text_add(&finder->text, text);
    finder->exact_case = false;
    for (const char *p = text; *p; p++)
        if (*p >= 'A' && *p <= 'Z') finder->exact_case = true;
    finder->next = 0;
    finder->count = 0;
    finder->done = !*text;
}

void finder_done(Finder *finder)
{
    text_done(&finder->text);
    free(finder->hits);
    *finder = (Finder){0};
}

/* Case does not count until a capital was typed, as in less and vim. */
static bool holds(const Finder *finder, const char *name)
{
    const char *text = text_string(&finder->text);
    return finder->exact_case ? strstr(name, text) != NULL : strcasestr(name, text) != NULL;
}

/* All sources of a merged tensor count, not only the one that is shown. */
static bool is_hit(const Finder *finder, const RowModel *model, uint32_t index)
{
    const Binding *binding = rows_binding(model, index);
    if (!binding) {
        const SourceUse *use = rows_use(model, index);
        return use && holds(finder, use->tensor->name);
    }
    if (holds(finder, binding->name)) return true;
    for (uint32_t i = 0; i < binding->source_count; i++)
        if (holds(finder, binding->sources[i]->name)) return true;
    return false;
}

/* Rows that were passed are never looked at again: hits come in ascending order. */
bool finder_step(Finder *finder, const RowModel *model, size_t rows)
{
    for (; rows && finder->next < model->count; rows--, finder->next++) {
        if (finder->done || !is_hit(finder, model, finder->next)) continue;
        finder->hits = mem_grow(finder->hits, &finder->room, finder->count + 1,
                                sizeof *finder->hits);
        finder->hits[finder->count++] = finder->next;
    }
    if (finder->next >= model->count) finder->done = true;
    return !finder->done;
}

/* How many hits come before a row, by halves: hits ascend, so this is also the index of the first
 * hit that is not before it. */
static size_t count_before(const Finder *finder, uint32_t row)
{
    size_t low = 0, high = finder->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (finder->hits[middle] < row) low = middle + 1;
        else high = middle;
    }
    return low;
}

/* Goes round: from the last hit forward is the first. count_before gives the hit at or behind
 * `from`; where that is `from` itself, forward means the one after it. */
uint32_t finder_next(const Finder *finder, uint32_t from, int direction, bool inclusive)
{
    size_t n = finder->count;
    if (!n) return ROW_NONE;
    size_t at = count_before(finder, from);
    bool here = at < n && finder->hits[at] == from;
    if (here && inclusive) return from;
    if (direction > 0) return finder->hits[(at + here) % n];
    return finder->hits[(at + n - 1) % n];
}

/* For "3 of 17", and for whether a row is a hit at all. */
size_t finder_rank(const Finder *finder, uint32_t row)
{
    size_t at = count_before(finder, row);
    return at < finder->count && finder->hits[at] == row ? at + 1 : 0;
}
