/* From a ledger to the list of what is written: every entry with a value, or a refusal that
 * says what has none and what to do. */
#include "loader/export/plan.h"

#include <stdlib.h>
#include <string.h>

#include "loader/core/map.h"
#include "loader/export/meta.h"
#include "loader/export/metadata.h"

/* `'name'`, fit to be shown. */
static const char *show(Arena *arena, const char *name)
{
    Text text = {0};
    text_addc(&text, '\'');
    name_show(name, &text);
    text_addc(&text, '\'');
    const char *shown = arena_strndup(arena, text.bytes, text.length);
    text_done(&text);
    return shown;
}

/* Whether the ledger forbids any output because of it. */
static bool is_open(const Binding *binding)
{
    switch (binding->status) {
    case BIND_SHAPE: case BIND_DTYPE: case BIND_MISSING: case BIND_AMBIGUOUS:
        return !binding->covered;
    default:
        return false;
    }
}

/* Open entries, all counted in one sentence; the first one is named with its way out. */
static bool refuse_open(const Plan *plan, Error *err)
{
    const Binding *first = NULL;
    size_t open = 0;
    for (size_t i = 0; i < align_count(plan->alignment); i++) {
        const Binding *binding = align_binding(plan->alignment, i);
        if (!is_open(binding)) continue;
        if (!open++) first = binding;
    }
    if (!open) return true;
    Text text = {0};
    text_addf(&text, "%s is %s", show(plan->arena, first->name), bind_word(first->status));
    if (first->reason) text_addf(&text, " (%s)", first->reason);
    if (open > 1) text_addf(&text, ", %zu more %s open", open - 1, open == 2 ? "is" : "are");
    if (first->suggest) text_addf(&text, "; try: %s", first->suggest);
    else text_add(&text, "; settle it with a rule, policy{…} or expect{…}");
    error_set(err, ERR_SHAPE, "%s", text.bytes);
    text_done(&text);
    return false;
}

/* Several sets of weights that are as good as the chosen one, and names that met. */
static bool refuse_conflicts(const Plan *plan, Error *err)
{
    const Alignment *alignment = plan->alignment;
    if (align_rivals(alignment))
        return error_set(err, ERR_USAGE, "the source holds %zu more sets of weights that are as "
                         "good as %s; say which one: FILE::PATH", align_rivals(alignment),
                         show(plan->arena, align_container(alignment)));
    if (!align_collision_count(alignment)) return true;
    const Collision *collision = align_collision(alignment, 0);
    return error_set(err, ERR_RULE, "%s is the name of %zu tensors (%s:%d); rename or drop all "
                     "but one", show(plan->arena, collision->name), collision->source_count,
                     collision->origin.file, collision->origin.line);
}

/* What else stands in the way of any output, though no single entry is open. */
static bool refuse_rest(const Plan *plan, Error *err)
{
    const Alignment *alignment = plan->alignment;
    if (align_exit(alignment) == 0) return true;
    for (size_t i = 0; i < align_note_count(alignment); i++) {
        const RuleNote *note = align_note(alignment, i);
        if (note->level == NOTE_ERROR)
            return error_set(err, ERR_RULE, "%s:%d: %s", note->origin.file, note->origin.line,
                             note->text);
    }
    for (size_t i = 0; i < align_use_count(alignment); i++) {
        const SourceUse *use = align_use(alignment, i);
        if (use->status == USE_UNUSED && !use->covered)
            return error_set(err, ERR_SHAPE, "%s of the source is unused; drop it with a rule, "
                             "or cover it with expect{unused=…}",
                             show(plan->arena, use->tensor->name));
    }
    return error_set(err, ERR_SHAPE, "the alignment is not complete; see its report");
}

/* Remembers the first leaf whose elements cannot be read as numbers. */
static void find_opaque(const Tensor *tensor, void *context)
{
    const Tensor **opaque = context;
    bool unknown = tensor->dtype == DT_UNKNOWN;
    if (!*opaque && (unknown || (tensor->encoding && tensor->encoding->opaque))) *opaque = tensor;
}

/* Names the file that a tensor without numbers stands in, when it is one of the source. */
static bool blame(const Plan *plan, bool own, Error *err)
{
    if (!plan->source || own) return false;
    return error_prefix(err, "%s", checkpoint_path(plan->source));
}

bool plan_check_value(const Plan *plan, const char *name, const Tensor *target, const Expr *value,
                      Error *err)
{
    const Tensor *empty = NULL, *opaque = NULL;
    if (!expr_has_data(value, &empty)) {
        const char *note = empty->encoding ? empty->encoding->note : NULL;
        error_set(err, ERR_SHAPE, "%s has no values: %s %s %s; give %s, or drop it with a rule",
                  show(plan->arena, name), empty == target ? "the target's" : "the source's",
                  show(plan->arena, empty->name),
                  note ? arena_printf(plan->arena, "has %s", note) : "is a schema without data",
                  note ? "a checkpoint with its weights in it" : "the checkpoint itself");
        return blame(plan, empty == target, err);
    }
    expr_leaves(value, find_opaque, &opaque);
    if (!opaque && expr_is_copy(value)) return true;
    if (!opaque)
        return error_set(err, ERR_UNSUPPORTED, "%s cannot be written: %s values are packed and can "
                         "only be copied in whole blocks; cast them first (cast \"f32\")",
                         show(plan->arena, name), dtype_name(value->dtype));
    error_set(err, ERR_UNSUPPORTED, "%s cannot be written: %s is %s; drop it with a rule",
              show(plan->arena, name), show(plan->arena, opaque->name),
              opaque->encoding && opaque->encoding->note ? opaque->encoding->note
                                                         : "of no known dtype");
    return blame(plan, opaque == target, err);
}

/* What the ledger says is written under the name; NULL where that is a target's value which it has
 * not: nothing. */
static const Expr *value_of(const Binding *binding)
{
    const Expr *value = align_value(binding);
    return value && value == binding->own && !expr_has_data(value, NULL) ? NULL : value;
}

/* Nearly always there is one: then the list is the place where the tensor itself has its name. */
static void name_sources(Plan *plan, const Binding *binding, PlanEntry *entry)
{
    const uint32_t count = entry->source_count = binding->source_count;
    if (count == 1) entry->sources = &binding->sources[0]->name;
    if (count < 2) return;
    const char **names = arena_alloc(plan->arena, count * sizeof *names);
    for (uint32_t i = 0; i < count; i++) names[i] = binding->sources[i]->name;
    entry->sources = names;
}

/* What a policy did not cast (own values, rules without a target) is already in its dtype;
 * the cast here only makes sure that the output has the dtype which the ledger names. */
static bool add_entry(Plan *plan, const Binding *binding, const Expr *expr, Error *err)
{
    if (binding->dtype != DT_UNKNOWN && expr->dtype != binding->dtype) {
        expr = expr_cast(plan->arena, expr, binding->dtype, err);
        if (!expr) return error_prefix(err, "%s", show(plan->arena, binding->name));
    }
    plan->entries[plan->count++] = (PlanEntry){
        .name = binding->name,
        .expr = expr,
        .dims = expr->dims,
        .dtype = expr->dtype,
        .rank = expr->rank,
        .alias = -1,
    };
    if (binding->status != BIND_KEPT) name_sources(plan, binding, &plan->entries[plan->count - 1]);
    return true;
}

/* The first of a chain of ties: the only one that has no alias itself. */
static size_t find_root(const Plan *plan, size_t index)
{
    while (plan->entries[index].alias >= 0) index = (size_t)plan->entries[index].alias;
    return index;
}

/* Two entries that the target ties become one storage, when their values are the same by
 * construction: the same expression, or the same source tensor as it is. */
static void tie(Plan *plan, size_t a, size_t b)
{
    a = find_root(plan, a);
    b = find_root(plan, b);
    if (a == b) return;
    size_t first = a < b ? a : b, second = a < b ? b : a;
    const PlanEntry *one = &plan->entries[first], *two = &plan->entries[second];
    const Tensor *tensor = plan_unchanged(one);
    bool same = one->expr == two->expr || (tensor && tensor == plan_unchanged(two));
    if (same && one->dtype == two->dtype && same_dims(one->dims, one->rank, two->dims, two->rank))
        plan->entries[second].alias = (int64_t)first;
}

/* Follows the ties of the ledger (tied targets, and filled ones that share a storage). */
static void tie_entries(Plan *plan)
{
    NameMap names;
    map_init(&names);
    for (size_t i = 0; i < plan->count; i++) map_set(&names, plan->entries[i].name, (uint32_t)i);
    for (size_t i = 0; i < align_count(plan->alignment); i++) {
        const Binding *binding = align_binding(plan->alignment, i);
        if (!binding->tied_to) continue;
        uint32_t a = map_get(&names, binding->name), b = map_get(&names, binding->tied_to->name);
        if (a != MAP_NONE && b != MAP_NONE) tie(plan, a, b);
    }
    map_done(&names);
}

/* One entry for each binding with a value, in the ledger's order. */
static bool add_entries(Plan *plan, const PlanOptions *options, Error *err)
{
    size_t count = align_count(plan->alignment);
    plan->entries = mem_alloc((count ? count : 1) * sizeof *plan->entries);
    for (size_t i = 0; i < count; i++) {
        const Binding *binding = align_binding(plan->alignment, i);
        const Expr *value = value_of(binding);
        if (!value && binding->status == BIND_KEPT && !(options && options->omit_kept))
            return error_set(err, ERR_SHAPE, "%s is kept, but the target has no value for it; "
                             "fill it, or leave it out with --omit-kept",
                             show(plan->arena, binding->name));
        if (!value) continue;
        if (!plan_check_value(plan, binding->name, binding->target, value, err) ||
             !add_entry(plan, binding, value, err))
            return false;
    }
    return true;
}

static int compare_keys(const void *a, const void *b)
{
    const MetadataItem *one = a, *two = b;
    return strcmp(one->key, two->key);
}

/* The entries of meta statements that are text or can be. */
static void add_meta(Plan *plan, const Later *later, MetadataItem *items)
{
    for (size_t i = 0; i < later->meta_count; i++) {
        const MetaRule *rule = &later->metas[i];
        Text text = {0};
        if (meta_text(rule->object, &text))
            items[plan->metadata_count++] =
                (MetadataItem){rule->key, arena_strdup(plan->arena, text_string(&text))};
        text_done(&text);
    }
}

/* The source's `__metadata__`, with "format": "pt" where it says no format: without that,
 * transformers does not load a file. What other formats say of themselves (GGUF's keys, of which
 * long ones are only counted) means nothing there. The crate keeps metadata in a hash map, so the
 * order of several entries is nobody's; sorted, it is the same every time. */
static void add_metadata(Plan *plan)
{
    const StateDict *source = plan->source_dict;
    const Checkpoint *checkpoint = plan->source;
    bool same = checkpoint && has_prefix(checkpoint_format(checkpoint), "safetensors");
    size_t count = source && same ? dict_metadata_count(source) : 0;
    size_t more = plan->later->meta_count;
    MetadataItem *items = arena_alloc(plan->arena, (count + more + 1) * sizeof *items);
    const Later *later = plan->later;
    bool has_format = later_find_meta(later, "format") != NULL;
    for (size_t i = 0; i < count; i++) {
        MetadataItem item = dict_metadata(source, i);
        if (!name_is_text(item.key) || !name_is_text(item.value)) continue;
        if (later_find_meta(later, item.key)) continue;
        has_format = has_format || strcmp(item.key, "format") == 0;
        items[plan->metadata_count++] = item;
    }
    add_meta(plan, later, items);
    if (!has_format) items[plan->metadata_count++] = (MetadataItem){"format", "pt"};
    qsort(items, plan->metadata_count, sizeof *items, compare_keys);
    plan->metadata = items;
}

/* Whether the output has the source's tensors, all of them, each under its name as it is. */
static bool is_unchanged(const Plan *plan)
{
    const StateDict *source = plan->source_dict;
    bool same = source && dict_count(source) == plan->count;
    for (size_t i = 0; same && i < plan->count; i++) {
        const Tensor *tensor = plan_unchanged(&plan->entries[i]);
        same = tensor && strcmp(tensor->name, plan->entries[i].name) == 0;
    }
    return same;
}

/* The container is the alignment's own; its dict may be a copy with rules behind it, its path is
 * not. */
bool plan_add_whole(Plan *plan, Error *err)
{
    const Container *container =
        plan->source ? checkpoint_find_container(plan->source, plan->container) : NULL;
    plan->whole = whole_new(plan->arena, plan->source, container, is_unchanged(plan),
                            plan->optimizer, err);
    return plan->whole &&
           meta_add(plan->arena, plan->later, (Whole *)plan->whole, err);
}

/* The target's `_metadata`, if it has one, else the source's carried through the renames. */
static void add_torch_metadata(Plan *plan)
{
    const StateDict *target = plan->target_dict;
    if (target && dict_torch_metadata(target))
        plan->torch_metadata = metadata_copy(plan->arena, dict_torch_metadata(target));
    else
        plan_carry_metadata(plan);
}

void plan_carry_metadata(Plan *plan)
{
    const Object *original = plan->source_dict ? dict_torch_metadata(plan->source_dict) : NULL;
    size_t n = 0;
    if (!original) return;
    for (size_t i = 0; i < plan->count; i++) n += plan->entries[i].source_count;
    NameChange *changes = mem_alloc((n ? n : 1) * sizeof *changes);
    n = 0;
    for (size_t i = 0; i < plan->count; i++)
        for (uint32_t k = 0; k < plan->entries[i].source_count; k++)
            changes[n++] = (NameChange){plan->entries[i].sources[k], plan->entries[i].name};
    plan->torch_metadata = metadata_carry(plan->arena, original, plan->source_dict, changes, n);
    plan->carried = plan->torch_metadata != NULL;
    free(changes);
}

/* What the plan stands on stays when the alignment is gone. */
static void take_sides(Plan *plan, Alignment *alignment)
{
    plan->alignment = align_ref(alignment);
    plan->later = align_later(alignment);
    plan->optimizer = align_optimizer(alignment);
    if (align_source(alignment)) plan->source = checkpoint_ref(align_source(alignment));
    if (align_source_dict(alignment)) plan->source_dict = dict_ref(align_source_dict(alignment));
    if (align_target(alignment)) plan->target_dict = dict_ref(align_target(alignment));
    const char *container = align_container(alignment);
    plan->container = arena_strdup(plan->arena, container ? container : "");
}

Plan *plan_new(Alignment *alignment, const PlanOptions *options, Error *err)
{
    Plan *plan = mem_alloc(sizeof *plan);
    plan->arena = arena_new();
    take_sides(plan, alignment);
    plan->compact = options && options->compact;
    plan->shard_size = options ? options->shard_size : 0;
    if (!refuse_conflicts(plan, err) || !refuse_open(plan, err) || !refuse_rest(plan, err) ||
        !add_entries(plan, options, err)) {
        plan_free(plan);
        return NULL;
    }
    if (options && options->whole && !plan_add_whole(plan, err)) {
        plan_free(plan);
        return NULL;
    }
    tie_entries(plan);
    add_metadata(plan);
    add_torch_metadata(plan);
    return plan;
}

Plan *plan_of_names(Checkpoint *source, const Container *container, PlanNewName *name,
                    void *context)
{
    static const Later nothing;
    const StateDict *dict = container->dict;
    Plan *plan = mem_alloc(sizeof *plan);
    plan->arena = arena_new();
    plan->later = &nothing;
    plan->source = checkpoint_ref(source);
    plan->source_dict = dict_ref(container->dict);
    plan->container = container->path;
    plan->count = dict_count(dict);
    plan->entries = mem_alloc((plan->count + 1) * sizeof *plan->entries);
    for (size_t i = 0; i < plan->count; i++) {
        const Tensor *tensor = dict_at(dict, i);
        plan->entries[i] = (PlanEntry){.name = name(context, tensor->name),
                                       .expr = expr_source(plan->arena, tensor),
                                       .dims = tensor->dims, .dtype = tensor->dtype,
                                       .rank = tensor->rank, .alias = -1,
                                       .sources = &tensor->name, .source_count = 1};
    }
    add_metadata(plan);
    plan_carry_metadata(plan);
    return plan;
}

void plan_free(Plan *plan)
{
    if (!plan) return;
    free(plan->entries);
    arena_free(plan->arena);
    if (plan->alignment) align_unref(plan->alignment);
    checkpoint_unref(plan->source);
    dict_unref(plan->source_dict);
    dict_unref(plan->target_dict);
    dict_unref(plan->moments);
    checkpoint_unref(plan->target);
    free(plan);
}

const Tensor *plan_unchanged(const PlanEntry *entry)
{
    const Expr *expr = entry->expr;
    const Tensor *tensor = expr->kind == EX_TARGET ? expr->tensor : expr_as_source(expr);
    if (!tensor || tensor->dtype != entry->dtype) return NULL;
    const Encoding *encoding = tensor->encoding;
    if (encoding && (encoding->big_endian || encoding->conjugate || encoding->negate ||
                     encoding->opaque))
        return NULL;
    return tensor;
}

uint64_t plan_entry_bytes(const PlanEntry *entry)
{
    uint64_t count = 1, bytes;
    for (unsigned i = 0; i < entry->rank; i++) count *= (uint64_t)entry->dims[i];
    return dtype_bytes(entry->dtype, count, &bytes) ? bytes : 0;
}

bool plan_entry_prefix(const PlanEntry *entry, Error *err)
{
    Text name = {0};
    name_show(entry->name, &name);
    error_prefix(err, "tensor '%s'", text_string(&name));
    text_done(&name);
    return false;
}
