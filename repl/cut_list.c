/* Names of one kind, dimension and shape are folded into a line, as in the report. */
#include "repl/cut_list.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loader/core/fold.h"
#include "loader/tensor/cut.h"

/* What was found. */
typedef struct Cuts {
    Cut *list;               /* [count] in the arena */
    size_t count;
    size_t ranks;            /* 0: these are no ranks of one model */
    const char *rank;        /* what the first is called */
    int64_t width;
} Cuts;

/* Formats whose parts are model-parallel ranks, each a container under its file's name. */
static Cuts find_cuts(const Checkpoint *checkpoint, Arena *arena)
{
    Cuts cuts = {0};
    const char *format = checkpoint_format(checkpoint);
    size_t n = checkpoint_file_count(checkpoint);
    bool ranks = strcmp(format, "meta") == 0 || strcmp(format, "megatron") == 0;
    if (!ranks || n < 2) return cuts;
    const StateDict **dicts = arena_alloc(arena, n * sizeof *dicts);
    for (size_t i = 0; i < n; i++) {
        const Container *one =
            checkpoint_find_container(checkpoint, checkpoint_file(checkpoint, i)->name);
        if (!one) return cuts;
        dicts[i] = one->dict;
    }
    cuts.count = cut_find(arena, dicts, n, &cuts.list, &cuts.width);
    cuts.ranks = n;
    cuts.rank = checkpoint_file(checkpoint, 0)->name;
    return cuts;
}

/* The shape as joined; false where it is not known. */
static bool join_shape(const Cut *cut, int64_t dims[TENSOR_RANK_MAX])
{
    if (cut->first->rank) memcpy(dims, cut->first->dims, cut->first->rank * sizeof *dims);
    if (cut->kind == CUT_DIM) dims[cut->dim] = cut->whole;
    return cut->kind == CUT_WHOLE || cut->kind == CUT_DIM;
}

/* "cat(1)   8×4 → 8×8" */
static void show_cut(const Cut *cut, Text *out)
{
    int64_t dims[TENSOR_RANK_MAX];
    switch (cut->kind) {
    case CUT_WHOLE: text_add(out, "whole    "); break;
    case CUT_DIM: text_addf(out, "cat(%u)%s  ", cut->dim, cut->sure ? " " : "?"); break;
    case CUT_UNKNOWN: text_add(out, "?        "); break;
    case CUT_NEVER: text_add(out, "differ   "); break;
    }
    show_shape(cut->first->dims, cut->first->rank, out);
    if (cut->kind != CUT_DIM || !join_shape(cut, dims)) return;
    text_add(out, " → ");
    show_shape(dims, cut->first->rank, out);
}

/* Characters, of which "×" and "→" have several bytes. */
static size_t columns(const char *text)
{
    size_t n = 0;
    for (; *text; text++) n += ((unsigned char)*text & 0xC0) != 0x80;
    return n;
}

/* Lines that are alike but for the names. */
static void print_lines(const Cuts *cuts, Arena *arena)
{
    const char **names = arena_alloc(arena, (cuts->count + 1) * sizeof *names);
    const char **kinds = arena_alloc(arena, (cuts->count + 1) * sizeof *kinds);
    uint32_t *classes = arena_alloc(arena, (cuts->count + 1) * sizeof *classes);
    NameMap known = {0};
    Text text = {0};
    for (size_t i = 0; i < cuts->count; i++) {
        text_clear(&text);
        show_cut(&cuts->list[i], &text);
        names[i] = cuts->list[i].first->name;
        kinds[i] = arena_strdup(arena, text_string(&text));
        classes[i] = map_get(&known, kinds[i]);
        if (classes[i] != MAP_NONE) continue;
        classes[i] = (uint32_t)i;
        map_set(&known, kinds[i], classes[i]);
    }
    Folded *folded;
    size_t lines = fold_names(arena, names, classes, cuts->count, &folded), widest = 0;
    for (size_t i = 0; i < cuts->count; i++)
        if (columns(kinds[i]) > widest) widest = columns(kinds[i]);
    for (size_t i = 0; i < lines; i++) {
        const char *kind = kinds[folded[i].members[0]];
        text_clear(&text);
        name_show(folded[i].text, &text);
        printf("  %s%*s%s\n", kind, (int)(widest - columns(kind)) + 3, "", text_string(&text));
    }
    text_done(&text);
    map_done(&known);
}

void cut_list_print(const Checkpoint *checkpoint, Arena *arena)
{
    const Cuts cuts = find_cuts(checkpoint, arena);
    if (!cuts.count) return;
    Text rank = {0};
    name_show(cuts.rank, &rank);
    printf("\nWhat the %zu ranks have, judged by shapes", cuts.ranks);
    if (cuts.width) printf(" (most vectors have %" PRId64 ", the width of the model)", cuts.width);
    puts(":");
    print_lines(&cuts, arena);
    printf("whole: take one, as %s.NAME -> NAME.  cat: join them, as %.*s{r:*}.NAME -> NAME "
           "|> cat(0).\n?: shapes do not decide it, values may (tenon ls --stats)\n",
           text_string(&rank), (int)strcspn(text_string(&rank), "0123456789"),
           text_string(&rank));
    text_done(&rank);
}

void cut_list_json(const Checkpoint *checkpoint, Arena *arena, JsonWriter *json)
{
    static const char *const kinds[] = {
        [CUT_WHOLE] = "whole", [CUT_DIM] = "cat", [CUT_UNKNOWN] = "unknown",
        [CUT_NEVER] = "differ"};
    const Cuts cuts = find_cuts(checkpoint, arena);
    if (!cuts.ranks) return;
    json_key(json, "cuts");
    json_list(json);
    for (size_t i = 0; i < cuts.count; i++) {
        const Cut *cut = &cuts.list[i];
        int64_t dims[TENSOR_RANK_MAX];
        bool joined = join_shape(cut, dims);
        json_map(json);
        json_put_text(json, "key", cut->first->name);
        json_put_text(json, "kind", kinds[cut->kind]);
        json_key(json, "dim");
        if (cut->kind == CUT_DIM) json_uint(json, cut->dim);
        else json_null(json);
        json_put_bool(json, "sure", cut->sure);
        json_put_shape(json, "shape", joined ? dims : NULL, cut->first->rank);
        json_end(json);
    }
    json_end(json);
}
