/* Meta: entries beside the tensors; see meta.h. */
#include "loader/export/meta.h"

#include <inttypes.h>
#include <string.h>

#include "loader/export/whole_parts.h"

bool meta_text(const Object *object, Text *out)
{
    char number[32];
    uint64_t wide;
    switch ((ObjectKind)object->kind) {
    case OBJ_NONE: text_add(out, "None"); return true;
    case OBJ_BOOL: text_add(out, object->boolean ? "True" : "False"); return true;
    case OBJ_INT: text_addf(out, "%" PRId64, object->integer); return true;
    case OBJ_STR: text_add(out, object->bytes.text); return true;
    case OBJ_FLOAT:
        show_float(object->number, number);
        text_add(out, number);
        return true;
    case OBJ_BIGINT:
        if (!object_as_uint(object, &wide)) return false;
        text_addf(out, "%" PRIu64, wide);
        return true;
    default: return false;
    }
}

/* The values are the source's own, or the draft's: the writer only reads them. */
static void put(Arena *arena, Object *dict, const char *key, const Object *value)
{
    for (size_t i = 0; i + 1 < dict->list.count; i += 2) {
        const Object *known = dict->list.items[i];
        if (known->kind != OBJ_STR || strcmp(known->bytes.text, key) != 0) continue;
        dict->list.items[i + 1] = (Object *)value;
        return;
    }
    object_push(arena, dict, object_str(arena, key));
    object_push(arena, dict, (Object *)value);
}

static void put_all(Arena *arena, const Later *later, Object *dict)
{
    for (size_t i = 0; i < later->meta_count; i++)
        put(arena, dict, later->metas[i].key, later->metas[i].object);
}

/* A new top with the state dict under a key of its own. */
static Object *nest(Arena *arena, const Later *later, Object *state_dict, const char *key)
{
    Object *root = object_new(arena, OBJ_DICT);
    put(arena, root, key, state_dict);
    put_all(arena, later, root);
    return root;
}

const Whole *meta_tree(Arena *arena, const Later *later, const char *key)
{
    Whole *whole = arena_alloc(arena, sizeof *whole);
    WholePart slot = {0};
    whole_part_slot(arena, &slot, NULL);
    whole->slot = slot.to;
    whole->root = nest(arena, later, slot.to, key ? key : "state_dict");
    return whole;
}

bool meta_add(Arena *arena, const Later *later, Whole *whole, Error *err)
{
    if (!later->meta_count) return true;
    Object *dict = (Object *)object_as_dict(whole->root);
    if (whole->root == whole->slot) whole->root = nest(arena, later, whole->slot, "state_dict");
    else if (dict) put_all(arena, later, dict);
    else
        return error_set(err, ERR_RULE, "meta: what --whole carries is no dict, so nothing can be "
                         "put into it");
    return true;
}
