/* Draft, the object and what it hands out; see draft.h. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "loader/align/draft_parts.h"
#include "loader/align/rule_lex.h"
#include "loader/source/url.h"

/* ---- the object ---- */

/* The path is copied; checkpoint and target must outlive the draft. No container is chosen yet,
 * since an unwrap may follow. */
Draft *draft_new(Checkpoint *source, const char *inside, StateDict *target, uint64_t seed)
{
    Draft *draft = mem_alloc(sizeof *draft);
    draft->arena = arena_new();
    draft->source = source;
    draft->inside = inside && *inside ? arena_strdup(draft->arena, inside) : NULL;
    draft->target = target;
    draft->seed = seed;
    map_init(&draft->names);
    return draft;
}

/* Names, steps and expressions lie in the arena; the growing lists are what is freed one by
 * one. */
void draft_free(Draft *draft)
{
    if (!draft) return;
    map_done(&draft->names);
    free(draft->keys);
    free(draft->dropped);
    free(draft->collisions);
    free(draft->notes);
    free(draft->sayings);
    free(draft->fills);
    free(draft->keeps);
    free(draft->expects);
    later_done(&draft->later);
    checkpoint_unref(draft->own_source);
    arena_free(draft->arena);
    free(draft);
}

Arena *draft_arena(Draft *draft)
{
    return draft->arena;
}

void draft_set_afford(Draft *draft, DraftAfford *afford, void *host)
{
    draft->afford = afford;
    draft->afford_host = host;
}

bool draft_affords(const Draft *draft, Error *err)
{
    if (!draft->afford || draft->afford(draft->afford_host)) return true;
    return error_set(err, ERR_LIMIT, "the names take more memory than the rules may use");
}

StateDict *draft_target(const Draft *draft)
{
    return draft->target;
}

Checkpoint *draft_checkpoint(const Draft *draft)
{
    return draft->source;
}

uint64_t draft_seed(const Draft *draft)
{
    return draft->seed;
}

/* There is no container before draft_ready: this and the next are for afterwards. */
StateDict *draft_source(const Draft *draft)
{
    return draft->container->dict;
}

const char *draft_container(const Draft *draft)
{
    return draft->container->path;
}

size_t draft_rivals(const Draft *draft)
{
    return draft->rivals;
}

/* ---- keys ---- */

/* Keys are counted between statements: an open Edit does not show. */
size_t draft_count(const Draft *draft)
{
    return draft->count;
}

const DraftKey *draft_at(const Draft *draft, size_t index)
{
    return &draft->keys[index];
}

/* The names are looked up rarely between statements: the map is made when it is asked for. A
 * statement whose keys did not meet leaves a good one behind (merge_equal_names). */
void draft_index(Draft *draft)
{
    if (draft->names_known) return;
    map_done(&draft->names);
    map_reserve(&draft->names, draft->count);
    for (size_t i = 0; i < draft->count; i++)
        map_set(&draft->names, draft->keys[i].name, (uint32_t)i);
    draft->names_known = true;
}

/* The map is a cache, hence the cast: for whoever looks the draft stays as it is. */
const DraftKey *draft_find(const Draft *draft, const char *name)
{
    draft_index((Draft *)draft);
    uint32_t index = map_get(&draft->names, name);
    return index == MAP_NONE ? NULL : &draft->keys[index];
}

void draft_find_many(const Draft *draft, const char *const *names, size_t n, uint32_t *indexes)
{
    draft_index((Draft *)draft);
    map_get_many(&draft->names, names, n, indexes);
}

/* ---- what is put aside for the end ---- */

/* Both wait: only the finished ledger tells which targets want a fill. */
void draft_fill(Draft *draft, const FillRule *fill)
{
    draft->fills =
        mem_grow(draft->fills, &draft->fill_room, draft->fill_count + 1, sizeof *draft->fills);
    draft->fills[draft->fill_count++] = *fill;
}

/* The pattern lies in an arena that lives as long as the draft. */
void draft_keep_target(Draft *draft, Origin origin, const Pattern *pattern)
{
    draft->keeps =
        mem_grow(draft->keeps, &draft->keep_room, draft->keep_count + 1, sizeof *draft->keeps);
    draft->keeps[draft->keep_count++] = (KeepTarget){origin, pattern, 0};
}

/* Zeros are the defaults, so a new draft has them. */
Policy *draft_policy(Draft *draft)
{
    return &draft->policy;
}

void draft_set_optimizer(Draft *draft, const OptimizerRule *rule)
{
    draft->optimizer = arena_copy(draft->arena, rule, sizeof *rule);
}

const OptimizerRule *draft_optimizer(const Draft *draft)
{
    return draft->optimizer;
}

Later *draft_later(Draft *draft)
{
    return &draft->later;
}

/* Patterns stay where they are; the list of them is copied. */
static const Pattern **copy_patterns(Draft *draft, const Pattern **patterns, size_t n)
{
    return arena_copy(draft->arena, patterns, n * sizeof(*patterns));
}

/* Several statements add up, so each is kept apart with its origin. */
void draft_expect(Draft *draft, const Expect *expect)
{
    draft->expects = mem_grow(draft->expects, &draft->expect_room, draft->expect_count + 1,
                              sizeof *draft->expects);
    Expect *copy = &draft->expects[draft->expect_count++];
    *copy = *expect;
    copy->missing = copy_patterns(draft, expect->missing, expect->missing_count);
    copy->unused = copy_patterns(draft, expect->unused, expect->unused_count);
    copy->shape = copy_patterns(draft, expect->shape, expect->shape_count);
    copy->dtype = copy_patterns(draft, expect->dtype, expect->dtype_count);
}

/* The text is copied and printed as it is: names go through show_name before they come here. A rule
 * may say anything, also what a URL hides. */
void draft_note(Draft *draft, NoteLevel level, Origin origin, const char *format, ...)
{
    Text said = {0}, text = {0};
    va_list args;
    va_start(args, format);
    text_addv(&said, format, args);
    va_end(args);
    url_hide(text_string(&said), &text);
    text_done(&said);
    draft->notes =
        mem_grow(draft->notes, &draft->note_room, draft->note_count + 1, sizeof *draft->notes);
    draft->notes[draft->note_count++] =
        (RuleNote){level, origin, arena_strdup(draft->arena, text_string(&text)), false,
                   false};
    text_done(&text);
}

void draft_remark(Draft *draft, Origin origin, const char *text)
{
    draft_note(draft, NOTE_INFO, origin, "%s", text);
    draft->notes[draft->note_count - 1].remark = true;
}

/* A policy that stood before its collisions leaves nothing to settle: edit_finish has done it,
 * statement by statement. */
bool draft_close(Draft *draft, Error *err)
{
    if (!draft_ready(draft, err)) return false;
    if (draft->policy.collide == COLLIDE_LAST) settle_collisions(draft);
    return draft->target || tie_keys(draft, err);
}

size_t draft_collision_count(const Draft *draft)
{
    return draft->collision_count;
}

const Collision *draft_collision(const Draft *draft, size_t index)
{
    return &draft->collisions[index];
}

size_t draft_note_count(const Draft *draft)
{
    return draft->note_count;
}

const RuleNote *draft_note_at(const Draft *draft, size_t index)
{
    return &draft->notes[index];
}

FillRule *draft_fills(Draft *draft, size_t *count)
{
    *count = draft->fill_count;
    return draft->fills;
}

KeepTarget *draft_keep_targets(Draft *draft, size_t *count)
{
    *count = draft->keep_count;
    return draft->keeps;
}

const Expect *draft_expects(const Draft *draft, size_t *count)
{
    *count = draft->expect_count;
    return draft->expects;
}

/* NULL also for a tensor that was never dropped: the list begins with zeros. */
const Step *draft_dropped(const Draft *draft, size_t index)
{
    return draft->dropped[index];
}

/* ---- words for errors and notes ---- */

/* In the arena, so that one message may hold several; 300 bytes show enough of a name that
 * somebody made long on purpose. */
const char *show_name(Draft *draft, const char *name)
{
    Text shown = {0};
    show_short(name, 300, &shown);
    return text_keep(&shown, draft->arena);
}

/* Counts of first segments, in order of first appearance. */
typedef struct Levels {
    NameMap map;                 /* first segment → index of the two lists */
    const char **names;          /* owned, growing; the names lie in the arena */
    size_t *counts, count, name_room, count_room;   /* counts: owned, keys under each */
} Levels;

/* `module.fc.weight` and `module.fc.bias` are two keys of the level module; a name without a
 * dot or slash is a level of its own. */
static void count_levels(Draft *draft, Levels *levels)
{
    for (size_t i = 0; i < draft->count; i++) {
        const char *name = draft->keys[i].name;
        name = arena_strndup(draft->arena, name, strcspn(name, "./"));
        uint32_t index = map_get(&levels->map, name);
        if (index == MAP_NONE) {
            index = (uint32_t)levels->count++;
            levels->names = mem_grow(levels->names, &levels->name_room, levels->count,
                                     sizeof *levels->names);
            levels->counts = mem_grow(levels->counts, &levels->count_room, levels->count,
                                      sizeof *levels->counts);
            levels->names[index] = name;
            levels->counts[index] = 0;
            map_set(&levels->map, name, index);
        }
        levels->counts[index]++;
    }
}

/* Said wherever a prefix fits nothing: beside what was asked for stands what there is. */
const char *list_top_levels(Draft *draft)
{
    enum { SHOWN = 8 };
    Levels levels = {0};
    Text out = {0};
    count_levels(draft, &levels);
    for (size_t i = 0; i < levels.count && i < SHOWN; i++) {
        if (i) text_add(&out, ", ");
        show_short(levels.names[i], 40, &out);
        text_addf(&out, " (%zu)", levels.counts[i]);
    }
    if (levels.count > SHOWN) text_addf(&out, " and %zu more", levels.count - SHOWN);
    if (!levels.count) text_add(&out, "none");
    const char *copy = text_keep(&out, draft->arena);
    map_done(&levels.map);
    free(levels.names);
    free(levels.counts);
    return copy;
}
