/* Parts that are joined in one model and apart in the other, and parameters that a
 * parametrization has taken apart: fused q, k, v and gate, up; weight norm; spectral norm. */
#include <stdlib.h>
#include <string.h>

#include "loader/align/family.h"
#include "loader/align/proposal_parts.h"

/* The names of parts in the order in which they are joined, and of what they are joined to. A name
 * is a whole segment, or a segment up to "_weight", "_bias" (in_proj_weight). */
typedef struct Fusion {
    const char *parts[3];        /* the third NULL: two parts */
    const char *whole;
} Fusion;

static const Fusion fusions[] = {
    {{"q_proj", "k_proj", "v_proj"}, "qkv_proj"}, {{"q_proj", "k_proj", "v_proj"}, "qkv"},
    {{"q_proj", "k_proj", "v_proj"}, "Wqkv"}, {{"q_proj", "k_proj", "v_proj"}, "c_attn"},
    {{"q_proj", "k_proj", "v_proj"}, "query_key_value"}, {{"q", "k", "v"}, "qkv"},
    {{"to_q", "to_k", "to_v"}, "to_qkv"}, {{"to_q", "to_k", "to_v"}, "qkv"},
    {{"query", "key", "value"}, "qkv"}, {{"query", "key", "value"}, "query_key_value"},
    {{"wq", "wk", "wv"}, "wqkv"}, {{"wq", "wk", "wv"}, "qkv"},
    {{"q_linear", "k_linear", "v_linear"}, "qkv"}, {{"q_lin", "k_lin", "v_lin"}, "qkv"},
    {{"gate_proj", "up_proj", NULL}, "gate_up_proj"}, {{"w1", "w3", NULL}, "w13"},
};

/* `name` with the segment at `at` (n bytes) replaced, in scratch text. */
static const char *replace(Text *text, const char *name, const char *at, size_t n,
                           const char *with)
{
    text_clear(text);
    text_addn(text, name, (size_t)(at - name));
    text_add(text, with);
    text_add(text, at + n);
    return text_string(text);
}

/* Where a name has the word as a whole segment; NULL. */
static const char *find_segment(const char *name, const char *word)
{
    size_t n = strlen(word);
    for (const char *p = name; (p = strstr(p, word)); p++)
        if ((p == name || p[-1] == '.') && p[n] == '.') return p;
    return NULL;
}

/* How many names of one side have their parts on the other. */
static size_t count_fused(const Loose *wholes, const Loose *parts, const Fusion *fusion)
{
    Text text = {0};
    size_t count = 0, n = strlen(fusion->whole);
    for (size_t c = 0; c < wholes->clan_count; c++) {
        const Clan *clan = &wholes->clans[c];
        const char *at = find_segment(clan->first, fusion->whole);
        bool all = at != NULL;
        for (size_t i = 0; all && i < 3 && fusion->parts[i]; i++)
            all = loose_has(parts, replace(&text, clan->first, at, n, fusion->parts[i]));
        if (all) count += clan->count;
    }
    text_done(&text);
    return count;
}

/* "**.q_proj.{p:*}, **.k_proj.{p:*}" of the left side, "**.q_proj.{p}, …" of the right one. */
static const char *list_parts(Proposer *proposer, const Fusion *fusion, const int *order,
                              const char *capture)
{
    Text text = {0};
    for (size_t i = 0; i < 3 && fusion->parts[i]; i++)
        text_addf(&text, "%s**.%s.%s", i ? ", " : "", fusion->parts[order[i]], capture);
    return text_keep(&text, proposer->arena);
}

static void propose_fusion(Proposer *proposer, const Fusion *fusion)
{
    static const int usual[] = {0, 1, 2}, other[] = {1, 2, 0};
    const char *whole = fusion->whole;
    size_t joined = count_fused(&proposer->missing, &proposer->spare, fusion);
    size_t apart = count_fused(&proposer->spare, &proposer->missing, fusion);
    if (joined) {
        propose(proposer, PROPOSE_PARTS, COST_NONE,
                propose_rules(proposer, "%s -> **.%s.{p} |> cat(0)",
                              list_parts(proposer, fusion, usual, "{p:*}"), whole),
                "The model has %s in one tensor (%zu times): the parts are joined in the order "
                "of the name.", whole, joined);
        if (fusion->parts[2])
            propose(proposer, PROPOSE_PARTS, COST_NONE,
                    propose_rules(proposer, "%s -> **.%s.{p} |> cat(0)",
                                  list_parts(proposer, fusion, other, "{p:*}"), whole),
                    "The same for code that joins them as k, v, q, which shapes cannot tell.");
    }
    for (int sizes = 0; apart && sizes < 2; sizes++)
        propose(proposer, PROPOSE_PARTS, COST_NONE,
                propose_rules(proposer, "**.%s.{p:*} -> %s |> split(%s)", whole,
                              list_parts(proposer, fusion, usual, "{p}"),
                              sizes ? "" : fusion->parts[2] ? "3" : "2"),
                "The checkpoint has %s in one tensor (%zu times): it is cut in the order of the "
                "name%s.", whole, apart, sizes ? ", by the model's sizes" : "");
}

/* torch.nn.MultiheadAttention names its tensor in_proj_weight. */
static void propose_in_proj(Proposer *proposer)
{
    bool joined = false, apart = false;
    Text text = {0};
    for (int side = 0; side < 2; side++) {
        const Loose *wholes = side ? &proposer->spare : &proposer->missing;
        const Loose *parts = side ? &proposer->missing : &proposer->spare;
        for (size_t c = 0; c < wholes->clan_count; c++) {
            const char *name = wholes->clans[c].first;
            if (!has_suffix(name, "in_proj_weight")) continue;
            const char *at = name + strlen(name) - 14;
            bool found = loose_has(parts, replace(&text, name, at, 14, "q_proj.weight"));
            *(side ? &apart : &joined) |= found;
        }
    }
    text_done(&text);
    if (joined)
        propose(proposer, PROPOSE_PARTS, COST_NONE,
                propose_rules(proposer, "**.q_proj.{p:weight|bias}, **.k_proj.{p:weight|bias}, "
                              "**.v_proj.{p:weight|bias} -> **.in_proj_{p} |> cat(0)"),
                "torch.nn.MultiheadAttention has q, k and v in one tensor.");
    if (apart)
        propose(proposer, PROPOSE_PARTS, COST_NONE,
                propose_rules(proposer, "**.in_proj_{p:weight|bias} -> **.q_proj.{p}, "
                              "**.k_proj.{p}, **.v_proj.{p} |> split(3)"),
                "torch.nn.MultiheadAttention has q, k and v in one tensor.");
}

/* ---- parametrizations ---- */

/* Whether some name with the one ending is spare where one with the other is missing. */
static bool has_change(const Proposer *proposer, const char *from, const char *to)
{
    Text text = {0};
    bool found = false;
    for (size_t c = 0; !found && c < proposer->spare.clan_count; c++) {
        const char *name = proposer->spare.clans[c].first;
        if (!has_suffix(name, from)) continue;
        size_t n = strlen(name) - strlen(from);
        if (n && name[n - 1] != '.') continue;
        found = loose_has(&proposer->missing, replace(&text, name, name + n, strlen(from), to));
    }
    text_done(&text);
    return found;
}

static void propose_weight_norm(Proposer *proposer)
{
    static const char g[] = "weight_g", g2[] = "parametrizations.weight.original0",
                      v[] = "weight_v", v2[] = "parametrizations.weight.original1";
    if (has_change(proposer, g, g2))
        propose(proposer, PROPOSE_NORM, COST_NONE,
                arena_printf(proposer->arena, "sub [[ %s -> %s ; %s -> %s ]]", g, g2, v, v2),
                "Weight norm, which PyTorch 2 names otherwise.");
    if (has_change(proposer, g2, g))
        propose(proposer, PROPOSE_NORM, COST_NONE,
                arena_printf(proposer->arena, "sub [[ %s -> %s ; %s -> %s ]]", g2, g, v2, v),
                "Weight norm, which PyTorch 2 names otherwise.");
    if (has_change(proposer, g, "weight") || has_change(proposer, g2, "weight"))
        propose(proposer, PROPOSE_NORM, COST_NONE, "weight_norm()",
                "The checkpoint has weight norm (g and v), the model the weight itself: g·v/|v|.");
    if (has_change(proposer, "weight_orig", "weight") ||
        has_change(proposer, "parametrizations.weight.original", "weight"))
        propose(proposer, PROPOSE_NORM, COST_NONE, "spectral_norm()",
                "The checkpoint has spectral norm, the model the weight itself.");
}

/* weight → weight_orig of the modules that have a spectral norm, u and v made up: they converge
 * within a few steps. */
static void propose_to_spectral(Proposer *proposer)
{
    enum { MODULES_MAX = 16 };
    Text rule = {0}, text = {0};
    size_t modules = 0;
    bool sized = false, vectors = false;
    for (size_t c = 0; c < proposer->spare.clan_count && modules < MODULES_MAX; c++) {
        const Clan *clan = &proposer->spare.clans[c];
        const char *name = clan->first;
        if (!has_suffix(name, ".weight")) continue;
        const char *at = name + strlen(name) - 6;
        if (!loose_has(&proposer->missing, replace(&text, name, at, 6, "weight_orig"))) continue;
        const Binding *u =
            align_find(proposer->alignment, replace(&text, name, at, 6, "weight_u"));
        vectors = vectors || (u && u->status == BIND_MISSING);
        sized = sized || (u && u->dims);
        text_addf(&rule, modules++ ? " ; " : "");
        family_rule(clan->family, NULL, &rule);
        text_add(&rule, " -> ");
        family_rule(clan->family, NULL, &rule);
        text_add(&rule, "_orig");
    }
    const char *rest = !vectors ? "" : sized ? " fill(\"**.weight_{k:u|v}\", normal(1))"
                                             : " keep_target \"**.weight_{k:u|v}\"";
    if (modules)
        propose(proposer, PROPOSE_NORM, COST_BUFFERS,
                arena_printf(proposer->arena, "%s%s",
                             propose_rules(proposer, "%s", text_string(&rule)), rest),
                "The model has spectral norm, the checkpoint the weight itself: u and v, which "
                "it iterates, begin anew.");
    text_done(&rule);
    text_done(&text);
}

void propose_parts(Proposer *proposer)
{
    for (size_t i = 0; i < countof(fusions); i++) propose_fusion(proposer, &fusions[i]);
    propose_in_proj(proposer);
    propose_weight_norm(proposer);
    propose_to_spectral(proposer);
}
