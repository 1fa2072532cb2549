/* Any bytes as a checkpoint whose rest is carried along: the pickle that comes of it is whole, and
 * nothing in it is refused by what torch's weights_only checks. */
#include <stdio.h>
#include <stdlib.h>

#include "loader/core/limits.h"
#include "loader/export/torch_whole.h"
#include "loader/format/format.h"
#include "loader/format/pickle_log.h"

/* Reads what was written back. */
static void check_pickle(const Text *pickle)
{
    Arena *arena = arena_new();
    Error err = {0};
    PickleLog log;
    ByteSource *source = source_from_memory(pickle->bytes, pickle->length, "out");
    pickle_log_init(&log, arena);
    if (!pickle_read_watched(arena, source, 0, &log.watch, NULL, &err) ||
        log.check.refusal.length) {
        fprintf(stderr, "%s %s\n", err.text, text_string(&log.check.refusal));
        abort();
    }
    pickle_log_done(&log);
    source_unref(source);
    arena_free(arena);
}

static void carry(Checkpoint *checkpoint, const char *path)
{
    const PlanOptions options = {.whole = true};
    Error err = {0};
    Alignment *alignment = align_finish(draft_new(checkpoint, path, NULL, 0), &err);
    Plan *plan = alignment ? plan_new(alignment, &options, &err) : NULL;
    if (plan) {
        TorchLayout layout;
        layout_init(&layout, plan, false);
        bool fine = true;
        for (size_t i = 0; i < plan->count; i++)
            fine = fine && layout_check_entry(&plan->entries[i], &err);
        if (fine && layout_put_whole(&layout, plan->whole, &err)) {
            pickle_put_op(layout.pickle, PICKLE_STOP);
            check_pickle(pickle_writer_bytes(layout.pickle));
        }
        layout_done(&layout);
    }
    plan_free(plan);
    align_unref(alignment);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum { TRIED = 4 };
    limit_set("folded-bytes=16384", NULL);   /* names by the thousand are schema's */
    ByteSource *source = source_from_memory(data, size, "fuzz");
    Checkpoint *checkpoint = checkpoint_open_source(source, NULL);
    for (size_t i = 0; checkpoint && i < checkpoint_container_count(checkpoint) && i < TRIED; i++)
        carry(checkpoint, checkpoint_container(checkpoint, i)->path);
    checkpoint_unref(checkpoint);
    source_unref(source);
    return 0;
}
