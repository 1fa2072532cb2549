#include "repl/print_safely.h"

#include <stdbool.h>
#include <unistd.h>

/* C1 controls are two bytes in UTF-8: C2 80 … C2 9F. */
void print_safely(FILE *stream, const char *bytes, size_t n)
{
    const bool terminal = isatty(fileno(stream));
    for (size_t i = 0; i < n; i++) {
        const unsigned char c = (unsigned char)bytes[i];
        const unsigned char next = i + 1 < n ? (unsigned char)bytes[i + 1] : 0;
        const bool c1 = c == 0xC2 && next >= 0x80 && next < 0xA0;
        const bool control = (c < ' ' && c != '\n' && c != '\t') || c == 0x7F;
        if (terminal && c1) fprintf(stream, "\\x%02x", (unsigned char)bytes[++i]);
        else if (terminal && control) fprintf(stream, "\\x%02x", c);
        else fputc(c, stream);
    }
}
