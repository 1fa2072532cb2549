/* What automatic alignment did for the whole, and what it asks:
 *
 *   Ambiguous (2 questions, 48 tensors)   the names don't decide; nothing loaded
 *      A  encoder.layer.{0-11}.attention.output.LayerNorm.*   →   B? or C?   0.52 / 0.51
 *      B  blk.{0-11}.attn_output_norm.*   C  blk.{0-11}.layer_output_norm.*
 *     One answer settles 24:   tenon align … --say "attention.output.LayerNorm=attn_output_norm" */
#include <stdlib.h>
#include <string.h>

#include "loader/align/report_parts.h"

/* Candidates of one question that are named; letters that there are. */
enum { SOURCES_SHOWN = 6, TARGETS_SHOWN = 6, LETTERS = 26 };

/* "A", then "A2" when the alphabet is through. */
static const char *letter(Reporter *reporter, size_t index)
{
    if (index < LETTERS) return arena_printf(reporter->arena, "%c", (char)('A' + index));
    return arena_printf(reporter->arena, "%c%zu", (char)('A' + index % LETTERS),
                        index / LETTERS + 1);
}

/* One source's candidates and their scores: "B? or C?   0.52 / 0.51". */
static void add_choices(Reporter *reporter, const Doubt *doubt, size_t source, size_t first)
{
    const float *row = doubt->scores + source * doubt->target_count;
    Text *line = &reporter->page.line;
    size_t shown = 0, left = 0;
    Text scores = {0};
    for (size_t i = 0; i < doubt->target_count; i++) {
        if (row[i] <= 0) continue;
        if (i >= TARGETS_SHOWN) {
            left++;
            continue;
        }
        text_addf(line, "%s%s?", shown ? " or " : "", letter(reporter, first + i));
        text_addf(&scores, "%s%.2f", shown ? " / " : "", (double)row[i]);
        shown++;
    }
    if (left) text_addf(line, " or %zu more", left);
    text_addf(line, "   %s", text_string(&scores));
    text_done(&scores);
}

static void add_targets(Reporter *reporter, const Doubt *doubt, size_t first)
{
    for (size_t i = 0; i < doubt->target_count && i < TARGETS_SHOWN; i++)
        page_line(&reporter->page, LINE_GROUP, "     %s  %s", letter(reporter, first + i),
                  report_name(reporter, doubt->targets[i]));
    if (doubt->target_count > TARGETS_SHOWN)
        page_line(&reporter->page, LINE_GROUP, "     and %zu more",
                  doubt->target_count - TARGETS_SHOWN);
}

/* A pair that is likely has no choice: it is told, and how it is taken. */
static void add_likely(Reporter *reporter, const Doubt *doubt)
{
    page_line(&reporter->page, LINE_GROUP, "     likely  %s   →   %s%s   %.2f",
              doubt->source_count ? report_name(reporter, doubt->sources[0]) : "?",
              doubt->target_count ? report_name(reporter, doubt->targets[0]) : "?",
              doubt->target_count > 1 ? ", …" : "",
              doubt->source_count && doubt->target_count ? (double)doubt->scores[0] : 0.0);
}

/* What lies in one tensor, and the one: "A + B + C  in  D". */
static void add_together(Reporter *reporter, const Doubt *doubt)
{
    const bool splits = doubt->source_count == 1;
    const char *const *parts = splits ? doubt->targets : doubt->sources;
    const size_t n = splits ? doubt->target_count : doubt->source_count;
    Text *line = &reporter->page.line;
    text_addf(line, "     %s   %s   ",
              report_name(reporter, splits ? doubt->sources[0] : doubt->targets[0]),
              splits ? "→" : "←");
    for (size_t i = 0; i < n && i < TARGETS_SHOWN; i++)
        text_addf(line, "%s%s", i ? " + " : "", report_name(reporter, parts[i]));
    text_add(line, n > TARGETS_SHOWN ? " + …?" : "?");
    page_end_line(&reporter->page, LINE_GROUP);
    page_line(&reporter->page, LINE_GROUP,
              "     in which order, and in how many turns: A+B, or 16*(A+B) head by head");
}

/* Candidates of one side, each with those of the other. */
static void add_candidates(Reporter *reporter, const Doubt *doubt, size_t *next)
{
    size_t shown = doubt->source_count < SOURCES_SHOWN ? doubt->source_count : SOURCES_SHOWN;
    size_t first = *next + shown;
    for (size_t i = 0; i < shown; i++) {
        text_addf(&reporter->page.line, "     %s  %s   →   ", letter(reporter, *next + i),
                  report_name(reporter, doubt->sources[i]));
        add_choices(reporter, doubt, i, first);
        page_end_line(&reporter->page, LINE_GROUP);
    }
    if (doubt->source_count > shown)
        page_line(&reporter->page, LINE_GROUP, "     and %zu more sources",
                  doubt->source_count - shown);
    add_targets(reporter, doubt, first);
    *next = first + doubt->target_count;
    if (doubt->target_count > TARGETS_SHOWN) *next = first + TARGETS_SHOWN;
}

/* One question; *next is the first letter that is free. */
static void add_doubt(Reporter *reporter, const Doubt *doubt, size_t *next)
{
    if (doubt->together) add_together(reporter, doubt);
    else add_candidates(reporter, doubt, next);
    if (doubt->why)
        page_line(&reporter->page, LINE_GROUP, "     values: %s",
                  report_name(reporter, doubt->why));
    const char *answer = doubt->say ? doubt->say : doubt->ask;
    if (answer)
        page_line(&reporter->page, LINE_TAIL,
                  "    One answer settles %s%zu:   tenon align … --say \"%s\"",
                  doubt->tensors == 2 ? "both of " : "", doubt->tensors,
                  report_name(reporter, answer));
}

/* Questions whose targets something else has settled are told as waived. */
static void add_questions(Reporter *reporter)
{
    const Alignment *alignment = reporter->alignment;
    size_t count = 0, tensors = 0, likely = 0, waived = 0, next = 0;
    for (size_t i = 0; i < align_doubt_count(alignment); i++) {
        const Doubt *doubt = align_doubt(alignment, i);
        if (doubt->open) count++;
        else waived += !doubt->settled;
        likely += doubt->open && doubt->likely;
    }
    for (size_t i = 0; i < align_count(alignment); i++) {
        const Binding *binding = align_binding(alignment, i);
        tensors += binding->status == BIND_AMBIGUOUS && binding->doubt && !binding->covered;
    }
    if (!count && !waived) return;
    page_section(&reporter->page, count > 0);
    page_line(&reporter->page, LINE_HEAD, "  Ambiguous (%zu question%s, %zu tensor%s)   %s", count,
              count == 1 ? "" : "s", tensors, tensors == 1 ? "" : "s",
              count ? "the evidence doesn't decide; nothing loaded"
                    : "settled by policy or a fill");
    for (int kind = 0; kind < 2; kind++)
        for (size_t i = 0; i < align_doubt_count(alignment); i++) {
            const Doubt *doubt = align_doubt(alignment, i);
            if (!doubt->open || doubt->likely != (kind == 1)) continue;
            if (doubt->likely) add_likely(reporter, doubt);
            else add_doubt(reporter, doubt, &next);
        }
    if (likely)
        page_line(&reporter->page, LINE_TAIL,
                  "    What is likely is taken by:   tenon align … --accept likely");
}

/* What was found is counted, what was decided for all of it is told. */
void report_doubts(Reporter *reporter)
{
    const Alignment *alignment = reporter->alignment;
    size_t found = 0, remarks = 0;
    if (!align_is_automatic(alignment)) return;
    for (size_t i = 0; i < align_count(alignment); i++)
        found += align_binding(alignment, i)->how == HOW_AUTO;
    for (size_t i = 0; i < align_note_count(alignment); i++)
        remarks += align_note(alignment, i)->remark;
    if (found || remarks) {
        page_section(&reporter->page, false);
        page_line(&reporter->page, LINE_HEAD, "  Found without a rule (%zu)", found);
    }
    for (size_t i = 0; i < align_note_count(alignment); i++)
        if (align_note(alignment, i)->remark)
            page_line(&reporter->page, LINE_GROUP, "     %s",
                      report_name(reporter, align_note(alignment, i)->text));
    add_questions(reporter);
}
