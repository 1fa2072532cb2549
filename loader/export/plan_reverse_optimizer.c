#include "loader/export/plan_reverse_optimizer.h"

#include <stdlib.h>
#include <string.h>

#include "loader/align/expr_reverse.h"
#include "loader/align/groups.h"
#include "loader/core/map.h"
#include "loader/format/graph.h"

/* A parameter of the source, as "source" lists it: in the order of its numbers. */
typedef struct Before {
    const Tensor *weight;        /* of the schema */
    uint32_t group;
    const char *state;           /* its path; NULL: it has none */
    const char **moments;        /* [moment_count] of that state: their paths, and keys */
    const char **keys;
    size_t moment_count;
} Before;

/* A parameter of the output. */
typedef struct After {
    const Object *id;            /* its number, or name */
    bool fresh;
} After;

typedef struct Undoing {
    const PlanFile *file;        /* borrowed, as is all here but `reverse` and what it says */
    const PlanSchema *schema;
    const Expr *const *weights;
    Arena *arena;
    const char *path;            /* of the optimizer */
    StateDict *moments;          /* of the source, without data; a reference */
    Reverse *reverse;            /* owned */
    NameMap names;               /* a parameter of the output → its place in `after`; owned */
    After *after;
    Before *before;
    size_t before_count, group_count;    /* of the source */
    OptimizerInverse *out;
    Error *err;
} Undoing;

static bool refuse(const Undoing *undoing, const char *what)
{
    return error_set(undoing->err, ERR_FORMAT, "%s: its \"optimizer_state\" is none: %s",
                     undoing->file->path, what);
}

static const Value *get_list(const Value *map, const char *key)
{
    const Value *list = value_get(map, key);
    return list && list->kind == VALUE_LIST ? list : NULL;
}

static void remark(Undoing *undoing, const char *name, const char *why, bool lost)
{
    undoing->out->remarks[undoing->out->remark_count++] = (PlanRemark){name, why, NULL, lost};
    undoing->out->losses += lost;
}

/* "optimizer.state[0].exp_avg" */
static const char *member_path(const Undoing *undoing, const char *state, const char *key)
{
    Text path = {0};
    text_add(&path, state);
    path_add_key(&path, object_str(undoing->arena, key));
    return text_keep(&path, undoing->arena);
}

/* ---- the source ---- */

/* ["exp_avg", "f32"]: a moment has the shape of its weight. */
static bool read_moment(Undoing *undoing, Before *before, const Value *pair)
{
    bool texts = pair->kind == VALUE_LIST && pair->list.count == 2 &&
                 pair->list.items[0].value->kind == VALUE_STRING &&
                 pair->list.items[1].value->kind == VALUE_STRING;
    DType dtype = texts ? dtype_from_name(pair->list.items[1].value->string) : DT_UNKNOWN;
    if (dtype == DT_UNKNOWN) return refuse(undoing, "a moment of the source");
    const char *key = pair->list.items[0].value->string;
    Tensor tensor = {.name = member_path(undoing, before->state, key),
                     .dims = before->weight->dims, .rank = before->weight->rank, .dtype = dtype};
    if (!tensor_check(&tensor, undoing->err)) return error_prefix(undoing->err, "%s",
                                                                  undoing->file->path);
    if (!dict_add(undoing->moments, &tensor)) return refuse(undoing, "a moment stands twice");
    before->keys[before->moment_count] = key;
    before->moments[before->moment_count++] = tensor.name;
    return true;
}

static bool read_before(Undoing *undoing, const Value *map, Before *before)
{
    const char *name = value_get_string(map, "name", NULL);
    const int64_t group = value_get_int(map, "group", -1);
    const Value *moments = get_list(map, "moments");
    const size_t n = moments ? moments->list.count : 0;
    before->weight = name ? dict_find(undoing->schema->source, name) : NULL;
    if (!before->weight || !before->weight->dims)
        return refuse(undoing, "a parameter is no tensor of the source");
    if (group < 0 || group > UINT16_MAX) return refuse(undoing, "a parameter's group");
    before->group = (uint32_t)group;
    if (undoing->group_count <= before->group) undoing->group_count = before->group + 1;
    before->state = value_get_string(map, "state", NULL);
    if (!before->state) return !n || refuse(undoing, "moments without a state");
    before->keys = arena_alloc(undoing->arena, (n + 1) * sizeof *before->keys);
    before->moments = arena_alloc(undoing->arena, (n + 1) * sizeof *before->moments);
    for (size_t i = 0; i < n; i++)
        if (!read_moment(undoing, before, moments->list.items[i].value)) return false;
    return true;
}

static bool read_source(Undoing *undoing, const Value *list)
{
    undoing->before = arena_alloc(undoing->arena, (list->list.count + 1) * sizeof(Before));
    for (size_t i = 0; i < list->list.count; i++)
        if (!read_before(undoing, list->list.items[i].value, &undoing->before[i])) return false;
    undoing->before_count = list->list.count;
    return true;
}

/* ---- the output ---- */

/* What a moment of the output is made of. */
static bool add_moment(Undoing *undoing, const Object *id, const Value *pair)
{
    if (pair->kind != VALUE_LIST || pair->list.count != 2 ||
        pair->list.items[0].value->kind != VALUE_STRING)
        return refuse(undoing, "a parameter's moments");
    const Expr *e = expr_read_json(undoing->arena, pair->list.items[1].value, undoing->moments,
                                   NULL, undoing->err);
    if (!e) return error_prefix(undoing->err, "%s: optimizer_state", undoing->file->path);
    if (e->unknown) return refuse(undoing, "a moment's shape");
    Tensor *tensor = arena_alloc(undoing->arena, sizeof *tensor);
    *tensor = (Tensor){.name = optimizer_state_path(undoing->arena, undoing->path, id,
                                                    pair->list.items[0].value->string),
                       .dims = e->dims, .rank = e->rank, .dtype = e->dtype};
    reverse_add(undoing->reverse, tensor, e);
    return true;
}

static bool read_output(Undoing *undoing, const Value *list, bool named)
{
    const size_t n = list ? list->list.count : 0;
    undoing->after = arena_alloc(undoing->arena, (n + 1) * sizeof *undoing->after);
    for (size_t i = 0; i < n; i++) {
        const Value *map = list->list.items[i].value, *moments = get_list(map, "moments");
        const char *name = value_get_string(map, "name", NULL);
        if (!name || map_set(&undoing->names, name, (uint32_t)i) != MAP_NONE)
            return refuse(undoing, "the name of a parameter");
        After *after = &undoing->after[i];
        after->id = named ? object_str(undoing->arena, name)
                          : object_int(undoing->arena, (int64_t)i);
        after->fresh = !value_get_string(map, "state", NULL);
        for (size_t k = 0; moments && k < moments->list.count; k++)
            if (!add_moment(undoing, after->id, moments->list.items[k].value)) return false;
    }
    return true;
}

/* ---- the way back ---- */

typedef struct Leaf {
    const char *name;
} Leaf;

static void take_first(const Tensor *tensor, void *context)
{
    Leaf *leaf = context;
    if (!leaf->name) leaf->name = tensor->name;
}

/* The parameter of the output that has something of the weight; NULL: it is none. */
static const After *find_after(const Undoing *undoing, const Expr *weight)
{
    Leaf leaf = {NULL};
    expr_leaves(weight, take_first, &leaf);
    const uint32_t place = leaf.name ? map_get(&undoing->names, leaf.name) : MAP_NONE;
    return place == MAP_NONE ? NULL : &undoing->after[place];
}

/* Gives the parameter its moments back; why not, else NULL. */
static const char *take_back(Undoing *undoing, const Before *before, OptimizerParam *param)
{
    OptimizerValue *values =
        arena_alloc(undoing->arena, (before->moment_count + 1) * sizeof *values);
    bool rounded = false;
    for (size_t i = 0; i < before->moment_count; i++) {
        const ReverseAnswer answer =
            reverse_find(undoing->reverse, dict_find(undoing->moments, before->moments[i]));
        if (!answer.expr) return answer.loss ? answer.loss : "nothing of it is in the output";
        values[i] = (OptimizerValue){.key = object_str(undoing->arena, before->keys[i]),
                                     .expr = answer.expr};
        rounded = rounded || answer.rounded;
    }
    if (rounded) remark(undoing, before->state, "comes back to within rounding", false);
    param->values = values;
    param->count = before->moment_count;
    return NULL;
}

/* False: its weight does not come back, so that it is no parameter any more. */
static bool undo_param(Undoing *undoing, const Before *before, OptimizerParam *param)
{
    const Expr *weight = undoing->weights[dict_index(undoing->schema->source, before->weight)];
    const After *after = weight ? find_after(undoing, weight) : NULL;
    Binding *binding = arena_alloc(undoing->arena, sizeof *binding);
    binding->name = before->weight->name;
    *param = (OptimizerParam){.binding = binding, .group = before->group,
                              .fresh = "no state comes back"};
    if (weight && !before->state) return true;
    const char *why = !weight                  ? "its weight does not come back"
                      : !after || after->fresh ? "it started fresh in the output"
                                               : take_back(undoing, before, param);
    if (why && before->state) remark(undoing, before->state, why, true);
    if (weight && !why) {
        param->fresh = NULL;
        param->id = after->id;
    }
    return weight != NULL;
}

/* Which of the output's groups has the options of each of the source's: 1 + its index, 0: none. One
 * in which group(…) changed some does not count. */
static bool find_groups(const Undoing *undoing, const Value *list, size_t *group_of)
{
    for (size_t i = list->list.count; i-- > 0;) {
        const Value *map = list->list.items[i].value;
        const int64_t from = value_get_int(map, "from", -1);
        if (from < 0) return refuse(undoing, "a group comes from none of the source");
        if ((uint64_t)from < undoing->group_count && !value_get(map, "options"))
            group_of[from] = i + 1;
    }
    return true;
}

/* A node of which only the number of groups counts: the output need not be there. */
static Object *stand_in(Arena *arena, size_t groups)
{
    Object *node = object_new(arena, OBJ_DICT), *list = object_new(arena, OBJ_LIST);
    for (size_t i = 0; i < groups; i++) object_push(arena, list, object_new(arena, OBJ_DICT));
    object_push(arena, node, object_str(arena, "param_groups"));
    object_push(arena, node, list);
    return node;
}

/* Options that no group of the output has are those that the plan has noted, in the place of the
 * first group's. */
static bool undo_groups(Undoing *undoing, OptimizerMove *move, const Value *list,
                        const Value *noted)
{
    if (!list || !list->list.count) return refuse(undoing, "it has no groups");
    const size_t n = undoing->group_count;
    size_t *group_of = arena_alloc(undoing->arena, (n + 1) * sizeof *group_of);
    const Object **groups = arena_alloc(undoing->arena, (n + 1) * sizeof *groups);
    const Value **options = arena_alloc(undoing->arena, (n + 1) * sizeof *options);
    if (!find_groups(undoing, list, group_of)) return false;
    move->node = stand_in(undoing->arena, list->list.count);
    const Object *all = object_get(move->node, "param_groups");
    for (size_t g = 0; g < n; g++) {
        groups[g] = all->list.items[group_of[g] ? group_of[g] - 1 : 0];
        if (group_of[g]) continue;
        const Value *map = noted && g < noted->list.count ? noted->list.items[g].value : NULL;
        if (map && groups_are_options(map)) options[g] = map;
        else
            remark(undoing, arena_printf(undoing->arena, "%s.param_groups[%zu]", undoing->path, g),
                   "its options are in no group of the output", true);
    }
    move->groups = groups;
    move->options = options;
    move->group_count = n;
    return true;
}

static bool undo_all(Undoing *undoing)
{
    const Value *state = undoing->file->optimizer, *named = value_get(state, "named");
    OptimizerMove *move = arena_alloc(undoing->arena, sizeof *move);
    OptimizerRule *rule = arena_alloc(undoing->arena, sizeof *rule);
    OptimizerInverse *out = undoing->out;
    move->rule = rule;
    rule->from = undoing->path;
    move->named = named && named->kind == VALUE_BOOL && named->boolean;
    out->move = move;
    const Value *source = get_list(state, "source");
    out->remarks = arena_alloc(undoing->arena, sizeof *out->remarks);
    if (!source) {
        move->left_out = true;
        remark(undoing, undoing->path, "the plan does not say what the source's was", true);
        return true;
    }
    if (!read_source(undoing, source)) return false;
    out->remarks = arena_alloc(undoing->arena, (undoing->before_count + undoing->group_count + 1) *
                                                   sizeof *out->remarks);
    if (!read_output(undoing, get_list(state, "params"), move->named)) return false;
    if (!reverse_run(undoing->reverse, undoing->err))
        return error_prefix(undoing->err, "%s", undoing->file->path);
    move->params = arena_alloc(undoing->arena, (undoing->before_count + 1) * sizeof *move->params);
    for (size_t i = 0; i < undoing->before_count; i++)
        move->count += undo_param(undoing, &undoing->before[i], &move->params[move->count]);
    return undo_groups(undoing, move, get_list(state, "groups"), get_list(state, "source_groups"));
}

bool plan_inverse_optimizer(const PlanFile *file, const PlanSchema *schema,
                            const Expr *const *weights, OptimizerInverse *out, Error *err)
{
    *out = (OptimizerInverse){0};
    Undoing undoing = {.file = file, .schema = schema, .weights = weights, .arena = schema->arena,
                       .path = value_get_string(file->optimizer, "path", ""),
                       .moments = dict_new(), .reverse = reverse_new(schema->arena), .out = out,
                       .err = err};
    bool fine = undo_all(&undoing);
    map_done(&undoing.names);
    reverse_free(undoing.reverse);
    dict_unref(undoing.moments);
    return fine;
}
