/* Any bytes as rule text: parsed as `rules` and as `sub`, with a host that knows no Lua, and
 * run over a few keys, one of which is the text's own last line. Names stay unique. */
#include <stdlib.h>
#include <string.h>

#include "loader/align/draft.h"

static int compile(void *host, const char *text, size_t n, Error *err)
{
    (void)host;
    if (n && *text >= '0' && *text <= '9') return 0;
    error_set(err, ERR_RULE, "no Lua");
    return -1;
}

static bool evaluate(void *host, int handle, const Captures *captures, Text *out, Error *err)
{
    (void)host;
    (void)err;
    text_addf(out, "%d%s", handle, captures->key);
    return true;
}

/* An op is a letter and up to four digits behind it, one of which may be negative: its axis or list,
 * its number and what else it takes, within what the language lets through. */
static const struct { char letter; OpKind kind; } known[] = {
    {'T', OP_T}, {'c', OP_CAT}, {'s', OP_STACK}, {'u', OP_UNSTACK}, {'+', OP_COPY}, {'z', OP_ZEROS},
    {'p', OP_PERMUTE}, {'r', OP_RESHAPE}, {'q', OP_SQUEEZE}, {'Q', OP_UNSQUEEZE}, {'S', OP_SPLIT},
    {'l', OP_SLICE}, {'k', OP_PICK}, {'o', OP_ROLL}, {'R', OP_ROPE_PAIRS}, {'H', OP_ROPE_HALVES},
    {'f', OP_FIT}, {'x', OP_CAST}, {'m', OP_MUL}, {'a', OP_ADD}, {'w', OP_SWAP_HALVES}, {'P', OP_PAD},
    {'t', OP_TILE}, {'e', OP_SUM}, {'M', OP_MEAN}, {'n', OP_NORM}, {'v', OP_SQRT}, {'X', OP_MATMUL},
    {'i', OP_IN_CHANS}, {'y', OP_TO_TORCH}};

static Op make_op(Arena *arena, OpKind kind, const int *numbers, size_t n)
{
    int64_t *list = arena_alloc(arena, (n + 1) * sizeof *list);
    for (size_t i = 0; i < n; i++) list[i] = numbers[i];
    Op op = {.kind = kind, .list = list, .list_count = n, .dtype = DT_F16,
             .rest = FIT_ZEROS};
    if (kind == OP_PICK && n) {
        op.list++;
        op.list_count--;
    }
    for (size_t i = 0; i < op.list_count; i++)
        if (kind != OP_PERMUTE && op.list[i] < 0) list[i + (size_t)(op.list - list)] = 0;
    op.has_axis = n > 0;
    op.axis = n > 0 ? numbers[0] : 0;
    op.has_number = n > 1;
    op.number = n > 1 ? numbers[1] : 1;
    op.has_to = n > 2;
    op.to = n > 2 ? numbers[2] : 0;
    op.real = n > 0 ? numbers[0] : 0.5;
    const bool counts = kind != OP_SLICE && kind != OP_ROLL;
    if (counts && op.number < 1) op.number = 1;
    if (kind == OP_SPLIT && n < 3) op.list_count = 0;
    return op;
}

static bool compile_ops(void *host, Arena *arena, const char *text, size_t n, int line,
                        const Op **ops, size_t *count, Error *err)
{
    (void)host;
    (void)line;
    Op *list = arena_alloc(arena, 8 * sizeof *list);
    for (*count = 0; n && *count < 8;) {
        size_t which = 0, numbers = 0;
        int found[4];
        while (which < countof(known) && known[which].letter != *text) which++;
        text++;
        n--;
        if (which == countof(known)) continue;
        while (n && numbers < countof(found)) {
            const int sign = *text == '-' && n > 1 ? -1 : 1;
            const char digit = sign < 0 ? text[1] : *text;
            if (digit < '0' || digit > '9') break;
            found[numbers++] = sign * (digit - '0');
            text += sign < 0 ? 2 : 1;
            n -= sign < 0 ? 2 : 1;
        }
        list[(*count)++] = make_op(arena, known[which].kind, found, numbers);
    }
    *ops = list;
    return *count || error_set(err, ERR_RULE, "no op");
}

static const RuleHost host = {{compile, evaluate, NULL}, compile_ops, NULL};

static StateDict *make_keys(const uint8_t *data, size_t size)
{
    static const char *const names[] = {
        "a", "b", "a.b", "model.layers.0.attn.w", "model.layers.1.attn.w", "e.0.w1", "e.1.w1",
        "e.0.w3", "e.1.w3", "module.a", "scope/kernel", "1111111111111111111111", "a.a.a.a.a.a"};
    static const int64_t dims[] = {2, 2};
    StateDict *dict = dict_new();
    for (size_t i = 0; i < countof(names); i++)
        dict_add(dict, &(Tensor){.name = names[i], .dims = dims, .rank = 2, .dtype = DT_F32});
    size_t from = size;
    while (from && data[from - 1] != '\n') from--;
    const char *own = name_hold(dict_arena(dict), data + from, size - from);
    dict_add(dict, &(Tensor){.name = own, .dims = dims, .rank = 2, .dtype = DT_F32});
    return dict;
}

static void check_names(Draft *draft)
{
    for (size_t i = 0; draft_ready(draft, NULL) && i < draft_count(draft); i++)
        if (draft_find(draft, draft_at(draft, i)->name) != draft_at(draft, i)) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Checkpoint *source = checkpoint_new("fuzz", "schema");
    checkpoint_add_container(source, "", make_keys(data, size), 0, false);
    Draft *draft = draft_new(source, NULL, NULL, 0);
    Origin origin = {"fuzz.lua", 1};
    SubBlock sub;
    RuleBlock rules;
    Error err = {0};
    if (sub_parse(draft_arena(draft), (const char *)data, size, origin, &host, &sub, &err))
        draft_sub(draft, &sub, &err);
    check_names(draft);
    if (rules_parse(draft_arena(draft), (const char *)data, size, origin, &host, &rules, &err))
        draft_rules(draft, &rules, NULL, NULL, &err);
    check_names(draft);
    if (draft_close(draft, &err)) check_names(draft);
    draft_free(draft);
    checkpoint_unref(source);
    return 0;
}
