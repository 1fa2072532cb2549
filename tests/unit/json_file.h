/* JSON files in tests, and the tensors that a schema in them names. */
#ifndef TESTS_UNIT_JSON_FILE_H
#define TESTS_UNIT_JSON_FILE_H

#include <stdlib.h>

#include "loader/core/json.h"
#include "loader/source/file_text.h"
#include "loader/tensor/dict.h"

/* NULL: it is not there. */
static inline const Value *json_file(Arena *arena, const char *path)
{
    size_t n;
    Error err = {0};
    char *text = file_text(path, 1 << 24, &n, NULL);
    if (!text) return NULL;
    const Value *root = json_parse(arena, text, n, path, 1 << 20, &err);
    if (!root) fail_msg("%s", err.text);
    free(text);
    return root;
}

/* The tensors of a schema in their order, all of f32. `give` adds the data of the i-th; or NULL. */
static inline StateDict *schema_dict(const Value *schema, void *context,
                                     void (*give)(void *context, Tensor *tensor, size_t i))
{
    StateDict *dict = dict_new();
    Arena *arena = dict_arena(dict);
    const Value *list = value_get(schema, "tensors");
    dict_set_ordered(dict, true);
    for (size_t i = 0; i < list->list.count; i++) {
        const Value *item = list->list.items[i].value, *shape = value_get(item, "shape");
        Tensor tensor = {.name = arena_strdup(arena, value_get_string(item, "key", NULL)),
                         .dtype = DT_F32, .rank = (uint8_t)shape->list.count};
        int64_t *dims = arena_alloc(arena, (tensor.rank + 1u) * sizeof *dims);
        for (unsigned d = 0; d < tensor.rank; d++) dims[d] = shape->list.items[d].value->integer;
        tensor.dims = dims;
        if (give) give(context, &tensor, i);
        assert_true(dict_add(dict, &tensor));
    }
    return dict;
}

#endif
