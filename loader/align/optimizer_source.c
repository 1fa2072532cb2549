/* Reading the source's optimizer: whose state stands under which number.
 *
 *   {'state': {0: {'step': …, 'exp_avg': …}, …},
 *    'param_groups': [{'lr': …, 'params': [0, 1, …], 'param_names': ['conv.weight', …]}, …]}
 *
 * The n-th number of all groups is the n-th parameter in the order of definition, unless the groups
 * say names (PyTorch 2.6 and later, where the optimizer was given named_parameters) or the numbers
 * are names themselves (torch.distributed.checkpoint). Source: PyTorch, torch/optim/optimizer.py,
 * state_dict and load_state_dict. */
#include <stdlib.h>
#include <string.h>

#include "loader/align/align_parts.h"
#include "loader/align/optimizer.h"
#include "loader/format/graph.h"

/* Last segments of buffers; "*" is any beginning. */
static const char *const buffer_leaves[] = {"running_mean", "running_var", "num_batches_tracked",
                                            "position_ids", "*_index"};

bool optimizer_is_buffer(const Alignment *alignment, const char *name)
{
    const char *dot = strrchr(name, '.'), *leaf = dot ? dot + 1 : name;
    const Later *later = draft_later(alignment->draft);
    bool only = false;
    for (size_t i = 0; i < later->buffer_count; i++) {
        const BufferRule *rule = &later->buffers[i];
        for (size_t j = 0; j < rule->what.count; j++)
            if (name_fits(rule->what.list[j], name)) return true;
        only = only || rule->only;
    }
    for (size_t i = 0; !only && i < countof(buffer_leaves); i++) {
        const char *known = buffer_leaves[i];
        size_t n = strlen(leaf), tail = strlen(known) - 1;
        if (*known == '*' ? n >= tail && strcmp(leaf + n - tail, known + 1) == 0
                          : strcmp(leaf, known) == 0)
            return true;
    }
    return false;
}

/* ---- tensors that are one parameter ---- */

typedef struct Place {
    const Tensor *tensor;
    uint32_t index;
} Place;

static int compare_places(const void *a, const void *b)
{
    const Place *x = a, *y = b;
    const int order = tie_compare(x->tensor, y->tensor);
    return order ? order : (x->index > y->index) - (x->index < y->index);
}

/* Sorted by place, those of one place stand together, the first of the dict in front. */
uint32_t *optimizer_aliases(const Tensor *const *tensors, size_t n)
{
    Place *places = mem_alloc((n + 1) * sizeof *places);
    uint32_t *first = mem_alloc((n + 1) * sizeof *first);
    for (size_t i = 0; i < n; i++) {
        places[i] = (Place){tensors[i], (uint32_t)i};
        first[i] = (uint32_t)i;
    }
    if (n) qsort(places, n, sizeof *places, compare_places);
    for (size_t i = 1; i < n; i++) {
        const Tensor *a = places[i - 1].tensor, *b = places[i].tensor;
        bool same = a->storage && a->dims && b->dims && tensor_count(a) && tie_same_view(a, b);
        if (same) first[places[i].index] = first[places[i - 1].index];
    }
    free(places);
    return first;
}

/* The parameters of the source's state dict, in its order. Where tensors say that they are
 * parameters (a module pickled whole, TorchScript), only those are. */
static size_t list_params(const Alignment *alignment, const Tensor ***out)
{
    const StateDict *dict = align_source_dict(alignment);
    size_t n = dict_count(dict), count = 0;
    const Tensor **all = mem_alloc((n + 1) * sizeof *all);
    const Tensor **params = mem_alloc((n + 1) * sizeof *params);
    bool told = false;
    for (size_t i = 0; i < n; i++) {
        all[i] = dict_at(dict, i);
        told = told || all[i]->parameter;
    }
    uint32_t *first = optimizer_aliases(all, n);
    for (size_t i = 0; i < n; i++) {
        bool buffer = told ? !all[i]->parameter : optimizer_is_buffer(alignment, all[i]->name);
        if (!buffer && first[i] == i) params[count++] = all[i];
    }
    free(first);
    free(all);
    *out = params;
    return count;
}

/* ---- groups ---- */

const char *optimizer_state_path(Arena *arena, const char *from, const Object *id,
                                 const char *key)
{
    Text path = {0};
    text_addf(&path, "%s%sstate", from, *from ? "." : "");
    path_add_key(&path, id);
    if (key) {
        Object text = {.kind = OBJ_STR, .bytes = {.text = key, .n = strlen(key)}};
        path_add_key(&path, &text);
    }
    return text_keep(&path, arena);
}

static bool refuse(const OptimizerRule *rule, Error *err, const char *what)
{
    return error_set(err, ERR_RULE, "optimizer: %s in '%s'", what, rule->from);
}

/* The groups, and how many parameters they hold together. */
static bool read_groups(const Alignment *alignment, const OptimizerRule *rule,
                        SourceOptimizer *out, Error *err)
{
    const Object *list = object_as_sequence(object_get(out->node, "param_groups"));
    if (!list || !list->list.count || !object_as_dict(object_get(out->node, "state")))
        return refuse(rule, err, "there is no 'state' with 'param_groups', as torch.optim saves "
                      "them,");
    out->group_count = list->list.count;
    out->groups = arena_alloc(alignment->arena, out->group_count * sizeof *out->groups);
    for (size_t i = 0; i < out->group_count; i++) {
        const Object *group = list->list.items[i];
        const Object *params = object_as_sequence(object_get(group, "params"));
        if (!params) return refuse(rule, err, "a group has no list 'params'");
        out->groups[i] = group;
        out->count += params->list.count;
    }
    return true;
}

/* The names that stand in the group itself; NULL: none, or not one for each. */
static const Object *names_of(const Object *group, size_t count)
{
    const Object *names = object_as_sequence(object_get(group, "param_names"));
    return names && names->list.count == count ? names : NULL;
}

static bool is_id(const Object *id)
{
    return id->kind == OBJ_INT || id->kind == OBJ_STR;
}

/* The tensor that a name in the file means. */
static const Tensor *find_named(const Alignment *alignment, const OptimizerRule *rule,
                                const Object *name, Error *err)
{
    const Tensor *tensor = name->kind == OBJ_STR
                               ? dict_find(align_source_dict(alignment), name->bytes.text) : NULL;
    if (tensor) return tensor;
    Text shown = {0};
    object_show(name, &shown);
    error_set(err, ERR_RULE, "optimizer: '%s' has a parameter %s, which the source's weights do "
              "not; ids=\"order\" takes them in the order of definition", rule->from,
              text_string(&shown));
    text_done(&shown);
    return NULL;
}

/* One group's parameters. `ordered`: what the numbers mean by their order; *next goes on. */
static bool read_group(const Alignment *alignment, const OptimizerRule *rule, SourceOptimizer *out,
                       uint32_t group, const Tensor *const *ordered, size_t *next, Error *err)
{
    const Object *ids = object_as_sequence(object_get(out->groups[group], "params"));
    const Object *names = ordered ? NULL : names_of(out->groups[group], ids->list.count);
    const Object *state = object_get(out->node, "state");
    for (size_t i = 0; i < ids->list.count; i++) {
        const Object *id = ids->list.items[i];
        if (!is_id(id)) return refuse(rule, err, "a parameter is neither a number nor a name");
        const Object *name = id->kind == OBJ_STR ? id : names ? names->list.items[i] : NULL;
        SourceParam *param = &out->params[(*next)++];
        param->tensor = ordered ? ordered[*next - 1] : find_named(alignment, rule, name, err);
        if (!param->tensor) return false;
        param->id = id;
        param->group = group;
        param->state = object_as_dict(id->kind == OBJ_STR ? object_get(state, id->bytes.text)
                                                          : object_get_int(state, id->integer));
        out->named = id->kind == OBJ_STR;
    }
    return true;
}

/* Whether every group says the names of its parameters, one way or the other. */
static bool has_names(const SourceOptimizer *optimizer)
{
    for (size_t i = 0; i < optimizer->group_count; i++) {
        const Object *ids = object_as_sequence(object_get(optimizer->groups[i], "params"));
        bool strings = ids->list.count && ids->list.items[0]->kind == OBJ_STR;
        if (ids->list.count && !strings && !names_of(optimizer->groups[i], ids->list.count))
            return false;
    }
    return true;
}

/* Whether the numbers are names themselves: these have no other meaning. */
static bool has_name_ids(const SourceOptimizer *optimizer)
{
    for (size_t i = 0; i < optimizer->group_count; i++) {
        const Object *ids = object_as_sequence(object_get(optimizer->groups[i], "params"));
        if (ids->list.count) return ids->list.items[0]->kind == OBJ_STR;
    }
    return false;
}

/* ---- the check that torch lacks ---- */

/* Members of the state of torch's optimizers that have an element for each of the parameter's
 * (torch/optim: Adam and its kin, SGD, RMSprop, Adagrad, Adadelta, ASGD, Rprop). */
static const char *const moments[] = {"exp_avg", "exp_avg_sq", "max_exp_avg_sq", "exp_inf",
                                      "momentum_buffer", "square_avg", "grad_avg", "acc_delta",
                                      "sum", "ax", "prev", "step_size"};

bool optimizer_is_moment(const Object *key)
{
    for (size_t i = 0; key->kind == OBJ_STR && i < countof(moments); i++)
        if (strcmp(key->bytes.text, moments[i]) == 0) return true;
    return false;
}

static bool check_param(const OptimizerRule *rule, const SourceParam *param, Error *err)
{
    for (size_t i = 0; param->state && i + 1 < param->state->list.count; i += 2) {
        const Object *key = param->state->list.items[i], *value = param->state->list.items[i + 1];
        bool is_one = value->kind == OBJ_TENSOR && optimizer_is_moment(key);
        if (!is_one || !param->tensor->dims) continue;
        const Tensor *moment = value->tensor;
        if (!moment->dims || same_dims(moment->dims, moment->rank, param->tensor->dims,
                                       param->tensor->rank))
            continue;
        Text id = {0}, name = {0}, have = {0}, want = {0};
        object_show(param->id, &id);
        name_show(param->tensor->name, &name);
        show_shape(moment->dims, moment->rank, &have);
        show_shape(param->tensor->dims, param->tensor->rank, &want);
        error_set(err, ERR_RULE, "optimizer: in '%s' the %s of parameter %s is %s, but '%s', which "
                  "stands in that place, is %s: the numbers do not follow the order of the weights;"
                  " give their names in params={…}, name what is no parameter with buffers{…}, or "
                  "leave the optimizer out",
                  rule->from, key->bytes.text, text_string(&id), text_string(&have),
                  text_string(&name), text_string(&want));
        text_done(&id);
        text_done(&name);
        text_done(&have);
        text_done(&want);
        return false;
    }
    return true;
}

/* Numbers by order: as many of them as parameters, else they mean others. */
static bool check_count(const OptimizerRule *rule, const SourceOptimizer *optimizer, size_t params,
                        Error *err)
{
    if (optimizer->count == params) return true;
    return error_set(err, ERR_RULE, "optimizer: '%s' holds %zu parameters, the weights %zu (without"
                     " buffers and tied ones); name what is no parameter with buffers{…}, give the "
                     "names in params={…}, or leave the optimizer out", rule->from,
                     optimizer->count, params);
}

/* The shape that the moments of a number have; false when it has none. */
static bool moment_shape(const Object *state, const Object *id, const Tensor **shape)
{
    const Object *members = object_as_dict(id->kind == OBJ_STR
                                               ? object_get(state, id->bytes.text)
                                               : object_get_int(state, id->integer));
    for (size_t i = 0; members && i + 1 < members->list.count; i += 2) {
        const Object *value = members->list.items[i + 1];
        if (value->kind != OBJ_TENSOR || !optimizer_is_moment(members->list.items[i])) continue;
        *shape = value->tensor;
        return true;
    }
    return false;
}

/* Whether a number of a group can mean that weight. */
static bool can_mean(const SourceOptimizer *optimizer, uint32_t group, size_t index,
                     const Tensor *tensor)
{
    const Object *ids = object_as_sequence(object_get(optimizer->groups[group], "params"));
    const Tensor *shape;
    if (!moment_shape(object_get(optimizer->node, "state"), ids->list.items[index], &shape))
        return true;
    return !tensor->dims || !shape->dims ||
           same_dims(shape->dims, shape->rank, tensor->dims, tensor->rank);
}

/* Whether the numbers mean the weights one after the other. */
static bool is_in_order(const SourceOptimizer *optimizer, const Tensor *const *params)
{
    size_t next = 0;
    for (uint32_t g = 0; g < optimizer->group_count; g++) {
        const Object *ids = object_as_sequence(object_get(optimizer->groups[g], "params"));
        for (size_t i = 0; i < ids->list.count; i++)
            if (!can_mean(optimizer, g, i, params[next++])) return false;
    }
    return true;
}

/* Two groups made by kind (weights that decay, and biases and norms that do not): each keeps the
 * order of the weights, and how they were dealt out shows in the shapes. ways[i][j] is in how many
 * ways (two stand for more) the weights from i + j on can go to what is left of the groups behind i
 * and j. Puts the weights in the groups' order; false when there is not exactly one way. */
static bool deal_out(const SourceOptimizer *optimizer, const Tensor **params, size_t n)
{
    enum { TABLE_MAX = 1 << 24 };
    if (optimizer->group_count != 2) return false;
    size_t a = object_as_sequence(object_get(optimizer->groups[0], "params"))->list.count;
    size_t b = object_as_sequence(object_get(optimizer->groups[1], "params"))->list.count;
    if (a + b != n || (a + 1) > TABLE_MAX / (b + 1)) return false;
    unsigned char *ways = mem_alloc((a + 1) * (b + 1));
    for (size_t i = a + 1; i-- > 0;)
        for (size_t j = b + 1; j-- > 0;) {
            unsigned sum = i == a && j == b;
            if (i < a && can_mean(optimizer, 0, i, params[i + j]))
                sum += ways[(i + 1) * (b + 1) + j];
            if (j < b && can_mean(optimizer, 1, j, params[i + j])) sum += ways[i * (b + 1) + j + 1];
            ways[i * (b + 1) + j] = (unsigned char)(sum > 2 ? 2 : sum);
        }
    bool one = ways[0] == 1;
    const Tensor **dealt = mem_alloc((n + 1) * sizeof *dealt);
    for (size_t i = 0, j = 0; one && i + j < n;) {
        const Tensor *next = params[i + j];
        if (i < a && can_mean(optimizer, 0, i, next) && ways[(i + 1) * (b + 1) + j])
            dealt[i++] = next;
        else
            dealt[a + j++] = next;
    }
    if (one) memcpy(params, dealt, n * sizeof *params);
    free(dealt);
    free(ways);
    return one;
}

/* The names that the statement gives, in the optimizer's order. */
static bool list_given(const Alignment *alignment, const OptimizerRule *rule, const Tensor ***out,
                       Error *err)
{
    const Tensor **params = mem_alloc((rule->param_count + 1) * sizeof *params);
    *out = params;
    for (size_t i = 0; i < rule->param_count; i++) {
        params[i] = dict_find(align_source_dict(alignment), rule->params[i]);
        if (params[i]) continue;
        Text name = {0};
        name_show(rule->params[i], &name);
        error_set(err, ERR_RULE, "optimizer: '%s' of params is no tensor of the source",
                  text_string(&name));
        text_done(&name);
        return false;
    }
    return true;
}

/* What the numbers mean by their order. */
static bool order_params(const Alignment *alignment, const OptimizerRule *rule,
                         const SourceOptimizer *optimizer, const Tensor ***out, Error *err)
{
    size_t n = rule->param_count;
    if (rule->params) {
        if (!list_given(alignment, rule, out, err)) return false;
    } else {
        n = list_params(alignment, out);
    }
    if (!check_count(rule, optimizer, n, err)) return false;
    if (!rule->params && !is_in_order(optimizer, *out)) deal_out(optimizer, *out, n);
    return true;
}

bool optimizer_read(const Alignment *alignment, const OptimizerRule *rule, SourceOptimizer *out,
                    Error *err)
{
    const Object *root = checkpoint_root(align_source(alignment));
    *out = (SourceOptimizer){.node = root ? path_find(root, rule->from) : NULL};
    if (!out->node || !object_as_dict(out->node))
        return error_set(err, ERR_RULE, "optimizer: the source has no dict '%s'; `tenon ls --all` "
                         "shows what it has", rule->from);
    if (!read_groups(alignment, rule, out, err)) return false;
    out->params = arena_alloc(alignment->arena, (out->count + 1) * sizeof *out->params);
    const Tensor **ordered = NULL;
    size_t next = 0;
    bool fine = true, named = has_names(out);
    bool by_order = !named || rule->params || rule->ids == IDS_ORDER;
    if (rule->ids == IDS_NAMES && !named)
        return refuse(rule, err, "the groups say no names of their parameters (ids=\"names\")");
    if (by_order && !has_name_ids(out))
        fine = order_params(alignment, rule, out, &ordered, err);
    for (uint32_t i = 0; fine && i < out->group_count; i++)
        fine = read_group(alignment, rule, out, i, ordered, &next, err);
    free(ordered);
    for (size_t i = 0; fine && i < out->count; i++) fine = check_param(rule, &out->params[i], err);
    return fine;
}
