/* A trial is a snapshot_try and one walk over two ledgers. */
#include "repl/proposals.h"

#include <stdlib.h>
#include <string.h>

#include "loader/core/clock.h"
#include "scripting/pack.h"
#include "scripting/script.h"

/* ---- one trial ---- */

static bool is_open(const Binding *binding)
{
    bool open = binding->status == BIND_SHAPE || binding->status == BIND_DTYPE ||
                binding->status == BIND_MISSING || binding->status == BIND_AMBIGUOUS;
    return open && !binding->covered;
}

static bool has_value(const Binding *binding)
{
    return binding->status == BIND_LOADED || binding->status == BIND_TIED;
}

/* What had a value of another shape or dtype, and now has none at all, was not settled. */
static bool has_offer(const Binding *binding)
{
    return binding->status == BIND_SHAPE || binding->status == BIND_DTYPE;
}

static bool is_without(const Binding *binding)
{
    return binding->status == BIND_MISSING || binding->status == BIND_AMBIGUOUS;
}

/* A target's bindings stand in its order whatever the rules say. */
static const Binding *find_same(const Alignment *after, const char *name, size_t index)
{
    const Binding *binding = index < align_count(after) ? align_binding(after, index) : NULL;
    return binding && strcmp(binding->name, name) == 0 ? binding : align_find(after, name);
}

/* FNV-1a over what a line changed. */
static void mix(uint64_t *hash, const void *bytes, size_t n)
{
    const unsigned char *p = bytes;
    while (n--) *hash = (*hash ^ *p++) * 1099511628211u;
}

static void mix_text(uint64_t *hash, const char *text)
{
    if (text) mix(hash, text, strlen(text) + 1);
}

static void mix_binding(uint64_t *hash, size_t index, const Binding *binding)
{
    mix(hash, &index, sizeof index);
    mix(hash, &binding->status, sizeof binding->status);
    for (uint32_t i = 0; i < binding->source_count; i++)
        mix_text(hash, binding->sources[i]->name);
    mix_text(hash, binding->op);
    mix_text(hash, binding->reason);
    if (binding->step) mix_text(hash, binding->step->ops);
}

/* The targets: which are settled, which lose what they had. */
static void compare_targets(Trial *trial, const Alignment *before, const TrialOptions *options)
{
    for (size_t i = 0; i < align_count(before); i++) {
        const Binding *old = align_binding(before, i);
        const Binding *new = find_same(trial->after, old->name, i);
        bool gained = is_open(old) && new && !is_open(new);
        bool lost = !new || (has_value(old) && !has_value(new)) ||
                    (!is_open(old) && is_open(new)) || (has_offer(old) && is_without(new));
        trial->settled[i] = gained;
        trial->targets += gained;
        trial->breaks += lost;
        if (!gained && !lost && old->status == new->status) continue;
        if (new) mix_binding(&trial->effect, i, new);
        bool closer = is_without(old) && has_offer(new);   /* its name was found */
        if ((gained || closer) && options->target && strcmp(options->target, old->name) == 0)
            trial->about = true;
    }
}

static void compare_sources(Trial *trial, const Alignment *before)
{
    const size_t targets = align_count(before);
    if (align_source_dict(before) != align_source_dict(trial->after)) {
        mix_text(&trial->effect, align_container(trial->after));
        return;                  /* another container: its tensors are others */
    }
    for (size_t i = 0; i < align_use_count(before); i++) {
        const SourceUse *old = align_use(before, i), *new = align_use(trial->after, i);
        bool freed = proposal_is_left(before, old) && new->status != USE_UNUSED;
        trial->settled[targets + i] = freed;
        trial->sources += freed;
        trial->dropped += freed && new->status == USE_DROPPED;
        if (old->status != new->status) {
            mix(&trial->effect, &i, sizeof i);
            mix(&trial->effect, &new->status, sizeof new->status);
        }
    }
}

static size_t count_errors(const Alignment *alignment)
{
    size_t errors = align_collision_count(alignment);
    for (size_t i = 0; i < align_note_count(alignment); i++)
        errors += align_note(alignment, i)->level == NOTE_ERROR;
    return errors;
}

/* A pack of which one line happens to fit is of another model. */
static bool is_chance(const Trial *trial)
{
    return trial->proposal->kind == PROPOSE_PACK && trial->targets + trial->sources < 2;
}

bool trial_run(Trial *trial, Snapshot *snapshot, const Alignment *before,
               const Proposal *proposal, const TrialOptions *options)
{
    Error ignored = {0};
    *trial = (Trial){.proposal = proposal, .effect = 14695981039346656037u};
    if (!proposal->line) return false;
    const SnapshotRun run = {.extra = proposal->line, .interrupt = options->interrupt,
                             .watch = options->watch};
    trial->after = snapshot_try(snapshot, &run, &ignored);
    if (!trial->after) return false;
    trial->settled = mem_alloc(align_count(before) + align_use_count(before) + 1);
    compare_targets(trial, before, options);
    compare_sources(trial, before);
    size_t errors = count_errors(before), later = count_errors(trial->after);
    if (later > errors) trial->breaks += later - errors;
    if (is_chance(trial)) return false;
    if (options->target) return trial->about;
    return trial->targets || (options->strict && trial->sources);
}

void trial_done(Trial *trial)
{
    free(trial->settled);
    align_unref(trial->after);
    *trial = (Trial){0};
}

/* ---- many ---- */

/* What is dropped counts only where dropping is the point of the line: else the widest `keep` would
 * seem the best. */
static size_t weigh(const Trial *trial)
{
    ProposalKind kind = trial->proposal->kind;
    bool meant = kind == PROPOSE_BUFFER || kind == PROPOSE_DROP;
    return trial->targets + trial->sources - (meant ? 0 : trial->dropped);
}

/* Whether a takes a wrapper off and so does half of what auto{} would: the rest is asked for again
 * without it, and a line that says what it does is worth more than one that finds it out. */
static bool is_plainer(const Trial *a, const Trial *b)
{
    return has_prefix(a->proposal->line, "strip") && b->proposal->kind == PROPOSE_AUTO &&
           !a->breaks && 2 * weigh(a) >= weigh(b);
}

/* Whether a goes before b. */
static bool is_better(const Trial *a, const Trial *b)
{
    const Proposal *p = a->proposal, *q = b->proposal;
    if (is_plainer(a, b) || is_plainer(b, a)) return is_plainer(a, b);
    if (!a->breaks != !b->breaks) return !a->breaks;
    bool waives = p->cost >= COST_WAIVED, other = q->cost >= COST_WAIVED;
    if (waives != other) return other;
    bool made = p->cost == COST_MADE_UP, others = q->cost == COST_MADE_UP;
    if (made != others) return others;
    size_t n = weigh(a), m = weigh(b);
    if (n != m) return n > m;
    if (p->cost != q->cost) return p->cost < q->cost;
    return false;                /* as they were thought of: the usual one first */
}

/* q_proj, k_proj and v_proj are all one segment away from qkv_proj. */
static bool are_rivals(const Trial *a, const Trial *b, size_t targets)
{
    bool names = a->proposal->kind == PROPOSE_RENAME && b->proposal->kind == PROPOSE_RENAME;
    if (!names || a->targets != b->targets || weigh(a) != weigh(b)) return false;
    return memcmp(a->settled, b->settled, targets) == 0;
}

static void find_rivals(const Trials *trials, size_t targets)
{
    for (size_t i = 0; i < trials->count; i++)
        for (size_t k = 0; k < i; k++)
            if (are_rivals(&trials->items[i], &trials->items[k], targets))
                trials->items[i].rivalled = trials->items[k].rivalled = true;
}

bool trials_add(Trials *trials, Trial *trial)
{
    for (size_t i = 0; i < trials->count; i++)
        if (trials->items[i].effect == trial->effect) {
            trial_done(trial);
            return false;
        }
    trials->items = mem_realloc(trials->items, (trials->count + 1) * sizeof *trials->items);
    size_t at = trials->count++;
    for (; at && is_better(trial, &trials->items[at - 1]); at--)
        trials->items[at] = trials->items[at - 1];
    trials->items[at] = *trial;
    return true;
}

/* Ledgers are large: none is kept once it was compared. */
void trials_run(Trials *trials, Snapshot *snapshot, const Alignment *before,
                const ProposalList *list, const TrialOptions *options)
{
    *trials = (Trials){0};
    const int64_t start = clock_work_ms();
    for (size_t i = 0; i < list->count; i++) {
        if (!list->items[i].line) continue;
        if ((options->cancelled && options->cancelled(options->context)) ||
            (options->most && trials->tried >= options->most) ||
            (options->milliseconds && clock_work_ms() - start > options->milliseconds)) {
            trials->left++;
            continue;
        }
        Trial trial;
        trials->tried++;
        bool helps = trial_run(&trial, snapshot, before, &list->items[i], options);
        align_unref(trial.after);
        trial.after = NULL;
        if (helps) trials_add(trials, &trial);
        else trial_done(&trial);
    }
    find_rivals(trials, align_count(before));
}

void trials_done(Trials *trials)
{
    for (size_t i = 0; i < trials->count; i++) trial_done(&trials->items[i]);
    free(trials->items);
    *trials = (Trials){0};
}

/* ---- what lies in the scripting floor ---- */

/* Automatic alignment, where this version has the statement: tried as any line is. */
void proposals_add_auto(ProposalList *list, const Alignment *alignment)
{
    size_t count;
    const ScriptWord *words = script_words(&count);
    const Summary *summary = align_summary(alignment);
    for (size_t i = 0; i < count; i++)
        if (strcmp(words[i].name, "auto") == 0 && summary->bind[BIND_MISSING] &&
            summary->use[USE_UNUSED])
            proposal_add(list, (Proposal){
                .kind = PROPOSE_AUTO, .cost = COST_NONE, .known = true, .line = "auto{}",
                .why = "Automatic alignment finds pairs by names, shapes, order and structure; it "
                       "leaves open what these do not decide."});
}

void proposals_add_packs(ProposalList *list, const Alignment *alignment)
{
    if (!align_target(alignment)) return;
    for (size_t i = 0; i < bundled_rules_count; i++) {
        const BundledRules *pack = &bundled_rules[i];
        if (pack->kind != BUNDLED_PACK) continue;
        const char *names[2] = {pack->name, pack_reverse_name(list->arena, pack)};
        for (size_t k = 0; k < countof(names); k++)
            if (names[k])
                proposal_add(list, (Proposal){
                    .kind = PROPOSE_PACK, .cost = COST_NONE, .known = true,
                    .line = arena_printf(list->arena, "preset \"%s\"", names[k]),
                    .why = arena_printf(list->arena, "A bundled rule pack fits; tenon rules show "
                                        "%s prints it.", names[k])});
    }
}
