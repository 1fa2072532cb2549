/* The two lines on top: what is open, and the ledger in numbers. */
#include <stdio.h>
#include <string.h>

#include "viewer/view_parts.h"

/* Width of the title's parts shrinks in this order: bytes, containers, then names are elided. */
enum { SHOW_BYTES = 1, SHOW_CONTAINER = 2, SHOW_NUMBERS = 4 };

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
    if (view->rows && !rows_is_listing(view->rows))
        text_addf(&text, "%zu open ", count_open(view->rows));
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
    if (parts & SHOW_NUMBERS) show_numbers(file, parts, &numbers);
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
        if (parts & SHOW_NUMBERS) show_numbers(file, parts, &text);
    }
    int width = screen_columns_of(screen, text_string(&text));
    text_done(&text);
    return width;
}

/* The target gets what it wants up to one half, the source the rest. The gap holds the arrows
 * between them, which say that both sides are of one comparison. */
void pane_draw_title(const View *view, Screen *screen)
{
    const ViewTitle *title = &view->title;
    const ViewFile *source = &title->source, *target = &title->target;
    int room = screen->columns - draw_rules(view, screen) - 3;
    int gap = target->name ? (room >= 90 ? 11 : 5) : 0;   /* around the arrows */
    const unsigned least = title->opening ? 0 : SHOW_NUMBERS;
    unsigned parts = least | SHOW_BYTES | SHOW_CONTAINER;
    if (file_columns(screen, source, parts) + file_columns(screen, target, parts) + gap > room)
        parts = least | SHOW_CONTAINER;
    if (file_columns(screen, source, parts) + file_columns(screen, target, parts) + gap > room)
        parts = least;
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

/* How much of the target has a value. */
typedef struct Share {
    const char *word;
    uint64_t part, whole;
} Share;

static Share share_of(const View *view, Coverage coverage)
{
    const Summary *summary = align_summary(view->rows->alignment);
    switch (coverage) {
    case COVERAGE_VALUES:
        return (Share){"values", summary->values_loaded, summary->values_target};
    case COVERAGE_BYTES: return (Share){"bytes", summary->bytes_loaded, summary->bytes_target};
    default:
        return (Share){"tensors", summary->bind[BIND_LOADED] + summary->bind[BIND_TIED],
                       align_count(view->rows->alignment)};
    }
}

/* "values 99.9 %", with a bar of so many cells between; nothing where the whole is zero. The bar is
 * full only when all is loaded, and empty only when nothing is. */
static void show_share(Text *out, Share share, int cells)
{
    if (!share.whole) return;
    double ratio = (double)share.part / (double)share.whole, percent = ratio * 100;
    if (percent > 99.9 && share.part < share.whole) percent = 99.9;   /* 100 % means all */
    int full = (int)(ratio * cells + 0.5);
    if (full == cells && share.part < share.whole) full--;
    if (!full && share.part) full++;
    text_addf(out, "%s%s ", out->length ? "   " : "", share.word);
    for (int i = 0; i < cells; i++) text_add(out, i < full ? "█" : "░");
    text_addf(out, "%s%.1f %%", cells ? " " : "", percent);
}

/* Cells of a bar, least and most. */
enum { BAR_CELLS_MIN = 6, BAR_CELLS_MAX = 40 };

/* One line with a bar for each. */
static void draw_coverage(const View *view, const Panes *panes, Screen *screen)
{
    Text text = {0};
    int shares = 0, words = 3 * (COVERAGE_COUNT - 1);
    for (int i = 0; i < COVERAGE_COUNT; i++) shares += share_of(view, (Coverage)i).whole != 0;
    for (int i = 0; i < COVERAGE_COUNT; i++)
        words += (int)strlen(share_of(view, (Coverage)i).word) + (int)strlen(" 100.0 % ");
    int cells = shares ? (panes->columns - 2 - words) / shares : 0;
    if (cells > BAR_CELLS_MAX) cells = BAR_CELLS_MAX;
    static const Coverage order[] = {COVERAGE_TENSORS, COVERAGE_VALUES, COVERAGE_BYTES};
    for (size_t i = 0; i < countof(order); i++)
        show_share(&text, share_of(view, order[i]), cells < BAR_CELLS_MIN ? 0 : cells);
    screen_put(screen, 1, panes->coverage_y, panes->columns - 2, STYLE_PLAIN, text_string(&text));
    text_done(&text);
}

/* "   f32 267   i64 53": the most frequent first, as far as there is room; then how many dtypes
 * more. */
static void add_dtypes(const RowModel *rows, const Screen *screen, int room, Text *out)
{
    bool told[DTYPE_COUNT] = {[DT_UNKNOWN] = true};
    size_t left = 0;
    for (int i = 0; i < DTYPE_COUNT; i++) left += rows->dtypes[i] && !told[i];
    for (; left; left--) {
        int most = DT_UNKNOWN;
        for (int i = 0; i < DTYPE_COUNT; i++)
            if (!told[i] && (told[most] || rows->dtypes[i] > rows->dtypes[most])) most = i;
        Text word = {0};
        text_addf(&word, "   %s %zu", dtype_name((DType)most), rows->dtypes[most]);
        int wanted = screen_columns_of(screen, text_string(&word)) + (left > 1 ? 15 : 0);
        bool fits = screen_columns_of(screen, text_string(out)) + wanted <= room;
        if (fits) text_add(out, text_string(&word));
        else text_addf(out, "   %zu dtypes more", left);
        text_done(&word);
        if (!fits) return;
        told[most] = true;
    }
}

/* What there is in place of a ledger when nothing is compared: "320 tensors   23.6 M values
 * 95.1 MB   f32 267   i64 53". */
static void draw_listing(const View *view, Screen *screen)
{
    const RowModel *rows = view->rows;
    const Summary *summary = align_summary(rows->alignment);
    Text text = {0};
    char values[32], bytes[32];
    show_count(summary->values_target, values);
    show_bytes(summary->bytes_target, bytes);
    text_addf(&text, "%zu tensor%s   %s values", rows->tensors, rows->tensors == 1 ? "" : "s",
              values);
    if (summary->bytes_target) text_addf(&text, "   %s", bytes);
    add_dtypes(rows, screen, screen->columns - 2, &text);
    screen_put_elided(screen, 1, 1, screen->columns - 2, STYLE_PLAIN, text_string(&text));
    text_done(&text);
}

/* The counts, and right of them on a low screen the coverage, with a second share where there is
 * room. What does not fit goes in this order: that, counts of zero, the bar's cells, the share. */
void pane_draw_counts(const View *view, const Panes *panes, Screen *screen)
{
    if (panes->listing) {
        draw_listing(view, screen);
        return;
    }
    size_t counts[countof(signs)];
    list_counts(align_summary(view->rows->alignment), counts);
    Text text = {0};
    if (panes->coverage_y) draw_coverage(view, panes, screen);
    else show_share(&text, share_of(view, view->coverage), 0);
    int share = text.length ? screen_columns_of(screen, text_string(&text)) : 0;
    bool wide = draw_signs(screen, counts, true, 3, true) + share < screen->columns;
    bool zeros = wide || draw_signs(screen, counts, true, 2, true) + share < screen->columns;
    int needed = share + BAR_CELLS_MIN + 2;
    if (share && draw_signs(screen, counts, zeros, 2, true) + needed >= screen->columns)
        zeros = wide = false;
    int x = draw_signs(screen, counts, zeros, wide ? 3 : 2, false) + (wide && share ? 3 : 0);
    int cells = screen->columns - 2 - x - share;
    if (!align_target(view->rows->alignment) || cells < BAR_CELLS_MIN) cells = 0;
    Text other = {0};
    Coverage second = view->coverage == COVERAGE_VALUES ? COVERAGE_BYTES : COVERAGE_VALUES;
    if (share && cells) show_share(&other, share_of(view, second), 0);
    int rest = cells - screen_columns_of(screen, text_string(&other)) - 3;
    if (other.length && rest >= BAR_CELLS_MIN) cells = rest;
    text_clear(&text);
    if (share) show_share(&text, share_of(view, view->coverage),
                          cells > BAR_CELLS_MAX ? BAR_CELLS_MAX : cells);
    if (rest >= BAR_CELLS_MIN && other.length) text_addf(&text, "   %s", text_string(&other));
    text_done(&other);
    if (share <= screen->columns - x - 1)
        screen_put(screen, x, 1, screen->columns - x - 1, STYLE_PLAIN, text_string(&text));
    text_done(&text);
}
