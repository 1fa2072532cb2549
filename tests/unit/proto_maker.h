/* Protobuf messages for tests, field by field, and what is asked of the checkpoints they become. */
#ifndef TESTS_UNIT_PROTO_MAKER_H
#define TESTS_UNIT_PROTO_MAKER_H

#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "loader/core/text.h"
#include "loader/format/format.h"

static inline void put_varint(Text *out, uint64_t value)
{
    for (; value >= 0x80; value >>= 7) text_addc(out, (char)((value & 0x7F) | 0x80));
    text_addc(out, (char)value);
}

static inline void put_tag(Text *out, unsigned number, unsigned type)
{
    put_varint(out, (uint64_t)number << 3 | type);
}

static inline void put_number(Text *out, unsigned number, uint64_t value)
{
    put_tag(out, number, 0);
    put_varint(out, value);
}

static inline void put_bytes(Text *out, unsigned number, const void *bytes, size_t n)
{
    put_tag(out, number, 2);
    put_varint(out, n);
    text_addn(out, bytes, n);
}

static inline void put_text(Text *out, unsigned number, const char *text)
{
    put_bytes(out, number, text, strlen(text));
}

/* The message is emptied. */
static inline void put_message(Text *out, unsigned number, Text *message)
{
    put_bytes(out, number, text_string(message), message->length);
    text_done(message);
}

static inline void put_float(Text *out, unsigned number, float value)
{
    put_tag(out, number, 5);
    text_addn(out, &value, sizeof value);
}

/* Sizes as packed varints. */
static inline void put_sizes(Text *out, unsigned number, const int64_t *sizes, size_t n)
{
    Text packed = {0};
    for (size_t i = 0; i < n; i++) put_varint(&packed, (uint64_t)sizes[i]);
    put_message(out, number, &packed);
}

/* Opens bytes, whatever they are; `file` is emptied. */
static inline Checkpoint *open_text(Text *file, const char *name, Error *err)
{
    *err = (Error){0};
    ByteSource *source = source_from_memory(text_string(file), file->length, name);
    Checkpoint *checkpoint = checkpoint_open_source(source, err);
    source_unref(source);
    text_done(file);
    return checkpoint;
}

/* Bytes that a format must refuse when it is asked, whatever the sniff says; `file` is emptied. */
static inline void refuse_with(const Format *format, Text *file, const char *name, ErrorCode code,
                               const char *words)
{
    Error err = {0};
    ByteSource *source = source_from_memory(text_string(file), file->length, name);
    Checkpoint *checkpoint = NULL;
    /* through the registry first: a sure format's error is final, so both must agree */
    bool sure = format->sniff(source, (const unsigned char *)text_string(file), file->length) ==
                SNIFF_YES;
    if (sure) checkpoint = checkpoint_open_source(source, &err);
    OpenContext context = {.path = name};
    Error own = {0};
    if (!sure) checkpoint = format->open(&context, source, &own);
    source_unref(source);
    text_done(file);
    assert_null(checkpoint);
    if (!sure) err = own;
    assert_error_has(err, words);
    assert_int_equal(err.code, code);
    assert_true(has_prefix(err.text, name));
}

static inline const Tensor *tensor_in(const Checkpoint *checkpoint, const char *path,
                                      const char *name)
{
    const Container *container = checkpoint_find_container(checkpoint, path);
    if (!container) fail_msg("there is no container '%s'", path);
    const Tensor *tensor = dict_find(container->dict, name);
    if (!tensor) fail_msg("there is no tensor '%s' in '%s'", name, path);
    return tensor;
}

/* Shape, dtype and values, which are `n` bytes. */
static inline void assert_tensor(const Tensor *tensor, DType dtype, const char *shape,
                                 const void *values, size_t n)
{
    Text shown = {0};
    Error err = {0};
    show_shape(tensor->dims, tensor->rank, &shown);
    assert_string_equal(text_string(&shown), shape);
    text_done(&shown);
    assert_int_equal(tensor->dtype, dtype);
    assert_int_equal(tensor_bytes(tensor), n);
    unsigned char *got = malloc(n + 1);
    if (!tensor_read(tensor, NULL, NULL, got, &err)) fail_msg("%s", err.text);
    assert_memory_equal(got, values, n);
    free(got);
}

/* A scratch folder as the test's state. */
static inline int make_folder(void **state)
{
    char name[] = "/tmp/tenon-proto-XXXXXX";
    *state = mkdtemp(name) ? strdup(name) : NULL;
    return *state ? 0 : -1;
}

static inline int remove_folder(void **state)
{
    Text command = {0};
    text_addf(&command, "rm -rf '%s'", (char *)*state);
    int status = system(text_string(&command));
    text_done(&command);
    free(*state);
    return status;
}

/* Writes a file below the scratch folder; `bytes` is emptied. Returns its path, borrowed until the
 * next call. */
static inline const char *write_file(void **state, const char *name, Text *bytes)
{
    static char path[512];
    snprintf(path, sizeof path, "%s/%s", (char *)*state, name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    if (bytes->length) assert_int_equal(fwrite(bytes->bytes, 1, bytes->length, file), bytes->length);
    fclose(file);
    text_done(bytes);
    return path;
}

#endif
