/* Patterns, the compiler: rule text to nodes.
 *
 *   layers.{i}.**.w    TEXT "layers."  NUMBER i  TEXT "."  RUN (dot after)  TEXT "w"
 *   {p:a|b}.{p}        CHOICE p  TEXT "."  AGAIN p
 *   *.weight           SEGMENT  TEXT ".weight" */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "loader/align/pattern_nodes.h"
#include "loader/align/rule_lex.h"

/* A pattern being read. */
typedef struct Reader {
    Arena *arena;                /* of the pattern */
    const char *at, *end;        /* the text that is still to be read */
    Pattern *pattern;            /* being made */
    Node nodes[NODES_MAX];       /* [pattern->node_count]; copied when all are known */
    int made_by[CAPTURES_MAX];   /* the node that first fills a capture */
    Text literal;                /* bytes not yet made a node */
    bool bare_dot;               /* the last of them is a '.' outside quotes */
    Error *err;
} Reader;

/* NULL, and an error, when the pattern has too many pieces. The pointer holds: nodes stand in
 * the Reader until finish. */
static Node *add_node(Reader *reader, NodeKind kind)
{
    Pattern *pattern = reader->pattern;
    if (pattern->node_count == NODES_MAX) {
        error_set(reader->err, ERR_LIMIT, "more than %d pieces in one pattern", NODES_MAX);
        return NULL;
    }
    Node *node = &reader->nodes[pattern->node_count++];
    *node = (Node){.kind = kind, .capture = -1, .star = -1};
    return node;
}

/* Makes a node of the literal bytes read so far. Bytes from quotes and bare ones run together:
 * `a."b c".d` is one TEXT. */
static bool flush_literal(Reader *reader)
{
    Text *literal = &reader->literal;
    if (!literal->length) return true;
    Node *node = add_node(reader, NODE_TEXT);
    if (!node) return false;
    node->text = arena_strndup(reader->arena, literal->bytes, literal->length);
    node->length = (uint32_t)literal->length;
    text_clear(literal);
    reader->bare_dot = false;
    return true;
}

/* A node that is no literal; the literal before it becomes one first. NULL as for add_node. */
static Node *add_wildcard(Reader *reader, NodeKind kind)
{
    return flush_literal(reader) ? add_node(reader, kind) : NULL;
}

/* `*` or `**` with the dot that goes with it: the one behind it, else the one before. Only a
 * dot outside quotes does. In `a.**.b` the dot behind belongs to the run, so that it fits "a.b"
 * as well; in `a.**` the dot before does, which leaves the literal again. */
static bool add_star(Reader *reader)
{
    bool run = reader->at + 1 < reader->end && reader->at[1] == '*';
    reader->at += run ? 2 : 1;
    bool after = run && reader->at < reader->end && *reader->at == '.';
    bool before = run && !after && reader->bare_dot;
    if (after) reader->at++;
    if (before) reader->literal.bytes[--reader->literal.length] = '\0';
    Node *node = add_wildcard(reader, run ? NODE_RUN : NODE_SEGMENT);
    if (!node) return false;
    reader->bare_dot = false;
    node->dot_after = after;
    node->dot_before = before;
    if (reader->pattern->star_count == STARS_MAX)
        return error_set(reader->err, ERR_LIMIT, "more than %d stars in one pattern", STARS_MAX);
    node->star = (int)reader->pattern->star_count++;
    return true;
}

/* Digits only, at most as many as {i} takes. */
static bool parse_number(const char *text, const char *end, int64_t *number)
{
    *number = 0;
    if (text == end || end - text > NUMBER_DIGITS_MAX) return false;
    for (; text < end; text++) {
        if (!is_digit(*text)) return false;
        *number = *number * 10 + (*text - '0');
    }
    return true;
}

/* 0-31, or 00-31 for names with leading zeros. `text` has been seen by is_range. */
static bool read_range(Reader *reader, const char *text, const char *end, Choice *choice)
{
    const char *dash = memchr(text, '-', (size_t)(end - text));
    if (!parse_number(text, dash, &choice->from) || !parse_number(dash + 1, end, &choice->to))
        return error_set(reader->err, ERR_LIMIT, "a number has more than %d digits",
                         NUMBER_DIGITS_MAX);
    if (*text == '0' && dash - text > 1) {
        choice->width = (uint32_t)(dash - text);
        if (end - dash - 1 != dash - text)
            return error_set(reader->err, ERR_RULE, "the numbers of a range with leading zeros "
                             "must be equally long");
    }
    return choice->from <= choice->to ||
           error_set(reader->err, ERR_RULE, "a range counts downwards");
}

/* One alternative: a range, or text with quotes. */
static bool read_choice(Reader *reader, const char *text, const char *end, Choice *choice)
{
    trim(&text, &end);
    if (is_range(text, end)) return read_range(reader, text, end, choice);
    Text literal = {0};
    bool good = true;
    while (good && text < end) {
        if (*text == '"') {
            text = read_quoted(text, end, &literal, reader->err);
            good = text != NULL;
        } else if (is_space(*text) || strchr("{}*", *text)) {
            good = error_set(reader->err, ERR_RULE, "an alternative is literal text; quote "
                             "white space, '{', '}' and '*' in it");
        } else {
            text_addc(&literal, *text++);
        }
    }
    choice->text = arena_strndup(reader->arena, literal.bytes, literal.length);
    choice->length = (uint32_t)literal.length;
    text_done(&literal);
    return good;
}

/* What {n:0|2} must be made of to take part in sums. */
static bool is_number_choice(const Choice *choice)
{
    int64_t number;
    return !choice->text ||
           parse_number(choice->text, choice->text + choice->length, &number);
}

/* The alternatives between separators; *numeric: all of them are numbers. `a|"b c"|0-3` has
 * three; separators inside quotes do not count. */
static bool read_choices(Reader *reader, const char *text, const char *end, char separator,
                         Node *node, bool *numeric)
{
    size_t count = 1;
    for (const char *at = text; (at = find_separator(at, end, separator)) < end; at++) count++;
    Choice *choices = arena_alloc(reader->arena, count * sizeof *choices);
    *numeric = true;
    for (size_t i = 0; i < count; i++) {
        const char *stop = find_separator(text, end, separator);
        if (!read_choice(reader, text, stop, &choices[i])) return false;
        *numeric = *numeric && is_number_choice(&choices[i]);
        text = stop + 1;
    }
    node->choices = choices;
    node->choice_count = count;
    return true;
}

/* Anonymous ones have no name to be found by. */
static int find_capture(const Pattern *pattern, const char *name)
{
    for (size_t i = 0; i < pattern->capture_count; i++)
        if (pattern->captures[i].name && strcmp(pattern->captures[i].name, name) == 0)
            return (int)i;
    return -1;
}

/* The capture that the newest node fills. made_by remembers the node: a later {p} is checked
 * against its kind. */
static bool add_capture(Reader *reader, Node *node, CaptureInfo info)
{
    Pattern *pattern = reader->pattern;
    if (pattern->capture_count == CAPTURES_MAX)
        return error_set(reader->err, ERR_LIMIT, "more than %d captures in one pattern",
                         CAPTURES_MAX);
    node->capture = (int)pattern->capture_count;
    reader->made_by[node->capture] = (int)pattern->node_count - 1;
    pattern->captures[pattern->capture_count++] = info;
    return true;
}

/* A name that is known already: equal text is asked for, and an equal spelling if any.
 * `{p:a|b}.{p:a|b}` is fine, `{p:a|b}.{p:a|c}` is not. */
static bool add_again(Reader *reader, int capture, const char *kind)
{
    const CaptureInfo *info = &reader->pattern->captures[capture];
    const Node *first = &reader->nodes[reader->made_by[capture]];
    const char *was = first->kind == NODE_SEGMENT ? "*" : info->choices;
    if (kind && (!was || strcmp(kind, was) != 0))
        return error_set(reader->err, ERR_RULE, "{%s} is declared twice, and differently",
                         info->name);
    Node *node = add_wildcard(reader, NODE_AGAIN);
    if (!node) return false;
    node->capture = capture;
    reader->pattern->repeats = true;
    return true;
}

/* {name}, {name:*} or {name:a|b}; kind is what stands behind the colon, NULL without one. A
 * second {p} without a kind is fine, with one it must be spelled the same. */
static bool add_named(Reader *reader, const char *name, const char *kind, const char *kind_end)
{
    int known = find_capture(reader->pattern, name);
    char *spelled = kind ? squeeze(reader->arena, kind, kind_end) : NULL;
    if (known >= 0) return add_again(reader, known, spelled);
    CaptureInfo info = {name, NULL, true};
    if (!kind) {
        Node *node = add_wildcard(reader, NODE_NUMBER);
        return node && add_capture(reader, node, info);
    }
    if (strcmp(spelled, "*") == 0) {
        Node *node = add_wildcard(reader, NODE_SEGMENT);
        info.numeric = false;
        return node && add_capture(reader, node, info);
    }
    Node *node = add_wildcard(reader, NODE_CHOICE);
    if (!node || !read_choices(reader, kind, kind_end, '|', node, &info.numeric)) return false;
    info.choices = spelled;
    return add_capture(reader, node, info);
}

/* {0-31}, {a,b}, {5}: carried over by their spelling. */
static bool add_anonymous(Reader *reader, const char *text, const char *end)
{
    CaptureInfo info = {NULL, squeeze(reader->arena, text, end), false};
    Node *node = add_wildcard(reader, NODE_CHOICE);
    return node && read_choices(reader, text, end, ',', node, &info.numeric) &&
           add_capture(reader, node, info);
}

/* The colon tells a name from alternatives, a comma or a range those from a name. {i} is a
 * name, {p:a|b} a name with what it may be, {a,b}, {0-31} and {5} are anonymous. {a} alone is a
 * name, not an alternative. */
static bool add_braced(Reader *reader)
{
    const char *behind = skip_braced(reader->at, reader->end);
    if (!behind) return error_set(reader->err, ERR_RULE, "a { is not closed");
    const char *text = reader->at + 1, *end = behind - 1;
    reader->at = behind;
    trim(&text, &end);
    const char *colon = find_separator(text, end, ':'), *name_end = colon;
    const char *name = text;
    trim(&name, &name_end);
    if (is_word(name, name_end)) {
        if (colon == end && !is_anonymous(text, end))
            return add_named(reader, arena_strndup(reader->arena, name, (size_t)(end - name)),
                             NULL, NULL);
        const char *kind = colon + 1;
        if (colon < end && kind < end)
            return add_named(reader,
                             arena_strndup(reader->arena, name, (size_t)(name_end - name)), kind,
                             end);
    }
    int64_t number;
    if (colon == end && (is_anonymous(text, end) || parse_number(text, end, &number)))
        return add_anonymous(reader, text, end);
    return error_set(reader->err, ERR_RULE,
                     "braces on the left hold a name {i}, a name and what it may be "
                     "{p:weight|bias} {x:*}, or alternatives {0-31} {a,b}");
}

/* One piece of the pattern: quoted text, braces, stars, or a literal byte. What rule text needs
 * for itself (commas, arrows, white space) never gets here, unless a caller hands in one side
 * of its own, as rule(src, dst) does. */
static bool read_piece(Reader *reader)
{
    char c = *reader->at;
    if (c == '"') {
        const char *behind = read_quoted(reader->at, reader->end, &reader->literal, reader->err);
        if (behind) reader->at = behind;
        reader->bare_dot = false;
        return behind != NULL;
    }
    if (c == '{') return add_braced(reader);
    if (c == '*') return add_star(reader);
    const char *next = reader->at + 1;
    bool arrow = next < reader->end && *next == '>' && (c == '-' || c == '|');
    if (is_space(c) || !c || strchr(",;}", c) || arrow)
        return error_set(reader->err, ERR_RULE, "%s inside a key; write it in quotes",
                         is_space(c) ? "white space" : arrow ? "an arrow" : !c ? "a NUL byte"
                         : c == ',' ? "','" : c == ';' ? "';'" : "'}'");
    text_addc(&reader->literal, c);
    reader->bare_dot = c == '.';
    reader->at++;
    return true;
}

/* The nodes between a capture and its second occurrence depend on what it caught. In
 * `{p:a|b}.**.{p}` the run may fail for p = a and fit for p = b at one place. */
static void mark_settled(Reader *reader)
{
    size_t count = reader->pattern->node_count;
    for (size_t i = 0; i < count; i++) reader->nodes[i].settled = true;
    for (size_t i = 0; i < count; i++) {
        if (reader->nodes[i].kind != NODE_AGAIN) continue;
        size_t from = (size_t)reader->made_by[reader->nodes[i].capture] + 1;
        for (size_t j = from; j <= i; j++) reader->nodes[j].settled = false;
    }
}

/* A range without width has one digit at least. */
static size_t shortest_choice(const Node *node)
{
    size_t least = SIZE_MAX;
    for (size_t i = 0; i < node->choice_count; i++) {
        const Choice *choice = &node->choices[i];
        size_t n = choice->text ? choice->length : choice->width ? choice->width : 1;
        if (n < least) least = n;
    }
    return least;
}

/* How many bytes a node takes at least: most keys are refused by their length alone. */
static size_t shortest_node(const Node *node)
{
    switch (node->kind) {
    case NODE_TEXT: return node->length;
    case NODE_CHOICE: return shortest_choice(node);
    case NODE_NUMBER:
    case NODE_SEGMENT: return 1;
    default: return 0;
    }
}

/* Cuts the pattern at its dots, for pattern_nearness. `layers.{i}.q_proj` gives {"layers",
 * NULL, "q_proj"}. */
static void list_segments(Reader *reader)
{
    const char **segments = arena_alloc(reader->arena, (strlen(reader->pattern->text) + 2) *
                                                           sizeof *segments);
    Text part = {0};
    size_t count = 0;
    bool wild = false;
    for (size_t i = 0; i < reader->pattern->node_count; i++) {
        const Node *node = &reader->nodes[i];
        bool text = node->kind == NODE_TEXT;
        size_t n = text ? node->length : 1;
        for (size_t j = 0; j < n; j++) {
            bool border = text ? node->text[j] == '.' : node->dot_before || node->dot_after;
            if (text && !border) text_addc(&part, node->text[j]);
            wild = wild || !text;
            if (!border) continue;
            segments[count++] = wild ? NULL : arena_strdup(reader->arena, text_string(&part));
            text_clear(&part);
            wild = false;
        }
    }
    if (part.length || wild)
        segments[count++] = wild ? NULL : arena_strdup(reader->arena, text_string(&part));
    text_done(&part);
    reader->pattern->segments = segments;
    reader->pattern->segment_count = count;
}

/* What follows from the nodes: ends, length, segments. A pattern of one literal is looked up by
 * name: see RuleIndex in draft_rules.c. */
static void finish(Reader *reader)
{
    Pattern *pattern = reader->pattern;
    size_t count = pattern->node_count;
    mark_settled(reader);
    for (size_t i = 0; i < count; i++) pattern->shortest += shortest_node(&reader->nodes[i]);
    const Node *nodes = arena_copy(reader->arena, reader->nodes, count * sizeof *nodes);
    pattern->nodes = nodes;
    pattern->head = count && nodes[0].kind == NODE_TEXT ? nodes[0].text : "";
    pattern->tail = count && nodes[count - 1].kind == NODE_TEXT ? nodes[count - 1].text : "";
    pattern->head_length = strlen(pattern->head);
    pattern->tail_length = strlen(pattern->tail);
    if (count == 0 || (count == 1 && nodes[0].kind == NODE_TEXT)) pattern->literal = pattern->head;
    list_segments(reader);
}

/* The column in an error is that of the piece that could not be read, counted in bytes from 1. */
Pattern *pattern_compile(Arena *arena, const char *text, size_t n, Error *err)
{
    const char *end = text + n;
    trim(&text, &end);
    Pattern *pattern = arena_alloc(arena, sizeof *pattern);
    pattern->text = arena_strndup(arena, text, (size_t)(end - text));
    Reader reader = {.arena = arena, .at = text, .end = end, .pattern = pattern, .err = err};
    bool good = text < end || error_set(err, ERR_RULE, "a pattern is empty; \"\" is the empty key");
    if (good && (*text == '&' || *text == '~'))
        good = error_set(err, ERR_RULE, "'%c' has no meaning here; write it in quotes", *text);
    const char *piece = text;
    while (good && reader.at < end) {
        piece = reader.at;
        good = read_piece(&reader);
    }
    good = good && flush_literal(&reader);
    if (good) {
        finish(&reader);
    } else {
        text_clear(&reader.literal);
        show_short(pattern->text, 200, &reader.literal);
        error_prefix(err, "%s (column %td)", text_string(&reader.literal), piece - text + 1);
    }
    text_done(&reader.literal);
    return good ? pattern : NULL;
}

/* A copy whose numbers are segments. What was worked out beside the nodes stays true: literal ends
 * are the same, and one byte is the shortest of either. */
const Pattern *pattern_loosen(Arena *arena, const Pattern *pattern)
{
    Node *nodes = arena_copy(arena, pattern->nodes, pattern->node_count * sizeof *nodes);
    Pattern *loose = arena_copy(arena, pattern, sizeof *loose);
    bool changed = false;
    for (size_t i = 0; i < pattern->node_count; i++) {
        if (nodes[i].kind != NODE_NUMBER) continue;
        nodes[i].kind = NODE_SEGMENT;
        loose->captures[nodes[i].capture].numeric = false;
        changed = true;
    }
    loose->nodes = nodes;
    return changed ? loose : NULL;
}
