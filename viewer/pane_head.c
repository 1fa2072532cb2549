/* The two lines on top: what is open, and the ledger in numbers. */
#include <stdio.h>
#include <string.h>

#include "viewer/view_parts.h"

/* Width of the title's parts shrinks in this order: bytes, containers, then names are elided. */
enum { SHOW_BYTES = 1, SHOW_CONTAINER = 2 };

/* "model.pth ▸ state_dict". */
static void show_name(const ViewFile *file, unsigned parts, Text *out)
{
    text_add(out, path_base(file->name));
    if (parts & SHOW_CONTAINER && *file->container) text_addf(out, " ▸ %s", file->container);
}

/* "  318  97.8 MiB": tensors and, where the file says, bytes. */
static void show_numbers(const ViewFile *file, unsigned parts, Text *out)
{
    char bytes[32];
    show_bytes(file->bytes, bytes);
    text_addf(out, "  %zu", file->tensors);
    if (parts & SHOW_BYTES && file->bytes) text_addf(out, "  %s", bytes);
}

/* What stands in the way of writing. A collision over a target's name is that target's
 * ambiguity already. */
static size_t count_open(const RowModel *rows)
{
    const Summary *summary = align_summary(rows->alignment);
    size_t ambiguous = summary->bind[BIND_AMBIGUOUS];
    return rows->problems +
           (summary->collisions > ambiguous ? summary->collisions - ambiguous : 0);
}

/* The right end: rules, whether they failed, what is not saved, what is open. Drawn first, since
 * what is left is the files'; returns the columns it took. */
static int draw_rules(const View *view, Screen *screen)
{
    const ViewTitle *title = &view->title;
    Text text = {0};
    if (title->rules) text_addf(&text, "%s %s   ", title->rules, title->rules_failed ? "✗" : "✓");
    if (title->lines)
        text_addf(&text, "+%zu line%s   ", title->lines, title->lines == 1 ? "" : "s");
    if (title->notes)
        text_addf(&text, "%zu note%s   ", title->notes, title->notes == 1 ? "" : "s");
    if (view->rows) text_addf(&text, "%zu open ", count_open(view->rows));
    unsigned style = title->rules_failed ? STYLE_ERROR : STYLE_TITLE;
    int used = screen_put_right(screen, screen->columns, 0, screen->columns / 2, style,
                                text_string(&text));
    text_clear(&text);
    if (title->busy) text_addf(&text, "%s ", title->busy);
    if (title->busy && title->percent >= 0) text_addf(&text, "%d %% ", title->percent);
    used += screen_put_right(screen, screen->columns - used, 0, screen->columns / 4, STYLE_DIM,
                             text_string(&text));
    text_done(&text);
    return used;
}

/* One file; its name is elided when the whole is wider than `limit`. */
static int draw_file(Screen *screen, int x, int limit, const ViewFile *file, unsigned parts)
{
    Text name = {0}, numbers = {0};
    show_name(file, parts, &name);
    show_numbers(file, parts, &numbers);
    int tail = screen_columns_of(screen, text_string(&numbers));
    int used = screen_put_elided(screen, x, 0, limit > tail ? limit - tail : 0, STYLE_TITLE,
                                 text_string(&name));
    used += screen_put(screen, x + used, 0, limit - used, STYLE_DIM, text_string(&numbers));
    text_done(&name);
    text_done(&numbers);
    return used;
}

/* What draw_file would like to have. */
static int file_columns(const Screen *screen, const ViewFile *file, unsigned parts)
{
    Text text = {0};
    if (file->name) {
        show_name(file, parts, &text);
        show_numbers(file, parts, &text);
    }
    int width = screen_columns_of(screen, text_string(&text));
    text_done(&text);
    return width;
}

/* The target gets what it wants up to one half, the source the rest. The gap holds the arrows
 * between them, which say that both sides are of one comparison. */
void pane_draw_title(const View *view, Screen *screen)
{
    const ViewFile *source = &view->title.source, *target = &view->title.target;
    int room = screen->columns - draw_rules(view, screen) - 3;
    int gap = target->name ? (room >= 90 ? 11 : 5) : 0;   /* around the arrows */
    unsigned parts = SHOW_BYTES | SHOW_CONTAINER;
    if (file_columns(screen, source, parts) + file_columns(screen, target, parts) + gap > room)
        parts = SHOW_CONTAINER;
    if (file_columns(screen, source, parts) + file_columns(screen, target, parts) + gap > room)
        parts = 0;
    int wanted = file_columns(screen, target, parts);
    int most = target->name ? (room - gap) / 2 : room;
    int left = target->name && wanted < most ? room - gap - wanted : most;
    int x = 1 + draw_file(screen, 1, left, source, parts);
    if (!target->name) return;
    screen_put(screen, x + gap / 2, 0, 2, STYLE_DIM, "⇄");
    draw_file(screen, x + gap, room + 1 - x - gap, target, parts);
}

/* The counts line's own signs; the glyphs of rows say more than it needs. */
typedef struct CountSign {
    const char *sign, *word;
    Style style;
    bool always;             /* shown even when zero, where there is room */
} CountSign;

static const CountSign signs[] = {
    {"●", "loaded", STYLE_RENAMED, true},     {"&", "tied", STYLE_EXACT, false},
    {"+", "filled", STYLE_MADE, false},       {"k", "kept", STYLE_MADE, false},
    {"◐", "shape", STYLE_SHAPE, true},        {"~", "dtype", STYLE_SHAPE, false},
    {"○", "missing", STYLE_MISSING, true},    {"?", "ambiguous", STYLE_AMBIGUOUS, true},
    {"!", "collision", STYLE_ERROR, false},  {"✗", "dropped", STYLE_DROPPED, false},
    {"·", "unused", STYLE_UNUSED, true},
};

/* In the order of `signs`. */
static void list_counts(const Summary *summary, size_t counts[])
{
    const size_t values[countof(signs)] = {
        summary->bind[BIND_LOADED], summary->bind[BIND_TIED], summary->bind[BIND_FILLED],
        summary->bind[BIND_KEPT], summary->bind[BIND_SHAPE], summary->bind[BIND_DTYPE],
        summary->bind[BIND_MISSING], summary->bind[BIND_AMBIGUOUS], summary->collisions,
        summary->use[USE_DROPPED], summary->use[USE_UNUSED],
    };
    memcpy(counts, values, sizeof values);
}

/* Draws the counts, or with `measure` only measures them, so that what was measured is what is
 * drawn. zeros: those of `signs` that are always shown are; `loaded`, the first, is in any case.
 * gap: columns behind each. Returns the column behind the last gap. */
static int draw_signs(Screen *screen, const size_t counts[], bool zeros, int gap, bool measure)
{
    int x = 1;
    for (size_t i = 0; i < countof(signs); i++) {
        if (!counts[i] && !(zeros && signs[i].always) && i) continue;
        char text[64];
        snprintf(text, sizeof text, "%s %zu %s", signs[i].sign, counts[i], signs[i].word);
        unsigned style = counts[i] ? signs[i].style : STYLE_DIM;
        x += measure ? screen_columns_of(screen, text)
                     : screen_put(screen, x, 1, screen->columns - x, style, text);
        x += gap;
    }
    return x;
}

/* "values 99.9 %", appended behind what is there already. Nothing where the whole is zero. */
static void show_share(Text *out, const char *word, uint64_t part, uint64_t whole)
{
    if (!whole) return;
    double percent = (double)part / (double)whole * 100;
    if (percent > 99.9 && part < whole) percent = 99.9;   /* 100 % means all */
    text_addf(out, "%s%s %.1f %%", out->length ? "   " : "", word, percent);
}

/* What does not fit goes in this order: bytes, counts of zero, values. */
void pane_draw_counts(const View *view, Screen *screen)
{
    const Summary *summary = align_summary(view->rows->alignment);
    size_t counts[countof(signs)];
    list_counts(summary, counts);
    Text shares = {0}, values = {0};
    show_share(&values, "values", summary->values_loaded, summary->values_target);
    text_add(&shares, text_string(&values));
    show_share(&shares, "bytes", summary->bytes_loaded, summary->bytes_target);
    int all = screen_columns_of(screen, text_string(&shares));
    int some = screen_columns_of(screen, text_string(&values));
    bool wide = draw_signs(screen, counts, true, 3, true) + all < screen->columns;
    bool zeros = wide || draw_signs(screen, counts, true, 2, true) + some < screen->columns;
    int x = draw_signs(screen, counts, zeros, wide ? 3 : 2, false);
    int room = screen->columns - x - 1;
    if (wide) screen_put(screen, x + (room - all >= 3 ? 3 : 0), 1, room, STYLE_PLAIN,
                         text_string(&shares));
    else if (some <= room) screen_put(screen, x, 1, room, STYLE_PLAIN, text_string(&values));
    text_done(&shares);
    text_done(&values);
}
