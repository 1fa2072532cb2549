/* Several files as one source: `source("c.00.pth", "c.01.pth")`. The weights of the i-th stand
 * under names "i:NAME", so that rules can gather or join them; nothing is merged by itself. */
#include <string.h>

#include "loader/format/fault.h"
#include "loader/format/parts.h"

/* One file's weights, under its number. */
static bool add_file(Parts *parts, Checkpoint *whole, size_t number, Checkpoint *checkpoint,
                     Error *err)
{
    Part part;
    size_t rivals = 0;
    part_init(&part, checkpoint);
    part_name(&part, whole, path_base(checkpoint_path(checkpoint)));
    const Container *weights = checkpoint_choose_weights(checkpoint, &rivals, err);
    bool good = weights != NULL;
    if (good && rivals)
        good = fault_file(err, ERR_USAGE, checkpoint_path(checkpoint),
                          "several dicts in it could be meant; name one, as FILE::PATH");
    for (size_t i = 0; good && i < dict_count(weights->dict); i++) {
        Tensor tensor = part_tensor(parts, &part, dict_at(weights->dict, i),
                                    checkpoint_arena(whole));
        tensor.name = arena_printf(checkpoint_arena(whole), "%zu:%s", number, tensor.name);
        dict_add(parts->joined, &tensor);
    }
    if (good && !dict_is_ordered(weights->dict)) dict_set_ordered(parts->joined, false);
    if (good) {
        part_findings(&part, path_base(checkpoint_path(checkpoint)), whole);
        checkpoint_set_file_bytes(whole, checkpoint_file_bytes(whole) +
                                             checkpoint_file_bytes(checkpoint));
        part_keep(&part, whole);
    }
    part_done(&part);
    return good;
}

/* The part of FILE::PATH, as the only container of what is opened; without PATH all of it. */
static Checkpoint *open_part(Arena *arena, const char *spec, Error *err)
{
    const char *file, *inside;
    checkpoint_spec(arena, spec, &file, &inside);
    Checkpoint *checkpoint = checkpoint_open(file, err);
    if (!checkpoint || !inside) return checkpoint;
    const Container *container = checkpoint_find_container(checkpoint, inside);
    Checkpoint *part = NULL;
    if (container) {
        part = checkpoint_new(file, checkpoint_format(checkpoint));
        checkpoint_add_container(part, "", dict_ref(container->dict), 0, false);
        checkpoint_set_file_bytes(part, checkpoint_file_bytes(checkpoint));
        checkpoint_keep(part, checkpoint_ref(checkpoint), "");
    } else {
        fault_file(err, ERR_NOT_FOUND, file, "no dict of tensors at '%s'; tenon ls --all shows "
                   "what it holds", inside);
    }
    checkpoint_unref(checkpoint);
    return part;
}

Checkpoint *checkpoint_open_several(const char *const *specs, size_t n, Error *err)
{
    Arena *arena = arena_new();
    Checkpoint *whole = NULL;
    Parts parts = {.joined = dict_new()};
    bool good = true;
    for (size_t i = 0; good && i < n; i++) {
        Checkpoint *one = open_part(arena, specs[i], err);
        if (one && !whole) whole = checkpoint_new(checkpoint_path(one), checkpoint_format(one));
        good = one && add_file(&parts, whole, i, one, err);
    }
    if (good && dict_count(parts.joined) > limit(LIMIT_TENSORS))
        good = fault_file(err, ERR_LIMIT, specs[0], "the files hold too many tensors");
    if (good) {
        parts_finish(&parts, whole);
        checkpoint_set_specs(whole, specs, n);
    } else {
        dict_unref(parts.joined);
        checkpoint_unref(whole);
    }
    arena_free(arena);
    return good ? whole : NULL;
}
