/* Any bytes as a rule file with a test in its head: the head is read, and its cases are run over
 * rules that do nothing. What is wrong is said with a place. */
#include <stdlib.h>
#include <string.h>

#include "scripting/pack.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Arena *arena = arena_new();
    PackHead head;
    Error err = {0};
    bool good = pack_read(arena, (const char *)data, size, "f.lua", &head, &err);
    for (size_t i = 0; good && i < head.count && i < 2; i++)
        good = pack_test(&head, &head.cases[i], "", 0, "f.lua", NULL, &err);
    if (!good && strncmp(err.text, "f.lua:", 6) != 0) abort();
    arena_free(arena);
    return 0;
}
