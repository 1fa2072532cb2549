/* One table of classes, and a stream of JSON in which they are looked for.
 *
 * Sources: keras/src/layers (the order of add_weight in each build()), and keras/src/saving for
 * the names. */
#include "loader/format/keras_classes.h"

#include <stdlib.h>
#include <string.h>

#include "loader/core/json.h"
#include "loader/core/text.h"
#include "loader/format/kernels.h"

enum { VARIABLES_MAX = 4 };

/* How a class has its kernels. */
typedef enum Kernels { USUAL, TRANSPOSED, DEPTHWISE, NATIVE } Kernels;

struct KerasClass {
    const char *name, *snake;                /* "Conv2D", "conv2d" */
    Kernels kernels;
    unsigned least;                          /* with fewer variables it is not known which */
    const char *variables[VARIABLES_MAX];    /* NULL behind the last */
};

static const KerasClass table[] = {
    {"Dense", "dense", USUAL, 1, {"kernel", "bias"}},
    {"EinsumDense", "einsum_dense", NATIVE, 1, {"kernel", "bias"}},
    {"Conv1D", "conv1d", USUAL, 1, {"kernel", "bias"}},
    {"Conv2D", "conv2d", USUAL, 1, {"kernel", "bias"}},
    {"Conv3D", "conv3d", USUAL, 1, {"kernel", "bias"}},
    {"Conv1DTranspose", "conv1d_transpose", TRANSPOSED, 1, {"kernel", "bias"}},
    {"Conv2DTranspose", "conv2d_transpose", TRANSPOSED, 1, {"kernel", "bias"}},
    {"Conv3DTranspose", "conv3d_transpose", TRANSPOSED, 1, {"kernel", "bias"}},
    {"DepthwiseConv1D", "depthwise_conv1d", DEPTHWISE, 1, {"kernel", "bias"}},
    {"DepthwiseConv2D", "depthwise_conv2d", DEPTHWISE, 1, {"kernel", "bias"}},
    {"SeparableConv1D", "separable_conv1d", USUAL, 2,
     {"depthwise_kernel", "pointwise_kernel", "bias"}},
    {"SeparableConv2D", "separable_conv2d", USUAL, 2,
     {"depthwise_kernel", "pointwise_kernel", "bias"}},
    {"BatchNormalization", "batch_normalization", USUAL, 4,
     {"gamma", "beta", "moving_mean", "moving_variance"}},
    {"LayerNormalization", "layer_normalization", USUAL, 2, {"gamma", "beta"}},
    {"GroupNormalization", "group_normalization", USUAL, 2, {"gamma", "beta"}},
    {"RMSNormalization", "rms_normalization", USUAL, 1, {"scale"}},
    {"Normalization", "normalization", USUAL, 3, {"mean", "variance", "count"}},
    {"Embedding", "embedding", USUAL, 1, {"embeddings"}},
    {"PReLU", "p_re_lu", USUAL, 1, {"alpha"}},
    {"LSTMCell", "lstm_cell", USUAL, 2, {"kernel", "recurrent_kernel", "bias"}},
    {"GRUCell", "gru_cell", USUAL, 2, {"kernel", "recurrent_kernel", "bias"}},
    {"SimpleRNNCell", "simple_rnn_cell", USUAL, 2, {"kernel", "recurrent_kernel", "bias"}},
    {"SeedGenerator", "seed_generator", USUAL, 1, {"seed_generator_state"}},
    /* parts of MultiHeadAttention, and the one part of every recurrent layer */
    {"", "query_dense", NATIVE, 1, {"kernel", "bias"}},
    {"", "key_dense", NATIVE, 1, {"kernel", "bias"}},
    {"", "value_dense", NATIVE, 1, {"kernel", "bias"}},
    {"", "output_dense", NATIVE, 1, {"kernel", "bias"}},
    {"", "cell", USUAL, 2, {"kernel", "recurrent_kernel", "bias"}},
};

/* -- The configuration ----------------------------------------------------------------- */

/* An object of the document that is open. */
typedef struct Level {
    uint32_t class;              /* row of the table of its "class_name"; MAP_NONE */
    const char *name, *inner;    /* its "name", and that of its "config"; NULL until read */
    char key;                    /* of the value under way: 'c' class_name, 'n' name, 'o' config */
} Level;

typedef struct Look {
    KerasLayers *layers;
    Level levels[JSON_DEPTH + 1];
    unsigned depth;              /* of levels; lists count too */
} Look;

static bool start(void *context)
{
    Look *look = context;
    look->levels[look->depth++] = (Level){.class = MAP_NONE};
    return true;
}

/* A layer is complete when its object ends. The first of equal names stays: nested models repeat
 * none of them. */
static bool end(void *context)
{
    Look *look = context;
    const Level level = look->levels[--look->depth];
    if (look->depth && look->levels[look->depth - 1].key == 'o')
        look->levels[look->depth - 1].inner = level.name;
    const char *name = level.inner ? level.inner : level.name;
    if (level.class != MAP_NONE && name && map_get(&look->layers->index, name) == MAP_NONE)
        map_set(&look->layers->index, name, level.class);
    return true;
}

static bool is_word(const char *text, size_t n, const char *word)
{
    return strlen(word) == n && memcmp(text, word, n) == 0;
}

static bool read_key(void *context, const char *text, size_t n)
{
    Look *look = context;
    look->levels[look->depth - 1].key = is_word(text, n, "class_name") ? 'c'
                                        : is_word(text, n, "name")     ? 'n'
                                        : is_word(text, n, "config")   ? 'o'
                                                                       : 0;
    return true;
}

static bool read_string(void *context, const char *text, size_t n)
{
    Look *look = context;
    Level *level = look->depth ? &look->levels[look->depth - 1] : NULL;
    if (level && level->key == 'n') level->name = name_hold(look->layers->arena, text, n);
    for (size_t i = 0; level && level->key == 'c' && i < countof(table); i++)
        if (*table[i].name && is_word(text, n, table[i].name)) level->class = (uint32_t)i;
    return true;
}

bool keras_layers_read(KerasLayers *layers, Arena *arena, const char *json, size_t n,
                       const char *what, Error *err)
{
    static const JsonEvents events = {.string = read_string, .start_map = start,
                                      .map_key = read_key,   .end_map = end,
                                      .start_list = start,   .end_list = end};
    layers->arena = arena;
    map_init(&layers->index);
    Look *look = mem_alloc(sizeof *look);
    look->layers = layers;
    JsonReader *reader = json_reader_new(&events, look, what);
    bool fine = json_reader_feed(reader, json, n, err) && json_reader_finish(reader, err);
    json_reader_free(reader);
    free(look);
    return fine;
}

void keras_layers_done(KerasLayers *layers)
{
    map_done(&layers->index);
}

/* -- Asking ---------------------------------------------------------------------------- */

const KerasClass *keras_layer_class(const KerasLayers *layers, const char *name, size_t n)
{
    char text[256];
    if (n >= sizeof text) return NULL;
    memcpy(text, name, n);
    text[n] = '\0';
    uint32_t row = map_get(&layers->index, text);
    return row == MAP_NONE ? NULL : &table[row];
}

const KerasClass *keras_class_named(const char *name, size_t n)
{
    size_t digits = n;
    while (digits && is_digit(name[digits - 1])) digits--;
    if (digits < n && digits && name[digits - 1] == '_') n = digits - 1;
    for (size_t i = 0; i < countof(table); i++)
        if (is_word(name, n, table[i].snake)) return &table[i];
    return NULL;
}

const char *keras_variable(const KerasClass *class, size_t index, size_t count)
{
    size_t known = 0;
    while (known < VARIABLES_MAX && class->variables[known]) known++;
    bool certain = count >= class->least && count <= known && index < known;
    return certain ? class->variables[index] : NULL;
}

bool keras_class_layout(const KerasClass *class, const char *variable, unsigned rank,
                        Layout *layout)
{
    if (strcmp(variable, "kernel") != 0 || class->kernels == USUAL) return false;
    *layout = rank == 4 && class->kernels == TRANSPOSED  ? LAYOUT_HWOI
              : rank == 4 && class->kernels == DEPTHWISE ? LAYOUT_HWIM
                                                         : LAYOUT_NATIVE;
    return true;
}
