/* The page: lines with their columns, and the cutting of a report to its length.
 *
 * A section is heads, groups and tails. Cutting goes from what is missed least: groups of the
 * longest section down to two, tails from the last section on, groups down to one, at last whole
 * sections from the end. What was cut says so, and that -v shows it. */
#include "loader/align/report_page.h"

#include <stdlib.h>
#include <string.h>

size_t show_width(const char *text)
{
    size_t width = 0;
    for (; *text; text++) width += ((unsigned char)*text & 0xC0) != 0x80;
    return width;
}

/* Sections from the 64th on cannot be marked; there are not that many kinds. */
void page_section(Page *page, bool must)
{
    page->sections++;
    if (must && page->sections < 64) page->must |= UINT64_C(1) << page->sections;
}

/* A name that is too long for its column keeps two blanks behind it, and pushes its line alone. */
void page_pad(Page *page, size_t column)
{
    size_t width = show_width(text_string(&page->line));
    size_t blanks = width + 2 <= column ? column - width : 2;
    while (blanks--) text_addc(&page->line, ' ');
}

/* Without the blanks at its end, so that an empty column leaves no trace. */
void page_end_line(Page *page, LineKind kind)
{
    while (page->line.length && page->line.bytes[page->line.length - 1] == ' ')
        page->line.bytes[--page->line.length] = 0;
    page->lines = mem_grow(page->lines, &page->room, page->count + 1, sizeof(PageLine));
    page->lines[page->count++] =
        (PageLine){arena_strdup(page->arena, text_string(&page->line)), kind, page->sections};
    text_clear(&page->line);
}

void page_line(Page *page, LineKind kind, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    text_addv(&page->line, format, args);
    va_end(args);
    page_end_line(page, kind);
}

/* What of one section is shown. */
typedef struct Cut {
    size_t groups, shown;        /* LINE_GROUPs */
    size_t *rows;                /* [groups + 1]: rows[k] is what the first k of them take */
    size_t heads, tails;
    bool no_tails, hidden;       /* explanations are left out; the section is */
} Cut;

/* Lines of a section as it is cut, the line about the rest among them. */
static size_t cut_height(const Cut *cut)
{
    if (cut->hidden) return 0;
    return cut->heads + cut->rows[cut->shown] + (cut->no_tails ? 0 : cut->tails) +
           (cut->shown < cut->groups || (cut->no_tails && cut->tails));
}

/* Lines of the page, with the blank ones between sections. A hidden section costs its lines
 * nothing; that some are hidden costs two at the end. */
static size_t page_height(const Cut *cuts, unsigned sections)
{
    size_t height = 0;
    bool hidden = false;
    for (unsigned i = 0; i <= sections; i++) {
        height += cut_height(&cuts[i]) + (i > 0 && !cuts[i].hidden);
        hidden = hidden || cuts[i].hidden;
    }
    return height + (hidden ? 2 : 0);
}

/* Takes groups from the section that shows most of them, then explanations from the last. From
 * all groups two go at once: one of them makes room for the line "… and 2 more". */
static void shorten(Cut *cuts, unsigned sections, size_t limit)
{
    while (page_height(cuts, sections) > limit) {
        unsigned most = 0;
        for (unsigned i = 0; i <= sections; i++)
            if (cuts[i].shown >= cuts[most].shown) most = i;
        if (cuts[most].shown > 2) {
            cuts[most].shown = cuts[most].shown == cuts[most].groups ? cuts[most].shown - 2
                                                                     : cuts[most].shown - 1;
            continue;
        }
        unsigned last = sections;
        while (last && (cuts[last].no_tails || cuts[last].tails < 2)) last--;
        if (!last) break;
        cuts[last].no_tails = true;
    }
    while (page_height(cuts, sections) > limit) {
        unsigned last = sections;
        while (last && cuts[last].shown < 2) last--;
        if (!last) return;
        cuts[last].shown = 1;
    }
}

/* The last resort: whole sections, from the end, but for those that must be seen. Returns how
 * many. */
static size_t hide(Cut *cuts, unsigned sections, uint64_t must, size_t limit)
{
    size_t count = 0;
    for (unsigned i = sections; i > 1 && page_height(cuts, sections) > limit; i--) {
        if (i < 64 && must >> i & 1) continue;
        cuts[i].hidden = true;
        count++;
    }
    return count;
}

/* What was left out, and how to see it. */
static void add_rest(const Cut *cut, Text *out)
{
    size_t more = cut->groups - cut->shown;
    if (more)
        text_addf(out, "    … and %zu more group%s; -v shows all\n", more, more == 1 ? "" : "s");
    else if (cut->no_tails && cut->tails)
        text_add(out, "    … -v says what to do\n");
}

/* The lines of one section; tails between groups go with the groups before them. *at moves
 * behind them. */
static void write_section(const Page *page, size_t *at, unsigned section, const Cut *cut, Text *out)
{
    size_t groups = 0;
    bool told = false;
    for (; *at < page->count && page->lines[*at].section == section; ++*at) {
        const PageLine *line = &page->lines[*at];
        bool show = line->kind == LINE_HEAD || (line->kind == LINE_TAIL && !cut->no_tails) ||
                    (line->kind == LINE_GROUP && groups < cut->shown);
        groups += line->kind == LINE_GROUP;
        if (!show && !told) {
            add_rest(cut, out);
            told = true;
        }
        if (show) text_addf(out, "%s\n", line->text);
    }
}

/* Counts what every section holds, all of it shown. A line may hold a newline: it has two rows. */
static void count_lines(const Page *page, Cut *cuts)
{
    for (size_t i = 0; i < page->count; i++) {
        Cut *cut = &cuts[page->lines[i].section];
        cut->heads += page->lines[i].kind == LINE_HEAD;
        cut->tails += page->lines[i].kind == LINE_TAIL;
        cut->groups += page->lines[i].kind == LINE_GROUP;
    }
    for (unsigned i = 0; i <= page->sections; i++)
        cuts[i].rows = arena_alloc(page->arena, (cuts[i].groups + 1) * sizeof(size_t));
    for (size_t i = 0; i < page->count; i++) {
        Cut *cut = &cuts[page->lines[i].section];
        if (page->lines[i].kind != LINE_GROUP) continue;
        cut->rows[cut->shown + 1] = cut->rows[cut->shown] + 1 +
                                    (strchr(page->lines[i].text, '\n') != NULL);
        cut->shown++;
    }
}

/* Sections are cut first, then hidden; those that must be seen keep at least a line. */
void page_write(Page *page, bool everything, size_t spare, Text *out)
{
    Cut *cuts = mem_alloc((page->sections + 1) * sizeof *cuts);
    count_lines(page, cuts);
    size_t at = 0, hidden = 0;
    if (!everything) {
        shorten(cuts, page->sections, PAGE_LINES - spare);
        hidden = hide(cuts, page->sections, page->must, PAGE_LINES - spare);
    }
    for (unsigned i = 0; i <= page->sections; i++) {
        if (cuts[i].hidden) {
            while (at < page->count && page->lines[at].section == i) at++;
            continue;
        }
        if (i) text_addc(out, '\n');
        write_section(page, &at, i, &cuts[i], out);
    }
    if (hidden)
        text_addf(out, "\n  … and %zu more section%s; -v shows all\n", hidden,
                  hidden == 1 ? "" : "s");
    free(cuts);
    free(page->lines);
    text_done(&page->line);
}
