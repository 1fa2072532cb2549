/* A colour is kept as what it looks like, red, green and blue; and, where it is one of the sixteen,
 * as that, since terminals show these as their user likes them. */
#include "viewer/palette.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "viewer/state.h"

enum { DIRECT = 1 << 24 };       /* colours of a terminal that takes red, green and blue */

typedef struct Row {
    int many, sixteen, eight;    /* as in STYLES */
    int look, mono;
} Row;

#define STYLE_ROW(id, many, sixteen, eight, look, mono) {many, sixteen, eight, look, mono},
static const Row table[] = {STYLES(STYLE_ROW)};
#undef STYLE_ROW
#define STYLE_NAME(id, ...) #id,
static const char *const style_ids[] = {STYLES(STYLE_NAME)};
#undef STYLE_NAME

/* What the user has said of a style. */
typedef struct Own {
    bool set;
    int rgb;                     /* -1: the terminal's own colour */
    int basic;                   /* 0 … 15: it is one of the sixteen; -1: it is none */
    int many;                    /* 0 … 255: its number among the 256; -1: the nearest */
    int look;
} Own;

static Own own[STYLE_COUNT];

static const char *const names[] = {"black", "red", "green", "yellow", "blue", "magenta", "cyan",
                                    "white"};
/* What the sixteen look like where nobody has changed them (xterm's). */
static const int sixteen[] = {0x000000, 0xCD0000, 0x00CD00, 0xCDCD00, 0x0000EE, 0xCD00CD, 0x00CDCD,
                              0xE5E5E5, 0x7F7F7F, 0xFF0000, 0x00FF00, 0xFFFF00, 0x5C5CFF, 0xFF00FF,
                              0x00FFFF, 0xFFFFFF};

/* The steps of the cube of 6×6×6 that begins at 16. */
static const int steps[] = {0, 95, 135, 175, 215, 255};

/* What a number of the 256 looks like. */
static int rgb_of(int number)
{
    if (number < 16) return sixteen[number];
    if (number >= 232) return (8 + (number - 232) * 10) * 0x010101;
    const int cube = number - 16;
    return steps[cube / 36] << 16 | steps[cube / 6 % 6] << 8 | steps[cube % 6];
}

static long distance(int a, int b)
{
    long sum = 0;
    for (int shift = 0; shift <= 16; shift += 8) {
        const long d = (a >> shift & 0xFF) - (b >> shift & 0xFF);
        sum += d * d;
    }
    return sum;
}

/* Of the numbers [from, to) the one that looks most like it. */
static int find_nearest(int rgb, int from, int to)
{
    int best = from;
    for (int i = from + 1; i < to; i++)
        if (distance(rgb, rgb_of(i)) < distance(rgb, rgb_of(best))) best = i;
    return best;
}

void palette_reset(void)
{
    memset(own, 0, sizeof own);
}

static int own_colour(const Own *colour, int colours)
{
    if (colour->rgb < 0) return -1;
    if (colours >= DIRECT) return colour->rgb;
    if (colours >= 256) {
        if (colour->basic >= 0) return colour->basic;
        return colour->many >= 0 ? colour->many : find_nearest(colour->rgb, 16, 256);
    }
    const int basic = colour->basic >= 0 ? colour->basic : find_nearest(colour->rgb, 0, 16);
    return colours >= 16 ? basic : basic % 8;
}

int palette_colour(Style style, int colours)
{
    const Row *row = &table[style];
    if (own[style].set) return own_colour(&own[style], colours);
    if (colours >= DIRECT) return row->many < 0 ? -1 : rgb_of(row->many);
    return colours >= 256 ? row->many : colours >= 16 ? row->sixteen : row->eight;
}

int palette_look(Style style, bool colours)
{
    if (!colours) return table[style].mono;
    return own[style].set ? own[style].look : table[style].look;
}

/* ---- what the user says ---- */

/* "STYLE_BELOW_1" is called "below-1". */
static bool is_called(const char *id, const char *name)
{
    for (id += strlen("STYLE_"); *id && *name; id++, name++) {
        const char c = *id == '_' ? '-' : (char)(*id - 'A' + 'a');
        if ((*id >= 'A' && *id <= 'Z') || *id == '_' ? *name != c : *name != *id) return false;
    }
    return !*id && !*name;
}

/* Sets bits of the styles that a name means; 0: none does. */
static uint32_t find_styles(const char *name)
{
    uint32_t found = 0;
    const unsigned mask = state_mask_of(name);
    const bool state = mask && !(mask & STATE_PROBLEM) && mask != STATE_ALL;
    for (int i = 0; state && i < ROW_STATE_COUNT; i++)
        if (mask & 1u << i) found |= UINT32_C(1) << state_info((RowState)i)->style;
    for (int i = 0; i < STYLE_COUNT; i++)
        if (is_called(style_ids[i], name)) found |= UINT32_C(1) << i;
    return found;
}

static bool read_name(const char *word, size_t n, Own *colour)
{
    const bool bright = n > 7 && strncmp(word, "bright-", 7) == 0;
    const char *base = bright ? word + 7 : word;
    const size_t length = n - (bright ? 7 : 0);
    for (int i = 0; i < (int)countof(names); i++) {
        if (strlen(names[i]) != length || memcmp(names[i], base, length) != 0) continue;
        colour->basic = i + (bright ? 8 : 0);
        colour->rgb = sixteen[colour->basic];
        return true;
    }
    return n == 7 && memcmp(word, "default", 7) == 0;
}

/* A number of the 256, or "#rrggbb". */
static bool read_number(const char *word, size_t n, Own *colour)
{
    uint64_t number;
    if (n == 7 && *word == '#' && strspn(word + 1, "0123456789abcdefABCDEF") >= 6) {
        colour->rgb = (int)strtol(word + 1, NULL, 16);
        return true;
    }
    if (!parse_digits(word, n, &number) || number > 255) return false;
    colour->rgb = rgb_of((int)number);
    if (number < 16) colour->basic = (int)number;
    else colour->many = (int)number;
    return true;
}

static bool read_look(const char *word, size_t n, Own *colour)
{
    static const struct { const char *name; int look; } looks[] = {
        {"bold", LOOK_BOLD}, {"dim", LOOK_DIM}, {"underline", LOOK_UNDERLINE},
        {"reverse", LOOK_REVERSE},
    };
    for (size_t i = 0; i < countof(looks); i++) {
        if (strlen(looks[i].name) != n || memcmp(looks[i].name, word, n) != 0) continue;
        colour->look |= looks[i].look;
        return true;
    }
    return false;
}

bool palette_set(const char *name, const char *colour, Error *err)
{
    Own said = {.set = true, .rgb = -1, .basic = -1, .many = -1};
    const uint32_t styles = find_styles(name);
    if (!styles)
        return error_set(err, ERR_USAGE, "'%.60s' has no colour; there are the states, and title "
                         "border dim module error hit key", name);
    bool first = true;
    for (const char *word = colour; *(word += strspn(word, " ")); first = false) {
        const size_t n = strcspn(word, " ");
        if (!read_look(word, n, &said) &&
            !(first && (read_name(word, n, &said) || read_number(word, n, &said))))
            return error_set(err, ERR_USAGE, "'%.60s' is no colour; colours are black red green "
                             "yellow blue magenta cyan white, bright-red …, default, 0 to 255 and "
                             "\"#rrggbb\", with bold dim underline reverse behind them", colour);
        word += n;
    }
    for (int i = 0; i < STYLE_COUNT; i++)
        if (styles & UINT32_C(1) << i) own[i] = said;
    return true;
}
