/* Any bytes as what a child says of an HDF5 file: believed only where it fits the file. What the
 * listing makes is read where no child is needed for it. No process is started. */
#include <stdlib.h>

#include "loader/format/hdf5.h"
#include "loader/format/keras.h"

enum { FILE_BYTES = 4096 };

static void read_all(const StateDict *dict, const ByteSource *file)
{
    for (size_t i = 0; i < dict_count(dict); i++) {
        const Tensor *tensor = dict_at(dict, i);
        if (tensor->storage->source != file) continue;
        if (tensor->storage->offset + tensor->storage->bytes > file->size) abort();
        void *values = mem_alloc((size_t)tensor_bytes(tensor) + 1);
        if (!tensor_read(tensor, NULL, NULL, values, NULL)) abort();
        free(values);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char zeros[FILE_BYTES];
    Error err = {0};
    Hdf5 hdf5;
    Checkpoint *checkpoint = NULL;
    OpenContext context = {.path = "fuzz"};
    ByteSource *file = source_from_memory(zeros, sizeof zeros, "fuzz");
    if (hdf5_parse(&hdf5, file, data, size, &err))
        checkpoint = keras_from_hdf5(&context, &hdf5, NULL, NULL, 0, &err);
    if (!checkpoint && err.code == ERR_NONE) abort();
    hdf5_done(&hdf5);
    for (size_t i = 0; checkpoint && i < checkpoint_container_count(checkpoint); i++)
        read_all(checkpoint_container(checkpoint, i)->dict, file);
    checkpoint_unref(checkpoint);
    source_unref(file);
    return 0;
}
