/* Families of names: taking numbers out of names, putting them back, and writing both as rule
 * text that the pattern compiler reads. */
#include "loader/align/family.h"

#include <string.h>
#include <strings.h>

/* Digits of a number ({i} takes as many, and an int64_t holds them); words of a name that are
 * compared. */
enum { DIGITS_MAX = 18, WORDS_MAX = 32 };

/* "blocks.3.gamma_1" gives the text "blocks.#.gamma_#" (# stands for FAMILY_MARK) and {3, 1}.
 * What {i} would not match stays text: 007, and every number behind the eighth. */
void family_split(const char *name, FamilyName *out)
{
    text_clear(&out->text);
    out->count = 0;
    while (*name) {
        size_t digits = 0;
        while (is_digit(name[digits])) digits++;
        if (!digits) {
            /* A name may hold the mark's own byte; in a family it would stand for a number. */
            text_addc(&out->text, *name == FAMILY_MARK ? FAMILY_MARK + 1 : *name);
            name++;
        } else if (digits > DIGITS_MAX || (digits > 1 && *name == '0') ||
                   out->count == FAMILY_NUMBERS_MAX) {
            text_addn(&out->text, name, digits);
            name += digits;
        } else {
            int64_t number = 0;
            while (digits--) number = number * 10 + (*name++ - '0');
            out->numbers[out->count++] = number;
            text_addc(&out->text, FAMILY_MARK);
        }
    }
}

void family_done(FamilyName *name)
{
    text_done(&name->text);
}

/* family_split's way back: the numbers of one name put into another family. */
bool family_member(const char *family, const int64_t *numbers, size_t count, Text *out)
{
    size_t used = 0;
    for (; *family; family++) {
        if (*family != FAMILY_MARK) {
            text_addc(out, *family);
        } else {
            if (used == count) return false;
            text_addf(out, "%lld", (long long)numbers[used++]);
        }
    }
    return true;
}

/* `head.0` stays as it is, `my head` becomes "my head". Bytes that are no text are spelled
 * \xHH. */
void rule_quote(const char *name, size_t n, Text *out)
{
    bool plain = true;
    for (size_t i = 0; i < n && plain; i++) {
        unsigned char c = (unsigned char)name[i];
        plain = c > ' ' && c != 0x7F && !strchr("{}*;,&~#>\"|", c) &&
                !(c == '-' && i + 1 < n && name[i + 1] == '-');
    }
    if (plain && utf8_valid(name, n)) {
        text_addn(out, name, n);
        return;
    }
    text_addc(out, '"');
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)name[i];
        if (c == '"' || c == '\\')
            text_addf(out, "\\%c", c);
        else if (c < ' ' || c >= 0x7F)
            text_addf(out, "\\x%02X", c);
        else
            text_addc(out, (char)c);
    }
    text_addc(out, '"');
}

/* Whether the mark at `at` is a whole segment of its family. In "blocks.#.norm#" the first
 * does, the second does not. */
static bool stands_alone(const char *family, const char *at)
{
    return (at == family || at[-1] == '.' || at[-1] == '/') &&
           (!at[1] || at[1] == '.' || at[1] == '/');
}

/* The capture names of a family's numbers, in order. Those that are a segment are called i, j,
 * k …, as people do; those glued to a word n, m …: both lists have as many letters as a family
 * has numbers. */
static void name_captures(const char *family, char names[FAMILY_NUMBERS_MAX])
{
    static const char alone[] = "ijkluvwz", glued[] = "nmcdabef";
    size_t used = 0, a = 0, g = 0;
    for (const char *at = family; *at && used < FAMILY_NUMBERS_MAX; at++)
        if (*at == FAMILY_MARK)
            names[used++] = stands_alone(family, at) ? alone[a++] : glued[g++];
}

/* "layers.#.norm#" as the left side is `layers.{i}.norm{n}`; "blk.#.ln#" beside it must say
 * `blk.{i}.ln{n}`, which is why `like` may choose the names. */
void family_rule(const char *family, const char *like, Text *out)
{
    char names[FAMILY_NUMBERS_MAX] = {0};
    size_t used = 0;
    name_captures(like ? like : family, names);
    while (*family) {
        size_t n = strcspn(family, "\x01");
        rule_quote(family, n, out);
        family += n;
        if (!*family || used == FAMILY_NUMBERS_MAX) break;
        text_addf(out, "{%c}", names[used++]);
        family++;
    }
}

/* A name as a list of words, borrowed from it. */
typedef struct Words {
    const char *at[WORDS_MAX];   /* [count], not terminated */
    size_t length[WORDS_MAX];    /* bytes */
    size_t count;
} Words;

/* Words are what stands between dots, slashes, underscores, hyphens and numbers.
 * "layer#.#.conv_dw.weight" has layer, conv, dw, weight. */
static void cut_words(const char *family, Words *words)
{
    words->count = 0;
    while (*family && words->count < WORDS_MAX) {
        size_t n = strcspn(family, "./_-\x01");
        if (n) {
            words->at[words->count] = family;
            words->length[words->count++] = n;
        }
        family += n;
        if (*family) family++;
    }
}

/* In any case: LayerNorm, layernorm. */
static bool same_word(const Words *a, size_t i, const Words *b, size_t j)
{
    return a->length[i] == b->length[j] && strncasecmp(a->at[i], b->at[j], a->length[i]) == 0;
}

bool family_is_shifted(const char *a, const char *b)
{
    FamilyName from = {0}, to = {0};
    family_split(a, &from);
    family_split(b, &to);
    bool same = from.count && strcmp(text_string(&from.text), text_string(&to.text)) == 0;
    family_done(&from);
    family_done(&to);
    return same;
}

/* Dice's coefficient over words, the last word of each counted twice. attn.q_proj.weight and
 * attention.q.weight share q and weight, the last of them twice: 2·3 / (4 + 3 + 2) = 0.67. At
 * most 32 words a side, so the nested loop is bounded. */
double family_likeness(const char *a, const char *b)
{
    Words x, y;
    bool taken[WORDS_MAX] = {false};
    size_t common = 0;
    cut_words(a, &x);
    cut_words(b, &y);
    if (!x.count || !y.count) return strcmp(a, b) == 0;
    for (size_t i = 0; i < x.count; i++)
        for (size_t j = 0; j < y.count; j++)
            if (!taken[j] && same_word(&x, i, &y, j)) {
                taken[j] = true;
                common++;
                break;
            }
    if (same_word(&x, x.count - 1, &y, y.count - 1)) common++;
    return 2.0 * (double)common / (double)(x.count + y.count + 2);
}
