/* Keys that would speak to a terminal, hide, or pass for others, as a file can hold them. What the
 * program itself never sends stands in them to be looked for: colour 201, place 97;97, mode 9999. */
#ifndef TESTS_UNIT_HOSTILE_KEYS_H
#define TESTS_UNIT_HOSTILE_KEYS_H

#include "loader/core/text.h"

static const char *const hostile_keys[] = {
    /* escape sequences: titles, clipboard, reports, strings, resets, the end of a paste */
    "\x1b]0;owned\a.w", "\x1b]52;c;aGFoYQ==\a.w", "\x1b]8;;http://a\x1b\\link.w", "\x1b[6n.w",
    "\x1b[c.w", "\x1b[5n\x1b[21t.w", "\x1bP$qm\x1b\\.w", "\x1b_Gi=1;\x1b\\.w", "\x1b^pm\x1b\\.w",
    "\x1bXsos\x1b\\.w", "\x1b" "c.w", "\x1b#8.w", "\x1bN.w", "\x1bO.w", "\x1b%G.w", "\x1b(0qqq.w",
    "\x1b[38;5;201mred.w", "\x1b[97;97Hfar.w", "\x1b[?9999h.w", "\x1b[201~:quit!\r.w",
    "\x1b[2J\x1b[H\x1b[3J.w", "\x1b[4h\x1b[20h.w", "\x1b[.w", "w.\x1b", "w.\x1b[", "\x1b\x1b\x1b.w",
    /* single control characters */
    "a\nb.w", "a\r:quit!\r.w", "a\tb.w", "a\bb.w", "a\v\f.w", "a\x0e\x0f.w", "a\x05\x11\x13\x1a.w",
    "a\x7f.w", "a\xc0\x80" "b.w", "\a\a\a.w",
    /* C1, as UTF-8 and as bytes */
    "\xc2\x9b" "38;5;201m.w", "\xc2\x9d" "0;owned\xc2\x9c.w", "\xc2\x90q\xc2\x9c.w", "\xc2\x85\xc2\x84.w",
    "\x9b" "38;5;201m.w", "\x9d" "0;owned\x9c.w", "\x90\x98\x9e\x9f.w", "\x84\x85\x8d\x8e.w",
    /* bytes that are no UTF-8: overlong, cut, surrogates, beyond Unicode */
    "\xff\xfe.w", "\xc0\x9b" "6n.w", "\xc1\xbf.w", "\xe0\x82\x9b.w", "\xf0\x80\x82\x9b.w", "\xf8\x88.w",
    "\xed\xa0\x80\xed\xb0\x80.w", "\xf4\x90\x80\x80.w", "w.\xe2\x80", "w.\xf0\x9f\x98", "w.\xc2",
    "\xe2\x80\x1b[6n.w", "\x80\x81\xbf.w",
    /* direction */
    "a\u202e\u202dx.w", "a\u202a\u202b\u202c.w", "a\u2066\u2067\u2068\u2069.w", "a\u200e\u200f\u061c.w",
    "\u05d0\u05d1\u05d2.\u0627\u0628.w",
    /* what is not seen, and makes two keys look like one */
    "same.w", "sa\u200bme.w", "sam\u200c\u200de.w", "same\u2060.w", "\ufeffsame.w", "s\u00adame.w",
    "same\u034f.w", "same\u115f\u1160.w", "same\u3164.w", "same\uffa0.w", "same\u180e.w", "same\ufe0f.w",
    "same\U000e0061\U000e007f.w", "same\U000e0100.w", "same\u2028\u2029.w", "same\ufff9\ufffb.w",
    "same\U0001d173.w", "same\u17b4.w", "same\u00a0.w", "same \u3000.w",
    /* combining, wide, joined; without a width; of nobody */
    "\u0301\u0301.w", "e\u0301\u0302\u0303\u0304\u0305\u0306.w", ".\u20dd.w", "\u4e2d\u6587\u5b57.\uff57",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467.w", "\U0001f1e9\U0001f1ea.w", "\u1100\u1161\u11a8.w",
    "\u0e01\u0e33\u0e49.w", "\ue000\uf8ff.w", "\U0010ffff\ufdd0\ufffe.w", "\U000e0fff.w", "\u0378.w",
    /* what looks like the program's own, or is something to it */
    "\u2502 \u25be fake  1/1 \u2713.w", "\u2514 q quits.w", "{0-31}.w", "a.{b,c}.w", "*.**.w", "%s%n%x.w",
    "\"]]--.w", "a\\x1b[0m.w", "\\udc9b.w", "", ".", "..", "a..b", "/", " ", "-", "--help",
};

/* A key of n times a text; the caller frees. */
static inline char *long_key(const char *part, size_t n)
{
    Text text = {0};
    for (size_t i = 0; i < n; i++) text_add(&text, part);
    return text.bytes;
}

/* Appends a held name as a JSON string: what is no text is spelt as Python's surrogates are. */
static inline void add_json_key(const char *key, Text *out)
{
    text_addc(out, '"');
    for (const char *p = key, *end = key + strlen(key); p < end;) {
        const char *start = p;
        uint32_t code = utf8_next(&p, end);
        if (code < 0x20 || code == '"' || code == '\\' || (code >= 0xD800 && code <= 0xDFFF))
            text_addf(out, "\\u%04x", code);
        else text_addn(out, start, (size_t)(p - start));
    }
    text_addc(out, '"');
}

/* A schema of all of them as JSON, long ones among them, each with a shape of its own. */
static inline void add_hostile_schema(Text *out)
{
    static const struct { const char *part; size_t n; } longs[] = {
        {"a", 60000}, {"a.", 9000}, {"\u4e2d", 20000}, {"e\u0301", 20000}, {"\u0301", 20000},
        {"\x1b[6n", 10000}, {"\xff", 20000},
    };
    const size_t plain = sizeof hostile_keys / sizeof *hostile_keys;
    const size_t all = plain + sizeof longs / sizeof *longs;
    text_add(out, "{\"tensors\":[");
    for (size_t i = 0; i < all; i++) {
        char *made = i < plain ? NULL : long_key(longs[i - plain].part, longs[i - plain].n);
        text_addf(out, "%s{\"key\":", i ? ",\n" : "");
        add_json_key(made ? made : hostile_keys[i], out);
        text_addf(out, ",\"dtype\":\"f32\",\"shape\":[%zu]}", i + 1);
        free(made);
    }
    text_add(out, "]}");
}

#endif
