/* LineReader: a line typed on a terminal, outside the viewer: keys, history and completion of
 * libedit, which stays behind this file. */
#ifndef REPL_LINE_READER_H
#define REPL_LINE_READER_H

#include "loader/core/text.h"

typedef enum LineResult {
    LINE_READ,                   /* there is one */
    LINE_END,                    /* Ctrl-D on an empty line, or the terminal is gone */
    LINE_INTERRUPTED             /* a signal came; what was typed is thrown away */
} LineResult;

typedef struct LineReaderOptions {
    /* As complete_at: what becomes of the word, and what is shown. */
    size_t (*complete)(void *context, const char *text, size_t cursor, Text *word, Text *choices);
    void *context;
} LineReaderOptions;

typedef struct LineReader LineReader;

/* NULL when the terminal cannot be used so. */
LineReader *line_reader_new(const LineReaderOptions *options);
void line_reader_free(LineReader *reader);       /* NULL is fine */
/* The line, without its newline, in place of what `line` holds. */
LineResult line_reader_read(LineReader *reader, const char *prompt, Text *line);
/* An entry that the arrows bring back; it may have several lines. */
void line_reader_remember(LineReader *reader, const char *entry);

#endif
