/* Small models for tests of automatic alignment: both sides as text, and what came out. */
#ifndef TESTS_UNIT_AUTO_MODEL_H
#define TESTS_UNIT_AUTO_MODEL_H

#include "tests/unit/test.h"

#include <stdlib.h>

#include "loader/core/text.h"
#include "tests/unit/auto_lexicon.h"

/* Both sides of a small model. "NAME 4,3" a line; {0-3} in a name is four lines, a shape of ? is
 * not known. */
typedef struct Model {
    Arena *arena;
    AutoTensor tensors[2][512];
    size_t count[2];
    AutoOptions options;
    const AutoResult *result;
} Model;

static inline void add_line(Model *model, int side, const char *name, const char *shape)
{
    AutoTensor *tensor = &model->tensors[side][model->count[side]++];
    *tensor = (AutoTensor){.name = name, .dtype = DT_F32};
    if (*shape == '?') return;
    int64_t *dims = arena_alloc(model->arena, 8 * sizeof *dims);
    while (*shape) {
        dims[tensor->rank++] = strtoll(shape, (char **)(uintptr_t)&shape, 10);
        if (*shape) shape++;
    }
    tensor->dims = dims;
}

static inline void add_side(Model *model, int side, const char *text)
{
    while (*text) {
        size_t n = strcspn(text, "\n"), name = strcspn(text, " ");
        char *line = arena_strndup(model->arena, text, n), *brace = strstr(line, "{0-");
        const char *shape = line + name + 1;
        line[name] = 0;
        int last = brace ? atoi(brace + 3) : 0;
        for (int i = 0; i <= last; i++)
            add_line(model, side, brace ? arena_printf(model->arena, "%.*s%d%s",
                                                       (int)(brace - line), line, i,
                                                       strchr(brace, '}') + 1) : line, shape);
        text += n;
        if (*text) text++;
    }
}

static inline void start(Model *model, const char *source, const char *target)
{
    *model = (Model){.arena = arena_new(), .options = {.lexicon = &test_lexicon, .accept = 0.2f}};
    add_side(model, 0, source);
    add_side(model, 1, target);
}

static inline void align(Model *model)
{
    AutoSide source = {model->tensors[0], model->count[0], false};
    AutoSide target = {model->tensors[1], model->count[1], false};
    Error err = {0};
    model->result = auto_align(model->arena, &source, &target, &model->options, &err);
    assert_non_null(model->result);
}

static inline void finish(Model *model)
{
    arena_free(model->arena);
}

static inline const Bundle *find_bundle(const Model *model, const char *target)
{
    for (size_t i = 0; i < model->result->bundle_count; i++)
        for (size_t j = 0; j < model->result->bundles[i].target_count; j++)
            if (strcmp(model->result->bundles[i].targets[j], target) == 0)
                return &model->result->bundles[i];
    return NULL;
}

static inline void assert_from(const Model *model, const char *target, const char *source)
{
    const Bundle *bundle = find_bundle(model, target);
    const char *found = bundle ? bundle->sources[0].names[0] : "nothing";
    if (strcmp(found, source) != 0) fail_msg("%s comes from %s", target, found);
}

static inline void assert_open(const Model *model, const char *target)
{
    const Bundle *bundle = find_bundle(model, target);
    if (bundle) fail_msg("%s comes from %s", target, bundle->sources[0].names[0]);
}

static inline void assert_op(const Model *model, const char *target, size_t index, OpKind kind)
{
    const Bundle *bundle = find_bundle(model, target);
    assert_non_null(bundle);
    assert_true(index < bundle->op_count);
    assert_int_equal(bundle->ops[index].kind, kind);
}

#endif
