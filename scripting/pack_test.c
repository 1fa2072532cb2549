/* The tests of rule files: a source is made of the tensors that the head lists, with a number of
 * its own in every element; the rules run over it with the tensors behind @gives as target; then
 * every name, shape and source is compared, and each @same. Where the pack goes back, what came
 * out is the source of a second run, whose result must be the first source bit for bit. */
#include <stdlib.h>
#include <string.h>

#include "loader/align/align.h"
#include "scripting/pack.h"
#include "scripting/script.h"

enum { ELEMENTS_MAX = 1 << 20, TEXT_MAX = 512 };

/* One run of the rules. */
typedef struct Side {
    Checkpoint *source;
    StateDict *given;            /* the source's tensors; owned by it */
    StateDict *target;           /* a reference */
    Alignment *alignment;        /* a reference; NULL until it ran */
} Side;

static void close_side(Side *side)
{
    align_unref(side->alignment);
    dict_unref(side->target);
    checkpoint_unref(side->source);
}

/* Always false. */
static bool blame(const char *name, int line, Error *err)
{
    return error_prefix(err, "%s:%d", name, line);
}

/* The number `value` as an element; what is no number type here is refused by find_width. */
static void write_element(DType dtype, uint64_t value, void *out)
{
    const float single = (float)value;
    const double real = (double)value;
    const unsigned size = dtype_size(dtype);
    if (dtype == DT_F32) memcpy(out, &single, sizeof single);
    else if (dtype == DT_F64) memcpy(out, &real, sizeof real);
    else if (dtype == DT_BOOL) *(unsigned char *)out = value & 1;
    else
        for (unsigned i = 0; i < size; i++)
            ((unsigned char *)out)[i] = (unsigned char)(value >> (8 * i));
}

/* Bytes of an element. Half floats get patterns 1, 2, 3 … which are finite for small tests. */
static bool find_width(const PackTensor *tensor, unsigned *width, Error *err)
{
    *width = dtype_size(tensor->dtype);
    return *width || error_set(err, ERR_RULE, "%s: a test cannot make up %s values", tensor->name,
                               dtype_name(tensor->dtype));
}

/* Hands a tensor its bytes, which are copied. */
static void give_bytes(Side *side, Tensor *tensor, const void *bytes, size_t n)
{
    Arena *arena = dict_arena(side->given);
    Storage *storage = arena_alloc(arena, sizeof *storage);
    *storage = (Storage){.source = source_from_memory(bytes, n, "values"), .bytes = n,
                         .dtype = tensor->dtype, .index = (uint32_t)dict_count(side->given)};
    checkpoint_own_source(side->source, storage->source);
    tensor->storage = storage;
}

static void open_source(Side *side)
{
    side->source = checkpoint_new("source", "test");
    side->given = dict_new();
    dict_set_ordered(side->given, true);
    checkpoint_add_container(side->source, "", side->given, 0, false);
}

/* A record whose name and sizes are borrowed from the head. */
static Tensor make_tensor(const PackTensor *tensor)
{
    return (Tensor){.name = tensor->name, .dtype = tensor->dtype, .dims = tensor->dims,
                    .rank = tensor->rank, .layout = (uint8_t)tensor->layout};
}

/* The tensors before, numbered on through all of them. */
static bool make_source(Side *side, const PackTensors *list, Error *err)
{
    uint64_t number = 1;
    open_source(side);
    for (size_t i = 0; i < list->count; i++) {
        Tensor tensor = make_tensor(&list->items[i]);
        unsigned width;
        if (!find_width(&list->items[i], &width, err)) return false;
        uint64_t count = 1;
        for (unsigned d = 0; d < tensor.rank; d++)
            if (!sum_mul(count, (uint64_t)tensor.dims[d], &count) || count > ELEMENTS_MAX)
                count = ELEMENTS_MAX;
        if (number + count > ELEMENTS_MAX)
            return error_set(err, ERR_LIMIT, "a test may have %d elements", ELEMENTS_MAX);
        unsigned char *bytes = mem_alloc(count * width + 1);
        for (uint64_t e = 0; e < count; e++)
            write_element(tensor.dtype, number++, bytes + e * width);
        give_bytes(side, &tensor, bytes, count * width);
        free(bytes);
        if (!dict_add(side->given, &tensor))
            return error_set(err, ERR_RULE, "'%s' stands there twice", tensor.name);
    }
    return true;
}

/* What a run gave, as the source of the next one. */
static bool make_source_of(Side *side, const Alignment *alignment, Error *err)
{
    open_source(side);
    for (size_t i = 0; i < align_count(alignment); i++) {
        const Binding *binding = align_binding(alignment, i);
        Tensor tensor = *binding->target;
        const uint64_t n = tensor_bytes(&tensor);
        unsigned char *bytes = mem_alloc(n + 1);
        const bool ok = expr_fill(binding->expr, NULL, NULL, bytes, err);
        if (ok) give_bytes(side, &tensor, bytes, n);
        free(bytes);
        if (!ok || !dict_add(side->given, &tensor)) return false;
    }
    return true;
}

static bool add_target(Side *side, const PackTensor *tensor, Error *err)
{
    const Tensor record = make_tensor(tensor);
    return dict_add(side->target, &record) ||
           error_set(err, ERR_RULE, "'%s' stands there twice", tensor->name);
}

/* Runs the text between source and target; what a script may not leave open is an error. */
static bool run_rules(Side *side, const char *text, size_t n, const char *name,
                      const char *options, const atomic_bool *interrupt, Error *err)
{
    Draft *draft = draft_new(side->source, NULL, side->target, 0);
    Script *script = script_new(draft, &(ScriptOptions){.interrupt = interrupt});
    const bool ok = script_run_with(script, text, n, name, options, err);
    script_free(script);
    if (!ok) {
        draft_free(draft);
        return false;
    }
    return (side->alignment = align_finish(draft, err)) != NULL;
}

/* ---- what came of it ---- */

/* The first thing that stands open: a note, a collision, a target, a source. */
static bool find_open(const Side *side, Error *err)
{
    const Alignment *alignment = side->alignment;
    for (size_t i = 0; i < align_note_count(alignment); i++)
        if (align_note(alignment, i)->level == NOTE_ERROR)
            return error_set(err, ERR_RULE, "%s", align_note(alignment, i)->text);
    if (align_collision_count(alignment))
        return error_set(err, ERR_RULE, "several keys become '%s'",
                         align_collision(alignment, 0)->name);
    for (size_t i = 0; i < align_count(alignment); i++) {
        const Binding *binding = align_binding(alignment, i);
        if (binding->status != BIND_LOADED)
            return error_set(err, ERR_RULE, "'%s' is %s%s%s", binding->name,
                             bind_word(binding->status), binding->reason ? ": " : "",
                             binding->reason ? binding->reason : "");
    }
    for (size_t i = 0; i < align_use_count(alignment); i++) {
        const SourceUse *use = align_use(alignment, i);
        if (use->status == USE_UNUSED)
            return error_set(err, ERR_RULE, "'%s' is neither used nor dropped%s%s",
                             use->tensor->name, use->reason ? ": " : "",
                             use->reason ? use->reason : "");
    }
    return true;
}

/* Whether a target comes from exactly the keys that its line names, in any order. */
static bool check_sources(const Binding *binding, const PackTensor *tensor, Error *err)
{
    Text got = {0};
    size_t found = 0;
    for (uint32_t i = 0; i < binding->source_count; i++) {
        text_addf(&got, "%s%s", i ? ", " : "", binding->sources[i]->name);
        for (size_t k = 0; k < tensor->from_count; k++)
            found += strcmp(tensor->from[k], binding->sources[i]->name) == 0;
    }
    const bool ok = found == tensor->from_count && binding->source_count == tensor->from_count;
    if (!ok)
        error_set(err, ERR_RULE, "'%s' comes from %.*s, not from %s%s", tensor->name, TEXT_MAX / 2,
                  text_string(&got), tensor->from[0], tensor->from_count > 1 ? " and others" : "");
    text_done(&got);
    return ok;
}

/* One element's bytes. */
static bool read_element(const Expr *expr, const int64_t *at, size_t rank, const char *name,
                         unsigned char out[16], Error *err)
{
    bool inside = rank == expr->rank;
    int64_t ones[8] = {1, 1, 1, 1, 1, 1, 1, 1};
    for (size_t d = 0; inside && d < rank; d++) inside = at[d] < expr->dims[d];
    if (!inside) return error_set(err, ERR_RULE, "'%s' has no such element", name);
    return expr_fill(expr, at, ones, out, err);
}

static bool check_same(const Side *side, const PackSame *same, Error *err)
{
    const Binding *target = align_find(side->alignment, same->target);
    const Tensor *source = dict_find(side->given, same->source);
    if (!target || !source)
        return error_set(err, ERR_RULE, "there is no tensor '%s'",
                         target ? same->source : same->target);
    if (target->expr->dtype != source->dtype)
        return error_set(err, ERR_RULE, "'%s' and '%s' differ in type", same->target, same->source);
    unsigned char got[16] = {0}, want[16] = {0};
    Arena *arena = arena_new();
    const Expr *value = expr_source(arena, source);
    const bool read = read_element(target->expr, same->at, same->rank, same->target, got, err) &&
                      read_element(value, same->from, same->source_rank, same->source, want, err);
    arena_free(arena);
    if (!read) return false;
    return memcmp(got, want, sizeof got) == 0 ||
           error_set(err, ERR_RULE, "the element of '%s' is not that of '%s'", same->target,
                     same->source);
}

static bool check_forward(const Side *side, const PackCase *one, const char *name, Error *err)
{
    if (!find_open(side, err)) return blame(name, one->line, err);
    for (size_t i = 0; i < one->after.count; i++) {
        const PackTensor *tensor = &one->after.items[i];
        if (!check_sources(align_find(side->alignment, tensor->name), tensor, err))
            return blame(name, tensor->line, err);
    }
    for (size_t i = 0; i < one->same_count; i++)
        if (!check_same(side, &one->same[i], err)) return blame(name, one->same[i].line, err);
    return true;
}

/* Bit for bit what the first run began with. */
static bool check_back(const Side *back, const Side *side, Error *err)
{
    if (!find_open(back, err)) return false;
    for (size_t i = 0; i < align_count(back->alignment); i++) {
        const Binding *binding = align_binding(back->alignment, i);
        const Tensor *first = dict_find(side->given, binding->name);
        const size_t n = (size_t)tensor_bytes(first);
        Arena *arena = arena_new();
        unsigned char *got = mem_alloc(n + 1), *want = mem_alloc(n + 1);
        const bool read = expr_fill(binding->expr, NULL, NULL, got, err) &&
                          expr_fill(expr_source(arena, first), NULL, NULL, want, err);
        const bool same = read && memcmp(got, want, n) == 0;
        free(got);
        free(want);
        arena_free(arena);
        if (!read) return false;
        if (!same) return error_set(err, ERR_RULE, "'%s' has other values", binding->name);
    }
    return true;
}

/* What was dropped on the way does not come back: the target is what was used. */
static bool test_back(const Side *side, const PackCase *one, const char *text, size_t n,
                      const char *name, const atomic_bool *interrupt, Error *err)
{
    Side back = {.target = dict_new()};
    dict_set_ordered(back.target, true);
    Text options = {0};
    text_addf(&options, "%s%sreverse=true", one->options, *one->options ? ", " : "");
    bool ok = make_source_of(&back, side->alignment, err);
    for (size_t i = 0; ok && i < one->before.count; i++) {
        const SourceUse *use = align_find_use(side->alignment, one->before.items[i].name);
        if (use->status == USE_USED) ok = add_target(&back, &one->before.items[i], err);
    }
    ok = ok && run_rules(&back, text, n, name, text_string(&options), interrupt, err) &&
         check_back(&back, side, err);
    text_done(&options);
    close_side(&back);
    return ok;
}

bool pack_test(const PackHead *head, const PackCase *one, const char *text, size_t n,
               const char *name, const atomic_bool *interrupt, Error *err)
{
    Side side = {.target = dict_new()};
    dict_set_ordered(side.target, true);
    bool ok = make_source(&side, &one->before, err);
    for (size_t i = 0; ok && i < one->after.count; i++)
        ok = add_target(&side, &one->after.items[i], err);
    if (ok) ok = run_rules(&side, text, n, name, one->options, interrupt, err);
    if (!ok) blame(name, one->line, err);
    else ok = check_forward(&side, one, name, err);
    if (ok && head->reverse && !one->oneway &&
        !test_back(&side, one, text, n, name, interrupt, err)) {
        error_prefix(err, "in reverse");
        ok = blame(name, one->line, err);
    }
    close_side(&side);
    return ok;
}
