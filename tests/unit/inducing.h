/* Helpers for tests of induce: bundles from one line each, the rules they come to, and these
 * rules run by the script engine: what comes of them must be the bundles again.
 *
 *   a.w -> b.w                                       one tensor gets another name
 *   e.0.w,e.1.w + e.0.v,e.1.v -> x |> stack(0), cat(1)     lists of names, joined by '+' */
#ifndef TESTS_UNIT_INDUCING_H
#define TESTS_UNIT_INDUCING_H

#include "tests/unit/scripts.h"

#include "loader/align/induce.h"
#include "tests/unit/rule_host.h"

typedef struct Inducing {
    Arena *arena;
    Bundle *bundles;             /* [bundle_count] */
    size_t bundle_count;
    const char **keys;           /* [key_count] those of the bundles, each once, then others */
    size_t key_count;
    NameMap known;
    bool general;                /* as InduceInput.general */
    Text text;                   /* the rules, as statements */
    Error err;
} Inducing;

static inline void inducing_key(Inducing *one, const char *name)
{
    if (map_get(&one->known, name) != MAP_NONE) return;
    map_set(&one->known, name, (uint32_t)one->key_count);
    one->keys[one->key_count++] = name;
}

/* Names between separators, blanks taken off. */
static inline const char **inducing_names(Inducing *one, const char *text, size_t n,
                                          char separator, size_t *count)
{
    const char **names = arena_alloc(one->arena, (n + 1) * sizeof *names);
    *count = 0;
    for (size_t at = 0; at <= n;) {
        size_t end = at;
        while (end < n && text[end] != separator) end++;
        size_t from = at, to = end;
        while (from < to && text[from] == ' ') from++;
        while (to > from && text[to - 1] == ' ') to--;
        names[(*count)++] = arena_strndup(one->arena, text + from, to - from);
        at = end + 1;
    }
    return names;
}

static inline void inducing_bundle(Inducing *one, const char *line)
{
    Bundle *bundle = &one->bundles[one->bundle_count++];
    const char *arrow = strstr(line, " -> "), *pipe = strstr(line, " |> ");
    size_t lists;
    const char **parts = inducing_names(one, line, (size_t)(arrow - line), '+', &lists);
    NameList *sources = arena_alloc(one->arena, lists * sizeof *sources);
    for (size_t i = 0; i < lists; i++) {
        sources[i].names =
            inducing_names(one, parts[i], strlen(parts[i]), ',', &sources[i].count);
        for (size_t j = 0; j < sources[i].count; j++) inducing_key(one, sources[i].names[j]);
    }
    arrow += 4;
    const char *end = pipe ? pipe : arrow + strlen(arrow);
    *bundle = (Bundle){.sources = sources, .source_count = lists, .confidence = 1};
    bundle->targets = inducing_names(one, arrow, (size_t)(end - arrow), ',',
                                     &bundle->target_count);
    if (pipe) assert_true(plain_ops(NULL, one->arena, pipe + 4, strlen(pipe + 4), 1,
                                    &bundle->ops, &bundle->op_count, NULL));
}

/* `others`: keys that no bundle has, a name a line. */
static inline void inducing_open(Inducing *one, const char *bundles, const char *others)
{
    size_t room = strlen(bundles) + strlen(others) + 2;
    *one = (Inducing){.arena = arena_new()};
    one->bundles = arena_alloc(one->arena, room * sizeof *one->bundles);
    one->keys = arena_alloc(one->arena, room * sizeof *one->keys);
    for (const char *at = bundles; *at;) {
        size_t n = strcspn(at, "\n");
        if (n) inducing_bundle(one, arena_strndup(one->arena, at, n));
        at += n + (at[n] == '\n');
    }
    for (const char *at = others; *at;) {
        size_t n = strcspn(at, "\n");
        if (n) inducing_key(one, arena_strndup(one->arena, at, n));
        at += n + (at[n] == '\n');
    }
}

static inline void inducing_close(Inducing *one)
{
    map_done(&one->known);
    text_done(&one->text);
    arena_free(one->arena);
}

static inline const Induction *inducing_run(Inducing *one)
{
    const InduceInput input = {one->bundles, one->bundle_count, one->keys, one->key_count,
                               one->general};
    const Induction *induction = induce_rules(one->arena, &input, &one->err);
    if (!induction) fail_msg("%s", one->err.text);
    text_clear(&one->text);
    induce_write(induction, NULL, NULL, &one->text);
    return induction;
}

static inline const char *inducing_expr(Arena *arena, const Expr *expr)
{
    Text text = {0};
    JsonWriter *writer = json_writer_new(&text, false);
    if (expr) expr_write_json(expr, writer);
    json_writer_free(writer);
    const char *copy = arena_strdup(arena, text_string(&text));
    text_done(&text);
    return copy;
}

/* What the targets of a bundle are to be: its ops over its tensors, as a rule would. */
static inline RuleValue inducing_value(Inducing *one, const StateDict *source,
                                       const Bundle *bundle)
{
    RuleValue value = {arena_alloc(one->arena, bundle->source_count * sizeof(ExprList)),
                       bundle->source_count};
    for (size_t i = 0; i < bundle->source_count; i++) {
        const NameList *list = &bundle->sources[i];
        value.lists[i].items = arena_alloc(one->arena, list->count * sizeof(Expr *));
        value.lists[i].count = list->count;
        value.lists[i].gathered = list->count > 1;
        for (size_t j = 0; j < list->count; j++)
            value.lists[i].items[j] =
                expr_source(one->arena, dict_find(source, list->names[j]));
    }
    OpContext context = {.arena = one->arena, .names = bundle->targets,
                         .name_count = bundle->target_count};
    for (size_t i = 0; i < bundle->op_count; i++)
        if (!op_apply(&bundle->ops[i], &context, &value, &one->err))
            fail_msg("%s: %s", bundle->targets[0], one->err.text);
    return value;
}

static inline void inducing_check_bundle(Inducing *one, const Bench *bench, const Bundle *bundle)
{
    RuleValue value = inducing_value(one, draft_source(bench->draft), bundle);
    size_t at = 0;
    for (size_t i = 0; i < value.count; i++)
        for (size_t j = 0; j < value.lists[i].count; j++, at++) {
            assert_true(at < bundle->target_count);
            const DraftKey *key = draft_find(bench->draft, bundle->targets[at]);
            if (!key) fail_msg("there is no '%s' after:\n%s", bundle->targets[at],
                               text_string(&one->text));
            const char *want = inducing_expr(one->arena, value.lists[i].items[j]);
            const char *got = inducing_expr(one->arena, key->expr);
            if (strcmp(want, got) != 0)
                fail_msg("'%s' is %s, not %s, after:\n%s", bundle->targets[at], got, want,
                         text_string(&one->text));
        }
    assert_int_equal(at, bundle->target_count);
}

/* Runs the text over tensors of 12×12 under all keys. The result must be the bundles' targets, and
 * every other key as it was, but for one whose name a target took. */
static inline void inducing_round_trip(Inducing *one)
{
    Bench bench = {.source = checkpoint_new("source.pth", "torch-zip")};
    StateDict *dict = dict_new();
    static const int64_t dims[] = {12, 12};
    for (size_t i = 0; i < one->key_count; i++)
        assert_true(dict_add(dict, &(Tensor){.name = one->keys[i], .dtype = DT_F32,
                                             .dims = dims, .rank = 2}));
    checkpoint_add_container(bench.source, "", dict, 0, false);
    bench.draft = draft_new(bench.source, NULL, NULL, 0);
    bench.script = script_new(bench.draft, NULL);
    if (!bench_run(&bench, text_string(&one->text), "induced.lua"))
        fail_msg("%s\n%s", bench.err.text, text_string(&one->text));
    assert_true(draft_ready(bench.draft, NULL));
    assert_int_equal(draft_collision_count(bench.draft), 0);
    NameMap made, used;
    map_init(&made);
    map_init(&used);
    size_t count = 0;
    for (size_t i = 0; i < one->bundle_count; i++) {
        const Bundle *bundle = &one->bundles[i];
        inducing_check_bundle(one, &bench, bundle);
        count += bundle->target_count;
        for (size_t j = 0; j < bundle->target_count; j++) map_set(&made, bundle->targets[j], 0);
        for (size_t j = 0; j < bundle->source_count; j++)
            for (size_t k = 0; k < bundle->sources[j].count; k++)
                map_set(&used, bundle->sources[j].names[k], 0);
    }
    for (size_t i = 0; i < one->key_count; i++) {
        if (map_get(&used, one->keys[i]) != MAP_NONE || map_get(&made, one->keys[i]) != MAP_NONE)
            continue;
        const DraftKey *key = draft_find(bench.draft, one->keys[i]);
        if (!key || key->step) fail_msg("'%s' was touched by:\n%s", one->keys[i],
                                        text_string(&one->text));
        count++;
    }
    assert_int_equal(draft_count(bench.draft), count);
    map_done(&made);
    map_done(&used);
    bench_close(&bench);
}

/* The bundles come to these rules, a line each, and the rules to the bundles. */
static inline void induces(const char *bundles, const char *others, const char *rules)
{
    Inducing one;
    inducing_open(&one, bundles, others);
    const Induction *induction = inducing_run(&one);
    Text got = {0};
    for (size_t i = 0; i < induction->first_count; i++)
        text_addf(&got, "first: %s\n", induction->first[i].text);
    for (size_t i = 0; i < induction->count; i++)
        text_addf(&got, "%s\n", induction->rules[i].text);
    assert_string_equal(text_string(&got), rules);
    assert_int_equal(induction->left_count, 0);
    text_done(&got);
    inducing_round_trip(&one);
    one.general = true;
    assert_int_equal(inducing_run(&one)->left_count, 0);
    inducing_round_trip(&one);
    inducing_close(&one);
}

#endif
