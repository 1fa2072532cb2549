/* What a template is called: its name as tokens, and the paths above it. */
#include "loader/align/auto_parts.h"

/* The path of a template's first unit, without its role. */
static NameParts parts_of(const Auto *a, const Side *side, const Template *t)
{
    const Unit *unit = &side->units[side->order[t->first]];
    return words_parts(a->words, main_tensor(side, unit)->name);
}

/* LayerNorm_1 beside LayerNorm is the second of that name, and no phrase that ends in a number: how
 * long the number is, with what stands before it; 0 = it is none. */
static size_t again_length(const Side *side, const char *path, size_t n)
{
    size_t digits = 0;
    while (digits < n && is_digit(path[n - 1 - digits])) digits++;
    if (!digits || digits + 1 >= n || path[n - 1 - digits] != '_') return 0;
    return table_find(&side->paths, path_hash(path, n - 1 - digits)) ? digits + 1 : 0;
}

static void cut_template(Auto *a, Side *side, Template *t)
{
    Token tokens[WORDS_MAX];
    NameParts parts = parts_of(a, side, t);
    const char *end = parts.path + parts.path_length;
    const Coarse *coarse = &side->coarse[t->coarse];
    const size_t suffix =
        coarse->numbered ? again_length(side, parts.path, parts.path_length) : 0;
    const Numbering numbering = {t->literal, coarse->low, coarse->high};
    const Numbering every = {0xFF, NULL, NULL};
    size_t n = words_cut(a->words, parts.path, parts.path_length - suffix, numbering, tokens,
                         WORDS_MAX - 3);
    if (suffix && t->literal >> (coarse->slot_count - 1) & 1) {
        n += words_cut(a->words, end - suffix, suffix, every, tokens + n, 1);
        tokens[n - 1].slot = (uint8_t)(coarse->slot_count - 1);
    }
    t->word_count = (uint8_t)n;
    if (parts.role && !parts.plain)
        n += words_cut(a->words, parts.role_text, parts.role_length, every, tokens + n, 2);
    t->tokens = arena_copy(a->arena, tokens, n * sizeof *tokens);
    t->token_count = (uint8_t)n;
}

/* Where the layer ends that another is named after: conv1 of conv1_bn; its own end when it is named
 * after none. */
static const char *stem_end(const Side *side, const char *path, const char *end)
{
    const char *at = end;
    while (at > path && at[-1] != '_' && !is_separator(at[-1])) at--;
    if (at <= path + 1 || at[-1] != '_') return end;
    at--;
    return table_find(&side->paths, path_hash(path, (size_t)(at - path))) ? at : end;
}

/* Hashes of the paths above a template, its free numbers out. */
static void hash_ancestors(const Auto *a, const Side *side, Template *t)
{
    NameParts parts = parts_of(a, side, t);
    const char *at = parts.path, *end = at + parts.path_length;
    uint64_t ring[UP_MAX + 1], hash = 31;
    size_t count = 0;
    unsigned slot = 0;
    const char *stem = stem_end(side, parts.path, end);
    ring[count++ % (UP_MAX + 1)] = hash;
    t->up[UP_MAX] = 0;
    while (at < end) {
        if (at == stem) t->up[UP_MAX] = hash;
        int64_t value;
        size_t digits = is_digit(*at) && slot < SLOTS_MAX ? name_number(at, end, &value) : 0;
        if (digits) {
            hash = hash_mix(hash, t->literal >> slot & 1 ? (uint64_t)value : 0xFFFF);
            slot++;
            at += digits;
            continue;
        }
        if (is_separator(*at)) ring[count++ % (UP_MAX + 1)] = hash;
        bool digit = is_digit(*at);
        do hash = hash_mix(hash, (unsigned char)*at++); while (digit && at < end && is_digit(*at));
    }
    if (!t->up[UP_MAX]) t->up[UP_MAX] = hash;
    for (size_t i = 0; i < UP_MAX; i++)
        t->up[i] = i < count ? ring[(count - 1 - i) % (UP_MAX + 1)] : 0;
}

/* Segments of several words and no number, the last first. */
static void hash_segments(const Auto *a, const Side *side, Template *t)
{
    const NameParts parts = parts_of(a, side, t);
    const char *end = parts.path + parts.path_length;
    for (size_t n = 0; end > parts.path && n < SEGMENTS_MAX;) {
        const char *at = end;
        bool several = false, numbered = false;
        for (; at > parts.path && !is_separator(at[-1]); at--) {
            several = several || at[-1] == '_';
            numbered = numbered || is_digit(at[-1]);
        }
        if (several && !numbered) t->segments[n++] = hash_text(171, at, (size_t)(end - at));
        end = at > parts.path ? at - 1 : at;
    }
}

void template_words(Auto *a, Side *side, Template *t)
{
    if (t->tokens) return;
    cut_template(a, side, t);
    hash_ancestors(a, side, t);
    hash_segments(a, side, t);
}
