/* auto{}: what automatic alignment (auto.h) finds becomes keys of the draft, and what it cannot
 * tell becomes doubts of the ledger.
 *
 * It runs when every key has its name and match{} has had its turn. Whatever a rule was written for
 * and fits is bound already: evidence, and no candidate. */
#include "loader/align/align_doubt.h"

#include <stdlib.h>
#include <string.h>

#include "loader/align/align_parts.h"
#include "loader/align/draft_parts.h"
#include "loader/align/match.h"
#include "loader/align/suggest.h"

/* ---- the two sides ---- */

/* What auto_align is given, and how its indices read. */
typedef struct Asking {
    Alignment *alignment;
    Draft *draft;
    const AutoRule *rule;
    AutoTensor *keys, *targets;  /* owned */
    size_t key_count;
    uint32_t *place;             /* owned, [keys of the draft]: index of keys; MAP_NONE = not asked
                                    about */
    AutoAnchor *anchors;         /* owned, growing */
    size_t anchor_count, anchor_room;
} Asking;

/* The dims of a scalar: NULL would mean that the shape is not known. */
static const int64_t no_dims[1];

/* Whether a key has another history than changes which a whole source goes through (strip, keep,
 * prefix …): a rule was written for it. */
static bool key_is_ruled(const DraftKey *key)
{
    static const char *const whole[] = {"strip", "keep", "prefix", "seg", "source", "unwrap"};
    for (const Step *step = key->step; step;
         step = step->before_count == 1 ? step->before[0] : NULL) {
        bool bulk = !step->ops && step->before_count < 2 && step->what;
        bool known = false;
        for (size_t i = 0; bulk && i < countof(whole); i++)
            known = known || has_prefix(step->what, whole[i]);
        if (!known) return true;
    }
    return false;
}

/* Keys that stand for a collision, and those whose elements are no numbers, are no candidates. */
static bool is_candidate(const DraftKey *key)
{
    if (!key->expr || key->collision) return false;
    return key->expr->kind != EX_SOURCE || !key->expr->tensor->encoding ||
           !key->expr->tensor->encoding->opaque;
}

static void list_keys(Asking *asking)
{
    size_t n = draft_count(asking->draft);
    asking->keys = mem_alloc((n + 1) * sizeof *asking->keys);
    asking->place = mem_alloc((n + 1) * sizeof *asking->place);
    for (size_t i = 0; i < n; i++) {
        const DraftKey *key = draft_at(asking->draft, i);
        asking->place[i] = MAP_NONE;
        if (!is_candidate(key)) continue;
        const Expr *value = key->expr;
        asking->place[i] = (uint32_t)asking->key_count;
        asking->keys[asking->key_count++] = (AutoTensor){
            key->name, value->unknown ? NULL : value->rank ? value->dims : no_dims,
            value->unknown ? 0 : value->rank, value->dtype};
    }
}

static void list_targets(Asking *asking)
{
    const Alignment *alignment = asking->alignment;
    asking->targets = mem_alloc((alignment->count + 1) * sizeof *asking->targets);
    for (size_t i = 0; i < alignment->count; i++) {
        const Tensor *target = dict_at(alignment->target, i);
        asking->targets[i] = (AutoTensor){
            target->name, target->dims && !target->rank ? no_dims : target->dims,
            target->dims ? target->rank : 0, target->dtype};
    }
}

static void add_anchor(Asking *asking, size_t key, size_t target)
{
    if (asking->place[key] == MAP_NONE) return;
    asking->anchors = mem_grow(asking->anchors, &asking->anchor_room, asking->anchor_count + 1,
                               sizeof *asking->anchors);
    asking->anchors[asking->anchor_count++] = (AutoAnchor){asking->place[key], (uint32_t)target};
}

static bool any_ruled(const Draft *draft)
{
    for (size_t i = 0; i < draft_count(draft); i++)
        if (key_is_ruled(draft_at(draft, i))) return true;
    return false;
}

/* What match{} paired, and what a rule gave its target's name and shape. Names that are equal
 * without a rule are found by auto_align itself: it may know better, as for kernels of equal name
 * that are transposed, the square ones too. */
static void list_anchors(Asking *asking)
{
    const Alignment *alignment = asking->alignment;
    const char **names = mem_alloc((alignment->count + 1) * sizeof *names);
    uint32_t *keys = mem_alloc((alignment->count + 1) * sizeof *keys);
    const bool ruled = any_ruled(asking->draft);
    for (size_t i = 0; i < alignment->count; i++) names[i] = asking->targets[i].name;
    if (ruled) draft_find_many(asking->draft, names, alignment->count, keys);
    for (size_t i = 0; i < alignment->count; i++) {
        const Match *match = alignment->matches ? &alignment->matches[i] : NULL;
        const bool found = ruled && keys[i] != MAP_NONE;
        const DraftKey *key = found ? draft_at(asking->draft, keys[i]) : NULL;
        if (match && match->rule && match->key != MAP_NONE) {
            add_anchor(asking, match->key, i);
        } else if (key && key->expr && key_is_ruled(key) &&
                   match_same_shape(key->expr, dict_at(alignment->target, i))) {
            add_anchor(asking, keys[i], i);
        }
    }
    free(names);
    free(keys);
}

static bool is_cancelled(void *context)
{
    const AutoRule *rule = context;
    return rule->interrupt && *rule->interrupt;
}

static const AutoResult *ask(Asking *asking, Error *err)
{
    const Alignment *alignment = asking->alignment;
    AutoOptions options = asking->rule->options;
    options.anchors = asking->anchors;
    options.anchor_count = asking->anchor_count;
    options.cancelled = is_cancelled;
    options.context = (void *)asking->rule;      /* is_cancelled only reads it */
    AutoSide source = {asking->keys, asking->key_count, !dict_is_ordered(alignment->source)};
    AutoSide target = {asking->targets, alignment->count, !dict_is_ordered(alignment->target)};
    return auto_align(alignment->arena, &source, &target, &options, err);
}

/* ---- bundles ---- */

/* Keys move when bundles are carried out: what match{} paired is found again by its name. */
typedef struct Paired {
    const char **names;          /* owned, [count]: of the key; NULL = none */
} Paired;

static Paired remember_matches(const Alignment *alignment)
{
    Paired paired = {NULL};
    if (!alignment->matches) return paired;
    paired.names = mem_alloc((alignment->count + 1) * sizeof *paired.names);
    for (size_t i = 0; i < alignment->count; i++)
        if (alignment->matches[i].key != MAP_NONE)
            paired.names[i] = draft_at(alignment->draft, alignment->matches[i].key)->name;
    return paired;
}

/* Beside what match{} paired, equal names bind again. */
static void restore_matches(Alignment *alignment, Paired paired)
{
    if (!alignment->matches) return;
    size_t keys = draft_count(alignment->draft);
    alignment->match_of_key =
        mem_realloc(alignment->match_of_key, (keys + 1) * sizeof *alignment->match_of_key);
    for (size_t i = 0; i < keys; i++) alignment->match_of_key[i] = MAP_NONE;
    for (size_t i = alignment->count; i-- > 0;) {
        const char *name = paired.names[i];
        if (!name) name = dict_at(alignment->target, i)->name;
        const DraftKey *key = draft_find(alignment->draft, name);
        alignment->matches[i].key =
            key ? (uint32_t)(key - draft_at(alignment->draft, 0)) : MAP_NONE;
        if (!paired.names[i]) alignment->matches[i].rule = NULL;
        if (key) alignment->match_of_key[alignment->matches[i].key] = (uint32_t)i;
    }
    free(paired.names);
}

/* A bundle that would take what match{} or a rule has bound, or a name that match{} needs, is not
 * carried out. Those that are stand in front then. */
static size_t choose_bundles(const Asking *asking, const AutoResult *result)
{
    const Alignment *alignment = asking->alignment;
    size_t count = 0;
    NameMap bound;
    map_init(&bound);
    for (size_t i = 0; i < asking->anchor_count; i++) {
        map_set(&bound, asking->keys[asking->anchors[i].source].name, 1);
        map_set(&bound, asking->targets[asking->anchors[i].target].name, 1);
    }
    uint32_t *places = align_index_targets(alignment, result->bundles, result->bundle_count);
    const uint32_t *place = places;
    for (size_t i = 0; i < result->bundle_count; i++) {
        const Bundle *bundle = &result->bundles[i];
        bool free_to_use = true;
        for (size_t j = 0; j < bundle->target_count; j++, place++)
            free_to_use = free_to_use && map_get(&bound, bundle->targets[j]) == MAP_NONE &&
                          *place != MAP_NONE;
        if (free_to_use) result->bundles[count++] = *bundle;
    }
    free(places);
    map_done(&bound);
    return count;
}

/* ---- what has a target's name but for a wrapper, and another shape ---- */

/* What the step of such a key says. */
static const char wrapper_off[] = "wrapper taken off";

/* The name behind the wrappers in front of it; the name itself when there are none. */
static const char *skip_wrappers(const Lexicon *lexicon, const char *name)
{
    for (size_t i = 0; lexicon && i < lexicon->wrapper_count; i++) {
        const size_t n = strlen(lexicon->wrappers[i]);
        if (strncmp(name, lexicon->wrappers[i], n) != 0 || name[n] != '.' || !name[n + 1]) continue;
        name += n + 1;
        i = (size_t)-1;              /* from the first wrapper again */
    }
    return name;
}

/* The target that a key would have had, had its shape been right: it is offered, so that the report
 * can say by what they differ. NULL = none. */
static const char *find_offer(const Asking *asking, const DraftKey *key)
{
    const Alignment *alignment = asking->alignment;
    const char *name = skip_wrappers(asking->rule->options.lexicon, key->name);
    if (name == key->name || !is_candidate(key)) return NULL;
    const uint32_t index = align_index(alignment, name);
    if (index == MAP_NONE) return NULL;
    if (draft_find(asking->draft, name)) return NULL;
    return match_same_shape(key->expr, dict_at(alignment->target, index)) ? NULL : name;
}

/* Keys that are left are renamed, as by strip, where that is all that they lack for being told with
 * their target. Two of one name stay as they are. */
static void offer_misfits(Asking *asking)
{
    NameMap offers;
    map_init(&offers);
    size_t n = draft_count(asking->draft), found = 0;
    for (size_t i = 0; i < n; i++) {
        const char *name = find_offer(asking, draft_at(asking->draft, i));
        if (!name) continue;
        map_set(&offers, name, map_get(&offers, name) == MAP_NONE ? 1 : 2);
        found++;
    }
    Edit edit;
    edit_begin(&edit, asking->draft, (Origin){"auto", 0}, wrapper_off);
    for (size_t i = 0; i < n && found; i++) {
        const DraftKey *key = draft_at(asking->draft, i);
        const char *name = find_offer(asking, key);
        if (name && map_get(&offers, name) == 1) edit_rename(&edit, key, name);
        else edit_keep(&edit, key);
    }
    if (found) edit_finish(&edit);
    else edit_abandon(&edit);
    map_done(&offers);
}

/* A key whose name is that of a target, but may mean another layer, does not bind by it. */
static void withhold_names(const Asking *asking, const AutoResult *result)
{
    if (!result->withheld_count) return;
    NameMap names;
    map_init(&names);
    for (size_t i = 0; i < result->withheld_count; i++)
        map_set(&names, asking->targets[result->withheld[i]].name, 1);
    for (size_t i = 0; i < asking->anchor_count; i++)
        map_set(&names, asking->keys[asking->anchors[i].source].name, 2);
    Alignment *alignment = asking->alignment;
    alignment->withheld = arena_alloc(alignment->arena, (result->withheld_count + 1) *
                                                            sizeof *alignment->withheld);
    Edit edit;
    edit_begin(&edit, asking->draft, (Origin){"auto", 0}, "auto");
    for (size_t i = 0; i < draft_count(asking->draft); i++) {
        const DraftKey *key = draft_at(asking->draft, i);
        if (map_get(&names, key->name) != 1 || key_is_ruled(key)) {
            edit_keep(&edit, key);
            continue;
        }
        alignment->withheld[alignment->withheld_count++] = key->name;
        edit_set_aside(&edit, key, (Origin){"auto", 0},
                       "its name may be that of another layer in the target");
    }
    edit_finish(&edit);
    map_done(&names);
}

static void tell_why(const Asking *asking, Bundle *bundles, size_t n)
{
    WhyBook *book = why_new(asking->alignment, asking->rule->options.lexicon);
    for (size_t i = 0; i < n; i++)
        if (!bundles[i].why) bundles[i].why = why_found(book, &bundles[i]);
    why_free(book);
}

static bool carry_out(Asking *asking, const AutoResult *result, Error *err)
{
    Alignment *alignment = asking->alignment;
    const Vetoes *vetoes = draft_later(asking->draft)->vetoes;
    Bundle *chosen = result->bundles;
    size_t n = choose_bundles(asking, result), kept = 0;
    if (vetoes) {
        chosen = arena_alloc(alignment->arena, (n + vetoes->count + 1) * sizeof *chosen);
        memcpy(chosen, result->bundles, n * sizeof *chosen);
        n = veto_bundles(alignment, vetoes, chosen, n);
    }
    tell_why(asking, chosen, n);
    bool *done = mem_alloc(n + 1);
    Paired paired = remember_matches(alignment);
    bool good = draft_bundles(asking->draft, (Origin){"auto", 0}, chosen, n, done, err);
    if (good) withhold_names(asking, result);
    if (good && !alignment->matches) offer_misfits(asking);
    restore_matches(alignment, paired);
    uint32_t *places = align_index_targets(alignment, chosen, n);
    const uint32_t *place = places;
    for (size_t i = 0; i < n && good; place += chosen[i++].target_count) {
        if (!done[i]) continue;
        for (size_t j = 0; j < chosen[i].target_count; j++) {
            alignment->sure[place[j]] = chosen[i].confidence;
            alignment->why[place[j]] = chosen[i].why;
        }
        chosen[kept++] = chosen[i];
    }
    free(places);
    alignment->bundles = chosen;
    alignment->bundle_count = kept;
    free(done);
    return good;
}

/* ---- remarks ---- */

/* What is said of the whole. */
static void take_notes(Asking *asking, const AutoResult *result)
{
    const AutoRule *rule = asking->rule;
    for (size_t i = 0; i < result->note_count; i++)
        draft_remark(asking->draft, rule->origin, result->notes[i]);
    if (rule->lexicon_path)
        draft_remark(asking->draft, rule->origin,
                     arena_printf(asking->alignment->arena, "names were also compared by %s",
                                  rule->lexicon_path));
    if (result->another_size)
        draft_remark(asking->draft, rule->origin,
                     "the same architecture in another size: no rule makes one of the other");
}

/* Whether a text is somewhere in a name as it stands; several words and sums are not looked for. */
static bool is_heard(const AutoTensor *tensors, size_t n, const char *text)
{
    if (!*text || strpbrk(text, " *{}#+")) return true;
    for (size_t i = 0; i < n; i++)
        if (strstr(tensors[i].name, text)) return true;
    return false;
}

/* An answer that names nothing is probably misspelt. */
static void note_idle_answers(Asking *asking)
{
    const AutoRule *rule = asking->rule;
    for (size_t i = 0; i < rule->options.answer_count; i++) {
        const AutoAnswer *answer = &rule->options.answers[i];
        const char *target = answer->target ? answer->target : "";
        const bool known = is_heard(asking->keys, asking->key_count, answer->source);
        if (known && is_heard(asking->targets, asking->alignment->count, target)) continue;
        draft_note(asking->draft, NOTE_INFO, rule->origin,
                   "say %s=%s: no key of the %s has '%s' in its name",
                   show_name(asking->draft, answer->source), show_name(asking->draft, target),
                   known ? "target" : "source",
                   show_name(asking->draft, known ? target : answer->source));
    }
}

/* ---- the whole ---- */

static void asking_done(Asking *asking)
{
    free(asking->keys);
    free(asking->targets);
    free(asking->place);
    free(asking->anchors);
}

/* Keys change their names when bundles are carried out: whoever writes rules for these needs the
 * names before. */
static void remember_keys(Alignment *alignment)
{
    alignment->asked_count = draft_count(alignment->draft);
    const char **names = arena_alloc(alignment->arena,
                                     (alignment->asked_count + 1) * sizeof *names);
    for (size_t i = 0; i < alignment->asked_count; i++)
        names[i] = draft_at(alignment->draft, i)->name;
    alignment->asked = names;
}

bool auto_all(Alignment *alignment, Error *err)
{
    Asking asking = {.alignment = alignment, .draft = alignment->draft,
                     .rule = draft_later(alignment->draft)->automatic};
    if (!asking.rule || !alignment->target) return true;
    alignment->automatic = true;
    remember_keys(alignment);
    alignment->sure = mem_alloc((alignment->count + 1) * sizeof *alignment->sure);
    alignment->why = mem_alloc((alignment->count + 1) * sizeof *alignment->why);
    veto_matches(alignment, draft_later(asking.draft)->vetoes);
    list_keys(&asking);
    list_targets(&asking);
    list_anchors(&asking);
    const AutoResult *result = ask(&asking, err);
    bool good = result != NULL;
    if (good) {
        take_notes(&asking, result);
        note_idle_answers(&asking);
        doubts_take(alignment, result);
        good = carry_out(&asking, result, err);
    }
    asking_done(&asking);
    return good;
}

/* A rule sees the names before auto{}: what it is suggested for must be stripped first. */
void auto_suggest(Alignment *alignment)
{
    for (size_t i = 0; alignment->automatic && i < alignment->count; i++) {
        Binding *binding = &alignment->bindings[i];
        const Step *step = binding->step;
        if (!binding->suggest || !step || !step->to || step->what != wrapper_off) continue;
        Text line = {0};
        text_add(&line, "strip ");
        lua_quote(step->from, strlen(step->from) - strlen(step->to), &line);
        text_addf(&line, " %s", binding->suggest);
        binding->suggest = text_keep(&line, alignment->arena);
    }
}
