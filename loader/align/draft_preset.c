/* What presets need of a draft beyond the statements: to see a dict as Python would, to give all
 * keys new names at once, and to leave messages behind. */
#include <stdlib.h>
#include <string.h>

#include "loader/align/draft_parts.h"
#include "loader/format/graph.h"
#include "loader/align/load.h"

/* ---- assignments ---- */

/* One assignment of a key. A key that stays what it is has no step. */
static void assign_one(Edit *edit, const DraftKey *key, const Assign *one)
{
    const bool renamed = strcmp(one->name, key->name) != 0;
    if (!renamed && !one->expr) {
        edit_keep(edit, key);
        return;
    }
    DraftKey made = *key;
    made.name = one->name;
    if (one->expr && key->expr) made.expr = one->expr;
    made.step = step_new(edit->draft, edit->origin, edit->what, key->name, one->name, one->ops,
                         &key->step, 1);
    edit_add(edit, made, key->name);
}

bool draft_assign(Draft *draft, Origin origin, const char *what, const Assign *list, size_t n,
                  bool aside, const char *rest, Error *err)
{
    if (!draft_ready(draft, err)) return false;
    draft->changed = true;
    /* a list through the assignments for every key: first[key], then next[assignment] */
    size_t *first = mem_alloc((draft->count + n + 1) * sizeof *first), *next = first + draft->count;
    for (size_t i = n; i--;) {
        next[i] = first[list[i].key];
        first[list[i].key] = i + 1;
    }
    Edit edit;
    edit_begin(&edit, draft, origin, what);
    for (size_t i = 0; i < draft->count; i++) {
        const DraftKey *key = &draft->keys[i];
        for (size_t k = first[i]; k; k = next[k - 1]) assign_one(&edit, key, &list[k - 1]);
        if (first[i]) continue;
        if (aside) edit_set_aside(&edit, key, origin, rest ? rest : what);
        else edit_drop(&edit, key, origin, rest ? rest : what);
    }
    edit_finish(&edit);
    free(first);
    return true;
}

/* ---- a dict as Python would see it ---- */

/* The present keys as entries. */
static size_t list_keys(Draft *draft, LoadItem **items)
{
    static const int64_t none[1];
    *items = arena_alloc(draft->arena, (draft->count + 1) * sizeof **items);
    for (size_t i = 0; i < draft->count; i++) {
        const DraftKey *key = &draft->keys[i];
        const Expr *expr = key_value(key);
        (*items)[i] = (LoadItem){.name = key->name};
        if (!expr || expr->unknown) continue;
        (*items)[i].dims = expr->rank ? expr->dims : none;
        (*items)[i].rank = expr->rank;
    }
    return draft->count;
}

const Object *draft_root(Draft *draft)
{
    return path_find(checkpoint_root(draft->source), draft->inside ? draft->inside : "");
}

/* Goes down; the node and path it came to. */
static const Object *go_down(Draft *draft, const char *const *names, size_t n, const char **path)
{
    const Object *at = draft_root(draft);
    *path = draft->inside ? draft->inside : "";
    for (size_t i = 0; i < n && at; i++) {
        const Object *below = object_get(at, names[i]);
        if (!below) continue;
        at = below;
        *path = **path ? arena_printf(draft->arena, "%s.%s", *path, names[i])
                       : arena_strdup(draft->arena, names[i]);
    }
    return at;
}

/* Whether the container is made of dicts below the node, keys joined by dots: Python sees the
 * dicts. Trees that do not hold the tensors at all are another matter. */
static bool is_joined(const StateDict *dict, const Object *node)
{
    const Object *items = object_as_dict(node);
    if (load_is_flat(dict, node)) return false;
    for (size_t i = 0; i + 1 < items->list.count; i += 2)
        if (object_as_dict(items->list.items[i + 1])) return true;
    return false;
}

bool draft_open(Draft *draft, const char *const *names, size_t n, LoadItem **items,
                size_t *count, const char **path, Error *err)
{
    const Object *node = NULL;
    *path = "";
    if (!names && !draft_ready(draft, err)) return false;
    if (!names && !draft->changed) {
        node = draft->container->node;
        *path = draft->container->path;
    } else if (names && !draft->changed && !draft->path && !draft->container) {
        node = go_down(draft, names, n, path);
    }
    const Container *there = object_as_dict(node)
                                 ? checkpoint_find_container(draft->source, *path) : NULL;
    if (there && is_joined(there->dict, node)) there = NULL;
    if (there && names) draft->path = *path;
    if (!draft_ready(draft, err)) return false;
    if (object_as_dict(node)) {
        StateDict *empty = dict_new();
        *count = load_items_of_dict(draft->arena, there ? there->dict : empty, node, items);
        dict_unref(empty);
        return true;
    }
    *path = draft->container->path;
    *count = list_keys(draft, items);
    return true;
}

/* ---- messages ---- */

void draft_say(Draft *draft, const char *system, const char *text)
{
    draft->sayings = mem_grow(draft->sayings, &draft->saying_room, draft->saying_count + 1,
                              sizeof *draft->sayings);
    draft->sayings[draft->saying_count++] =
        (Saying){arena_strdup(draft->arena, system), arena_strdup(draft->arena, text)};
}

size_t draft_saying_count(const Draft *draft)
{
    return draft->saying_count;
}

const Saying *draft_saying(const Draft *draft, size_t index)
{
    return &draft->sayings[index];
}

void draft_set_saved_name(Draft *draft, const char *name)
{
    draft->saved_name = arena_strdup(draft->arena, name);
}

const char *draft_saved_name(const Draft *draft)
{
    return draft->saved_name;
}

void draft_differs(Draft *draft, Origin origin, const char *text)
{
    draft_note(draft, NOTE_ERROR, origin, "%s", text);
    draft->notes[draft->note_count - 1].differs = true;
}
