/* Pickle: an opaque-object machine for protocols 0 to 5. It executes nothing.
 *
 * GLOBAL and STACK_GLOBAL make a name; REDUCE, NEWOBJ, INST and OBJ make a CALL node; BUILD,
 * SETITEM, APPEND fill it. Whoever asks what a node means (torch.c) looks at the names. */
#ifndef LOADER_FORMAT_PICKLE_H
#define LOADER_FORMAT_PICKLE_H

#include "loader/core/error.h"
#include "loader/core/limits.h"
#include "loader/core/memory.h"
#include "loader/source/source.h"
#include "loader/tensor/object.h"

/* Bounds that are no setting: others stand in core/limits.h. */
enum {
    PICKLE_NEAR_MAX = 16 << 10,           /* bytes or text up to this length are in memory */
    PICKLE_MEMO_WATCHED = 1 << 20,        /* LIMIT_PICKLE_MEMO of a watched machine, which a hostile
                                             pickle would make lose track */
    PICKLE_DIGITS_MAX = 1000              /* digits of an integer written as text: turning
                                           * them takes the square of their number; fixed, as
                                           * Python's own limit is, and there are none so long */
};

/* Bytes and text longer than PICKLE_NEAR_MAX become FAR nodes: the values of NumPy arrays, which
 * stay in the file. They count against no limit. What is near tells where it lies, too.
 *
 * Parses the pickle that starts at `offset` of `source`, reading ahead in small blocks; *used
 * (may be NULL) receives its length up to and with STOP (more may follow). Nodes go to
 * `arena`; memory is bounded by a multiple of the bytes read. Errors name the source, the
 * opcode and its byte.
 *
 * None, True, False, the empty tuple and small integers are one node each, however often they
 * occur. A Python 2 string is a STR when it is UTF-8, else BYTES. A second BUILD of one object
 * replaces the state of the first. */
Object *pickle_read(Arena *arena, ByteSource *source, uint64_t offset, uint64_t *used,
                    Error *err);
/* The same, with tensors in short (pickle_tensor.h) wherever they are as torch.save writes them and
 * nothing else in the pickle refers to their parts. Any byte that differs makes them what they are
 * for pickle_read. */
Object *pickle_read_tensors(Arena *arena, ByteSource *source, uint64_t offset, uint64_t *used,
                            Error *err);
/* Reads what a FAR node left in the file (`source` is what pickle_read was given) into the arena,
 * under the limit on a pickle's bytes; it is a STR, BYTES or BYTEARRAY then. */
bool pickle_hold(Arena *arena, ByteSource *source, Object *far, Error *err);

struct Machine;

/* Somebody who looks over the machine's shoulder (pickle_log.h). Both are told the opcode's byte;
 * what lies on the stack is in pickle_machine.h. */
typedef struct PickleWatch {
    /* Before the opcode takes its argument. */
    void (*before)(struct PickleWatch *watch, const struct Machine *machine, unsigned opcode);
    /* When it was carried out. */
    void (*after)(struct PickleWatch *watch, const struct Machine *machine, unsigned opcode);
} PickleWatch;

/* The same, watched. Python lets a pickle change things that are no containers of its own
 * (SETITEM to sys.modules, BUILD of a function): a watched machine passes over them and goes on.
 * It goes on, too, behind an opcode that could not be carried out, up to STOP or to bytes that
 * are no pickle: *err then has the first error, and the result is NULL. */
Object *pickle_read_watched(Arena *arena, ByteSource *source, uint64_t offset,
                            PickleWatch *watch, uint64_t *used, Error *err);

#endif
