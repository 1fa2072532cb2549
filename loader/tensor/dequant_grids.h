/* The grids that the iq types of GGML choose their numbers from; dequant_grids.c says how a point
 * is packed. For dequant_iq.c only. */
#ifndef LOADER_TENSOR_DEQUANT_GRIDS_H
#define LOADER_TENSOR_DEQUANT_GRIDS_H

#include <stdint.h>

extern const uint16_t dequant_grid_iq1_s[2048], dequant_grid_iq2_xxs[256],
    dequant_grid_iq2_xs[512], dequant_grid_iq2_s[1024], dequant_grid_iq3_xxs[256],
    dequant_grid_iq3_s[512];

#endif
