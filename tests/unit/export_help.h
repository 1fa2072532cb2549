/* What the export tests share: a scratch folder, alignments over golden files, and comparing
 * what tenon wrote with what PyTorch and safetensors wrote. */
#ifndef TESTS_UNIT_EXPORT_HELP_H
#define TESTS_UNIT_EXPORT_HELP_H

#include "tests/unit/own_folder.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "loader/export/export.h"
#include "loader/format/format.h"
#include "loader/source/zip.h"

#define GOLDEN "tests/data/golden/"

static Checkpoint *targets[16];      /* alive to the end, as a session keeps its target */
static size_t target_count;

static int leave_folder(void **state)
{
    while (target_count) checkpoint_unref(targets[--target_count]);
    return remove_folder(state);
}

static Checkpoint *open_checkpoint(const char *path)
{
    Error err = {0};
    Checkpoint *checkpoint = checkpoint_open(path, &err);
    if (!checkpoint) fail_msg("%s", err.text);
    return checkpoint;
}

/* What a test does to the draft between opening and closing it; may be NULL. */
typedef void Edit(Draft *draft);

/* `target` NULL: every key is its own target. */
static Alignment *align_files(const char *source, const char *target, Edit *edit)
{
    Error err = {0};
    Checkpoint *from = open_checkpoint(source), *to = target ? open_checkpoint(target) : NULL;
    StateDict *dict = NULL;
    if (to) {
        const Container *container = checkpoint_choose(to, NULL, &err);
        if (!container) fail_msg("%s", err.text);
        dict = container->dict;
        assert_true(target_count < countof(targets));
        targets[target_count++] = to;
    }
    Draft *draft = draft_new(from, NULL, dict, 0);
    if (edit) edit(draft);
    Alignment *alignment = align_finish(draft, &err);
    if (!alignment) fail_msg("%s", err.text);
    checkpoint_unref(from);
    return alignment;
}

/* Writes NAME into the scratch folder; the result of it. */
static ExportResult write_plan(Alignment *alignment, const PlanOptions *plan_options,
                               const char *path, const ExportOptions *options)
{
    Error err = {0};
    ExportResult result = {0};
    Plan *plan = plan_new(alignment, plan_options, &err);
    if (!plan) fail_msg("%s", err.text);
    if (!export_write(plan, path, options, &result, &err)) fail_msg("%s", err.text);
    plan_free(plan);
    return result;
}

static char *read_file(const char *path, size_t *n)
{
    Error err = {0};
    ByteSource *source = source_open_file(path, &err);
    if (!source) fail_msg("%s", err.text);
    char *bytes = source_slurp(source, 64 << 20, n, &err);
    source_unref(source);
    return bytes;
}

/* Zeroes the 40 digits of the serialization id and its CRC, in descriptor and directory. */
static void mask_id(const char *path, char *bytes)
{
    Error err = {0};
    char name[300];
    uint64_t data;
    ByteSource *source = source_open_file(path, &err);
    Zip *zip = zip_open_archive(source, NULL);
    if (zip) {
        snprintf(name, sizeof name, "%s.data/serialization_id", zip_prefix(zip));
        const ZipMember *member = zip_find(zip, name);
        assert_non_null(member);
        assert_int_equal(member->size, 40);
        assert_true(zip_data_offset(zip, member, &data, &err));
        memset(bytes + data, 0, 40);
        memset(bytes + data + 44, 0, 4);
        /* It is the last record, so its entry is the last one before the 98 bytes of ends. */
        size_t entry = (size_t)source->size - 98 - 46 - strlen(name);
        memset(bytes + entry + 16, 0, 4);
        zip_unref(zip);
    }
    source_unref(source);
}

static void expect_same_file(const char *path, const char *golden)
{
    size_t n, wanted;
    char *ours = read_file(path, &n), *theirs = read_file(golden, &wanted);
    mask_id(path, ours);
    mask_id(golden, theirs);
    size_t at = 0;
    while (at < n && at < wanted && ours[at] == theirs[at]) at++;
    if (at < n || at < wanted)
        fail_msg("%s: differs from %s at byte %zu (%zu and %zu bytes)", path, golden, at, n,
                 wanted);
    free(ours);
    free(theirs);
}

/* The whole way: source, edit, file; the same bytes as the golden one. */
static inline ExportResult expect_golden(const char *source, Edit *edit, const char *golden,
                                  const ExportOptions *options)
{
    char from[300], wanted[300];
    static const ExportOptions force = {.force = true};
    snprintf(from, sizeof from, GOLDEN "%s", source);
    snprintf(wanted, sizeof wanted, GOLDEN "%s", golden);
    Alignment *alignment = align_files(from, NULL, edit);
    ExportResult result = write_plan(alignment, NULL, in_folder(golden),
                                     options ? options : &force);
    align_unref(alignment);
    expect_same_file(in_folder(golden), wanted);
    return result;
}

/* Rule text without ops; the first `n` rules get one. */
static void run_rules_with(Draft *draft, const char *text, size_t n, const Op *op)
{
    Error err = {0};
    RuleBlock block;
    RuleHost host = {0};   /* no expressions, no ops */
    Origin origin = {"test.lua", 1};
    if (!rules_parse(draft_arena(draft), text, strlen(text), origin, &host, &block, &err))
        fail_msg("%s", err.text);
    for (size_t i = 0; i < n; i++) {
        Rule *rule = (Rule *)&block.rules[i];
        rule->ops = op;
        rule->op_count = 1;
    }
    if (!draft_rules(draft, &block, NULL, NULL, &err)) fail_msg("%s", err.text);
}

static inline void run_rules(Draft *draft, const char *text)
{
    run_rules_with(draft, text, 0, NULL);
}

#endif
