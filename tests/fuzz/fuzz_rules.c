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

/* One op a word: its first letter says which. */
static bool compile_ops(void *host, Arena *arena, const char *text, size_t n, int line,
                        const Op **ops, size_t *count, Error *err)
{
    static const char letters[] = "Tcsu+z";
    static const Op known[] = {{.kind = OP_T},       {.kind = OP_CAT},  {.kind = OP_STACK},
                               {.kind = OP_UNSTACK}, {.kind = OP_COPY}, {.kind = OP_ZEROS}};
    (void)host;
    (void)line;
    Op *list = arena_alloc(arena, 8 * sizeof *list);
    for (*count = 0; n && *count < 8; text++, n--) {
        const char *found = *text ? strchr(letters, *text) : NULL;
        if (found) list[(*count)++] = known[found - letters];
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
