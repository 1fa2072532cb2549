/* The events of the documents of a file, or why one is refused, for oracle.py.
 *
 *   json_events FILE      FILE: u32 little-endian, as many bytes of JSON; and so on
 *
 * Each document ends with a line "fine" or "refused: WHY". The pieces get longer with each. */
#include <inttypes.h>
#include <stdlib.h>

#include "loader/core/little.h"
#include "tests/json/say.h"

int main(int count, char **arguments)
{
    FILE *file = count == 2 ? fopen(arguments[1], "rb") : NULL;
    if (!file) return 2;
    unsigned char length[4];
    for (size_t number = 0; fread(length, sizeof length, 1, file) == 1; number++) {
        size_t n = (size_t)little_read(length, sizeof length);
        char *document = mem_alloc(n + 1);
        if (n && fread(document, n, 1, file) != 1) return 2;
        Text said = {0};
        Error err = {0};
        bool fine = say_document(document, n, 1 + number % 37, false, &said, &err);
        printf("%s%s%s\n", text_string(&said), fine ? "fine" : "refused: ", err.text);
        text_done(&said);
        free(document);
    }
    return fclose(file) == 0 ? 0 : 2;
}
