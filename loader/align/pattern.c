/* Patterns, the matcher: depth first, shortest wildcards from the left.
 *
 * Most keys are settled by head, tail and a few steps. A search that goes on for long starts
 * again with a memory: a bit for every (node, place) that failed, and for every wildcard the
 * span of ends that failed behind it. Then each place is tried once, and time is linear in
 * nodes times key.
 *
 * `**.{i}.w` on "a.0.b.1.w": ** takes "a" (i = 0, but .w does not follow), then "a.0.b" (i = 1).
 * Each end of ** that failed stays failed, wherever a wildcard before it began. */
#include <stdlib.h>
#include <string.h>

#include "loader/align/pattern_nodes.h"
#include "loader/align/rule_lex.h"

enum {
    STEPS_BARE = 1024,           /* steps before the memory is worth its price */
    STEPS_REPEATED = 1 << 17     /* steps for patterns in which a name repeats */
};

/* One search: the pattern against key[start, …). */
typedef struct Matcher {
    const Pattern *pattern;
    PatternSearch *search;
    const char *key;
    size_t n, start;
    size_t checked;              /* bytes behind start that are known to be the head */
    Captures *captures;
    bool run;                    /* a run of segments inside the key, not all of it */
    bool loose_tail;
    size_t end;                  /* where the match ended, once there is one */
} Matcher;

static bool match_from(Matcher *matcher, size_t node, size_t at);

/* ---- the search ---- */

/* Where sub, strip and seg see the end of a segment; Flax and TensorFlow write '/'. */
bool is_border(char c)
{
    return c == '.' || c == '/';
}

/* Whether a match may end at `at`. A run inside a key ends at a border (unless its tail is
 * loose) and is never empty. */
static bool may_end(Matcher *matcher, size_t at)
{
    matcher->end = at;
    if (!matcher->run) return at == matcher->n;
    if (at == matcher->start) return false;
    return at == matcher->n || matcher->loose_tail || is_border(matcher->key[at]);
}

/* Steps are places tried, ends of wildcards included. Only between two places of a name that
 * repeats can they be more than nodes times key. */
static size_t step_limit(const Matcher *matcher)
{
    if (!matcher->search->failed) return STEPS_BARE;
    return matcher->pattern->repeats ? STEPS_REPEATED : SIZE_MAX;
}

/* A row of n + 1 bits a node: a place may be the end of the key. */
static size_t memory_bit(const Matcher *matcher, size_t node, size_t at)
{
    return node * (matcher->n + 1) + at;
}

/* What a search wrote on a path that failed is overwritten by the one that fits. */
static void set_capture(Matcher *matcher, int capture, size_t from, size_t to, int64_t number)
{
    Capture *out = &matcher->captures->named[capture];
    out->text = matcher->key + from;
    out->length = (uint32_t)(to - from);
    out->number = number;
}

/* A wildcard's capture or star; text NULL where a ** vanished with its dot. */
static void set_wildcard(Matcher *matcher, const Node *node, const char *text, size_t length)
{
    if (node->capture >= 0) {
        Capture *out = &matcher->captures->named[node->capture];
        out->text = text;
        out->length = (uint32_t)length;
        out->number = 0;
    } else {
        matcher->captures->stars[node->star].text = text;
        matcher->captures->stars[node->star].length = (uint32_t)length;
    }
}

/* The longest number first, then shorter ones: `{i}{j}` takes 12 as 1 and 2. */
static bool match_number(Matcher *matcher, size_t index, size_t at)
{
    size_t end = at, limit = matcher->n;
    if (limit - at > NUMBER_DIGITS_MAX) limit = at + NUMBER_DIGITS_MAX;
    while (end < limit && is_digit(matcher->key[end])) end++;
    if (end > at && matcher->key[at] == '0') end = at + 1;
    for (; end > at; end--) {
        int64_t number = 0;
        for (size_t i = at; i < end; i++) number = number * 10 + (matcher->key[i] - '0');
        set_capture(matcher, matcher->pattern->nodes[index].capture, at, end, number);
        if (match_from(matcher, index + 1, end)) return true;
    }
    return false;
}

/* How many bytes of text[0, n) the range takes when it takes `digits` of them; 0 = none.
 * {00-31} has a width and takes just two digits, {0-31} none and no leading zero. */
static size_t fit_range(const Choice *choice, const char *text, size_t n, size_t digits,
                        int64_t *number)
{
    if (choice->width ? digits != choice->width : digits > 1 && text[0] == '0') return 0;
    *number = 0;
    for (size_t i = 0; i < digits; i++) {
        if (i >= n || !is_digit(text[i])) return 0;
        *number = *number * 10 + (text[i] - '0');
    }
    return *number >= choice->from && *number <= choice->to ? digits : 0;
}

/* A number of the range, the longest first. */
static bool match_range(Matcher *matcher, size_t index, const Choice *choice, size_t at)
{
    int64_t number;
    for (size_t digits = NUMBER_DIGITS_MAX; digits; digits--) {
        if (!fit_range(choice, matcher->key + at, matcher->n - at, digits, &number)) continue;
        set_capture(matcher, matcher->pattern->nodes[index].capture, at, at + digits, number);
        if (match_from(matcher, index + 1, at + digits)) return true;
    }
    return false;
}

/* Of alternatives that are all digits; the compiler has seen that they fit. */
static int64_t choice_number(const Choice *choice)
{
    int64_t number = 0;
    for (uint32_t i = 0; i < choice->length; i++) number = number * 10 + (choice->text[i] - '0');
    return number;
}

/* The alternatives in their order, as written. `{p:a|ab}c` on "abc" tries "a", fails at 'b',
 * and tries "ab". */
static bool match_choice(Matcher *matcher, size_t index, size_t at)
{
    const Node *node = &matcher->pattern->nodes[index];
    bool numeric = matcher->pattern->captures[node->capture].numeric;
    for (size_t i = 0; i < node->choice_count; i++) {
        const Choice *choice = &node->choices[i];
        if (!choice->text) {
            if (match_range(matcher, index, choice, at)) return true;
            continue;
        }
        if (choice->length > matcher->n - at ||
            memcmp(matcher->key + at, choice->text, choice->length) != 0)
            continue;
        set_capture(matcher, node->capture, at, at + choice->length,
                    numeric ? choice_number(choice) : 0);
        if (match_from(matcher, index + 1, at + choice->length)) return true;
    }
    return false;
}

/* Tries the ends [from, to] of a wildcard that began at `at`, shortest first; `skip` bytes (a
 * dot, which must be there) lie between its end and what follows. Ends that are known to fail
 * are jumped over by their span; a whole range that failed is added to it, where the two touch.
 * Spans are one a node, since what follows a wildcard does not depend on where the wildcard
 * began. */
static bool match_ends(Matcher *matcher, size_t index, size_t at, size_t from, size_t to,
                       size_t skip)
{
    const Node *node = &matcher->pattern->nodes[index];
    bool remember = matcher->search->failed && node->settled;
    Span *span = &matcher->search->spans[index];
    for (size_t end = from; end <= to; end++) {
        if (remember && end >= span->from && end < span->to) {
            end = span->to - 1;
            continue;
        }
        if (++matcher->search->steps > step_limit(matcher)) return false;
        if (skip && (end >= matcher->n || matcher->key[end] != '.')) continue;
        set_wildcard(matcher, node, matcher->key + at, end - at);
        if (match_from(matcher, index + 1, end + skip)) return true;
    }
    if (remember && from <= to) {
        bool joins = span->to > span->from && from <= span->to && span->from <= to + 1;
        if (!joins || from < span->from) span->from = from;
        if (!joins || to + 1 > span->to) span->to = to + 1;
    }
    return false;
}

/* One byte or more, up to the next dot. */
static bool match_segment(Matcher *matcher, size_t index, size_t at)
{
    const char *dot = memchr(matcher->key + at, '.', matcher->n - at);
    size_t stop = dot ? (size_t)(dot - matcher->key) : matcher->n;
    return match_ends(matcher, index, at, at + 1, stop, 0);
}

/* Nothing together with its dot comes first: it is the shortest. */
static bool match_run(Matcher *matcher, size_t index, size_t at)
{
    const Node *node = &matcher->pattern->nodes[index];
    if (node->dot_after || node->dot_before) {
        set_wildcard(matcher, node, NULL, 0);
        if (match_from(matcher, index + 1, at)) return true;
    }
    if (node->dot_before) {
        if (at == matcher->n || matcher->key[at] != '.') return false;
        at++;
    }
    return match_ends(matcher, index, at, at, matcher->n, node->dot_after);
}

/* A name that repeats must be equal, byte for byte. No memory helps here: whether it fits
 * depends on what the name caught. */
static bool match_again(Matcher *matcher, size_t index, size_t at)
{
    const Capture *first = &matcher->captures->named[matcher->pattern->nodes[index].capture];
    return first->length <= matcher->n - at &&
           memcmp(first->text, matcher->key + at, first->length) == 0 &&
           match_from(matcher, index + 1, at + first->length);
}

/* TEXT is match_from's own business. */
static bool match_node(Matcher *matcher, size_t index, size_t at)
{
    switch (matcher->pattern->nodes[index].kind) {
    case NODE_NUMBER: return match_number(matcher, index, at);
    case NODE_CHOICE: return match_choice(matcher, index, at);
    case NODE_SEGMENT: return match_segment(matcher, index, at);
    case NODE_RUN: return match_run(matcher, index, at);
    case NODE_AGAIN: return match_again(matcher, index, at);
    default: return false;
    }
}

/* Whether the nodes from `index` on fit from `at` on. Recursion is as deep as the pattern has
 * nodes, never as long as the key. A place is looked up in the memory before it is tried, and
 * written there when it failed with steps to spare: a search that ran out of them has proved
 * nothing. */
static bool match_from(Matcher *matcher, size_t index, size_t at)
{
    const Pattern *pattern = matcher->pattern;
    for (; index < pattern->node_count && pattern->nodes[index].kind == NODE_TEXT; index++) {
        const Node *node = &pattern->nodes[index];
        if (node->length > matcher->n - at ||
            memcmp(matcher->key + at, node->text, node->length) != 0)
            return false;
        at += node->length;
    }
    if (index == pattern->node_count) return may_end(matcher, at);
    PatternSearch *search = matcher->search;
    size_t bit = memory_bit(matcher, index, at);
    bool remember = search->failed && pattern->nodes[index].settled;
    if (remember && (search->failed[bit / 8] >> (bit % 8) & 1)) return false;
    if (search->steps >= step_limit(matcher)) return false;
    search->steps++;
    if (match_node(matcher, index, at)) return true;
    if (remember && search->steps < step_limit(matcher))
        search->failed[bit / 8] = (unsigned char)(search->failed[bit / 8] | 1u << (bit % 8));
    return false;
}

/* What does not depend on the key; done last, since most keys do not fit. */
static void label_captures(const Pattern *pattern, const char *key, Captures *captures)
{
    captures->key = key;
    captures->star_count = pattern->star_count;
    captures->named_count = pattern->capture_count;
    for (size_t i = 0; i < pattern->capture_count; i++) {
        captures->named[i].name = pattern->captures[i].name;
        captures->named[i].numeric = pattern->captures[i].numeric;
    }
}

/* Matches at the matcher's start; a search that gets long goes on with a memory. */
static bool match_here(Matcher *matcher)
{
    PatternSearch *search = matcher->search;
    size_t node = matcher->checked > 0, at = matcher->start + matcher->checked;
    if (match_from(matcher, node, at)) return true;
    if (search->steps < step_limit(matcher)) return false;
    if (!search->failed) {
        size_t bits = matcher->pattern->node_count * (matcher->n + 1);
        search->failed = mem_alloc(bits / 8 + 1);
        memset(search->spans, 0, sizeof search->spans);
        search->steps = 0;
        if (match_from(matcher, node, at)) return true;
    }
    if (search->steps >= step_limit(matcher)) matcher->captures->gave_up = true;
    return false;
}

void search_start(PatternSearch *search)
{
    search->failed = NULL;
    search->steps = 0;
}

void search_done(PatternSearch *search)
{
    free(search->failed);
    search->failed = NULL;
}

/* ---- whole keys, and runs inside them ---- */

/* Length, head and tail settle most keys without a search; the head is not compared again. */
bool pattern_fits(const Pattern *pattern, const char *key, size_t n, Captures *captures)
{
    captures->gave_up = false;
    if (n < pattern->shortest || memcmp(key, pattern->head, pattern->head_length) != 0 ||
        (pattern->tail_length &&
         memcmp(key + n - pattern->tail_length, pattern->tail, pattern->tail_length) != 0))
        return false;
    PatternSearch search;
    search_start(&search);
    Matcher matcher = {.pattern = pattern, .search = &search, .key = key, .n = n,
                       .checked = pattern->head_length, .captures = captures};
    bool fits = match_here(&matcher);
    if (fits) label_captures(pattern, key, captures);
    search_done(&search);
    return fits;
}

bool pattern_match(const Pattern *pattern, const char *key, Captures *captures)
{
    return pattern_fits(pattern, key, strlen(key), captures);
}

/* memmem finds where the first literal can be at all. The memory in `search` serves all starts
 * and later calls over the same key: that a node fails at a place does not depend on the start. */
bool pattern_find(const Pattern *pattern, bool loose_head, bool loose_tail, const char *key,
                  size_t n, size_t from, PatternSearch *search, Captures *captures,
                  size_t *start, size_t *end)
{
    captures->gave_up = false;
    if (n - from < pattern->shortest) return false;
    const char *head = memmem(key + from, n - from, pattern->head, pattern->head_length);
    if (!head) return false;
    Matcher matcher = {.pattern = pattern, .search = search, .key = key, .n = n,
                       .captures = captures, .run = true, .loose_tail = loose_tail};
    for (size_t at = (size_t)(head - key); at < n; at++) {
        if (at && !loose_head && !is_border(key[at - 1])) continue;
        if (pattern->head_length && key[at] != pattern->head[0]) continue;
        matcher.start = at;
        bool found = match_here(&matcher);
        if (found) label_captures(pattern, key, captures);
        *start = at;
        *end = matcher.end;
        if (found || captures->gave_up) return found;
    }
    return false;
}

/* ---- what it is asked ---- */

const char *pattern_head(const Pattern *pattern)
{
    return pattern->head;
}

const char *pattern_literal(const Pattern *pattern)
{
    return pattern->literal;
}

const char *pattern_text(const Pattern *pattern)
{
    return pattern->text;
}

size_t pattern_stars(const Pattern *pattern)
{
    return pattern->star_count;
}

const CaptureInfo *pattern_captures(const Pattern *pattern, size_t *count)
{
    *count = pattern->capture_count;
    return pattern->captures;
}

size_t pattern_names(const Pattern *pattern, const char *names[CAPTURES_MAX])
{
    size_t count = 0;
    for (size_t i = 0; i < pattern->capture_count; i++)
        if (pattern->captures[i].name) names[count++] = pattern->captures[i].name;
    return count;
}

/* What two segments share: 1 when equal, less by their common ends. q_proj and k_proj share
 * five of six bytes, at the end: 0.7 · 5/6. */
static double compare_segments(const char *a, const char *b, size_t n)
{
    size_t m = strlen(a), head = 0, tail = 0, least = m < n ? m : n, most = m < n ? n : m;
    while (head < least && a[head] == b[head]) head++;
    while (tail < least - head && a[m - 1 - tail] == b[n - 1 - tail]) tail++;
    return most ? (double)(head + tail) / (double)most * (head == most ? 1 : 0.7) : 1;
}

/* Walks both from the left: each segment of the pattern takes the most alike of the next three
 * of the key. Divided by the longer of the two, so that a short key is not near everything. */
double pattern_nearness(const Pattern *pattern, const char *key)
{
    enum { AHEAD = 3 };   /* segments of the key that a segment of the pattern may pass over */
    double score = 0;
    size_t in_key = 1, count = pattern->segment_count;
    for (const char *p = key; *p; p++) in_key += *p == '.';
    const char *at = key;
    for (size_t i = 0; i < count && *at; i++) {
        double best = 0;
        const char *next = at, *probe = at;
        for (int j = 0; j < AHEAD && *probe; j++) {
            size_t n = strcspn(probe, ".");
            double one = pattern->segments[i] ? compare_segments(pattern->segments[i], probe, n)
                                              : j ? 0 : 0.9;
            const char *behind = probe + n + (probe[n] == '.');
            if (one > best) best = one, next = behind;
            probe = behind;
        }
        score += best;
        if (next == at) next = at + strcspn(at, "."), next += *next == '.';
        at = next;
    }
    return count ? score / (double)(in_key > count ? in_key : count) : 0;
}

/* Bytes that mean nothing in rule text, and which every editor shows. */
static bool is_plain_byte(const char *key, size_t at)
{
    char c = key[at];
    return (unsigned char)c > ' ' && (unsigned char)c < 0x7F && !strchr("\"{}*;,&~#>", c) &&
           !(c == '-' && key[at + 1] == '-');
}

/* Bytes that are no UTF-8 are spelled \xHH, and so is a NUL, which held names write as C0 80. */
void pattern_quote(const char *key, Text *out)
{
    bool plain = *key != '\0';
    for (size_t i = 0; plain && key[i]; i++) plain = is_plain_byte(key, i);
    if (plain) {
        text_add(out, key);
        return;
    }
    const char *end = key + strlen(key);
    text_addc(out, '"');
    while (key < end) {
        const char *start = key;
        uint32_t c = utf8_next(&key, end);
        bool raw = c >= ' ' && c != 0x7F && !(c >= 0xD800 && c <= 0xDFFF);
        if (c == '"' || c == '\\') text_addf(out, "\\%c", (char)c);
        else if (raw) text_addn(out, start, (size_t)(key - start));
        else if (!c) text_add(out, "\\x00");
        else
            for (; start < key; start++) text_addf(out, "\\x%02x", (unsigned char)*start);
    }
    text_addc(out, '"');
}
