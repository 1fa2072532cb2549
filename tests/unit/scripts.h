/* Helpers for tests of rule scripts: a source and a target from one line a tensor, a script
 * that runs over them, and the ledger it comes to. */
#ifndef TESTS_UNIT_SCRIPTS_H
#define TESTS_UNIT_SCRIPTS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "loader/align/align.h"
#include "scripting/script.h"

typedef struct Bench {
    Checkpoint *source;
    StateDict *target;           /* NULL: none */
    Draft *draft;                /* gone once finished */
    Script *script;
    Alignment *alignment;        /* once finished */
    Error err;                   /* of the last run */
} Bench;

/* Adds "key dtype 2,3" (dtype and shape may be absent: f32 and a scalar; "?" = unknown shape)
 * for every line of `text`. Quotes around the key are taken off, so that it may hold blanks. */
static inline void bench_fill(StateDict *dict, const char *text)
{
    Arena *arena = dict_arena(dict);
    for (const char *at = text; *at;) {
        char key[256], dtype[16] = "f32", shape[128] = "";
        const size_t n = strcspn(at, "\n;");
        char *line = arena_strndup(arena, at, n);
        at += n + (at[n] != '\0');
        if (sscanf(line, " %255s %15s %127s", key, dtype, shape) < 1) continue;
        int64_t *dims = arena_alloc(arena, TENSOR_RANK_MAX * sizeof *dims);
        Tensor tensor = {.name = arena_strdup(arena, key), .dtype = dtype_from_name(dtype)};
        if (strcmp(shape, "?") != 0) tensor.dims = dims;
        for (char *s = shape; *s >= '0' && *s <= '9'; s += *s == ',')
            dims[tensor.rank++] = strtoll(s, &s, 10);
        assert_true(dict_add(dict, &tensor));
    }
}

/* The object tree around a dict that lies at "a.b": dicts of str keys, an epoch in the root. */
static inline Object *bench_tree(Arena *arena, const char *path)
{
    Object *root = object_new(arena, OBJ_DICT), *at = root;
    if (*path) {
        object_push(arena, root, object_str(arena, "epoch"));
        object_push(arena, root, object_int(arena, 6));
    }
    while (*path) {
        const size_t n = strcspn(path, ".");
        Object *inner = object_new(arena, OBJ_DICT);
        object_push(arena, at, object_str(arena, arena_strndup(arena, path, n)));
        object_push(arena, at, inner);
        at = inner;
        path += n + (path[n] != '\0');
    }
    return root;
}

/* A source that is a bare state dict, or has it under `container`. */
static inline Checkpoint *bench_source(const char *text, const char *container)
{
    Checkpoint *checkpoint = checkpoint_new("source.pth", "torch-zip");
    StateDict *dict = dict_new();
    if (!container) container = "";
    bench_fill(dict, text);
    checkpoint_set_root(checkpoint, bench_tree(checkpoint_arena(checkpoint), container));
    checkpoint_add_container(checkpoint, container, dict, *container != '\0', false);
    return checkpoint;
}

/* Takes the source over. */
static inline void bench_open_over(Bench *bench, Checkpoint *source, const char *target,
                                   const ScriptOptions *options)
{
    *bench = (Bench){.source = source};
    if (target) {
        bench->target = dict_new();
        dict_set_ordered(bench->target, true);
        bench_fill(bench->target, target);
    }
    bench->draft = draft_new(bench->source, NULL, bench->target, 0);
    bench->script = script_new(bench->draft, options);
}

static inline void bench_open(Bench *bench, const char *source, const char *target,
                              const ScriptOptions *options)
{
    bench_open_over(bench, bench_source(source, NULL), target, options);
}

static inline bool bench_run(Bench *bench, const char *text, const char *name)
{
    bench->err = (Error){0};
    return script_run(bench->script, text, strlen(text), name, &bench->err);
}

static inline void bench_finish(Bench *bench)
{
    script_free(bench->script);
    bench->script = NULL;
    bench->alignment = align_finish(bench->draft, &bench->err);
    bench->draft = NULL;
}

static inline void bench_close(Bench *bench)
{
    script_free(bench->script);
    if (bench->draft) draft_free(bench->draft);
    align_unref(bench->alignment);
    dict_unref(bench->target);
    checkpoint_unref(bench->source);
}

/* Asserts a target's status and where its value comes from: "a, b" or "". */
static inline void bench_binding(const Bench *bench, const char *name, const char *status,
                                 const char *sources)
{
    const Binding *binding = align_find(bench->alignment, name);
    if (!binding) fail_msg("there is no target '%s'", name);
    Text got = {0};
    for (uint32_t i = 0; i < binding->source_count; i++)
        text_addf(&got, "%s%s", i ? ", " : "", binding->sources[i]->name);
    if (strcmp(bind_word(binding->status), status) != 0 ||
        (sources && strcmp(text_string(&got), sources) != 0))
        fail_msg("%s is %s from [%s] (%s), not %s from [%s]", name, bind_word(binding->status),
                 text_string(&got), binding->reason ? binding->reason : "", status,
                 sources ? sources : "?");
    text_done(&got);
}

/* Asserts a source's status. */
static inline void bench_use(const Bench *bench, const char *name, const char *status)
{
    const SourceUse *use = align_find_use(bench->alignment, name);
    if (!use) fail_msg("there is no source '%s'", name);
    if (strcmp(use_word(use->status), status) != 0)
        fail_msg("%s is %s, not %s", name, use_word(use->status), status);
}

/* The note that holds `part`; fails when there is none. */
static inline const RuleNote *bench_note(const Bench *bench, const char *part)
{
    for (size_t i = 0; i < align_note_count(bench->alignment); i++)
        if (strstr(align_note(bench->alignment, i)->text, part))
            return align_note(bench->alignment, i);
    for (size_t i = 0; i < align_note_count(bench->alignment); i++)
        print_error("note: %s\n", align_note(bench->alignment, i)->text);
    fail_msg("no note holds \"%s\"", part);
    return NULL;
}

/* The keys as they stand, joined by blanks. */
static inline const char *bench_keys(const Bench *bench)
{
    static char keys[4096];
    size_t n = 0;
    keys[0] = '\0';
    assert_true(draft_ready(bench->draft, NULL));
    for (size_t i = 0; i < draft_count(bench->draft); i++)
        if (n < sizeof keys)
            n += (size_t)snprintf(keys + n, sizeof keys - n, "%s%s", i ? " " : "",
                                  draft_at(bench->draft, i)->name);
    return keys;
}

/* Opens, runs `text` as rules.lua, which has to succeed, and finishes. */
static inline void bench_align(Bench *bench, const char *source, const char *target,
                               const char *text)
{
    bench_open(bench, source, target, NULL);
    if (!bench_run(bench, text, "rules.lua")) fail_msg("%s", bench->err.text);
    bench_finish(bench);
    if (!bench->alignment) fail_msg("%s", bench->err.text);
}

/* Runs a text and compares the keys it leaves. */
static inline void leaves(const char *source, const char *text, const char *keys)
{
    Bench bench;
    bench_open(&bench, source, NULL, NULL);
    if (!bench_run(&bench, text, "fix.lua")) fail_msg("%s", bench.err.text);
    assert_string_equal(bench_keys(&bench), keys);
    bench_close(&bench);
}

/* Runs a text that has to fail with a message that begins and goes on like this. */
static inline void fails(const char *source, const char *text, const char *begin,
                         const char *part)
{
    Bench bench;
    bench_open(&bench, source, NULL, NULL);
    assert_false(bench_run(&bench, text, "fix.lua"));
    if (!has_prefix(bench.err.text, begin) || (part && !strstr(bench.err.text, part)))
        fail_msg("'%s' is not '%s … %s'", bench.err.text, begin, part ? part : "");
    bench_close(&bench);
}

static inline void prints(const char *source, const char *target, const char *text,
                          const char *want)
{
    Bench bench;
    bench_open(&bench, source, target, NULL);
    if (!bench_run(&bench, text, "fix.lua")) fail_msg("%s", bench.err.text);
    assert_string_equal(script_output(bench.script), want);
    bench_close(&bench);
}

/* The same over a source that does not matter. */
static inline void answers(const char *text, const char *want)
{
    prints("a f32 2\nb f32 3", NULL, text, want);
}

#endif
