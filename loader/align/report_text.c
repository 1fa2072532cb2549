/* The text report: header, counts, sections, last line.
 *
 *   tenon  pretrain.pth::model → classifier.json   (fix.lua)
 *
 *     318 of 320 tensors loaded   23.6 M of 24.0 M values
 *       2 differ in shape, not loaded
 *       0 missing   0 unused   0 ambiguous */
#include <stdlib.h>
#include <string.h>

#include "loader/align/report_parts.h"
#include "loader/core/fold.h"
#include "loader/core/map.h"

/* ---- what the sections share ---- */

/* In the report's arena, as everything that sections print. */
const char *report_name(Reporter *reporter, const char *name)
{
    Text text = {0};
    name_show(name, &text);
    return text_keep(&text, reporter->arena);
}

const char *report_shape(Reporter *reporter, const int64_t *dims, unsigned rank)
{
    Text text = {0};
    show_shape(dims, rank, &text);
    return text_keep(&text, reporter->arena);
}

/* A file name may hold control characters as a key may. */
const char *report_origin(Reporter *reporter, const Origin *origin)
{
    const char *file = report_name(reporter, origin->file);
    return arena_printf(reporter->arena, "%s:%d", file, origin->line);
}

/* Class texts become numbers, since fold_names compares those. Escaping comes last: it must not
 * change what folds. */
size_t report_bundle(Reporter *reporter, const char *const *names, const char *const *classes,
                     size_t n, NameLine **out)
{
    NameMap ids;
    uint32_t *numbers = mem_alloc((n + 1) * sizeof *numbers);
    map_init(&ids);
    for (size_t i = 0; classes && i < n; i++) {
        numbers[i] = map_get(&ids, classes[i]);
        if (numbers[i] != MAP_NONE) continue;
        numbers[i] = (uint32_t)ids.count;
        map_set(&ids, classes[i], numbers[i]);
    }
    Folded *folded;
    size_t lines = fold_names(reporter->arena, names, classes ? numbers : NULL, n, &folded);
    *out = arena_alloc(reporter->arena, (lines + 1) * sizeof(NameLine));
    for (size_t i = 0; i < lines; i++)
        (*out)[i] = (NameLine){report_name(reporter, folded[i].text), folded[i].members,
                             folded[i].count};
    map_done(&ids);
    free(numbers);
    return lines;
}

/* ---- header and counts ---- */

/* "ckpt.pth::state_dict": the container is said where the user did not. With a container that
 * is not the file's root. */
static void add_path(Reporter *reporter, const char *path, const char *container)
{
    Text *line = &reporter->page.line;
    text_add(line, report_name(reporter, path ? path : "?"));
    if (container && *container && path && !strstr(path, "::"))
        text_addf(line, "::%s", report_name(reporter, container));
}

/* "tenon  pretrain.pth → classifier.json   (fix.lua)" */
static void add_header(Reporter *reporter)
{
    const ReportOptions *options = reporter->options;
    Text *line = &reporter->page.line;
    text_add(line, "tenon  ");
    add_path(reporter, options->source_path, align_container(reporter->alignment));
    if (options->target_path) {
        text_add(line, " → ");
        add_path(reporter, options->target_path, options->target_container);
    }
    for (size_t i = 0; i < options->rule_count; i++)
        text_addf(line, "%s%s", i ? ", " : "   (", report_name(reporter, options->rule_files[i]));
    if (options->rule_count) text_addc(line, ')');
    page_end_line(&reporter->page, LINE_HEAD);
}

/* Numbers of the counts stand right-aligned. The widest decides. */
static unsigned count_digits(size_t number)
{
    unsigned digits = 1;
    while (number /= 10) digits++;
    return digits;
}

/* How many bindings the sections of shapes and types speak of, by what became of them. */
typedef struct Tally {
    /* kept: by policy; open: nothing goes in. `kept` alone is keep_target's */
    size_t shape_kept, shape_open, dtype_kept, dtype_open, missing, kept, expected, unused;
} Tally;

/* Every binding is counted under one heading at most. What is misshapen is asked for
 * first: KEPT may be that, a missing target, keep_target's, or one of another dtype. */
static void tally_binding(Tally *tally, const Binding *binding)
{
    if (binding->covered) {
        tally->expected++;
    } else if (report_is_misshapen(binding) || binding->status == BIND_SHAPE) {
        tally->shape_kept += binding->status == BIND_KEPT;
        tally->shape_open += binding->status == BIND_SHAPE;
    } else if (report_is_missing(binding)) {
        tally->missing++;
    } else if (binding->status == BIND_KEPT) {
        tally->kept += binding->origin != NULL;
        tally->dtype_kept += !binding->origin;
    }
    tally->dtype_open += binding->status == BIND_DTYPE && !binding->covered;
}

/* What expect{} covers is counted once, as expected, and spoken of no more. */
static Tally count_tally(const Reporter *reporter)
{
    Tally tally = {0};
    const Alignment *alignment = reporter->alignment;
    for (size_t i = 0; i < align_count(alignment); i++)
        tally_binding(&tally, align_binding(alignment, i));
    for (size_t i = 0; i < align_use_count(alignment); i++) {
        const SourceUse *use = align_use(alignment, i);
        if (use->status != USE_UNUSED) continue;
        tally.unused++;
        if (use->covered && !use->offered_to) tally.expected++;
    }
    return tally;
}

/* A line, unless there is none of the kind. */
static void add_count(Reporter *reporter, unsigned width, size_t count, const char *one,
                      const char *many)
{
    if (count)
        page_line(&reporter->page, LINE_HEAD, "  %*zu %s", (int)width, count,
                  count == 1 ? one : many);
}

/* "318 of 320 tensors loaded   23.6 M of 24.0 M values" Values are elements: they tell better
 * than names how much of a model was loaded. */
static void add_loaded(Reporter *reporter, unsigned width)
{
    const Summary *summary = align_summary(reporter->alignment);
    size_t loaded = summary->bind[BIND_LOADED], total = align_count(reporter->alignment);
    char some[32], all[32];
    text_addf(&reporter->page.line, "  %*zu of %zu tensors loaded", (int)width, loaded, total);
    show_count(summary->values_loaded, some);
    show_count(summary->values_target, all);
    if (!align_target(reporter->alignment))
        text_addf(&reporter->page.line, "   %s values", some);
    else if (loaded + summary->bind[BIND_TIED] == total)
        text_add(&reporter->page.line, align_exit(reporter->alignment) == 2
                                           ? "   but the rules are in error, see below"
                                           : "   all target keys have a value");
    else
        text_addf(&reporter->page.line, "   %s of %s values", some, all);
    page_end_line(&reporter->page, LINE_HEAD);
}

/* The counts: a line a state, and the last one with what is open. Lines with a count of 0 are
 * left out, the last one excepted, which says that nothing is open. */
static void add_counts(Reporter *reporter)
{
    const Alignment *alignment = reporter->alignment;
    const Summary *summary = align_summary(alignment);
    Tally tally = count_tally(reporter);
    const size_t counts[] = {summary->bind[BIND_LOADED], summary->bind[BIND_TIED], tally.shape_kept,
                             tally.shape_open, tally.dtype_kept, tally.dtype_open, tally.kept,
                             summary->bind[BIND_FILLED], summary->use[USE_DROPPED],
                             tally.expected, tally.missing, align_rivals(alignment)};
    unsigned width = 1;
    for (size_t i = 0; i < countof(counts); i++)
        if (count_digits(counts[i]) > width) width = count_digits(counts[i]);
    page_section(&reporter->page, true);
    add_loaded(reporter, width);
    add_count(reporter, width, summary->bind[BIND_TIED], "tied to a loaded tensor",
              "tied to loaded tensors");
    add_count(reporter, width, tally.shape_kept, "differs in shape, kept from the target",
              "differ in shape, kept from the target");
    add_count(reporter, width, tally.shape_open, "differs in shape, not loaded",
              "differ in shape, not loaded");
    add_count(reporter, width, tally.dtype_kept, "differs in type, kept from the target",
              "differ in type, kept from the target");
    add_count(reporter, width, tally.dtype_open, "differs in type, not loaded",
              "differ in type, not loaded");
    add_count(reporter, width, tally.kept, "kept from the target", "kept from the target");
    add_count(reporter, width, summary->bind[BIND_FILLED], "filled", "filled");
    add_count(reporter, width, summary->use[USE_DROPPED], "of the source dropped by rule",
              "of the source dropped by rule");
    add_count(reporter, width, tally.expected, "difference as expected",
              "differences as expected");
    if (summary->bind[BIND_LOADED] + summary->bind[BIND_TIED] < align_count(alignment))
        page_line(&reporter->page, LINE_HEAD, "  %*zu missing   %zu unused   %zu ambiguous",
                  (int)width, tally.missing, tally.unused, summary->bind[BIND_AMBIGUOUS]);
    if (align_rivals(alignment))
        page_line(&reporter->page, LINE_HEAD,
                  "  %*zu other dict%s hold%s the same names: choose with FILE::PATH", (int)width,
                  align_rivals(alignment), align_rivals(alignment) == 1 ? "" : "s",
                  align_rivals(alignment) == 1 ? "s" : "");
}

/* ---- the last line ---- */

/* Where nothing is written nothing is read, and so not measured either. */
static void say_unmeasured(Reporter *reporter, Text *out)
{
    for (size_t i = 0; i < align_count(reporter->alignment); i++) {
        const Binding *binding = align_binding(reporter->alignment, i);
        const Expr *expr = binding->status == BIND_LOADED ? binding->expr : NULL;
        if (!expr || expr->kind != EX_CAST || expr->rounding) continue;
        text_add(out, "\nwhat casts lose is measured while they are written (-o)\n");
        return;
    }
}

/* What was written, or that nothing was. */
static void add_result(const ReportOptions *options, Text *out)
{
    text_addc(out, '\n');
    if (options->output) report_output_text(options->output, options->verbose, out);
    else text_add(out, "nothing written\n");
}

/* The head and the counts are sections that must be seen; the last line is written past the
 * page, hence its two lines are spared. */
void report_text(const Alignment *alignment, const ReportOptions *options, Text *out)
{
    Reporter reporter = {.alignment = alignment, .options = options, .arena = arena_new()};
    reporter.page.arena = reporter.arena;
    bool result = options->writing || options->output;
    add_header(&reporter);
    add_counts(&reporter);
    report_values(&reporter);
    report_loaded(&reporter);
    report_shapes(&reporter);
    report_types(&reporter);
    report_missing(&reporter);
    report_unused(&reporter);
    report_rules(&reporter);
    report_others(&reporter);
    report_groups(&reporter);
    report_optimizer(&reporter);
    page_write(&reporter.page, options->verbose, result ? 2 : 0, out);
    if (options->verbose && !options->output) say_unmeasured(&reporter, out);
    if (result) add_result(options, out);
    report_passes_text(options->passes, options->pass_count, options->verbose, out);
    arena_free(reporter.arena);
}
