/* Moving: a target's parameter gets the state of the source parameters that its value is made of,
 * through the same operations. */
#include "loader/align/optimizer.h"

#include <stdlib.h>
#include <string.h>

#include "loader/align/align_parts.h"
#include "loader/align/groups.h"
#include "loader/format/graph.h"

/* One run: what is read and what is made. */
typedef struct Mover {
    const Alignment *alignment;
    const OptimizerRule *rule;
    SourceOptimizer source;
    uint32_t *param_of;          /* owned, [source tensors]: 1 + index of source.params; 0 = none */
    OptimizerMove *move;
    Arena *arena;                /* the alignment's */
} Mover;

/* ---- one moment through the value's expression ---- */

/* What a weight's factor does to a member of the state. */
typedef enum Power { POWER_FIRST = 1, POWER_SECOND = 2 } Power;

/* One member of the state, while it takes the way of the weight. */
typedef struct Way {
    Mover *mover;
    const char *key;
    Power power;
} Way;

/* Squares of gradients, and sums of them. */
static Power power_of(const char *key)
{
    static const char *const squares[] = {"sq", "square", "sum", "acc_delta"};
    for (size_t i = 0; i < countof(squares); i++)
        if (strstr(key, squares[i])) return POWER_SECOND;
    return POWER_FIRST;
}

static const SourceParam *find_param(const Mover *mover, const Tensor *tensor)
{
    uint32_t index = align_source_index(mover->alignment, tensor);
    uint32_t param = index == MAP_NONE ? 0 : mover->param_of[index];
    return param ? &mover->source.params[param - 1] : NULL;
}

/* The moment of a part, under a name for errors and plans: a tensor of an object tree has none. */
static const Expr *take_moment(const Way *way, const SourceParam *param, const Object *value)
{
    Arena *arena = way->mover->arena;
    Tensor *tensor = arena_copy(arena, value->tensor, sizeof *tensor);
    tensor->name = optimizer_state_path(arena, way->mover->rule->from, param->id, way->key);
    return expr_source(arena, tensor);
}

static const Expr *move_expr(const Way *way, const Expr *e, Error *err);

static const Expr *move_operands(const Way *way, const Expr *e, Error *err)
{
    Arena *arena = way->mover->arena;
    const Expr **parts = arena_alloc(arena, (e->count + 1) * sizeof *parts);
    for (uint32_t i = 0; i < e->count; i++)
        if (!(parts[i] = move_expr(way, e->from[i], err))) return NULL;
    switch (e->kind) {
    case EX_CAT: return expr_cat(arena, e->axis, parts, e->count, err);
    case EX_STACK: return expr_stack(arena, e->axis, parts, e->count, err);
    case EX_SLICE:
        return expr_slice(arena, parts[0], e->slice.axis, e->slice.from, e->slice.to, err);
    case EX_PICK:
        return expr_pick(arena, parts[0], e->pick.axis, e->pick.index, (size_t)e->pick.count, err);
    case EX_PERMUTE: return expr_permute(arena, parts[0], e->order, e->rank, err);
    default: return expr_reshape(arena, parts[0], e->dims, e->rank, err);
    }
}

/* As deep as the weight's expression, which EXPR_DEPTH_MAX bounds. A cast is the weight's alone:
 * moments keep their dtype. A constant that was added changes no gradient. */
static const Expr *move_expr(const Way *way, const Expr *e, Error *err)
{
    switch (e->kind) {
    case EX_SOURCE: {
        const SourceParam *param = find_param(way->mover, e->tensor);
        const Object *value = param ? object_get(param->state, way->key) : NULL;
        if (value && value->kind == OBJ_TENSOR) return take_moment(way, param, value);
        error_set(err, ERR_SHAPE, "a part of it has no state");
        return NULL;
    }
    case EX_CAT: case EX_STACK: case EX_SLICE: case EX_PICK: case EX_PERMUTE: case EX_RESHAPE:
        return move_operands(way, e, err);
    case EX_CAST:
    case EX_SHIFT: return move_expr(way, e->from[0], err);
    case EX_MUL: {
        const Expr *operand = move_expr(way, e->from[0], err);
        double factor = way->power == POWER_SECOND ? e->constant * e->constant : e->constant;
        if (operand && factor != 0) return expr_mul(way->mover->arena, operand, 1 / factor, err);
        if (operand) error_set(err, ERR_SHAPE, "its weight is times 0");
        return NULL;
    }
    default:
        error_set(err, ERR_SHAPE, "its values are computed");
        return NULL;
    }
}

/* ---- members that are no moments ---- */

/* Numbers, text and scalars of equal value; scalars are read. */
static bool is_equal(const Object *a, const Object *b, bool *equal, Error *err)
{
    unsigned char one[16] = {0}, two[16] = {0};
    *equal = false;
    if (a->kind != b->kind) return true;
    switch ((ObjectKind)a->kind) {
    case OBJ_NONE: *equal = true; return true;
    case OBJ_BOOL: *equal = a->boolean == b->boolean; return true;
    case OBJ_INT: *equal = a->integer == b->integer; return true;
    case OBJ_FLOAT: *equal = memcmp(&a->number, &b->number, sizeof a->number) == 0; return true;
    case OBJ_STR: *equal = strcmp(a->bytes.text, b->bytes.text) == 0; return true;
    case OBJ_TENSOR: break;
    default: *equal = a == b; return true;
    }
    const Tensor *x = a->tensor, *y = b->tensor;
    if (x->dtype != y->dtype || x->rank || y->rank || tensor_bytes(x) > sizeof one) return true;
    if (!tensor_read(x, NULL, NULL, one, err) || !tensor_read(y, NULL, NULL, two, err))
        return false;
    *equal = memcmp(one, two, sizeof one) == 0;
    return true;
}

/* ---- the parameters that one value is made of ---- */

typedef struct Leaves {
    Mover *mover;
    const SourceParam **params;  /* owned, growing; each once */
    size_t count, room;
    bool strange;                /* something else is in it: a buffer, a target's own rows */
} Leaves;

static void see_leaf(const Tensor *tensor, void *context)
{
    Leaves *leaves = context;
    const SourceParam *param = find_param(leaves->mover, tensor);
    leaves->strange = leaves->strange || !param;
    for (size_t i = 0; param && i < leaves->count; i++)
        if (leaves->params[i] == param) return;
    if (!param) return;
    leaves->params = mem_grow(leaves->params, &leaves->room, leaves->count + 1,
                              sizeof(*leaves->params));
    leaves->params[leaves->count++] = param;
}

/* The weight's own tensor where it was only renamed or cast; NULL: an operation came between. */
static const Tensor *renamed(const Expr *e)
{
    while (e->kind == EX_CAST) e = e->from[0];
    return e->kind == EX_SOURCE ? e->tensor : NULL;
}

bool optimizer_moves(const SourceParam *param, const Object *key, const Object *value)
{
    const Tensor *own = param->tensor;
    return key->kind == OBJ_STR && value->kind == OBJ_TENSOR && own->dims &&
           (value->tensor->rank || optimizer_is_moment(key)) &&
           same_dims(value->tensor->dims, value->tensor->rank, own->dims, own->rank);
}

/* One member of the state. False: an error of the rule. *why: the parameter starts fresh. */
static bool move_member(Mover *mover, const OptimizerParam *param, const Leaves *leaves,
                        const Object *key, const Object *value, OptimizerValue *out,
                        const char **why, Error *err)
{
    *out = (OptimizerValue){.key = key, .value = value};
    if (key->kind != OBJ_STR) return true;
    if (optimizer_moves(leaves->params[0], key, value)) {
        Way way = {mover, key->bytes.text, power_of(key->bytes.text)};
        Error reason = {0};
        out->expr = move_expr(&way, param->binding->expr, &reason);
        bool fits = out->expr && same_dims(out->expr->dims, out->expr->rank, param->binding->dims,
                                           param->binding->rank);
        if (!out->expr) *why = arena_strdup(mover->arena, reason.text);
        else if (!fits) *why = "another shape than the weight's";
        return true;
    }
    bool shaped = value->kind == OBJ_TENSOR && value->tensor->rank;
    if (shaped && !renamed(param->binding->expr)) *why = "its state is of another shape";
    for (size_t i = 1; !*why && i < leaves->count; i++) {
        const Object *other = object_get(leaves->params[i]->state, key->bytes.text);
        bool equal = false;
        if (other && !is_equal(value, other, &equal, err)) return false;
        if (equal) continue;
        Text name = {0};
        name_show(param->binding->name, &name);
        error_set(err, ERR_RULE, "optimizer: the parts of '%s' have unequal '%s'; they cannot "
                  "become one parameter with state", text_string(&name), key->bytes.text);
        text_done(&name);
        return false;
    }
    return true;
}

/* Parts that are to become one must have the same members. */
static const char *find_obstacle(const OptimizerParam *param, const Leaves *leaves)
{
    const Binding *binding = param->binding;
    bool loaded = binding->status == BIND_LOADED || binding->status == BIND_TIED;
    if (!loaded || !binding->expr || binding->partial) {
        if (binding->status == BIND_FILLED) return "filled";
        return binding->partial ? "loaded in part" : "not loaded";
    }
    if (leaves->strange || !leaves->count) return "not made of parameters alone";
    for (size_t i = 0; i < leaves->count; i++) {
        const Object *first = leaves->params[0]->state, *state = leaves->params[i]->state;
        if (!state) return "no state in the source";
        if (state->list.count != first->list.count) return "its parts have unlike states";
    }
    return NULL;
}

static bool move_param(Mover *mover, OptimizerParam *param, Error *err)
{
    Leaves leaves = {.mover = mover};
    BindStatus status = param->binding->status;
    const Expr *e = status == BIND_LOADED || status == BIND_TIED ? param->binding->expr : NULL;
    if (e) expr_leaves(e, see_leaf, &leaves);
    param->group = leaves.count ? leaves.params[0]->group
                                : (uint32_t)(mover->source.group_count - 1);
    if (mover->rule->one_group) param->group = 0;
    param->fresh = find_obstacle(param, &leaves);
    bool fine = true;
    if (!param->fresh) {
        const Object *state = leaves.params[0]->state;
        param->id = leaves.params[0]->id;
        OptimizerValue *values =
            arena_alloc(mover->arena, (state->list.count / 2 + 1) * sizeof *values);
        for (size_t i = 0; fine && !param->fresh && i + 1 < state->list.count; i += 2)
            fine = move_member(mover, param, &leaves, state->list.items[i],
                               state->list.items[i + 1], &values[param->count++], &param->fresh,
                               err);
        param->values = values;
    }
    if (param->fresh) param->count = 0;
    free(leaves.params);
    return fine;
}

/* ---- the target's parameters ---- */

/* The lowest index of those that are one; paths are halved on the way. */
static uint32_t find_first(uint32_t *first, uint32_t i)
{
    while (first[i] != i) i = first[i] = first[first[i]];
    return i;
}

/* What one parameter of a model is: the first of those that share memory, in the target or by
 * tie(). */
bool *optimizer_tied(const Alignment *alignment)
{
    size_t n = align_count(alignment);
    const Tensor **tensors = mem_alloc((n + 1) * sizeof *tensors);
    const Tensor none = {0};
    bool *tied = mem_alloc((n + 1) * sizeof *tied);
    for (size_t i = 0; i < n; i++) {
        const Binding *binding = align_binding(alignment, i);
        const Tensor *own = binding->target;
        if (!own && binding->expr) own = renamed(binding->expr);
        tensors[i] = own ? own : &none;
    }
    uint32_t *first = optimizer_aliases(tensors, n);
    for (size_t i = 0; i < n; i++) {
        const Binding *other = align_binding(alignment, i)->tied_to;
        if (!other) continue;
        uint32_t a = find_first(first, (uint32_t)i);
        uint32_t b = find_first(first, (uint32_t)(other - align_binding(alignment, 0)));
        first[a > b ? a : b] = a < b ? a : b;
    }
    for (size_t i = 0; i < n; i++) tied[i] = find_first(first, (uint32_t)i) != i;
    free(first);
    free(tensors);
    return tied;
}

static bool refuse_name(const char *name, const char *what, Error *err)
{
    Text shown = {0};
    name_show(name, &shown);
    error_set(err, ERR_RULE, "optimizer: '%s' %s", text_string(&shown), what);
    text_done(&shown);
    return false;
}

/* In the order that the statement gives; every parameter of the target must be in it. */
static bool list_by_order(Mover *mover, size_t params, Error *err)
{
    OptimizerMove *move = mover->move;
    for (size_t i = 0; i < mover->rule->order_count; i++) {
        const char *name = mover->rule->order[i];
        const Binding *binding = align_find(mover->alignment, name);
        if (!binding) return refuse_name(name, "of order is no tensor of the target", err);
        if (move->count < params) move->params[move->count].binding = binding;
        move->count++;
    }
    if (move->count == params) return true;
    return error_set(err, ERR_RULE, "optimizer: order names %zu parameters, the target has %zu "
                     "(without buffers and tied ones)", move->count, params);
}

/* Whether freeze has taken the parameter out. Both lists are in target order. */
static bool skip_frozen(const ParamGroups *groups, const Binding *binding, size_t *next)
{
    if (!groups || *next >= groups->frozen_count || groups->frozen[*next] != binding) return false;
    ++*next;
    return true;
}

/* Buffers and later ones of tied tensors are no parameters; those that are frozen are in no
 * optimizer. */
static void list_params(Mover *mover)
{
    const Alignment *alignment = mover->alignment;
    const ParamGroups *groups = align_groups(alignment);
    OptimizerMove *move = mover->move;
    bool *tied = optimizer_tied(alignment);
    size_t frozen = 0;
    for (size_t i = 0; i < align_count(alignment); i++) {
        const Binding *binding = align_binding(alignment, i);
        if (skip_frozen(groups, binding, &frozen)) continue;
        if (!tied[i] && !optimizer_is_buffer(alignment, binding->name))
            move->params[move->count++].binding = binding;
    }
    free(tied);
}

/* Group by group, as group(…) says: the order in which an optimizer made of these groups numbers
 * its parameters. */
static void list_by_groups(Mover *mover, const ParamGroups *groups)
{
    OptimizerMove *move = mover->move;
    for (size_t g = 0; g < groups->group_count; g++)
        for (size_t i = 0; i < groups->groups[g].count; i++)
            move->params[move->count++].binding = groups->groups[g].params[i];
}

/* The groups of group(…), if there is such a statement; NULL else. */
static const ParamGroups *find_groups(const Mover *mover)
{
    bool said = align_later(mover->alignment)->group_count > 0;
    return said ? align_groups(mover->alignment) : NULL;
}

static bool list_target(Mover *mover, Error *err)
{
    const Alignment *alignment = mover->alignment;
    const StateDict *target = align_target(alignment);
    const ParamGroups *groups = find_groups(mover);
    OptimizerMove *move = mover->move;
    move->params = arena_alloc(mover->arena, (align_count(alignment) + 1) * sizeof *move->params);
    if (groups && (mover->rule->order || mover->rule->one_group))
        return error_set(err, ERR_RULE, "optimizer: group(…) says which parameters are in which "
                         "group and in which order; order={…} and groups=\"one\" cannot");
    if (groups) list_by_groups(mover, groups);
    else list_params(mover);
    if (mover->rule->order) {
        size_t params = move->count;
        move->count = 0;
        return list_by_order(mover, params, err);
    }
    if (!target || dict_is_ordered(target)) return true;
    return error_set(err, ERR_RULE, "optimizer: the target's file keeps its tensors in the order "
                     "of the alphabet, not of the model; give a schema of the model as target, or "
                     "order={…} with the names of its parameters in their order");
}

/* ---- the whole ---- */

/* The new groups begin with the options of the group from which their first parameter with a
 * source comes. A parameter's own is still that of the source here. */
static void regroup(Mover *mover)
{
    const ParamGroups *groups = find_groups(mover);
    OptimizerMove *move = mover->move;
    if (!groups) return;
    const Object **from = arena_alloc(mover->arena, (groups->group_count + 1) * sizeof *from);
    const Value **options =
        arena_alloc(mover->arena, (groups->group_count + 1) * sizeof *options);
    OptimizerParam *param = move->params;
    for (size_t g = 0; g < groups->group_count; g++) {
        const ParamGroup *group = &groups->groups[g];
        from[g] = mover->source.groups[mover->source.group_count - 1];
        for (size_t i = group->count; i-- > 0;)
            if (param[i].binding->source_count) from[g] = mover->source.groups[param[i].group];
        options[g] = group->rule ? group->rule->options : NULL;
        for (size_t i = 0; i < group->count; i++, param++) param->group = (uint32_t)g;
    }
    move->groups = from;
    move->options = options;
    move->group_count = groups->group_count;
}

static bool move_all(Mover *mover, Error *err)
{
    const OptimizerRule *rule = mover->rule;
    OptimizerMove *move = mover->move;
    for (size_t i = 0; i < mover->source.count; i++) {
        size_t index = dict_index(align_source_dict(mover->alignment),
                                  mover->source.params[i].tensor);
        if (mover->param_of[index])
            return refuse_name(mover->source.params[i].tensor->name,
                                "stands twice among the source's parameters", err);
        mover->param_of[index] = (uint32_t)i + 1;
    }
    if (!list_target(mover, err)) return false;
    for (size_t i = 0; i < move->count; i++) {
        OptimizerParam *param = &move->params[i];
        if (!move_param(mover, param, err)) return false;
        if (!param->fresh) move->carried++;
        else if (rule->complete)
            return refuse_name(param->binding->name,
                                arena_printf(mover->arena, "has no state (%s), and new=\"error\" "
                                             "asks for it", param->fresh), err);
    }
    return true;
}

/* NULL with an error: the source has no such optimizer, its parameters cannot be told, or pieces
 * with unequal steps meet. */
static const OptimizerMove *make_move(const Alignment *alignment, const OptimizerRule *rule,
                                      Error *err)
{
    Mover mover = {.alignment = alignment, .rule = rule, .arena = alignment->arena};
    if (!optimizer_read(alignment, rule, &mover.source, err)) return NULL;
    OptimizerMove *move = mover.move = arena_alloc(mover.arena, sizeof *move);
    mover.param_of = mem_alloc((align_use_count(alignment) + 1) * sizeof *mover.param_of);
    move->rule = rule;
    move->node = mover.source.node;
    move->groups = mover.source.groups;
    move->group_count = rule->one_group ? 1 : mover.source.group_count;
    move->named = mover.source.named;
    move->source = mover.source.params;
    move->source_count = mover.source.count;
    move->source_groups = mover.source.groups;
    move->source_group_count = mover.source.group_count;
    bool fine = move_all(&mover, err);
    if (fine) regroup(&mover);
    free(mover.param_of);
    return fine ? move : NULL;
}

/* An error of the statement is one of the rules: everything is reported, nothing is written. */
void close_optimizer(Alignment *alignment)
{
    const OptimizerRule *rule = draft_optimizer(alignment->draft);
    Error err = {0};
    if (!rule || align_collision_count(alignment)) return;
    alignment->optimizer = make_move(alignment, rule, &err);
    if (!alignment->optimizer)
        draft_note(alignment->draft, NOTE_ERROR, rule->origin, "%s", err.text);
}
