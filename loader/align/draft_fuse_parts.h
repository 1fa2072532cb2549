/* The inside of the fusing statements: results are collected, and change the draft at the end. */
#ifndef LOADER_ALIGN_DRAFT_FUSE_PARTS_H
#define LOADER_ALIGN_DRAFT_FUSE_PARTS_H

#include "loader/align/draft_fuse.h"
#include "loader/align/draft_parts.h"

enum { FUSION_KEYS = 12 };

/* One tensor that a statement makes. */
typedef struct Fusion {
    const char *name;            /* in the draft's arena */
    const Expr *expr;
    const char *ops;             /* for reports: "weight_norm(0)" */
    uint32_t keys[FUSION_KEYS];  /* what it is made of; the first is where it stands */
    size_t count;
} Fusion;

/* A statement while it collects. */
typedef struct Fuser {
    Draft *draft;
    Origin origin;
    const char *what;            /* "weight_norm" */
    Fusion *items;               /* owned, growing */
    size_t count, room;
    bool *consumed, *dropped;    /* owned, [keys of the draft] */
} Fuser;

/* Makes sure of the container. */
bool fuser_begin(Fuser *fuser, Draft *draft, Origin origin, const char *what, Error *err);
/* Copied; its keys are consumed. */
void fuser_add(Fuser *fuser, const Fusion *fusion);
void fuser_drop(Fuser *fuser, uint32_t key);
/* Carries everything out. */
void fuser_finish(Fuser *fuser);
void fuser_abandon(Fuser *fuser);
/* The key of that name, formatted; MAP_NONE when there is none. */
uint32_t fuser_find(const Fuser *fuser, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Its value; NULL with an error for one that stands for a collision. */
const Expr *fuser_value(const Fuser *fuser, uint32_t key, Error *err);
/* Whether arithmetic may be done on it: floats alone, and what a schema does not tell. */
bool fuser_float(const Expr *e, Error *err);
/* Whether a name ends in a leaf that begins a segment; then how long its parent is, dot too. */
bool fuser_leaf(const char *name, const char *leaf, size_t *parent);
/* Whether the module, a name's first `parent` bytes with their dot, fits. */
bool fuser_fits(const Pattern *modules, const char *name, size_t parent, Captures *captures);
/* The nearest of `count` names to one that is not there; NULL if none is near. */
const char *fuser_nearest(const char *name, const char *(*at)(const void *list, size_t index),
                          const void *list, size_t count);

#endif
