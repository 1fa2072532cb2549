/* Axes that no part cuts are merged into the last one, which is counted in bytes: what is left is
 * runs ("rows"). A part's rows lie one after the other in its source, and in the whole in the same
 * order, so the rows that a read touches are found by halving and are one range of the source. */
#include "loader/source/boxes.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loader/core/limits.h"
#include "loader/core/memory.h"
#include "loader/core/text.h"

/* Rows are read together up to so many bytes; longer ones go straight to where they belong. */
enum { GATHER_BYTES = 256 << 10 };

/* One part. Its indices are in Boxes.places. */
typedef struct Part {
    ByteSource *source;      /* a reference */
    uint64_t offset;         /* of its first byte there */
    const int64_t *from, *size;      /* [rank] after merging: bytes on the last axis */
    uint64_t rows, row;      /* number of rows; bytes of one */
    uint64_t first, end;     /* bytes of the whole: its first one, one behind its last */
    uint64_t reach;          /* the greatest `end` of it and all parts before it */
} Part;

typedef struct Boxes {
    ByteSource base;
    unsigned rank;           /* axes after merging, at least 1 */
    uint64_t strides[BOXES_RANK_MAX];    /* bytes from one index to the next; last: 1 */
    Part *parts;             /* [count] by `first`; owned */
    size_t count;
    int64_t *places;         /* [2·rank·count] what from and size point into; owned */
} Boxes;

/* -- Reading --------------------------------------------------------------------------- */

/* Where row `row` of the part begins in the whole. */
static uint64_t row_start(const Boxes *whole, const Part *part, uint64_t row)
{
    uint64_t at = (uint64_t)part->from[whole->rank - 1];
    for (unsigned k = whole->rank - 1; k-- > 0;) {
        uint64_t size = (uint64_t)part->size[k];
        at += ((uint64_t)part->from[k] + row % size) * whole->strides[k];
        row /= size;
    }
    return at;
}

/* The first row that ends behind byte `offset`; rows when there is none. */
static uint64_t find_row(const Boxes *whole, const Part *part, uint64_t offset)
{
    uint64_t low = 0, high = part->rows;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (row_start(whole, part, middle) + part->row > offset) high = middle;
        else low = middle + 1;
    }
    return low;
}

/* The first part that may hold a byte from `offset` on: `reach` never falls. */
static size_t find_part(const Boxes *whole, uint64_t offset)
{
    size_t low = 0, high = whole->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (whole->parts[middle].reach > offset) high = middle;
        else low = middle + 1;
    }
    return low;
}

/* A read under way: bytes [from, end) of the whole go to `out`. */
typedef struct Reading {
    const Boxes *whole;
    uint64_t from, end;
    unsigned char *out;
    unsigned char *gathered; /* [GATHER_BYTES] scratch; NULL until needed; owned */
    Error *err;
} Reading;

/* One row, or what the read wants of it. */
static bool read_row(const Reading *read, const Part *part, uint64_t row, uint64_t at)
{
    uint64_t skip = at < read->from ? read->from - at : 0;
    uint64_t end = at + part->row < read->end ? at + part->row : read->end;
    return source_read(part->source, part->offset + row * part->row + skip,
                       read->out + (at + skip - read->from), (size_t)(end - at - skip), read->err);
}

/* How many rows from `row` on may be read at once: as many as the scratch holds, and no more than
 * can lie before the end of the read. */
static uint64_t count_together(const Reading *read, const Part *part, uint64_t row, uint64_t at)
{
    const Boxes *whole = read->whole;
    uint64_t most = 1;
    if (whole->rank > 1) most += (read->end - at - 1) / whole->strides[whole->rank - 2];
    if (most > GATHER_BYTES / part->row) most = GATHER_BYTES / part->row;
    return most < part->rows - row ? most : part->rows - row;
}

/* Short rows of one range of the source, each to its place. */
static bool read_together(Reading *read, const Part *part, uint64_t row, uint64_t count)
{
    if (!read->gathered) read->gathered = mem_alloc(GATHER_BYTES);
    if (!source_read(part->source, part->offset + row * part->row, read->gathered,
                     (size_t)(count * part->row), read->err))
        return false;
    for (uint64_t i = 0; i < count; i++) {
        uint64_t at = row_start(read->whole, part, row + i);
        uint64_t skip = at < read->from ? read->from - at : 0;
        if (at >= read->end) break;
        uint64_t end = at + part->row < read->end ? at + part->row : read->end;
        memcpy(read->out + (at + skip - read->from), read->gathered + i * part->row + skip,
               (size_t)(end - at - skip));
    }
    return true;
}

/* What the read wants of one part. */
static bool read_part(Reading *read, const Part *part)
{
    uint64_t row = find_row(read->whole, part, read->from);
    while (row < part->rows) {
        uint64_t at = row_start(read->whole, part, row);
        if (at >= read->end) break;
        uint64_t count = part->row < GATHER_BYTES ? count_together(read, part, row, at) : 1;
        if (count > 1 ? !read_together(read, part, row, count) : !read_row(read, part, row, at))
            return false;
        row += count;
    }
    return true;
}

static bool read_boxes(ByteSource *source, uint64_t offset, void *out, size_t n, Error *err)
{
    const Boxes *whole = (const Boxes *)source;
    Reading read = {whole, offset, offset + n, out, NULL, err};
    bool fine = true;
    for (size_t i = find_part(whole, offset); fine && i < whole->count; i++) {
        if (whole->parts[i].first >= read.end) break;
        if (whole->parts[i].end > offset) fine = read_part(&read, &whole->parts[i]);
    }
    free(read.gathered);
    return fine;
}

/* Only what lies inside one row lies anywhere in one run. */
static bool locate_boxes(ByteSource *source, uint64_t offset, uint64_t n, int *fd, uint64_t *where)
{
    const Boxes *whole = (const Boxes *)source;
    for (size_t i = find_part(whole, offset); n && i < whole->count; i++) {
        const Part *part = &whole->parts[i];
        if (part->first > offset) break;
        uint64_t row = find_row(whole, part, offset);
        if (row == part->rows) continue;
        uint64_t at = row_start(whole, part, row);
        if (at > offset) continue;
        return n <= at + part->row - offset &&
               source_locate(part->source, part->offset + row * part->row + (offset - at), n, fd,
                             where);
    }
    return false;
}

static void close_boxes(ByteSource *source)
{
    Boxes *whole = (Boxes *)source;
    for (size_t i = 0; i < whole->count; i++) source_unref(whole->parts[i].source);
    free(whole->parts);
    free(whole->places);
    free((char *)source->name);
    free(whole);
}

/* -- Whether the parts fit ------------------------------------------------------------- */

/* What is asked of source_boxes, and its answer on the way. */
typedef struct Check {
    const int64_t *dims;
    unsigned rank, element;
    const SourceBox *boxes;
    size_t count;
    const char *name;
    BoxFault fault;
    Error *err;
} Check;

/* "[0, 0] + [4, 3]" */
static void show_box(const Check *check, const SourceBox *box, Text *out)
{
    for (unsigned k = 0; k < check->rank; k++)
        text_addf(out, "%s%" PRId64, k ? ", " : "[", box->from[k]);
    text_add(out, check->rank ? "] + " : "[] + ");
    for (unsigned k = 0; k < check->rank; k++)
        text_addf(out, "%s%" PRId64, k ? ", " : "[", box->size[k]);
    text_add(out, check->rank ? "]" : "[]");
}

/* "NAME: the part [0] + [2] WHAT"; always false. */
static bool refuse_box(Check *check, BoxFault fault, const SourceBox *box, const char *what,
                       const SourceBox *other)
{
    Text text = {0};
    show_box(check, box, &text);
    text_addf(&text, " %s", what);
    if (other) show_box(check, other, &text);
    check->fault = fault;
    error_set(check->err, ERR_FORMAT, "%s: the part %s", check->name, text_string(&text));
    text_done(&text);
    return false;
}

static bool refuse_many(Check *check, const SourceBox *box)
{
    char more[LIMIT_TEXT], what[LIMIT_TEXT + 80];
    snprintf(what, sizeof what, "is one of parts of which pairs must be compared, %s",
             limit_text(LIMIT_PIECE_PAIRS, more));
    return refuse_box(check, BOXES_TOO_MANY, box, what, NULL);
}

static bool is_empty(const SourceBox *box, unsigned rank)
{
    for (unsigned k = 0; k < rank; k++)
        if (box->size[k] == 0) return true;
    return false;
}

/* Inside the whole on every axis, and its bytes inside its source. The sum of all bytes cannot
 * overflow for long: two parts of more than half of the whole are noticed as too many bytes. */
static bool check_box(Check *check, const SourceBox *box, uint64_t *bytes)
{
    uint64_t own = check->element, end;
    for (unsigned k = 0; k < check->rank; k++) {
        if (box->from[k] < 0 || box->size[k] < 0 || box->size[k] > check->dims[k] ||
            box->from[k] > check->dims[k] - box->size[k])
            return refuse_box(check, BOXES_OUTSIDE, box, "reaches beyond the tensor", NULL);
        if (!sum_mul(own, (uint64_t)box->size[k], &own))
            return refuse_box(check, BOXES_OUTSIDE, box, "is beyond what 64 bits can count", NULL);
    }
    if (own && (!sum_add(box->offset, own, &end) || end > box->source->size))
        return refuse_box(check, BOXES_OUTSIDE, box, "has fewer bytes than it needs", NULL);
    if (sum_add(*bytes, own, bytes)) return true;
    return refuse_box(check, BOXES_OVERLAP, box, "is one of too many: they overlap", NULL);
}

static bool boxes_meet(const SourceBox *a, const SourceBox *b, unsigned rank)
{
    for (unsigned k = 0; k < rank; k++)
        if (a->from[k] >= b->from[k] + b->size[k] || b->from[k] >= a->from[k] + a->size[k])
            return false;
    return true;
}

/* A box and where it begins on one axis: what is sorted. */
typedef struct Start {
    int64_t from;
    size_t box;
} Start;

static int compare_starts(const void *a, const void *b)
{
    const Start *x = a, *y = b;
    if (x->from != y->from) return x->from < y->from ? -1 : 1;
    return x->box < y->box ? -1 : x->box > y->box;
}

/* Sorts the boxes by an axis; returns on how many different indices they begin. */
static size_t sort_starts(const Check *check, unsigned axis, Start *starts)
{
    size_t different = 0;
    for (size_t i = 0; i < check->count; i++) starts[i] = (Start){check->boxes[i].from[axis], i};
    qsort(starts, check->count, sizeof *starts, compare_starts);
    for (size_t i = 0; i < check->count; i++)
        different += i == 0 || starts[i].from != starts[i - 1].from;
    return different;
}

/* Only boxes that share an index of the axis are compared: of the axis that is cut most often,
 * so that slabs along any axis are compared with their neighbours alone. */
static bool check_overlap(Check *check, Start *starts)
{
    unsigned axis = 0;
    size_t most = 0, pairs = 0;
    for (unsigned k = 0; k < check->rank; k++) {
        size_t different = sort_starts(check, k, starts);
        if (different > most) {
            most = different;
            axis = k;
        }
    }
    sort_starts(check, axis, starts);
    for (size_t i = 0; i < check->count; i++) {
        const SourceBox *box = &check->boxes[starts[i].box];
        if (is_empty(box, check->rank)) continue;
        int64_t end = box->from[axis] + box->size[axis];
        for (size_t j = i + 1; j < check->count && starts[j].from < end; j++) {
            const SourceBox *other = &check->boxes[starts[j].box];
            if (++pairs > limit(LIMIT_PIECE_PAIRS)) return refuse_many(check, box);
            if (!is_empty(other, check->rank) && boxes_meet(box, other, check->rank))
                return refuse_box(check, BOXES_OVERLAP, box, "overlaps the part ", other);
        }
    }
    return true;
}

/* Parts that lie inside, do not meet and have as many bytes as the whole cover it. */
static bool check_cover(Check *check, uint64_t total)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < check->count; i++)
        if (!check_box(check, &check->boxes[i], &bytes)) return false;
    if (check->rank) {
        Start *starts = mem_alloc((check->count + 1) * sizeof *starts);
        bool fine = check_overlap(check, starts);
        free(starts);
        if (!fine) return false;
    }
    if (bytes == total) return true;
    check->fault = bytes < total ? BOXES_HOLE : BOXES_OVERLAP;
    return error_set(check->err, ERR_FORMAT, "%s: its parts have %" PRIu64 " of the %" PRIu64
                     " bytes: %s", check->name, bytes, total,
                     bytes < total ? "the rest is in none of them" : "they overlap");
}

/* Bytes of the whole; false when 63 bits cannot count them. */
static bool count_total(const Check *check, uint64_t *total)
{
    *total = check->element;
    for (unsigned k = 0; k < check->rank; k++)
        if (check->dims[k] < 0 || !sum_mul(*total, (uint64_t)check->dims[k], total) ||
            *total > INT64_MAX)
            return false;
    return true;
}

/* -- Making one ------------------------------------------------------------------------ */

/* The last axis that a part cuts; 0 when none does. */
static unsigned last_cut(const Check *check)
{
    for (unsigned k = check->rank; k-- > 1;)
        for (size_t i = 0; i < check->count; i++)
            if (check->boxes[i].size[k] != check->dims[k]) return k;
    return 0;
}

/* The part's places with the axes behind the last cut merged: they are whole in every part. */
static void merge_axes(const Check *check, const SourceBox *box, unsigned rank, uint64_t inner,
                       int64_t *from, int64_t *size)
{
    for (unsigned k = 0; k < rank; k++) {
        int64_t scale = k == rank - 1 ? (int64_t)inner : 1;
        from[k] = check->rank ? box->from[k] * scale : 0;
        size[k] = check->rank ? box->size[k] * scale : scale;
    }
}

static void add_part(Boxes *whole, const Check *check, const SourceBox *box, uint64_t inner)
{
    unsigned rank = whole->rank;
    int64_t *from = whole->places + 2 * rank * whole->count, *size = from + rank;
    Part *part = &whole->parts[whole->count++];
    merge_axes(check, box, rank, inner, from, size);
    *part = (Part){.source = source_ref(box->source), .offset = box->offset, .from = from,
                   .size = size, .rows = 1, .row = (uint64_t)size[rank - 1]};
    for (unsigned k = 0; k + 1 < rank; k++) part->rows *= (uint64_t)size[k];
    part->first = row_start(whole, part, 0);
    part->end = row_start(whole, part, part->rows - 1) + part->row;
}

static int compare_parts(const void *a, const void *b)
{
    const Part *x = a, *y = b;
    return x->first < y->first ? -1 : x->first > y->first;
}

/* The strides of the merged axes, in bytes; returns the bytes of an index of the last one. */
static uint64_t set_strides(Boxes *whole, const Check *check)
{
    uint64_t inner = check->element;
    for (unsigned k = whole->rank; k < check->rank; k++) inner *= (uint64_t)check->dims[k];
    uint64_t stride = inner;
    whole->strides[whole->rank - 1] = 1;
    for (unsigned k = whole->rank - 1; k-- > 0;) {
        stride *= (uint64_t)check->dims[k + 1];
        whole->strides[k] = stride;
    }
    return inner;
}

ByteSource *source_boxes(const int64_t *dims, unsigned rank, unsigned element,
                         const SourceBox *boxes, size_t count, const char *name, BoxFault *fault,
                         Error *err)
{
    static const ByteSourceOps ops = {read_boxes, locate_boxes, close_boxes, NULL};
    Check check = {dims, rank, element, boxes, count, name, BOXES_OUTSIDE, err};
    uint64_t total;
    if (fault) *fault = BOXES_OUTSIDE;
    if (rank > BOXES_RANK_MAX || !element || !count_total(&check, &total)) {
        error_set(err, ERR_FORMAT, "%s: it has more bytes than can be counted", name);
        return NULL;
    }
    bool fine = check_cover(&check, total);
    if (fault) *fault = fine ? BOXES_FIT : check.fault;
    if (!fine) return NULL;
    Boxes *whole = mem_alloc(sizeof *whole);
    whole->base.ops = &ops;
    whole->base.name = mem_strdup(name);
    whole->base.size = total;
    whole->base.refs = 1;
    whole->rank = last_cut(&check) + 1;
    whole->parts = mem_alloc((count + 1) * sizeof *whole->parts);
    whole->places = mem_alloc(2 * (count + 1) * whole->rank * sizeof *whole->places);
    uint64_t inner = set_strides(whole, &check);
    for (size_t i = 0; i < count; i++)
        if (!is_empty(&boxes[i], rank)) add_part(whole, &check, &boxes[i], inner);
    if (whole->count) qsort(whole->parts, whole->count, sizeof *whole->parts, compare_parts);
    uint64_t reach = 0;
    for (size_t i = 0; i < whole->count; i++) {
        if (whole->parts[i].end > reach) reach = whole->parts[i].end;
        whole->parts[i].reach = reach;
    }
    return &whole->base;
}
