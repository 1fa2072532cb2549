/* WeightsOnly: whether torch.load(weights_only=True) of PyTorch 2.13 would take a pickle, told
 * without PyTorch: its unpickler's checks, made beside our machine, opcode by opcode.
 *
 * Source: torch/_weights_only_unpickler.py, Unpickler.load; the texts of the refusals are its own.
 * What its functions say of their arguments (a tensor's storage is too small) is not asked here:
 * tensor_check does that when the file is opened. */
#ifndef LOADER_FORMAT_WEIGHTS_ONLY_H
#define LOADER_FORMAT_WEIGHTS_ONLY_H

#include "loader/format/pickle.h"

typedef struct WeightsOnly {
    Text refusal;            /* the first one's text, names in it held; empty: none; owned */
    uint64_t byte;           /* of the opcode that is refused, in the source */
    int protocol;            /* of the last PROTO; -1: there was none */
} WeightsOnly;

void weights_only_init(WeightsOnly *check);
void weights_only_done(WeightsOnly *check);
/* The two halves of a PickleWatch: before and after an opcode. */
void weights_only_before(WeightsOnly *check, const struct Machine *machine, unsigned opcode);
void weights_only_after(WeightsOnly *check, const struct Machine *machine, unsigned opcode);

#endif
