/* Any bytes as JSON, whole and in pieces of every small length: the same events at the same places, and
 * the same error, wherever the pieces are cut. */
#include <stdlib.h>
#include <string.h>

#include "tests/json/say.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *bytes = (const char *)data;
    Text whole = {0}, pieces = {0};
    Error first = {0}, second = {0};
    bool fine = say_document(bytes, size, size + 1, true, &whole, &first);
    if (fine != (first.code == ERR_NONE)) abort();
    for (size_t step = 1; step < 12; step += 1 + step / 3) {
        text_clear(&pieces);
        second = (Error){0};
        if (say_document(bytes, size, step, true, &pieces, &second) != fine) abort();
        if (strcmp(text_string(&whole), text_string(&pieces)) != 0) abort();
        if (strcmp(first.text, second.text) != 0) abort();
    }
    text_done(&whole);
    text_done(&pieces);
    return 0;
}
