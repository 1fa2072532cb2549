/* Any bytes as a schema: JSON, an index without its shards, a printed listing, the text of a failed
 * load (which nothing can refuse), and whatever the registry takes them for. Opened, or refused with
 * an error. */
#include <stdlib.h>

#include "loader/format/failed_load.h"
#include "loader/format/format.h"

static void open_as(const Format *format, ByteSource *source)
{
    Error err = {0};
    OpenContext context = {.path = "fuzz"};
    Checkpoint *checkpoint =
        format ? format->open(&context, source, &err) : checkpoint_open_source(source, &err);
    if (!checkpoint && err.code == ERR_NONE) abort();
    checkpoint_unref(checkpoint);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ByteSource *source = source_from_memory(data, size, "fuzz");
    open_as(&format_schema_json, source);
    open_as(&format_schema_text, source);
    open_as(&format_sharded, source);
    open_as(&format_failed_load, source);
    failed_load_free(failed_load_read((const char *)data, size));
    open_as(NULL, source);
    source_unref(source);
    return 0;
}
