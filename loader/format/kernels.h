/* Kernels: which layout a weight of TensorFlow, Keras or Flax has, by its name and rank. The
 * frameworks keep it in no file: it follows from what their layers call their variables. */
#ifndef LOADER_FORMAT_KERNELS_H
#define LOADER_FORMAT_KERNELS_H

#include "loader/tensor/layout.h"

/* A dense or convolution kernel of that rank, channels last: IO, WIO, HWIO, DHWIO. */
Layout kernel_of_rank(unsigned rank);

/* By the last part of a name whose parts are joined by '.' or '/', Keras's ":0" aside: kernels
 * (also depthwise, pointwise, recurrent, and `W` of Keras 1) have a layout, everything else is
 * native. Kernels of rank 3 of an attention's projections are heads, and no convolution's. */
Layout kernel_layout(const char *name, unsigned rank);

#endif
