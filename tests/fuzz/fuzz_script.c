/* Any bytes as a rule script, in a sandbox with small limits, over a few keys: it ends, says
 * where it failed, and leaves a draft that can be closed. Its folder is not there, so that it opens
 * no file. */
#include <stdlib.h>
#include <string.h>

#include "loader/align/align.h"
#include "scripting/script.h"

static StateDict *make_keys(void)
{
    static const char *const names[] = {"module.a.weight", "a.weight", "a.bias", "e.0.w", "e.1.w",
                                        "layers.0.attn.qkv", "layers.1.attn.qkv", "s"};
    static const int64_t dims[] = {6, 2};
    StateDict *dict = dict_new();
    for (size_t i = 0; i < countof(names); i++)
        dict_add(dict, &(Tensor){.name = names[i], .dims = dims, .rank = (uint8_t)(i % 3),
                                 .dtype = i == 4 ? DT_I64 : DT_F32});
    return dict;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const ScriptOptions options = {.instructions = 20000, .memory = 1 << 20};
    Checkpoint *source = checkpoint_new("fuzz", "schema");
    StateDict *target = make_keys();
    checkpoint_add_container(source, "", make_keys(), 0, false);
    Draft *draft = draft_new(source, NULL, target, 0);
    Script *script = script_new(draft, &options);
    Error err = {0};
    if (!script_run(script, (const char *)data, size, "none/fuzz.lua", &err) &&
        (strncmp(err.text, "none/fuzz.lua:", 14) != 0 || strchr(err.text, '\n')))
        abort();
    script_free(script);
    align_unref(align_finish(draft, &err));
    dict_unref(target);
    checkpoint_unref(source);
    return 0;
}
