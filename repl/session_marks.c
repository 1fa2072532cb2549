/* Marks of a session, see session_marks.h. The lines are read here, without Lua: what stands right
 * of |> may be T, copy, and ops with whole numbers. */
#include "repl/session_marks.h"

#include <stdlib.h>
#include <string.h>

#include "loader/align/align_marks.h"
#include "loader/align/rule_lex.h"

/* ---- lines ---- */

/* The rule text of `rules [[ … ]]`, whatever the level of its brackets; false for other lines. */
static bool find_text(const char *line, const char **text, size_t *n)
{
    static const char word[] = "rules";
    const char *end = line + strlen(line);
    trim(&line, &end);
    if (!has_prefix(line, word)) return false;
    const char *open = skip_space(line + strlen(word), end);
    if (open == end || *open != '[') return false;
    const char *behind = skip_long_string(open, end);
    if (!behind || behind == open || behind != end) return false;
    size_t level = strspn(open + 1, "=");
    *text = open + level + 2;
    *n = (size_t)(end - *text) - level - 2;
    return true;
}

/* Numbers between parentheses. */
static size_t read_numbers(const char *at, const char *end, int64_t *out, size_t most)
{
    size_t count = 0;
    while (at < end && count < most) {
        char *behind;
        out[count] = strtoll(at, &behind, 10);
        if (behind == at) return most + 1;
        count++;
        at = skip_space(behind, end);
        if (at < end && *at != ',') return most + 1;
        at += at < end;
    }
    return count;
}

/* Between the parentheses of "split({8, 4}, 1)". */
static bool read_sizes(const char *at, const char *end, int64_t *list, size_t most, Op *op)
{
    const char *close = memchr(at, '}', (size_t)(end - at));
    int64_t axis;
    if (!close) return false;
    const char *rest = skip_space(close + 1, end);
    op->list = list;
    op->list_count = read_numbers(skip_space(at + 1, close), close, list, most);
    if (!op->list_count || op->list_count > most) return false;
    if (rest == end) return true;
    if (*rest != ',' || read_numbers(skip_space(rest + 1, end), end, &axis, 1) != 1) return false;
    op->has_axis = true;
    op->axis = (int)axis;
    return true;
}

/* One op: its name, and numbers in their usual places. */
static bool read_op(Arena *arena, const char *text, const char *end, Op *op)
{
    enum { MOST = 8 };
    trim(&text, &end);
    const char *open = memchr(text, '(', (size_t)(end - text));
    size_t n = (size_t)((open ? open : end) - text), count = 0;
    int64_t *list = arena_alloc(arena, (MOST + 1) * sizeof *list);
    *op = (Op){.kind = OP_KIND_COUNT};
    for (int kind = 0; kind < OP_FUNCTION; kind++)
        if (strlen(op_name((OpKind)kind)) == n && memcmp(text, op_name((OpKind)kind), n) == 0)
            op->kind = (OpKind)kind;
    if (n == 1 && *text == 't') op->kind = OP_T;
    if (open && end[-1] != ')') return false;
    const char *first = open ? skip_space(open + 1, end - 1) : end;
    if (op->kind == OP_SPLIT && open && *first == '{')
        return read_sizes(first, end - 1, list, MOST, op);
    if (open) count = read_numbers(first, end - 1, list, MOST);
    if (count > MOST) return false;
    switch (op->kind) {
    case OP_T:
    case OP_COPY:
    case OP_TO_TORCH: return count == 0;
    case OP_SPLIT:
        op->has_number = count > 0;
        op->number = list[0];
        op->has_axis = count > 1;
        op->axis = (int)list[1];
        return count <= 2;
    case OP_CAT:
    case OP_STACK:
    case OP_UNSTACK:
    case OP_SQUEEZE:
    case OP_UNSQUEEZE:
        op->has_axis = count > 0 || op->kind != OP_SQUEEZE;
        op->axis = (int)list[0];
        return count <= 1;
    case OP_PERMUTE:
    case OP_RESHAPE:
        op->list = list;
        op->list_count = count;
        return count > 0;
    default: return false;
    }
}

/* For rules_parse. */
static bool compile_ops(void *host, Arena *arena, const char *text, size_t n, int line,
                        const Op **ops, size_t *count, Error *err)
{
    enum { MOST = 8 };
    (void)host;
    (void)line;
    Op *list = arena_alloc(arena, MOST * sizeof *list);
    const char *end = text + n;
    *count = 0;
    while (text < end && *count < MOST) {
        const char *stop = find_separator(text, end, ',');
        if (!read_op(arena, text, stop, &list[*count]))
            return error_set(err, ERR_UNSUPPORTED, "of a mark only plain ops are understood");
        ++*count;
        text = stop + 1;
    }
    *ops = list;
    return true;
}

/* The one rule of a line, its sources literal; false for other lines. */
static bool read_rule(const char *line, Arena *arena, Rule *out)
{
    static const RuleHost host = {{NULL, NULL, NULL}, compile_ops, NULL};
    const char *text;
    size_t n;
    RuleBlock block;
    if (!find_text(line, &text, &n) ||
        !rules_parse(arena, text, n, (Origin){":", 1}, &host, &block, NULL))
        return false;
    if (block.count != 1 || !block.rules[0].source_count || !block.rules[0].target_count)
        return false;
    for (size_t i = 0; i < block.rules[0].source_count; i++)
        if (!pattern_literal(block.rules[0].sources[i].pattern)) return false;
    *out = block.rules[0];
    return !out->counter;
}

bool session_line_is_mark(const char *line)
{
    Rule rule;
    Arena *arena = arena_new();
    bool mark = read_rule(line, arena, &rule);
    arena_free(arena);
    return mark;
}

/* ---- marks ---- */

static bool make_mark(const Rule *rule, Arena *arena, Bundle *out)
{
    static const Captures none;
    NameList *sources = arena_alloc(arena, rule->source_count * sizeof *sources);
    const char **targets = arena_alloc(arena, rule->target_count * sizeof *targets);
    for (size_t i = 0; i < rule->source_count; i++) {
        const char *name = pattern_literal(rule->sources[i].pattern);
        sources[i] = (NameList){arena_copy(arena, &name, sizeof name), 1};
    }
    Text name = {0};
    bool good = true;
    for (size_t i = 0; good && i < rule->target_count; i++) {
        text_clear(&name);
        good = template_expand(rule->targets[i], &none, &name, NULL);
        targets[i] = arena_strdup(arena, text_string(&name));
    }
    text_done(&name);
    *out = (Bundle){.sources = sources, .source_count = rule->source_count, .targets = targets,
                    .target_count = rule->target_count, .ops = rule->ops,
                    .op_count = rule->op_count, .confidence = 1};
    return good;
}

bool session_line_marks(const char *line, const char *target)
{
    Rule rule;
    Bundle mark;
    Arena *arena = arena_new();
    bool makes = false;
    if (read_rule(line, arena, &rule) && make_mark(&rule, arena, &mark))
        for (size_t i = 0; i < mark.target_count; i++)
            makes = makes || strcmp(mark.targets[i], target) == 0;
    arena_free(arena);
    return makes;
}

static void read_marks(const Snapshot *snapshot, Arena *arena, Bundle **marks, size_t *count)
{
    SessionText text;
    size_t texts = 0;
    while (snapshot_text(snapshot, texts, &text)) texts++;
    *marks = arena_alloc(arena, (texts + 1) * sizeof **marks);
    *count = 0;
    for (size_t i = 0; snapshot_text(snapshot, i, &text); i++) {
        Rule rule;
        if (text.kind == RULES_LINE && !text.off && read_rule(text.text, arena, &rule) &&
            make_mark(&rule, arena, &(*marks)[*count]))
            ++*count;
    }
}

bool session_marks(Snapshot *snapshot, const SnapshotRun *run, Arena *arena, SessionMarks *out,
                   Error *err)
{
    Bundle *marks;
    SnapshotRun without = *run;
    *out = (SessionMarks){0};
    read_marks(snapshot, arena, &marks, &out->count);
    if (!out->count)
        return error_set(err, ERR_NOT_FOUND, "no pair is marked: first match a tensor of the "
                         "source with one of the target");
    if (!snapshot_sides(snapshot)->target)
        return error_set(err, ERR_NOT_FOUND, "there is no target");
    without.leave = session_line_is_mark;
    out->alignment = snapshot_try(snapshot, &without, err);
    if (!out->alignment) return false;
    out->result = align_marks(out->alignment, marks, out->count, arena, err);
    if (out->result) return true;
    align_unref(out->alignment);
    out->alignment = NULL;
    return false;
}
