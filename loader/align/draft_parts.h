/* The inside of a Draft, for the files that make one: draft.c (the object, what it hands out),
 * draft_container.c (where its keys come from), draft_edit.c (one statement's changes and the
 * collisions they end in), draft_bundle.c (bundles), draft_tie.c (tie), draft_preset.c (what
 * presets need), draft_copy.c (a second one),
 * draft_statements.c (strip, keep …), draft_rules.c and
 * draft_gather.c (rules blocks). */
#ifndef LOADER_ALIGN_DRAFT_PARTS_H
#define LOADER_ALIGN_DRAFT_PARTS_H

#include <string.h>

#include "loader/align/draft.h"

struct Draft {
    Arena *arena;                /* owned */
    Checkpoint *source;          /* borrowed, or `own_source` */
    Checkpoint *own_source;      /* a reference: what source(…) opened; NULL: it did not run */
    StateDict *target;           /* borrowed; NULL = none */
    const char *inside;          /* FILE::PATH's PATH; NULL = none */
    uint64_t seed;
    DraftAfford *afford;         /* NULL: any name can be afforded */
    void *afford_host;           /* of `afford`, borrowed */
    const char *path;            /* where unwrap has come to; NULL: there was none */
    const Container *container;  /* NULL until draft_ready */
    size_t rivals;
    DraftKey *keys;              /* owned, [count] */
    size_t count;
    NameMap names;               /* key → index, when names_known */
    bool names_known;
    bool changed;                /* a statement other than unwrap has run */
    const Step **dropped;        /* owned, [tensors of the container] */
    Collision *collisions;       /* owned, growing, as the next four */
    size_t collision_count, collision_room;
    RuleNote *notes;             /* what draft_note was told */
    size_t note_count, note_room;
    FillRule *fills;             /* fill() and rules without a left side */
    size_t fill_count, fill_room;
    Saying *sayings;             /* of draft_say */
    size_t saying_count, saying_room;
    const char *saved_name;      /* in the arena; NULL: none */
    KeepTarget *keeps;           /* keep_target */
    size_t keep_count, keep_room;
    Expect *expects;             /* expect{}, each on its own */
    size_t expect_count, expect_room;
    const OptimizerRule *optimizer;  /* NULL: none */
    Policy policy;               /* as the last policy{} left it */
    Later later;                 /* match{} and what else waits for the end */
};

/* Whether a bundled preset or pack says it: their chunks are called so. */
static inline bool origin_is_bundled(Origin origin)
{
    return origin.file && has_prefix(origin.file, "preset \"");
}

/* What automatic alignment does has no file. */
static inline bool origin_is_auto(Origin origin)
{
    return origin.file && !origin.line && strcmp(origin.file, "auto") == 0;
}

/* The value behind a key: of a collision, that of the last comer. */
static inline const Expr *key_value(const DraftKey *key)
{
    return key->expr ? key->expr : key->last;
}

/* Whether the arena may hold what it holds; what a statement asks after every name. */
bool draft_affords(const Draft *draft, Error *err);
/* A name for an error: what name_show says, in the arena. */
const char *show_name(Draft *draft, const char *name);
/* "module (320), epoch (1)": the first segments of the keys, with counts. */
const char *list_top_levels(Draft *draft);

/* One key as a statement leaves it. */
typedef struct EditKey {
    DraftKey key;
    const char *from;            /* its name before the statement */
} EditKey;

typedef struct EditDrop {
    DraftKey key;
    const Step *step;
} EditDrop;

/* What one statement does; the draft changes in edit_finish alone, so that a statement that
 * fails has changed nothing. */
typedef struct Edit {
    Draft *draft;
    Origin origin;               /* of the statement, for collisions of keys it left alone */
    const char *what;
    EditKey *keys;               /* owned, growing */
    size_t count, room;
    EditDrop *drops;             /* owned, growing */
    size_t drop_count, drop_room;
    bool changed;
} Edit;

void edit_begin(Edit *edit, Draft *draft, Origin origin, const char *what);
void edit_keep(Edit *edit, const DraftKey *key);
/* `to` lives in the arena. */
void edit_rename(Edit *edit, const DraftKey *key, const char *to);
/* A key with its history made by the caller. */
void edit_add(Edit *edit, DraftKey key, const char *from);
void edit_drop(Edit *edit, const DraftKey *key, Origin origin, const char *what);
/* The same for a key that is left unused. */
void edit_set_aside(Edit *edit, const DraftKey *key, Origin origin, const char *what);
void edit_finish(Edit *edit);
void edit_abandon(Edit *edit);

/* `before` holds n steps, NULLs among them are left out. Strings are borrowed. */
const Step *step_new(Draft *draft, Origin origin, const char *what, const char *from,
                     const char *to, const char *ops, const Step *const *before, size_t n);

/* Several names as the one that a step came from; long lists are cut: "q.w, k.w, v.w". In the
 * arena, or the one name itself. */
const char *join_names(Draft *draft, const char *const *names, size_t n);
/* What ops look like in a step, of the part-th result where one of them splits: "split(3)[1]". In
 * the arena; NULL for none. */
const char *show_part(Draft *draft, const Op *ops, size_t n, size_t part);

/* Without a target: the aliases that tie(…) names become keys. */
bool tie_keys(Draft *draft, Error *err);

/* Turns the collisions into what collide="last" says. */
void settle_collisions(Draft *draft);

#endif
