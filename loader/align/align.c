/* The Alignment as an object: made from a Draft, asked, and let go. What its states mean is
 * align.h's business; how they come about is align_bind.c's and align_close.c's. */
#include "loader/align/align.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "loader/align/align_parts.h"
#include "loader/align/bundle.h"
#include "loader/core/job.h"

/* The words come from the tables that make the enums, so that number and word cannot part. */
#define WORD_TEXT(id, word) word,
static const char *const bind_words[] = {BIND_STATUSES(WORD_TEXT)};
static const char *const use_words[] = {USE_STATUSES(WORD_TEXT)};
static const char *const how_words[] = {HOWS(WORD_TEXT)};
#undef WORD_TEXT

/* ---- words ---- */

const char *bind_word(BindStatus status)
{
    return bind_words[status];
}

const char *use_word(UseStatus status)
{
    return use_words[status];
}

const char *how_word(How how)
{
    return how_words[how];
}

/* ---- making ---- */

/* One binding a target tensor, or a key that is left where there is no target. Everything
 * begins as BIND_MISSING with confidence 1. Without a target a binding knows its name alone;
 * bind_key learns dtype and shape from the value. */
static void list_bindings(Alignment *alignment)
{
    alignment->bindings = mem_alloc((alignment->count + 1) * sizeof(Binding));
    for (size_t i = 0; i < alignment->count; i++) {
        Binding *binding = &alignment->bindings[i];
        *binding = (Binding){.status = BIND_MISSING, .confidence = 1, .dtype = DT_UNKNOWN};
        if (alignment->target) {
            binding->target = dict_at(alignment->target, i);
            binding->name = binding->target->name;
            binding->dtype = binding->target->dtype;
            binding->dims = binding->target->dims;
            binding->rank = binding->target->rank;
        } else {
            binding->name = draft_at(alignment->draft, i)->name;
        }
    }
    if (!alignment->target) draft_index(alignment->draft);
}

/* One use a source tensor; unused until something shows otherwise. As many as the container has
 * tensors, also where rules have made one key of several. */
static void list_uses(Alignment *alignment)
{
    alignment->use_count = dict_count(alignment->source);
    alignment->uses = mem_alloc((alignment->use_count + 1) * sizeof(SourceUse));
    for (size_t i = 0; i < alignment->use_count; i++)
        alignment->uses[i] =
            (SourceUse){.tensor = dict_at(alignment->source, i), .status = USE_UNUSED};
}

static void *look_for_suggestions(void *context)
{
    Alignment *alignment = context;
    suggest_all(alignment);
    auto_suggest(alignment);
    return NULL;
}

/* They take longest of all, and change no state: whoever goes by states can go on meanwhile. */
static void suggest(Alignment *alignment)
{
    pthread_t thread;
    const AlignWatch *watch = draft_later(alignment->draft)->watch;
    if (watch && watch->counts) return;
    const bool beside = watch && watch->settled &&
                        job_thread(&thread, look_for_suggestions, alignment);
    if (!beside) {
        look_for_suggestions(alignment);
        return;
    }
    watch->settled(watch->context, alignment);
    pthread_join(thread, NULL);
}

/* The order matters: bindings are made only when match{} and auto{} are done, since what those need
 * is as large; sources can be closed only when every target has its state, expect{} judges what
 * stands then, the sums count states that no longer change, and suggestions need to know which
 * sources are unused. */
static bool close_all(Alignment *alignment, Error *err)
{
    static void (*const steps[])(Alignment *alignment) = {
        match_all, list_bindings, list_uses, pair_same, bind_all, close_uses, close_groups,
        close_optimizer, close_expect, close_summary, suggest};
    const AlignWatch *watch = draft_later(alignment->draft)->watch;
    for (size_t i = 0; i < countof(steps); i++) {
        if (watch && watch->go_on && !watch->go_on(watch->context, i, countof(steps)))
            return error_set(err, ERR_CANCELLED, "stopped");
        steps[i](alignment);
        if (steps[i] == match_all && !auto_all(alignment, err)) return false;
    }
    return true;
}

/* A draft that cannot be closed is freed here, since the caller has given it away. */
Alignment *align_finish(Draft *draft, Error *err)
{
    if (!draft_close(draft, err)) {
        draft_free(draft);
        return NULL;
    }
    Alignment *alignment = mem_alloc(sizeof *alignment);
    atomic_init(&alignment->refs, 1);
    alignment->draft = draft;
    alignment->arena = draft_arena(draft);
    alignment->checkpoint = checkpoint_ref(draft_checkpoint(draft));
    alignment->source = draft_source(draft);
    alignment->target = draft_target(draft) ? dict_ref(draft_target(draft)) : NULL;
    alignment->policy = *draft_policy(draft);
    alignment->count =
        alignment->target ? dict_count(alignment->target) : draft_count(alignment->draft);
    const bool closed = close_all(alignment, err);
    draft_later(draft)->watch = NULL;
    arena_trim(alignment->arena);
    if (closed) return alignment;
    align_unref(alignment);
    return NULL;
}

/* Immutable once made, an Alignment may be read by several threads; only the count is atomic. */
Alignment *align_ref(Alignment *alignment)
{
    atomic_fetch_add(&alignment->refs, 1);
    return alignment;
}

/* The last holder frees. Names, steps, expressions and reasons lie in the draft's arena. */
void align_unref(Alignment *alignment)
{
    if (!alignment || atomic_fetch_sub(&alignment->refs, 1) != 1) return;
    free(alignment->bindings);
    free(alignment->matches);
    free(alignment->match_of_key);
    free(alignment->same_key);
    free(alignment->same_target);
    free(alignment->sure);
    free(alignment->why);
    free(alignment->agree);
    free(alignment->doubt_of);
    free(alignment->uses);
    free(alignment->use_start);
    free(alignment->use_list);
    draft_free(alignment->draft);
    dict_unref(alignment->target);
    checkpoint_unref(alignment->checkpoint);
    free(alignment);
}

/* ---- what it is asked ---- */

size_t align_count(const Alignment *alignment)
{
    return alignment->count;
}

const Binding *align_binding(const Alignment *alignment, size_t index)
{
    return &alignment->bindings[index];
}

/* Bindings stand in the target's order, or in that of the keys: those have an index of names. */
uint32_t align_index(const Alignment *alignment, const char *name)
{
    if (!alignment->target) {
        const DraftKey *key = draft_find(alignment->draft, name);
        return key ? (uint32_t)(key - draft_at(alignment->draft, 0)) : MAP_NONE;
    }
    const Tensor *tensor = dict_find(alignment->target, name);
    return tensor ? (uint32_t)dict_index(alignment->target, tensor) : MAP_NONE;
}

uint32_t *align_index_targets(const Alignment *alignment, const Bundle *bundles, size_t n)
{
    size_t total = 0, count = 0;
    for (size_t i = 0; i < n; i++) total += bundles[i].target_count;
    const char **names = mem_alloc((total + 1) * sizeof *names);
    uint32_t *indexes = mem_alloc((total + 1) * sizeof *indexes);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < bundles[i].target_count; j++) names[count++] = bundles[i].targets[j];
    if (alignment->target) dict_find_many(alignment->target, names, total, indexes);
    else draft_find_many(alignment->draft, names, total, indexes);
    free(names);
    return indexes;
}

/* O(1). */
const Binding *align_find(const Alignment *alignment, const char *target)
{
    uint32_t index = align_index(alignment, target);
    return index == MAP_NONE ? NULL : &alignment->bindings[index];
}

size_t align_use_count(const Alignment *alignment)
{
    return alignment->use_count;
}

const SourceUse *align_use(const Alignment *alignment, size_t index)
{
    return &alignment->uses[index];
}

/* By the name in the file, not the one that rules made of it. */
const SourceUse *align_find_use(const Alignment *alignment, const char *source)
{
    const Tensor *tensor = dict_find(alignment->source, source);
    return tensor ? &alignment->uses[dict_index(alignment->source, tensor)] : NULL;
}

const Summary *align_summary(const Alignment *alignment)
{
    return &alignment->summary;
}

size_t align_collision_count(const Alignment *alignment)
{
    return draft_collision_count(alignment->draft);
}

const Collision *align_collision(const Alignment *alignment, size_t index)
{
    return draft_collision(alignment->draft, index);
}

size_t align_note_count(const Alignment *alignment)
{
    return draft_note_count(alignment->draft);
}

const RuleNote *align_note(const Alignment *alignment, size_t index)
{
    return draft_note_at(alignment->draft, index);
}

const char *align_saved_name(const Alignment *alignment)
{
    return draft_saved_name(alignment->draft);
}

size_t align_doubt_count(const Alignment *alignment)
{
    return alignment->doubt_count;
}

const Doubt *align_doubt(const Alignment *alignment, size_t index)
{
    return &alignment->doubts[index];
}

const char *const *align_withheld(const Alignment *alignment, size_t *count)
{
    *count = alignment->withheld_count;
    return alignment->withheld;
}

bool align_is_automatic(const Alignment *alignment)
{
    return alignment->automatic;
}

size_t align_saying_count(const Alignment *alignment)
{
    return draft_saying_count(alignment->draft);
}

const Saying *align_saying(const Alignment *alignment, size_t index)
{
    return draft_saying(alignment->draft, index);
}

/* Runs lie one after the other: with use_start {0, 1, 1, 4} source 2 went into the bindings
 * use_list[1], [2] and [3], and source 1 nowhere. */
const uint32_t *align_uses_of(const Alignment *alignment, size_t source, size_t *count)
{
    *count = alignment->use_start[source + 1] - alignment->use_start[source];
    return alignment->use_list + alignment->use_start[source];
}

Checkpoint *align_source(const Alignment *alignment)
{
    return alignment->checkpoint;
}

StateDict *align_source_dict(const Alignment *alignment)
{
    return alignment->source;
}

const char *align_container(const Alignment *alignment)
{
    return draft_container(alignment->draft);
}

size_t align_names_in(const Alignment *alignment, const StateDict *dict)
{
    size_t hits = 0;
    for (size_t i = 0; alignment->target && i < dict_count(alignment->target); i++)
        hits += dict_find(dict, dict_at(alignment->target, i)->name) != NULL;
    return hits;
}

/* FILE:: names no part, so that the top level is no choice. */
bool align_would_do(const Alignment *alignment, const Container *one)
{
    if (one->optimizer || !*one->path) return false;
    size_t here = align_names_in(alignment, alignment->source);
    return !here || align_names_in(alignment, one->dict) >= here;
}

/* Those that the names alone made rivals, less those that have not the names of this target. */
size_t align_rivals(const Alignment *alignment)
{
    size_t rivals = draft_rivals(alignment->draft), count = 0;
    const Checkpoint *source = alignment->checkpoint;
    if (!rivals || !align_names_in(alignment, alignment->source)) return rivals;
    for (size_t i = 0; i < checkpoint_container_count(source); i++) {
        const Container *one = checkpoint_container(source, i);
        count += strcmp(one->path, align_container(alignment)) != 0 &&
                 align_would_do(alignment, one);
    }
    return count;
}

StateDict *align_target(const Alignment *alignment)
{
    return alignment->target;
}

uint64_t align_seed(const Alignment *alignment)
{
    return draft_seed(alignment->draft);
}

const Policy *align_policy(const Alignment *alignment)
{
    return &alignment->policy;
}

const Later *align_later(const Alignment *alignment)
{
    return draft_later(alignment->draft);
}

const struct ParamGroups *align_groups(const Alignment *alignment)
{
    return alignment->groups;
}

const struct OptimizerMove *align_optimizer(const Alignment *alignment)
{
    return alignment->optimizer;
}

double align_agreement(const Alignment *alignment, size_t index)
{
    return alignment->agree ? (double)alignment->agree[index] : NAN;
}

bool align_is_another_size(const Alignment *alignment)
{
    return alignment->another_size;
}

/* Tensors of a dict are one array: an address between its ends is one of them, told in O(1) and
 * without a look-up by name. Compared as integers, since C orders pointers only within an
 * array. */
uint32_t align_source_index(const Alignment *alignment, const Tensor *tensor)
{
    if (!alignment->use_count) return MAP_NONE;
    uintptr_t first = (uintptr_t)dict_at(alignment->source, 0);
    uintptr_t last = (uintptr_t)dict_at(alignment->source, alignment->use_count - 1);
    if ((uintptr_t)tensor < first || (uintptr_t)tensor > last) return MAP_NONE;
    return (uint32_t)dict_index(alignment->source, tensor);
}

/* An open binding is written only where expect{} covers it, and then with the target's value. */
const Expr *align_value(const Binding *binding)
{
    if (bind_is_open(binding->status)) return binding->covered ? binding->own : NULL;
    return binding->expr;
}

/* What a FIT stands on is what was offered: the FIT itself has no shape to compare. */
const Expr *align_offer(const Binding *binding)
{
    bool open = binding->status == BIND_SHAPE || binding->status == BIND_DTYPE;
    const Expr *offer = open ? binding->expr : binding->offered;
    return offer && offer->kind == EX_FIT ? offer->from[0] : offer;
}

/* KEPT counts when policy{shape="skip"} did it; keep_target leaves an origin behind, and is no
 * refusal of a shape. */
bool align_is_misshapen(const Binding *binding)
{
    if (binding->status == BIND_SHAPE) return binding->dims && !binding->expr->unknown;
    bool skipped = binding->status == BIND_KEPT && !binding->origin && binding->offered;
    return skipped && binding->dims && !binding->offered->unknown &&
           !same_dims(binding->offered->dims, binding->offered->rank, binding->dims, binding->rank);
}

bool align_is_loaded(const Binding *binding)
{
    return binding->status == BIND_LOADED || binding->status == BIND_TIED;
}

/* KEPT without origin is policy's work; without an offer there was nothing to load. */
bool align_is_missing(const Binding *binding)
{
    if (binding->status == BIND_MISSING) return true;
    return binding->status == BIND_KEPT && !binding->origin && !binding->offered;
}

/* For whole names, where only yes or no is wanted. */
bool name_fits(const Pattern *pattern, const char *name)
{
    Captures captures;
    return pattern_match(pattern, name, &captures);
}

/* Whether policy{unused="error"} is there and a source tensor offends it. By default an unused
 * tensor is told and no difference. */
static bool is_unused_open(const Alignment *alignment)
{
    if (alignment->policy.unused != UNUSED_ERROR) return false;
    for (size_t i = 0; i < alignment->use_count; i++)
        if (alignment->uses[i].status == USE_UNUSED && !alignment->uses[i].covered) return true;
    return false;
}

/* Wrong rules come first: what they say about the files means nothing. */
int align_exit(const Alignment *alignment)
{
    bool differs = false;
    if (alignment->rule_errors || align_collision_count(alignment)) return 2;
    for (size_t i = 0; i < alignment->count; i++) {
        const Binding *binding = &alignment->bindings[i];
        if (!bind_is_open(binding->status) || binding->covered) continue;
        if (binding->doubt) return 3;
        differs = true;
    }
    return differs || alignment->unexpected || is_unused_open(alignment);
}
