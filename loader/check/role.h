/* Role: what a tensor is for, as far as its name tells. Names follow habits, not rules: where none
 * is known the role is OTHER, and checks that rest on it are silent. */
#ifndef LOADER_CHECK_ROLE_H
#define LOADER_CHECK_ROLE_H

#include <stdbool.h>
#include <stddef.h>

typedef enum Role {
    ROLE_OTHER,
    ROLE_WEIGHT,                 /* weight, kernel, in_proj_weight, weight_ih_l0, gamma … */
    ROLE_BIAS,                   /* bias, beta, bias_hh_l0 … */
    ROLE_MEAN, ROLE_VARIANCE,    /* running_mean, moving_variance … of a batch norm */
    ROLE_BATCHES,                /* num_batches_tracked */
    ROLE_INTEGERS,               /* position_ids, relative_position_index … */
    ROLE_COUNTER,                /* total_ops, total_params: thop's */
    ROLE_BUFFER                  /* computed, not learned: inv_freq, masks, anchors, windows … */
} Role;

Role role_of(const char *name);
/* The bytes of a name before its last part: "layer1.0.bn1" of "layer1.0.bn1.weight"; 0 if there
 * is no part before it. */
size_t role_module(const char *name);
/* The last part. */
const char *role_leaf(const char *name);
/* Whether one of the parts of the name holds the word, at a border ("norm" in "attn_norm.weight",
 * "layernorm2", not in "abnormal"). */
bool role_has_word(const char *name, const char *word);
/* Whether mixed precision usually keeps it in f32: norms, biases, scales, gates, positions. */
bool role_is_kept_wide(const char *name);

#endif
