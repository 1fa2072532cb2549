/* Proposals from marks: what follows from them without misfire, what would go furthest, and the
 * marks alone; and the question that would help most. */
#include "loader/align/induce_marks.h"

#include <stdlib.h>
#include <string.h>

#include "loader/align/induce_marks_parts.h"

enum { AGREE_MAX = 8 };

/* ---- one proposal ---- */

/* The marks as they are; they have their keys and targets before anything else. */
static void take_marks(Marker *marker)
{
    const MarkInput *input = marker->input;
    memset(marker->key_used, 0, input->key_count);
    memset(marker->target_used, 0, input->target_count);
    marker->bundle_count = marker->misses = marker->breaks = 0;
    marker->problem = NULL;
    for (size_t i = 0; i < input->mark_count; i++) {
        const Bundle *mark = &input->marks[i];
        bool known = false;
        for (size_t j = 0; j < mark->target_count; j++) {
            uint32_t at = map_get(&marker->targets, mark->targets[j]);
            known = known || marker->target_used[at];
            marker->target_used[at] = true;
        }
        for (size_t j = 0; j < mark->source_count; j++)
            for (size_t k = 0; k < mark->sources[j].count; k++)
                marker->key_used[map_get(&marker->keys, mark->sources[j].names[k])] = true;
        if (known) continue;
        marker->bundles = mem_grow(marker->bundles, &marker->bundle_room,
                                   marker->bundle_count + 1, sizeof *marker->bundles);
        marker->bundles[marker->bundle_count++] = *mark;
    }
}

/* What the sketches come to: their own kinds first, then others by their tails. */
static void take_sketches(Marker *marker, bool clean)
{
    Way *ways = mem_alloc((marker->sketch_count + 1) * AGREE_MAX * sizeof *ways);
    size_t *counts = mem_alloc((marker->sketch_count + 1) * sizeof *counts);
    for (size_t i = 0; i < marker->sketch_count; i++) {
        const Sketch *sketch = &marker->sketches[i];
        counts[i] = ways_find(marker, sketch, clean, ways + i * AGREE_MAX, AGREE_MAX);
        way_take(marker, sketch, ways + i * AGREE_MAX, counts[i]);
    }
    for (size_t i = 0; i < marker->sketch_count; i++)
        if (counts[i])
            tails_take(marker, &marker->sketches[i], ways + i * AGREE_MAX, counts[i]);
    free(ways);
    free(counts);
}

static bool make_proposal(Marker *marker, MarkProposal *out, Error *err)
{
    const MarkInput *input = marker->input;
    const char **keys = arena_alloc(marker->scratch, (input->key_count + 1) * sizeof *keys);
    for (size_t i = 0; i < input->key_count; i++) keys[i] = input->keys[i].name;
    Bundle *bundles = arena_copy(marker->arena, marker->bundles,
                                 marker->bundle_count * sizeof *bundles);
    const InduceInput asked = {bundles, marker->bundle_count, keys, input->key_count,
                               false};
    *out = (MarkProposal){.bundles = bundles, .bundle_count = marker->bundle_count,
                          .misses = marker->misses, .breaks = marker->breaks,
                          .problem = marker->problem};
    out->induction = induce_rules(marker->arena, &asked, err);
    if (!out->induction) return false;
    for (size_t i = 0; i < marker->bundle_count; i++) out->loads += bundles[i].target_count;
    Text text = {0};
    induce_write(out->induction, NULL, NULL, &text);
    out->text = text_keep(&text, marker->arena);
    return true;
}

/* ---- the question ---- */

/* A shape as text; "?" when it is not known. */
static const char *shape_text(Marker *marker, const AutoTensor *tensor)
{
    text_clear(&marker->name);
    if (!tensor->dims) return "?";
    show_shape(tensor->dims, tensor->rank, &marker->name);
    return text_string(&marker->name);
}

/* Shapes of the targets that nothing goes to. */
typedef struct OpenShapes {
    NameMap names;               /* each once → its number in targets */
    const AutoTensor **targets;  /* owned, [count]: one of each shape */
    size_t count, room;
    NameMap kin;                 /* shapes of keys → 1 when they may be cut or joined to an open
                                    one; else 0 */
} OpenShapes;

static void list_open_shapes(Marker *marker, OpenShapes *shapes)
{
    const MarkInput *input = marker->input;
    for (size_t i = 0; i < input->target_count; i++) {
        if (marker->target_used[i] || (input->target_settled && input->target_settled[i])) continue;
        const char *shape = shape_text(marker, &input->targets[i]);
        if (map_get(&shapes->names, shape) != MAP_NONE) continue;
        map_set(&shapes->names, arena_strdup(marker->scratch, shape), (uint32_t)shapes->count);
        shapes->targets = mem_grow(shapes->targets, &shapes->room, shapes->count + 1,
                                   sizeof(AutoTensor *));
        shapes->targets[shapes->count++] = &input->targets[i];
    }
}

static bool count_elements(const AutoTensor *tensor, uint64_t *out)
{
    *out = 1;
    for (unsigned i = 0; i < tensor->rank; i++)
        if (!sum_mul(*out, (uint64_t)tensor->dims[i], out)) return false;
    return *out > 0;
}

/* Whether one may be parts of the other, or the same turned or cut otherwise: one count of elements
 * divides the other, and they have a size in common. */
static bool are_kin(const AutoTensor *a, const AutoTensor *b)
{
    uint64_t n, m;
    if (!count_elements(a, &n) || !count_elements(b, &m) || (n % m && m % n)) return false;
    if (a->rank < 2 && b->rank < 2) return n > 1 && m > 1;
    for (unsigned i = 0; i < a->rank; i++)
        for (unsigned j = 0; j < b->rank; j++)
            if (a->dims[i] > 1 && a->dims[i] == b->dims[j]) return true;
    return false;
}

static bool has_kin(Marker *marker, OpenShapes *shapes, const AutoTensor *key)
{
    const char *shape = shape_text(marker, key);
    uint32_t known = map_get(&shapes->kin, shape);
    if (known != MAP_NONE) return known;
    shape = arena_strdup(marker->scratch, shape);
    bool kin = false;
    for (size_t i = 0; i < shapes->count && !kin; i++) kin = are_kin(key, shapes->targets[i]);
    map_set(&shapes->kin, shape, kin);
    return kin;
}

/* Keys of a kind that go nowhere though some target has their shape, or `kin` to it. */
static size_t count_open(Marker *marker, const Kind *kind, OpenShapes *shapes, bool kin,
                         uint32_t *first)
{
    const MarkInput *input = marker->input;
    size_t count = 0;
    for (size_t i = 0; i < kind->count; i++) {
        uint32_t key = kind->keys[i];
        if (marker->key_used[key] || (input->key_settled && input->key_settled[key])) continue;
        const AutoTensor *tensor = &input->keys[key];
        bool fits = !tensor->dims || map_get(&shapes->names, "?") != MAP_NONE ||
                    map_get(&shapes->names, shape_text(marker, tensor)) != MAP_NONE;
        if (!fits && !(kin && has_kin(marker, shapes, tensor))) continue;
        if (!count++) *first = key;
    }
    return count;
}

/* First of what fits as it is; when nothing does, of what could be turned, cut or joined. */
static void find_question(Marker *marker, MarkResult *out)
{
    OpenShapes shapes = {.count = 0};
    map_init(&shapes.names);
    map_init(&shapes.kin);
    list_open_shapes(marker, &shapes);
    for (int kin = 0; kin < 2 && !out->ask; kin++)
        for (size_t i = 0; shapes.count && i < marker->kind_count; i++) {
            uint32_t first = 0;
            size_t count = count_open(marker, &marker->kinds[i], &shapes, kin, &first);
            if (count <= out->ask_keys) continue;
            out->ask_keys = count;
            out->ask = marker->input->keys[first].name;
        }
    map_done(&shapes.names);
    map_done(&shapes.kin);
    free(shapes.targets);
    if (!out->ask) return;
    Text shown = {0};
    name_show(out->ask, &shown);
    out->question = arena_printf(marker->arena, "where does %s go? %zu key%s of its kind go%s "
                                 "nowhere yet", text_string(&shown), out->ask_keys,
                                 out->ask_keys == 1 ? "" : "s", out->ask_keys == 1 ? "es" : "");
    text_done(&shown);
}

/* ---- the whole ---- */

static bool propose(Marker *marker, MarkResult *out, Error *err)
{
    MarkProposal *list = arena_alloc(marker->arena, 3 * sizeof *list);
    out->proposals = list;
    take_marks(marker);
    take_sketches(marker, true);
    if (!make_proposal(marker, &list[out->count++], err)) return false;
    find_question(marker, out);
    take_marks(marker);
    take_sketches(marker, false);
    if (!make_proposal(marker, &list[out->count], err)) return false;
    if (list[out->count].loads > list[0].loads) out->count++;
    if (list[0].bundle_count == marker->input->mark_count) return true;
    take_marks(marker);
    return make_proposal(marker, &list[out->count++], err);
}

const MarkResult *induce_from_marks(Arena *arena, const MarkInput *input, Error *err)
{
    Marker marker = {.arena = arena, .scratch = arena_new(), .input = input};
    MarkResult *out = arena_alloc(arena, sizeof *out);
    bool good = marks_read(&marker, err) && propose(&marker, out, err);
    marks_done(&marker);
    arena_free(marker.scratch);
    return good ? out : NULL;
}
