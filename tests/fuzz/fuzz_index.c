/* Any bytes as the index of a sharded model, and the rest as each of its shards. */
#include "loader/core/limits.h"
#include "tests/fuzz/two_parts.h"

static bool has_any(const OpenContext *context, const char *name)
{
    (void)context;
    return inner_path_is_safe(name);
}

static Checkpoint *open_second(OpenContext *context, const char *name, Error *err)
{
    if (has_any(context, name))
        return checkpoint_open_source(((TwoParts *)context)->second, err);
    error_set(err, ERR_FORMAT, "not safe");
    return NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    TwoParts parts = {.context = {.path = "fuzz", .folder = "fuzz", .has_inner = has_any,
                                  .open_inner = open_second}};
    Error err = {0};
    limit_set("folded-bytes=16384", NULL);   /* names by the thousand are schema's */
    split_input(&parts, data, size);
    read_opened(format_sharded.open(&parts.context, parts.first, &err), &err, NULL);
    unref_parts(&parts);
    return 0;
}
