/* Suggestions: what all kinds share, and the driver that asks them one after the other.
 *
 * A suggestion is a line that can be put into a script as it stands: `strip "module."`,
 * `rules [[ layers.{i}.* -> blk.{i}.* ]]`, `fill("**.num_batches_tracked", zeros())`. */
#include "loader/align/suggest.h"

#include <stdlib.h>
#include <string.h>

#include "loader/align/family.h"
#include "loader/align/tied.h"

/* A key may hold "]]"; one that holds "]=]" as well gives a line that Lua refuses. */
const char *suggest_line(Arena *arena, const char *rule)
{
    bool closes = strstr(rule, "]]") != NULL;
    return arena_printf(arena, closes ? "rules [=[ %s ]=]" : "rules [[ %s ]]", rule);
}

/* UTF-8 stays as it is, other bytes become \xHH. */
void lua_quote(const char *text, size_t n, Text *out)
{
    text_addc(out, '"');
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '"' || c == '\\')
            text_addf(out, "\\%c", c);
        else if (c < ' ' || c == 0x7F || (c >= 0x80 && !utf8_valid(text, n)))
            text_addf(out, "\\x%02X", c);
        else
            text_addc(out, (char)c);
    }
    text_addc(out, '"');
}

const char *suggest_op(Arena *arena, const char *text, bool family, const char *tail,
                       const char *op)
{
    Text rule = {0};
    for (int side = 0; side < 2; side++) {
        if (side) text_add(&rule, " -> ");
        if (family) family_rule(text, NULL, &rule);
        else rule_quote(text, strlen(text), &rule);
        text_add(&rule, tail);
    }
    text_addf(&rule, " |> %s", op);
    const char *line = suggest_line(arena, text_string(&rule));
    text_done(&rule);
    return line;
}

/* Element counts are not enough: a rule that is suggested must load as it is. */
bool suggest_fits(const DraftKey *key, const Binding *binding)
{
    if (key->expr->unknown || !binding->dims) return true;
    return same_dims(key->expr->dims, key->expr->rank, binding->dims, binding->rank);
}

/* A rule that is there stays: the surer kind of suggestion came first. nearest is set without a
 * rule, too. */
void suggest_pair(Suggester *suggester, SpareKey *spare, Binding *binding, const char *rule)
{
    const Tensor *tensor = expr_as_source(spare->key->expr);
    spare->partner = binding;
    if (rule && !binding->suggest) binding->suggest = rule;
    uint32_t index = tensor ? align_source_index(suggester->alignment, tensor) : MAP_NONE;
    if (index == MAP_NONE) return;
    SourceUse *use = &suggester->alignment->uses[index];
    if (!use->nearest && use->status == USE_UNUSED) use->nearest = binding->name;
}

/* ---- targets that one can make up for without a source ---- */

/* `lm_head.weight` 32000×4096 and a loaded `embed_tokens.weight` 32000×4096: a checkpoint with
 * tied weights often holds one of them. */
static void suggest_tie(Suggester *suggester, Binding *binding)
{
    const Binding *other = binding->dims ? tied_with(suggester->alignment, binding) : NULL;
    if (!other) return;
    Text name = {0}, copy = {0};
    rule_quote(other->name, strlen(other->name), &name);
    rule_quote(binding->name, strlen(binding->name), &copy);
    binding->suggest = suggest_line(
        suggester->arena, arena_printf(suggester->arena, "%s -> %s, %s |> copy",
                                       text_string(&name), text_string(&name),
                                       text_string(&copy)));
    text_done(&name);
    text_done(&copy);
}

/* What is still missing and has a usual remedy. Counters begin at zero: fill does no harm. */
static void suggest_fills(Suggester *suggester)
{
    unsigned ties = 0;
    for (size_t i = 0; i < suggester->missing_count; i++) {
        Binding *binding = suggester->missing[i];
        if (binding->suggest) continue;
        if (has_suffix(binding->name, "num_batches_tracked"))
            binding->suggest = "fill(\"**.num_batches_tracked\", zeros())";
        else if (tied_may_be(binding) && ties++ < TIED_MAX)
            suggest_tie(suggester, binding);
    }
}

/* ---- the whole ---- */

static void index_missing(Suggester *suggester)
{
    const size_t n = suggester->missing_count;
    const char **names = mem_alloc((n + 1) * sizeof *names);
    bool *added = mem_alloc(n + 1);
    for (size_t i = 0; i < n; i++) names[i] = suggester->missing[i]->name;
    map_add_many(&suggester->missing_names, names, n, 0, added);
    free(names);
    free(added);
}

/* Missing targets, and the keys that could be meant for them. A spare key is one that no target
 * has the name of. What collided is no candidate: its value is in doubt. */
static void list_both(Suggester *suggester)
{
    Alignment *alignment = suggester->alignment;
    size_t keys = draft_count(alignment->draft);
    suggester->missing = mem_alloc((alignment->count + 1) * sizeof *suggester->missing);
    for (size_t i = 0; i < alignment->count; i++) {
        if (!align_is_missing(&alignment->bindings[i])) continue;
        suggester->missing[suggester->missing_count++] = &alignment->bindings[i];
    }
    index_missing(suggester);
    suggester->spares = mem_alloc((keys + 1) * sizeof *suggester->spares);
    for (size_t i = 0; suggester->missing_count && i < keys; i++) {
        const DraftKey *key = draft_at(alignment->draft, i);
        if (key->expr && !key->collision && !match_target(alignment, i))
            suggester->spares[suggester->spare_count++] = (SpareKey){.key = key};
    }
}

/* From the surest to the vaguest; each kind leaves alone what was paired before. */
void suggest_all(Alignment *alignment)
{
    if (!alignment->target) return;
    Suggester suggester = {.alignment = alignment, .arena = alignment->arena};
    map_init(&suggester.missing_names);
    suggest_shapes(alignment);
    suggest_layouts(alignment);
    list_both(&suggester);
    if (suggester.spare_count) {
        suggest_prefixes(&suggester);
        suggest_separators(&suggester);
        suggest_families(&suggester);
    }
    suggest_fills(&suggester);
    map_done(&suggester.missing_names);
    free(suggester.missing);
    free(suggester.spares);
}
