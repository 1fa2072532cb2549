/* The crate's writer pads the header to 8 bytes and lays tensors out by dtype, widest first, so
 * that every element is aligned; and the bindings of PyTorch write {"format":"pt"}, which
 * transformers asks for. A reader needs neither. */
#include "loader/format/safetensors_verify.h"

#include <inttypes.h>
#include <string.h>

#include "loader/core/memory.h"
#include "loader/tensor/check_run.h"

typedef struct SafetensorsVerify {
    const StateDict *dict;       /* borrowed: the checkpoint owns it */
    uint64_t data;               /* where the tensors' bytes start in the file */
} SafetensorsVerify;

static void check_metadata(Checkpoint *checkpoint, const StateDict *dict)
{
    static const char remedy[] = "tenon align -o OUT.safetensors writes it";
    for (size_t i = 0; i < dict_metadata_count(dict); i++)
        if (strcmp(dict_metadata(dict, i).key, "format") == 0) return;
    if (dict_metadata_count(dict))
        checkpoint_find(checkpoint, FINDING_WARNING, "metadata", NULL, remedy,
                        "its __metadata__ has no 'format': transformers refuses such files");
    else
        checkpoint_find(checkpoint, FINDING_NOTE, "metadata", NULL, remedy,
                        "it has no __metadata__: older transformers ask for its 'format'");
}

/* The first tensor whose elements are not aligned is named, and how many there are. */
static void check_alignment(Checkpoint *checkpoint, const SafetensorsVerify *verify)
{
    const char *first = NULL;
    size_t count = 0;
    for (size_t i = 0; i < dict_count(verify->dict); i++) {
        const Tensor *tensor = dict_at(verify->dict, i);
        unsigned size = dtype_size(tensor->dtype);
        if (size < 2 || !tensor_bytes(tensor) || tensor->storage->offset % size == 0) continue;
        if (!count++) first = tensor->name;
    }
    if (verify->data % 8)
        checkpoint_find(checkpoint, FINDING_NOTE, "unaligned", NULL, NULL,
                        "its tensors start at byte %" PRIu64 ", no multiple of 8; readers that map "
                        "the file must copy", verify->data);
    else if (count)
        checkpoint_find(checkpoint, FINDING_NOTE, "unaligned", first, NULL,
                        "the elements of %zu tensor%s are not aligned; readers that map the file "
                        "must copy", count, count == 1 ? "" : "s");
}

/* A CheckpointCheck. */
static bool check_safetensors(Checkpoint *checkpoint, void *context, const CheckRun *run,
                              Error *err)
{
    (void)run, (void)err;
    const SafetensorsVerify *verify = context;
    check_metadata(checkpoint, verify->dict);
    check_alignment(checkpoint, verify);
    return true;
}

void safetensors_verify(Checkpoint *checkpoint, const StateDict *dict, uint64_t data)
{
    const SafetensorsVerify verify = {dict, data};
    checkpoint_add_check(checkpoint, check_safetensors,
                         arena_copy(checkpoint_arena(checkpoint), &verify, sizeof verify));
}
