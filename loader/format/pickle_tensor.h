/* A tensor in short. torch.save writes the same thirty opcodes for every tensor:
 *
 *   _rebuild_tensor_v2(('storage', FloatStorage, '17', 'cpu', 6)*, 0, (2, 3), (3, 1), False,
 *                      OrderedDict())                                  * a persistent id
 *
 * (_rebuild_tensor_v3 of an UntypedStorage, with torch.float8_e5m2 behind that: types that have no
 * storage class)
 *
 * which the machine would turn into nine nodes. Read in short they are one: a CALL of call_kind
 * CALL_SHORT, whose `loaded` is a PickleTensor. Its `call` has the callable only, and is shared. */
#ifndef LOADER_FORMAT_PICKLE_TENSOR_H
#define LOADER_FORMAT_PICKLE_TENSOR_H

#include "loader/format/pickle.h"
#include "loader/tensor/tensor.h"

/* What the tensors of one storage class have in common: the nodes of the pickle itself. */
typedef struct PickleTensorMaker {
    struct PickleTensorMaker *next;  /* one that was met before it, or NULL */
    ObjectCall call;                 /* its arguments are the empty tuple, instead */
    Object *tag, *class, *location;  /* 'storage', a GLOBAL, a STR */
    Object *hooks;                   /* the GLOBAL that makes an OrderedDict */
    Object *type;                    /* of v3: a GLOBAL of torch; NULL: the class tells */
    DType dtype;                     /* which that is; DT_UNKNOWN without */
} PickleTensorMaker;

/* What the arguments say, and in its place, later, what whoever knows the storages makes of it:
 * there are a million of them. */
typedef union PickleTensor {
    struct {
        const int64_t *dims;         /* [rank] */
        const int64_t *strides;      /* [rank]; NULL: those of dims that lie one after the other */
        uint64_t offset;             /* in elements */
        uint64_t numel;              /* elements of the storage */
        const PickleTensorMaker *maker;
        union {
            uint64_t key_at;         /* where the key lies in the pickle's source */
            Object *key_of;          /* or, where the pickle refers to it, what has it: a STR, or
                                        the CALL of another tensor that was in short */
        };
        uint32_t memo;               /* the number that the pickle has given to its first part */
        uint8_t rank;
        bool own_key;
        bool parameter;              /* nn.Parameter, or requires_grad */
        char key[9];                 /* of the storage: digits */
    };
    Tensor tensor;
} PickleTensor;

/* NULL for any other node. */
static inline PickleTensor *pickle_tensor(const Object *node)
{
    return node->kind == OBJ_CALL && node->call_kind == CALL_SHORT ? node->loaded : NULL;
}

#endif
