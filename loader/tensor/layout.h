/* Layout: in which order the framework that wrote a tensor counts its dimensions, where that is
 * not PyTorch's order. One table, from which listings, reports and rules all speak.
 *
 *   O out channels · I in channels (per group) · D H W depth, height, width · M multiplier */
#ifndef LOADER_TENSOR_LAYOUT_H
#define LOADER_TENSOR_LAYOUT_H

/* id, name, rank, PyTorch's name for the same, the ops that lead there, whose it is */
#define LAYOUTS(X)                                                                                 \
    X(LAYOUT_NATIVE, "", 0, "", "", "PyTorch's order, or nothing is known of it")                  \
    X(LAYOUT_IO, "IO", 2, "OI", "transpose", "dense kernels of TensorFlow, Keras, Flax, Paddle")   \
    X(LAYOUT_WIO, "WIO", 3, "OIW", "permute(2,1,0)", "1-D convolutions of TensorFlow, Keras, Flax") \
    X(LAYOUT_HWIO, "HWIO", 4, "OIHW", "permute(3,2,0,1)", "2-D convolutions of TensorFlow, Keras, Flax") \
    X(LAYOUT_DHWIO, "DHWIO", 5, "OIDHW", "permute(4,3,0,1,2)", "3-D convolutions of TensorFlow, Keras, Flax") \
    X(LAYOUT_HWIM, "HWIM", 4, "(I·M)1HW", "permute(2,3,0,1) |> reshape(-1,1,{2},{3})", "depthwise convolutions of TensorFlow, Keras") \
    X(LAYOUT_HWOI, "HWOI", 4, "IOHW", "permute(3,2,0,1)", "transposed convolutions of TensorFlow, Keras")

#define LAYOUT_ENUM(id, ...) id,
typedef enum Layout { LAYOUTS(LAYOUT_ENUM) LAYOUT_COUNT } Layout;
#undef LAYOUT_ENUM

typedef struct LayoutInfo {
    const char *name;        /* "HWIO" */
    unsigned rank;           /* of the tensors it is said of; 0: any */
    const char *torch;       /* "OIHW" */
    const char *ops;         /* as rules write them; "" where nothing need be done */
    const char *whose;       /* for people */
} LayoutInfo;

const LayoutInfo *layout_info(Layout layout);      /* never NULL */
const char *layout_name(Layout layout);

#endif
