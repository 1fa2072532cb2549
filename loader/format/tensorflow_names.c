/* Readable names: from the object graph of a TensorFlow 2 checkpoint (tensorflow_graph.c), else
 * from the keys themselves; and what their form says of a tensor. */
#include <string.h>
#include <strings.h>

#include "loader/core/text.h"
#include "loader/format/tensorflow.h"
#include "loader/tensor/layout.h"

static const char graph_key[] = "_CHECKPOINTABLE_OBJECT_GRAPH";
static const char value_suffix[] = "/.ATTRIBUTES/VARIABLE_VALUE";

/* -- Names by their form --------------------------------------------------------------- */

/* Names of optimizers' slots, as TensorFlow 1 ends them; "_1" may follow. */
static const char *const slot_names[] = {
    "Adam", "Momentum", "RMSProp", "Adagrad", "Adadelta", "Ftrl", "AdaMax", "adam_m", "adam_v",
    "AdamWeightDecayOptimizer", "LAMB", "lamb_m", "lamb_v", "vr", "vc"};
/* Counters and powers, whole or as the last part. */
static const char *const counter_names[] = {"global_step", "beta1_power", "beta2_power",
                                            "save_counter", "train_step", "current_loss_scale",
                                            "good_steps"};
/* First parts under which Keras keeps what is no model, and one that is one all the same: Keras 3
 * files a weight under the optimizer when that is the shorter way to it. */
static const char *const state_roots[] = {"optimizer/", "keras_api/metrics/", "save_counter/"};
static const char trained_root[] = "optimizer/_trainable_variables/";

static const char *last_part(const char *name)
{
    const char *slash = strrchr(name, '/');
    return slash ? slash + 1 : name;
}

/* The word itself, or with a number that TensorFlow put behind it: "Adam_1". */
static bool is_numbered(const char *text, const char *word)
{
    size_t n = strlen(word);
    if (strncmp(text, word, n) != 0) return false;
    if (!text[n]) return true;
    if (text[n] != '_' || !text[n + 1]) return false;
    for (const char *p = text + n + 1; *p; p++)
        if (!is_digit(*p)) return false;
    return true;
}

static bool is_state(const char *key)
{
    const char *leaf = last_part(key);
    if (strstr(key, "/.OPTIMIZER_SLOT/")) return true;
    if (has_prefix(key, trained_root)) return false;
    for (size_t i = 0; i < countof(state_roots); i++)
        if (has_prefix(key, state_roots[i])) return true;
    for (size_t i = 0; i < countof(slot_names); i++)
        if (leaf != key && is_numbered(leaf, slot_names[i])) return true;
    for (size_t i = 0; i < countof(counter_names); i++)
        if (is_numbered(leaf, counter_names[i])) return true;
    return false;
}

/* The path without the attribute at its end, and with TensorFlow's escapes (".S" for a slash, ".."
 * for a dot) undone. */
static const char *path_name(const char *key, Arena *arena)
{
    size_t n = strlen(key);
    if (has_suffix(key, value_suffix)) n -= sizeof value_suffix - 1;
    char *name = arena_strndup(arena, key, n), *to = name;
    if (n == strlen(key)) return name;
    for (const char *from = name; *from; from++) {
        char c = *from;
        if (c == '.' && (from[1] == 'S' || from[1] == '.')) c = *++from == 'S' ? '/' : '.';
        *to++ = c;
    }
    *to = '\0';
    return name;
}

const char *variable_name(const TrackedNames *names, const char *key, Arena *arena,
                          VariableKind *kind)
{
    static const char ema[] = "/ExponentialMovingAverage";
    uint32_t at = map_get(&names->keys, key);
    const TrackedName *tracked = at == MAP_NONE ? NULL : &names->names[at];
    const char *name = tracked && *tracked->name ? tracked->name : path_name(key, arena);
    *kind = is_state(key) ? VARIABLE_STATE : VARIABLE_MODEL;
    if (tracked && tracked->kind != VARIABLE_NONE) *kind = tracked->kind;
    if (strcmp(key, graph_key) == 0) *kind = VARIABLE_NONE;
    if (*kind != VARIABLE_MODEL || !has_suffix(name, ema)) return name;
    *kind = VARIABLE_EMA;
    return arena_strndup(arena, name, strlen(name) - (sizeof ema - 1));
}

/* -- Layouts --------------------------------------------------------------------------- */

/* Whether a part of the path has the word in it, whatever its case. */
static bool has_word(const char *name, const char *word)
{
    size_t n = strlen(word);
    for (const char *p = name; *p; p++)
        if (strncasecmp(p, word, n) == 0) return true;
    return false;
}

static bool is_any(const char *leaf, const char *const *words)
{
    for (; *words; words++)
        if (strcmp(leaf, *words) == 0) return true;
    return false;
}

/* A kernel of rank 4 is a convolution's; which kind, the layer's name tells where Keras or slim
 * gave it. Rank 3 may as well be an attention's, so the name must say that it is a convolution.
 * Embeddings and whatever has other names are left alone. */
uint8_t variable_layout(const char *name, unsigned rank)
{
    static const char *const depthwise[] = {"depthwise_kernel", "depthwise_weights", NULL};
    static const char *const kernels[] = {"kernel", "weights", "pointwise_kernel",
                                          "pointwise_weights", "recurrent_kernel", NULL};
    const char *leaf = last_part(name);
    if (is_any(leaf, depthwise)) return rank == 4 ? LAYOUT_HWIM : LAYOUT_NATIVE;
    if (!is_any(leaf, kernels)) return LAYOUT_NATIVE;
    bool transposed = has_word(name, "conv2d_transpose") || has_word(name, "conv2dtranspose");
    switch (rank) {
    case 2: return LAYOUT_IO;
    case 3: return has_word(name, "conv") && !has_word(name, "transpose") ? LAYOUT_WIO
                                                                          : LAYOUT_NATIVE;
    case 4:
        if (has_word(name, "depthwise_conv") && strcmp(leaf, "kernel") == 0) return LAYOUT_HWIM;
        return transposed ? LAYOUT_HWOI : LAYOUT_HWIO;
    case 5: return has_word(name, "transpose") ? LAYOUT_NATIVE : LAYOUT_DHWIO;
    default: return LAYOUT_NATIVE;
    }
}
