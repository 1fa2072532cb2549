/* Automatic alignment from outside: the steps, in their order. */
#include <stdlib.h>

#include "loader/align/auto_parts.h"

/* Whether a side has hardly any shapes: then they are compared on neither. */
static bool lacks_shapes(const AutoSide *side)
{
    size_t unknown = 0;
    for (size_t i = 0; i < side->count; i++) unknown += !side->tensors[i].dims;
    return unknown * 2 > side->count;
}

static void read_sides(Auto *a, const AutoSide *source, const AutoSide *target)
{
    const AutoSide *given[] = {source, target};
    bool shapeless = lacks_shapes(source) || lacks_shapes(target);
    a->words = words_new(a->arena, a->options->lexicon, a->options->no_lexicon);
    for (int s = 0; s < 2; s++)
        for (size_t i = 0; i < given[s]->count; i++)
            words_see_letter(a->words, given[s]->tensors[i].name);
    for (int s = 0; s < 2; s++) {
        Side *side = &a->side[s];
        side->arena = a->arena;
        side->is_source = s == 0;
        side->shapeless = shapeless;
        side_read(a, side, given[s]);
    }
    if (!shapeless) views_find(a);
    if (!shapeless) shapes_tell_width(a);
    for (int s = 0; s < 2; s++) {
        templates_make(a, &a->side[s]);
        side_see_order(a, &a->side[s]);
    }
}

const AutoResult *auto_align(Arena *arena, const AutoSide *source, const AutoSide *target,
                             const AutoOptions *options, Error *err)
{
    Auto a = {.arena = arena_new(), .out = arena, .options = options};
    read_sides(&a, source, target);
    known_take(&a);
    classes_make(&a);
    match_templates(&a);
    match_units(&a);
    check_rows(&a);
    check_crossed(&a);
    check_beside(&a);
    check_blocks(&a);
    check_numbers(&a);
    walk_units(&a);
    check_behind(&a);
    check_couples(&a);
    confirm_units(&a);
    check_heads(&a);
    check_stages(&a);
    AutoResult *result = result_make(&a);
    free(a.groups);
    free(a.renamed);
    free(a.unsettled);
    arena_free(a.arena);
    if (!a.stopped) return result;
    error_set(err, ERR_CANCELLED, "cancelled");
    return NULL;
}
