/* Rules for tensors whose shape or dtype differs, written once for a module or a family of
 * modules where the same op helps every member and breaks none.
 *
 *   head.weight, head.bias need fit(0)            rules [[ head.* -> head.* |> fit(0) ]]
 *   blocks.0.fc.weight, blocks.1.fc.weight need T rules [[ blocks.{i}.fc.weight -> … |> T ]] */
#include <stdlib.h>
#include <string.h>

#include "loader/align/family.h"
#include "loader/align/grid.h"
#include "loader/align/report_parts.h"
#include "loader/align/shape_diff.h"
#include "loader/align/suggest.h"

/* The members of one family (of modules, or of single tensors) and what they need. */
typedef struct Unit {
    const char *family;
    const char *only;            /* the one member's literal name, while there is but one */
    const char *op;              /* what its misshapen members need */
    bool several;                /* members of more than one literal name are misshapen */
    bool mixed;                  /* they need different ops */
    bool breaks;                 /* some other member would not survive the op */
    uint32_t hits;
    const char *rule;            /* made on first demand */
} Unit;

typedef struct Units {
    Arena *arena;
    NameMap names;
    Unit *items;
    size_t count, room;
    bool literal;                /* no families: every name is a unit of its own */
    FamilyName family;           /* scratch */
    Text text;                   /* scratch */
} Units;

/* From what was offered to what is wanted. */
static ShapeDiff diff_of(const Binding *binding)
{
    const Expr *offer = align_offer(binding);
    return shape_diff(offer->dims, offer->rank, binding->dims, binding->rank);
}

/* Many tensors of several kinds differ, along more than their first axis: another width or
 * depth of the same architecture, which no rule can mend. */
static bool is_another_size(const Alignment *alignment)
{
    enum { TENSORS = 8, KINDS = 3 };
    FamilyName family = {0};
    NameMap kinds;
    size_t tensors = 0, inner = 0, vectors = 0;
    map_init(&kinds);
    for (size_t i = 0; i < alignment->count; i++) {
        const Binding *binding = &alignment->bindings[i];
        if (!align_is_misshapen(binding) || align_offer(binding)->layout) continue;
        ShapeDiff diff = diff_of(binding);
        bool plain = has_suffix(binding->name, "weight") || has_suffix(binding->name, "bias");
        if (!plain || (diff.kind != SHAPES_ONE_AXIS && diff.kind != SHAPES_AXES)) continue;
        tensors++;
        inner += diff.kind == SHAPES_AXES || diff.axis > 0;
        vectors += binding->rank == 1;
        if (kinds.count > KINDS) continue;
        family_split(binding->name, &family);
        const char *text = arena_strdup(alignment->arena, text_string(&family.text));
        map_set(&kinds, text, 1);
    }
    bool another = tensors >= TENSORS && kinds.count >= KINDS && inner && vectors;
    map_done(&kinds);
    family_done(&family);
    return another;
}

/* The unit of the first n bytes of a name, made when `make` says so; else NULL. */
static Unit *find_unit(Units *units, const char *name, size_t n, bool make)
{
    text_clear(&units->text);
    text_addn(&units->text, name, n);
    if (!units->literal) family_split(text_string(&units->text), &units->family);
    const char *text = text_string(units->literal ? &units->text : &units->family.text);
    uint32_t index = map_get(&units->names, text);
    if (index != MAP_NONE) return &units->items[index];
    if (!make) return NULL;
    units->items = mem_grow(units->items, &units->room, units->count + 1, sizeof(Unit));
    Unit *unit = &units->items[units->count];
    *unit = (Unit){.family = arena_strdup(units->arena, text),
                   .only = arena_strndup(units->arena, name, n)};
    map_set(&units->names, unit->family, (uint32_t)units->count++);
    return unit;
}

/* One more misshapen tensor of the unit, and the op it needs. */
static void add_member(Unit *unit, const char *name, size_t n, const char *op)
{
    if (unit->op && strcmp(unit->op, op) != 0) unit->mixed = true;
    unit->op = op;
    unit->hits++;
    if (strlen(unit->only) != n || memcmp(unit->only, name, n) != 0) unit->several = true;
}

/* Bytes before the last dot; 0 when there is none. */
static size_t parent_length(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot ? (size_t)(dot - name) : 0;
}

/* Where the target has no values for the rows to come, the rest must be said. What a policy keeps
 * is not asked for again: its report speaks of the overlap alone. */
static bool needs_rest(const Binding *binding, const ShapeDiff *diff)
{
    return diff->kind == SHAPES_ONE_AXIS && binding->status == BIND_SHAPE && !binding->own &&
           align_offer(binding)->dims[diff->axis] < binding->dims[diff->axis];
}

/* "to_torch" where the format tells that the axes stand in another order and turning them is, or
 * begins, the remedy; NULL where it tells nothing. */
static const char *layout_op(Arena *arena, const Binding *binding)
{
    const Expr *offer = align_offer(binding);
    const Expr *turned = offer->layout ? expr_to_torch(arena, offer, NULL) : NULL;
    if (!turned || turned == offer) return NULL;
    ShapeDiff diff = shape_diff(turned->dims, turned->rank, binding->dims, binding->rank);
    if (diff.kind == SHAPES_EQUAL) return "to_torch";
    const char *rest =
        diff.kind == SHAPES_ORDER ? NULL : shape_diff_op(arena, &diff, binding->dims);
    return rest ? arena_printf(arena, "to_torch, %s", rest) : NULL;
}

/* The op for a table over places, whose first rows would be wrong; NULL when it is none. */
static const char *table_op(Arena *arena, const Binding *binding)
{
    const Expr *offer = align_offer(binding);
    if (offer->rank != binding->rank) return NULL;
    return grid_op(arena, binding->name, offer->dims, binding->dims, binding->rank);
}

/* The op that a refused value needs; NULL when it was not refused, or nothing helps. */
static const char *needed_op(Arena *arena, Binding *binding)
{
    if (binding->status == BIND_DTYPE) {
        const Tensor *tensor = binding->source_count ? binding->sources[0] : NULL;
        bool opaque = tensor && tensor->encoding && tensor->encoding->opaque;
        const Expr *offer = align_offer(binding);
        if (opaque || !offer || !dtype_casts(offer->dtype, binding->dtype)) return NULL;
        return arena_printf(arena, "cast \"%s\"", dtype_name(binding->dtype));
    }
    if (!align_is_misshapen(binding)) return NULL;
    const char *turn = layout_op(arena, binding);
    binding->turned = turn != NULL;
    if (turn) return turn;
    const char *table = table_op(arena, binding);
    if (table || grid_is_offsets(binding->name)) return table;
    ShapeDiff diff = diff_of(binding);
    const bool kernel = diff.kind == SHAPES_ONE_AXIS && diff.axis == 1 && binding->rank == 4;
    const int64_t channels = kernel ? align_offer(binding)->dims[1] : 0;
    if (channels == 3 || channels == 1)
        return suggest_channels(arena, channels, binding->dims[1]);
    if (needs_rest(binding, &diff)) return arena_printf(arena, "fit(%u, zeros)", diff.axis);
    return shape_diff_op(arena, &diff, binding->dims);
}

/* Whether a well-shaped tensor keeps its values under the op: a fit along an axis it has. */
static bool survives(unsigned rank, const char *op)
{
    return has_prefix(op, "fit(") && (unsigned)atoi(op + 4) < rank;
}

/* The rule for all of a unit, made once: members compare it by its address. */
static const char *unit_rule(Units *units, Unit *unit, const char *tail)
{
    if (!unit->rule)
        unit->rule = suggest_op(units->arena, unit->several ? unit->family : unit->only,
                                unit->several, tail, unit->op);
    return unit->rule;
}

/* The rule for one tensor alone. */
static const char *single_rule(Units *units, const char *name, const char *op)
{
    Unit lone = {.only = name, .op = op};
    return unit_rule(units, &lone, "");
}

/* The three ways to name what a rule is for, the widest first. */
typedef struct Levels {
    Units modules, parents, tensors;
} Levels;

/* Whether `.*` may be said: two at least need it, and no sibling suffers. */
static bool is_whole(const Unit *unit, const char *op)
{
    return unit && unit->family[0] && !unit->mixed && !unit->breaks && unit->hits > 1 &&
           has_prefix(op, "fit(");
}

/* A rule for the module's family or the module covers the siblings with `.*`; failing that, one
 * for the tensor's family, or for the tensor. */
static const char *choose_rule(Levels *levels, const Binding *binding, const char *op)
{
    size_t parent = parent_length(binding->name);
    Unit *module = find_unit(&levels->modules, binding->name, parent, false);
    if (is_whole(module, op)) return unit_rule(&levels->modules, module, ".*");
    module = find_unit(&levels->parents, binding->name, parent, false);
    if (is_whole(module, op)) return unit_rule(&levels->parents, module, ".*");
    Unit *tensor = find_unit(&levels->tensors, binding->name, strlen(binding->name), false);
    if (tensor && !tensor->mixed && !tensor->breaks)
        return unit_rule(&levels->tensors, tensor, "");
    return single_rule(&levels->tensors, binding->name, op);
}

/* `.*` meets every key of the module, also those that no target asks for. */
static void spare_keys(const Alignment *alignment, Units *units, bool whole)
{
    for (size_t i = 0; i < draft_count(alignment->draft); i++) {
        const DraftKey *key = draft_at(alignment->draft, i);
        size_t n = whole ? strlen(key->name) : parent_length(key->name);
        Unit *unit = key->expr ? find_unit(units, key->name, n, false) : NULL;
        bool fit = unit && has_prefix(unit->op, "fit(") && !key->expr->unknown;
        if (fit && !survives(key->expr->rank, unit->op)) unit->breaks = true;
    }
}

/* Units of the misshapen first; then every other tensor says whether it would survive. */
static void list_units(const Alignment *alignment, const char *const *ops, Units *units, bool whole)
{
    for (size_t i = 0; i < alignment->count; i++) {
        const char *name = alignment->bindings[i].name;
        size_t n = whole ? strlen(name) : parent_length(name);
        if (ops[i]) add_member(find_unit(units, name, n, true), name, n, ops[i]);
    }
    for (size_t i = 0; i < alignment->count; i++) {
        const Binding *binding = &alignment->bindings[i];
        if (ops[i] || !binding->source_count) continue;
        size_t n = whole ? strlen(binding->name) : parent_length(binding->name);
        Unit *unit = find_unit(units, binding->name, n, false);
        if (unit && !survives(binding->rank, unit->op)) unit->breaks = true;
    }
    spare_keys(alignment, units, whole);
}

static void free_units(Units *units)
{
    map_done(&units->names);
    family_done(&units->family);
    text_done(&units->text);
    free(units->items);
}

const char *suggest_channels(Arena *arena, int64_t from, int64_t to)
{
    if (from == 3) return arena_printf(arena, "in_chans(%lld)", (long long)to);
    if (from == 1)
        return arena_printf(arena, "tile(1, %lld), mul(1/%lld)", (long long)to, (long long)to);
    return "fit(1, zeros)";
}

/* What the code makes anew fits the model as it is; the first rows of the checkpoint's do not. */
const char *suggest_own(Arena *arena, const char *leaf)
{
    Text scope = {0}, text = {0};
    text_add(&scope, "**.");
    rule_quote(leaf, strlen(leaf), &scope);
    text_addf(&text, "%s keep_target ",
              suggest_line(arena, arena_printf(arena, "%s ->", text_string(&scope))));
    lua_quote(text_string(&scope), scope.length, &text);
    text_done(&scope);
    return text_keep(&text, arena);
}

/* ops[i]: what binding i needs, NULL when it is well or beyond help. */
void suggest_shapes(Alignment *alignment)
{
    size_t count = 0;
    const char **ops = mem_alloc((alignment->count + 1) * sizeof *ops);
    alignment->another_size = is_another_size(alignment);
    for (size_t i = 0; i < alignment->count; i++) {
        Binding *binding = &alignment->bindings[i];
        const DraftKey *key = match_key(alignment, i);
        if (alignment->another_size && binding->status != BIND_DTYPE) continue;
        if (key && strcmp(key->name, binding->name) != 0) continue;   /* match{}: another name */
        const BufferCause *buffer =
            align_is_misshapen(binding) ? report_buffer(binding->name, binding->rank) : NULL;
        if (buffer) binding->suggest = suggest_own(alignment->arena, buffer->leaf);
        else ops[i] = needed_op(alignment->arena, binding);
        count += ops[i] != NULL;
    }
    if (count) {
        Arena *arena = alignment->arena;
        Levels levels = {{.arena = arena}, {.arena = arena, .literal = true}, {.arena = arena}};
        list_units(alignment, ops, &levels.modules, false);
        list_units(alignment, ops, &levels.parents, false);
        list_units(alignment, ops, &levels.tensors, true);
        for (size_t i = 0; i < alignment->count; i++)
            if (ops[i])
                alignment->bindings[i].suggest =
                    choose_rule(&levels, &alignment->bindings[i], ops[i]);
        free_units(&levels.modules);
        free_units(&levels.parents);
        free_units(&levels.tensors);
    }
    free(ops);
}
