/* Two lists of names with shapes from bytes, aligned automatically: "NAME\tSIZE,SIZE" a line, the
 * target behind an empty line; a line without a shape has none that is known, and one whose name
 * was there, as no state dict has it, is none. Every bundle is checked against what was given. */
#include <stdlib.h>
#include <string.h>

#include "loader/align/auto.h"
#include "loader/core/text.h"

#define SET(...)                                                                        \
    {.phrases = (const char *const[]){__VA_ARGS__},                                     \
     .count = sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *)}

enum { LINES_MAX = 400 };
static const LexiconSet sets[] = {SET("q", "wq"), SET("k", "wk"), SET("v", "wv"), SET("qkv", "c"),
                                  SET("gate", "w1"), SET("up", "w3"), SET("norm", "ln")};
static const LexiconSet roles[] = {SET("weight", "kernel", "w"), SET("bias", "b")};
static const char *const wrappers[] = {"module"};
#define PARTS(...)                                                                      \
    .parts = (const char *const[]){__VA_ARGS__},                                        \
    .part_count = sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *)
static const LexiconFused fused[] = {
    {.names = SET("qkv", "c"), PARTS("q", "k", "v"), .turns = 1},
    {.names = SET("wqkv"), PARTS("k", "q"), .turns = TURNS_HEADS},
    {.names = SET("wqkv", "gateup"), .turns = TURNS_ROWS, .last = true}};
static const Lexicon lexicon = {.sets = sets, .count = countof(sets), .fused = fused,
                                .fused_count = countof(fused), .roles = roles,
                                .role_count = countof(roles), .wrappers = wrappers,
                                .wrapper_count = 1};
/* What an answer says q is. */
static const char *const said[] = {NULL, "wq", "wq+wk", "2*(wk+wv+wq)"};

static void read_shape(Arena *arena, const char *at, const char *end, AutoTensor *tensor)
{
    int64_t *dims = arena_alloc(arena, 8 * sizeof *dims);
    tensor->dims = dims;
    while (at < end && tensor->rank < 8) {
        int64_t size = 0;
        while (at < end && is_digit(*at)) size = (size * 10 + (*at++ - '0')) & 0xFFFFFFFFFFFF;
        dims[tensor->rank++] = size;
        if (at < end) at++;
    }
}

static bool is_named(const AutoSide *side, const char *name)
{
    for (size_t i = 0; i < side->count; i++)
        if (strcmp(side->tensors[i].name, name) == 0) return true;
    return false;
}

static const char *read_side(Arena *arena, const char *at, const char *end, AutoSide *side)
{
    AutoTensor *tensors = arena_alloc(arena, LINES_MAX * sizeof *tensors);
    *side = (AutoSide){.tensors = tensors};
    while (at < end && *at != '\n' && side->count < LINES_MAX) {
        const char *line = memchr(at, '\n', (size_t)(end - at));
        if (!line) line = end;
        const char *tab = memchr(at, '\t', (size_t)(line - at));
        AutoTensor *tensor = &tensors[side->count];
        *tensor = (AutoTensor){.name = name_hold(arena, at, (size_t)((tab ? tab : line) - at))};
        if (tab) read_shape(arena, tab + 1, line, tensor);
        side->count += !is_named(side, tensor->name);
        at = line < end ? line + 1 : end;
    }
    return at < end ? at + 1 : end;
}

static bool is_there(const AutoSide *side, const char *name)
{
    for (size_t i = 0; i < side->count; i++)
        if (side->tensors[i].name == name) return true;
    return false;
}

static const AutoTensor *find(const AutoSide *side, const char *name)
{
    for (size_t i = 0; i < side->count; i++)
        if (side->tensors[i].name == name) return &side->tensors[i];
    abort();
}

/* What a bundle joins and takes apart must have the shapes of its targets. */
static void check_shapes(Arena *arena, const Bundle *bundle, const AutoSide *source,
                         const AutoSide *target)
{
    RuleValue value = {arena_alloc(arena, bundle->source_count * sizeof(ExprList)),
                       bundle->source_count};
    for (size_t j = 0; j < bundle->source_count; j++) {
        const NameList *list = &bundle->sources[j];
        const Expr **items = arena_alloc(arena, list->count * sizeof *items);
        for (size_t k = 0; k < list->count; k++) {
            const AutoTensor *given = find(source, list->names[k]);
            if (!given->dims) return;
            Tensor *tensor = arena_alloc(arena, sizeof *tensor);
            *tensor = (Tensor){.name = given->name, .dims = given->dims, .rank = given->rank,
                               .dtype = DT_F32};
            items[k] = expr_source(arena, tensor);
        }
        value.lists[j] = (ExprList){items, list->count, list->count > 1};
    }
    const OpContext context = {.arena = arena, .names = bundle->targets,
                               .name_count = bundle->target_count};
    Error err = {0};
    for (size_t i = 0; i < bundle->op_count; i++)
        if (!op_apply(&bundle->ops[i], &context, &value, &err)) abort();
    for (size_t j = 0; j < bundle->target_count; j++) {
        const AutoTensor *wanted = find(target, bundle->targets[j]);
        const Expr *made = value.lists[0].items[j];
        if (value.count != 1 || value.lists[0].count != bundle->target_count) abort();
        if (wanted->dims && !same_dims(made->dims, made->rank, wanted->dims, wanted->rank)) abort();
    }
}

static void check(const Bundle *bundles, size_t n, const AutoSide *source, const AutoSide *target)
{
    for (size_t i = 0; i < n; i++) {
        Arena *arena = arena_new();
        if (bundles[i].op_count) check_shapes(arena, &bundles[i], source, target);
        arena_free(arena);
        for (size_t j = 0; j < bundles[i].target_count; j++)
            if (!is_there(target, bundles[i].targets[j])) abort();
        for (size_t j = 0; j < bundles[i].source_count; j++)
            for (size_t k = 0; k < bundles[i].sources[j].count; k++)
                if (!is_there(source, bundles[i].sources[j].names[k])) abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) return 0;
    Arena *arena = arena_new();
    AutoSide source, target;
    const char *at = (const char *)data + 2, *end = (const char *)data + size;
    at = read_side(arena, at, end, &source);
    read_side(arena, at, end, &target);
    AutoAnswer answer = {"q", said[(data[1] & 1) | (data[0] >> 6 & 2)]};
    AutoAnchor anchor = {data[1] >> 1 & 7, data[1] >> 4};
    AutoOptions options = {.lexicon = data[0] & 1 ? &lexicon : NULL, .accept = 0.2f,
                           .answers = &answer, .answer_count = data[0] >> 1 & 1,
                           .anchors = &anchor, .anchor_count = data[0] >> 2 & 1,
                           .assume = (AutoLayout)(data[0] >> 3 & 3)};
    Error err = {0};
    const AutoResult *result = auto_align(arena, &source, &target, &options, &err);
    if (!result) abort();
    check(result->bundles, result->bundle_count, &source, &target);
    check(result->likely, result->likely_count, &source, &target);
    for (size_t i = 1; i < result->bundle_count; i++)
        if (result->bundles[i].targets[0] == result->bundles[i - 1].targets[0]) abort();
    arena_free(arena);
    return 0;
}
