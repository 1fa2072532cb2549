/* Proposals: the list, what all kinds share, and the driver that asks them one after the other. */
#include "loader/align/proposal.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "loader/align/family.h"
#include "loader/align/proposal_parts.h"
#include "loader/align/suggest.h"

#define PROPOSAL_WORD(id, word) word,
static const char *const words[] = {PROPOSAL_KINDS(PROPOSAL_WORD)};
#undef PROPOSAL_WORD

const char *proposal_word(ProposalKind kind)
{
    return words[kind];
}

void proposals_init(ProposalList *list, Arena *arena)
{
    *list = (ProposalList){.arena = arena};
    map_init(&list->lines);
}

void proposals_done(ProposalList *list)
{
    free(list->items);
    map_done(&list->lines);
}

void proposal_add(ProposalList *list, Proposal proposal)
{
    const char *key = proposal.line ? proposal.line : proposal.why;
    if (!key || list->count == PROPOSALS_MAX || map_get(&list->lines, key) != MAP_NONE) return;
    if (proposal.line) proposal.line = arena_strdup(list->arena, proposal.line);
    if (proposal.why) proposal.why = arena_strdup(list->arena, proposal.why);
    map_set(&list->lines, proposal.line ? proposal.line : proposal.why, (uint32_t)list->count);
    list->items = mem_grow(list->items, &list->room, list->count + 1, sizeof *list->items);
    list->items[list->count++] = proposal;
}

/* ---- for the kinds ---- */

void propose(Proposer *proposer, ProposalKind kind, ProposalCost cost, const char *line,
             const char *format, ...)
{
    Text why = {0};
    va_list args;
    va_start(args, format);
    text_addv(&why, format, args);
    va_end(args);
    proposal_add(proposer->list, (Proposal){.kind = kind, .cost = cost, .line = line,
                                            .why = text_string(&why), .known = true});
    text_done(&why);
}

const char *propose_rules(Proposer *proposer, const char *format, ...)
{
    Text rule = {0};
    va_list args;
    va_start(args, format);
    text_addv(&rule, format, args);
    va_end(args);
    const char *line = suggest_line(proposer->arena, text_string(&rule));
    text_done(&rule);
    return line;
}

const char *propose_quoted(Proposer *proposer, const char *name, size_t n)
{
    Text text = {0};
    rule_quote(name, n, &text);
    return text_keep(&text, proposer->arena);
}

const char *propose_lua(Proposer *proposer, const char *text, size_t n)
{
    Text quoted = {0};
    lua_quote(text, n, &quoted);
    return text_keep(&quoted, proposer->arena);
}

bool loose_has(const Loose *loose, const char *name)
{
    return map_get(&loose->index, name) != MAP_NONE;
}

/* ---- what has no partner ---- */

/* Puts the last name into its family. */
static void add_to_clan(Loose *loose, Arena *arena, FamilyName *family)
{
    const char *name = loose->names[loose->count - 1];
    family_split(name, family);
    uint32_t index = map_get(&loose->clan_names, text_string(&family->text));
    if (index == MAP_NONE) {
        index = (uint32_t)loose->clan_count;
        loose->clans = mem_grow(loose->clans, &loose->clan_room, loose->clan_count + 1,
                                sizeof *loose->clans);
        loose->clans[loose->clan_count++] =
            (Clan){.family = arena_strdup(arena, text_string(&family->text)), .first = name};
        map_set(&loose->clan_names, loose->clans[index].family, index);
    }
    Clan *clan = &loose->clans[index];
    clan->members = mem_grow(clan->members, &clan->room, clan->count + 1, sizeof(uint32_t));
    clan->members[clan->count++] = (uint32_t)loose->count - 1;
}

static void add_loose(Loose *loose, Arena *arena, FamilyName *family, const char *name)
{
    map_set(&loose->index, name, (uint32_t)loose->count);
    loose->names[loose->count++] = name;
    add_to_clan(loose, arena, family);
}

/* A spare key is one of the source that no target has the name of; collisions are no candidates,
 * their value is in doubt. */
static void list_loose(Proposer *proposer)
{
    const Alignment *alignment = proposer->alignment;
    size_t keys = draft_count(alignment->draft);
    FamilyName family = {0};
    map_init(&proposer->spare.index);
    map_init(&proposer->spare.clan_names);
    map_init(&proposer->missing.index);
    map_init(&proposer->missing.clan_names);
    proposer->missing.names = mem_alloc((alignment->count + 1) * sizeof(char *));
    proposer->spare.names = mem_alloc((keys + 1) * sizeof(char *));
    for (size_t i = 0; i < alignment->count; i++) {
        const Binding *binding = &alignment->bindings[i];
        if (binding->status == BIND_MISSING && !binding->covered)
            add_loose(&proposer->missing, proposer->arena, &family, binding->name);
    }
    for (size_t i = 0; alignment->target && i < keys; i++) {
        const DraftKey *key = draft_at(alignment->draft, i);
        if (key->expr && !key->collision && !match_target(alignment, i))
            add_loose(&proposer->spare, proposer->arena, &family, key->name);
    }
    family_done(&family);
}

static void free_loose(Loose *loose)
{
    for (size_t i = 0; i < loose->clan_count; i++) free(loose->clans[i].members);
    free(loose->clans);
    free(loose->names);
    map_done(&loose->index);
    map_done(&loose->clan_names);
}

/* ---- what the ledger suggests itself ---- */

static ProposalKind kind_of_line(const Binding *binding)
{
    const char *line = binding->suggest;
    if (binding->status == BIND_DTYPE) return PROPOSE_DTYPE;
    if (has_prefix(line, "strip ") || has_prefix(line, "prefix ") || has_prefix(line, "seg("))
        return PROPOSE_PREFIX;
    if (has_prefix(line, "fill(")) return PROPOSE_BUFFER;
    if (strstr(line, "|> copy ]")) return PROPOSE_TIE;
    return PROPOSE_RENAME;
}

static void take_suggestion(Proposer *proposer, const Binding *binding)
{
    if (!binding->suggest || binding->covered) return;
    if (binding->status != BIND_MISSING && binding->status != BIND_DTYPE) return;
    ProposalKind kind = kind_of_line(binding);
    const char *why = kind == PROPOSE_TIE ? "It is usually the same tensor, here copied."
                      : kind == PROPOSE_BUFFER ? "BatchNorm counters: they count from zero."
                      : kind == PROPOSE_DTYPE  ? "The dtypes differ; this cast loses values."
                      : kind == PROPOSE_PREFIX ? "The names differ by a prefix."
                                               : "Same shape, and the names are alike.";
    ProposalCost cost = kind == PROPOSE_DTYPE    ? COST_PART
                        : kind == PROPOSE_BUFFER ? COST_BUFFERS : COST_NONE;
    proposal_add(proposer->list, (Proposal){.kind = kind, .cost = cost, .why = why,
                                            .line = binding->suggest, .known = true,
                                            .target = binding->name});
}

/* The rules that reports give beside what is missing: one line for many bindings, counted. Those of
 * other shapes come from proposal_shape.c, with their choices. */
static void take_suggestions(Proposer *proposer)
{
    for (size_t i = 0; i < proposer->alignment->count; i++)
        take_suggestion(proposer, &proposer->alignment->bindings[i]);
}

/* ---- the whole ---- */

static void start(Proposer *proposer, ProposalList *list, const Alignment *alignment)
{
    *proposer = (Proposer){.alignment = alignment, .list = list, .arena = list->arena};
    list_loose(proposer);
}

static void finish(Proposer *proposer)
{
    free_loose(&proposer->spare);
    free_loose(&proposer->missing);
}

/* Without a target nothing is open. */
void proposals_find(ProposalList *list, const Alignment *alignment)
{
    if (!alignment->target) return;
    Proposer proposer;
    start(&proposer, list, alignment);
    propose_containers(&proposer);
    propose_ties(&proposer);
    if (proposer.spare.count && proposer.missing.count) {
        propose_prefixes(&proposer);
        take_suggestions(&proposer);
        propose_parts(&proposer);
        propose_indexes(&proposer);
        propose_renames(&proposer);
        propose_places(&proposer);
    } else {
        take_suggestions(&proposer);
        if (proposer.missing.count) propose_parts(&proposer);
    }
    propose_shapes(&proposer);
    propose_rest(&proposer);
    finish(&proposer);
}

void proposals_for(ProposalList *list, const Alignment *alignment, const Binding *binding)
{
    Proposer proposer = {.alignment = alignment, .list = list, .arena = list->arena};
    if (binding->status == BIND_MISSING) {
        propose_tie(&proposer, binding);
        take_suggestion(&proposer, binding);
        propose_places_of(&proposer, binding);
    }
    propose_shape_of(&proposer, binding);
}
