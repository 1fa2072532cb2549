/* Marks and keys taken apart. */
#include <stdlib.h>
#include <string.h>

#include "loader/align/induce_marks_parts.h"

/* ---- keys ---- */

static uint32_t find_kind(Marker *marker, const FamilyName *family)
{
    uint32_t at = map_get(&marker->kind_index, text_string(&family->text));
    if (at != MAP_NONE) return at;
    marker->kinds = mem_grow(marker->kinds, &marker->kind_room, marker->kind_count + 1,
                             sizeof *marker->kinds);
    Kind *kind = &marker->kinds[marker->kind_count];
    *kind = (Kind){.text = arena_strdup(marker->scratch, text_string(&family->text)),
                   .length = family->text.length, .columns = (unsigned)family->count};
    map_set(&marker->kind_index, kind->text, (uint32_t)marker->kind_count);
    return (uint32_t)marker->kind_count++;
}

/* A name that holds the mark's byte is of no kind: nothing goes on from it. */
static void read_key(Marker *marker, uint32_t index, FamilyName *family)
{
    const char *name = marker->input->keys[index].name;
    map_set(&marker->keys, name, index);
    marker->kind_of[index] = NONE;
    if (strchr(name, FAMILY_MARK)) return;
    family_split(name, family);
    uint32_t at = marker->kind_of[index] = find_kind(marker, family);
    memcpy(marker->numbers[index], family->numbers, family->count * sizeof *family->numbers);
    Kind *kind = &marker->kinds[at];
    kind->keys = mem_grow(kind->keys, &kind->room, kind->count + 1, sizeof *kind->keys);
    kind->keys[kind->count++] = index;
}

/* ---- marks ---- */

/* Whether everything that a mark names is there. */
static bool check_mark(const Marker *marker, const Bundle *mark, Error *err)
{
    Text shown = {0};
    bool good = mark->source_count && mark->target_count;
    if (!good) error_set(err, ERR_NOT_FOUND, "a mark has a source and a target");
    for (size_t i = 0; good && i < mark->source_count; i++)
        for (size_t j = 0; good && j < mark->sources[i].count; j++) {
            if (map_get(&marker->keys, mark->sources[i].names[j]) != MAP_NONE) continue;
            name_show(mark->sources[i].names[j], &shown);
            good = error_set(err, ERR_NOT_FOUND, "the source has no key '%.300s'",
                             text_string(&shown));
        }
    for (size_t i = 0; good && i < mark->target_count; i++) {
        if (map_get(&marker->targets, mark->targets[i]) != MAP_NONE) continue;
        name_show(mark->targets[i], &shown);
        good = error_set(err, ERR_NOT_FOUND, "the target has no key '%.300s'",
                         text_string(&shown));
    }
    text_done(&shown);
    return good;
}

/* Whether a mark can go on: a key a list, no more names than there is room for. */
static bool is_plain(const Marker *marker, const Bundle *mark)
{
    if (mark->source_count - 1 + mark->target_count > SIDES_MAX) return false;
    for (size_t i = 0; i < mark->source_count; i++)
        if (mark->sources[i].count != 1) return false;
    for (size_t i = 0; i < mark->target_count; i++)
        if (strchr(mark->targets[i], FAMILY_MARK)) return false;
    for (size_t i = 0; i < mark->source_count; i++)
        if (marker->kind_of[map_get(&marker->keys, mark->sources[i].names[0])] == NONE)
            return false;
    return true;
}

static const char *side_name(const Bundle *mark, size_t side)
{
    size_t others = mark->source_count - 1;
    return side < others ? mark->sources[side + 1].names[0] : mark->targets[side - others];
}

/* What makes two marks one build; their numbers on the way. False: too many of them. */
static bool write_build(const Bundle *mark, FamilyName *family, Text *out,
                        int64_t numbers[NUMBERS_MAX])
{
    size_t count = 0;
    text_clear(out);
    family_split(mark->sources[0].names[0], family);
    text_add(out, text_string(&family->text));
    for (size_t i = 0; i < mark->source_count - 1 + mark->target_count; i++) {
        family_split(side_name(mark, i), family);
        text_addf(out, "\n%d%s", i < mark->source_count - 1, text_string(&family->text));
        if (count + family->count > NUMBERS_MAX) return false;
        for (size_t j = 0; j < family->count; j++) numbers[count++] = family->numbers[j];
    }
    for (size_t i = 0; i < mark->op_count; i++) {
        text_addc(out, '\n');
        op_write(&mark->ops[i], out);
    }
    return true;
}

static void read_sides(Marker *marker, Sketch *sketch, FamilyName *family)
{
    const Bundle *mark = sketch->mark;
    sketch->source_count = mark->source_count - 1;
    sketch->side_count = sketch->source_count + mark->target_count;
    for (size_t i = 0; i < sketch->side_count; i++) {
        family_split(side_name(mark, i), family);
        sketch->sides[i] = (Side){arena_strdup(marker->scratch, text_string(&family->text)),
                                  (unsigned)family->count, i >= sketch->source_count};
        sketch->number_count += family->count;
    }
}

/* What a mark says of its keys and targets stands, whatever follows from others. */
static void note_mark(Marker *marker, const Bundle *mark)
{
    for (size_t i = 0; i < mark->target_count; i++)
        marker->target_marked[map_get(&marker->targets, mark->targets[i])] = true;
    for (size_t i = 0; i < mark->source_count && !mark->op_count; i++)
        for (size_t k = 0; k < mark->sources[i].count; k++)
            marker->key_marked[map_get(&marker->keys, mark->sources[i].names[k])] = true;
}

static void read_mark(Marker *marker, const Bundle *mark, FamilyName *family)
{
    note_mark(marker, mark);
    int64_t numbers[NUMBERS_MAX];
    Text build = {0};
    bool plain = is_plain(marker, mark) && write_build(mark, family, &build, numbers);
    uint32_t at = plain ? map_get(&marker->sketch_index, text_string(&build)) : MAP_NONE;
    uint32_t key = map_get(&marker->keys, mark->sources[0].names[0]);
    if (plain && at == MAP_NONE) {
        at = (uint32_t)marker->sketch_count;
        marker->sketches = mem_grow(marker->sketches, &marker->sketch_room, at + 1,
                                    sizeof *marker->sketches);
        marker->sketches[at] = (Sketch){.mark = mark, .kind = marker->kind_of[key]};
        read_sides(marker, &marker->sketches[at], family);
        map_set(&marker->sketch_index, arena_strdup(marker->scratch, text_string(&build)), at);
        marker->sketch_count++;
    }
    text_done(&build);
    if (!plain) return;
    Sketch *sketch = &marker->sketches[at];
    size_t room = sketch->room;
    sketch->keys = mem_grow(sketch->keys, &sketch->room, sketch->count + 1, sizeof *sketch->keys);
    sketch->numbers = mem_grow(sketch->numbers, &room, sketch->count + 1,
                               sizeof *sketch->numbers);
    memcpy(sketch->numbers[sketch->count], numbers, sizeof numbers);
    sketch->keys[sketch->count++] = key;
}

/* ---- the whole ---- */

bool marks_read(Marker *marker, Error *err)
{
    const MarkInput *input = marker->input;
    FamilyName family = {0};
    marker->kind_of = mem_alloc((input->key_count + 1) * sizeof *marker->kind_of);
    marker->numbers = mem_alloc((input->key_count + 1) * sizeof *marker->numbers);
    marker->key_used = mem_alloc(input->key_count + 1);
    marker->target_used = mem_alloc(input->target_count + 1);
    marker->key_marked = mem_alloc(input->key_count + 1);
    marker->target_marked = mem_alloc(input->target_count + 1);
    marker->reached = mem_alloc((input->target_count + 1) * sizeof *marker->reached);
    marker->key_reached = mem_alloc((input->key_count + 1) * sizeof *marker->key_reached);
    marker->dict = dict_new();
    for (uint32_t i = 0; i < input->key_count; i++) read_key(marker, i, &family);
    for (uint32_t i = 0; i < input->target_count; i++) {
        const AutoTensor *target = &input->targets[i];
        map_set(&marker->targets, target->name, i);
        dict_add(marker->dict, &(Tensor){.name = target->name, .dtype = target->dtype,
                                         .dims = target->dims, .rank = target->rank});
    }
    bool good = true;
    for (size_t i = 0; good && i < input->mark_count; i++)
        good = check_mark(marker, &input->marks[i], err);
    for (size_t i = 0; good && i < input->mark_count; i++)
        read_mark(marker, &input->marks[i], &family);
    family_done(&family);
    return good;
}

void marks_done(Marker *marker)
{
    for (size_t i = 0; i < marker->kind_count; i++) free(marker->kinds[i].keys);
    for (size_t i = 0; i < marker->sketch_count; i++) {
        free(marker->sketches[i].keys);
        free(marker->sketches[i].numbers);
    }
    map_done(&marker->keys);
    map_done(&marker->targets);
    map_done(&marker->kind_index);
    map_done(&marker->sketch_index);
    free(marker->kinds);
    free(marker->kind_of);
    free(marker->numbers);
    free(marker->sketches);
    free(marker->key_used);
    free(marker->key_marked);
    free(marker->target_marked);
    free(marker->target_used);
    free(marker->reached);
    free(marker->key_reached);
    free(marker->bundles);
    dict_unref(marker->dict);
    text_done(&marker->name);
}
