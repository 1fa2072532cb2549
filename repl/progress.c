/* One line that is drawn over itself, and never wider than the terminal: a line that wraps could
 * not be drawn over. */
#include "repl/progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "loader/core/clock.h"
#include "loader/core/text.h"
#include "repl/interrupt.h"
#include "viewer/cell.h"

enum {
    EVERY = 100,                 /* milliseconds between two drawings; faster ones cannot be read */
    MARK_EVERY = 1000,
    BAR_MIN = 8, BAR_MAX = 24,   /* columns */
    NAME_MIN = 16,               /* of a longer name; the bar gives way to it */
    LEFT = sizeof ", >999 h left" - 1,
};

/* What one drawing shows. */
typedef struct Figures {
    char percent[8], done[32], total[32], rate[40], left[32];   /* left and rate "": not known */
    double share;
} Figures;

void progress_start(Progress *progress, const char *what, bool shown)
{
    *progress = (Progress){.what = what, .shown = shown, .last = clock_ms()};
}

/* ---- how fast ---- */

/* Work that begins anew is measured anew. */
static void note_mark(Progress *progress, int64_t now, uint64_t done)
{
    ProgressMark *marks = progress->marks;
    if (progress->count && done < marks[progress->count - 1].done) progress->count = 0;
    if (progress->count && now - marks[progress->count - 1].when < MARK_EVERY) return;
    if (progress->count == PROGRESS_MARKS)
        memmove(marks, marks + 1, (size_t)--progress->count * sizeof *marks);
    marks[progress->count++] = (ProgressMark){now, done};
}

/* Bytes a second since the oldest mark; 0: not known yet. */
static double measure_rate(const Progress *progress, int64_t now, uint64_t done)
{
    const ProgressMark *oldest = &progress->marks[0];
    if (!progress->count || now - oldest->when < EVERY || done < oldest->done) return 0;
    return (double)(done - oldest->done) * 1e3 / (double)(now - oldest->when);
}

/* Rounded up: nothing is left only when all is done. */
static void show_left(double seconds, char out[32])
{
    if (seconds < 100) snprintf(out, 32, "%.0f s left", seconds + 0.499);
    else if (seconds < 6000) snprintf(out, 32, "%.0f min left", seconds / 60 + 0.499);
    else if (seconds < 3.6e6) snprintf(out, 32, "%.0f h left", seconds / 3600 + 0.499);
    else snprintf(out, 32, ">999 h left");
}

static Figures find_figures(const Progress *progress, int64_t now, uint64_t done, uint64_t total)
{
    Figures it = {.share = 0};
    char rate[32];
    double speed = measure_rate(progress, now, done);
    if (total && done > total) done = total;
    if (total) it.share = (double)done / (double)total;
    if (total) snprintf(it.percent, sizeof it.percent, "%3d %%", (int)(it.share * 100));
    show_bytes(done, it.done);
    show_bytes(total, it.total);
    show_bytes((uint64_t)speed, rate);
    if (speed > 0) snprintf(it.rate, sizeof it.rate, "%s/s", rate);
    if (speed > 0 && total) show_left((double)(total - done) / speed, it.left);
    return it;
}

/* ---- what it looks like ---- */

static int count_columns(const char *text)
{
    int n = 0;
    for (const char *p = text, *end = p + strlen(p); p < end;) n += char_width(utf8_next(&p, end));
    return n;
}

/* The end of a name says most: of a URL, and of a path, it is the file. */
static void add_name(Text *line, const char *name, int columns)
{
    const char *end = name + strlen(name);
    int n = count_columns(name);
    if (n > columns && columns < 2) return;
    if (n > columns) {
        while (n > columns - 1) n -= char_width(utf8_next(&name, end));
        text_add(line, "…");
    }
    text_add(line, name);
}

static void add_bar(Text *line, double share, int columns)
{
    text_add(line, " [");
    for (int i = 0; i < columns; i++) text_addc(line, i < (int)(share * columns) ? '#' : '.');
    text_addc(line, ']');
}

static void add_figure(Text *line, const char *before, const char *figure)
{
    if (*figure) text_addf(line, "%s%s", before, figure);
}

/* Figures are left out for which there is no room. The room that they take is that of the longest,
 * so that the bar does not jump when a figure gets shorter. */
static void compose(Text *line, const Figures *it, const char *name, int columns)
{
    const bool known = *it->percent && columns >= (int)strlen(" 100 %");
    const int length = count_columns(name);
    const int least = length < NAME_MIN ? length : NAME_MIN;
    const int percent = known ? (int)strlen(" 100 %") : 0;
    const int left = known && percent + LEFT <= columns ? LEFT : 0;
    const int bytes = (int)strlen("  999.9 MB") + (known ? (int)strlen(it->total) + 4 : 0);
    const int rate = (int)strlen(", 999.9 MB/s");
    const bool with_bytes = least + percent + bytes + left <= columns;
    const bool with_rate = least + percent + bytes + rate + left <= columns;
    int rest = columns - percent - left - (with_bytes ? bytes : 0) - (with_rate ? rate : 0);
    const bool bar = known && rest - least >= BAR_MIN + 3;
    if (bar) rest -= BAR_MIN + 3;
    add_name(line, name, rest);
    if (bar) {
        int more = length < rest ? rest - length : 0;
        add_bar(line, it->share, BAR_MIN + more < BAR_MAX ? BAR_MIN + more : BAR_MAX);
    }
    if (known) add_figure(line, " ", it->percent);
    if (with_bytes) add_figure(line, "  ", it->done);
    if (with_bytes && known) add_figure(line, " of ", it->total);
    if (with_rate) add_figure(line, ", ", it->rate);
    if (left) add_figure(line, with_bytes ? ", " : "  ", it->left);
}

/* ---- the terminal ---- */

/* \r goes to the start of the line, and ESC [ K wipes what is there; a dumb terminal knows
 * blanks. */
static void wipe(Progress *progress)
{
    const char *term = getenv("TERM");
    if (!progress->drawn) return;
    if (term && strcmp(term, "dumb") != 0) fputs("\r\033[K", stderr);
    else fprintf(stderr, "\r%*s\r", progress->drawn, "");
    progress->drawn = 0;
}

/* What the shell has put into the background does not write into others' lines. */
static bool is_in_front(void)
{
    pid_t group = tcgetpgrp(STDERR_FILENO);
    return group < 0 || group == getpgrp();
}

static void draw(Progress *progress, const Figures *figures)
{
    struct winsize size;
    Text name = {0}, line = {0};
    bool known = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col;
    name_show(progress->what, &name);
    compose(&line, figures, text_string(&name), (known ? size.ws_col : 80) - 1);
    wipe(progress);
    fputs(text_string(&line), stderr);
    fflush(stderr);
    progress->drawn = count_columns(text_string(&line));
    text_done(&name);
    text_done(&line);
}

/* Ctrl-C is asked for first: it must work where nothing is shown, too. The first drawing comes
 * after EVERY, so short work shows nothing at all. */
bool progress_step(void *context, uint64_t done, uint64_t total)
{
    Progress *progress = context;
    if (*interrupt_flag()) return false;
    if (!progress->shown) return true;
    int64_t now = clock_ms();
    note_mark(progress, now, done);
    if (now - progress->last < EVERY) return true;
    progress->last = now;
    if (!is_in_front()) return true;
    Figures figures = find_figures(progress, now, done, total);
    draw(progress, &figures);
    return true;
}

/* The line is wiped, so that the report stands alone; where none was drawn, standard error stays
 * empty. */
void progress_end(Progress *progress)
{
    wipe(progress);
    fflush(stderr);
}
