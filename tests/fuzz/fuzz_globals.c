/* Any bytes as a file of pickles: names with verdicts, or none; never a crash, and never a name
 * that the tables cannot judge. */
#include <stdlib.h>

#include "loader/format/globals_scan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    GlobalScan scan;
    ByteSource *source = source_from_memory(data, size, "fuzz");
    scan_init(&scan);
    scan_source(&scan, source);
    if (scan.file_count != 1) abort();
    for (size_t i = 0; i < scan.use_count; i++) {
        const GlobalUse *use = &scan.uses[i];
        const char *reason;
        bool allowed = global_judge(use->module, use->name, &reason) == GLOBAL_ALLOWED;
        if (!use->place_count || (use->verdict == GLOBAL_ALLOWED) != (allowed && !use->way)) abort();
        if (i && scan.uses[i - 1].verdict < use->verdict) abort();
    }
    for (size_t i = 0; i < scan.pickle_count; i++)
        if (scan.pickles[i].error && !scan.pickles[i].refusal) abort();
    if (scan.files[0].torch == SCAN_LOADS && scan.files[0].refusal) abort();
    scan_done(&scan);
    source_unref(source);
    return 0;
}
