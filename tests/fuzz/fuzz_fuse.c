/* Any names and shapes under the fusing statements: the first byte says which, every line behind it
 * is a key and its sizes; keys that begin with '>' are the target's. Nothing is computed, but the
 * plan that comes of it is closed. */
#include <stdlib.h>
#include <string.h>

#include "loader/align/align.h"
#include "scripting/script.h"

static const char *const texts[] = {
    "weight_norm()", "weight_norm('**', {dim=1})", "spectral_norm()", "spectral_norm{dim=1}",
    "fold_bn('**.{i}', '**.{i+1}')", "fold_bn('**.conv', '**.bn', {transposed=true})",
    "lora{}", "lora{alpha=2, rslora=true, fan_in_fan_out=true}",
    "lora{alpha=4, scale=0.5, places={lora_te_='te.'}}",
};

/* "a.b.weight 2,3": a key without sizes is a scalar, one that is there already is left out. */
static void add_line(StateDict *dict, char *line)
{
    Arena *arena = dict_arena(dict);
    int64_t *dims = arena_alloc(arena, 8 * sizeof *dims);
    char *sizes = strchr(line, ' ');
    if (sizes) *sizes++ = '\0';
    Tensor tensor = {.name = arena_strdup(arena, line), .dtype = DT_F32, .dims = dims};
    for (char *at = sizes; at && *at >= '0' && *at <= '9' && tensor.rank < 8; at += *at == ',')
        dims[tensor.rank++] = (int64_t)(strtoul(at, &at, 10) % 100);
    if (*line && tensor_check(&tensor, NULL)) dict_add(dict, &tensor);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const ScriptOptions options = {.instructions = 2000000, .memory = 64 << 20};
    Checkpoint *source = checkpoint_new("fuzz", "schema");
    StateDict *keys = dict_new(), *target = dict_new();
    char *copy = malloc(size + 1), *rest = copy;
    memcpy(copy, data, size);
    copy[size] = '\0';
    const char *text = texts[(size ? (unsigned char)copy[0] : 0) % countof(texts)];
    if (size) rest++;
    for (char *line; (line = strsep(&rest, "\n"));)
        add_line(*line == '>' ? target : keys, line + (*line == '>'));
    checkpoint_add_container(source, "", keys, 0, false);
    Draft *draft = draft_new(source, NULL, dict_count(target) ? target : NULL, 0);
    Script *script = script_new(draft, &options);
    Error err = {0};
    if (!script_run(script, text, strlen(text), "f.lua", &err) &&
        strncmp(err.text, "f.lua:1: ", 9) != 0)
        abort();
    script_free(script);
    align_unref(align_finish(draft, &err));
    dict_unref(target);
    checkpoint_unref(source);
    free(copy);
    return 0;
}
