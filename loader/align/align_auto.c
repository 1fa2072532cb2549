/* auto{}: what automatic alignment (auto.h) finds becomes keys of the draft, and what it cannot
 * tell becomes doubts of the ledger.
 *
 * It runs when every key has its name and match{} has had its turn. Whatever a rule was written for
 * and fits is bound already: evidence, and no candidate. */
#include "loader/align/auto_rule.h"

#include <stdlib.h>
#include <string.h>

#include "loader/align/align_parts.h"
#include "loader/align/draft_parts.h"
#include "loader/align/match.h"
#include "loader/align/suggest.h"
#include "loader/core/fold.h"

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

bool key_is_ruled(const DraftKey *key)
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
        const Tensor *target = alignment->bindings[i].target;
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

/* What match{} paired, and what a rule gave its target's name and shape. Names that are equal
 * without a rule are found by auto_align itself: it may know better, as for kernels of equal name
 * that are transposed, the square ones too. */
static void list_anchors(Asking *asking)
{
    const Alignment *alignment = asking->alignment;
    for (size_t i = 0; i < alignment->count; i++) {
        const Match *match = alignment->matches ? &alignment->matches[i] : NULL;
        const DraftKey *key = draft_find(asking->draft, alignment->bindings[i].name);
        if (match && match->rule && match->key != MAP_NONE) {
            add_anchor(asking, match->key, i);
        } else if (key && key->expr && key_is_ruled(key) &&
                   match_same_shape(key->expr, alignment->bindings[i].target)) {
            add_anchor(asking, (size_t)(key - draft_at(asking->draft, 0)), i);
        }
    }
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
        const char *name = paired.names[i] ? paired.names[i] : alignment->bindings[i].name;
        const DraftKey *key = draft_find(alignment->draft, name);
        alignment->matches[i].key =
            key ? (uint32_t)(key - draft_at(alignment->draft, 0)) : MAP_NONE;
        if (!paired.names[i]) alignment->matches[i].rule = NULL;
        if (key) alignment->match_of_key[alignment->matches[i].key] = (uint32_t)i;
    }
    free(paired.names);
}

/* A bundle that would take what match{} or a rule has bound, or a name that match{} needs, is not
 * carried out. */
static size_t choose_bundles(const Asking *asking, const AutoResult *result, Bundle *chosen)
{
    const Alignment *alignment = asking->alignment;
    size_t count = 0;
    NameMap bound;
    map_init(&bound);
    for (size_t i = 0; i < asking->anchor_count; i++) {
        map_set(&bound, asking->keys[asking->anchors[i].source].name, 1);
        map_set(&bound, asking->targets[asking->anchors[i].target].name, 1);
    }
    for (size_t i = 0; i < result->bundle_count; i++) {
        const Bundle *bundle = &result->bundles[i];
        bool free_to_use = true;
        for (size_t j = 0; j < bundle->target_count; j++)
            free_to_use = free_to_use && map_get(&bound, bundle->targets[j]) == MAP_NONE &&
                          map_get(&alignment->names, bundle->targets[j]) != MAP_NONE;
        if (free_to_use) chosen[count++] = *bundle;
    }
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
    const uint32_t index = map_get(&alignment->names, name);
    if (name == key->name || index == MAP_NONE || !is_candidate(key)) return NULL;
    if (draft_find(asking->draft, name)) return NULL;
    return match_same_shape(key->expr, alignment->bindings[index].target) ? NULL : name;
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

static bool carry_out(Asking *asking, const AutoResult *result, Error *err)
{
    Alignment *alignment = asking->alignment;
    Bundle *chosen = arena_alloc(alignment->arena, (result->bundle_count + 1) * sizeof *chosen);
    size_t n = choose_bundles(asking, result, chosen), kept = 0;
    bool *done = mem_alloc(n + 1);
    Paired paired = remember_matches(alignment);
    bool good = draft_bundles(asking->draft, (Origin){"auto", 0}, chosen, n, done, err);
    if (good && !alignment->matches) offer_misfits(asking);
    restore_matches(alignment, paired);
    for (size_t i = 0; i < n && good; i++) {
        if (!done[i]) continue;
        for (size_t j = 0; j < chosen[i].target_count; j++)
            alignment->sure[map_get(&alignment->names, chosen[i].targets[j])] =
                chosen[i].confidence;
        chosen[kept++] = chosen[i];
    }
    alignment->bundles = chosen;
    alignment->bundle_count = kept;
    free(done);
    return good;
}

/* ---- doubts ---- */

static Doubt *add_doubt(Alignment *alignment)
{
    return &alignment->doubts[alignment->doubt_count++];
}

static void doubt_target(Alignment *alignment, const char *name, const Doubt *doubt)
{
    uint32_t index = map_get(&alignment->names, name);
    if (index != MAP_NONE && !alignment->doubt_of[index])
        alignment->doubt_of[index] = (uint32_t)(doubt - alignment->doubts) + 1;
}

static void take_ties(Alignment *alignment, const AutoResult *result)
{
    for (size_t i = 0; i < result->tie_count; i++) {
        const AutoTie *tie = &result->ties[i];
        Doubt *doubt = add_doubt(alignment);
        *doubt = (Doubt){.sources = tie->sources, .source_count = tie->source_count,
                         .targets = tie->targets, .target_count = tie->target_count,
                         .scores = tie->scores, .tensors = tie->tensors, .ask = tie->ask,
                         .say = tie->say};
        for (size_t j = 0; j < tie->key_count; j++)
            doubt_target(alignment, tie->keys[j], doubt);
    }
}

/* The name of a family: numbers that stand alone become #, the last segment is left out, so that
 * weight and bias of one layer are one question. */
static void add_family(const char *name, Text *out)
{
    const char *last = name + strlen(name);
    while (last > name && last[-1] != '.' && last[-1] != '/') last--;
    size_t end = last > name ? (size_t)(last - name) - 1 : strlen(name);
    for (size_t i = 0; i < end; i++) {
        bool digit = name[i] >= '0' && name[i] <= '9';
        bool again = digit && i && name[i - 1] >= '0' && name[i - 1] <= '9';
        if (!again) text_addc(out, digit ? '#' : name[i]);
    }
}

/* The words that tell a family from others: its last run of segments that are no numbers, without
 * the leaf. "layers.3.attention.wq.weight" gives "attention.wq"; "norm.weight" gives "norm". */
static const char *tell_words(Arena *arena, const char *name)
{
    const char *leaf = name + strlen(name);
    while (leaf > name && leaf[-1] != '.' && leaf[-1] != '/') leaf--;
    if (leaf == name) return name;
    const char *end = leaf - 1, *begin = end;
    for (const char *at = end; at > name; at--) {
        const char *segment = at;
        while (segment > name && segment[-1] != '.' && segment[-1] != '/') segment--;
        size_t digits = strspn(segment, "0123456789");
        if (segment + digits == at) break;
        begin = segment;
        at = segment;
        if (at == name) break;
    }
    return begin < end ? arena_strndup(arena, begin, (size_t)(end - begin)) : name;
}

/* Pairs of one family: indexes of result->likely. */
typedef struct LikelyFamily {
    const char **sources, **targets;     /* owned, growing */
    size_t source_count, source_room, target_count, target_room;
    const Bundle *first;
    float confidence;            /* the lowest */
} LikelyFamily;

/* The names folded, as reports print them. */
static const char *const *fold(Arena *arena, const char *const *names, size_t n, size_t *count)
{
    Folded *folded;
    *count = fold_names(arena, names, NULL, n, &folded);
    const char **texts = arena_alloc(arena, (*count + 1) * sizeof *texts);
    for (size_t i = 0; i < *count; i++) texts[i] = folded[i].text;
    return texts;
}

static void add_likely(LikelyFamily *family, const Bundle *bundle)
{
    if (!family->first || bundle->confidence < family->confidence)
        family->confidence = bundle->confidence;
    if (!family->first) family->first = bundle;
    for (size_t i = 0; i < bundle->source_count; i++)
        for (size_t j = 0; j < bundle->sources[i].count; j++) {
            family->sources = mem_grow(family->sources, &family->source_room,
                                       family->source_count + 1, sizeof(char *));
            family->sources[family->source_count++] = bundle->sources[i].names[j];
        }
    for (size_t i = 0; i < bundle->target_count; i++) {
        family->targets = mem_grow(family->targets, &family->target_room,
                                   family->target_count + 1, sizeof(char *));
        family->targets[family->target_count++] = bundle->targets[i];
    }
}

/* A likely pair is a question of one answer: yes. */
static void close_family(Alignment *alignment, LikelyFamily *family)
{
    Arena *arena = alignment->arena;
    Doubt *doubt = add_doubt(alignment);
    doubt->likely = true;
    doubt->tensors = family->target_count;
    doubt->sources = fold(arena, family->sources, family->source_count, &doubt->source_count);
    doubt->targets = fold(arena, family->targets, family->target_count, &doubt->target_count);
    float *scores =
        arena_alloc(arena, (doubt->source_count * doubt->target_count + 1) * sizeof *scores);
    for (size_t i = 0; i < doubt->source_count * doubt->target_count; i++)
        scores[i] = family->confidence;
    doubt->scores = scores;
    doubt->ask = doubt->say =
        arena_printf(arena, "%s=%s", tell_words(arena, family->first->sources[0].names[0]),
                     tell_words(arena, family->first->targets[0]));
    for (size_t i = 0; i < family->target_count; i++)
        doubt_target(alignment, family->targets[i], doubt);
    free(family->sources);
    free(family->targets);
}

/* Likely bundles by the families of their first source and target. */
static void take_likely(Alignment *alignment, const AutoResult *result)
{
    LikelyFamily *families = mem_alloc((result->likely_count + 1) * sizeof *families);
    size_t count = 0;
    NameMap known;
    Text name = {0};
    map_init(&known);
    for (size_t i = 0; i < result->likely_count; i++) {
        const Bundle *bundle = &result->likely[i];
        text_clear(&name);
        add_family(bundle->sources[0].names[0], &name);
        text_add(&name, "\n");
        add_family(bundle->targets[0], &name);
        uint32_t index = map_get(&known, text_string(&name));
        if (index == MAP_NONE) {
            index = (uint32_t)count++;
            map_set(&known, arena_strdup(alignment->arena, text_string(&name)), index);
        }
        add_likely(&families[index], bundle);
    }
    for (size_t i = 0; i < count; i++) close_family(alignment, &families[i]);
    map_done(&known);
    text_done(&name);
    free(families);
}

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

/* Whether a text is somewhere in a name as it stands; several words are not looked for. */
static bool is_heard(const AutoTensor *tensors, size_t n, const char *text)
{
    if (!*text || strpbrk(text, " *{}#")) return true;
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

static void take_doubts(Alignment *alignment, const AutoResult *result)
{
    size_t most = result->tie_count + result->likely_count;
    alignment->doubts = arena_alloc(alignment->arena, (most + 1) * sizeof *alignment->doubts);
    alignment->doubt_of = mem_alloc((alignment->count + 1) * sizeof *alignment->doubt_of);
    take_ties(alignment, result);
    take_likely(alignment, result);
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
    list_keys(&asking);
    list_targets(&asking);
    list_anchors(&asking);
    const AutoResult *result = ask(&asking, err);
    bool good = result != NULL;
    if (good) {
        take_notes(&asking, result);
        note_idle_answers(&asking);
        take_doubts(alignment, result);
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

/* "likely layers.0.wq.weight; --accept likely takes it": what stands in the way of one target. */
static const char *doubt_reason(const Alignment *alignment, const Doubt *doubt)
{
    if (doubt->likely)
        return arena_printf(alignment->arena, "likely %s; --accept likely takes it",
                            doubt->source_count ? doubt->sources[0] : "");
    return arena_printf(alignment->arena, "%zu candidate%s; --say \"%s\"", doubt->source_count,
                        doubt->source_count == 1 ? "" : "s", doubt->ask);
}

/* "auto{say={["attention"]="self_attn"}}" or what accepts it. */
static const char *doubt_line(const Alignment *alignment, const Doubt *doubt)
{
    const char *equals = doubt->say ? strchr(doubt->say, '=') : NULL;
    if (doubt->likely) return "auto{accept=\"likely\"}";
    if (!equals || !equals[1] || strcmp(equals, "=?") == 0) return NULL;
    Text line = {0};
    text_add(&line, "auto{say={[");
    lua_quote(doubt->say, (size_t)(equals - doubt->say), &line);
    text_add(&line, "]=");
    lua_quote(equals + 1, strlen(equals + 1), &line);
    text_add(&line, "}}");
    return text_keep(&line, alignment->arena);
}

/* A key of the same name that does not fit is no offer then: the doubt is about another one. What
 * policy{missing="keep"} has kept is waived, and says so. */
void auto_mark(Alignment *alignment)
{
    for (size_t i = 0; i < alignment->count; i++) {
        Binding *binding = &alignment->bindings[i];
        if (!alignment->doubt_of[i]) continue;
        Doubt *doubt = &alignment->doubts[alignment->doubt_of[i] - 1];
        const bool open = binding->status == BIND_MISSING || binding->status == BIND_SHAPE;
        if (!open && !align_is_missing(binding)) continue;
        binding->doubt = doubt;
        binding->reason = doubt_reason(alignment, doubt);
        if (!open) continue;
        binding->status = BIND_AMBIGUOUS;
        binding->own = binding->own ? binding->own : align_own(alignment, binding->target);
        binding->expr = NULL;
        binding->sources = NULL;
        binding->source_count = 0;
        binding->suggest = doubt_line(alignment, doubt);
        doubt->open = true;
    }
}
