/* The table of dtypes has NumPy's names without byte order. */
#include "loader/format/numpy.h"

#include <string.h>

#include "loader/core/memory.h"
#include "loader/core/text.h"

DType numpy_dtype(const char *descr, size_t n, bool *big_endian)
{
    char name[8];
    bool ordered = n && strchr("<>|=", descr[0]) && descr[0];
    bool big = ordered && descr[0] == '>';
    *big_endian = false;
    if (ordered) descr++, n--;
    if (!n || n >= sizeof name) return DT_UNKNOWN;
    memcpy(name, descr, n);
    name[n] = '\0';
    DType found = strcmp(name, "V2") == 0   ? DT_BF16
                  : strcmp(name, "f1") == 0 ? DT_F8_E5M2
                  : strcmp(name, "?") == 0  ? DT_BOOL
                                            : DT_UNKNOWN;
    for (unsigned i = 0; found == DT_UNKNOWN && i < DTYPE_COUNT; i++) {
        const char *numpy = dtype_info((DType)i)->numpy;
        if (numpy && strcmp(numpy, name) == 0) found = (DType)i;
    }
    *big_endian = big && dtype_size(found) > 1;
    return found;
}

/* The names of ml_dtypes are PyTorch's; its types of less than a byte take a byte each. */
DType numpy_class_dtype(const char *module, const char *name)
{
    if (strcmp(module, "numpy") == 0 && strcmp(name, "bool_") == 0) return DT_BOOL;
    bool known = strcmp(module, "numpy") == 0 || has_prefix(module, "ml_dtypes") ||
                 has_prefix(module, "jaxlib") || has_prefix(module, "tensorflow");
    DType found = known ? dtype_from_name(name) : DT_UNKNOWN;
    DTypeClass kind = dtype_info(found)->kind;
    bool plain = dtype_size(found) && kind != CLASS_QUANT && kind != CLASS_OTHER;
    return plain ? found : DT_UNKNOWN;
}
