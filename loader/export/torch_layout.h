/* TorchLayout: a .pth before it is written: its pickle, and the storages that the pickle names. The
 * pickle is put together here, tensor by tensor; torch_writer.c then writes the records. */
#ifndef LOADER_EXPORT_TORCH_LAYOUT_H
#define LOADER_EXPORT_TORCH_LAYOUT_H

#include "loader/export/identity_map.h"
#include "loader/export/pickle_writer.h"
#include "loader/export/plan.h"

/* A storage of the output. */
typedef struct Cell {
    const Storage *kept;         /* copied whole; NULL: the values of `entry` */
    const PlanEntry *entry;      /* the first one that uses it; NULL: only `kept` is known */
    DType dtype;                 /* what its elements are to torch.save */
    uint32_t memo;               /* 1 + number of its key, the same at all uses; 0: not put yet */
} Cell;

enum { CELL_KEY = 24 };          /* bytes of an index in digits */

typedef struct TorchLayout {
    const Plan *plan;            /* borrowed */
    bool compact;
    bool stays;                  /* storages stay where they are, under the keys of their records */
    const char *stray;           /* of those: the name of one that is no such record; NULL: none */
    Arena *arena;                /* owned */
    Cell *cells;                 /* owned; in order of first use */
    size_t count, room;
    IdentityMap storages;        /* Storage → cell */
    uint32_t *cell_of;           /* [entries] for aliases to look up; owned */
    PickleWriter *pickle;        /* owned */
} TorchLayout;

void layout_init(TorchLayout *layout, const Plan *plan, bool compact);
/* How many cells there will be, where that is known: before the first. */
void layout_expect(TorchLayout *layout, size_t count);
void layout_done(TorchLayout *layout);

uint64_t layout_cell_bytes(const Cell *cell);
/* The key of a storage: "0", "1" …, in `key`, unless it stays. */
const char *layout_key(const TorchLayout *layout, size_t index, char key[CELL_KEY]);

/* Whether PyTorch has a dtype for the entry that can be saved; the error says what helps. */
bool layout_check_entry(const PlanEntry *entry, Error *err);

/* The plan's state dict: OrderedDict(), its items and `_metadata`. `identity` (may be NULL) is what
 * it will be met again as. `others` (a DICT, or NULL) are entries that follow the tensors, put by
 * put_other(context, key or value). */
bool layout_put_state_dict(TorchLayout *layout, const void *identity, const Object *others,
                           bool (*put_other)(void *context, Object *object, Error *err),
                           void *context, Error *err);
/* One tensor that stands in no plan, as its own entry; its storage is shared as in the source. */
void layout_put_tensor(TorchLayout *layout, const PlanEntry *entry, bool requires_grad,
                       const void *identity);
/* A storage by itself: a persistent id of the class, whose elements have `width` bytes. */
void layout_put_storage(TorchLayout *layout, const Storage *storage, const char *class_module,
                        const char *class_name, unsigned width);

#endif
