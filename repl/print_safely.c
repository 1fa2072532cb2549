#include "repl/print_safely.h"

#include <unistd.h>

#include "loader/core/text.h"

/* Lines and tabs stay; what is between them is shown as a name is. */
static void print_escaped(FILE *stream, const char *bytes, size_t n)
{
    Text piece = {0}, shown = {0};
    for (size_t i = 0, from = 0; i <= n; i++) {
        if (i < n && bytes[i] && bytes[i] != '\n' && bytes[i] != '\t') continue;
        text_clear(&piece);
        text_clear(&shown);
        text_addn(&piece, bytes + from, i - from);
        name_show(text_string(&piece), &shown);
        fwrite(text_string(&shown), 1, shown.length, stream);
        if (i < n && bytes[i]) fputc(bytes[i], stream);
        else if (i < n) fputs("\\x00", stream);
        from = i + 1;
    }
    text_done(&piece);
    text_done(&shown);
}

void print_safely(FILE *stream, const char *bytes, size_t n)
{
    if (isatty(fileno(stream))) print_escaped(stream, bytes, n);
    else fwrite(bytes, 1, n, stream);
}
