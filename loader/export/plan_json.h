/* Plans as files: the report of `align --json`, in which each entry that would be written says its
 * value besides, and which says at its end what else it takes to write the output elsewhere.
 *
 *   {…, "entries":[{…, "expr":["src","a"], "alias":"b"}], …,
 *    "plan":{"sources":[{"path","size","header_sha256","side","container"}],
 *            "output":{"format","shards","whole","metadata":{"safetensors","torch"},
 *                      "under","compact","meta","groups","optimizer_state"}}}
 *
 * "alias" is the entry whose storage this one shares (ties), which stands earlier. "side" is
 * "target" for the file that kept values are read from; paths that are relative count from the
 * plan's folder. Several files that are one source (tenon-rules(5), source) say "number" besides.
 * "shards" is null for one file, else {"size": bytes of values in one}. "metadata" holds
 * `__metadata__` for .safetensors, and for .pth `_metadata`:
 * "source" where it is the source's under the new names, null where there is none, else its nodes
 * (metadata.h). "meta" is what meta statements put beside the tensors, null where there is nothing:
 * {KEY: the path of what is kept from the source, or the nodes of {KEY: value}}; "groups" what
 * OUT.groups.json holds (groups.h), null where nothing is frozen or grouped; "optimizer_state" what
 * becomes of an optimizer's state (plan_optimizer.h), null where it stays as it is. */
#ifndef LOADER_EXPORT_PLAN_JSON_H
#define LOADER_EXPORT_PLAN_JSON_H

#include "loader/align/groups.h"
#include "loader/export/fingerprint.h"
#include "loader/export/plan.h"

/* A file that a plan stands on. */
typedef struct PlanSource {
    const char *path;            /* as plans say it; NULL: it is still to be named */
    Fingerprint print;           /* its size is 0 and its hash "" when it is not known */
    bool target;                 /* TARGET leaves are read from it */
    bool numbered;               /* its tensors have its place among the sources before their
                                    names, "0:NAME" (checkpoint_open_several) */
    const char *container;       /* the dict's path in it; NULL: where its weights are */
} PlanSource;

/* What a meta statement says. */
typedef struct PlanMeta {
    const char *key;
    const char *path;            /* of an object of the source; NULL: `object` is it */
    const Object *object;        /* plain data; valid without a path */
} PlanMeta;

/* The "plan" of a plan, in the spelling above. */
typedef struct PlanTail {
    const PlanSource *sources;   /* [source_count] */
    size_t source_count;
    const char *format;          /* "pth"; NULL: whatever the output's name says */
    const char *under;           /* NULL: flat */
    bool whole, compact;
    uint64_t shard_size;         /* 0: one file */
    const MetadataItem *metadata;    /* [metadata_count], for `__metadata__` */
    size_t metadata_count;
    const Object *torch_metadata;    /* `_metadata`; NULL: none, or the source's */
    bool carried;                /* it is the source's */
    const PlanMeta *metas;       /* [meta_count] */
    size_t meta_count;
    const ParamGroups *groups;   /* NULL: none */
    const OptimizerMove *optimizer;  /* what becomes of an optimizer's state, with `whole`; NULL:
                                    nothing, or the plan was read from a file */
} PlanTail;

void plan_put_tail(const PlanTail *tail, JsonWriter *writer);
/* The path by which a file is found from the folder that `plan` lies in: as it is when it is
 * absolute. In the arena. NULL for a URL: a plan leads nobody to a server, and a URL may hold
 * secrets. */
const char *plan_relative(Arena *arena, const char *plan, const char *path);

typedef struct PlanSave {
    const ReportOptions *report; /* as for `align --json`, without an output */
    const Checkpoint *target;    /* the file of the target; NULL: none, or a schema */
    const char *target_container;
    const char *format, *under;  /* of the output, where they are known; or NULL */
    bool force;                  /* an existing file is replaced */
} PlanSave;

/* Writes the plan to `path`, whole or not at all. Reads a little of its sources (fingerprint.h),
 * and no values otherwise. */
bool plan_save(const Plan *plan, const char *path, const PlanSave *save, Error *err);

#endif
