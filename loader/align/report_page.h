/* A report as lines in sections, so that it can be cut to a length and say what it left out. */
#ifndef LOADER_ALIGN_REPORT_PAGE_H
#define LOADER_ALIGN_REPORT_PAGE_H

#include "loader/core/memory.h"
#include "loader/core/text.h"

enum { PAGE_LINES = 20 };        /* without -v */

typedef enum LineKind {
    LINE_HEAD,                   /* always printed */
    LINE_GROUP,                  /* one of many alike: the last ones may be left out */
    LINE_TAIL                    /* explains the groups before it */
} LineKind;

typedef struct PageLine {
    const char *text;            /* in the page's arena, without the newline; a group's may hold
                                    one where it is too long */
    LineKind kind;               /* whether it may be left out */
    unsigned section;            /* from 0: what stands before the first page_section */
} PageLine;

typedef struct Page {
    Arena *arena;
    PageLine *lines;             /* owned */
    size_t count, room;
    unsigned sections;
    uint64_t must;               /* a bit for each section that is never left out */
    Text line;                   /* the line that is being made */
} Page;

/* What follows stands apart; `must`: it is shown however long the report is. */
void page_section(Page *page, bool must);
/* Columns of a line that is being made in page->line: pads with blanks up to a column (counted
 * from 0, in characters), two at least. */
void page_pad(Page *page, size_t column);
void page_end_line(Page *page, LineKind kind);       /* the line is done; the next begins */
void page_line(Page *page, LineKind kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Writes everything, or so many lines (`spare` of the limit are needed for what the caller puts
 * below), and frees the lines. */
void page_write(Page *page, bool everything, size_t spare, Text *out);
/* Characters that a name takes on a terminal, roughly: UTF-8 sequences. */
size_t show_width(const char *text);

#endif
