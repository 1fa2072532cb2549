/* For tests: PyTorch checkpoints assembled opcode by opcode, without PyTorch.
 *
 * The pickle functions append to a Text; make_zip (zip_maker.h) and make_legacy put a file around
 * it. */
#ifndef TESTS_UNIT_TORCH_MAKER_H
#define TESTS_UNIT_TORCH_MAKER_H

#include <inttypes.h>

#include "loader/core/text.h"
#include "loader/format/format.h"
#include "loader/format/torch.h"
#include "tests/unit/test.h"
#include "tests/unit/zip_maker.h"

static inline void put_text(Text *p, const char *text)
{
    text_addc(p, 'X');
    put(p, strlen(text), 4);
    text_add(p, text);
}

static inline void put_int(Text *p, int64_t value)
{
    text_addn(p, "\x8A\x08", 2);
    put(p, (uint64_t)value, 8);
}

static inline void put_tuple(Text *p, const int64_t *values, size_t count)
{
    text_addc(p, '(');
    for (size_t i = 0; i < count; i++) put_int(p, values[i]);
    text_addc(p, 't');
}

/* What a tensor says; put_tensor gives what is left 0 a plain meaning. */
typedef struct Made {
    const char *class;       /* "torch\nFloatStorage" when NULL */
    const char *key;         /* "0" when NULL */
    int64_t numel, offset;
    int64_t dims[3], strides[3];
    size_t rank;
    const char *view;        /* opcodes of view_metadata (legacy), or NULL */
    const char *metadata;    /* opcodes behind the hooks, or NULL */
    const char *function;    /* "_rebuild_tensor_v2" when NULL */
    bool grad;               /* requires_grad */
} Made;

static inline void put_storage(Text *p, const Made *made)
{
    text_addc(p, '(');
    put_text(p, "storage");
    text_addf(p, "c%s\n", made->class ? made->class : "torch\nFloatStorage");
    put_text(p, made->key ? made->key : "0");
    put_text(p, "cpu");
    put_int(p, made->numel);
    if (made->view) text_add(p, made->view);
    text_add(p, "tQ");
}

static inline void put_tensor(Text *p, const Made *made)
{
    text_addf(p, "ctorch._utils\n%s\n(", made->function ? made->function : "_rebuild_tensor_v2");
    put_storage(p, made);
    put_int(p, made->offset);
    put_tuple(p, made->dims, made->rank);
    put_tuple(p, made->strides, made->rank);
    text_addc(p, made->grad ? '\x88' : '\x89');
    text_add(p, "ccollections\nOrderedDict\n)R");
    if (made->metadata) text_add(p, made->metadata);
    text_add(p, "tR");
}

/* n floats from the start of storage `key`, which has that many. */
static inline void put_floats(Text *p, const char *key, int64_t n)
{
    put_tensor(p, &(Made){.key = key, .numel = n, .dims = {n}, .strides = {1}, .rank = 1});
}

/* --- files ---------------------------------------------------------------------------- */

static const char legacy_preamble[] = "\x80\x02\x8A\x0A\x6C\xFC\x9C\x46\xF9\x20\x6A\xA8\x50\x19."
                                      "\x80\x02M\xE9\x03.\x80\x02}.";

/* The object's pickle (without STOP), then the opcodes of the list of keys. */
static inline void make_legacy(Text *file, const Text *pickle, const char *keys)
{
    text_addn(file, legacy_preamble, sizeof legacy_preamble - 1);
    text_addn(file, pickle->bytes, pickle->length);
    text_addf(file, ".%s.", keys);
}

static inline Checkpoint *open_bytes(const Text *file, Error *err)
{
    ByteSource *source = source_from_memory(file->bytes, file->length, "x.pth");
    Checkpoint *checkpoint = checkpoint_open_source(source, err);
    source_unref(source);
    return checkpoint;
}

static inline Checkpoint *open_records(const Record *records, size_t count, Error *err)
{
    Text file = {0};
    make_zip(&file, records, count);
    Checkpoint *checkpoint = open_bytes(&file, err);
    text_done(&file);
    return checkpoint;
}

/* What open_bytes gave: nothing, and an error that says so. */
static inline void is_refused(const Checkpoint *checkpoint, const Error *err, const char *part)
{
    if (checkpoint) fail_msg("was opened; expected: %s", part);
    assert_error_has(*err, "x.pth");
    assert_error_has(*err, part);
}

static inline Checkpoint *open_fixture(const char *path)
{
    Error err = {0};
    Checkpoint *checkpoint = checkpoint_open(path, &err);
    if (!checkpoint) fail_msg("%s", err.text);
    return checkpoint;
}

/* One in which nothing is found. */
static inline Checkpoint *open_sound(const char *path)
{
    Checkpoint *checkpoint = open_fixture(path);
    assert_int_equal(checkpoint_finding_count(checkpoint), 0);
    return checkpoint;
}

/* A zip with this pickle (STOP is added) and one storage "0" of n bytes, opened. */
static inline Checkpoint *open_zip_of(Text *pickle, const void *storage, size_t n, Error *err)
{
    text_addc(pickle, '.');
    const Record records[] = {{"a/data.pkl", pickle->bytes, pickle->length},
                              {"a/data/0", storage, n},
                              {"a/version", BYTES("3\n")}};
    Checkpoint *checkpoint = open_records(records, countof(records), err);
    text_done(pickle);
    return checkpoint;
}

static inline const Container *container(const Checkpoint *checkpoint, const char *path)
{
    const Container *found = checkpoint_find_container(checkpoint, path);
    if (!found) fail_msg("there is no container '%s'", path);
    return found;
}

static inline const Tensor *tensor_at(const Checkpoint *checkpoint, const char *path,
                                      const char *key)
{
    const Tensor *tensor = dict_find(container(checkpoint, path)->dict, key);
    if (!tensor) fail_msg("container '%s' has no '%s'", path, key);
    return tensor;
}

static inline void has_keys(const Checkpoint *checkpoint, const char *path, const char *keys)
{
    Text all = {0};
    const StateDict *dict = container(checkpoint, path)->dict;
    for (size_t i = 0; i < dict_count(dict); i++) text_addf(&all, "%s ", dict_at(dict, i)->name);
    assert_string_equal(text_string(&all), keys);
    text_done(&all);
}

#endif
