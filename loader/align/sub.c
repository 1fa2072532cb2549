/* `sub` blocks: runs of segments, replaced wherever they stand in a key.
 *
 *   self.attn -> attn        x.self.attn.w       becomes x.attn.w;  xself.attn.w stays
 *   ~gamma -> weight         norm.my_gamma       becomes norm.my_weight
 *   module ->                a.module.module.b   becomes a.b */
#include <string.h>

#include "loader/align/pattern_nodes.h"
#include "loader/align/rule.h"
#include "loader/align/rule_lex.h"
#include "loader/align/rule_text.h"

/* Takes the `~` off the edges of a left side. `~gamma` may begin inside a segment, `gamma~` end
 * inside one. */
static void read_edges(const char **left, size_t *n, SubRule *out)
{
    out->loose_head = **left == '~';
    if (out->loose_head) ++*left, --*n;
    out->loose_tail = *n && (*left)[*n - 1] == '~';
    if (out->loose_tail) --*n;
}

/* One line: a pattern, and a template over its captures (or nothing). Ops are refused: a sub
 * line may hit a key several times, and has no tensor of its own. */
static bool compile_line(Arena *arena, const RuleStatement *statement, const ExprHost *host,
                         SubRule *out, Error *err)
{
    if (statement->ops) return error_set(err, ERR_RULE, "sub changes names only; |> needs rules");
    const char *left = statement->left;
    size_t n = strlen(left);
    read_edges(&left, &n, out);
    if (!n) return error_set(err, ERR_RULE, "sub needs something to look for left of ->");
    out->pattern = pattern_compile(arena, left, n, err);
    if (!out->pattern) return false;
    if (!*statement->right) return true;
    TemplateScope scope = {&out->pattern, 1, NULL};
    out->replacement =
        template_compile(arena, statement->right, strlen(statement->right), &scope, host, err);
    return out->replacement != NULL;
}

bool sub_parse(Arena *arena, const char *text, size_t n, Origin origin, const RuleHost *host,
               SubBlock *out, Error *err)
{
    RuleScanner scanner = {text, text + n, origin.line};
    SubRule *rules = NULL;
    size_t count = 0, room = 0;
    for (;;) {
        RuleStatement statement;
        bool found;
        if (!rule_scan(&scanner, arena, &statement, &found, err))
            return rule_blame(origin.file, scanner.line, err);
        if (!found) break;
        SubRule rule = {.origin = {origin.file, statement.line}, .text = statement.text};
        if (!compile_line(arena, &statement, &host->expressions, &rule, err))
            return rule_blame(origin.file, statement.line, err);
        rules = arena_grow(arena, rules, count, &room, sizeof *rules);
        rules[count++] = rule;
    }
    *out = (SubBlock){rules, count};
    return true;
}

/* Whether the new name so far ends in a border that a removed last segment leaves. */
static bool ends_at_border(const Text *text)
{
    return text->length && is_border(text->bytes[text->length - 1]);
}

/* What stands in place of key[start, end). Nothing in place of whole segments takes one of
 * their borders along; *behind moves over it. `a.module.b` loses "module" and the dot behind
 * it, `a.module` the dot before it; from inside a segment nothing but the run goes. */
static bool add_replacement(const SubRule *rule, const Captures *captures, const char *key,
                            size_t n, size_t start, size_t *behind, Text *out, Error *err)
{
    size_t before = out->length;
    if (rule->replacement && !template_expand(rule->replacement, captures, out, err)) return false;
    bool whole = (!start || is_border(key[start - 1])) && (*behind == n || is_border(key[*behind]));
    if (out->length > before || !whole) return true;
    if (*behind < n) {
        ++*behind;
    } else if (ends_at_border(out)) {
        out->bytes[--out->length] = '\0';
    }
    return true;
}

/* The pattern has a name that repeats, and the key was made for it. Always false. */
static bool blame_search(const char *key, Error *err)
{
    Text shown = {0};
    show_short(key, 300, &shown);
    error_set(err, ERR_LIMIT, "looking for this in '%s' takes too long: a name that repeats, "
              "with too many ways between", text_string(&shown));
    text_done(&shown);
    return false;
}

/* The search goes on behind what was replaced, never inside it: `a -> a.a` ends. */
bool sub_apply(const SubRule *rule, const char *key, Text *out, bool *changed, Error *err)
{
    PatternSearch search;
    Captures captures;
    size_t n = strlen(key), from = 0, start, end;
    search_start(&search);
    *changed = false;
    bool good = true;
    while (good && from < n &&
           pattern_find(rule->pattern, rule->loose_head, rule->loose_tail, key, n, from, &search,
                        &captures, &start, &end)) {
        text_addn(out, key + from, start - from);
        from = end;
        *changed = true;
        good = add_replacement(rule, &captures, key, n, start, &from, out, err);
    }
    if (good && n && captures.gave_up) good = blame_search(key, err);
    search_done(&search);
    if (good && *changed) text_addn(out, key + from, n - from);
    return good;
}
