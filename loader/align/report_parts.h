/* The inside of the text report: what its sections share. */
#ifndef LOADER_ALIGN_REPORT_PARTS_H
#define LOADER_ALIGN_REPORT_PARTS_H

#include "loader/align/report.h"
#include "loader/align/report_page.h"

typedef struct Reporter {
    const Alignment *alignment;  /* what is told; borrowed */
    const ReportOptions *options;
    Arena *arena;                /* scratch */
    Page page;
} Reporter;

/* Names that are told in one line: alike in class and foldable. */
typedef struct NameLine {
    const char *name;            /* folded, safe to print */
    const uint32_t *members;     /* [count], indexes into what was bundled, in order */
    size_t count;
} NameLine;

/* Folds n names; only those with equal class texts share a line. */
size_t report_bundle(Reporter *reporter, const char *const *names, const char *const *classes,
                     size_t n, NameLine **out);
/* The name with control characters escaped. */
const char *report_name(Reporter *reporter, const char *name);
/* "200×2048", "?" when unknown. */
const char *report_shape(Reporter *reporter, const int64_t *dims, unsigned rank);
const char *report_origin(Reporter *reporter, const Origin *origin);   /* "fix.lua:3" */

/* The sections; report_text has their order. Each adds nothing when it has nothing to say. */
void report_loaded(Reporter *reporter);   /* Loaded (without -v: in part), Tied */
void report_shapes(Reporter *reporter);
void report_types(Reporter *reporter);
void report_missing(Reporter *reporter);
void report_unused(Reporter *reporter);
void report_rules(Reporter *reporter);    /* Ambiguous, Collision, Rule problem */
void report_doubts(Reporter *reporter);   /* Automatic alignment, and what it asks */
void report_others(Reporter *reporter);   /* Not a tensor, Kept, Filled */
void report_optimizer(Reporter *reporter);
void report_groups(Reporter *reporter);
void report_values(Reporter *reporter);   /* Values: what --values found, the worst first */
/* The member "values" of an entry, and of the whole; nothing where none were compared. */
void report_json_pair(const ValueReport *values, size_t binding, JsonWriter *writer);
void report_json_values(const Alignment *alignment, const ValueReport *values, JsonWriter *writer);
/* The member "groups" of the JSON; nothing without freeze and group. */
void report_json_groups(const Alignment *alignment, JsonWriter *writer);
/* The member "optimizer" of the JSON. */
void report_json_optimizer(const Alignment *alignment, JsonWriter *writer);

/* Whether the report has said in "Shape differs" what is to be said about it. */
bool report_is_misshapen(const Binding *binding);
/* Missing, or kept because it was. */
bool report_is_missing(const Binding *binding);

/* ---- well-known causes (report_causes.c) ---- */

/* Buffers that come and go between versions of a library without meaning anything. */
typedef struct BufferCause {
    const char *leaf;            /* last segment, or last two */
    const char *what;            /* what it is, and why it is harmless */
} BufferCause;

/* NULL when the name is none of them. `rank` keeps attn.bias (a mask) from real biases. */
const BufferCause *report_buffer(const char *name, unsigned rank);

typedef enum ShapeCause {
    CAUSE_OTHER, CAUSE_SIZE, CAUSE_BUFFER, CAUSE_CLASSES, CAUSE_VOCABULARY, CAUSE_CHANNELS,
    CAUSE_POSITIONS, CAUSE_WINDOW, CAUSE_LAYOUT, CAUSE_ORDER, CAUSE_CUT, CAUSE_INNER
} ShapeCause;

/* x.weight of x.bias's layer; NULL: there is none, or it is that itself. */
const Binding *report_weight_beside(const Reporter *reporter, const Binding *binding);
/* Whether a layer whose rows differ in number is no head: others take what it makes, or stand
 * beside it with the old shape (report_inner.c). */
bool report_is_inner(const Reporter *reporter, const Binding *binding);
/* Why the offered shape differs from the target's. */
ShapeCause report_shape_cause(const Reporter *reporter, const Binding *binding);
/* One or two sentences for people: what it means. */
const char *report_cause_text(Reporter *reporter, ShapeCause cause, const Binding *binding);
/* What the suggested rule would do: "To take the first 100 rows". */
const char *report_remedy(Reporter *reporter, ShapeCause cause, const Binding *binding);

#endif
