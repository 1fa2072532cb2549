/* Small ledgers as rows: dicts from words, the rows as text. */
#ifndef TESTS_UNIT_ROWS_FIXTURE_H
#define TESTS_UNIT_ROWS_FIXTURE_H

#include <stdio.h>
#include <stdlib.h>

#include "viewer/rows.h"

/* A dict from "name dtype-letter rank-1 size" words: "a.weight:4 b:i8". */
static inline StateDict *make_dict(const char *words)
{
    StateDict *dict = dict_new();
    dict_set_ordered(dict, true);
    Arena *arena = dict_arena(dict);
    char *copy = arena_strdup(arena, words), *rest = copy;
    for (char *word; (word = strtok_r(rest, " ", &rest));) {
        char *colon = strrchr(word, ':');
        int64_t *dims = arena_alloc(arena, sizeof *dims);
        bool integer = colon && colon[1] == 'i';
        dims[0] = colon ? atoi(colon + 1 + integer) : 2;
        if (colon) *colon = '\0';
        Tensor tensor = {.name = word, .dims = dims, .rank = 1,
                         .dtype = integer ? DT_I64 : DT_F32};
        assert_true(dict_add(dict, &tensor));
    }
    return dict;
}

static Checkpoint *source;
static StateDict *target;
static RowModel *model;

static inline Alignment *align_with(const char *prefix)
{
    Error err = {0};
    Draft *draft = draft_new(source, NULL, target, 0);
    const Origin origin = {"fix.lua", 1};
    if (prefix && !draft_strip(draft, origin, &prefix, 1, false, false, &err))
        fail_msg("%s", err.text);
    Alignment *alignment = align_finish(draft, &err);
    if (!alignment) fail_msg("%s", err.text);
    return alignment;
}

/* `to` NULL: no target. */
static inline void build(const char *from, const char *to, const char *prefix)
{
    source = checkpoint_new("source", "test");
    checkpoint_add_container(source, "", make_dict(from), 0, false);
    target = to ? make_dict(to) : NULL;
    Alignment *alignment = align_with(prefix);
    model = rows_new(alignment);
    align_unref(alignment);
}

static inline int drop(void **state)
{
    (void)state;
    rows_free(model);
    checkpoint_unref(source);
    dict_unref(target);
    model = NULL;
    source = NULL;
    target = NULL;
    return 0;
}

static inline void show_label(uint32_t row, Side side, Text *out)
{
    if (model->rows[row].side[side].path) rows_label(model, row, side, out);
    else text_addc(out, '_');
}

/* The visible rows as "source|glyph|target", indented with dots, one a line. */
static inline void assert_rows(const char *wanted)
{
    Text text = {0};
    for (size_t i = 0; i < model->visible_count; i++) {
        uint32_t row = model->visible[i];
        RowState state;
        for (int k = 0; k < model->rows[row].depth[SIDE_SOURCE]; k++) text_addc(&text, '.');
        show_label(row, SIDE_SOURCE, &text);
        text_addf(&text, "|%s|", rows_state(model, row, &state) ? state_info(state)->glyph : " ");
        for (int k = 0; k < model->rows[row].depth[SIDE_TARGET]; k++) text_addc(&text, '.');
        show_label(row, SIDE_TARGET, &text);
        text_addc(&text, '\n');
    }
    assert_string_equal(text_string(&text), wanted);
    text_done(&text);
}

static inline void open_everything(void)
{
    for (uint32_t i = 0; i < model->count; i++) rows_set_open(model, i, true);
}

static inline uint32_t find_row(const char *path, Side side)
{
    Text text = {0};
    uint32_t found = ROW_NONE;
    for (uint32_t i = 0; i < model->count && found == ROW_NONE; i++) {
        text_clear(&text);
        rows_path(model, i, side, &text);
        if (strcmp(text_string(&text), path) == 0) found = i;
    }
    text_done(&text);
    assert_int_not_equal(found, ROW_NONE);
    return found;
}

static inline void set_filter(const char *words)
{
    Error err = {0};
    RowFilter filter;
    if (!row_filter_parse(&filter, words, &err)) fail_msg("%s", err.text);
    rows_set_filter(model, filter.text ? &filter : NULL);
    while (rows_filter_due(model)) assert_true(rows_filter_step(model, &err));
}

#endif
