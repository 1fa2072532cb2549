/* Any bytes as bundles, a line each: lists joined by '+' of names joined by ',', then '>', targets
 * joined by ',', and behind a tab a letter an op; a line without '>' is a key that no bundle has.
 * What they come to as rules is parsed and run: it must be just these bundles, value for value. */
#include <stdlib.h>
#include <string.h>

#include "loader/align/induce.h"
#include "tests/unit/rule_host.h"

enum { LINES_MAX = 40, PARTS_MAX = 16 };

typedef struct Input {
    Arena *arena;
    StateDict *dict;
    Bundle bundles[LINES_MAX];
    size_t count;
    NameMap targets;
} Input;

static const char *take_key(Input *input, const char *name)
{
    static const int64_t dims[] = {12, 12};
    dict_add(input->dict, &(Tensor){.name = name, .dims = dims, .rank = 2, .dtype = DT_F32});
    return name;
}

/* Names between separators. */
static size_t cut(Input *input, const char *text, size_t n, char separator, const char **out)
{
    size_t count = 0;
    for (size_t at = 0; at <= n && count < PARTS_MAX;) {
        const char *end = memchr(text + at, separator, n - at);
        size_t length = end ? (size_t)(end - text) - at : n - at;
        out[count++] = arena_strndup(input->arena, text + at, length);
        at += length + 1;
    }
    return count;
}

static void read_ops(Input *input, const char *letters, Bundle *bundle)
{
    static const char known[] = "Tcdsu3=";
    static const Op ops[] = {{.kind = OP_T}, {.kind = OP_CAT, .has_axis = true},
                             {.kind = OP_CAT, .has_axis = true, .axis = 1},
                             {.kind = OP_STACK, .has_axis = true}, {.kind = OP_UNSTACK},
                             {.kind = OP_SPLIT, .has_number = true, .number = 3},
                             {.kind = OP_COPY}};
    Op *list = arena_alloc(input->arena, 4 * sizeof *list);
    for (; *letters && bundle->op_count < 4; letters++) {
        const char *at = strchr(known, *letters);
        if (at) list[bundle->op_count++] = ops[at - known];
    }
    bundle->ops = list;
}

/* False when another bundle makes one of its targets. */
static bool read_bundle(Input *input, const char *line, const char *arrow, Bundle *bundle)
{
    const char *lists[PARTS_MAX], *tab = strchr(arrow, '\t');
    *bundle = (Bundle){.confidence = 1};
    bundle->source_count = cut(input, line, (size_t)(arrow - line), '+', lists);
    NameList *sources = arena_alloc(input->arena, PARTS_MAX * sizeof *sources);
    for (size_t i = 0; i < bundle->source_count; i++) {
        const char **names = arena_alloc(input->arena, PARTS_MAX * sizeof *names);
        sources[i] = (NameList){names, cut(input, lists[i], strlen(lists[i]), ',', names)};
        for (size_t j = 0; j < sources[i].count; j++) take_key(input, names[j]);
    }
    const char **targets = arena_alloc(input->arena, PARTS_MAX * sizeof *targets);
    size_t n = tab ? (size_t)(tab - arrow) - 1 : strlen(arrow + 1);
    bundle->sources = sources;
    bundle->targets = targets;
    bundle->target_count = cut(input, arrow + 1, n, ',', targets);
    if (tab) read_ops(input, tab + 1, bundle);
    for (size_t i = 0; i < bundle->target_count; i++)
        if (!*targets[i] || map_set(&input->targets, targets[i], 0) != MAP_NONE) return false;
    return true;
}

/* False when the lines are no bundles that induce takes. */
static bool read_input(Input *input, const uint8_t *data, size_t size)
{
    const char *text = name_hold(input->arena, data, size);
    for (size_t n; *text; text += n + (text[n] != '\0')) {
        n = strcspn(text, "\n");
        const char *line = arena_strndup(input->arena, text, n), *arrow = strchr(line, '>');
        if (!arrow) take_key(input, line);
        else if (input->count == LINES_MAX ||
                 !read_bundle(input, line, arrow, &input->bundles[input->count++]))
            return false;
    }
    return true;
}

static bool same_tensor(const Expr *a, const Expr *b)
{
    return a == b || (a->kind == EX_SOURCE && b->kind == EX_SOURCE && a->tensor == b->tensor);
}

/* What a bundle's targets are to be; false when its ops do not fit. */
static bool run_bundle(Input *input, const Bundle *bundle, const Expr **out)
{
    RuleValue value = {arena_alloc(input->arena, PARTS_MAX * sizeof(ExprList)),
                       bundle->source_count};
    for (size_t i = 0; i < value.count; i++) {
        const NameList *list = &bundle->sources[i];
        value.lists[i].items = arena_alloc(input->arena, PARTS_MAX * sizeof(Expr *));
        value.lists[i].count = list->count;
        value.lists[i].gathered = list->count > 1;
        for (size_t j = 0; j < list->count; j++)
            value.lists[i].items[j] =
                expr_source(input->arena, dict_find(input->dict, list->names[j]));
    }
    OpContext context = {.arena = input->arena, .names = bundle->targets,
                         .name_count = bundle->target_count};
    for (size_t i = 0; i < bundle->op_count; i++)
        if (!op_apply(&bundle->ops[i], &context, &value, NULL)) return false;
    size_t count = 0;
    for (size_t i = 0; i < value.count; i++)
        for (size_t j = 0; j < value.lists[i].count; j++, count++)
            if (count < bundle->target_count) out[count] = value.lists[i].items[j];
    if (count != bundle->target_count) return false;
    /* One tensor under two names asks for copy; copies of copies are not meant either. */
    for (size_t i = 1; i < count && bundle->op_count != 1; i++)
        for (size_t j = 0; j < i; j++)
            if (same_tensor(out[i], out[j])) return false;
    return true;
}

static bool same_expr(const Expr *a, const Expr *b)
{
    Text texts[2] = {{0}, {0}};
    const Expr *both[] = {a, b};
    for (int i = 0; i < 2; i++) {
        JsonWriter *writer = json_writer_new(&texts[i], false);
        expr_write_json(both[i], writer);
        json_writer_free(writer);
    }
    bool same = strcmp(text_string(&texts[0]), text_string(&texts[1])) == 0;
    text_done(&texts[0]);
    text_done(&texts[1]);
    return same;
}

static bool run_rules(Draft *draft, const InducedRule *rules, size_t n)
{
    if (!n) return true;         /* a source without a key has no container, either */
    Text text = {0};
    for (size_t i = 0; i < n; i++) text_addf(&text, "%s\n", rules[i].text);
    RuleBlock block;
    bool good = rules_parse(draft_arena(draft), text_string(&text), text.length,
                            (Origin){"induced", 1}, &plain_host, &block, NULL) &&
                draft_rules(draft, &block, NULL, NULL, NULL);
    text_done(&text);
    return good;
}

static void check(Input *input, const Induction *induction, const Expr *(*want)[PARTS_MAX])
{
    Checkpoint *source = checkpoint_new("fuzz", "schema");
    checkpoint_add_container(source, "", dict_ref(input->dict), 0, false);
    Draft *draft = draft_new(source, NULL, NULL, 0);
    draft_ready(draft, NULL);
    if (!run_rules(draft, induction->first, induction->first_count)) abort();
    if (!run_rules(draft, induction->rules, induction->count)) abort();
    size_t left = 0;
    for (size_t i = 0; i < input->count; i++) {
        if (left < induction->left_count && induction->left[left] == i) {
            left++;
            continue;
        }
        for (size_t j = 0; j < input->bundles[i].target_count; j++) {
            const DraftKey *key = draft_find(draft, input->bundles[i].targets[j]);
            if (!key || !key->expr || !same_expr(key->expr, want[i][j])) abort();
        }
    }
    for (size_t i = 0; !left && draft_ready(draft, NULL) && i < draft_count(draft); i++)
        if (draft_at(draft, i)->step &&
            map_get(&input->targets, draft_at(draft, i)->name) == MAP_NONE)
            abort();
    draft_free(draft);
    checkpoint_unref(source);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const Expr *want[LINES_MAX][PARTS_MAX];
    Input input = {.arena = arena_new(), .dict = dict_new()};
    map_init(&input.targets);
    bool good = read_input(&input, data, size);
    for (size_t i = 0; good && i < input.count; i++)
        good = run_bundle(&input, &input.bundles[i], want[i]);
    for (int general = 0; good && general < 2; general++) {
        size_t n = dict_count(input.dict);
        const char **keys = arena_alloc(input.arena, (n + 1) * sizeof *keys);
        for (size_t i = 0; i < n; i++) keys[i] = dict_at(input.dict, i)->name;
        const InduceInput asked = {input.bundles, input.count, keys, n, general > 0};
        Error err = {0};
        const Induction *induction = induce_rules(input.arena, &asked, &err);
        if (!induction) abort();
        check(&input, induction, want);
    }
    map_done(&input.targets);
    dict_unref(input.dict);
    arena_free(input.arena);
    return 0;
}
