#include "repl/fault.h"

#include <stdlib.h>
#include <string.h>

#include "loader/source/file_text.h"
#include "loader/source/url.h"

enum { FILE_MAX = 16 << 20, SHOWN_MAX = 160 };   /* bytes of a rules file; of a line on show */

/* "NAME:LINE: WHAT". Names may hold colons: the first that a number follows ends it. */
static bool split_place(const char *text, Text *name, unsigned long *line, const char **what)
{
    for (const char *colon = strchr(text, ':'); colon; colon = strchr(colon + 1, ':')) {
        char *end;
        if (!is_digit(colon[1])) continue;
        *line = strtoul(colon + 1, &end, 10);
        if (end[0] != ':' || end[1] != ' ') continue;
        text_addn(name, text, (size_t)(colon - text));
        *what = end + 2;
        return *line > 0;
    }
    return false;
}

/* The start of the line of that number; NULL: there is none. */
static const char *find_line(const char *text, unsigned long line)
{
    while (text && --line) {
        text = strchr(text, '\n');
        if (text) text++;
    }
    return text && *text ? text : NULL;
}

static void add_line(const char *text, unsigned long line, Text *out)
{
    const char *start = find_line(text, line);
    if (!start) return;
    Text typed = {0}, whole = {0};
    text_addn(&typed, start, strcspn(start, "\r\n"));
    url_hide(text_string(&typed), &whole);
    for (size_t i = 0; i < whole.length; i++)
        if (whole.bytes[i] == '\t') whole.bytes[i] = ' ';
    text_addf(out, "%4lu | ", line);
    show_short(text_string(&whole), SHOWN_MAX, out);
    text_addc(out, '\n');
    text_done(&typed);
    text_done(&whole);
}

static char *read_file(const char *name)
{
    size_t n;
    return *name ? file_text(name, FILE_MAX, &n, NULL) : NULL;
}

/* An input of one line is right above. */
void fault_show(const Error *err, const char *name, const char *text, Text *out)
{
    Text place = {0}, message = {0}, plain = {0};
    unsigned long line = 0;
    const char *what = err->text;
    const bool placed = split_place(err->text, &place, &line, &what);
    const bool typed = placed && *text_string(&place) == ':';
    url_hide(typed ? what : err->text, &plain);
    name_show(text_string(&plain), &message);
    text_addf(out, "%s\n", text_string(&message));
    if (typed || (placed && name && strcmp(text_string(&place), name) == 0)) {
        if (!typed || (text && strchr(text, '\n'))) add_line(text, line, out);
    } else if (placed) {
        char *read = read_file(text_string(&place));
        if (read) add_line(read, line, out);
        free(read);
    }
    text_done(&place);
    text_done(&plain);
    text_done(&message);
}
