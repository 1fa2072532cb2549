/* Keras classes: what the variables of a layer are called, in the order in which Keras 3 numbers
 * them, and which layouts its kernels have. The class is told by the model's configuration, else
 * by the names that Keras gives to layers that got none: the class in snake_case, and a number. */
#ifndef LOADER_FORMAT_KERAS_CLASSES_H
#define LOADER_FORMAT_KERAS_CLASSES_H

#include "loader/core/error.h"
#include "loader/core/map.h"
#include "loader/core/memory.h"
#include "loader/source/source.h"
#include "loader/tensor/layout.h"

typedef struct KerasClass KerasClass;

/* Layers of one model, by name. */
typedef struct KerasLayers {
    NameMap index;           /* name → row of the table of classes; owned */
    Arena *arena;            /* of the names; borrowed */
} KerasLayers;

/* Reads a configuration: every object with "class_name" and "config":{"name"} is a layer. One that
 * is no JSON leaves what was read so far; the error says why. keras_layers_done in any case. */
bool keras_layers_read(KerasLayers *layers, Arena *arena, const char *json, size_t n,
                       const char *what, Error *err);
void keras_layers_done(KerasLayers *layers);

/* NULL: the layer is not in the configuration, or its class not in the table. n bytes of name. */
const KerasClass *keras_layer_class(const KerasLayers *layers, const char *name, size_t n);
/* By a name such as "batch_normalization_3"; NULL if it is none. */
const KerasClass *keras_class_named(const char *name, size_t n);

/* The name of variable `index` of `count`; NULL when a layer of that class may have other ones. */
const char *keras_variable(const KerasClass *class, size_t index, size_t count);
/* Whether the class decides on the layout of its kernels of that rank, which no name tells. */
bool keras_class_layout(const KerasClass *class, const char *variable, unsigned rank,
                        Layout *layout);

#endif
