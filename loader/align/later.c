/* Later: lists of what waits for the end of a script; see later.h. */
#include "loader/align/later.h"

#include <stdlib.h>
#include <string.h>

#include "loader/format/format.h"

/* What the records point to lies in the draft's arena. */
void later_done(Later *later)
{
    free(later->matches);
    free(later->ties);
    free(later->aliases);
    free(later->freezes);
    free(later->groups);
    free(later->buffers);
    free(later->metas);
}

void later_match(Later *later, const MatchRule *rule)
{
    later->matches = mem_grow(later->matches, &later->match_room, later->match_count + 1,
                              sizeof *later->matches);
    later->matches[later->match_count++] = *rule;
}

void later_tie(Later *later, const TieRule *rule)
{
    later->ties =
        mem_grow(later->ties, &later->tie_room, later->tie_count + 1, sizeof *later->ties);
    later->ties[later->tie_count++] = *rule;
}

void later_alias(Later *later, const AliasRule *rule)
{
    later->aliases = mem_grow(later->aliases, &later->alias_room, later->alias_count + 1,
                              sizeof *later->aliases);
    later->aliases[later->alias_count++] = *rule;
}

/* Of two prefixes of one length the later statement counts. */
const char *later_find_alias(const Later *later, Arena *arena, const char *name, Error *err)
{
    const AliasRule *best = NULL;
    for (size_t i = 0; i < later->alias_count; i++) {
        const AliasRule *alias = &later->aliases[i];
        if (!has_prefix(name, alias->prefix)) continue;
        if (!best || strlen(alias->prefix) >= strlen(best->prefix)) best = alias;
    }
    if (!best) return NULL;
    const char *rest = name + strlen(best->prefix);
    while (*rest == '/') rest++;
    const char *inside = strstr(rest, "::");
    const char *path = inside ? arena_strndup(arena, rest, (size_t)(inside - rest)) : rest;
    if (inner_path_is_safe(path))
        return arena_printf(arena, "%s%s%s", best->folder,
                            has_suffix(best->folder, "/") ? "" : "/", rest);
    error_set(err, ERR_USAGE, "'%.200s': what follows '%.200s' is no path below a folder", name,
              best->prefix);
    return NULL;
}

void later_freeze(Later *later, const FreezeRule *rule)
{
    later->freezes = mem_grow(later->freezes, &later->freeze_room, later->freeze_count + 1,
                              sizeof *later->freezes);
    later->freezes[later->freeze_count++] = *rule;
}

void later_group(Later *later, const GroupRule *rule)
{
    later->groups =
        mem_grow(later->groups, &later->group_room, later->group_count + 1, sizeof *later->groups);
    later->groups[later->group_count++] = *rule;
}

void later_buffers(Later *later, const BufferRule *rule)
{
    later->buffers = mem_grow(later->buffers, &later->buffer_room, later->buffer_count + 1,
                              sizeof *later->buffers);
    later->buffers[later->buffer_count++] = *rule;
}

const MetaRule *later_find_meta(const Later *later, const char *key)
{
    for (size_t i = 0; i < later->meta_count; i++)
        if (strcmp(later->metas[i].key, key) == 0) return &later->metas[i];
    return NULL;
}

void later_meta(Later *later, const MetaRule *rule)
{
    MetaRule *known = (MetaRule *)later_find_meta(later, rule->key);
    if (known) {
        *known = *rule;
        return;
    }
    later->metas =
        mem_grow(later->metas, &later->meta_room, later->meta_count + 1, sizeof *later->metas);
    later->metas[later->meta_count++] = *rule;
}
