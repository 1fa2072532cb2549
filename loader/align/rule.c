/* Rules: statements of rule text, compiled; see rule.h. The right side and the ops decide what a
 * statement is:
 *
 *   a.{i}.w -> b.{i}.w         a rename
 *   q, k, v -> qkv |> cat(0)   ops over several sources
 *   w -> {n}.w |> unstack(0)   one name that counts: counter = "n"
 *   *.bias ->                  a drop
 *   -> head.* |> zeros()       a fill: `fills` are patterns over target keys */
#include "loader/align/rule.h"

#include <string.h>

#include "loader/align/rule_lex.h"
#include "loader/align/rule_text.h"

/* A growing list of strings in an arena. It doubles in the arena, which keeps what is left
 * behind. */
typedef struct Parts {
    const char **items;
    size_t count, room;
} Parts;

/* Copied, without the white space around it. */
static void add_part(Arena *arena, Parts *parts, const char *text, const char *end)
{
    parts->items =
        arena_grow(arena, parts->items, parts->count, &parts->room, sizeof *parts->items);
    trim(&text, &end);
    parts->items[parts->count++] = arena_strndup(arena, text, (size_t)(end - text));
}

/* Cuts one side at its commas; an empty side has no parts. Commas inside quotes and braces are
 * part of a name: `{a,b}.w, c` has two parts. An open quote or brace takes the rest; the
 * compiler of that part complains. */
static Parts cut_commas(Arena *arena, const char *side)
{
    Parts parts = {0};
    const char *at = side, *start = side, *end = side + strlen(side);
    if (at == end) return parts;
    while (at < end) {
        if (*at == ',') {
            add_part(arena, &parts, start, at);
            start = ++at;
            continue;
        }
        const char *behind = *at == '"' ? skip_quoted(at, end)
                             : *at == '{' ? skip_braced(at, end) : at + 1;
        at = behind ? behind : end;
    }
    add_part(arena, &parts, start, end);
    return parts;
}

/* Whether one of the ops is of that kind. */
static bool has_op(const Rule *rule, OpKind kind)
{
    for (size_t i = 0; i < rule->op_count; i++)
        if (rule->ops[i].kind == kind) return true;
    return false;
}

/* The left side; `&` before a pattern keeps its key. `patterns` receives them as a list, which
 * is what templates need for their scope. */
static bool compile_sources(Arena *arena, Rule *rule, const char *const *texts, size_t count,
                            const Pattern **patterns, Error *err)
{
    RuleSource *sources = arena_alloc(arena, count * sizeof *sources);
    for (size_t i = 0; i < count; i++) {
        const char *text = texts[i], *end = text + strlen(text);
        trim(&text, &end);
        sources[i].keep = text < end && *text == '&';
        if (sources[i].keep) text++;
        patterns[i] = pattern_compile(arena, text, (size_t)(end - text), err);
        if (!patterns[i]) return false;
        sources[i].pattern = patterns[i];
    }
    rule->sources = sources;
    rule->source_count = count;
    return true;
}

/* The right side. Where parts are spread over one name, an unknown name counts them. Several
 * names take the parts in order, so nothing is left to count. */
static bool compile_targets(Arena *arena, Rule *rule, const char *const *texts,
                            const Pattern *const *patterns, const ExprHost *host, Error *err)
{
    const Template **targets = arena_alloc(arena, rule->target_count * sizeof *targets);
    bool spreads = has_op(rule, OP_UNSTACK) || has_op(rule, OP_SPLIT);
    if (spreads && rule->target_count == 1)
        rule->counter = template_counter(arena, texts[0], strlen(texts[0]), patterns,
                                         rule->source_count);
    TemplateScope scope = {patterns, rule->source_count, rule->counter};
    for (size_t i = 0; i < rule->target_count; i++) {
        targets[i] = template_compile(arena, texts[i], strlen(texts[i]), &scope, host, err);
        if (!targets[i]) return false;
    }
    rule->targets = targets;
    return true;
}

/* Nothing on the left: the right-hand names are patterns over target keys. */
static bool compile_fills(Arena *arena, Rule *rule, const char *const *texts, Error *err)
{
    if (!rule->target_count) return error_set(err, ERR_RULE, "nothing stands on either side of ->");
    if (rule->op_count != 1 || !op_is_fill(rule->ops[0].kind))
        return error_set(err, ERR_RULE, "a rule without a left side fills what is missing: right "
                         "of |> stands one of zeros, const, normal, uniform, kaiming, xavier");
    const Pattern **fills = arena_alloc(arena, rule->target_count * sizeof *fills);
    for (size_t i = 0; i < rule->target_count; i++) {
        fills[i] = pattern_compile(arena, texts[i], strlen(texts[i]), err);
        if (!fills[i]) return false;
    }
    rule->fills = fills;
    return true;
}

/* Nothing on the right: no ops, and nothing that is kept. Both would be silently without
 * effect. */
static bool check_drop(const Rule *rule, Error *err)
{
    if (rule->op_count)
        return error_set(err, ERR_RULE, "nothing stands right of -> (a drop), so there is nothing "
                         "for |> to work on");
    for (size_t i = 0; i < rule->source_count; i++)
        if (rule->sources[i].keep)
            return error_set(err, ERR_RULE, "&%s is kept and dropped at once",
                             pattern_text(rule->sources[i].pattern));
    return true;
}

/* With ", " between them. */
static void join(Text *out, const char *const *parts, size_t count)
{
    for (size_t i = 0; i < count; i++) text_addf(out, "%s%s", i ? ", " : "", parts[i]);
}

/* What a rule made of parts looks like as rule text. rule({"q", "k"}, "qk", cat(0)) shows as
 * "q, k -> qk |> cat(0)". */
static const char *make_text(Arena *arena, const Rule *rule, const char *const *sources,
                             size_t source_count, const char *const *targets, size_t target_count)
{
    Text out = {0};
    join(&out, sources, source_count);
    text_add(&out, source_count ? " ->" : "->");
    if (target_count) text_addc(&out, ' ');
    join(&out, targets, target_count);
    for (size_t i = 0; i < rule->op_count; i++) {
        text_add(&out, i ? ", " : " |> ");
        op_show(&rule->ops[i], &out);
    }
    return text_keep(&out, arena);
}

/* *out is written when all is well, and not before. The limit on sources keeps lists on the
 * stack. */
bool rule_compile(Arena *arena, Origin origin, const char *text, const char *const *sources,
                  size_t source_count, const char *const *targets, size_t target_count,
                  const Op *ops, size_t op_count, const ExprHost *host, Rule *out, Error *err)
{
    Rule rule = {.origin = origin, .target_count = target_count, .op_count = op_count};
    rule.ops = arena_copy(arena, ops, op_count * sizeof *ops);
    rule.text = text ? arena_strdup(arena, text)
                     : make_text(arena, &rule, sources, source_count, targets, target_count);
    const Pattern *patterns[SOURCES_MAX];
    bool good = source_count <= SOURCES_MAX ||
                error_set(err, ERR_LIMIT, "more than %d patterns on the left", SOURCES_MAX);
    if (good && !source_count) good = compile_fills(arena, &rule, targets, err);
    else if (good)
        good = compile_sources(arena, &rule, sources, source_count, patterns, err) &&
               (target_count ? compile_targets(arena, &rule, targets, patterns, host, err)
                             : check_drop(&rule, err));
    if (good) *out = rule;
    return good;
}

/* Ops first: whether the right side may count depends on them. Lua is read by the host; without
 * one a statement with ops is refused, not passed over. */
static bool compile_statement(Arena *arena, const RuleStatement *statement, Origin origin,
                              const RuleHost *host, Rule *out, Error *err)
{
    const Op *ops = NULL;
    size_t op_count = 0;
    if (statement->ops && !host->compile_ops)
        return error_set(err, ERR_RULE, "there is no Lua here to read what stands right of |>");
    if (statement->ops && !host->compile_ops(host->host, arena, statement->ops,
                                             statement->ops_length, statement->ops_line, &ops,
                                             &op_count, err))
        return false;
    Parts sources = cut_commas(arena, statement->left);
    Parts targets = cut_commas(arena, statement->right);
    return rule_compile(arena, origin, statement->text, sources.items, sources.count,
                        targets.items, targets.count, ops, op_count, &host->expressions, out, err);
}

/* Names and patterns are compiled once here, and matched against every key later. */
bool rules_parse(Arena *arena, const char *text, size_t n, Origin origin, const RuleHost *host,
                 RuleBlock *out, Error *err)
{
    RuleScanner scanner = {text, text + n, origin.line};
    Rule *rules = NULL;
    size_t count = 0, room = 0;
    for (;;) {
        RuleStatement statement;
        bool found;
        if (!rule_scan(&scanner, arena, &statement, &found, err))
            return rule_blame(origin.file, scanner.line, err);
        if (!found) break;
        rules = arena_grow(arena, rules, count, &room, sizeof *rules);
        Origin place = {origin.file, statement.line};
        if (!compile_statement(arena, &statement, place, host, &rules[count], err))
            return rule_blame(origin.file, statement.line, err);
        count++;
    }
    *out = (RuleBlock){rules, count};
    return true;
}
