/* One `rules` block at work over a Draft; shared by draft_rules.c (which rule takes which key),
 * draft_apply.c (what a rule makes of its sources) and draft_gather.c (which sources belong
 * together). */
#ifndef LOADER_ALIGN_DRAFT_RULES_H
#define LOADER_ALIGN_DRAFT_RULES_H

#include "loader/align/draft_parts.h"

typedef bool OpCall(void *host, const Op *op, const OpContext *context, RuleValue *value,
                    Error *err);

/* A key that a rule made; a list for every key of the draft, in whose place it stands. */
typedef struct Output {
    DraftKey key;
    const char *from;
    uint32_t next;               /* 1 + index of the next one; 0 = last */
} Output;

/* What the ops of a rule look like in steps: "split(3)[1]". */
typedef struct OpsTexts {
    const char **items;          /* owned, growing; by part where a splitting op stands */
    size_t count, room;          /* of items, which lie in the draft's arena */
} OpsTexts;

typedef struct Gather Gather;

typedef struct RuleRun {
    Draft *draft;
    const RuleBlock *block;      /* borrowed, as is the draft */
    OpCall *call;                /* runs Lua functions that stand as ops; NULL = there is no Lua */
    void *host;                  /* its first argument */
    Arena *scratch;              /* for the time of the block */
    Output *outputs;             /* owned, growing */
    size_t output_count, output_room;
    uint32_t *first, *last;      /* owned, [keys]: 1 + index of outputs; 0 = none */
    uint32_t *taken;             /* owned, [keys]: 1 + the rule that consumed it; 0 = none */
    size_t *hits;                /* owned, [rules] */
    OpsTexts *texts;             /* owned, [rules] */
    Gather **gathers;            /* owned, [rules]: of rules whose sources belong together */
    Text name;                   /* for names while they are made */
} RuleRun;

/* Sources that belong together, and what is to become of them. */
typedef struct Application {
    size_t rule;                 /* index into the block */
    Captures *captures;
    const char *const *names;    /* [target_count]; NULL where a counter makes them */
    const DraftKey **keys;       /* all lists, one after the other */
    size_t key_count;
    const size_t *list_counts;   /* keys a list */
    const bool *gathered;        /* [list_count], as ExprList.gathered; NULL = none is */
    size_t list_count;
    uint32_t place;              /* the key in whose place the result stands */
} Application;

/* Runs the ops and adds the outputs. Errors name rule, keys and shapes. */
bool apply_rule(RuleRun *run, const Application *application, Error *err);
/* "FILE:LINE: RULE: " before an error. Always false. */
bool blame_rule(const Rule *rule, Error *err);
/* The right-hand names for these captures: they outlive the block, as those of keys must, but their
 * list does not. An empty one is an error. */
const char **expand_names(RuleRun *run, const Rule *rule, const Captures *captures, Error *err);
bool has_op(const Rule *rule, OpKind kind);

/* Whether a rule's sources have to be collected before its ops can run. */
bool rule_gathers(const Rule *rule);
Gather *gather_new(RuleRun *run, size_t rule, Error *err);
bool gather_add(RuleRun *run, Gather *gather, size_t source, uint32_t key,
                const Captures *captures, Error *err);
/* Checks that every group is whole, then applies the rule to each. */
bool gather_finish(RuleRun *run, Gather *gather, Error *err);
void gather_free(Gather *gather);            /* NULL is fine */

#endif
