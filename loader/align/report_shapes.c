/* The sections "Shape differs" and "Type differs".
 *
 *   Shape differs (2)                      source        target
 *     fc.weight                            1000×2048     200×2048     dim 0: 1000 classes → 200
 *     fc.bias                              1000          200          same layer
 *     The classifier was made for another number of classes. Fine if you train it again.
 *     To take the first 200 rows:   rules [[ fc.* -> fc.* |> fit(0) ]] */
#include <stdlib.h>
#include <string.h>

#include "loader/align/report_parts.h"
#include "loader/align/shape_diff.h"
#include "loader/core/map.h"

enum { SOURCE_COLUMN = 41, TARGET_COLUMN = 55, REASON_COLUMN = 68, NAME_COLUMN_MAX = 72 };

/* What expect{} covers is spoken of no more. */
bool report_is_misshapen(const Binding *binding)
{
    return !binding->covered && align_is_misshapen(binding);
}

/* SHAPE for another reason than two known shapes: a fit that cannot be. */
static bool is_unfitted(const Binding *binding)
{
    return binding->status == BIND_SHAPE && binding->expr->unknown && !binding->covered;
}

/* One target whose shape differs; both shapes are known. */
typedef struct ShapeRow {
    const Binding *binding;
    const Expr *offer;           /* what would have gone in */
    ShapeCause cause;            /* why it did not */
} ShapeRow;

/* Whether `row` is of the layer of the row before it, and for the same reason. Said of
 * classifiers only: of fc.bias below fc.weight. */
static bool same_layer(const ShapeRow *row, const ShapeRow *before)
{
    const char *dot = strrchr(row->binding->name, '.');
    if (!before || !dot || row->cause != before->cause || row->cause != CAUSE_CLASSES) return false;
    size_t n = (size_t)(dot - row->binding->name) + 1;
    return strncmp(row->binding->name, before->binding->name, n) == 0 &&
           !strchr(before->binding->name + n, '.');
}

/* "dim 0: 100 classes → 200", "same layer", "dims 0 and 1   12 tensors". */
static const char *show_reason(Reporter *reporter, const ShapeRow *row, const ShapeRow *before,
                               size_t count)
{
    const Binding *binding = row->binding;
    ShapeDiff diff = shape_diff(row->offer->dims, row->offer->rank, binding->dims, binding->rank);
    if (same_layer(row, before)) return "same layer";
    const char *times = count > 1 ? arena_printf(reporter->arena, "   %zu tensors", count) : "";
    if (diff.kind != SHAPES_ONE_AXIS)
        return arena_printf(reporter->arena, "%s%s",
                            shape_diff_reason(reporter->arena, &diff, row->offer->rank), times);
    return arena_printf(reporter->arena, "dim %u: %lld%s → %lld%s", diff.axis,
                        (long long)row->offer->dims[diff.axis],
                        row->cause == CAUSE_CLASSES ? " classes" : "",
                        (long long)binding->dims[diff.axis], times);
}

/* Rows with one cause and one remedy stand together, in order of first appearance. `done` marks
 * rows that stand in a group, `group` receives the indexes of this one; returns how many.
 * Quadratic in the number of different groups, which are few. */
static size_t group_rows(const ShapeRow *rows, size_t n, unsigned char *done, size_t first,
                         size_t *group)
{
    size_t count = 0;
    const char *suggest = rows[first].binding->suggest;
    for (size_t i = first; i < n; i++) {
        const char *other = rows[i].binding->suggest;
        bool same = suggest == other || (suggest && other && strcmp(suggest, other) == 0);
        if (done[i] || rows[i].cause != rows[first].cause || !same) continue;
        done[i] = 1;
        group[count++] = i;
    }
    return count;
}

/* Rows of one line have both shapes in common. */
static const char *row_class(Reporter *reporter, const ShapeRow *row)
{
    return arena_printf(reporter->arena, "%s>%s",
                        report_shape(reporter, row->offer->dims, row->offer->rank),
                        report_shape(reporter, row->binding->dims, row->binding->rank));
}

/* The lines of one group: names, both shapes, reason. */
static void add_rows(Reporter *reporter, const ShapeRow *rows, const size_t *group, size_t count,
                     size_t shift)
{
    const char **names = arena_alloc(reporter->arena, count * sizeof *names);
    const char **classes = arena_alloc(reporter->arena, count * sizeof *classes);
    for (size_t i = 0; i < count; i++) {
        const ShapeRow *row = &rows[group[i]];
        names[i] = row->binding->name;
        classes[i] = row_class(reporter, row);
    }
    NameLine *bundles;
    size_t lines = report_bundle(reporter, names, classes, count, &bundles);
    const ShapeRow *before = NULL;
    for (size_t i = 0; i < lines; i++) {
        const ShapeRow *row = &rows[group[bundles[i].members[0]]];
        text_addf(&reporter->page.line, "    %s", bundles[i].name);
        page_pad(&reporter->page, SOURCE_COLUMN + shift);
        text_add(&reporter->page.line, report_shape(reporter, row->offer->dims, row->offer->rank));
        page_pad(&reporter->page, TARGET_COLUMN + shift);
        text_add(&reporter->page.line,
                 report_shape(reporter, row->binding->dims, row->binding->rank));
        page_pad(&reporter->page, REASON_COLUMN + shift);
        text_add(&reporter->page.line, show_reason(reporter, row, before, bundles[i].count));
        page_end_line(&reporter->page, LINE_GROUP);
        before = row;
    }
}

/* What it means (once for a cause), and the rule that would mend it. Both are tails: they go
 * before names are left out altogether. */
static void explain_group(Reporter *reporter, const ShapeRow *row, bool explained)
{
    const char *text = report_cause_text(reporter, row->cause, row->binding);
    const char *remedy = report_remedy(reporter, row->cause, row->binding);
    if (text && !explained) page_line(&reporter->page, LINE_TAIL, "    %s", text);
    if (remedy && row->binding->suggest)
        page_line(&reporter->page, LINE_TAIL, "    %s:   %s", remedy, row->binding->suggest);
}

/* How far the columns move to the right for long names. Found by folding everything once
 * before: all groups share the columns. */
static size_t column_shift(Reporter *reporter, const ShapeRow *rows, size_t n)
{
    const char **names = arena_alloc(reporter->arena, (n + 1) * sizeof *names);
    const char **classes = arena_alloc(reporter->arena, (n + 1) * sizeof *classes);
    for (size_t i = 0; i < n; i++) {
        names[i] = rows[i].binding->name;
        classes[i] = row_class(reporter, &rows[i]);
    }
    NameLine *bundles;
    size_t lines = report_bundle(reporter, names, classes, n, &bundles), longest = 0;
    for (size_t i = 0; i < lines; i++) {
        size_t width = show_width(bundles[i].name) + 6;
        if (width > longest) longest = width;
    }
    if (longest > NAME_COLUMN_MAX) longest = NAME_COLUMN_MAX;
    return longest > SOURCE_COLUMN ? longest - SOURCE_COLUMN : 0;
}

/* Fits that could not be say why in their own words. */
static void add_unfitted(Reporter *reporter)
{
    for (size_t i = 0; i < align_count(reporter->alignment); i++) {
        const Binding *binding = align_binding(reporter->alignment, i);
        if (is_unfitted(binding))
            page_line(&reporter->page, LINE_GROUP, "    %s   %s",
                      report_name(reporter, binding->name), binding->reason);
    }
}

/* A model has a few heads; where the first axis of many layers differs it is no head. At most
 * 32. */
static void limit_classifiers(ShapeRow *rows, size_t n)
{
    enum { HEADS_MAX = 32 };
    size_t heads = 0;
    for (size_t i = 0; i < n; i++) heads += rows[i].cause == CAUSE_CLASSES;
    for (size_t i = 0; i < n && heads > HEADS_MAX; i++)
        if (rows[i].cause == CAUSE_CLASSES) rows[i].cause = CAUSE_OTHER;
}

/* All that differ, with their causes; returns how many. *unfitted counts those that have no
 * second shape to show. */
static size_t list_rows(Reporter *reporter, ShapeRow *rows, size_t *unfitted)
{
    size_t count = 0;
    *unfitted = 0;
    for (size_t i = 0; i < align_count(reporter->alignment); i++) {
        const Binding *binding = align_binding(reporter->alignment, i);
        *unfitted += is_unfitted(binding);
        if (!report_is_misshapen(binding)) continue;
        rows[count++] = (ShapeRow){binding, align_offer(binding),
                                   report_shape_cause(reporter, binding)};
    }
    limit_classifiers(rows, count);
    return count;
}

/* Groups by cause and remedy, in order of first appearance. */
void report_shapes(Reporter *reporter)
{
    size_t total = align_count(reporter->alignment), unfitted;
    ShapeRow *rows = mem_alloc((total + 1) * sizeof *rows);
    size_t count = list_rows(reporter, rows, &unfitted);
    size_t shift = column_shift(reporter, rows, count);
    unsigned char *done = mem_alloc(count + 1);
    size_t *group = mem_alloc((count + 1) * sizeof *group);
    uint32_t explained = 0;
    if (count + unfitted) {
        page_section(&reporter->page, false);
        text_addf(&reporter->page.line, "  Shape differs (%zu)", count + unfitted);
        page_pad(&reporter->page, SOURCE_COLUMN + shift);
        text_add(&reporter->page.line, "source");
        page_pad(&reporter->page, TARGET_COLUMN + shift);
        text_add(&reporter->page.line, "target");
        page_end_line(&reporter->page, LINE_HEAD);
    }
    for (size_t i = 0; i < count; i++) {
        if (done[i]) continue;
        size_t n = group_rows(rows, count, done, i, group);
        add_rows(reporter, rows, group, n, shift);
        explain_group(reporter, &rows[i], explained >> rows[i].cause & 1);
        explained |= 1u << rows[i].cause;
    }
    add_unfitted(reporter);
    free(rows);
    free(done);
    free(group);
}

/* ---- types ---- */

/* The reason's part about dtypes: "f16 → f32, cast". With both a fit and a cast the reason is
 * "100 of 200 rows; f16 → f32, cast". */
static const char *type_change(const Binding *binding)
{
    if (!binding->reason || (!binding->cast && binding->status != BIND_DTYPE)) return NULL;
    const char *last = strrchr(binding->reason, ';');
    return last && binding->cast ? last + 2 : binding->reason;
}

/* Kept by policy{dtype="skip"}. Without origin, since keep_target is another matter. */
static bool is_skipped_type(const Binding *binding)
{
    return binding->status == BIND_KEPT && !binding->origin && binding->offered &&
           !report_is_misshapen(binding) && binding->reason;
}

/* What the section says about a binding; NULL when it does not belong there. Its text is the
 * class by which names fold. */
static const char *type_class(Reporter *reporter, const Binding *binding)
{
    if (binding->covered) return NULL;
    if (is_skipped_type(binding))
        return arena_printf(reporter->arena, "%s, kept from the target", binding->reason);
    const char *change = type_change(binding);
    if (!change) return NULL;
    return binding->cast ? change : arena_printf(reporter->arena, "%s, not loaded", change);
}

/* Casts are told by their number, one line a change. "     12  tensors   f16 → f32, cast";
 * order is that of first appearance. */
static void add_casts(Reporter *reporter, const char *const *changes, size_t count)
{
    NameMap lines;
    size_t *counts = mem_alloc((count + 1) * sizeof *counts);
    map_init(&lines);
    for (size_t i = 0; i < count; i++) {
        uint32_t line = map_get(&lines, changes[i]);
        if (line == MAP_NONE) map_set(&lines, changes[i], line = (uint32_t)i);
        counts[line]++;
    }
    for (size_t i = 0; i < count; i++) {
        if (!counts[i]) continue;
        text_addf(&reporter->page.line, "%7zu  tensors", counts[i]);
        page_pad(&reporter->page, SOURCE_COLUMN);
        text_add(&reporter->page.line, changes[i]);
        page_end_line(&reporter->page, LINE_GROUP);
    }
    map_done(&lines);
    free(counts);
}

/* What was not loaded (and with -v what was cast) by name. A suggestion is said once, behind the
 * first of the lines that share it. */
static void add_refusals(Reporter *reporter, const Binding *const *list, const char *const *changes,
                         size_t count)
{
    const char **names = arena_alloc(reporter->arena, (count + 1) * sizeof *names);
    for (size_t i = 0; i < count; i++) names[i] = list[i]->name;
    NameLine *bundles;
    size_t lines = report_bundle(reporter, names, changes, count, &bundles);
    const char *suggested = NULL;
    for (size_t i = 0; i < lines; i++) {
        const Binding *first = list[bundles[i].members[0]];
        text_addf(&reporter->page.line, "%7zu  %s", bundles[i].count, bundles[i].name);
        page_pad(&reporter->page, SOURCE_COLUMN);
        text_add(&reporter->page.line, changes[bundles[i].members[0]]);
        page_end_line(&reporter->page, LINE_GROUP);
        if (first->suggest == suggested || first->cast || first->status == BIND_KEPT) continue;
        suggested = first->suggest;
        if (suggested)
            page_line(&reporter->page, LINE_TAIL, "    To convert all the same:   %s", suggested);
    }
}

/* Refused ones first, then casts. With -v casts are listed like refusals, by name. */
void report_types(Reporter *reporter)
{
    size_t total = align_count(reporter->alignment), refused = 0, cast = 0;
    const Binding **list = mem_alloc((total + 1) * sizeof *list);
    const char **changes = mem_alloc((total + 1) * sizeof *changes);
    const char **casts = mem_alloc((total + 1) * sizeof *casts);
    for (size_t i = 0; i < total; i++) {
        const Binding *binding = align_binding(reporter->alignment, i);
        const char *change = type_class(reporter, binding);
        if (!change) continue;
        if (binding->cast && !reporter->options->verbose) {
            casts[cast++] = change;
            continue;
        }
        list[refused] = binding;
        changes[refused++] = change;
    }
    if (refused + cast) {
        page_section(&reporter->page, false);
        page_line(&reporter->page, LINE_HEAD, "  Type differs (%zu)", refused + cast);
        add_refusals(reporter, list, changes, refused);
        add_casts(reporter, casts, cast);
    }
    free(list);
    free(changes);
    free(casts);
}
