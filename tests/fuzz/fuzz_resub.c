/* A line each for pattern, replacement and name: Regex says what is wrong, or makes a name that is
 * no longer than it promises, within its limits. */
#include <stdlib.h>
#include <string.h>

#include "loader/align/pattern.h"
#include "loader/align/regex.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = mem_alloc(size + 1), *rest = text;
    memcpy(text, data, size);
    const char *lines[3] = {"", "", ""};
    for (size_t i = 0; i < 3 && rest; i++) lines[i] = strsep(&rest, "\n");
    Error err = {0};
    Regex *regex = regex_new(lines[0], lines[1], &err);
    if (!regex && !*err.text) abort();
    Text out = {0};
    bool changed;
    if (regex && strlen(lines[2]) < 200 &&
        regex_replace(regex, lines[2], 0, &out, &changed, &err) &&
        out.length > RULE_NAME_MAX + strlen(lines[2]))
        abort();
    text_done(&out);
    regex_free(regex);
    free(text);
    return 0;
}
