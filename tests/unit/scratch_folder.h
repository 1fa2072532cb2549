/* For tests that open folders: a scratch folder for each test, whose path is the test's state. */
#ifndef TESTS_UNIT_SCRATCH_FOLDER_H
#define TESTS_UNIT_SCRATCH_FOLDER_H

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "loader/core/text.h"
#include "loader/format/format.h"
#include "tests/unit/test.h"

static inline int make_folder(void **state)
{
    const char *base = getenv("TMPDIR");
    Text path = {0};
    text_addf(&path, "%s/tenon-folder-XXXXXX", base && *base ? base : "/tmp");
    *state = mkdtemp(path.bytes);
    return *state ? 0 : -1;
}

static inline int remove_folder(void **state)
{
    Text command = {0};
    text_addf(&command, "rm -rf '%s'", (const char *)*state);
    int status = system(text_string(&command));
    text_done(&command);
    free(*state);
    return status;
}

/* "FOLDER/NAME"; the text of one call at a time. */
static inline const char *path_of(void **state, const char *name)
{
    static char path[512];
    snprintf(path, sizeof path, "%s/%s", (const char *)*state, name);
    return path;
}

/* Writes a file, and the folders above it. */
static inline void write_n(void **state, const char *name, const void *bytes, size_t n)
{
    char *path = mem_strdup(path_of(state, name));
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(path, 0777);
        *slash = '/';
    }
    FILE *file = fopen(path, "wb");
    if (!file) fail_msg("%s cannot be written", path);
    assert_int_equal(fwrite(bytes, 1, n, file), n);
    fclose(file);
    free(path);
}

static inline void write_text(void **state, const char *name, const char *text)
{
    write_n(state, name, text, strlen(text));
}

/* A copy of a folder of tests/data. */
static inline void copy_data(void **state, const char *from, const char *to)
{
    Text command = {0};
    text_addf(&command, "cp -r tests/data/%s '%s'", from, path_of(state, to));
    assert_int_equal(system(text_string(&command)), 0);
    text_done(&command);
}

/* A safetensors file of u8 tensors of one element each; `names` are one letter a tensor. */
static inline void write_model(void **state, const char *name, const char *names)
{
    Text header = {0}, file = {0};
    text_add(&header, "{\"__metadata__\":{\"format\":\"pt\"}");
    for (int i = 0; names[i]; i++)
        text_addf(&header, ",\"%c\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[%d,%d]}",
                  names[i], i, i + 1);
    text_add(&header, "}");
    for (int i = 0; i < 8; i++) text_addc(&file, (char)(header.length >> 8 * i & 0xFF));
    text_addn(&file, header.bytes, header.length);
    text_add(&file, names);
    write_n(state, name, file.bytes, file.length);
    text_done(&header);
    text_done(&file);
}

static inline Checkpoint *must_open(void **state, const char *name)
{
    Error err = {0};
    Checkpoint *checkpoint = checkpoint_open(path_of(state, name), &err);
    if (!checkpoint) fail_msg("%s", err.text);
    return checkpoint;
}

/* Opening fails so, and the error begins with a path in the scratch folder. */
static inline void must_refuse(void **state, const char *name, ErrorCode code, const char *words)
{
    Error err = {0};
    Checkpoint *checkpoint = checkpoint_open(path_of(state, name), &err);
    if (checkpoint) fail_msg("%s was opened as %s", name, checkpoint_format(checkpoint));
    assert_error_has(err, words);
    assert_int_equal(err.code, code);
    assert_true(has_prefix(err.text, *state));
}

/* A finding of that level and kind holds the words. */
static inline void must_find(const Checkpoint *checkpoint, FindingLevel level, const char *kind,
                             const char *words)
{
    for (size_t i = 0; i < checkpoint_finding_count(checkpoint); i++) {
        const Finding *one = checkpoint_finding(checkpoint, i);
        if (one->level == level && strcmp(one->kind, kind) == 0 && strstr(one->what, words)) return;
    }
    fail_msg("no finding %s holds \"%s\"", kind, words);
}

#endif
