/* Names are looked at one after the other: they are short, and memory reads faster than an index
 * could be kept. */
#include "viewer/finder.h"

#include <stdlib.h>
#include <string.h>

#include "loader/core/clock.h"

/* What a step may take, and after how many rows the clock is looked at. A frame has 16 ms. */
enum { STEP_MS = 5, ROWS_BETWEEN_LOOKS = 256 };

/* Hits are forgotten, their array kept for the next ones: a text is typed letter by letter. The
 * empty text finds nothing, and is done at once; so is a regex that is not yet whole. */
void finder_start(Finder *finder, const char *text)
{
    text_clear(&finder->text);
    text_add(&finder->text, text);
    name_test_done(&finder->test);
    finder->problem = (Error){0};
    finder->next = 0;
    finder->count = 0;
    bool ok = name_test_init(&finder->test, text, &finder->problem);
    finder->done = !ok || !finder->test.text;
}

void finder_done(Finder *finder)
{
    text_done(&finder->text);
    name_test_done(&finder->test);
    free(finder->hits);
    *finder = (Finder){0};
}

/* Looks at one row and adds it when it is a hit. */
static bool look_at(Finder *finder, const RowModel *model, uint32_t index)
{
    bool hit = false;
    if (!rows_name_fits(model, index, &finder->test, &hit, &finder->problem)) return false;
    if (!hit) return true;
    finder->hits = mem_grow(finder->hits, &finder->room, finder->count + 1, sizeof *finder->hits);
    finder->hits[finder->count++] = index;
    return true;
}

/* Rows that were passed are never looked at again: hits come in ascending order. */
bool finder_step(Finder *finder, const RowModel *model, size_t rows)
{
    int64_t end = clock_ms() + STEP_MS;
    for (size_t n = 1; n <= rows && !finder->done && finder->next < model->count; n++) {
        if (!look_at(finder, model, finder->next++)) finder->done = true;
        if (n % ROWS_BETWEEN_LOOKS == 0 && clock_ms() >= end) break;
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
