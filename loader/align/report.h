/* Reports: the ledger for people and for scripts. The sections of the text stand
 * in report_text, the members of the JSON at the head of report_json.c. */
#ifndef LOADER_ALIGN_REPORT_H
#define LOADER_ALIGN_REPORT_H

#include "loader/align/compare.h"
#include "loader/core/json.h"

/* Something of the source beside the state dict that a whole output holds otherwise, or not. */
typedef struct ReportLoss {
    const char *path;            /* where it stood in the source */
    const char *what;            /* "argparse.Namespace object" */
    const char *became;          /* "a dict of its attributes"; NULL: it is left out */
} ReportLoss;

/* What the casts of one target from one dtype to another lost. */
typedef struct ReportCast {
    const char *target;
    CastLoss loss;
} ReportCast;

/* A tensor that is made in pieces, since it is larger than the buffer. */
typedef struct ReportPass {
    const char *target;          /* held name */
    uint64_t pieces;
    uint64_t read;               /* bytes that all of them read */
    double passes;               /* how often what it is made of is gone through: 1 to `pieces` */
} ReportPass;

typedef struct ReportOutput {
    const char *path, *format;   /* what was written */
    size_t tensors;              /* written */
    uint64_t bytes;              /* of the file, or of the shards that were written */
    const char *sha256;          /* NULL: not asked for */
    size_t shards, shards_written;   /* of all, and now; 0 for one file, which is at `path` */
    bool waiting;                /* others are still to write shards; then comes the index */
    bool in_place;               /* nothing else was written: `path` is the source */
    bool unchanged;              /* in place: every name is what it was */
    bool groups;                 /* PATH.groups.{json,py} stand beside it */
    bool whole;                  /* the rest of the source is in it; the next members count */
    const ReportLoss *losses;    /* [loss_count] */
    size_t loss_count;
    const ReportCast *casts;     /* [cast_count], in the order of the output; NULL: not measured */
    size_t cast_count;
} ReportOutput;

/* What plans (loader/export/plan_json.h) say in the same object: members at the end of each entry,
 * and at its very end. */
typedef struct ReportPlan {
    void (*put_entry)(void *context, const Binding *binding, JsonWriter *writer);
    void (*put_end)(void *context, JsonWriter *writer);
    void *context;
} ReportPlan;

typedef struct ReportOptions {
    const char *source_path, *target_path;   /* as the user gave them; target may be NULL */
    const char *target_format, *target_container;   /* as the target file says; NULL = none */
    const char *const *rule_files;   /* [rule_count], as the user gave them */
    size_t rule_count;
    bool verbose;                /* no limit of 20 lines */
    const ReportPlan *plan;      /* the JSON is a plan; NULL: a report */
    bool writing;                /* an output was asked for: say written or nothing written */
    const ReportOutput *output;  /* NULL: nothing was written */
    const ReportPass *passes;    /* [pass_count]; of an output, or a plan for one */
    size_t pass_count;
    const ValueReport *values;   /* what the numbers of loaded pairs came to; NULL: not compared */
    const char *log;             /* JSON: what --log printed; NULL = it was not asked for */
    int exit;                    /* the status the program will end with, for the JSON */
} ReportOptions;

/* What was written, by itself: "written OUT  58 tensors  55.6 kB" and what follows; and the member
 * "output", null for NULL. */
void report_output_text(const ReportOutput *output, bool verbose, Text *out);
void report_output_json(const ReportOutput *output, JsonWriter *writer);

/* "2 tensors are larger than the buffer …", and the member "passes"; nothing for none. */
void report_passes_text(const ReportPass *passes, size_t count, bool verbose, Text *out);
void report_passes_json(const ReportPass *passes, size_t count, JsonWriter *writer);

void report_text(const Alignment *alignment, const ReportOptions *options, Text *out);
void report_json(const Alignment *alignment, const ReportOptions *options, Text *out);

#endif
