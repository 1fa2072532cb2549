/* The sections "Missing" and "Unused".
 *
 *   Missing (24)   nothing in the source fits
 *        12  blocks.{0-11}.ls1.gamma  [768]     nearest unused: blocks.{0-11}.gamma_1 [768]
 *        12  blocks.{0-11}.ls2.gamma  [768]     nearest unused: blocks.{0-11}.gamma_2 [768]
 *
 * Both cost a fold of their names and a few look-ups a name. */
#include <stdlib.h>
#include <string.h>

#include "loader/align/family.h"
#include "loader/align/proposal.h"
#include "loader/align/report_parts.h"
#include "loader/core/map.h"
#include "loader/tensor/layout.h"

enum {
    UNUSED_COLUMN = 41, MISSING_COLUMN = 49, COLUMN_MAX = 76, LINE_WIDTH_MAX = 120,
    FINE_LINES = 4               /* so few lines may keep numbers apart that are glued to words */
};

/* What expect{} covers is spoken of no more. */
bool report_is_missing(const Binding *binding)
{
    return !binding->covered && align_is_missing(binding);
}

/* The name with segments that are numbers as '#': ls1 and ls2 stay apart, layers do not.
 * "blocks.3.ls1.gamma" gives "blocks.#.ls1.gamma". */
static const char *coarse_form(Reporter *reporter, const char *name)
{
    Text text = {0};
    while (*name) {
        size_t n = strcspn(name, "./");
        if (n && strspn(name, "0123456789") == n)
            text_addc(&text, '#');
        else
            text_addn(&text, name, n);
        if (name[n]) text_addc(&text, name[n++]);
        name += n;
    }
    return text_keep(&text, reporter->arena);
}

/* Bundles names; where that gives few lines, ls1 and ls2 get one each, as people would list
 * them, else they fold into ls{1-2}. Apart are the parents' coarse forms: ls1.weight and
 * ls1.bias of one layer still share a line. */
static size_t bundle_names(Reporter *reporter, const char *const *names, const char **classes,
                           size_t n, NameLine **out)
{
    size_t lines = report_bundle(reporter, names, classes, n, out);
    if (lines > FINE_LINES) return lines;
    const char **fine = arena_alloc(reporter->arena, (n + 1) * sizeof *fine);
    for (size_t i = 0; i < n; i++) {
        const char *form = coarse_form(reporter, names[i]), *dot = strrchr(form, '.');
        int parent = dot ? (int)(dot - form) : 0;
        fine[i] = arena_printf(reporter->arena, "%s>%.*s", classes[i], parent, form);
    }
    NameLine *finer;
    size_t fine_lines = report_bundle(reporter, names, fine, n, &finer);
    if (fine_lines > FINE_LINES) return lines;
    *out = finer;
    return fine_lines;
}

/* ---- Missing ---- */

/* For every target the first unused source that names it as nearest; MAP_NONE = none. The
 * caller frees it. [targets], by index of the binding. */
static uint32_t *invert_nearest(const Reporter *reporter)
{
    const Alignment *alignment = reporter->alignment;
    size_t count = align_count(alignment);
    uint32_t *nearest = mem_alloc((count + 1) * sizeof *nearest);
    memset(nearest, 0xFF, (count + 1) * sizeof *nearest);
    for (size_t i = 0; i < align_use_count(alignment); i++) {
        const SourceUse *use = align_use(alignment, i);
        const Binding *binding = use->nearest ? align_find(alignment, use->nearest) : NULL;
        if (!binding) continue;
        size_t index = (size_t)(binding - align_binding(alignment, 0));
        if (nearest[index] == MAP_NONE) nearest[index] = (uint32_t)i;
    }
    return nearest;
}

/* The column of the comments, to the right of the names; `room` is for what stands between. Not
 * beyond COLUMN_MAX, where a comment would leave the screen; longer names push their own line. */
static size_t comment_column(const NameLine *bundles, size_t n, size_t least, size_t room)
{
    for (size_t i = 0; i < n; i++) {
        size_t wanted = 9 + show_width(bundles[i].name) + room;
        if (wanted > least) least = wanted;
    }
    return least < COLUMN_MAX ? least : COLUMN_MAX;
}

/* Whether the names differ from the source's by a prefix (or a wrapper) only. Told by the form
 * of the suggestion: suggest_names.c makes these four. */
static bool is_renamed(const Binding *binding)
{
    const char *rule = binding->suggest;
    return rule && (has_prefix(rule, "strip ") || has_prefix(rule, "prefix ") ||
                    has_prefix(rule, "seg(") || strstr(rule, "** -> "));
}

/* The lists are as long as there are targets, in the report's arena. */
typedef struct MissingList {
    const Binding **all;         /* [total], in target order */
    size_t total;
    const Binding **items;       /* [count] of them that are listed by name */
    const char **names, **classes;
    uint32_t *nearest;           /* of each item: a source, or MAP_NONE */
    size_t count, kept;
    size_t hollow;               /* kept, and the target is a schema: they have no value */
} MissingList;

/* Lines are apart where shape, nearest or suggestion differ. Those that a prefix would load are
 * counted only, unless -v asks for all. */
static void list_missing(Reporter *reporter, MissingList *list)
{
    const Alignment *alignment = reporter->alignment;
    size_t total = align_count(alignment);
    uint32_t *nearest = invert_nearest(reporter);
    list->all = arena_alloc(reporter->arena, (total + 1) * sizeof *list->all);
    list->items = arena_alloc(reporter->arena, (total + 1) * sizeof *list->items);
    list->names = arena_alloc(reporter->arena, (total + 1) * sizeof *list->names);
    list->classes = arena_alloc(reporter->arena, (total + 1) * sizeof *list->classes);
    list->nearest = arena_alloc(reporter->arena, (total + 1) * sizeof *list->nearest);
    for (size_t i = 0; i < total; i++) {
        const Binding *binding = align_binding(alignment, i);
        if (!report_is_missing(binding)) continue;
        list->kept += binding->status == BIND_KEPT;
        list->hollow += binding->status == BIND_KEPT && !binding->expr;
        list->all[list->total++] = binding;
        if (is_renamed(binding) && !reporter->options->verbose) continue;
        size_t at = list->count++;
        list->items[at] = binding;
        list->names[at] = binding->name;
        list->nearest[at] = nearest[i];
        list->classes[at] =
            arena_printf(reporter->arena, "%s %d %s",
                         report_shape(reporter, binding->dims, binding->rank),
                         nearest[i] != MAP_NONE, binding->suggest ? binding->suggest : "");
    }
    free(nearest);
}

/* "nearest unused: blocks.{0-11}.gamma_1 [768]", when every member has one. `same_count`: the
 * sources fold into one line too, so that both sides are the same series. */
static bool add_nearest(Reporter *reporter, const MissingList *list, const NameLine *bundle,
                        bool *same_count)
{
    const char **names = arena_alloc(reporter->arena, bundle->count * sizeof *names);
    const SourceUse *use = NULL;
    for (size_t i = 0; i < bundle->count; i++) {
        uint32_t source = list->nearest[bundle->members[i]];
        if (source == MAP_NONE) return false;
        use = align_use(reporter->alignment, source);
        names[i] = use->tensor->name;
    }
    NameLine *folded;
    size_t lines = report_bundle(reporter, names, NULL, bundle->count, &folded);
    text_addf(&reporter->page.line, "nearest unused: %s%s", folded[0].name,
              lines > 1 ? ", …" : "");
    if (use->tensor->dims && use->tensor->rank)
        text_addf(&reporter->page.line, " [%s]",
                  report_shape(reporter, use->tensor->dims, use->tensor->rank));
    *same_count = lines == 1;
    return true;
}

/* What stands behind `names` goes to a row of its own where the line would leave the screen. */
static void wrap_behind(Reporter *reporter, size_t names)
{
    Text *line = &reporter->page.line;
    if (show_width(text_string(line)) <= LINE_WIDTH_MAX) return;
    const char *text = text_string(line) + names;
    const char *rest = arena_strdup(reporter->arena, text + strspn(text, " "));
    line->length = names;
    text_addf(line, "\n%11s%s", "", rest);
}

/* Count, names, shape, and what is known: the nearest, what the buffer is, or a reason. "same
 * shape and count" is said once in the section, by `said_count`. */
static void add_missing_line(Reporter *reporter, const MissingList *list, const NameLine *bundle,
                             size_t column, bool *said_count)
{
    const Binding *first = list->items[bundle->members[0]];
    const BufferCause *buffer = report_buffer(first->name, first->rank);
    bool same_count = false;
    text_addf(&reporter->page.line, "%7zu  %s", bundle->count, bundle->name);
    if (first->dims && first->rank)
        text_addf(&reporter->page.line, "  [%s]", report_shape(reporter, first->dims, first->rank));
    size_t names = reporter->page.line.length;
    page_pad(&reporter->page, column);
    if (add_nearest(reporter, list, bundle, &same_count)) {
        if (same_count && !*said_count) text_add(&reporter->page.line, "   same shape and count");
        *said_count = *said_count || same_count;
        wrap_behind(reporter, names);
    } else if (buffer) {
        text_add(&reporter->page.line, buffer->what);
    } else if (first->reason && first->status == BIND_MISSING) {
        text_add(&reporter->page.line, first->reason);
    }
    page_end_line(&reporter->page, LINE_GROUP);
}

/* Each suggested rule once, with the number of tensors where it is not all of them. Many rules
 * may be cut like names, few are explanations. */
static void add_rules(Reporter *reporter, const MissingList *list)
{
    NameMap seen;
    map_init(&seen);
    size_t *counts = mem_alloc((list->total + 1) * sizeof *counts);
    for (size_t i = 0; i < list->total; i++) {
        const char *rule = list->all[i]->suggest;
        if (!rule) continue;
        uint32_t index = map_get(&seen, rule);
        if (index == MAP_NONE) map_set(&seen, rule, index = (uint32_t)i);
        counts[index]++;
    }
    for (size_t i = 0; i < list->total; i++) {
        if (!counts[i]) continue;
        bool fills = has_prefix(list->all[i]->suggest, "fill(");
        const char *what = fills ? "To fill" : "Rule that would load";
        if (counts[i] == list->total)
            text_addf(&reporter->page.line, "    %s them:   ", what);
        else
            text_addf(&reporter->page.line, "    %s %zu of them:   ", what, counts[i]);
        text_add(&reporter->page.line, list->all[i]->suggest);
        page_end_line(&reporter->page, seen.count > 3 ? LINE_GROUP : LINE_TAIL);
    }
    free(counts);
    map_done(&seen);
}

/* Another dict of the file that has the names: the wrong one was read. The first sixteen dicts
 * are asked, each for every missing name. */
static void add_containers(Reporter *reporter, const MissingList *list)
{
    enum { CONTAINERS_MAX = 16 };
    const Checkpoint *source = align_source(reporter->alignment);
    const char *path = reporter->options->source_path ? reporter->options->source_path : "";
    for (size_t i = 0; i < checkpoint_container_count(source) && i < CONTAINERS_MAX; i++) {
        const Container *container = checkpoint_container(source, i);
        if (container->optimizer || container->dict == align_source_dict(reporter->alignment))
            continue;
        size_t found = 0;
        for (size_t j = 0; j < list->total; j++)
            found += dict_find(container->dict, list->all[j]->name) != NULL;
        if (found)
            page_line(&reporter->page, LINE_TAIL, "    %zu of these names are in   %.*s::%s", found,
                      (int)(strstr(path, "::") ? strstr(path, "::") - path : (long)strlen(path)),
                      path, report_name(reporter, container->path));
    }
}

/* Whether what is missing was kept, and has a value at all. */
static const char *kept_text(const Reporter *reporter, const MissingList *list)
{
    if (list->kept < list->total) return "";
    if (list->hollow && reporter->options->writing)
        return "; a schema has no values to keep: fill(), or --omit-kept";
    return "; kept as in the target";
}

/* With the rules that would load what is missing below. */
void report_missing(Reporter *reporter)
{
    MissingList list = {0};
    list_missing(reporter, &list);
    if (!list.total) return;
    NameLine *bundles;
    size_t lines = bundle_names(reporter, list.names, list.classes, list.count, &bundles);
    bool said_count = false;
    page_section(&reporter->page, false);
    page_line(&reporter->page, LINE_HEAD, "  Missing (%zu)   nothing in the source fits%s",
              list.total, kept_text(reporter, &list));
    if (list.total > list.count)
        page_line(&reporter->page, LINE_GROUP,
                  "%7zu  stand in the source, shape and all, under another prefix",
                  list.total - list.count);
    size_t column = comment_column(bundles, lines, MISSING_COLUMN, 12);
    for (size_t i = 0; i < lines; i++)
        add_missing_line(reporter, &list, &bundles[i], column, &said_count);
    add_rules(reporter, &list);
    add_containers(reporter, &list);
}

/* ---- Unused ---- */

/* Parallel lists: item i has name i and comment i. */
typedef struct UnusedList {
    const SourceUse **items;     /* [count], in file order */
    const char **names, **classes;
    const char **comments;
    size_t count, counters;      /* counters: among them */
    bool all_counters;           /* no other source tensor is one */
} UnusedList;

/* What the pattern **.num_batches_tracked fits. */
static bool is_counter(const char *name)
{
    return has_suffix(name, ".num_batches_tracked") || strcmp(name, "num_batches_tracked") == 0;
}

/* What the target knows about BatchNorm decides what to say about left-over counters. A target
 * with counters of its own has other layers, one with running_mean alone a frozen norm. */
static const char *counter_text(const Alignment *alignment)
{
    bool norm = false;
    for (size_t i = 0; i < align_count(alignment); i++) {
        const char *name = align_binding(alignment, i)->name;
        if (is_counter(name))
            return "BatchNorm counters; the target lacks the layers";
        norm = norm || has_suffix(name, "running_mean");
    }
    return norm ? "BatchNorm counters; the target's norm is frozen"
                : "BatchNorm counters; the target has no BatchNorm";
}

/* Every shape of the target, with the number of missing tensors that have it. 0 says: the shape
 * is there, and every target of it has a source. */
static void list_shapes(Reporter *reporter, NameMap *shapes)
{
    for (size_t i = 0; i < align_count(reporter->alignment); i++) {
        const Binding *binding = align_binding(reporter->alignment, i);
        const char *shape = report_shape(reporter, binding->dims, binding->rank);
        uint32_t missing = map_get(shapes, shape);
        if (missing == MAP_NONE) missing = 0;
        map_set(shapes, shape, missing + (report_is_missing(binding) || binding->doubt));
    }
}

/* A layer is spoken of by the shape of its largest tensor: 1000×2048 for fc.{bias,weight}. The
 * value is the index of that tensor among the items; "" is the layer of names without a dot. */
static void list_layers(Reporter *reporter, const UnusedList *list, NameMap *layers)
{
    for (size_t i = 0; i < list->count; i++) {
        const Tensor *tensor = list->items[i]->tensor;
        const char *dot = strrchr(tensor->name, '.');
        const char *layer = arena_strndup(reporter->arena, tensor->name,
                                          dot ? (size_t)(dot - tensor->name) : 0);
        uint32_t best = map_get(layers, layer);
        if (best == MAP_NONE || list->items[best]->tensor->rank < tensor->rank)
            map_set(layers, layer, (uint32_t)i);
    }
}

/* The tensor by whose shape a layer is spoken of. */
static const Tensor *layer_tensor(Reporter *reporter, const UnusedList *list, const NameMap *layers,
                                  const Tensor *tensor)
{
    const char *dot = strrchr(tensor->name, '.');
    if (!dot) return tensor;
    uint32_t best = map_get(layers, arena_strndup(reporter->arena, tensor->name,
                                                  (size_t)(dot - tensor->name)));
    return best == MAP_NONE ? tensor : list->items[best]->tensor;
}

/* A kernel whose axes stand in another framework's order: that order, and whether a target has the
 * shape in PyTorch's. NULL for all others. */
static const char *comment_on_layout(Reporter *reporter, const Tensor *tensor,
                                     const NameMap *shapes)
{
    const LayoutInfo *layout = layout_info((Layout)tensor->layout);
    int64_t dims[LAYOUT_RANK_MAX];
    if (!layout->rank || !tensor->dims || tensor->rank != layout->rank) return NULL;
    layout_turn((Layout)tensor->layout, tensor->dims, dims);
    const char *turned = report_shape(reporter, dims, layout->rank);
    uint32_t missing = map_get(shapes, turned);
    if (missing == MAP_NONE) missing = 0;
    return arena_printf(reporter->arena, "%s %s, for PyTorch %s%s",
                        report_shape(reporter, tensor->dims, tensor->rank), layout->name, turned,
                        missing ? arena_printf(reporter->arena, "; so %s %u of the missing",
                                               missing == 1 ? "is" : "are", missing)
                                : "; no target that is missing has this shape");
}

/* Why nobody wants it. The shape of the layer speaks, except where no target has the tensor's
 * own shape, or where the layer's weight lies otherwise and has a line of its own: then that. */
static const char *comment_on(Reporter *reporter, const SourceUse *use, const Tensor *layer,
                              const NameMap *shapes, const char *counters)
{
    const BufferCause *buffer = report_buffer(use->tensor->name, use->tensor->rank);
    if (buffer && buffer == report_buffer("num_batches_tracked", 0)) return counters;
    if (buffer) return buffer->what;
    if (proposal_is_adapter(use->tensor->name)) return "of an adapter (LoRA); lora{} merges it";
    const char *turned = comment_on_layout(reporter, use->tensor, shapes);
    if (turned) return turned;
    if (comment_on_layout(reporter, layer, shapes)) layer = use->tensor;
    const char *own = report_shape(reporter, use->tensor->dims, use->tensor->rank);
    const char *shape = report_shape(reporter, layer->dims, layer->rank);
    uint32_t missing = map_get(shapes, shape);
    if (missing != MAP_NONE && map_get(shapes, own) == MAP_NONE) {
        missing = MAP_NONE;
        shape = own;
    }
    if (missing == MAP_NONE)
        return arena_printf(reporter->arena, "%s; no target has this shape", shape);
    if (missing)
        return arena_printf(reporter->arena, "%s; so %s %u %s", shape,
                            missing == 1 ? "is" : "are", missing,
                            align_doubt_count(reporter->alignment) ? "of the open targets"
                                                                   : "of the missing");
    return arena_printf(reporter->arena, "%s; all targets of this shape have a source", shape);
}

/* Unused for no target's sake: what was offered stands in another section. */
static void list_unused(Reporter *reporter, UnusedList *list)
{
    const Alignment *alignment = reporter->alignment;
    size_t total = align_use_count(alignment), counters = 0;
    list->items = arena_alloc(reporter->arena, (total + 1) * sizeof *list->items);
    list->names = arena_alloc(reporter->arena, (total + 1) * sizeof *list->names);
    list->comments = arena_alloc(reporter->arena, (total + 1) * sizeof *list->comments);
    for (size_t i = 0; i < total; i++) {
        const SourceUse *use = align_use(alignment, i);
        bool counter = is_counter(use->tensor->name) && !use->nearest;
        counters += counter;
        if (use->status != USE_UNUSED || use->offered_to || use->covered) continue;
        list->counters += counter;
        list->items[list->count] = use;
        list->names[list->count++] = use->tensor->name;
    }
    list->all_counters = counters == list->counters;
}

/* One comment for each; equal comments share a line. Shapes and layers are listed once for all
 * of them, so this is linear. */
static void comment_unused(Reporter *reporter, UnusedList *list)
{
    NameMap shapes, layers;
    map_init(&shapes);
    map_init(&layers);
    list_shapes(reporter, &shapes);
    list_layers(reporter, list, &layers);
    const char *counters = counter_text(reporter->alignment);
    for (size_t i = 0; i < list->count; i++) {
        const Tensor *layer = layer_tensor(reporter, list, &layers, list->items[i]->tensor);
        list->comments[i] = comment_on(reporter, list->items[i], layer, &shapes, counters);
    }
    map_done(&shapes);
    map_done(&layers);
}

/* Count, names, comment. */
static void add_unused_line(Reporter *reporter, size_t count, const char *name, size_t column,
                            const char *comment)
{
    text_addf(&reporter->page.line, "%7zu  %s", count, name);
    page_pad(&reporter->page, column);
    text_add(&reporter->page.line, comment);
    page_end_line(&reporter->page, LINE_GROUP);
}

/* The counters in one line under a wildcard, when it names nothing else. */
static void add_counters(Reporter *reporter, UnusedList *list)
{
    if (!list->all_counters || list->counters < 2) return;
    size_t left = 0;
    for (size_t i = 0; i < list->count; i++) {
        if (is_counter(list->names[i])) continue;
        list->names[left] = list->names[i];
        list->items[left++] = list->items[i];
    }
    list->count = left;
    add_unused_line(reporter, list->counters, "**.num_batches_tracked", UNUSED_COLUMN,
                    counter_text(reporter->alignment));
}

/* What "Missing" has named as nearest is not listed again. Returns how many. */
static size_t leave_out_nearest(UnusedList *list)
{
    size_t left = 0, count = list->count;
    for (size_t i = 0; i < count; i++) {
        if (list->items[i]->nearest) continue;
        list->names[left] = list->names[i];
        list->items[left++] = list->items[i];
    }
    list->count = left;
    return count - left;
}

/* Well-known left-overs first, then the rest by layers. */
void report_unused(Reporter *reporter)
{
    UnusedList list = {0};
    if (!reporter->alignment || !align_target(reporter->alignment)) return;
    list_unused(reporter, &list);
    if (!list.count) return;
    bool error = align_policy(reporter->alignment)->unused == UNUSED_ERROR;
    page_section(&reporter->page, error);
    page_line(&reporter->page, LINE_HEAD, "  Unused in the source (%zu)%s", list.count,
              error ? "   an error, says policy unused=\"error\"" : "");
    add_counters(reporter, &list);
    size_t near = leave_out_nearest(&list);
    if (near)
        page_line(&reporter->page, LINE_GROUP, "%7zu  nearest to what is missing, see above", near);
    comment_unused(reporter, &list);
    NameLine *bundles;
    size_t lines = bundle_names(reporter, list.names, list.comments, list.count, &bundles);
    size_t column = comment_column(bundles, lines, UNUSED_COLUMN, 2);
    for (size_t i = 0; i < lines; i++)
        add_unused_line(reporter, bundles[i].count, bundles[i].name, column,
                        list.comments[bundles[i].members[0]]);
}
