/* Drawing happens in two steps: text is first made safe to show (escaped, and on an ASCII screen
 * replaced by stand-ins), then its characters are put into cells. Measuring takes the same first
 * step, so that what was measured is what is drawn. */
#include "viewer/cell.h"

#include <stdlib.h>
#include <string.h>

/* A sign of ours and what is put for it; the stand-in may take more columns than the sign, so
 * everything is measured after it was replaced. */
typedef struct StandIn {
    const char *sign, *ascii;
} StandIn;

/* The viewer's own signs on an ASCII screen. */
static const StandIn stand_ins[] = {
    {"×", "x"}, {"…", ".."}, {"→", ">"}, {"⇄", "<>"}, {"▸", "+"}, {"▾", "-"}, {"·", "."},
    {"✓", "ok"}, {"✗", "x"}, {"≠", "!"}, {"≈", "*"}, {"○", "o"}, {"●", "@"}, {"◐", "!"},
    {"│", "|"}, {"┃", "#"}, {"─", "-"}, {"┌", "+"}, {"┐", "+"}, {"└", "+"}, {"┘", "+"}, {"├", "+"},
    {"┤", "+"}, {"┬", "+"}, {"┴", "+"}, {"┼", "+"}, {"█", "#"}, {"░", "."}, {"−", "-"},
    {"▁", "_"}, {"▂", "."}, {"▃", ":"}, {"▄", "-"}, {"▅", "="}, {"▆", "+"}, {"▇", "*"},
    {"▒", "+"}, {"▓", "*"}, {"Δ", "d"}, {"◆", "#"}, {"≡", "%"}, {"▤", "@"},
    {"↑", "^"}, {"↓", "v"}, {"‹", "<"}, {"›", ">"},
};

/* The old contents are gone: a frame is always drawn whole. */
void screen_resize(Screen *screen, int columns, int rows, bool ascii)
{
    free(screen->cells);
    screen->columns = columns > 0 ? columns : 1;
    screen->rows = rows > 0 ? rows : 1;
    screen->ascii = ascii;
    screen->cells = mem_alloc((size_t)screen->columns * (size_t)screen->rows * sizeof(Cell));
    screen_clear(screen);
}

void screen_done(Screen *screen)
{
    free(screen->cells);
    *screen = (Screen){0};
}

void screen_clear(Screen *screen)
{
    size_t n = (size_t)screen->columns * (size_t)screen->rows;
    for (size_t i = 0; i < n; i++)
        screen->cells[i] = (Cell){.code = ' ', .style = STYLE_PLAIN, .width = 1};
    screen->cursor_x = screen->cursor_y = -1;
}

/* NULL outside of the screen, which is how everything is clipped. */
const Cell *screen_at(const Screen *screen, int x, int y)
{
    if (x < 0 || y < 0 || x >= screen->columns || y >= screen->rows) return NULL;
    return &screen->cells[(size_t)y * (size_t)screen->columns + (size_t)x];
}

/* The same for writing; what the callers draw beyond the screen falls away here. */
static Cell *cell_at(Screen *screen, int x, int y)
{
    return (Cell *)screen_at(screen, x, y);   /* ours to write: the screen is */
}

/* Appends the stand-in of one character; what has none is spelt as an escape, which is exact:
 * "é" becomes \u00e9. A '?' would make two keys look the same. */
static void add_ascii(Text *out, const char *sign, size_t n, uint32_t code)
{
    for (size_t i = 0; i < countof(stand_ins); i++) {
        if (strlen(stand_ins[i].sign) == n && memcmp(stand_ins[i].sign, sign, n) == 0) {
            text_add(out, stand_ins[i].ascii);
            return;
        }
    }
    text_addf(out, code < 0x10000 ? "\\u%04x" : "\\U%08x", code);
}

/* The text as it may be shown, appended to `out`: escaped, and with stand-ins on an ASCII screen.
 * Every character behind this is printable or combines with one. */
static void show_text(bool ascii, const char *text, Text *out)
{
    if (!ascii) {
        name_show(text, out);
        return;
    }
    Text safe = {0};
    name_show(text, &safe);
    const char *p = text_string(&safe), *end = p + safe.length;
    while (p < end) {
        const char *start = p;
        uint32_t code = utf8_next(&p, end);
        if (code < 0x80) text_addc(out, (char)code);
        else add_ascii(out, start, (size_t)(p - start), code);
    }
    text_done(&safe);
}

/* Columns of text that was made safe already: an escape counts as the characters it is spelt
 * with. */
static int width_of(const char *p, const char *end)
{
    int width = 0;
    while (p < end) width += char_width(utf8_next(&p, end));
    return width;
}

/* Clears the other half of a wide character that is about to lose one half. A terminal would do
 * so by itself, and our copy of what it shows has to agree with it. */
static void split_wide(Screen *screen, int x, int y)
{
    Cell *cell = cell_at(screen, x, y);
    Cell *left = cell->width == 0 ? cell_at(screen, x - 1, y) : NULL;
    Cell *right = cell->width == 2 ? cell_at(screen, x + 1, y) : NULL;
    Cell *half = left ? left : right;
    if (half) *half = (Cell){.code = ' ', .style = half->style, .width = 1};
}

/* Puts one character; outside the screen, or half outside, nothing is put. A wide one takes two
 * cells: the left has the code and width 2, the right code 0 and width 0. */
static void set_cell(Screen *screen, int x, int y, uint32_t code, int width, unsigned style)
{
    Cell *cell = cell_at(screen, x, y);
    if (!cell || (width == 2 && !screen_at(screen, x + 1, y))) return;
    split_wide(screen, x, y);
    *cell = (Cell){.code = code, .style = (uint8_t)style, .width = (uint8_t)width};
    if (width != 2) return;
    split_wide(screen, x + 1, y);
    cell[1] = (Cell){.style = (uint8_t)style};
}

/* Adds a combining character to what stands at x (a wide one's right half stands for its left).
 * More than a cell holds are left out. */
static void add_mark(Screen *screen, int x, int y, uint32_t code)
{
    Cell *cell = cell_at(screen, x, y);
    if (cell && cell->width == 0) cell = cell_at(screen, x - 1, y);
    for (int i = 0; cell && i < CELL_MARKS; i++) {
        if (cell->marks[i]) continue;
        cell->marks[i] = code;
        return;
    }
}

/* Draws shown text in at most `limit` columns; returns the columns taken, which is one less than
 * the limit where a wide character did not fit. A combining character with nothing before it to
 * combine with takes a blank, so that it is seen and cannot change what stands to its left. */
static int draw(Screen *screen, int x, int y, int limit, unsigned style, const char *p,
                const char *end)
{
    int used = 0;
    while (p < end) {
        uint32_t code = utf8_next(&p, end);
        int width = char_width(code);
        if (width == 0 && used) {
            add_mark(screen, x + used - 1, y, code);
            continue;
        }
        if (width == 0) width = 1, code = ' ';
        if (used + width > limit) break;
        set_cell(screen, x + used, y, code, width, style);
        used += width;
    }
    return used;
}

int screen_put(Screen *screen, int x, int y, int limit, unsigned style, const char *text)
{
    Text shown = {0};
    show_text(screen->ascii, text, &shown);
    const char *p = text_string(&shown);
    int used = draw(screen, x, y, limit, style, p, p + shown.length);
    text_done(&shown);
    return used;
}

int screen_putf(Screen *screen, int x, int y, int limit, unsigned style, const char *format, ...)
{
    Text text = {0};
    va_list args;
    va_start(args, format);
    text_addv(&text, format, args);
    va_end(args);
    int used = screen_put(screen, x, y, limit, style, text_string(&text));
    text_done(&text);
    return used;
}

/* Where the tail of at most `room` columns begins, in text that takes `width`. */
static const char *tail_of(const char *p, const char *end, int width, int room)
{
    while (p < end && width > room) width -= char_width(utf8_next(&p, end));
    while (p < end) {   /* a combining character does not begin a tail */
        const char *next = p;
        if (char_width(utf8_next(&next, end))) break;
        p = next;
    }
    return p;
}

/* Columns of "…". */
static int sign_columns(const Screen *screen)
{
    return screen->ascii ? 2 : 1;
}

/* Columns of what stands before the "…" of an elided text; on a few columns there is no head. */
static int head_columns(const Screen *screen, int limit)
{
    int sign = sign_columns(screen);
    return limit > sign + 2 ? (limit - sign) / 3 : 0;
}

/* "…", and as much of the end of a shown text as there is room for behind it. */
static int draw_tail(Screen *screen, int x, int y, int limit, unsigned style, const char *p,
                     const char *end)
{
    int used = screen_put(screen, x, y, limit, style, "…");
    p = tail_of(p, end, width_of(p, end), limit - used);
    return used + draw(screen, x + used, y, limit - used, style, p, end);
}

/* Shown text that is too wide, without its middle. The head gets a third of the room, the tail the
 * rest and what the head left over: in 12 columns "backbone.layer4.conv1.weight" is
 * "bac…1.weight". */
static int draw_elided(Screen *screen, int x, int y, int limit, unsigned style, const char *p,
                       const char *end)
{
    if (width_of(p, end) <= limit) return draw(screen, x, y, limit, style, p, end);
    int used = draw(screen, x, y, head_columns(screen, limit), style, p, end);
    return used + draw_tail(screen, x + used, y, limit - used, style, p, end);
}

int screen_put_elided(Screen *screen, int x, int y, int limit, unsigned style, const char *text)
{
    Text shown = {0};
    show_text(screen->ascii, text, &shown);
    const char *p = text_string(&shown);
    int used = draw_elided(screen, x, y, limit, style, p, p + shown.length);
    text_done(&shown);
    return used;
}

/* The part of a text in which it differs from others: what it has in common with each of them, at
 * its beginning and at its end, is outside. */
typedef struct Span {
    const char *from, *to;
} Span;

/* Nothing is done where the plain elision tells the two apart: they differ in the first `head` or
 * the last `tail` columns. Bytes are compared, and the borders then moved to where characters
 * begin. */
static void widen(Span *span, const char *p, const char *end, const char *other, int head,
                  int tail)
{
    const char *other_end = other + strlen(other), *from = p, *to = end;
    while (from < end && *from == *other && *other) from++, other++;
    while (to > from && other_end > other && to[-1] == other_end[-1]) to--, other_end--;
    if (from == end && to == end) return;   /* the same text */
    while (from > p && ((unsigned char)*from & 0xC0) == 0x80) from--;
    while (to < end && ((unsigned char)*to & 0xC0) == 0x80) to++;
    if (width_of(p, from) < head || width_of(to, end) < tail) return;
    if (from < span->from) span->from = from;
    if (to > span->to) span->to = to;
}

/* To whole segments, as far as they fit into `room`. */
static void round_span(Span *span, const char *p, const char *end, int room)
{
    Span whole = *span;
    while (whole.from > p && whole.from[-1] != '.') whole.from--;
    while (whole.to < end && *whole.to != '.') whole.to++;
    if (width_of(whole.from, whole.to) <= room) *span = whole;
}

/* "head…span…tail", with a span that has room between two signs. The head gets a third of what it
 * leaves, or goes where it would be a letter or two. */
static int draw_around(Screen *screen, int x, int y, int limit, unsigned style, const char *p,
                       const char *end, Span span)
{
    int sign = sign_columns(screen), middle = width_of(span.from, span.to);
    int before = width_of(p, span.from), head = (limit - 2 * sign - middle) / 3;
    if (before <= head + sign) head = before;
    else if (head < 3) head = 0;
    int used = draw(screen, x, y, head, style, p, span.from);
    if (before > head) used += screen_put(screen, x + used, y, limit - used, style, "…");
    used += draw(screen, x + used, y, limit - used, style, span.from, span.to);
    if (width_of(span.to, end) <= limit - used)
        return used + draw(screen, x + used, y, limit - used, style, span.to, end);
    return used + draw_tail(screen, x + used, y, limit - used, style, span.to, end);
}

/* Where the span has no room, the plain elision is as good as any other. */
int screen_put_telling(Screen *screen, int x, int y, int limit, unsigned style, const char *text,
                       const char *const *others, size_t count)
{
    Text shown = {0}, other = {0};
    show_text(screen->ascii, text, &shown);
    const char *p = text_string(&shown), *end = p + shown.length;
    Span span = {end, p};
    int sign = sign_columns(screen), head = head_columns(screen, limit), used;
    bool too_wide = width_of(p, end) > limit;
    for (size_t i = 0; too_wide && i < count; i++) {
        if (!others[i]) continue;
        text_clear(&other);
        show_text(screen->ascii, others[i], &other);
        widen(&span, p, end, text_string(&other), head, limit - head - sign);
    }
    int room = limit - 2 * sign;
    if (span.to <= span.from || width_of(span.from, span.to) > room) {
        used = draw_elided(screen, x, y, limit, style, p, end);
    } else {
        round_span(&span, p, end, room - head);
        used = draw_around(screen, x, y, limit, style, p, end, span);
    }
    text_done(&shown);
    text_done(&other);
    return used;
}

/* Text that is too long is elided, and then begins at end - limit. */
int screen_put_right(Screen *screen, int end, int y, int limit, unsigned style, const char *text)
{
    int width = screen_columns_of(screen, text);
    if (width > limit) width = limit;
    return screen_put_elided(screen, end - width, y, width, style, text);
}

void screen_fill(Screen *screen, int x, int y, int n, unsigned style, const char *character)
{
    for (int i = 0; i < n; i++) screen_put(screen, x + i, y, 1, style, character);
}

/* Cells outside of the screen are passed over. */
void screen_add_flags(Screen *screen, int x, int y, int n, unsigned flags)
{
    for (int i = 0; i < n; i++) {
        Cell *cell = cell_at(screen, x + i, y);
        if (cell) cell->style = (uint8_t)(cell->style | flags);
    }
}

int screen_columns_of(const Screen *screen, const char *text)
{
    Text shown = {0};
    show_text(screen->ascii, text, &shown);
    const char *p = text_string(&shown);
    int width = width_of(p, p + shown.length);
    text_done(&shown);
    return width;
}

/* The end of the next line: as much as fits, back to the last blank if there is one. A key longer
 * than the line has none, and ends behind a part of it; a part longer than that, where the line
 * does. */
static const char *line_end(const char *p, const char *end, int width)
{
    const char *blank = NULL, *part = NULL;
    int used = 0;
    while (p < end) {
        const char *next = p;
        uint32_t code = utf8_next(&next, end);
        used += char_width(code);
        if (used > width) return blank ? blank : part ? part : p;
        if (code == ' ') blank = next;
        if (code == '.' || code == ',' || code == '/') part = next;
        p = next;
    }
    return end;
}

/* A blank at the end of a line stays there; it cannot be seen. */
int screen_wrap(const Screen *screen, const char *text, int width, Text *out)
{
    Text shown = {0};
    show_text(screen->ascii, text, &shown);
    const char *p = text_string(&shown), *end = p + shown.length;
    int lines = 0;
    if (width < 2) width = 2;   /* a wide character must fit, or no line would ever end */
    do {
        const char *stop = line_end(p, end, width);
        if (lines++) text_addc(out, '\n');
        text_addn(out, p, (size_t)(stop - p));
        p = stop;
    } while (p < end);
    text_done(&shown);
    return lines;
}

/* Right halves of wide characters are no characters of their own. */
void screen_dump(const Screen *screen, Text *out)
{
    for (int y = 0; y < screen->rows; y++) {
        size_t kept = out->length;
        for (int x = 0; x < screen->columns; x++) {
            const Cell *cell = screen_at(screen, x, y);
            if (!cell->width) continue;
            utf8_add(out, cell->code);
            for (int i = 0; i < CELL_MARKS && cell->marks[i]; i++) utf8_add(out, cell->marks[i]);
            if (cell->code != ' ') kept = out->length;
        }
        out->length = kept;
        text_addc(out, '\n');
    }
}
