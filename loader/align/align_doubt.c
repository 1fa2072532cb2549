/* Doubts: the questions of automatic alignment as the ledger has them, and what becomes of the
 * targets that they are about. */
#include "loader/align/align_doubt.h"

#include <stdlib.h>
#include <string.h>

#include "loader/align/draft_parts.h"
#include "loader/align/suggest.h"
#include "loader/core/fold.h"

Doubt *doubt_add(Alignment *alignment)
{
    return &alignment->doubts[alignment->doubt_count++];
}

void doubt_target(Alignment *alignment, const char *name, const Doubt *doubt)
{
    uint32_t index = align_index(alignment, name);
    if (index != MAP_NONE && !alignment->doubt_of[index])
        alignment->doubt_of[index] = (uint32_t)(doubt - alignment->doubts) + 1;
}

static void take_ties(Alignment *alignment, const AutoResult *result)
{
    for (size_t i = 0; i < result->tie_count; i++) {
        const AutoTie *tie = &result->ties[i];
        Doubt *doubt = doubt_add(alignment);
        *doubt = (Doubt){.sources = tie->sources, .source_count = tie->source_count,
                         .targets = tie->targets, .target_count = tie->target_count,
                         .scores = tie->scores, .together = tie->together,
                         .tensors = tie->tensors, .ask = tie->ask, .say = tie->say};
        for (size_t j = 0; j < tie->key_count; j++)
            doubt_target(alignment, tie->keys[j], doubt);
    }
}

/* The name of a family: numbers that stand alone become #, the last segment is left out, so that
 * weight and bias of one layer are one question. */
void doubt_family(const char *name, Text *out)
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
const char *doubt_words(Arena *arena, const char *name)
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
const char *const *doubt_fold(Arena *arena, const char *const *names, size_t n, size_t *count)
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
    Doubt *doubt = doubt_add(alignment);
    doubt->likely = true;
    doubt->tensors = family->target_count;
    doubt->sources = doubt_fold(arena, family->sources, family->source_count, &doubt->source_count);
    doubt->targets = doubt_fold(arena, family->targets, family->target_count, &doubt->target_count);
    float *scores =
        arena_alloc(arena, (doubt->source_count * doubt->target_count + 1) * sizeof *scores);
    for (size_t i = 0; i < doubt->source_count * doubt->target_count; i++)
        scores[i] = family->confidence;
    doubt->scores = scores;
    doubt->ask = doubt->say =
        arena_printf(arena, "%s=%s", doubt_words(arena, family->first->sources[0].names[0]),
                     doubt_words(arena, family->first->targets[0]));
    for (size_t i = 0; i < family->target_count; i++)
        doubt_target(alignment, family->targets[i], doubt);
    free(family->sources);
    free(family->targets);
}

uint32_t doubt_number(Arena *arena, NameMap *known, const char *source, const char *target,
                      size_t *count)
{
    Text name = {0};
    doubt_family(source, &name);
    text_add(&name, "\n");
    doubt_family(target, &name);
    uint32_t index = map_get(known, text_string(&name));
    if (index == MAP_NONE) {
        index = (uint32_t)(*count)++;
        map_set(known, arena_strdup(arena, text_string(&name)), index);
    }
    text_done(&name);
    return index;
}

/* Likely bundles by the families of their first source and target. */
static void take_likely(Alignment *alignment, const AutoResult *result)
{
    LikelyFamily *families = mem_alloc((result->likely_count + 1) * sizeof *families);
    size_t count = 0;
    NameMap known;
    map_init(&known);
    for (size_t i = 0; i < result->likely_count; i++) {
        const Bundle *bundle = &result->likely[i];
        const uint32_t index = doubt_number(alignment->arena, &known, bundle->sources[0].names[0],
                                            bundle->targets[0], &count);
        add_likely(&families[index], bundle);
    }
    for (size_t i = 0; i < count; i++) close_family(alignment, &families[i]);
    map_done(&known);
    free(families);
}

void doubts_take(Alignment *alignment, const AutoResult *result)
{
    const Vetoes *vetoes = draft_later(alignment->draft)->vetoes;
    size_t most = result->tie_count + result->likely_count + (vetoes ? vetoes->count : 0);
    alignment->doubts = arena_alloc(alignment->arena, (most + 1) * sizeof *alignment->doubts);
    alignment->doubt_of = mem_alloc((alignment->count + 1) * sizeof *alignment->doubt_of);
    take_ties(alignment, result);
    take_likely(alignment, result);
    veto_doubts(alignment, vetoes);
}

/* "likely layers.0.wq.weight; --accept likely takes it": what stands in the way of one target. */
static const char *doubt_reason(const Alignment *alignment, const Doubt *doubt)
{
    if (doubt->likely)
        return arena_printf(alignment->arena, "likely %s; --accept likely takes it",
                            doubt->source_count ? doubt->sources[0] : "");
    if (doubt->why)
        return arena_printf(alignment->arena, "the values contradict: %s", doubt->why);
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
