/* Load: what PyTorch would say if a dict were loaded into the model that a target is the state
 * dict of: the prediction of Module.load_state_dict of PyTorch 2.13, without Python.
 *
 * PyTorch walks the tree of modules: a module looks for its own parameters and buffers, then
 * takes offence at the keys below its prefix that it does not know, then its children follow. So
 * the order of what is told is the tree's. The tree is the target's `_metadata`, which names
 * every module in that order; where there is none, it is inferred from the keys. */
#ifndef LOADER_ALIGN_LOAD_H
#define LOADER_ALIGN_LOAD_H

#include "loader/align/align.h"

/* What a tensor is that copy_() does not take into a plain one. */
typedef enum LoadKind {
    LOAD_PLAIN, LOAD_META, LOAD_QUANTIZED, LOAD_SPARSE,
    LOAD_COMPRESSED          /* sparse CSR, CSC, BSR, BSC */
} LoadKind;

/* One entry of the dict that is loaded, as Python would hold it. */
typedef struct LoadItem LoadItem;
struct LoadItem {
    const char *name;            /* the key, as text */
    const char *key_class;       /* what Python calls the key's type; NULL = text */
    const char *value_class;     /* and the value's; NULL = a tensor */
    const int64_t *dims;         /* [rank] of the tensor, or of an array of NumPy's; NULL = not
                                    known, which fits anything */
    unsigned rank;
    LoadKind kind;
    DType dtype;                 /* with LOAD_SPARSE only */
};

/* What the dict is loaded into. */
typedef struct LoadTarget {
    const StateDict *dict;       /* the model's state dict; names in the order of definition */
    const Object *node;          /* the dict it was read from, for the state that is no tensor
                                    (`_extra_state`); NULL = not known */
} LoadTarget;

/* What came of it. The lists are in PyTorch's order and lie in the arena that was handed in. */
typedef struct LoadReport {
    const char **missing, **unexpected;  /* keys: [missing_count], [unexpected_count] */
    const char **errors;         /* [error_count] messages: other sizes, values of no tensor */
    size_t missing_count, unexpected_count, error_count;
    const char *stopped;         /* what ends the walk at its first step; NULL = nothing did */
    bool inferred;               /* the order of what is told was inferred from the keys */
} LoadReport;

/* `metadata` is the `_metadata` of the dict that is loaded, whose versions decide whether a
 * BatchNorm misses its counter; NULL = it has none. Names are borrowed from the items and the
 * target; linear in the bytes of all names. */
void load_predict(Arena *arena, const LoadItem *items, size_t count, const Object *metadata,
                  const LoadTarget *target, LoadReport *report);

/* The text of what load_state_dict raises, without a newline at its end, appended to `out`; false,
 * and nothing, when it succeeds. `model` is the class's name. strict=False returns instead what
 * load_result_text says, unless `out` receives something here. */
bool load_error_text(const LoadReport *report, const char *model, bool strict, Text *out);
/* How Python prints what load_state_dict returns: `<All keys matched successfully>` or
 * `_IncompatibleKeys(missing_keys=[…], unexpected_keys=[…])`. */
void load_result_text(const LoadReport *report, Text *out);

/* What Python calls the type of a node: "int", "collections.OrderedDict"; NULL for a tensor of
 * PyTorch. */
const char *load_class_of(Arena *arena, const Object *node);
/* "torch.Size([64, 3])" */
void load_size_text(const int64_t *dims, unsigned rank, Text *out);
/* A string as Python's repr() prints it. */
void load_repr_text(const char *name, Text *out);

/* The entries of a dict node in its order, what is no tensor included; those of `dict` when the
 * node is none or does not list its tensors itself. Returns how many. */
size_t load_items_of_dict(Arena *arena, const StateDict *dict, const Object *node,
                          LoadItem **items);
/* Whether the node lists the dict's tensors itself, and not in dicts below it, joined by dots. */
bool load_is_flat(const StateDict *dict, const Object *node);
/* The source of an alignment as its rules leave it: keys under their last names, and what fill()
 * made. With no rule at all it is the dict in the file, entries that are no tensors included.
 * *metadata receives the source's, which is lost when keys are renamed: a renamed dict is a new
 * one for Python. */
size_t load_items_of(Arena *arena, const Alignment *alignment, LoadItem **items,
                     const Object **metadata);

#endif
