/* Fusing statements: several tensors become the one that they stand for together. A normalised
 * weight is computed, a batch norm goes into the layer before it, an adapter is merged. */
#ifndef LOADER_ALIGN_DRAFT_FUSE_H
#define LOADER_ALIGN_DRAFT_FUSE_H

#include <limits.h>

#include "loader/align/draft.h"

enum { FUSE_DIM_FOUND = INT_MIN };   /* the axis follows from the shapes */

/* Which modules a statement works on, and how. */
typedef struct NormOptions {
    const Pattern *modules;      /* over the paths of modules, "" for the top */
    const char *parameter;       /* "weight" */
    int dim;                     /* the axis whose slices have a norm of their own */
} NormOptions;

/* `weight_norm`: P.weight_g, P.weight_v and P.parametrizations.weight.original0, original1 become
 * P.weight = v · g / ‖v‖. The axis is the one along which g is as long as v (one number:
 * none); where that contradicts `dim`, or fits none, it is an error that names both. */
bool draft_weight_norm(Draft *draft, Origin origin, const NormOptions *options, Error *err);

/* `spectral_norm`: P.weight_orig, weight_u, weight_v and P.parametrizations.weight.original, 0._u,
 * 0._v become P.weight = W / (uᵀ W v), as in eval(). The axis is the one that u is as long as: 0
 * where it fits, which is noted when another fits as well. */
bool draft_spectral_norm(Draft *draft, Origin origin, const NormOptions *options, Error *err);

typedef struct FoldOptions {
    const Pattern *layers;       /* over the paths of layers */
    const Template *norms;       /* of its captures: the path of the batch norm behind each */
    double eps;                  /* PyTorch's default is 1e-5 */
    bool transposed;             /* transposed convolutions: their outputs are axis 1 */
} FoldOptions;

/* `fold_bn`: layer.weight · γ/√(σ²+ε) and layer.bias, which is made where there was none; the
 * keys of the norm are gone. Layers whose norm is not there are left, and counted in a note;
 * none with one is an error. */
bool draft_fold_bn(Draft *draft, Origin origin, const FoldOptions *options, Error *err);

/* An adapter's names: where those that begin with `flat` belong. */
typedef struct LoraPlace {
    const char *flat;            /* "lora_te1_" */
    const char *path;            /* "text_encoder." */
} LoraPlace;

/* An alpha of its own for the modules that end in `name`. */
typedef struct LoraAlpha {
    const char *name;
    double alpha;
} LoraAlpha;

typedef struct LoraOptions {
    double scale;                /* besides alpha / rank: 1 */
    double alpha;                /* where the file has none for a module; NaN: the rank */
    int64_t rank;                /* what the configuration says, to be checked; 0: nothing */
    bool rslora;                 /* alpha / √rank */
    bool fan_in_fan_out;         /* matrices of the base are in×out (GPT-2's Conv1D) */
    const LoraAlpha *alphas;     /* [alpha_count]: rank_pattern's companion in PEFT */
    size_t alpha_count;
    const LoraPlace *places;     /* [place_count]; the first that fits counts */
    size_t place_count;
} LoraOptions;

/* `lora`: every pair of an adapter is merged into its base, W + scale · alpha/rank · B·A. The
 * base is a key of the source or, where it has none, the target's own tensor; the target's other
 * tensors then stay as they are (policy missing="keep"). What cannot be resolved is an error that
 * names the nearest. */
bool draft_lora(Draft *draft, Origin origin, const LoraOptions *options, Error *err);

#endif
