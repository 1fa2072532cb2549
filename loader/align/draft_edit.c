/* One statement's changes to a Draft, and the collisions they may end in.
 *
 * `strip "module."` over {module.a.w, a.w}: both are a.w now. The first of them stays, stands for
 * the collision {name a.w, sources module.a.w and a.w}, and the statement goes on. */
#include <stdlib.h>
#include <string.h>

#include "loader/align/draft_parts.h"

const Step *step_new(Draft *draft, Origin origin, const char *what, const char *from,
                     const char *to, const char *ops, const Step *const *before, size_t n)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++) count += before[i] != NULL;
    Step *step = arena_alloc(draft->arena, sizeof *step + count * sizeof *before);
    *step = (Step){.origin = origin, .what = what, .from = from, .to = to, .ops = ops};
    for (size_t i = 0; i < n; i++)
        if (before[i]) step->before[step->before_count++] = before[i];
    return step;
}

const char *join_names(Draft *draft, const char *const *names, size_t n)
{
    enum { SHOWN = 4 };
    if (n == 1) return names[0];
    Text out = {0};
    for (size_t i = 0; i < n && (n <= SHOWN || i < 1); i++)
        text_addf(&out, "%s%s", i ? ", " : "", names[i]);
    if (n > SHOWN) text_addf(&out, ", … (%zu keys)", n);
    return text_keep(&out, draft->arena);
}

void edit_begin(Edit *edit, Draft *draft, Origin origin, const char *what)
{
    *edit = (Edit){.draft = draft, .origin = origin, .what = what};
    edit->keys = mem_grow(NULL, &edit->room, draft->count + 1, sizeof *edit->keys);
}

/* Keys, steps and names that were made lie in the arena and stay there, unused. */
void edit_abandon(Edit *edit)
{
    free(edit->keys);
    free(edit->drops);
}

/* Keys stand in the order in which they are added. */
static void push(Edit *edit, DraftKey key, const char *from)
{
    edit->keys = mem_grow(edit->keys, &edit->room, edit->count + 1, sizeof *edit->keys);
    edit->keys[edit->count++] = (EditKey){key, from};
}

/* Without a step: a history holds changes alone. */
void edit_keep(Edit *edit, const DraftKey *key)
{
    push(edit, *key, key->name);
}

void edit_add(Edit *edit, DraftKey key, const char *from)
{
    push(edit, key, from);
    edit->changed = true;
}

void edit_rename(Edit *edit, const DraftKey *key, const char *to)
{
    DraftKey renamed = *key;
    renamed.name = to;
    renamed.step =
        step_new(edit->draft, edit->origin, edit->what, key->name, to, NULL, &key->step, 1);
    edit_add(edit, renamed, key->name);
}

/* The tensors behind the key are marked by edit_finish, when the statement is sure to succeed. */
void edit_drop(Edit *edit, const DraftKey *key, Origin origin, const char *what)
{
    edit->drops =
        mem_grow(edit->drops, &edit->drop_room, edit->drop_count + 1, sizeof *edit->drops);
    const Step *step = step_new(edit->draft, origin, what, key->name, NULL, NULL, &key->step, 1);
    edit->drops[edit->drop_count++] = (EditDrop){*key, step};
    edit->changed = true;
}

void edit_set_aside(Edit *edit, const DraftKey *key, Origin origin, const char *what)
{
    edit_drop(edit, key, origin, what);
    const Step *drop = edit->drops[edit->drop_count - 1].step;
    Step *step = arena_copy(edit->draft->arena, drop,
                            sizeof *step + drop->before_count * sizeof *step->before);
    step->aside = true;
    edit->drops[edit->drop_count - 1].step = step;
}

/* ---- drops ---- */

/* Walks source tensors, those of the container alone. */
typedef struct Leaves {
    Draft *draft;
    const Step *step;            /* the one that drops them */
    const Tensor **tensors;      /* growing; or where they are collected */
    size_t count, room;
} Leaves;

/* Leaves may be the target's own tensors: those have no place in the ledger of sources. */
static bool is_ours(const Draft *draft, const Tensor *tensor)
{
    return dict_find(draft->container->dict, tensor->name) == tensor;
}

static void mark_dropped(const Tensor *tensor, void *context)
{
    Leaves *leaves = context;
    if (!is_ours(leaves->draft, tensor)) return;
    leaves->draft->dropped[dict_index(leaves->draft->container->dict, tensor)] = leaves->step;
}

/* The step becomes the newest that dropped them. */
static void drop_tensors(Draft *draft, const Tensor *const *tensors, size_t n, const Step *step)
{
    Leaves leaves = {.draft = draft, .step = step};
    for (size_t i = 0; i < n; i++) mark_dropped(tensors[i], &leaves);
}

/* Every tensor behind the key counts as dropped, of a collision all that met. */
static void carry_out_drop(Draft *draft, const EditDrop *drop)
{
    Leaves leaves = {.draft = draft, .step = drop->step};
    if (drop->key.expr) {
        expr_leaves(drop->key.expr, mark_dropped, &leaves);
    } else if (drop->key.collision) {
        const Collision *collision = &draft->collisions[drop->key.collision - 1];
        drop_tensors(draft, collision->tensors, collision->tensor_count, drop->step);
    }
}

/* ---- collisions ---- */

/* The keys that met under one name. */
typedef struct Meeting {
    size_t into;                 /* the first of them, which stays and stands for all */
    size_t *keys;                /* owned, growing */
    size_t count, room;
} Meeting;

typedef struct Meetings {
    Meeting *items;              /* owned, growing */
    size_t count, room;
    uint32_t *of_key;            /* owned: 1 + meeting of the key that stays; 0 = none */
} Meetings;

/* `key` has the name that `first` had before it. The first is a member as well. of_key is made
 * for the first meeting of a statement: most have none. */
static void add_to_meeting(Meetings *meetings, const Edit *edit, size_t first, size_t key)
{
    if (!meetings->of_key) meetings->of_key = mem_alloc(edit->count * sizeof *meetings->of_key);
    if (!meetings->of_key[first]) {
        meetings->items = mem_grow(meetings->items, &meetings->room, meetings->count + 1,
                                   sizeof *meetings->items);
        meetings->items[meetings->count++] = (Meeting){.into = first};
        meetings->of_key[first] = (uint32_t)meetings->count;
        add_to_meeting(meetings, edit, first, first);
    }
    Meeting *meeting = &meetings->items[meetings->of_key[first] - 1];
    meeting->keys = mem_grow(meeting->keys, &meeting->room, meeting->count + 1, sizeof(size_t));
    meeting->keys[meeting->count++] = key;
}

static void collect(const Tensor *tensor, void *context)
{
    Leaves *leaves = context;
    if (!is_ours(leaves->draft, tensor)) return;
    leaves->tensors = mem_grow(leaves->tensors, &leaves->room, leaves->count + 1,
                               sizeof *leaves->tensors);
    leaves->tensors[leaves->count++] = tensor;
}

/* Gathers the tensors behind a key; returns where those of the last comer among them begin. A
 * key that stands for an earlier collision brings all its tensors along. */
static size_t collect_key(Leaves *leaves, const DraftKey *key)
{
    size_t start = leaves->count;
    if (key->expr) expr_leaves(key->expr, collect, leaves);
    if (key->expr || !key->collision) return start;
    const Collision *earlier = &leaves->draft->collisions[key->collision - 1];
    for (size_t i = 0; i < earlier->tensor_count; i++) collect(earlier->tensors[i], leaves);
    return start + earlier->last_tensor;
}

/* Whether this statement gave the key its name. */
static bool is_changed(const EditKey *key)
{
    return key->key.step && key->key.step->to && strcmp(key->from, key->key.name) != 0;
}

/* Who is to blame: the newest rename among those that met, else the statement itself. */
static void blame(const Edit *edit, const Meeting *meeting, Collision *collision)
{
    collision->origin = edit->origin;
    collision->what = edit->what;
    for (size_t i = meeting->count; i--;) {
        const EditKey *key = &edit->keys[meeting->keys[i]];
        if (!is_changed(key)) continue;
        collision->origin = key->key.step->origin;
        if (key->key.step->what) collision->what = key->key.step->what;
        return;
    }
}

/* Records the collision and turns the first key of the meeting into what stands for it. The
 * value of the last comer is kept in `last`, for a policy{collide="last"} that may still come. */
static void collide(Edit *edit, const Meeting *meeting)
{
    Draft *draft = edit->draft;
    EditKey *into = &edit->keys[meeting->into];
    Collision collision = {.name = into->key.name, .source_count = meeting->count};
    const char **sources = arena_alloc(draft->arena, meeting->count * sizeof *sources);
    const Step **steps = mem_alloc(meeting->count * sizeof *steps);
    Leaves leaves = {.draft = draft};
    for (size_t i = 0; i < meeting->count; i++) {
        const EditKey *key = &edit->keys[meeting->keys[i]];
        sources[i] = key->from;
        steps[i] = key->key.step;
        collision.last_tensor = collect_key(&leaves, &key->key);
        into->key.last = key_value(&key->key);
    }
    collision.sources = sources;
    collision.tensors = arena_copy(draft->arena, leaves.tensors, leaves.count * sizeof(Tensor *));
    collision.tensor_count = leaves.count;
    blame(edit, meeting, &collision);
    draft->collisions = mem_grow(draft->collisions, &draft->collision_room,
                                 draft->collision_count + 1, sizeof *draft->collisions);
    draft->collisions[draft->collision_count++] = collision;
    into->key.expr = NULL;
    into->key.collision = (uint32_t)draft->collision_count;
    into->key.step = step_new(draft, collision.origin, collision.what,
                              join_names(draft, sources, meeting->count), collision.name, NULL,
                              steps, meeting->count);
    free(leaves.tensors);
    free(steps);
}

/* Every collision's earlier tensors count as dropped from here on, and its key goes on with the
 * last comer's value. Two passes over the keys, whatever the number of collisions: first their
 * newest steps are looked up, at the end the marks come off. */
void settle_collisions(Draft *draft)
{
    const Step **history = mem_alloc((draft->collision_count + 1) * sizeof *history);
    for (size_t i = 0; draft->collision_count && i < draft->count; i++)
        if (draft->keys[i].collision) history[draft->keys[i].collision - 1] = draft->keys[i].step;
    for (size_t i = 0; i < draft->collision_count; i++) {
        const Collision *lost = &draft->collisions[i];
        const Step *step =
            step_new(draft, lost->origin, "collide=\"last\": a later key has the name", lost->name,
                     NULL, NULL, &history[i], 1);
        drop_tensors(draft, lost->tensors, lost->last_tensor, step);
        draft_note(draft, NOTE_INFO, lost->origin,
                   "%zu keys became '%s'; the last one stays, as collide=\"last\" says",
                   lost->source_count, show_name(draft, lost->name));
    }
    for (size_t i = 0; draft->collision_count && i < draft->count; i++) {
        DraftKey *key = &draft->keys[i];
        if (key->collision) *key = (DraftKey){.name = key->name, .expr = key->last,
                                              .step = key->step};
    }
    draft->collision_count = 0;
    free(history);
}

/* ---- the end of a statement ---- */

/* Makes the draft's map of names; returns which of them were new, to be freed. */
static bool *index_names(const Edit *edit)
{
    bool *added = mem_alloc(edit->count + 1);
    const char **names = mem_alloc((edit->count + 1) * sizeof *names);
    for (size_t i = 0; i < edit->count; i++) names[i] = edit->keys[i].key.name;
    map_done(&edit->draft->names);
    map_add_many(&edit->draft->names, names, edit->count, 0, added);
    free(names);
    return added;
}

/* Makes the names unique: later keys of an equal name go into the first one. The map of names
 * is made anew on the way; it stays valid when none met, since a merge moves the keys behind
 * it. */
static void merge_equal_names(Edit *edit)
{
    Draft *draft = edit->draft;
    Meetings meetings = {0};
    size_t count = 0;
    bool *added = index_names(edit);
    for (size_t i = 0; i < edit->count; i++)
        if (!added[i])
            add_to_meeting(&meetings, edit, map_get(&draft->names, edit->keys[i].key.name), i);
    free(added);
    for (size_t i = 0; i < meetings.count; i++) {
        const Meeting *meeting = &meetings.items[i];
        collide(edit, meeting);
        for (size_t j = 1; j < meeting->count; j++) edit->keys[meeting->keys[j]].key.name = NULL;
        free(meeting->keys);
    }
    for (size_t i = 0; i < edit->count; i++)
        if (edit->keys[i].key.name) edit->keys[count++] = edit->keys[i];
    draft->names_known = count == edit->count;
    edit->count = count;
    free(meetings.items);
    free(meetings.of_key);
}

/* Nothing has touched the draft before: that is why a statement may fail at any key. Drops come
 * first, while a key's collision number still names the list it was made for. */
void edit_finish(Edit *edit)
{
    Draft *draft = edit->draft;
    if (edit->changed) {
        for (size_t i = 0; i < edit->drop_count; i++) carry_out_drop(draft, &edit->drops[i]);
        merge_equal_names(edit);
        draft->keys = mem_realloc(draft->keys, (edit->count + 1) * sizeof *draft->keys);
        for (size_t i = 0; i < edit->count; i++) draft->keys[i] = edit->keys[i].key;
        draft->count = edit->count;
        if (draft->policy.collide == COLLIDE_LAST) settle_collisions(draft);
    }
    edit_abandon(edit);
}
