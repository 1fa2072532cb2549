/* Any bytes as a GGUF file: opened, or refused with an error; of what opens, the first and the last
 * row of each tensor, and a column, can be read as numbers or are refused with an error; its header
 * can be written again with other names. */
#include <stdlib.h>

#include "loader/format/format.h"
#include "loader/format/gguf_names.h"
#include "loader/tensor/values.h"

enum { NUMBERS_MAX = 1 << 12 };

/* A box that no shape can make larger than NUMBERS_MAX. */
static void read_box(const Tensor *tensor, const int64_t *from, const int64_t *size, void *values)
{
    Error err = {0};
    uint64_t count = 1;
    for (unsigned i = 0; i < tensor->rank; i++)
        if (!sum_mul(count, (uint64_t)size[i], &count) || count > NUMBERS_MAX) return;
    if (!tensor_read_values(tensor, from, size, values, NULL, &err) && err.code == ERR_NONE) abort();
}

static void read_tensor(const Tensor *tensor, void *values)
{
    int64_t from[TENSOR_RANK_MAX] = {0}, size[TENSOR_RANK_MAX], last[TENSOR_RANK_MAX];
    uint64_t end = tensor->storage->offset + tensor->storage->bytes;
    bool known = tensor->dtype != DT_UNKNOWN;    /* else its bytes are up to the next tensor */
    if (end > tensor->storage->source->size ||
        (known && tensor_bytes(tensor) != tensor->storage->bytes))
        abort();
    for (unsigned i = 0; i < tensor->rank; i++) {
        if (tensor->dims[i] < 0) abort();
        if (tensor->dims[i] == 0) return;
        size[i] = 1;
        last[i] = tensor->dims[i] - 1;
    }
    read_box(tensor, last, size, values);
    if (tensor->rank) size[tensor->rank - 1] = tensor->dims[tensor->rank - 1];
    read_box(tensor, from, size, values);
    if (tensor->rank < 2) return;
    size[tensor->rank - 1] = 1;
    size[0] = tensor->dims[0];
    from[tensor->rank - 1] = tensor->dims[tensor->rank - 1] / 2;
    read_box(tensor, from, size, values);
}

static const char *same_name(void *context, const char *name)
{
    (void)context;
    return name;
}

/* The header again, for a change in place: as long, or longer by whole blocks, and a header. */
static void rename_tensors(const uint8_t *data, size_t size)
{
    enum { BLOCK = 4096 };
    Error err = {0};
    Text out = {0};
    const size_t n = gguf_header_length(data, size);
    if (n && gguf_rename(data, n, same_name, NULL, BLOCK, &out, &err) &&
        (out.length < n || (out.length - n) % BLOCK ||
         gguf_header_length((const unsigned char *)out.bytes, out.length) != out.length))
        abort();
    text_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Error err = {0};
    OpenContext context = {.path = "fuzz"};
    ByteSource *source = source_from_memory(data, size, "fuzz");
    Checkpoint *checkpoint = format_gguf.open(&context, source, &err);
    if (!checkpoint && err.code == ERR_NONE) abort();
    if (checkpoint) {
        const StateDict *dict = checkpoint_find_container(checkpoint, "")->dict;
        double *values = mem_realloc(NULL, NUMBERS_MAX * sizeof *values);
        for (size_t i = 0; i < dict_count(dict); i++) read_tensor(dict_at(dict, i), values);
        free(values);
        rename_tensors(data, size);
    }
    checkpoint_unref(checkpoint);
    source_unref(source);
    return 0;
}
