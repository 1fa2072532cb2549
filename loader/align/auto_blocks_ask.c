/* The question about a row of blocks, and its answer: one block of one side and one of the other
 * say by how much the numbers of all of them differ. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "loader/align/auto_blocks.h"

/* A name as far as its number, and a number. */
static const char *block_text(const Auto *a, const Place *place, int64_t number)
{
    return arena_printf(a->out, "%.*s%" PRId64, (int)place->before, place->path, number);
}

/* "layer3.{0-4}" */
static const char *row_text(const Auto *a, const Moved *moved, int s)
{
    return arena_printf(a->out, "%.*s{%" PRId64 "-%" PRId64 "}", (int)moved->place[s].before,
                        moved->place[s].path, moved->low[s], moved->high[s]);
}

void blocks_hear(const Auto *a, Moved *moved)
{
    const AutoOptions *options = a->options;
    for (size_t i = 0; i < options->answer_count; i++) {
        const char *text[2] = {options->answers[i].source, options->answers[i].target};
        int64_t number[2];
        bool fits = true;
        for (int s = 0; s < 2 && fits; s++) {
            const Place *place = &moved->place[s];
            fits = text[s] && strncmp(text[s], place->path, place->before) == 0;
            if (!fits) break;
            const char *digits = text[s] + place->before;
            const size_t n = name_number(digits, digits + strlen(digits), &number[s]);
            fits = n && !digits[n];
        }
        if (!fits) continue;
        moved->answered = true;
        moved->number[0] = number[0];
        moved->number[1] = number[1];
    }
}

void blocks_ask(Auto *a, Moved *moved)
{
    AutoTie *tie = &a->asked[a->asked_count];
    const char **names = arena_alloc(a->out, 2 * sizeof *names);
    float *score = arena_alloc(a->out, sizeof *score);
    names[0] = row_text(a, moved, 0);
    names[1] = row_text(a, moved, 1);
    *score = 0.5f;
    *tie = (AutoTie){.sources = names, .source_count = 1, .targets = names + 1, .target_count = 1,
                     .scores = score, .tensors = moved->key_count, .key_count = moved->key_count};
    const char *block = block_text(a, &moved->place[0], moved->number[0]);
    tie->ask = arena_printf(a->out, "%s=?", block);
    tie->say = arena_printf(a->out, "%s=%s", block,
                            block_text(a, &moved->place[1], moved->number[1]));
    tie->keys = arena_copy(a->out, moved->keys, moved->key_count * sizeof *moved->keys);
    if (moved->key_count) a->asked_count++;
    free(moved->keys);
}
