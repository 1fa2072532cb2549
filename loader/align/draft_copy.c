/* A second draft that goes its own way: so that the ledger of a draft can be had while the script
 * that makes it is still at work. */
#include "loader/align/draft_parts.h"

/* A list of its own, for lists that grow or whose members are counted on. What was not made yet
 * (keys, before the container is known) is not made here. */
static void *copy_list(const void *list, size_t count, size_t size, size_t *room)
{
    if (room) *room = list ? count : 0;
    if (!list) return NULL;
    void *copy = mem_alloc((count + 1) * size);
    return count ? memcpy(copy, list, count * size) : copy;
}

#define COPY(list, count, room) copy_list(list, count, sizeof *(list), &(room))

static Later copy_later(const Later *from)
{
    Later later = *from;
    later.matches = COPY(from->matches, from->match_count, later.match_room);
    later.freezes = COPY(from->freezes, from->freeze_count, later.freeze_room);
    later.groups = COPY(from->groups, from->group_count, later.group_room);
    later.buffers = COPY(from->buffers, from->buffer_count, later.buffer_room);
    later.metas = COPY(from->metas, from->meta_count, later.meta_room);
    later.aliases = COPY(from->aliases, from->alias_count, later.alias_room);
    later.ties = COPY(from->ties, from->tie_count, later.tie_room);
    return later;
}

/* What lies in the arena never changes once it is made, so it is shared; what is new goes into an
 * arena of the copy's own. */
Draft *draft_copy(const Draft *from)
{
    Draft *draft = mem_alloc(sizeof *draft);
    *draft = *from;
    draft->arena = arena_new();
    draft->afford = NULL;
    if (from->own_source) draft->own_source = checkpoint_ref(from->own_source);
    map_init(&draft->names);
    draft->names_known = false;
    size_t tensors = from->dropped ? dict_count(from->container->dict) : 0;
    draft->keys = copy_list(from->keys, from->count, sizeof *from->keys, NULL);
    if (from->dropped)
        draft->dropped = copy_list(from->dropped, tensors, sizeof *from->dropped, NULL);
    draft->collisions = COPY(from->collisions, from->collision_count, draft->collision_room);
    draft->notes = COPY(from->notes, from->note_count, draft->note_room);
    draft->fills = COPY(from->fills, from->fill_count, draft->fill_room);
    draft->sayings = COPY(from->sayings, from->saying_count, draft->saying_room);
    draft->keeps = COPY(from->keeps, from->keep_count, draft->keep_room);
    draft->expects = COPY(from->expects, from->expect_count, draft->expect_room);
    draft->later = copy_later(&from->later);
    return draft;
}
