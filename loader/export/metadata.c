/* `_metadata`: which version of its class wrote each module's tensors, carried through renames.
 *
 * PyTorch keeps a dict of module names beside a state dict ('' the root, "layer1.0.bn1": …) and
 * upgrades old tensors by the versions in it, so it must follow when names change:
 *   - the target's `_metadata` is taken as it is, if it has one; else the source's goes on;
 *   - a source tensor M.rest that ends up as N.rest says that module M is now N;
 *   - a module with tensors of its own ("M.weight") goes to every such N;
 *   - one with tensors only deeper down goes to N when all that survive agree, else nowhere;
 *   - one without any (a ReLU) follows the module it stands in: P is now Q makes P.relu Q.relu;
 *   - one whose tensors were all dropped is dropped; '' stays '';
 *   - names that meet keep the first one's place and the last one's value;
 *   - a norm whose counter of batches was left behind is of version 1, which had none: by its own,
 *     2, PyTorch would miss the counter.
 * So `strip "module."` of a DataParallel state dict gives what torch's own
 * consume_prefix_in_state_dict_if_present does ("module" becomes '' and gives it its version).
 * Entries that are no plain data are left out: nothing is carried into an output that would
 * call a function when it is loaded. */
#include "loader/export/metadata.h"

#include <stdlib.h>
#include <string.h>

#include "loader/core/map.h"
#include "loader/export/pickle_writer.h"

/* Modules nested deeper are not carried. Fixed: _metadata holds version numbers that PyTorch asks
 * of norms, which lie a dozen deep. */
enum { MODULE_DEPTH_MAX = 64 };

/* One module of the source's `_metadata` and where it goes. */
typedef struct Module {
    const char *name;
    const Object *key, *value;
    const char **goals;          /* new names, in order of appearance; in the arena */
    size_t goal_count, goal_room;
    const char *deep;            /* what tensors further down say; NULL = nothing yet */
    bool disagree;               /* they say different things */
    bool has_tensors;            /* there are tensors below it in the source */
    bool settled;                /* goals are final */
    bool counts;                 /* it has num_batches_tracked */
} Module;

static const char counter[] = "num_batches_tracked";

/* The modules of a source on their way to new names. */
typedef struct Carrier {
    Arena *arena;                /* the plan's: what is made here lives as long as the plan */
    Module *modules;
    size_t count;
    NameMap index;               /* name → module */
    NameMap counters;            /* names of the output that are counters */
    Text scratch;
} Carrier;

/* collections.OrderedDict() as the pickle reader would have made it, its items to come. */
static Object *new_ordered_dict(Arena *arena)
{
    Object *dict = object_new(arena, OBJ_CALL);
    Object *class = object_new(arena, OBJ_GLOBAL);
    class->global.module = "collections";
    class->global.name = "OrderedDict";
    dict->call = arena_alloc(arena, sizeof *dict->call);
    dict->call->callable = class;
    dict->call->args = object_new(arena, OBJ_TUPLE);
    dict->call->map = object_new(arena, OBJ_DICT);
    return dict;
}

/* A new dict of the same kind as the original: a dict proper, or an OrderedDict. */
typedef struct Builder {
    Arena *arena;
    Object *dict, *items;        /* the items' DICT is the dict itself, or the map of the call */
    NameMap places;              /* name → index of its key in items */
} Builder;

static void start_building(Builder *builder, Arena *arena, const Object *original)
{
    builder->arena = arena;
    builder->dict = original->kind == OBJ_DICT ? object_new(arena, OBJ_DICT)
                                               : new_ordered_dict(arena);
    builder->items = original->kind == OBJ_DICT ? builder->dict : builder->dict->call->map;
    map_init(&builder->places);
}

/* As `dict[name] = value`. A NULL key makes a new string. */
static void build_item(Builder *builder, const char *name, const Object *key, const Object *value)
{
    Object **items = builder->items->list.items;
    uint32_t place = map_get(&builder->places, name);
    if (place != MAP_NONE) {
        items[place + 1] = (Object *)value;
        return;
    }
    map_set(&builder->places, name, (uint32_t)builder->items->list.count);
    if (!key) key = object_str(builder->arena, name);
    object_push(builder->arena, builder->items, (Object *)key);
    object_push(builder->arena, builder->items, (Object *)value);
}

static const Object *finish_building(Builder *builder)
{
    map_done(&builder->places);
    return builder->dict;
}

/* The name that a key spells, NULL when it is none. */
static const char *module_name(Arena *arena, const Object *key)
{
    if (key->kind == OBJ_STR) return key->bytes.text;
    if (key->kind == OBJ_BYTES && pickle_object_is_plain(key))
        return name_hold(arena, key->bytes.text, key->bytes.n);
    return NULL;
}

/* The same entries, the same nodes (what shares strings goes on sharing them), without those
 * that are no plain data. NULL when the original is no dict. */
const Object *metadata_copy(Arena *arena, const Object *original)
{
    const Object *dict = object_as_dict(original);
    Builder builder;
    if (!dict) return NULL;
    start_building(&builder, arena, original);
    for (size_t i = 0; i + 1 < dict->list.count; i += 2) {
        const Object *key = dict->list.items[i], *value = dict->list.items[i + 1];
        const char *name = module_name(arena, key);
        if (name && pickle_object_is_plain(value)) build_item(&builder, name, key, value);
    }
    return finish_building(&builder);
}

static bool is_too_deep(const char *name)
{
    unsigned dots = 0;
    for (; *name; name++) dots += *name == '.';
    return dots >= MODULE_DEPTH_MAX;
}

/* Every module that the original tells of; of equal names the last value counts, as in a dict
 * that was filled twice. */
static void list_modules(Carrier *carrier, const Object *dict)
{
    carrier->modules = mem_alloc((dict->list.count / 2 + 1) * sizeof *carrier->modules);
    map_init(&carrier->index);
    for (size_t i = 0; i + 1 < dict->list.count; i += 2) {
        const Object *key = dict->list.items[i], *value = dict->list.items[i + 1];
        const char *name = module_name(carrier->arena, key);
        if (!name || is_too_deep(name) || !pickle_object_is_plain(value)) continue;
        uint32_t known = map_get(&carrier->index, name);
        if (known != MAP_NONE) {
            carrier->modules[known].value = value;
            continue;
        }
        map_set(&carrier->index, name, (uint32_t)carrier->count);
        carrier->modules[carrier->count++] = (Module){.name = name, .key = key, .value = value};
    }
}

/* One more new name for a module, unless it has it already. */
static void add_goal(Carrier *carrier, Module *module, const char *goal)
{
    for (size_t i = 0; i < module->goal_count; i++)
        if (strcmp(module->goals[i], goal) == 0) return;
    module->goals = arena_grow(carrier->arena, module->goals, module->goal_count,
                               &module->goal_room, sizeof *module->goals);
    module->goals[module->goal_count++] = goal;
}

/* The module that stands before the dot at `dot` of a tensor's name; NULL if none does. */
static Module *module_before(Carrier *carrier, const char *name, const char *dot)
{
    text_clear(&carrier->scratch);
    text_addn(&carrier->scratch, name, (size_t)(dot - name));
    uint32_t index = map_get(&carrier->index, text_string(&carrier->scratch));
    return index == MAP_NONE ? NULL : &carrier->modules[index];
}

/* The next dot of a name, the `level`-th; NULL behind the last that is looked at. */
static const char *next_dot(const char *name, unsigned level)
{
    return level > MODULE_DEPTH_MAX ? NULL : strchr(name, '.');
}

/* What is left of `name` when "." and `rest` are taken off its end; false when it does not end
 * so. *n receives the length. */
static bool take_off(const char *name, const char *rest, size_t *n)
{
    size_t whole = strlen(name), end = strlen(rest);
    if (whole == end && strcmp(name, rest) == 0) {
        *n = 0;
        return true;
    }
    if (whole <= end || name[whole - end - 1] != '.' || strcmp(name + whole - end, rest) != 0)
        return false;
    *n = whole - end - 1;
    return true;
}

/* One tensor went from the name `from` to the name `to`: every module above it learns of it. */
static void learn(Carrier *carrier, const char *from, const char *to)
{
    unsigned level = 1;
    for (const char *dot = next_dot(from, level); dot; dot = next_dot(dot + 1, ++level)) {
        Module *module = module_before(carrier, from, dot);
        size_t n;
        if (!module || !take_off(to, dot + 1, &n)) continue;
        if (!strchr(dot + 1, '.')) {
            add_goal(carrier, module, arena_strndup(carrier->arena, to, n));
        } else if (!module->deep) {
            module->deep = arena_strndup(carrier->arena, to, n);
        } else if (strlen(module->deep) != n || memcmp(module->deep, to, n) != 0) {
            module->disagree = true;
        }
    }
}

static bool is_counter(const char *name)
{
    const char *dot = strrchr(name, '.');
    return strcmp(dot ? dot + 1 : name, counter) == 0;
}

/* Whether the output has the counter of a module of that name. */
static bool has_counter(Carrier *carrier, const char *module)
{
    text_clear(&carrier->scratch);
    text_addf(&carrier->scratch, "%s%s%s", module, *module ? "." : "", counter);
    return map_get(&carrier->counters, text_string(&carrier->scratch)) != MAP_NONE;
}

/* A module without tensors follows its parent; one that lost them all does not. */
static void mark_tensors(Carrier *carrier, const StateDict *source)
{
    for (size_t i = 0; i < dict_count(source); i++) {
        const char *name = dict_at(source, i)->name;
        unsigned level = 1;
        for (const char *dot = next_dot(name, level); dot; dot = next_dot(dot + 1, ++level)) {
            Module *module = module_before(carrier, name, dot);
            if (!module) continue;
            module->has_tensors = true;
            module->counts |= strcmp(dot + 1, counter) == 0;
        }
        Module *root = strcmp(name, counter) == 0 ? module_before(carrier, name, name) : NULL;
        if (root) root->counts = true;
    }
}

/* The innermost module of the metadata around this one; NULL when only the root is. */
static Module *module_around(Carrier *carrier, const Module *module)
{
    const char *name = module->name;
    for (const char *dot = name + strlen(name); dot > name; dot--) {
        if (*dot != '.') continue;
        Module *around = module_before(carrier, name, dot);
        if (around) return around;
    }
    return NULL;
}

/* Decides where a module goes, by the rules at the head of this file. The module around it is
 * settled. */
static void settle(Carrier *carrier, Module *module)
{
    module->settled = true;
    if (module->goal_count || module->has_tensors || !module->name[0]) {
        if (!module->name[0]) add_goal(carrier, module, "");
        else if (!module->goal_count && module->deep && !module->disagree)
            add_goal(carrier, module, module->deep);
        return;
    }
    Module *around = module_around(carrier, module);
    if (!around) {
        add_goal(carrier, module, module->name);
        return;
    }
    if (!around->goal_count) return;
    const char *outer = around->goals[0];
    const char *rest = module->name + strlen(around->name) + 1;
    add_goal(carrier, module, outer[0] ? arena_printf(carrier->arena, "%s.%s", outer, rest)
                                       : rest);
}

/* Modules are settled from the outside in: what has no tensors follows what it stands in. */
static void settle_all(Carrier *carrier)
{
    for (size_t i = 0; i < carrier->count; i++) {
        Module *chain[MODULE_DEPTH_MAX + 1];
        size_t n = 0;
        Module *module = &carrier->modules[i];
        for (; module && !module->settled && n < countof(chain);
             module = module_around(carrier, module))
            chain[n++] = module;
        while (n) settle(carrier, chain[--n]);
    }
}

/* What is said of a module under that name of the output: its own, or without its counter that of a
 * norm of before there was one. */
static const Object *value_of(Carrier *carrier, const Module *module, const char *goal)
{
    enum { COUNTING = 2 };
    const Object *dict = object_as_dict(module->value);
    const Object *version = object_get(module->value, "version");
    if (!module->counts || !dict || dict->list.count != 2 || !version ||
        version->kind != OBJ_INT || version->integer != COUNTING || has_counter(carrier, goal))
        return module->value;
    Object *older = object_new(carrier->arena, OBJ_DICT);
    object_push(carrier->arena, older, dict->list.items[0]);
    object_push(carrier->arena, older, object_int(carrier->arena, COUNTING - 1));
    return older;
}

/* A name that did not change keeps its string object, a new one is a new string. */
const Object *metadata_carry(Arena *arena, const Object *original, const StateDict *source,
                             const NameChange *changes, size_t n)
{
    const Object *dict = object_as_dict(original);
    Carrier carrier = {.arena = arena};
    Builder builder;
    if (!dict) return NULL;
    list_modules(&carrier, dict);
    mark_tensors(&carrier, source);
    map_init(&carrier.counters);
    for (size_t i = 0; i < n; i++) {
        learn(&carrier, changes[i].from, changes[i].to);
        if (is_counter(changes[i].to)) map_set(&carrier.counters, changes[i].to, 0);
    }
    settle_all(&carrier);
    start_building(&builder, arena, original);
    for (size_t i = 0; i < carrier.count; i++) {
        const Module *module = &carrier.modules[i];
        for (size_t k = 0; k < module->goal_count; k++) {
            bool same = strcmp(module->goals[k], module->name) == 0;
            build_item(&builder, module->goals[k], same ? module->key : NULL,
                       value_of(&carrier, module, module->goals[k]));
        }
    }
    map_done(&carrier.index);
    map_done(&carrier.counters);
    text_done(&carrier.scratch);
    free(carrier.modules);
    return finish_building(&builder);
}
