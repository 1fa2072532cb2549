/* PyTorch numbers parameters in the order in which the optimizer was given them, and files do not
 * say more: numbers are named only where count and shapes agree with the weights. */
#include "repl/optimizer_view.h"

#include <string.h>

#include "loader/align/optimizer.h"
#include "loader/format/graph.h"
#include "loader/tensor/values.h"
#include "repl/object_value.h"

static bool is_optimizer(const Object *object)
{
    return object_get(object, "param_groups") && object_get(object, "state");
}

/* The first {'state', 'param_groups'} at most three levels down; its path is added. */
static const Object *find_optimizer(const Object *object, unsigned depth, Text *path)
{
    if (is_optimizer(object)) return object;
    const Object *dict = object_as_dict(object), *list = object_as_sequence(object);
    size_t length = path->length, n = dict ? dict->list.count / 2 : list ? list->list.count : 0;
    for (size_t i = 0; depth < 3 && i < n; i++) {
        if (dict) path_add_key(path, dict->list.items[2 * i]);
        else path_add_index(path, i);
        const Object *inner = dict ? dict->list.items[2 * i + 1] : list->list.items[i];
        const Object *found = find_optimizer(inner, depth + 1, path);
        if (found) return found;
        path->length = length;
        if (path->bytes) path->bytes[length] = '\0';
    }
    return NULL;
}

/* ---- names ---- */

/* The parameters of the source in the order in which an optimizer numbers them. */
typedef struct Named {
    const Alignment *alignment;
    const Tensor **tensors;      /* [count] */
    size_t count;
    bool sure;                   /* the optimizer has as many, and they fit it */
} Named;

static const Object *params_of(const Object *group)
{
    const Object *params = object_get(group, "params");
    return params ? object_as_sequence(params) : NULL;
}

/* Buffers have no state; what shares memory is told by its count only. */
static Named name_params(Arena *arena, const Alignment *alignment, const Object *groups)
{
    const StateDict *dict = align_source_dict(alignment);
    Named named = {.alignment = alignment,
                   .tensors = arena_alloc(arena, (dict_count(dict) + 1) * sizeof *named.tensors)};
    size_t wanted = 0;
    for (size_t i = 0; i < dict_count(dict); i++)
        if (!optimizer_is_buffer(alignment, dict_at(dict, i)->name))
            named.tensors[named.count++] = dict_at(dict, i);
    for (size_t i = 0; i < groups->list.count; i++) {
        const Object *list = params_of(groups->list.items[i]);
        wanted += list ? list->list.count : 0;
    }
    named.sure = wanted == named.count;
    return named;
}

/* The state of a parameter by its number or name; NULL: it was never stepped. */
static const Object *state_of(const Object *states, const Object *id)
{
    if (id->kind == OBJ_INT) return object_get_int(states, id->integer);
    return id->kind == OBJ_STR ? object_get(states, id->bytes.text) : NULL;
}

/* Whether all of its moments have the parameter's shape. */
static bool fits(const Object *state, const Tensor *param)
{
    const Object *dict = object_as_dict(state);
    for (size_t i = 0; dict && i + 1 < dict->list.count; i += 2) {
        const Object *value = dict->list.items[i + 1];
        bool moment = value->kind == OBJ_TENSOR && value->tensor &&
                      optimizer_is_moment(dict->list.items[i]);
        if (moment && !same_dims(value->tensor->dims, value->tensor->rank, param->dims,
                                 param->rank))
            return false;
    }
    return true;
}

/* Several groups (with and without weight decay) are numbered one behind the other, another
 * order than that of the weights: then a shape that does not fit says that no name is right. */
static void doubt_names(Named *named, const Object *groups, const Object *states)
{
    for (size_t i = 0; groups->list.count > 1 && i < groups->list.count; i++) {
        const Object *list = params_of(groups->list.items[i]);
        for (size_t k = 0; named->sure && list && k < list->list.count; k++) {
            const Object *id = list->list.items[k], *state = state_of(states, id);
            bool known = id->kind == OBJ_INT && id->integer >= 0 &&
                         (uint64_t)id->integer < named->count;
            if (known && state && !fits(state, named->tensors[id->integer])) named->sure = false;
        }
    }
}

/* NULL: nothing tells which one it is. */
static const Tensor *find_param(const Named *named, const Object *id)
{
    if (id->kind == OBJ_STR)
        return dict_find(align_source_dict(named->alignment), id->bytes.text);
    bool known = id->kind == OBJ_INT && named->sure && id->integer >= 0 &&
                 (uint64_t)id->integer < named->count;
    return known ? named->tensors[id->integer] : NULL;
}

/* ---- reading ---- */

/* The value of a scalar, such as a step; false when it cannot be read. */
static bool read_scalar(const Object *object, double *value)
{
    double number;
    unsigned char raw[16];
    const Tensor *tensor = object && object->kind == OBJ_TENSOR ? object->tensor : NULL;
    DType dtype = tensor ? tensor_value_dtype(tensor, NULL) : DT_UNKNOWN;
    if (dtype == DT_UNKNOWN || tensor->rank || dtype_size(dtype) > sizeof raw) return false;
    if (!tensor_read_values(tensor, NULL, NULL, raw, NULL, NULL)) return false;
    dtype_to_doubles(dtype, raw, &number, 1);
    *value = number;
    return true;
}

static void read_group(Arena *arena, const Named *named, const Object *group, const Object *states,
                       OptimizerGroup *out)
{
    const Object *params = params_of(group);
    *out = (OptimizerGroup){.options = object_as_dict(group),
                            .count = params ? params->list.count : 0};
    out->entries = arena_alloc(arena, (out->count + 1) * sizeof *out->entries);
    for (size_t i = 0; i < out->count; i++) {
        const Object *id = params->list.items[i], *state = state_of(states, id);
        const Tensor *param = find_param(named, id);
        out->entries[i] = (OptimizerEntry){id, param, state,
                                           !state || !param || fits(state, param)};
        out->with_state += state != NULL;
    }
    const Object *first = out->count ? out->entries[0].state : NULL;
    out->stepped = first && read_scalar(object_get(first, "step"), &out->step);
}

bool optimizer_view_read(Arena *arena, const Alignment *alignment, OptimizerView *out, Error *err)
{
    Text path = {0};
    const Object *root = checkpoint_root(align_source(alignment));
    const Object *found = root ? find_optimizer(root, 0, &path) : NULL;
    const Object *groups = found ? object_as_sequence(object_get(found, "param_groups")) : NULL;
    *out = (OptimizerView){.path = arena_strdup(arena, text_string(&path))};
    text_done(&path);
    if (!groups)
        return error_set(err, ERR_NOT_FOUND, "the source holds no optimizer state that is known");
    const Object *states = object_get(found, "state");
    Named named = name_params(arena, alignment, groups);
    doubt_names(&named, groups, states);
    out->sure = named.sure;
    out->count = groups->list.count;
    out->groups = arena_alloc(arena, (out->count + 1) * sizeof *out->groups);
    for (size_t i = 0; i < out->count; i++)
        read_group(arena, &named, groups->list.items[i], states, &out->groups[i]);
    return true;
}

/* ---- lines ---- */

/* "(0.9, 0.999)" of a few; longer ones are counted. */
static void show_option(const Object *object, Text *out)
{
    enum { FEW = 8 };
    const Object *list = object_as_sequence(object);
    if (!list || list->list.count > FEW) {
        object_plain(object, out);
        return;
    }
    for (size_t i = 0; i < list->list.count; i++) {
        text_add(out, i ? ", " : "(");
        object_plain(list->list.items[i], out);
    }
    text_add(out, list->list.count ? ")" : "()");
}

/* "step 100, exp_avg 64×3×7×7, …" of one parameter. */
static void show_state(const Object *state, Text *out)
{
    const Object *dict = object_as_dict(state);
    for (size_t i = 0; dict && i + 1 < dict->list.count; i += 2) {
        const Object *value = dict->list.items[i + 1];
        text_add(out, i ? ", " : "");
        object_plain(dict->list.items[i], out);
        text_addc(out, ' ');
        if (value->kind == OBJ_TENSOR && value->tensor)
            show_shape(value->tensor->dims, value->tensor->rank, out);
        else object_plain(value, out);
    }
}

/* "3  layer1.conv.weight", and at the right its state; a sign where a shape is another one. */
static void add_entry(TreeLines *lines, const OptimizerEntry *entry)
{
    Text text = {0}, name = {0};
    object_plain(entry->id, &name);
    if (entry->param && entry->id->kind != OBJ_STR) text_addf(&name, "  %s", entry->param->name);
    if (!entry->fits) text_add(&text, "≠ shape  ");
    if (entry->state) show_state(entry->state, &text);
    else text_add(&text, "no state");
    tree_add(lines, 2, !entry->fits ? STYLE_SHAPE : entry->state ? STYLE_PLAIN : STYLE_UNUSED,
             text_string(&name), text_string(&text));
    text_done(&text);
    text_done(&name);
}

static void add_group(TreeLines *lines, size_t index, const OptimizerGroup *group)
{
    const Object *dict = group->options;
    Text text = {0}, name = {0};
    text_addf(&name, "group %zu", index);
    text_addf(&text, "%zu parameters, %zu with state", group->count, group->with_state);
    if (group->stepped) text_addf(&text, ", step %.17g", group->step);
    tree_add(lines, 0, STYLE_MODULE, text_string(&name), text_string(&text));
    for (size_t i = 0; dict && i + 1 < dict->list.count; i += 2) {
        text_clear(&name);
        text_clear(&text);
        object_plain(dict->list.items[i], &name);
        if (strcmp(text_string(&name), "params") == 0) continue;
        show_option(dict->list.items[i + 1], &text);
        tree_add(lines, 1, STYLE_PLAIN, text_string(&name), text_string(&text));
    }
    tree_add(lines, 1, STYLE_MODULE, "params", NULL);
    for (size_t i = 0; i < group->count; i++) add_entry(lines, &group->entries[i]);
    text_done(&text);
    text_done(&name);
}

void optimizer_view_lines(const OptimizerView *view, TreeLines *lines)
{
    if (!view->sure)
        tree_add(lines, 0, STYLE_DIM, "which number is which weight, nothing in the file tells",
                 NULL);
    for (size_t i = 0; i < view->count; i++) add_group(lines, i, &view->groups[i]);
}

/* ---- a table ---- */

/* A step is the number that it is. */
static Value *state_value(Arena *arena, const Object *state, size_t *nodes)
{
    const Object *dict = object_as_dict(state);
    Value *map = value_map(arena);
    Text name = {0};
    for (size_t i = 0; dict && i + 1 < dict->list.count; i += 2) {
        double number;
        text_clear(&name);
        object_plain(dict->list.items[i], &name);
        value_put(arena, map, text_string(&name),
                  read_scalar(dict->list.items[i + 1], &number)
                      ? value_float(arena, number)
                      : object_value(arena, dict->list.items[i + 1], nodes));
    }
    text_done(&name);
    return map;
}

static Value *entry_value(Arena *arena, const OptimizerEntry *entry, size_t *nodes)
{
    Value *map = value_map(arena);
    value_put(arena, map, "id", object_value(arena, entry->id, nodes));
    if (entry->param)
        value_put(arena, map, "name", value_string(arena, entry->param->name));
    value_put(arena, map, "fits", value_bool(arena, entry->fits));
    if (entry->state) value_put(arena, map, "state", state_value(arena, entry->state, nodes));
    return map;
}

static Value *group_value(Arena *arena, const OptimizerGroup *group, size_t *nodes)
{
    const Object *dict = group->options;
    Value *map = value_map(arena), *params = value_list(arena);
    Text name = {0};
    for (size_t i = 0; dict && i + 1 < dict->list.count; i += 2) {
        text_clear(&name);
        object_plain(dict->list.items[i], &name);
        if (strcmp(text_string(&name), "params") != 0)
            value_put(arena, map, text_string(&name),
                      object_value(arena, dict->list.items[i + 1], nodes));
    }
    for (size_t i = 0; i < group->count; i++)
        value_push(arena, params, entry_value(arena, &group->entries[i], nodes));
    value_put(arena, map, "params", params);
    text_done(&name);
    return map;
}

Value *optimizer_view_value(Arena *arena, const OptimizerView *view)
{
    size_t nodes = 0;
    Value *map = value_map(arena), *groups = value_list(arena);
    value_put(arena, map, "path", value_string(arena, view->path));
    value_put(arena, map, "sure", value_bool(arena, view->sure));
    for (size_t i = 0; i < view->count; i++)
        value_push(arena, groups, group_value(arena, &view->groups[i], &nodes));
    value_put(arena, map, "groups", groups);
    return map;
}
