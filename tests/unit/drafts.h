/* Helpers for tests of Drafts: a source from one line a tensor, statements without Lua, and the
 * keys they come to as one text. */
#ifndef TESTS_UNIT_DRAFTS_H
#define TESTS_UNIT_DRAFTS_H

#include <stdio.h>

#include "tests/unit/rule_host.h"
#include "tests/unit/test.h"

#include "loader/align/draft.h"

typedef struct Case {
    Checkpoint *source;
    StateDict *target;       /* NULL: none */
    Draft *draft;
    Error err;
    Text keys;               /* the last text that was asked for */
} Case;

/* Adds "key 2,3" (f32; no shape = scalar) for every line or ';'-separated part. */
static inline StateDict *dict_from(const char *text)
{
    StateDict *dict = dict_new();
    while (*text) {
        size_t n = strcspn(text, "\n;");
        char *line = arena_strndup(dict_arena(dict), text + strspn(text, " "),
                                   n - (strspn(text, " ") < n ? strspn(text, " ") : n));
        char *shape = strchr(line, ' ');
        text += n + (text[n] != '\0');
        if (!*line) continue;
        int64_t *dims = arena_alloc(dict_arena(dict), 8 * sizeof *dims);
        Tensor tensor = {.name = line, .dtype = DT_F32, .dims = dims};
        if (shape) *shape++ = '\0';
        while (shape && *shape) {
            dims[tensor.rank++] = strtoll(shape, &shape, 10);
            shape += *shape == ',';
        }
        assert_true(dict_add(dict, &tensor));
    }
    return dict;
}

static inline Case case_open(const char *source, const char *target)
{
    Case one = {.source = checkpoint_new("source.pth", "torch-zip")};
    checkpoint_add_container(one.source, "", dict_from(source), 0, false);
    if (target) one.target = dict_from(target);
    one.draft = draft_new(one.source, NULL, one.target, 0);
    return one;
}

static inline void case_close(Case *one)
{
    draft_free(one->draft);
    dict_unref(one->target);
    checkpoint_unref(one->source);
    text_done(&one->keys);
}

static const Origin here = {"fix.lua", 3};

static inline bool run_strip(Case *one, const char *prefix, bool again, bool all)
{
    return draft_strip(one->draft, here, &prefix, 1, again, all, &one->err);
}

static inline bool run_sub(Case *one, const char *text)
{
    SubBlock block;
    return sub_parse(draft_arena(one->draft), text, strlen(text), here, &plain_host, &block,
                     &one->err) &&
           draft_sub(one->draft, &block, &one->err);
}

/* The `function` of these tests joins everything it is given along axis 0. */
static inline bool call_function(void *host, const Op *op, const OpContext *context,
                                 RuleValue *value, Error *err)
{
    (void)host;
    (void)op;
    const Expr *all[64];
    size_t n = 0;
    for (size_t i = 0; i < value->count; i++)
        for (size_t j = 0; j < value->lists[i].count; j++) all[n++] = value->lists[i].items[j];
    const Expr *joined = expr_cat(context->arena, 0, all, n, err);
    if (!joined) return false;
    value->lists[0].items[0] = joined;
    value->lists[0].count = value->count = 1;
    return true;
}

static inline bool run_rules(Case *one, const char *text)
{
    RuleBlock block;
    return rules_parse(draft_arena(one->draft), text, strlen(text), here, &plain_host, &block,
                       &one->err) &&
           draft_rules(one->draft, &block, call_function, NULL, &one->err);
}

/* "a.w 2,3 | b ! | …": names and shapes in order; '!' for what stands for a collision. */
static inline const char *keys_of(Case *one)
{
    Text *out = &one->keys;
    text_clear(out);
    if (!draft_ready(one->draft, &one->err)) return one->err.text;
    for (size_t i = 0; i < draft_count(one->draft); i++) {
        const DraftKey *key = draft_at(one->draft, i);
        text_addf(out, "%s%s", i ? " | " : "", key->name);
        if (!key->expr) text_add(out, " !");
        for (unsigned d = 0; key->expr && d < key->expr->rank; d++)
            text_addf(out, "%s%lld", d ? "," : " ", (long long)key->expr->dims[d]);
        assert_ptr_equal(draft_find(one->draft, key->name), key);
    }
    return text_string(out);
}

/* All notes, one a line. */
static inline const char *notes_of(Case *one)
{
    Text *out = &one->keys;
    text_clear(out);
    for (size_t i = 0; i < draft_note_count(one->draft); i++)
        text_addf(out, "%s\n", draft_note_at(one->draft, i)->text);
    return text_string(out);
}

/* The history of a key, newest first: "b <- a (strip "x") [ops]; …" along the first before. */
static inline const char *steps_of(Case *one, const Step *step)
{
    Text *out = &one->keys;
    text_clear(out);
    for (; step; step = step->before_count ? step->before[0] : NULL) {
        text_addf(out, "%s%s <- %s (%s:%d %s)", out->length ? "; " : "",
                  step->to ? step->to : "dropped", step->from, step->origin.file,
                  step->origin.line, step->what);
        if (step->ops) text_addf(out, " [%s]", step->ops);
    }
    return text_string(out);
}

#define assert_part(text, part)                                                       \
    do {                                                                              \
        const char *whole_ = (text);                                                  \
        if (!strstr(whole_, (part))) fail_msg("\"%s\" lacks \"%s\"", whole_, (part)); \
    } while (0)

#endif
