/* For tests of formats: bytes that are opened as one whatever they look like, and what comes of it. */
#ifndef TESTS_UNIT_OPEN_AS_H
#define TESTS_UNIT_OPEN_AS_H

#include "loader/core/text.h"
#include "loader/format/format.h"
#include "tests/unit/test.h"

/* `name` is what the file is called. */
static inline Checkpoint *open_as(const Format *format, const char *name, const char *bytes,
                                  size_t n, Error *err)
{
    OpenContext context = {.path = name};
    ByteSource *source = source_from_memory(bytes, n, name);
    Checkpoint *checkpoint = format->open(&context, source, err);
    source_unref(source);
    return checkpoint;
}

/* Frees the file, which must not open; the error begins with its name. */
static inline void refuse_as(const Format *format, const char *name, Text *file, ErrorCode code,
                             const char *words)
{
    Error err = {0};
    Checkpoint *checkpoint = open_as(format, name, file->bytes, file->length, &err);
    text_done(file);
    if (checkpoint) fail_msg("it was opened; \"%s\" was expected", words);
    assert_error_has(err, words);
    assert_int_equal(err.code, code);
    assert_true(has_prefix(err.text, name) && has_prefix(err.text + strlen(name), ": "));
}

/* A fixture, which must open, as that format. */
static inline Checkpoint *open_path_as(const char *format, const char *path)
{
    Error err = {0};
    Checkpoint *checkpoint = checkpoint_open(path, &err);
    if (!checkpoint) fail_msg("%s", err.text);
    assert_string_equal(checkpoint_format(checkpoint), format);
    return checkpoint;
}

/* One of the findings is of that kind and holds the words. */
static inline void expect_finding(const Checkpoint *checkpoint, const char *kind,
                                  const char *words)
{
    for (size_t i = 0; i < checkpoint_finding_count(checkpoint); i++) {
        const Finding *finding = checkpoint_finding(checkpoint, i);
        if (strcmp(finding->kind, kind) == 0 && strstr(finding->what, words)) return;
    }
    fail_msg("no finding %s holds \"%s\"", kind, words);
}

#endif
