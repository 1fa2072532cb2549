/* ONNX: what its files share: the file that is being read, and one tensor of it.
 *
 * A model is one protobuf message (onnx/onnx.proto of 1.23; field = number):
 *
 *   ModelProto   ir_version 1 · producer_name 2 · producer_version 3 · graph 7 · opset_import 8
 *                {domain 1, version 2} · metadata_props 14 {key 1, value 2} · functions 25 {node 7}
 *   GraphProto   node 1 · initializer 5 (TensorProto) · sparse_initializer 15 (SparseTensorProto)
 *   NodeProto    input 1 · output 2 · name 3 · op_type 4 · attribute 5 · domain 7
 *   AttributeProto  name 1 · f 2 · i 3 · t 5 (TensorProto) · g 6 (GraphProto) · floats 7 · ints 8 ·
 *                graphs 11 · sparse_tensor 22
 *   TensorProto  dims 1 · data_type 2 · segment 3 · float_data 4 · int32_data 5 · string_data 6 ·
 *                int64_data 7 · name 8 · raw_data 9 · double_data 10 · uint64_data 11 ·
 *                external_data 13 {key 1, value 2} · data_location 14 (1: external)
 *   SparseTensorProto  values 1 (TensorProto) · indices 2 (TensorProto) · dims 3 */
#ifndef LOADER_FORMAT_ONNX_H
#define LOADER_FORMAT_ONNX_H

#include "loader/format/format.h"
#include "loader/format/protobuf.h"

/* Files beside the model that hold values, each opened once. */
typedef struct OnnxExternal {
    NameMap names;           /* location → index of sources */
    ByteSource **sources;    /* [count]; the checkpoint owns the references; owned array */
    size_t count, room;
} OnnxExternal;

typedef struct OnnxFile {
    OpenContext *context;    /* borrowed */
    Checkpoint *checkpoint;  /* being filled; borrowed */
    Arena *arena;            /* the checkpoint's */
    ProtoReader reader;      /* of the model's file */
    OnnxExternal external;
    uint32_t storages;       /* made so far */
} OnnxFile;

/* Reads a TensorProto: its name (where it has none the one in *tensor, if any), dims, dtype, and a
 * storage: a window of the file where the values lie there as they are, a decoding source where
 * they do not, a window of another file where they are external. Everything is checked; errors name
 * the tensor. */
bool onnx_read_tensor(OnnxFile *file, ProtoSpan message, Tensor *tensor);
/* The same for a SparseTensorProto: an opaque tensor of the whole's shape. */
bool onnx_read_sparse(OnnxFile *file, ProtoSpan message, Tensor *tensor);
/* The numbers of an attribute: field 2 or 3, a scalar, or 7 or 8, a list; tensor->name is set. */
bool onnx_read_numbers(OnnxFile *file, ProtoSpan attribute, uint32_t number, Tensor *tensor);

#endif
