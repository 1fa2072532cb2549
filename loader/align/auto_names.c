/* Names as a path and a role: wrappers taken off, the last word looked at. */
#include <string.h>

#include "loader/align/auto_words.h"

static bool is_wrapper(const Words *words, const char *text, size_t n)
{
    for (size_t i = 0; i < words->wrapper_count; i++)
        if (words->wrappers[i].length == n && memcmp(words->wrappers[i].text, text, n) == 0)
            return true;
    return false;
}

/* Wrappers before and behind: "module.", "/.ATTRIBUTES/VARIABLE_VALUE". One segment stays. */
static void cut_wrappers(const Words *words, const char **begin, const char **end, bool *wrapped)
{
    for (;;) {
        const char *at = *begin;
        while (at < *end && !is_separator(*at)) at++;
        if (at == *end || !is_wrapper(words, *begin, (size_t)(at - *begin))) break;
        *begin = at + 1;
        *wrapped = true;
    }
    for (;;) {
        const char *at = *end;
        while (at > *begin && !is_separator(at[-1])) at--;
        if (at == *begin || !is_wrapper(words, at, (size_t)(*end - at))) break;
        *end = at - 1;
        while (*end > *begin && is_separator((*end)[-1])) (*end)--;
    }
}

/* The role of a text: 0 = none. */
static uint32_t find_role(const Words *words, const char *text, const char *end)
{
    const uint32_t *role = table_find(&words->roles, hash_letters(0, text, (size_t)(end - text)));
    return role ? *role : 0;
}

/* Without a lexicon, the last segment is the role when it is a word. */
static uint32_t word_role(const char *leaf, const char *end)
{
    for (const char *at = leaf; at < end; at++)
        if (is_digit(*at)) return 0;
    return (uint32_t)(hash_text(0, leaf, (size_t)(end - leaf)) & 0x3FFF) << 1 | 0x8000u | 1;
}

/* A name without wrappers, and the index of a variable: ":0". */
static void cut_name(const Words *words, const char *name, const char **begin, const char **end,
                     bool *wrapped)
{
    *begin = name;
    *end = name + strlen(name);
    const char *colon = *end;
    while (colon > *begin && is_digit(colon[-1])) colon--;
    if (colon < *end && colon - 1 > *begin && colon[-1] == ':') *end = colon - 1;
    cut_wrappers(words, begin, end, wrapped);
}

/* ---- letters ---- */

/* The letter that a name ends in behind an underscore: x_w; 0: there is none. */
static char last_letter(const char *begin, const char *end)
{
    if (end - begin < 3 || end[-2] != '_' || is_separator(end[-3])) return 0;
    const char c = lower(end[-1]);
    return c >= 'a' && c <= 'z' ? c : 0;
}

static uint64_t stem_of(const char *begin, const char *end)
{
    return hash_text(151, begin, (size_t)(end - begin) - 1);
}

void words_see_letter(Words *words, const char *name)
{
    const char *begin, *end;
    bool wrapped;
    if (!words->lexicon) return;
    cut_name(words, name, &begin, &end, &wrapped);
    const char letter = last_letter(begin, end);
    if (letter) *table_add(&words->letters, stem_of(begin, end), 0, NULL) |= 1u << (letter - 'a');
}

/* Whether the letter is one of a row, x_r, x_k, x_v, x_w: others stand in its place that say no
 * role, or the same. Then it says none. */
static bool is_in_row(const Words *words, const char *begin, const char *end)
{
    if (!last_letter(begin, end)) return false;
    const uint32_t letters = table_count(&words->letters, stem_of(begin, end));
    uint32_t seen[26], count = 0;
    for (int i = 0; i < 26; i++) {
        if (!(letters >> i & 1)) continue;
        const char letter = (char)('a' + i);
        const uint32_t role = find_role(words, &letter, &letter + 1) >> 1;
        for (uint32_t k = 0; k < count; k++)
            if (seen[k] == role) return true;
        if (!role) return true;
        seen[count++] = role;
    }
    return false;
}

/* ---- parts ---- */

NameParts words_parts(const Words *words, const char *name)
{
    NameParts parts = {0};
    const char *begin, *end;
    cut_name(words, name, &begin, &end, &parts.wrapped);
    const char *leaf = end;
    while (leaf > begin && !is_separator(leaf[-1])) leaf--;
    parts.path = begin;
    parts.path_length = (size_t)(end - begin);
    uint32_t role = 0;
    const char *cut = leaf > begin ? leaf - 1 : begin;
    const char *text = leaf;
    if (!words->lexicon || !words->lexicon->role_count) {
        role = leaf > begin ? word_role(leaf, end) : 0;
    } else {
        role = find_role(words, leaf, end);
        for (const char *at = leaf + 1; !role && at < end; at++) {
            if (at[-1] != '_' || find_role(words, leaf, at)) continue;   /* weight_g */
            role = find_role(words, at, end);
            cut = at - 1;
            text = at;
        }
    }
    const bool cut_off = text != leaf && words->letters.count;
    if (!role || (cut_off && is_in_row(words, begin, end))) return parts;
    parts.role = (uint16_t)(role >> 1);
    parts.plain = role & 1;
    parts.path_length = (size_t)(cut - begin);
    parts.role_text = text;
    parts.role_length = (size_t)(end - text);
    return parts;
}
