/* Sorting makes a second array of rows in which siblings stand in another order, each with all that
 * is below it; the model then takes it in place of its own. A row's key is a number, bottom up:
 * the sum, the least or the worst of what is below it. Names are compared as they are.
 *
 * A million rows take a second, so they are sorted by a thread: it only reads rows, which nothing
 * changes, and what it makes is taken over when it is done. */
#include <stdlib.h>
#include <string.h>

#include "loader/core/job.h"
#include "viewer/rows.h"

/* As many rows are sorted before the next frame; after how many comparisons a thread asks whether
 * it is still wanted. */
enum { SORTED_AT_ONCE = 20000, COMPARED_BETWEEN_LOOKS = 4096 };

#define ROW_ORDER_INFO(id, word, help) {word, help},
static const struct { const char *word, *help; } orders[] = {ROW_ORDERS(ROW_ORDER_INFO)};
#undef ROW_ORDER_INFO

const char *row_order_word(RowOrder order)
{
    return orders[order].word;
}

const char *row_order_help(RowOrder order)
{
    return orders[order].help;
}

RowOrder row_order_of(const char *word)
{
    int order = 0;
    while (order < ROW_ORDER_COUNT && strcmp(orders[order].word, word) != 0) order++;
    return (RowOrder)order;
}

/* A row as it is compared. */
typedef struct Sibling {
    uint64_t key;            /* the smaller comes first */
    uint32_t row, built;     /* equal ones stand as in target order */
} Sibling;

/* The work: what it reads is the model's and stays as it is; what it makes is its own. */
typedef struct RowSort {
    const RowModel *model;
    RowOrder order;
    Job *job;                /* owned; NULL: done on the spot */
    Job *asked;              /* the same, for the thread to ask whether it is still wanted */
    uint64_t *keys;          /* [count]; NULL for names */
    Sibling *stack;          /* [3/2 count] siblings of all rows on the way down, room to sort */
    uint32_t *place;         /* [count] the new index of a row */
    Row *rows;               /* [count] in the new order, with all that goes by their index */
    RowSpan *spans;
    uint64_t *bytes;
    uint32_t *sure;          /* NULL but for confidence */
    uint32_t *built, *row_of_binding, *row_of_use;
    uint32_t next;           /* the next new index */
    unsigned compared;
    bool stop;
} RowSort;

static uint32_t built_at(const RowModel *model, uint32_t row)
{
    return model->built ? model->built[row] : row;
}

/* The key of one tensor, but for its size. */
static uint64_t key_of(const RowSort *sort, uint32_t index)
{
    const RowModel *model = sort->model;
    const Binding *binding = rows_binding(model, index);
    switch (sort->order) {
    case ORDER_SOURCE: {
        if (!binding) return model->rows[index].item;
        const StateDict *source = align_source_dict(model->alignment);
        uint64_t first = UINT64_MAX;
        for (uint32_t i = 0; i < binding->source_count; i++) {
            uint64_t at = dict_index(source, binding->sources[i]);
            if (at < first) first = at;
        }
        return first;
    }
    case ORDER_STATE: return ROW_STATE_COUNT - state_worst(model->spans[index].states & STATE_ALL);
    case ORDER_CONFIDENCE:
        if (!binding || !model->rows[index].loaded) return UINT64_MAX;
        return (uint64_t)((double)binding->confidence * SURE_ONE);
    default: return 0;
    }
}

/* Bytes or, where no dtype is known, values. */
static uint64_t size_of(const RowModel *model, uint32_t index)
{
    const Tensor *tensor = rows_tensor(model, index);
    uint64_t bytes = model->bytes[index];
    return bytes || !tensor ? bytes : tensor_count(tensor);
}

/* Bottom up; a row's are complete when it is met, since those below it come after it. Sizes are
 * summed up, and turned round so that the largest comes first; of the others the least counts. */
static void find_keys(RowSort *sort)
{
    const RowModel *model = sort->model;
    bool sizes = sort->order == ORDER_SIZE;
    if (sort->order == ORDER_TARGET || sort->order == ORDER_NAME) return;
    sort->keys = mem_alloc((model->count + 1) * sizeof *sort->keys);
    if (!sizes) memset(sort->keys, 0xFF, model->count * sizeof *sort->keys);
    for (size_t i = model->count; i-- > 0;) {
        const Row *row = &model->rows[i];
        uint64_t *key = &sort->keys[i];
        uint64_t *above = row->parent == ROW_NONE ? NULL : &sort->keys[row->parent];
        if (row_is_tensor(row)) *key = sizes ? size_of(model, (uint32_t)i)
                                             : key_of(sort, (uint32_t)i);
        if (above && sizes) *above += *key;
        else if (above && *key < *above) *above = *key;
    }
    for (size_t i = 0; sizes && i < model->count; i++) sort->keys[i] = ~sort->keys[i];
}

/* Labels of the target, where there is none of the source: what the eye reads. */
static int compare_labels(const RowModel *model, uint32_t a, uint32_t b)
{
    const RowSide *side[2];
    const uint32_t rows[2] = {a, b};
    for (int i = 0; i < 2; i++) {
        side[i] = &model->rows[rows[i]].side[SIDE_TARGET];
        if (!side[i]->path) side[i] = &model->rows[rows[i]].side[SIDE_SOURCE];
        if (!side[i]->path) return 0;
    }
    return natural_compare_n(side[0]->path + side[0]->from, side[0]->to - side[0]->from,
                             side[1]->path + side[1]->from, side[1]->to - side[1]->from);
}

static int compare(RowSort *sort, const Sibling *a, const Sibling *b)
{
    if (sort->asked && ++sort->compared % COMPARED_BETWEEN_LOOKS == 0 && !sort->stop)
        sort->stop = !job_step(sort->asked, sort->next, sort->model->count, NULL);
    if (a->key != b->key) return a->key < b->key ? -1 : 1;
    int order = sort->order == ORDER_NAME ? compare_labels(sort->model, a->row, b->row) : 0;
    return order ? order : (a->built > b->built) - (a->built < b->built);
}

/* By merging: qsort could not be told to stop. What is in order already, as most is, is not
 * touched. `spare` has room for half of them. */
static void merge_sort(RowSort *sort, Sibling *list, Sibling *spare, size_t n)
{
    size_t half = n / 2, left = 0, right = half, to = 0;
    if (n < 2 || sort->stop) return;
    merge_sort(sort, list, spare, half);
    merge_sort(sort, list + half, spare, n - half);
    if (compare(sort, &list[half - 1], &list[half]) <= 0) return;
    memcpy(spare, list, half * sizeof *list);
    while (left < half && right < n && !sort->stop) {
        bool first = compare(sort, &spare[left], &list[right]) <= 0;
        list[to++] = first ? spare[left++] : list[right++];
    }
    while (left < half) list[to++] = spare[left++];
}

/* The rows from `row` up to `stop`, which are siblings with all below them. As deep as the tree
 * is. `used`: of the stack. */
static void place_siblings(RowSort *sort, uint32_t row, uint32_t stop, size_t used)
{
    const RowModel *model = sort->model;
    Sibling *siblings = sort->stack + used;
    size_t n = 0;
    for (uint32_t i = row; i < stop; i = model->spans[i].end)
        siblings[n++] = (Sibling){sort->keys ? sort->keys[i] : 0, i, built_at(model, i)};
    merge_sort(sort, siblings, siblings + n, n);
    for (size_t k = 0; k < n && !sort->stop; k++) {
        uint32_t i = siblings[k].row;
        sort->place[i] = sort->next++;
        place_siblings(sort, i + 1, model->spans[i].end, used + n);
    }
}

/* A subtree keeps its size, so that ends follow from places. */
static void move_rows(RowSort *sort)
{
    const RowModel *model = sort->model;
    for (size_t i = 0; i < model->count; i++) {
        uint32_t to = sort->place[i];
        Row row = model->rows[i];
        if (row.parent != ROW_NONE) row.parent = sort->place[row.parent];
        sort->rows[to] = row;
        sort->spans[to] = model->spans[i];
        sort->spans[to].end = to + (model->spans[i].end - (uint32_t)i);
        sort->bytes[to] = model->bytes[i];
        if (sort->sure)
            sort->sure[to] = sort->keys[i] > SURE_ONE ? SURE_NONE : (uint32_t)sort->keys[i];
        sort->built[to] = built_at(model, (uint32_t)i);
        if (!row_is_tensor(&row)) continue;
        if (row.side[SIDE_TARGET].path) sort->row_of_binding[row.item] = to;
        else sort->row_of_use[row.item] = to;
    }
}

static bool run(Job *job, void *context, Error *err)
{
    RowSort *sort = context;
    const RowModel *model = sort->model;
    size_t n = model->count, uses = align_use_count(model->alignment);
    sort->asked = job;
    sort->stack = mem_alloc((n + n / 2 + 1) * sizeof *sort->stack);
    sort->place = mem_alloc((n + 1) * sizeof *sort->place);
    find_keys(sort);
    place_siblings(sort, 0, (uint32_t)n, 0);
    free(sort->stack);   /* here, where nobody waits for it */
    sort->stack = NULL;
    if (sort->stop) return error_set(err, ERR_CANCELLED, "no longer wanted");
    sort->rows = mem_alloc((n + 1) * sizeof *sort->rows);
    sort->spans = mem_alloc((n + 1) * sizeof *sort->spans);
    sort->bytes = mem_alloc((n + 1) * sizeof *sort->bytes);
    if (sort->order == ORDER_CONFIDENCE) sort->sure = mem_alloc((n + 1) * sizeof *sort->sure);
    sort->built = mem_alloc((n + 1) * sizeof *sort->built);
    sort->row_of_binding = mem_alloc((align_count(model->alignment) + 1) *
                                     sizeof *sort->row_of_binding);
    sort->row_of_use = mem_alloc((uses + 1) * sizeof *sort->row_of_use);
    memset(sort->row_of_use, 0xFF, uses * sizeof *sort->row_of_use);
    move_rows(sort);
    free(sort->keys);
    sort->keys = NULL;
    return true;
}

static void free_sort(RowSort *sort)
{
    free(sort->keys);
    free(sort->stack);
    free(sort->place);
    free(sort->rows);
    free(sort->spans);
    free(sort->bytes);
    free(sort->sure);
    free(sort->built);
    free(sort->row_of_binding);
    free(sort->row_of_use);
    free(sort);
}

/* A byte for each row, in the new order; NULL stays NULL. */
static uint8_t *moved(uint8_t *old, const uint32_t *place, size_t n)
{
    if (!old) return NULL;
    uint8_t *bytes = mem_alloc(n + 1);
    for (size_t i = 0; i < n; i++) bytes[place[i]] = old[i];
    free(old);
    return bytes;
}

#define EXCHANGE(type, a, b) do { type *kept = (a); (a) = (b); (b) = kept; } while (0)

/* What the thread has made becomes the model's, which gives its own to be freed. The rest is a byte
 * a row, and is moved here: it may have changed meanwhile. A filter that was at work begins again
 * where it was: rows it has not seen yet may stand anywhere now. */
static void take(RowModel *model, RowSort *sort)
{
    size_t n = model->count;
    EXCHANGE(Row, model->rows, sort->rows);
    EXCHANGE(RowSpan, model->spans, sort->spans);
    EXCHANGE(uint64_t, model->bytes, sort->bytes);
    EXCHANGE(uint32_t, model->sure, sort->sure);
    EXCHANGE(uint32_t, model->built, sort->built);
    EXCHANGE(uint32_t, model->row_of_binding, sort->row_of_binding);
    EXCHANGE(uint32_t, model->row_of_use, sort->row_of_use);
    model->room = n;
    model->order = sort->order;
    model->open = moved(model->open, sort->place, n);
    model->marks = moved(model->marks, sort->place, n);
    model->before_filter = moved(model->before_filter, sort->place, n);
    model->pass = moved(model->pass, sort->place, n);
    if (rows_filter_due(model)) {
        memset(model->pass, 0, n);
        model->filter_next = 0;
        model->passed = 0;
    }
    rows_list(model);
}

void rows_sort_cancel(RowModel *model)
{
    RowSort *sort = model->sorting;
    if (!sort) return;
    job_free(sort->job, NULL);
    free_sort(sort);
    model->sorting = NULL;
}

RowOrder rows_order(const RowModel *model)
{
    return model->sorting ? model->sorting->order : model->order;
}

void rows_sort(RowModel *model, RowOrder order)
{
    rows_sort_cancel(model);
    if (order == model->order) return;
    RowSort *sort = mem_alloc(sizeof *sort);
    *sort = (RowSort){.model = model, .order = order};
    model->sorting = sort;
    if (model->count <= SORTED_AT_ONCE) run(NULL, sort, NULL);
    else sort->job = job_start(run, sort);
}

bool rows_sort_take(RowModel *model, uint32_t *row)
{
    RowSort *sort = model->sorting;
    if (!sort || (sort->job && !job_poll(sort->job, NULL, NULL))) return false;
    bool ok = job_free(sort->job, NULL);
    if (ok && *row != ROW_NONE) *row = sort->place[*row];
    if (ok) take(model, sort);
    free_sort(sort);
    model->sorting = NULL;
    return ok;
}
