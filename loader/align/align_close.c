/* Closing the ledger once every target has its state: what became of every source tensor,
 * whether expect{} was met, and the sums. */
#include <stdlib.h>
#include <string.h>

#include "loader/align/align_parts.h"
#include "loader/core/fold.h"

/* ---- sources ---- */

/* Marks what went into loaded and tied bindings, and lists for each source where it went. A
 * counting sort over (source, binding) in two passes: the first counts each source's bindings
 * at start[source + 2]; summed up, start[source + 1] is where its run begins; the second pass
 * moves that on to the run's end, which is where the next one begins. */
static void mark_used(Alignment *alignment)
{
    uint32_t *start = mem_alloc((alignment->use_count + 2) * sizeof(uint32_t));
    for (size_t i = 0; i < alignment->count; i++) {
        const Binding *binding = &alignment->bindings[i];
        if (!align_is_loaded(binding)) continue;
        for (uint32_t j = 0; j < binding->source_count; j++) {
            uint32_t source = align_source_index(alignment, binding->sources[j]);
            alignment->uses[source].status = USE_USED;
            alignment->uses[source].step = binding->step;
            start[source + 2]++;
        }
    }
    for (size_t i = 2; i < alignment->use_count + 2; i++) start[i] += start[i - 1];
    uint32_t total = start[alignment->use_count + 1];
    alignment->use_list = mem_alloc((total + 1) * sizeof(uint32_t));
    for (size_t i = 0; i < alignment->count; i++) {
        const Binding *binding = &alignment->bindings[i];
        if (!align_is_loaded(binding)) continue;
        for (uint32_t j = 0; j < binding->source_count; j++) {
            uint32_t source = align_source_index(alignment, binding->sources[j]);
            alignment->use_list[start[source + 1]++] = (uint32_t)i;
        }
    }
    alignment->use_start = start;
}

/* What a refused source was refused for: the binding's status, or what stands behind KEPT. */
static const char *refusal_word(const Binding *binding)
{
    if (binding->status == BIND_KEPT && binding->origin) return "kept";
    if (binding->status != BIND_KEPT && binding->status != BIND_FILLED)
        return bind_word(binding->status);
    bool same = binding->target && binding->target->dims && binding->offered &&
                same_dims(binding->target->dims, binding->target->rank, binding->offered->dims,
                          binding->offered->rank);
    return same ? "dtype" : "shape";
}

typedef struct Living {
    Alignment *alignment;        /* being closed */
    unsigned char *seen;         /* [use_count]: some key is still made of it */
    const DraftKey *key;         /* the key that is looked at */
    const Binding *binding;      /* the binding of the key's name; NULL = none */
} Living;

/* A source that is part of a key nobody took: unused, with the target that refused it. The
 * first refusal is the one that is told. */
static void see_leaf(const Tensor *tensor, void *context)
{
    Living *living = context;
    Alignment *alignment = living->alignment;
    uint32_t index = align_source_index(alignment, tensor);
    if (index == MAP_NONE) return;
    SourceUse *use = &alignment->uses[index];
    living->seen[index] = 1;
    if (use->status == USE_USED || use->reason) return;
    use->step = living->key->step;
    if (!living->binding) return;
    use->offered_to = living->binding;
    use->reason = arena_printf(alignment->arena, "offered to %s: %s", living->binding->name,
                               refusal_word(living->binding));
}

/* Everything that is left under some name without having been taken is unused. */
static void mark_offered(Alignment *alignment, unsigned char *seen)
{
    Living living = {.alignment = alignment, .seen = seen};
    for (size_t i = 0; i < draft_count(alignment->draft); i++) {
        living.key = draft_at(alignment->draft, i);
        living.binding = match_target(alignment, i);
        bool loaded = living.binding && living.binding->status == BIND_LOADED;
        if (loaded && !living.key->collision) continue;
        if (!living.key->collision) {
            expr_leaves(living.key->expr, see_leaf, &living);
            continue;
        }
        const Collision *collision =
            draft_collision(alignment->draft, living.key->collision - 1);
        for (size_t j = 0; j < collision->tensor_count; j++)
            see_leaf(collision->tensors[j], &living);
    }
}

/* Used, else unused where some key is still made of it, else dropped by the step that says so. */
void close_uses(Alignment *alignment)
{
    unsigned char *seen = mem_alloc(alignment->use_count + 1);
    mark_used(alignment);
    mark_offered(alignment, seen);
    for (size_t i = 0; i < alignment->use_count; i++) {
        SourceUse *use = &alignment->uses[i];
        if (use->status == USE_USED || seen[i]) continue;
        const Step *step = draft_dropped(alignment->draft, i);
        if (!step) continue;
        use->step = step;
        if (step->aside) {
            use->reason = step->what;
            continue;
        }
        use->status = USE_DROPPED;
        if (step->origin.file)
            use->reason = arena_printf(alignment->arena, "dropped by %s:%d", step->origin.file,
                                       step->origin.line);
    }
    free(seen);
}

/* ---- expect ---- */

/* Whether one of the patterns fits either name; counts a hit for it. `hits` is [n], one count a
 * pattern. */
static bool covers(const Pattern **patterns, size_t n, size_t *hits, const char *name,
                   const char *other)
{
    for (size_t i = 0; i < n; i++)
        if (name_fits(patterns[i], name) || (other && name_fits(patterns[i], other))) {
            hits[i]++;
            return true;
        }
    return false;
}

/* An error note that makes the exit status 1 and not 2: the rules are fine, the files differ. */
static void fail_expect(Alignment *alignment, const Expect *expect, const char *what,
                        const char *detail)
{
    alignment->unexpected = true;
    draft_note(alignment->draft, NOTE_ERROR, expect->origin, "expect: %s%s", what, detail);
}

/* An expected difference that is not there is a difference too. */
static void report_idle(Alignment *alignment, const Expect *expect, const char *what,
                        const Pattern **patterns, size_t n, const size_t *hits)
{
    for (size_t i = 0; i < n; i++)
        if (!hits[i])
            fail_expect(alignment, expect, what,
                        arena_printf(alignment->arena, " \"%s\" covers nothing",
                                     pattern_text(patterns[i])));
}

/* Covers the open bindings of one kind that the patterns name; what is in doubt has no value, as
 * what is missing. */
static void cover_bindings(Alignment *alignment, const Expect *expect, BindStatus status,
                           const Pattern **patterns, size_t n)
{
    if (!n) return;
    size_t *hits = mem_alloc(n * sizeof *hits);
    for (size_t i = 0; i < alignment->count; i++) {
        Binding *binding = &alignment->bindings[i];
        const bool doubt = status == BIND_MISSING && binding->status == BIND_AMBIGUOUS &&
                           binding->doubt;
        if ((binding->status == status || doubt) && covers(patterns, n, hits, binding->name, NULL))
            binding->covered = true;
    }
    report_idle(alignment, expect, bind_word(status), patterns, n, hits);
    free(hits);
}

/* Patterns of `unused` see the name at the end, and the name in the file. */
static void cover_uses(Alignment *alignment, const Expect *expect)
{
    size_t n = expect->unused_count;
    if (!n) return;
    size_t *hits = mem_alloc(n * sizeof *hits);
    for (size_t i = 0; i < alignment->use_count; i++) {
        SourceUse *use = &alignment->uses[i];
        const char *now = use->step && use->step->to ? use->step->to : NULL;
        if (use->status == USE_UNUSED && covers(expect->unused, n, hits, use->tensor->name, now))
            use->covered = true;
    }
    report_idle(alignment, expect, "unused", expect->unused, n, hits);
    free(hits);
}

/* Sources whose fate follows from a target's, or that policy says nothing about. `head.weight`
 * of the file, refused by `head.weight` of the target for its shape, is covered when that
 * target is, or when the target has got a value from elsewhere. */
static void cover_offered(Alignment *alignment)
{
    for (size_t i = 0; i < alignment->use_count; i++) {
        SourceUse *use = &alignment->uses[i];
        if (use->status != USE_UNUSED) continue;
        if (alignment->policy.unused == UNUSED_IGNORE) use->covered = true;
        if (use->offered_to)
            use->covered = use->covered || use->offered_to->covered ||
                           !bind_is_open(use->offered_to->status);
    }
}

/* Error notes for what no expect{} names. The unused are named by their first folded line:
 * "12 tensors, blocks.{0-11}.attn.bias". */
static void report_rest(Alignment *alignment, const Expect *expect)
{
    const char **names = mem_alloc((alignment->use_count + 1) * sizeof *names);
    size_t count = 0, open = 0;
    for (size_t i = 0; i < alignment->use_count; i++)
        if (alignment->uses[i].status == USE_UNUSED && !alignment->uses[i].covered &&
            !alignment->uses[i].offered_to)
            names[count++] = alignment->uses[i].tensor->name;
    for (size_t i = 0; i < alignment->count; i++)
        open += bind_is_open(alignment->bindings[i].status) && !alignment->bindings[i].covered;
    if (count) {
        Folded *folded;
        size_t lines = fold_names(alignment->arena, names, NULL, count, &folded);
        fail_expect(alignment, expect, "unused and not expected: ",
                    arena_printf(alignment->arena, "%zu tensor%s, %s%s", count,
                                 count == 1 ? "" : "s", folded[0].text,
                                 lines > 1 ? ", …" : ""));
    }
    if (open)
        fail_expect(alignment, expect, "not expected: ",
                    arena_printf(alignment->arena, "%zu target%s open", open,
                                 open == 1 ? " is" : "s are"));
    free(names);
}

/* expect{ loaded = N } counts what the report counts: loaded, without tied. */
static void check_loaded(Alignment *alignment, const Expect *expect)
{
    size_t loaded = 0;
    for (size_t i = 0; i < alignment->count; i++)
        loaded += alignment->bindings[i].status == BIND_LOADED;
    if (expect->loaded >= 0 && (uint64_t)expect->loaded != loaded)
        fail_expect(alignment, expect, "loaded ",
                    arena_printf(alignment->arena, "%zu, not %lld", loaded,
                                 (long long)expect->loaded));
}

/* Several expect{} add up: first all of them cover, then what is left is judged. */
void close_expect(Alignment *alignment)
{
    size_t count;
    const Expect *expects = draft_expects(alignment->draft, &count);
    for (size_t i = 0; i < draft_note_count(alignment->draft); i++)
        if (draft_note_at(alignment->draft, i)->level == NOTE_ERROR) {
            const bool differs = draft_note_at(alignment->draft, i)->differs;
            if (differs) alignment->unexpected = true;
            else alignment->rule_errors++;
        }
    for (size_t i = 0; i < count; i++) {
        const Expect *e = &expects[i];
        cover_bindings(alignment, e, BIND_MISSING, e->missing, e->missing_count);
        cover_bindings(alignment, e, BIND_SHAPE, e->shape, e->shape_count);
        cover_bindings(alignment, e, BIND_DTYPE, e->dtype, e->dtype_count);
        cover_uses(alignment, e);
    }
    cover_offered(alignment);
    for (size_t i = 0; i < count; i++) check_loaded(alignment, &expects[i]);
    if (count) report_rest(alignment, &expects[count - 1]);
}

/* ---- sums ---- */

/* Elements of the result; 0 while its shape is unknown. Also 0 for a product that 64 bits do
 * not hold: a sum is no place for an error. */
static uint64_t count_values(const Binding *binding)
{
    uint64_t count = 1;
    for (unsigned i = 0; binding->dims && i < binding->rank; i++)
        if (!sum_mul(count, (uint64_t)binding->dims[i], &count)) return 0;
    return binding->dims ? count : 0;
}

/* Tied tensors count among the values and bytes that are loaded. */
void close_summary(Alignment *alignment)
{
    Summary *summary = &alignment->summary;
    for (size_t i = 0; i < alignment->count; i++) {
        const Binding *binding = &alignment->bindings[i];
        uint64_t values = count_values(binding), bytes = 0;
        if (!dtype_bytes(binding->dtype, values, &bytes)) bytes = 0;
        summary->bind[binding->status]++;
        summary->values_target += values;
        summary->bytes_target += bytes;
        if (!align_is_loaded(binding)) continue;
        summary->values_loaded += values;
        summary->bytes_loaded += bytes;
    }
    for (size_t i = 0; i < alignment->use_count; i++) summary->use[alignment->uses[i].status]++;
    summary->collisions = align_collision_count(alignment);
}
