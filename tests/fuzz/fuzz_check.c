/* Any bytes as a zip with a model or a safetensors file, checked as a whole: headers, CRCs, layout and
 * every value. Whatever is wrong becomes a finding; only stopping would fail. */
#include <stdlib.h>

#include "loader/check/check.h"
#include "loader/core/limits.h"
#include "loader/format/format.h"

/* A made-up file can ask for the same bytes under many names: after so many it is stopped. */
enum { READ_MAX = 64 << 20 };

static bool go_on(void *context, uint64_t done, uint64_t total)
{
    (void)context, (void)total;
    return done < READ_MAX;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Error err = {0};
    limit_set("folded-bytes=16384", NULL);   /* names by the thousand are schema's */
    ByteSource *source = source_from_memory(data, size, "fuzz");
    Checkpoint *checkpoint = checkpoint_open_source(source, &err);
    if (checkpoint) {
        CheckTotals totals;
        const CheckOptions options = {.file = "fuzz", .others = true, .progress = go_on,
                                      .chosen = checkpoint_choose(checkpoint, NULL, NULL)};
        CheckReport *report = check_run(checkpoint, &options, &totals, &err);
        if (!report && err.code != ERR_CANCELLED) abort();
        check_report_free(report);
    }
    checkpoint_unref(checkpoint);
    source_unref(source);
    return 0;
}
