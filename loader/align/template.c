/* Templates: the right-hand sides of rules; see pattern.h.
 *
 *   blk.{i}.{p}         TEXT "blk."  CAPTURE i  TEXT "."  CAPTURE p
 *   blk.{(i-1)//3}.*    TEXT "blk."  SUM        STAR (dot before)
 *   {string.lower(p)}   HOST: Lua */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "loader/align/pattern.h"
#include "loader/align/rule_lex.h"
#include "loader/align/sum.h"

typedef enum PartKind {
    PART_TEXT,       /* literal bytes */
    PART_STAR,       /* the next star of the left */
    PART_CAPTURE,    /* {name} */
    PART_ANONYMOUS,  /* {0-31}, {a,b} as on the left */
    PART_SUM,        /* integer arithmetic */
    PART_HOST        /* any other expression */
} PartKind;

typedef struct Part {
    PartKind kind;
    const char *text;            /* TEXT: the bytes; else what stands in the braces */
    uint32_t length;
    bool dot_before, dot_after;  /* STAR: a dot that goes when the star matched nothing: the one
                                    behind it, which is its own, else the one before */
    size_t index;                /* ANONYMOUS: which anonymous capture of the left */
    const Sum *sum;
    int handle;                  /* HOST */
} Part;

struct Template {
    const char *text;            /* as written, trimmed */
    const Part *parts;           /* [part_count]; stars count among them as well */
    size_t part_count, star_count;
    ExprHost host;               /* zeros: there is no Lua */
};

/* A template being read. */
typedef struct Reader {
    Arena *arena;                /* of the template */
    const char *at, *end;        /* the text that is still to be read */
    const TemplateScope *scope;  /* what can be named */
    const ExprHost *host;        /* NULL: nothing but sums and captures */
    Template *template;          /* being made */
    Part *parts;                 /* growing; moved to the arena at the end */
    size_t part_room;
    Text literal;                /* bytes not yet made a part */
    bool bare_dot;               /* the last of them is a '.' outside quotes */
    Error *err;
} Reader;

/* ---- compiling ---- */

/* A part behind the literal bytes read so far, which become one of their own. PART_TEXT only
 * flushes those. The pointer holds until the next call. */
static Part *add_part(Reader *reader, PartKind kind)
{
    Template *template = reader->template;
    Text *literal = &reader->literal;
    reader->parts = mem_grow(reader->parts, &reader->part_room, template->part_count + 2,
                             sizeof *reader->parts);
    if (literal->length) {
        reader->parts[template->part_count++] =
            (Part){.kind = PART_TEXT, .length = (uint32_t)literal->length,
                   .text = arena_strndup(reader->arena, literal->bytes, literal->length)};
        text_clear(literal);
    }
    reader->bare_dot = false;
    Part *part = &reader->parts[template->part_count];
    *part = (Part){.kind = kind};
    if (kind != PART_TEXT) template->part_count++;
    return part;
}

/* Which star it is follows from its place; how it is written (`*`, `**`) does not matter. The
 * dot beside it goes with it, as on the left: `a.**.b` of "a.b" comes out as "a.b", not "a..b". */
static bool add_star(Reader *reader)
{
    const TemplateScope *scope = reader->scope;
    size_t stars = 0;
    for (size_t i = 0; i < scope->source_count; i++)
        if (pattern_stars(scope->sources[i]) > stars) stars = pattern_stars(scope->sources[i]);
    if (reader->template->star_count++ == stars)
        return error_set(reader->err, ERR_RULE, "more stars on the right than the %zu on the left",
                         stars);
    bool run = reader->at + 1 < reader->end && reader->at[1] == '*';
    reader->at += run ? 2 : 1;
    bool after = reader->at < reader->end && *reader->at == '.';
    bool before = !after && reader->bare_dot;
    if (after) reader->at++;
    Part *part = add_part(reader, PART_STAR);
    part->dot_after = after;
    part->dot_before = before;
    reader->bare_dot = after;
    return true;
}

/* The capture of that name on the left: of the first pattern that has it. */
static const CaptureInfo *find_info(const TemplateScope *scope, const char *name, size_t n)
{
    for (size_t i = 0; i < scope->source_count; i++) {
        size_t count;
        const CaptureInfo *infos = pattern_captures(scope->sources[i], &count);
        for (size_t j = 0; j < count; j++)
            if (infos[j].name && strlen(infos[j].name) == n && memcmp(infos[j].name, name, n) == 0)
                return &infos[j];
    }
    return NULL;
}

/* The counter is a number that no pattern captures. */
static bool is_counter(const TemplateScope *scope, const char *name, size_t n)
{
    return scope->counter && strlen(scope->counter) == n && memcmp(scope->counter, name, n) == 0;
}

/* For sum_compile. */
static bool is_number(const void *context, const char *name, size_t n)
{
    const TemplateScope *scope = context;
    const CaptureInfo *info = find_info(scope, name, n);
    return info ? info->numeric : is_counter(scope, name, n);
}

/* The k-th brace of a spelling stands for the k-th of that spelling on the left. `w{0-3}.b{0-3}
 * -> x{0-3}.y{0-3}` carries the first to the first, the second to the second. */
static bool add_anonymous(Reader *reader, const char *text, const char *end)
{
    char *spelled = squeeze(reader->arena, text, end);
    size_t earlier = 0, index = 0, count = 0;
    for (size_t i = 0; i < reader->template->part_count; i++)
        if (reader->parts[i].kind == PART_ANONYMOUS && strcmp(reader->parts[i].text, spelled) == 0)
            earlier++;
    const TemplateScope *scope = reader->scope;
    const CaptureInfo *infos = scope->source_count ? pattern_captures(scope->sources[0], &count)
                                                   : NULL;
    for (size_t i = 0; i < count; i++) {
        if (infos[i].name) continue;
        if (strcmp(infos[i].choices, spelled) == 0 && !earlier--) {
            Part *part = add_part(reader, PART_ANONYMOUS);
            part->text = spelled;
            part->index = index;
            return true;
        }
        index++;
    }
    return error_set(reader->err, ERR_RULE, "these alternatives have no partner on the left");
}

/* "{EXPRESSION}: " before what the host says. Always false. */
static bool blame_expression(Reader *reader, const char *text)
{
    Text shown = {0};
    show_short(text, 100, &shown);
    error_prefix(reader->err, "{%s}", text_string(&shown));
    text_done(&shown);
    return false;
}

/* A capture alone, integer arithmetic, or whatever Lua can make of it, in that order. */
static bool add_expression(Reader *reader, const char *text, const char *end)
{
    size_t n = (size_t)(end - text);
    Part part = {.kind = PART_HOST, .text = arena_strndup(reader->arena, text, n),
                 .length = (uint32_t)n};
    if (is_word(text, end) && (find_info(reader->scope, text, n) ||
                               is_counter(reader->scope, text, n))) {
        part.kind = PART_CAPTURE;
    } else if ((part.sum = sum_compile(reader->arena, text, n, is_number, reader->scope))) {
        part.kind = PART_SUM;
    } else if (!reader->host || !reader->host->compile) {
        return error_set(reader->err, ERR_RULE, "there is no Lua here to compute this");
    } else {
        part.handle = reader->host->compile(reader->host->host, text, n, reader->err);
        if (part.handle < 0) return blame_expression(reader, part.text);
    }
    *add_part(reader, part.kind) = part;
    return true;
}

/* Braces that look like alternatives are never Lua: {a,b} has no meaning there. */
static bool add_braced(Reader *reader)
{
    const char *behind = skip_braced(reader->at, reader->end);
    if (!behind) return error_set(reader->err, ERR_RULE, "a { is not closed");
    const char *text = reader->at + 1, *end = behind - 1;
    trim(&text, &end);
    reader->at = behind;
    if (text == end) return error_set(reader->err, ERR_RULE, "{} is empty");
    return is_anonymous(text, end) ? add_anonymous(reader, text, end)
                                   : add_expression(reader, text, end);
}

/* The same bytes as on the left need quotes: pattern_compile.c has the twin of this. */
static bool read_piece(Reader *reader)
{
    char c = *reader->at;
    if (c == '{') return add_braced(reader);
    if (c == '*') return add_star(reader);
    if (c == '"') {
        const char *behind = read_quoted(reader->at, reader->end, &reader->literal, reader->err);
        if (behind) reader->at = behind;
        reader->bare_dot = false;
        return behind != NULL;
    }
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

/* A capture that some pattern on the left lacks is fine here; gather_new finds out whether one
 * of them has all that is named. */
Template *template_compile(Arena *arena, const char *text, size_t n, const TemplateScope *scope,
                           const ExprHost *host, Error *err)
{
    const char *end = text + n;
    trim(&text, &end);
    Template *template = arena_alloc(arena, sizeof *template);
    template->text = arena_strndup(arena, text, (size_t)(end - text));
    if (host) template->host = *host;
    Reader reader = {.arena = arena, .at = text, .end = end, .scope = scope, .host = host,
                     .template = template, .err = err};
    bool good = text < end || error_set(err, ERR_RULE, "a name on the right is empty");
    if (good && (*text == '&' || *text == '~'))
        good = error_set(err, ERR_RULE, "'%c' belongs to the left; write it in quotes", *text);
    const char *piece = text;
    while (good && reader.at < end) {
        piece = reader.at;
        good = read_piece(&reader);
    }
    if (good) {
        add_part(&reader, PART_TEXT);
        template->parts = arena_copy(arena, reader.parts, template->part_count * sizeof(Part));
    } else {
        text_clear(&reader.literal);
        show_short(template->text, 200, &reader.literal);
        error_prefix(err, "%s (column %td)", text_string(&reader.literal), piece - text + 1);
    }
    text_done(&reader.literal);
    free(reader.parts);
    return good ? template : NULL;
}

/* ---- expanding ---- */

/* NULL: nothing was captured under that name (or number, among the anonymous ones). */
static const Capture *find_capture(const Captures *captures, const Part *part)
{
    size_t anonymous = 0;
    for (size_t i = 0; i < captures->named_count; i++) {
        const Capture *capture = &captures->named[i];
        if (part->kind == PART_CAPTURE) {
            if (capture->name && strcmp(capture->name, part->text) == 0) return capture;
        } else if (!capture->name && anonymous++ == part->index) {
            return capture;
        }
    }
    return NULL;
}

/* "{i-1}: WHAT, for 'key'"; WHAT is in err already. */
static bool blame(const Part *part, const Captures *captures, Error *err)
{
    Text key = {0}, expression = {0};
    show_short(captures->key ? captures->key : "", 300, &key);
    show_short(part->text, 100, &expression);
    error_prefix(err, "{%s} for '%s'", text_string(&expression), text_string(&key));
    text_done(&expression);
    text_done(&key);
    return false;
}

/* Arithmetic gives integers; a negative one is no name. {i-1} for i = 0 is an error that names
 * the key, rather than a name with a minus. */
static bool expand_sum(const Part *part, const Captures *captures, Text *out, Error *err)
{
    int64_t number;
    if (!sum_evaluate(part->sum, captures, &number, err)) return false;
    if (number < 0)
        return error_set(err, ERR_RULE, "gives %" PRId64 ", but a name takes a non-negative "
                         "integer or a string", number);
    text_addf(out, "%" PRId64, number);
    return true;
}

/* A star that matched nothing leaves nothing, its dot included. */
static void expand_star(const Part *part, const Captures *captures, size_t star, Text *out)
{
    const char *text = captures->stars[star].text;
    if (!text) {
        bool dot = part->dot_before && out->length && out->bytes[out->length - 1] == '.';
        if (dot) out->bytes[--out->length] = '\0';
        return;
    }
    text_addn(out, text, captures->stars[star].length);
    if (part->dot_after) text_addc(out, '.');
}

/* Parts that may fail; text and stars cannot. */
static bool expand_part(const Template *template, const Part *part, const Captures *captures,
                        Text *out, Error *err)
{
    const Capture *capture;
    switch (part->kind) {
    case PART_CAPTURE:
    case PART_ANONYMOUS:
        capture = find_capture(captures, part);
        if (!capture || !capture->text) return error_set(err, ERR_RULE, "captured nothing");
        text_addn(out, capture->text, capture->length);
        return true;
    case PART_SUM:
        return expand_sum(part, captures, out, err);
    default:
        return template->host.evaluate(template->host.host, part->handle, captures, out, err);
    }
}

bool template_expand(const Template *template, const Captures *captures, Text *out, Error *err)
{
    size_t star = 0;
    for (size_t i = 0; i < template->part_count; i++) {
        const Part *part = &template->parts[i];
        if (part->kind == PART_TEXT) text_addn(out, part->text, part->length);
        else if (part->kind == PART_STAR) expand_star(part, captures, star++, out);
        else if (!expand_part(template, part, captures, out, err))
            return blame(part, captures, err);
        if (out->length > RULE_NAME_MAX)
            return error_set(err, ERR_LIMIT, "makes a name of more than %d bytes", RULE_NAME_MAX);
    }
    return true;
}

size_t template_stars(const Template *template)
{
    return template->star_count;
}

/* ---- the names in an expression ---- */

/* A name in a Lua expression. */
typedef struct Name {
    const char *text, *end;
    bool holder;                 /* a dot, colon or parenthesis follows: math, upper */
} Name;

/* Words of Lua that are no names. */
static bool is_keyword(const Name *name)
{
    static const char *const keywords[] = {
        "and", "break", "do", "else", "elseif", "end", "false", "for", "function", "goto", "if",
        "in", "local", "nil", "not", "or", "repeat", "return", "then", "true", "until", "while"};
    for (size_t i = 0; i < countof(keywords); i++)
        if (strlen(keywords[i]) == (size_t)(name->end - name->text) &&
            memcmp(keywords[i], name->text, strlen(keywords[i])) == 0)
            return true;
    return false;
}

/* The next name from *at on that is no field, no keyword, and not inside a string. In
 * `p:upper() .. m.x` these are p and m: x is a field, upper a method. Numbers are skipped as a
 * whole: 1e3 names no e3. */
static bool next_name(const char **at, const char *end, Name *name)
{
    char before = '\0', earlier = '\0';
    while (*at < end) {
        char c = **at;
        if (c == '"' || c == '\'') {
            const char *behind = skip_quoted(*at, end);
            *at = behind ? behind : end;
        } else if (is_word_byte(c)) {
            name->text = *at;
            while (*at < end && (is_word_byte(**at) || (is_digit(c) && **at == '.'))) ++*at;
            name->end = *at;
            const char *next = skip_space(*at, end);
            bool joined = end - next >= 2 && next[0] == '.' && next[1] == '.';
            name->holder = next < end && strchr(".:(", *next) && *next && !joined;
            bool field = before == ':' || (before == '.' && earlier != '.');
            if (!is_digit(c) && !field && !is_keyword(name)) return true;
        } else {
            ++*at;
        }
        if (!is_space(c)) earlier = before, before = c;
    }
    return false;
}

/* Whether a part depends on a name. */
static bool names_it(const Part *part, const char *wanted)
{
    if (part->kind == PART_CAPTURE) return strcmp(part->text, wanted) == 0;
    if (part->kind != PART_SUM && part->kind != PART_HOST) return false;
    const char *at = part->text, *end = at + part->length;
    for (Name name; next_name(&at, end, &name);)
        if (strlen(wanted) == (size_t)(name.end - name.text) &&
            memcmp(wanted, name.text, strlen(wanted)) == 0)
            return true;
    return false;
}

/* An expression is taken to depend on every name in it. */
bool template_uses(const Template *template, const char *name)
{
    for (size_t i = 0; i < template->part_count; i++)
        if (names_it(&template->parts[i], name)) return true;
    return false;
}

bool template_uses_anonymous(const Template *template, size_t index)
{
    for (size_t i = 0; i < template->part_count; i++)
        if (template->parts[i].kind == PART_ANONYMOUS && template->parts[i].index == index)
            return true;
    return false;
}

/* What template_counter has seen so far. */
typedef struct CounterSearch {
    Arena *arena;
    const TemplateScope scope;
    const char *alone, *only;    /* a name alone in its braces; any unknown name */
    bool two_alone, several;
} CounterSearch;

/* Looks for names that no capture has, in one expression. `alone` wins over `only`: in {n} and
 * {i+n} it is n either way, but {math.floor(i)} names nothing. */
static void note_unknown(CounterSearch *search, const char *text, const char *end)
{
    bool alone = is_word(text, end);
    const char *at = text;
    for (Name name; next_name(&at, end, &name);) {
        size_t n = (size_t)(name.end - name.text);
        if (name.holder || find_info(&search->scope, name.text, n)) continue;
        const char *copy = arena_strndup(search->arena, name.text, n);
        if (search->only && strcmp(search->only, copy) != 0) search->several = true;
        search->only = copy;
        if (!alone) continue;
        if (search->alone && strcmp(search->alone, copy) != 0) search->two_alone = true;
        search->alone = copy;
    }
}

/* `qkv.{i} -> {n}.{i}`: i is captured, so n counts. With two unknown names there is no telling. */
const char *template_counter(Arena *arena, const char *text, size_t n,
                             const Pattern *const *sources, size_t source_count)
{
    CounterSearch search = {.arena = arena, .scope = {sources, source_count, NULL}};
    const char *at = text, *end = text + n;
    while (at < end) {
        const char *behind = at + 1;
        if (*at == '"') behind = skip_quoted(at, end);
        if (*at == '{') behind = skip_braced(at, end);
        if (!behind) break;
        if (*at == '{') {
            const char *inner = at + 1, *inner_end = behind - 1;
            trim(&inner, &inner_end);
            if (!is_anonymous(inner, inner_end)) note_unknown(&search, inner, inner_end);
        }
        at = behind;
    }
    if (search.alone) return search.two_alone ? NULL : search.alone;
    return search.several ? NULL : search.only;
}
