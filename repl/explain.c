/* The search is greedy, and every line in it is tried in the ledger that the lines before it have
 * left. In one round several lines are taken, as long as they settle different things: a round
 * costs a trial for each proposal. */
#include "repl/explain.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "loader/align/tied.h"
#include "loader/core/clock.h"
#include "loader/core/limits.h"
#include "loader/format/format.h"
#include "loader/source/file_text.h"
#include "loader/source/remote_place.h"
#include "loader/source/url.h"
#include "repl/interrupt.h"

enum {
    ROUNDS_MAX = 12,
    ALL_MS = 20000,              /* of work on all trials */
    PACK_KEYS_MAX = 20000,       /* rule packs are tried on no more keys than that */
    SEVERAL = 4                  /* trials on top of the best of a round, for each line taken */
};

/* ---- reading ---- */

static char *read_text(const char *path, size_t *n, Error *err)
{
    const bool input = strcmp(path, "-") == 0;
    const size_t most = (size_t)limit(LIMIT_INDEX_BYTES);
    char *text = input ? file_text_of(STDIN_FILENO, "standard input", most, n, err)
                       : file_text_given(path, most, n, err);
    char more[LIMIT_TEXT];
    if (!text && err->code == ERR_LIMIT)
        error_set(err, ERR_LIMIT, "%s: its bytes are %s", input ? "standard input" : path,
                  limit_text(LIMIT_INDEX_BYTES, more));
    return text;
}

/* A source that cannot be opened is what the text may be about: its error is told. False: a server
 * did not give it, about which nobody else's text says anything. */
static bool open_source(Explanation *explanation, Error *err)
{
    const char *file, *inside;
    if (!explanation->source_path) return true;
    checkpoint_spec(explanation->arena, explanation->source_path, &file, &inside);
    explanation->source_path = url_shown(explanation->arena, explanation->source_path);
    explanation->source = checkpoint_open(file, &explanation->unopened);
    const ErrorCode code = explanation->unopened.code;
    bool lost = code == ERR_NETWORK || code == ERR_CANCELLED;
    if (!lost && !(code == ERR_NOT_FOUND && remote_place_is_known(file))) return true;
    *err = explanation->unopened;
    return false;
}

Explanation *explanation_new(const char *text_path, const char *source_path, Error *err)
{
    size_t n;
    char *text = read_text(text_path, &n, err);
    if (!text) return NULL;
    Explanation *explanation = mem_alloc(sizeof *explanation);
    explanation->arena = arena_new();
    explanation->text_path = text_path;
    explanation->source_path = source_path;
    explanation->load = failed_load_read(text, n);
    free(text);
    if (open_source(explanation, err)) return explanation;
    explanation_free(explanation);
    return NULL;
}

void explanation_free(Explanation *explanation)
{
    if (!explanation) return;
    align_unref(explanation->first);
    align_unref(explanation->last);
    session_free(explanation->session);
    check_report_free(explanation->check);
    checkpoint_unref(explanation->source);
    failed_load_free(explanation->load);
    arena_free(explanation->arena);
    free(explanation);
}

/* ---- what is open ---- */

bool explanation_is_open(const Binding *binding)
{
    bool open = binding->status == BIND_SHAPE || binding->status == BIND_DTYPE ||
                binding->status == BIND_MISSING || binding->status == BIND_AMBIGUOUS;
    return open && !binding->covered;
}

size_t explanation_open(const Alignment *alignment)
{
    size_t count = 0;
    for (size_t i = 0; i < align_count(alignment); i++)
        count += explanation_is_open(align_binding(alignment, i));
    return count;
}

size_t explanation_left(const Alignment *alignment)
{
    size_t count = 0;
    for (size_t i = 0; i < align_use_count(alignment); i++)
        count += proposal_is_left(alignment, align_use(alignment, i));
    return count;
}

/* ---- the search ---- */

/* Whether a line may stand in the remedy: it breaks nothing, and its cause is known or its cost
 * small. */
static bool is_good(const Trial *trial)
{
    return !trial->breaks && !trial->rivalled &&
           (trial->proposal->cost <= COST_PART || trial->proposal->known);
}

static bool overlaps(const Trial *a, const Trial *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (a->settled[i] && b->settled[i]) return true;
    return false;
}

/* What the text says of the file, the file itself may show. */
static bool look_into_source(Explanation *explanation, Error *err)
{
    CheckTotals totals;
    if (!explanation->source || !explanation->load->trouble_count) return true;
    const Container *chosen = checkpoint_choose(explanation->source, NULL, NULL);
    const CheckOptions options = {explanation->source_path, chosen, true, NULL, NULL};
    explanation->check = check_run(explanation->source, &options, &totals, err);
    return explanation->check != NULL;
}

static Proposal keep_proposal(Explanation *explanation, const Proposal *proposal)
{
    Proposal kept = *proposal;
    kept.line = arena_strdup(explanation->arena, proposal->line);
    kept.why = arena_strdup(explanation->arena, proposal->why);
    kept.target = NULL;
    return kept;
}

/* Whether it answers the same question: settles no fewer targets, some of them the same, and makes
 * nothing up where values only need to move. */
static bool is_choice(const Trial *chosen, const Trial *other, size_t n)
{
    if (other == chosen || other->breaks || other->rivalled ||
        other->targets < chosen->targets)
        return false;
    if (chosen->proposal->cost <= COST_BUFFERS && other->proposal->cost >= COST_MADE_UP)
        return false;
    return other->proposal->kind != PROPOSE_POLICY && overlaps(chosen, other, n);
}

/* Others that settle some of what the chosen one does, the likeliest first. */
static void add_choices(Explanation *explanation, ExplainStep *step, const Trials *trials,
                        const Trial *chosen, size_t n)
{
    for (size_t i = 0; i < trials->count && step->choice_count < CHOICES_MAX; i++) {
        const Trial *other = &trials->items[i];
        if (!is_choice(chosen, other, n)) continue;
        step->choices[step->choice_count] = keep_proposal(explanation, other->proposal);
        step->choice_targets[step->choice_count] = other->targets;
        step->choice_sources[step->choice_count++] = other->sources;
    }
}

/* Takes a line into the session; its ledger, already made, is the present one. */
static ExplainStep *take(Explanation *explanation, const Trial *trial, Alignment *after)
{
    ExplainStep *step = &explanation->steps[explanation->step_count++];
    *step = (ExplainStep){.proposal = keep_proposal(explanation, trial->proposal),
                          .targets = trial->targets, .sources = trial->sources};
    session_add_line(explanation->session, trial->proposal->line);
    align_unref(explanation->last);
    explanation->last = after;
    return step;
}

/* One more line of the same round, when it still helps behind those that were taken. */
static bool take_next(Explanation *explanation, const Trials *trials, const Trial *next,
                      const TrialOptions *options, size_t n)
{
    Trial again;
    Snapshot *snapshot = session_snapshot(explanation->session);
    bool good = trial_run(&again, snapshot, explanation->last, next->proposal, options) &&
                is_good(&again);
    session_give_back(explanation->session, snapshot);
    if (good) {
        again.proposal = next->proposal;
        ExplainStep *step = take(explanation, &again, align_ref(again.after));
        add_choices(explanation, step, trials, next, n);
    }
    trial_done(&again);
    return good;
}

/* The best line, then others that settle something else. False when there is none. */
static bool take_round(Explanation *explanation, const Trials *trials, const TrialOptions *options)
{
    size_t n = align_count(explanation->last) + align_use_count(explanation->last);
    uint8_t *settled = mem_alloc(n + 1);
    bool any = false;
    size_t misses = 0;
    for (size_t i = 0; i < trials->count; i++) {
        const Trial *trial = &trials->items[i];
        if (explanation->step_count == ADVICE_LINES_MAX || misses > SEVERAL) break;
        if (!is_good(trial)) continue;
        const Trial so_far = {.settled = settled};
        if (any && (overlaps(trial, &so_far, n) || trial->proposal->kind == PROPOSE_CONTAINER))
            continue;
        bool taken = take_next(explanation, trials, trial, options, n);
        misses += !taken;
        for (size_t k = 0; taken && k < n; k++) settled[k] |= trial->settled[k];
        any = any || taken;
        /* names have changed: what was thought of them may hold no more */
        if (taken && trial->proposal->cost == COST_NONE) break;
    }
    free(settled);
    return any;
}

/* What would settle some of the rest without a reason being known, and what no line can do. */
static void keep_rest(Explanation *explanation, const ProposalList *list, const Trials *trials)
{
    for (size_t i = 0; i < trials->count && explanation->more_count < CHOICES_MAX * 2; i++) {
        const Trial *trial = &trials->items[i];
        if (trial->breaks) continue;
        size_t at = explanation->more_count++;
        explanation->more[at] = keep_proposal(explanation, trial->proposal);
        explanation->more_targets[at] = trial->targets;
        explanation->more_sources[at] = trial->sources;
    }
    for (size_t i = 0; i < list->count; i++)
        if (!list->items[i].line && explanation->advice_count < CHOICES_MAX)
            explanation->advice[explanation->advice_count++] =
                arena_strdup(explanation->arena, list->items[i].why);
}

/* What automatic alignment cannot decide it asks: one answer often settles a whole family. */
static void keep_doubts(Explanation *explanation)
{
    enum { ASKED = 2 };
    if (!explanation->source || !align_summary(explanation->last)->bind[BIND_MISSING]) return;
    Error ignored = {0};
    Alignment *tried = session_try(explanation->session, "auto{}", &ignored);
    for (size_t i = 0; tried && i < align_doubt_count(tried) && i < ASKED; i++) {
        const Doubt *doubt = align_doubt(tried, i);
        if (!doubt->open || !doubt->say || explanation->advice_count == CHOICES_MAX) continue;
        explanation->advice[explanation->advice_count++] =
            arena_printf(explanation->arena, "Names, shapes and order do not decide about %zu "
                         "tensors; if it is so, say it: tenon align --auto --say \"%s\" …",
                         doubt->tensors, doubt->say);
    }
    align_unref(tried);
}

static bool is_stopped(void *context)
{
    (void)context;
    return *interrupt_flag();
}

static bool run_round(Explanation *explanation, bool *more)
{
    const TrialOptions options = {.strict = true, .cancelled = is_stopped,
                                  .milliseconds = ALL_MS - explanation->spent};
    const int64_t start = clock_work_ms();
    ProposalList list;
    Trials trials;
    Arena *arena = arena_new();
    proposals_init(&list, arena);
    proposals_find(&list, explanation->last);
    if (align_count(explanation->last) + align_use_count(explanation->last) <= PACK_KEYS_MAX)
        proposals_add_packs(&list, explanation->last);
    if (explanation->source) proposals_add_auto(&list, explanation->last);
    Alignment *before = align_ref(explanation->last);
    Snapshot *snapshot = session_snapshot(explanation->session);
    trials_run(&trials, snapshot, before, &list, &options);
    session_give_back(explanation->session, snapshot);
    explanation->tried += trials.tried;
    explanation->untried = trials.left;
    *more = take_round(explanation, &trials, &options);
    if (!*more) keep_rest(explanation, &list, &trials);
    if (!*more) keep_doubts(explanation);
    trials_done(&trials);
    align_unref(before);
    proposals_done(&list);
    arena_free(arena);
    explanation->spent += (long)(clock_work_ms() - start);
    *more = *more && explanation->spent < ALL_MS;
    return !*interrupt_flag();
}

/* The text alone is both sides: what it says the checkpoint has, and what the model wants. */
static bool start_session(Explanation *explanation, Error *err)
{
    Checkpoint *text = failed_load_checkpoint(explanation->load, explanation->text_path, err);
    if (!text) return false;
    SessionOptions options = {.target = explanation->text_path, .target_opened = text};
    options.source = explanation->source
                         ? explanation->source_path
                         : arena_printf(explanation->arena, "%s::source", explanation->text_path);
    options.source_opened = explanation->source ? explanation->source : text;
    options.model = explanation->load->model;
    explanation->session = session_new(&options, err);
    checkpoint_unref(text);
    return explanation->session != NULL;
}

/* Where the weights lie, when no name of a tensor is unexpected but only what programs put beside
 * the weights: the whole file was loaded. The file at hand shows it; without it names must. NULL:
 * it was not. */
static const char *part_with_weights(const Explanation *explanation)
{
    const FailedLoad *load = explanation->load;
    const StateDict *dict = explanation->source ? align_source_dict(explanation->first) : NULL;
    const char *weights = dict ? align_container(explanation->first) : NULL;
    if (!load->unexpected.count || load->size_count || (dict && !*weights)) return NULL;
    for (size_t i = 0; i < load->unexpected.count; i++) {
        const char *name = load->unexpected.names[i];
        if (dict ? strchr(name, '.') || dict_find(dict, name) : !proposal_is_program_name(name))
            return NULL;
        if (!dict && proposal_is_container(name)) weights = name;
    }
    return weights;
}

/* ` (also in "ema")`: parts that have the names as well. */
static const char *list_rivals(const Explanation *explanation)
{
    Text list = {0};
    const Checkpoint *source = explanation->source;
    for (size_t i = 0; source && i < checkpoint_container_count(source); i++) {
        const Container *one = checkpoint_container(source, i);
        if (align_rivals(explanation->first) && align_would_do(explanation->first, one) &&
            strcmp(one->path, align_container(explanation->first)) != 0)
            text_addf(&list, "%s\"%s\"", list.length ? ", " : " (also in ", one->path);
    }
    if (list.length) text_addc(&list, ')');
    return text_keep(&list, explanation->arena);
}

/* From the text alone nothing can be tried then, but all is explained. */
static void note_whole_file(Explanation *explanation)
{
    const char *weights = part_with_weights(explanation);
    if (!weights || explanation->advice_count == CHOICES_MAX) return;
    explanation->self_inflicted = !explanation->source;
    explanation->advice[explanation->advice_count++] = arena_printf(
        explanation->arena, "The whole file was given to load_state_dict: the weights lie in its "
        "\"%s\"%s. In Python: load_state_dict(checkpoint[\"%s\"]). tenon goes there by itself; "
        "rules say it as unwrap \"%s\".%s", weights, list_rivals(explanation), weights, weights,
        explanation->source
            ? "" : " Whether the names in it fit shows with the checkpoint at hand.");
}

/* Whether most unexpected names are missing ones without their first n bytes (not all: PyTorch does
 * not always miss num_batches_tracked); *example is the missing one of a name that was cut in the
 * middle of a segment, as no prefix is. */
static bool is_cut_by(const FailedLoad *load, NameMap *unexpected, size_t n, const char **example)
{
    enum { FEWEST = 2 };
    size_t hits = 0;
    *example = NULL;
    for (size_t i = 0; i < load->missing.count; i++) {
        const char *name = load->missing.names[i];
        const char *rest = strlen(name) < n ? "" : name + n;
        uint32_t last = map_get(unexpected, rest);
        if (last == MAP_NONE) continue;
        if (last != (uint32_t)n) hits++;     /* two names may leave the same */
        map_set(unexpected, rest, (uint32_t)n);
        if (!*example && *rest && name[n - 1] != '.') *example = name;
    }
    return *example && hits >= FEWEST && 4 * hits >= 3 * load->unexpected.count;
}

/* Code that takes "module." off without looking, k[7:], leaves "eight" of "conv1.weight". The
 * file's own names are whole, so nothing is to be tried on these. */
static void note_cut_names(Explanation *explanation)
{
    enum { LONGEST = 32 };
    static const char usual[] = "module.";
    const FailedLoad *load = explanation->load;
    const char *example = NULL;
    size_t n = 1;
    NameMap names;
    if (explanation->advice_count == CHOICES_MAX) return;
    map_init(&names);
    for (size_t i = 0; i < load->unexpected.count; i++)
        map_set(&names, load->unexpected.names[i], 0);
    while (n < LONGEST && !is_cut_by(load, &names, n, &example)) n++;
    map_done(&names);
    if (n == LONGEST) return;
    Text whole = {0}, rest = {0};
    name_show(example, &whole);
    name_show(example + n, &rest);
    explanation->self_inflicted = true;
    explanation->advice[explanation->advice_count++] = arena_printf(
        explanation->arena, "The first %zu letters of every name were cut off, k[%zu:], whether "
        "%s stood there or not: of \"%s\" is left \"%s\". The checkpoint's own names are whole; in "
        "Python: k.removeprefix(%s). tenon reads the file as it is.", n, n,
        n == sizeof usual - 1 ? "\"module.\"" : "a prefix", text_string(&whole),
        text_string(&rest), n == sizeof usual - 1 ? "\"module.\"" : "prefix");
    text_done(&whole);
    text_done(&rest);
}

/* The layers that all names of one side are of: "blocks." with numbers from one to another. */
typedef struct Layers {
    const char *stem;            /* [length] of the first name */
    size_t length;
    uint64_t from, to;
} Layers;

/* Whether all names begin alike, with a number behind it, and every number between the least and
 * the largest is there. A layer has modules of its own: the last one of an nn.Sequential is a head,
 * and no depth. */
static bool find_layers(const LoadNames *names, Layers *layers)
{
    enum { FEWEST = 2, DIGITS_MAX = 6 };
    NameMap numbers;
    bool fine = names->count >= FEWEST, nested = false;
    *layers = (Layers){.from = UINT64_MAX};
    map_init(&numbers);
    for (size_t i = 0; fine && i < names->count; i++) {
        const char *name = names->names[i], *p = name;
        while (*p && !(is_digit(*p) && p > name && p[-1] == '.')) p++;
        const size_t length = (size_t)(p - name), digits = strspn(p, "0123456789");
        uint64_t number;
        fine = digits && digits <= DIGITS_MAX && p[digits] == '.' &&
               parse_digits(p, digits, &number);
        if (!i) {
            layers->stem = name;
            layers->length = length;
        }
        fine = fine && length == layers->length && memcmp(name, layers->stem, length) == 0;
        if (!fine) break;
        if (number < layers->from) layers->from = number;
        if (number > layers->to) layers->to = number;
        nested = nested || strchr(p + digits + 1, '.');
        char key[DIGITS_MAX + 1] = {0};
        memcpy(key, p, digits);
        map_set(&numbers, key, 0);
    }
    fine = fine && numbers.count == layers->to - layers->from + 1;
    map_done(&numbers);
    return fine && nested && layers->from > 0;
}

/* Layers that only one side has, behind those that both have: the model was built with another
 * depth. Nothing mends that, and nothing else is wrong. */
static void note_depth(Explanation *explanation)
{
    const FailedLoad *load = explanation->load;
    const bool deeper = load->missing.count > 0;
    Layers layers;
    if (explanation->self_inflicted || load->size_count || load->cut ||
        (deeper && load->unexpected.count) || explanation->advice_count == CHOICES_MAX ||
        !find_layers(deeper ? &load->missing : &load->unexpected, &layers))
        return;
    Text there = {0};
    name_show(arena_strndup(explanation->arena, layers.stem, layers.length), &there);
    const char *stem = text_keep(&there, explanation->arena);
    const char *last = layers.to == layers.from
                           ? "" : arena_printf(explanation->arena, " to %" PRIu64, layers.to);
    explanation->self_inflicted = deeper;
    explanation->advice[explanation->advice_count++] = arena_printf(
        explanation->arena, "The model was built with another depth: %s has %s%" PRIu64 "%s, the "
        "other ends at %s%" PRIu64 ". Build it as deep as the checkpoint%s", deeper ? "it" :
        "the checkpoint", stem, layers.from, last, stem, layers.from - 1,
        deeper ? "; or policy{missing=\"keep\"}, which leaves those layers as the model has them."
               : ", unless those layers are not wanted.");
}

/* What no line settles and no advice is about. */
size_t explanation_unexplained(const Explanation *explanation)
{
    const Alignment *last = explanation->last;
    size_t count = 0;
    if (explanation->self_inflicted || !last) return 0;
    for (size_t i = 0; i < align_count(last); i++) {
        const Binding *binding = align_binding(last, i);
        bool size = align_is_another_size(last) && binding->status == BIND_SHAPE;
        bool tied = !binding->dims && tied_is_output(binding->name);
        count += explanation_is_open(binding) && !size && !tied;
    }
    for (size_t i = 0; i < align_use_count(last); i++) {
        const SourceUse *use = align_use(last, i);
        count += proposal_is_left(last, use) && !proposal_is_adapter(use->tensor->name);
    }
    return count;
}

bool explanation_run(Explanation *explanation, Error *err)
{
    bool failed = false, more = true;
    const FailedLoad *load = explanation->load;
    explanation->status = failed_load_count(load) || !load->trouble_count;
    if (!look_into_source(explanation, err)) return false;
    if (!failed_load_count(load)) return true;
    if (!start_session(explanation, err)) return false;
    explanation->first = session_align(explanation->session, &failed, err);
    if (!explanation->first) return false;
    explanation->last = align_ref(explanation->first);
    note_whole_file(explanation);
    if (!explanation->source) {
        note_cut_names(explanation);
        note_depth(explanation);
    }
    more = !explanation->self_inflicted;
    for (unsigned round = 0; round < ROUNDS_MAX && more; round++) {
        if (!explanation_open(explanation->last) && !explanation_left(explanation->last)) break;
        if (run_round(explanation, &more)) continue;
        return error_set(err, ERR_CANCELLED, "stopped");
    }
    explanation_silent(explanation);
    explanation->status = explanation_unexplained(explanation) ? 1 : 0;
    return true;
}
