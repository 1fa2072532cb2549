/* Rule text, cut into statements; see rule_text.h.
 *
 * Left of |> the only brackets are braces and quotes, and `--` is a comment only at the start
 * of a line or after white space (keys may hold dashes). Right of it stands Lua. */
#include "loader/align/rule_text.h"

#include <string.h>

#include "loader/align/rule_lex.h"

/* A statement while it is read. */
typedef struct Builder {
    RuleScanner *scanner;
    Text clean;                  /* left of |>, without comments, on one line */
    size_t arrow;                /* offset of -> in it; SIZE_MAX = not yet */
    const char *ops;             /* behind |>; NULL while on the left */
    const char *ops_end;         /* behind the last token of Lua */
    int ops_line;
    bool goes_on;                /* the last token was ',' or |> */
    bool arrow_last;             /* the last token was -> */
    size_t depth;                /* open brackets and blocks of Lua */
    Error *err;
} Builder;

/* Moves to `to`, counting lines. */
static void move_to(RuleScanner *scanner, const char *to)
{
    for (; scanner->at < to; scanner->at++)
        if (*scanner->at == '\n') scanner->line++;
}

/* Whether a token stands where the scanner does. */
static bool starts_with(const RuleScanner *scanner, const char *token)
{
    size_t n = strlen(token);
    return (size_t)(scanner->end - scanner->at) >= n && memcmp(scanner->at, token, n) == 0;
}

/* To the newline, which stays: it may end a statement. */
static void skip_line(RuleScanner *scanner)
{
    while (scanner->at < scanner->end && *scanner->at != '\n') scanner->at++;
}

/* White space, comments and, between statements, semicolons. */
static void skip_blank(RuleScanner *scanner, bool semicolons)
{
    while (scanner->at < scanner->end) {
        char c = *scanner->at;
        if (starts_with(scanner, "--")) skip_line(scanner);
        else if (is_space(c) || (semicolons && c == ';')) move_to(scanner, scanner->at + 1);
        else return;
    }
}

/* Whether the statement goes on behind the newline at which the scanner stands. `a -> b` and,
 * on the next line, `|> T` are one statement. An arrow at the end of a line is a drop. */
static bool continues(const Builder *builder)
{
    if (builder->goes_on) return true;
    if (builder->arrow_last) return false;
    RuleScanner ahead = *builder->scanner;
    skip_blank(&ahead, false);
    return starts_with(&ahead, "|>");
}

/* Takes a token and moves behind it; on the left its bytes are kept. A comma or arrow that was
 * last no longer is. */
static void note_token(Builder *builder, const char *behind)
{
    if (builder->ops) builder->ops_end = behind;
    else text_addn(&builder->clean, builder->scanner->at, (size_t)(behind - builder->scanner->at));
    builder->goes_on = builder->arrow_last = false;
    move_to(builder->scanner, behind);
}

/* One token left of |>, or |> itself. Braces and quotes are taken whole, so that what is inside
 * them ends nothing. */
static bool read_left(Builder *builder)
{
    RuleScanner *scanner = builder->scanner;
    const char *behind = scanner->at + 1;
    bool arrow = starts_with(scanner, "->"), pipe = starts_with(scanner, "|>");
    if (*scanner->at == '"' && !(behind = skip_quoted(scanner->at, scanner->end)))
        return error_set(builder->err, ERR_RULE, "a \" is not closed");
    if (*scanner->at == '{' && !(behind = skip_braced(scanner->at, scanner->end)))
        return error_set(builder->err, ERR_RULE, "a { is not closed");
    bool comma = *scanner->at == ',';
    if (arrow && builder->arrow != SIZE_MAX)
        return error_set(builder->err, ERR_RULE,
                         "two -> in one rule; end the first with a newline or ';'");
    if (arrow) builder->arrow = builder->clean.length;
    if (pipe) {
        move_to(scanner, scanner->at + 2);
        builder->ops = builder->ops_end = scanner->at;
        builder->ops_line = scanner->line;
    } else {
        note_token(builder, arrow ? behind + 1 : behind);
    }
    builder->goes_on = comma || pipe;
    builder->arrow_last = arrow;
    return true;
}

/* Words are not terminated. */
static bool is_one_of(const char *word, size_t n, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strlen(words[i]) == n && memcmp(words[i], word, n) == 0) return true;
    return false;
}

/* `for` and `while` open their block with `do`. */
static void count_blocks(Builder *builder, const char *word, size_t n)
{
    static const char *const openers[] = {"function", "if", "do", "repeat"};
    static const char *const closers[] = {"end", "until"};
    if (is_one_of(word, n, openers, countof(openers))) builder->depth++;
    if (builder->depth && is_one_of(word, n, closers, countof(closers))) builder->depth--;
}

/* A string, a word or one byte of Lua. */
static bool read_lua_token(Builder *builder)
{
    RuleScanner *scanner = builder->scanner;
    const char *at = scanner->at, *end = scanner->end, *behind = at + 1;
    if (*at == '"' || *at == '\'') {
        behind = skip_quoted(at, end);
    } else if (*at == '[' && (behind = skip_long_string(at, end)) == at) {
        behind = at + 1;
        builder->depth++;
    } else if (is_word_byte(*at)) {
        while (behind < end && is_word_byte(*behind)) behind++;
        count_blocks(builder, at, (size_t)(behind - at));
    } else if (*at == '(' || *at == '{') {
        builder->depth++;
    } else if (builder->depth && (*at == ')' || *at == '}' || *at == ']')) {
        builder->depth--;
    }
    if (!behind) return error_set(builder->err, ERR_RULE, "a string right of |> is not closed");
    bool comma = *at == ',';
    note_token(builder, behind);
    builder->goes_on = comma;
    return true;
}

/* Comments of Lua are passed over; at the end of a statement they are not part of it. */
static bool read_lua(Builder *builder)
{
    RuleScanner *scanner = builder->scanner;
    if (starts_with(scanner, "--")) {
        const char *text = scanner->at + 2;
        const char *behind = text < scanner->end && *text == '['
                                 ? skip_long_string(text, scanner->end) : text;
        if (!behind) return error_set(builder->err, ERR_RULE, "a comment is not closed");
        if (behind == text) skip_line(scanner);
        else move_to(scanner, behind);
        return true;
    }
    if (!builder->depth && starts_with(scanner, "|>"))
        return error_set(builder->err, ERR_RULE, "two |> in one rule; separate ops with ','");
    return read_lua_token(builder);
}

/* One token, or the end of the statement. */
static bool step(Builder *builder, bool *done)
{
    RuleScanner *scanner = builder->scanner;
    char c = *scanner->at, before = scanner->at[-1];
    *done = !builder->depth && (c == ';' || (c == '\n' && !continues(builder)));
    if (*done) return true;
    if (is_space(c)) {
        if (!builder->ops) text_addc(&builder->clean, ' ');
        move_to(scanner, scanner->at + 1);
        return true;
    }
    if (builder->ops) return read_lua(builder);
    if (is_space(before) && starts_with(scanner, "--")) {
        skip_line(scanner);
        return true;
    }
    return read_left(builder);
}

/* One side as a string of its own. */
static const char *copy_trimmed(Arena *arena, const char *text, const char *end)
{
    trim(&text, &end);
    return arena_strndup(arena, text, (size_t)(end - text));
}

/* Everything as it is shown: one line. */
static const char *show_statement(Builder *builder, Arena *arena)
{
    const char *text = text_string(&builder->clean), *end = text + builder->clean.length;
    trim(&text, &end);
    if (!builder->ops) return arena_strndup(arena, text, (size_t)(end - text));
    Text line = {0};
    text_addn(&line, text, (size_t)(end - text));
    text_add(&line, " |> ");
    bool space = true;
    for (const char *p = builder->ops; p < builder->ops_end; p++) {
        if (!space || !is_space(*p)) text_addc(&line, is_space(*p) ? ' ' : *p);
        space = is_space(*p);
    }
    char *copy = arena_strndup(arena, line.bytes, line.length);
    text_done(&line);
    return copy;
}

/* Cuts what was read at its arrow. Line numbers of the ops are those of their first token, for
 * Lua's own errors. */
static bool finish(Builder *builder, Arena *arena, RuleStatement *out)
{
    if (builder->depth)
        return error_set(builder->err, ERR_RULE,
                         "a bracket or `function … end` right of |> is not closed");
    if (builder->arrow == SIZE_MAX) {
        Text shown = {0};
        show_short(show_statement(builder, arena), 80, &shown);
        error_set(builder->err, ERR_RULE, "%s: no -> in this rule", text_string(&shown));
        text_done(&shown);
        return false;
    }
    const char *clean = text_string(&builder->clean);
    if (strlen(clean) < builder->clean.length)
        return error_set(builder->err, ERR_RULE, "a NUL byte in rule text; \"\\x00\" spells one");
    out->text = show_statement(builder, arena);
    out->left = copy_trimmed(arena, clean, clean + builder->arrow);
    out->right = copy_trimmed(arena, clean + builder->arrow + 2, clean + builder->clean.length);
    out->ops = NULL;
    if (!builder->ops) return true;
    const char *ops = builder->ops, *end = builder->ops_end;
    out->ops_line = builder->ops_line;
    for (; ops < end && is_space(*ops); ops++) out->ops_line += *ops == '\n';
    out->ops = ops;
    out->ops_length = (size_t)(end - ops);
    return ops < end || error_set(builder->err, ERR_RULE, "nothing stands right of |>");
}

bool rule_scan(RuleScanner *scanner, Arena *arena, RuleStatement *out, bool *found, Error *err)
{
    skip_blank(scanner, true);
    *found = scanner->at < scanner->end;
    if (!*found) return true;
    Builder builder = {.scanner = scanner, .arrow = SIZE_MAX, .err = err};
    int line = scanner->line;
    /* The first token is read apart: nothing stands before it that step could look at. */
    bool good = read_left(&builder), done = false;
    while (good && !done && scanner->at < scanner->end) good = step(&builder, &done);
    good = good && finish(&builder, arena, out);
    if (!good) scanner->line = line;
    out->line = line;
    text_done(&builder.clean);
    return good;
}

bool rule_blame(const char *file, int line, Error *err)
{
    size_t n = strlen(file);
    const char *text = err ? err->text : "";
    if (strncmp(text, file, n) == 0 && text[n] == ':' && is_digit(text[n + 1])) return false;
    return error_prefix(err, "%s:%d", file, line);
}
