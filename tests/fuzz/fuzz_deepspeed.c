/* Any bytes as a model's states, and the rest as every rank's optimizer states, in a folder of
 * DeepSpeed with two ranks. */
#include <string.h>

#include "tests/fuzz/two_parts.h"

static Checkpoint *open_part(OpenContext *context, const char *name, Error *err)
{
    TwoParts *parts = (TwoParts *)context;
    return checkpoint_open_source(strstr(name, "optim") ? parts->second : parts->first, err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {
        "mp_rank_00_model_states.pt", "zero_pp_rank_0_mp_rank_00_model_states.pt",
        "zero_pp_rank_0_mp_rank_00_optim_states.pt", "zero_pp_rank_1_mp_rank_00_optim_states.pt"};
    const Folder folder = {"fuzz", names, countof(names)};
    TwoParts parts = {.context = {.path = "fuzz", .folder = "fuzz", .open_inner = open_part}};
    Error err = {0};
    split_input(&parts, data, size);
    read_opened(format_deepspeed.open(&parts.context, &folder, &err), &err, NULL);
    unref_parts(&parts);
    return 0;
}
