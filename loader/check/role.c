/* Habits of the field's frameworks, as tables of words. */
#include "loader/check/role.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "loader/core/memory.h"
#include "loader/core/text.h"

/* A last part that is, or ends with, a word. */
typedef struct Habit {
    const char *word;
    bool whole;                  /* the part is the word; else it ends with it */
    Role role;
} Habit;

/* The first that fits counts. */
static const Habit habits[] = {
    {"num_batches_tracked", true, ROLE_BATCHES}, {"running_mean", true, ROLE_MEAN},
    {"moving_mean", true, ROLE_MEAN},            {"running_var", true, ROLE_VARIANCE},
    {"moving_variance", true, ROLE_VARIANCE},    {"moving_var", true, ROLE_VARIANCE},
    {"total_ops", true, ROLE_COUNTER},           {"total_params", true, ROLE_COUNTER},
    {"position_ids", true, ROLE_INTEGERS},       {"token_type_ids", true, ROLE_INTEGERS},
    {"position_index", false, ROLE_INTEGERS},    {"inv_freq", false, ROLE_BUFFER},
    {"cos_cached", true, ROLE_BUFFER},           {"sin_cached", true, ROLE_BUFFER},
    {"masked_bias", true, ROLE_BUFFER},          {"coords_table", false, ROLE_BUFFER},
    {"bias", false, ROLE_BIAS},                  {"beta", true, ROLE_BIAS},
    {"weight", false, ROLE_WEIGHT},              {"kernel", false, ROLE_WEIGHT},
    {"gamma", true, ROLE_WEIGHT},                {"weight_g", true, ROLE_WEIGHT},
    {"weight_v", true, ROLE_WEIGHT},             {"embeddings", true, ROLE_WEIGHT},
};

/* Words that make a part a computed buffer, wherever they stand in the last part. */
static const char *const buffer_words[] = {
    "mask", "anchor", "anchors", "freq", "freqs", "grid", "window", "basis", "filterbank", "mel",
    "filters", "triu", "tril", "table_index", "stft", "dft", "sqrt", "alphas", "betas", "cumprod",
    "schedule", "sigmas", "rope",
    "min_val", "max_val"};       /* observers of quantization: infinite until they saw a value */

/* Words of names that are commonly left in f32 beside half-precision weights. */
static const char *const wide_words[] = {
    "norm", "ln", "bn", "gn", "rms", "running", "moving", "bias", "scale", "scales", "gate",
    "router", "logit", "temperature", "alpha", "gamma", "beta", "ls", "freq", "freqs", "position",
    "pos", "correction", "table", "num", "anchors", "sinks", "layernorm", "groupnorm",
    "batchnorm", "dt", "log", "d"};

/* TensorFlow and Keras part by slashes. A separator at the end parts nothing. */
const char *role_leaf(const char *name)
{
    const char *leaf = name;
    for (const char *p = name; *p; p++)
        if ((*p == '.' || *p == '/') && p[1]) leaf = p + 1;
    return leaf;
}

size_t role_module(const char *name)
{
    const char *leaf = role_leaf(name);
    return leaf == name ? 0 : (size_t)(leaf - name) - 1;
}

/* A letter of a word; digits may follow a word ("norm2"). */
static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Borders are whatever is no letter: dots, underscores, digits, the ends. */
bool role_has_word(const char *name, const char *word)
{
    size_t n = strlen(word);
    int first = tolower((unsigned char)*word);
    for (const char *p = name; *p; p++) {
        if (tolower((unsigned char)*p) != first || (p > name && is_letter(p[-1]))) continue;
        if (strncasecmp(p, word, n) == 0 && !is_letter(p[n])) return true;
    }
    return false;
}

/* "weight_ih_l0", "bias_hh_l0_reverse": recurrent layers number their parts. */
static bool is_recurrent(const char *leaf, const char *word)
{
    return has_prefix(leaf, word) && (strstr(leaf, "_ih_l") || strstr(leaf, "_hh_l"));
}

/* Recurrent layers first, whose names end in numbers; then words that make a buffer of whatever
 * else the part says ("masked_bias"). */
Role role_of(const char *name)
{
    const char *leaf = role_leaf(name);
    if (is_recurrent(leaf, "weight_")) return ROLE_WEIGHT;
    if (is_recurrent(leaf, "bias_")) return ROLE_BIAS;
    for (size_t i = 0; i < countof(buffer_words); i++)
        if (role_has_word(leaf, buffer_words[i])) return ROLE_BUFFER;
    for (size_t i = 0; i < countof(habits); i++) {
        bool fits = habits[i].whole ? strcmp(leaf, habits[i].word) == 0
                                    : has_suffix(leaf, habits[i].word);
        if (fits) return habits[i].role;
    }
    return ROLE_OTHER;
}

/* "norm" counts inside words as well: LayerNorm, rmsnorm, normed. */
bool role_is_kept_wide(const char *name)
{
    for (size_t i = 0; i < countof(wide_words); i++)
        if (role_has_word(name, wide_words[i])) return true;
    return strcasestr(name, "norm") != NULL;
}
