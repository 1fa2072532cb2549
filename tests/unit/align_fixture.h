/* What the tests of the ledger and of the report share: state dicts from one line of text a
 * tensor, rule scripts, and the alignment they give. */
#ifndef TESTS_UNIT_ALIGN_FIXTURE_H
#define TESTS_UNIT_ALIGN_FIXTURE_H

#include <stdio.h>
#include <stdlib.h>

#include "loader/align/align.h"
#include "loader/tensor/layout.h"
#include "scripting/script.h"

typedef struct Fixture {
    Checkpoint *source;
    StateDict *target;
    Alignment *alignment;
} Fixture;

static inline void release_source(void *source)
{
    source_unref(source);
}

/* A storage with bytes behind it, as far as anybody asks here: one small source a dict. */
static inline Storage *make_storage(StateDict *dict, uint64_t bytes)
{
    Storage *storage = arena_alloc(dict_arena(dict), sizeof *storage);
    for (size_t i = 0; i < dict_count(dict) && !storage->source; i++)
        if (dict_at(dict, i)->storage) storage->source = dict_at(dict, i)->storage->source;
    if (!storage->source) {
        storage->source = source_from_memory("0", 1, "zeros");
        dict_own(dict, storage->source, release_source);
    }
    storage->bytes = bytes;
    return storage;
}

/* Adds "name 2,3 f16 @": dtype f32 unless given; "?" for an unknown shape, "-" for rank 0;
 * "@" gives it data, "@=" the storage of the tensor before it, "!" makes it opaque, "HWIO" and the like tell its layout. */
static inline void add_tensor(StateDict *dict, const char *line)
{
    char name[256], shape[64] = "?", dtype[16] = "f32", mark[8] = "";
    int64_t dims[8];
    Tensor tensor = {0};
    int n = sscanf(line, "%255s %63s %15s %7s", name, shape, dtype, mark);
    assert_true(n >= 1);
    tensor.name = arena_strdup(dict_arena(dict), name);
    tensor.dtype = strcmp(dtype, "?") == 0 ? DT_UNKNOWN : dtype_from_name(dtype);
    char *rest = shape;
    while (strcmp(shape, "?") != 0 && strcmp(shape, "-") != 0 && *rest) {
        dims[tensor.rank++] = strtoll(rest, &rest, 10);
        if (*rest == ',') rest++;
    }
    if (strcmp(shape, "?") != 0)
        tensor.dims = arena_copy(dict_arena(dict), dims, (tensor.rank + 1u) * sizeof(int64_t));
    if (strcmp(mark, "@=") == 0)
        tensor.storage = dict_at(dict, dict_count(dict) - 1)->storage;
    else if (*mark == '@')
        tensor.storage = make_storage(dict, tensor_bytes(&tensor));
    for (int layout = 1; *mark && layout < LAYOUT_COUNT; layout++)
        if (strcmp(mark, layout_name((Layout)layout)) == 0) tensor.layout = (uint8_t)layout;
    if (*mark == '!') {
        Encoding *encoding = arena_alloc(dict_arena(dict), sizeof *encoding);
        *encoding = (Encoding){.opaque = true, .note = "sparse"};
        tensor.encoding = encoding;
    }
    assert_true(dict_add(dict, &tensor));
}

/* One tensor a line. */
static inline StateDict *make_dict(const char *text)
{
    StateDict *dict = dict_new();
    char *copy = mem_strdup(text), *rest = copy, *line;
    while ((line = strsep(&rest, "\n")))
        if (*line) add_tensor(dict, line);
    free(copy);
    return dict;
}

static inline Checkpoint *make_source(const char *path, StateDict *dict)
{
    Checkpoint *source = checkpoint_new(path, "torch-zip");
    checkpoint_add_container(source, "", dict, 0, false);
    return source;
}

/* Takes over the dicts; `script` may be NULL. The name of the script is rules.lua. */
static inline Fixture align_dicts(StateDict *source, StateDict *target, const char *script)
{
    Fixture fixture = {.source = make_source("source.pth", source), .target = target};
    Draft *draft = draft_new(fixture.source, NULL, target, 0);
    Error err = {0};
    if (script) {
        Script *host = script_new(draft, &(ScriptOptions){0});
        if (!script_run(host, script, strlen(script), "rules.lua", &err))
            fail_msg("script: %s", err.text);
        script_free(host);
    }
    fixture.alignment = align_finish(draft, &err);
    if (!fixture.alignment) fail_msg("align: %s", err.text);
    return fixture;
}

static inline Fixture align_texts(const char *source, const char *target, const char *script)
{
    return align_dicts(make_dict(source), target ? make_dict(target) : NULL, script);
}

static inline void free_fixture(Fixture *fixture)
{
    align_unref(fixture->alignment);
    dict_unref(fixture->target);
    checkpoint_unref(fixture->source);
}

static inline const Binding *binding_of(const Fixture *fixture, const char *name)
{
    const Binding *binding = align_find(fixture->alignment, name);
    if (!binding) fail_msg("no target %s", name);
    return binding;
}

static inline void assert_reason(const Fixture *fixture, const char *name, const char *reason)
{
    const char *found = binding_of(fixture, name)->reason;
    if (!reason != !found || (reason && strcmp(found, reason) != 0))
        fail_msg("%s: reason \"%s\", not \"%s\"", name, found ? found : "-", reason ? reason : "-");
}

static inline void assert_suggest(const Fixture *fixture, const char *name, const char *suggest)
{
    const char *found = binding_of(fixture, name)->suggest;
    if (!suggest != !found || (suggest && strcmp(found, suggest) != 0))
        fail_msg("%s: suggests \"%s\", not \"%s\"", name, found ? found : "-",
                 suggest ? suggest : "-");
}

#endif
