/* Any bytes as the .metadata of a DCP folder, and the rest as its one data file, whatever it is
 * called. */
#include "loader/format/dcp.h"
#include "tests/fuzz/two_parts.h"

static bool has_any(const OpenContext *context, const char *name)
{
    (void)context;
    return inner_path_is_safe(name);
}

static ByteSource *find_second(const OpenContext *context, const char *name, Error *err)
{
    if (has_any(context, name)) return source_ref(((const TwoParts *)context)->second);
    error_set(err, ERR_FORMAT, "not safe");
    return NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    TwoParts parts = {.context = {.path = "fuzz", .folder = "fuzz", .has_inner = has_any,
                                  .inner_source = find_second, .open_bytes = open_any}};
    Error err = {0};
    split_input(&parts, data, size);
    read_opened(dcp_open(&parts.context, parts.first, &err), &err, NULL);
    unref_parts(&parts);
    return 0;
}
