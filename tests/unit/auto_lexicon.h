/* A small lexicon for tests of automatic alignment, which must not depend on what the bundled one
 * happens to say. */
#ifndef TESTS_UNIT_AUTO_LEXICON_H
#define TESTS_UNIT_AUTO_LEXICON_H

#include "loader/align/auto.h"

#define SET(...)                                                                        \
    {.phrases = (const char *const[]){__VA_ARGS__},                                     \
     .count = sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *), .from = "test"}

static const LexiconSet test_sets[] = {
    SET("q", "query", "q proj", "wq", "to q", "q lin", "attn q"),
    SET("k", "key", "k proj", "wk", "to k", "k lin", "attn k"),
    SET("v", "value", "v proj", "wv", "to v", "v lin", "attn v"),
    SET("qkv", "in proj", "c attn", "query key value", "qkv proj", "wqkv"),
    SET("q norm", "q layernorm"),
    SET("k norm", "k layernorm"),
    SET("o proj", "out proj", "wo", "to out", "attn output", "attention output dense", "out lin",
        "attn proj", "self attention out proj", "attn out", "attn c proj"),
    SET("gate proj", "w1", "ffn gate", "gate"),
    SET("up proj", "w3", "ffn up"),
    SET("down proj", "w2", "ffn down", "output dense"),
    SET("fc1", "mlp 0", "c fc", "intermediate dense", "linear1", "lin1", "mlp fc1", "pwconv1"),
    SET("fc2", "mlp 2", "mlp 3", "mlp c proj", "output dense", "linear2", "lin2", "mlp fc2",
        "pwconv2"),
    SET("input layernorm", "attention norm", "attn norm", "norm1", "ln 1", "layernorm before",
        "layer norm1", "attn ln", "self attn layer norm", "sa layer norm"),
    SET("post attention layernorm", "ffn norm", "norm2", "ln 2", "layernorm after", "layer norm2",
        "mlp ln", "final layer norm", "attn output norm"),
    SET("norm", "ln", "layernorm", "layer norm", "bn", "batch norm", "layrnorm", "ln f",
        "ln final", "output norm"),
    SET("conv", "convolution"),
    SET("conv dw", "dwconv", "depthwise"),
    SET("lm head", "output"),
    SET("head", "classifier", "fc"),
    SET("embed tokens", "token embedding", "tok embeddings", "token embd", "wte",
        "word embeddings"),
    SET("pos embed", "position embeddings", "positional embedding", "position embedding",
        "pos embedding", "embed positions", "wpe"),
    SET("cls token", "class token", "class embedding"),
    SET("gamma", "layer scale", "ls"),
    SET("downsample", "shortcut", "skip connection", "conv shortcut"),
    SET("cross attn", "encoder attn"),
    SET("attn", "attention", "self attn", "self attention"),
    SET("mlp", "feed forward", "ffn", "ff"),
    SET("visual", "vision model", "vision"),
    SET("layers", "blocks", "layer", "blk", "h", "resblocks", "block"),
    SET("patch embed", "patch embeddings", "patch embedding"),
    SET("proj", "projection"),
};

#define PARTS(...)                                                                      \
    .parts = (const char *const[]){__VA_ARGS__},                                        \
    .part_count = sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *)

static const LexiconFused test_fused[] = {
    {.names = SET("qkv", "in proj", "c attn", "qkv proj", "wqkv"), PARTS("q", "k", "v"), .turns = 1},
    {.names = SET("query key value"), PARTS("q", "k", "v"), .turns = 1},
    {.names = SET("query key value"), PARTS("q", "k", "v"), .turns = TURNS_HEADS},
    {.names = SET("linear qkv"), PARTS("q", "k", "v"), .turns = TURNS_HEADS},
    {.names = SET("decoder qkv proj"), PARTS("k", "v", "q"), .turns = 1},
    {.names = SET("kv"), PARTS("k", "v"), .turns = 1},
    {.names = SET("linear1"), PARTS("q", "k", "v", "proj mlp"), .turns = 1},
    {.names = SET("gate up proj"), PARTS("gate proj", "up proj"), .turns = 1},
    {.names = SET("gate up proj"), PARTS("gate proj", "up proj"), .turns = TURNS_ROWS, .last = true},
};

static const LexiconSet test_roles[] = {
    SET("weight", "kernel", "gamma", "scale", "w", "weights", "g"),
    SET("bias", "beta", "b", "offset", "biases"),
    SET("running_mean", "moving_mean", "mean"),
    SET("running_var", "moving_variance", "variance", "var"),
    SET("num_batches_tracked"),
};

static const char *const test_wrappers[] = {"module", "_orig_mod", "state_dict", "model_state",
                                            ".ATTRIBUTES", "VARIABLE_VALUE"};

static const Lexicon test_lexicon = {
    .sets = test_sets, .count = sizeof test_sets / sizeof *test_sets,
    .fused = test_fused, .fused_count = sizeof test_fused / sizeof *test_fused,
    .roles = test_roles, .role_count = sizeof test_roles / sizeof *test_roles,
    .wrappers = test_wrappers, .wrapper_count = sizeof test_wrappers / sizeof *test_wrappers};

#endif
