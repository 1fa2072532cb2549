/* Layout: in which order the framework that wrote a tensor counts its dimensions, where that is
 * not PyTorch's order. One table, from which listings, reports and rules all speak.
 *
 *   O out channels · I in channels (per group) · D H W depth, height, width · M multiplier */
#ifndef LOADER_TENSOR_LAYOUT_H
#define LOADER_TENSOR_LAYOUT_H

#include <stdint.h>

enum { LAYOUT_RANK_MAX = 5 };

/* id, name, rank, PyTorch's name for the same, whose it is, and the axes in PyTorch's order. HWIM
 * alone is not done then: its first two axes become one, and an axis of size 1 follows. */
#define LAYOUTS(X) \
    X(LAYOUT_NATIVE, "", 0, "", "PyTorch's order, or nothing is known of it", 0) \
    X(LAYOUT_IO, "IO", 2, "OI", "dense kernels of TensorFlow, Keras, Flax, Paddle", 1, 0) \
    X(LAYOUT_WIO, "WIO", 3, "OIW", "1-D convolutions of TensorFlow, Keras, Flax", 2, 1, 0) \
    X(LAYOUT_HWIO, "HWIO", 4, "OIHW", "2-D convolutions of TensorFlow, Keras, Flax", 3, 2, 0, 1) \
    X(LAYOUT_DHWIO, "DHWIO", 5, "OIDHW", "3-D convolutions of TensorFlow, Keras, Flax", 4, 3, 0, 1, 2) \
    X(LAYOUT_HWIM, "HWIM", 4, "(IM)1HW", "depthwise convolutions of TensorFlow, Keras", 2, 3, 0, 1) \
    X(LAYOUT_HWOI, "HWOI", 4, "IOHW", "transposed convolutions of TensorFlow, Keras", 3, 2, 0, 1)

#define LAYOUT_ENUM(id, ...) id,
typedef enum Layout { LAYOUTS(LAYOUT_ENUM) LAYOUT_COUNT } Layout;
#undef LAYOUT_ENUM

typedef struct LayoutInfo {
    const char *name;        /* "HWIO" */
    unsigned rank;           /* of the tensors it is said of; 0: any */
    const char *torch;       /* "OIHW" */
    const char *whose;       /* for people */
    int order[LAYOUT_RANK_MAX];      /* [rank] as permute takes it */
} LayoutInfo;

const LayoutInfo *layout_info(Layout layout);      /* never NULL */
const char *layout_name(Layout layout);
/* The sizes in PyTorch's order, as many as there are in `dims`, which has layout_info's rank. */
void layout_turn(Layout layout, const int64_t *dims, int64_t *out);

#endif
