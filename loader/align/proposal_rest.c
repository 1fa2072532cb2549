/* What is left over: other containers, buffers that come and go, heads that only training has,
 * adapters, and what is done when nothing is known: dropped, made up, kept, accepted. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "loader/align/family.h"
#include "loader/align/proposal_parts.h"
#include "loader/align/report_parts.h"
#include "loader/align/tied.h"

enum {
    CONTAINERS_MAX = 16,         /* that are compared */
    GROUPS_MAX = 8,              /* modules that one proposal names */
    LEVELS_MAX = 4               /* segments of such a module */
};

/* ---- containers ---- */

/* "ema.state_dict" as arguments of unwrap; NULL for a path with an index in it. */
static const char *unwrap_line(Proposer *proposer, const char *path)
{
    Text line = {0};
    bool plain = !strpbrk(path, "[]\"\\");
    for (const char *p = path; plain && *p;) {
        size_t n = strcspn(p, ".");
        text_addf(&line, "%s%s", line.length ? ", " : "unwrap(", propose_lua(proposer, p, n));
        p += n + (p[n] == '.');
    }
    text_addc(&line, ')');
    const char *copy = plain && *path ? arena_strdup(proposer->arena, text_string(&line)) : NULL;
    text_done(&line);
    return copy;
}

/* Other dicts of the file that have as many of the target's names as the one that was taken, or
 * more. */
void propose_containers(Proposer *proposer)
{
    const Alignment *alignment = proposer->alignment;
    const Checkpoint *source = alignment->checkpoint;
    size_t n = checkpoint_container_count(source);
    if (n < 2) return;
    const char *chosen = align_container(alignment);
    size_t here = align_names_in(alignment, alignment->source);
    for (size_t i = 0; i < n && i < CONTAINERS_MAX; i++) {
        const Container *one = checkpoint_container(source, i);
        if (one->optimizer || one->parts || strcmp(one->path, chosen) == 0) continue;
        size_t hits = align_names_in(alignment, one->dict);
        const char *line = hits && hits >= here ? unwrap_line(proposer, one->path) : NULL;
        if (line)
            propose(proposer, PROPOSE_CONTAINER, COST_NONE, line,
                    "%s has %zu of the target's %zu names; %s, which was taken, has %zu.",
                    one->path, hits, alignment->count, *chosen ? chosen : "the top level", here);
    }
}

/* Names that are the program's, not a model's. */
static const char *const container_names[] = {
    "state_dict", "model_state_dict", "model", "model_state", "net", "network", "weights", "params",
    "module", "ema", "g_ema", "params_ema", "state_dict_ema", "student", "teacher", "generator"};
static const char *const program_names[] = {
    "epoch", "epochs", "step", "steps", "global_step", "iteration", "iter", "optimizer",
    "optimizers", "optimizer_states", "optimizer_state_dict", "optim", "scheduler",
    "lr_scheduler", "lr_schedulers", "scaler", "loss", "best_acc", "best_acc1", "best_pred",
    "best_loss", "acc", "arch", "args", "config", "cfg", "opt", "hparams", "hyper_parameters",
    "callbacks", "loops", "pytorch-lightning_version", "amp", "meta", "metadata", "date",
    "version", "updates", "train_args", "g", "d", "g_optim", "d_optim", "discriminator"};

static bool is_one_of(const char *name, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(name, names[i]) == 0) return true;
    return false;
}

bool proposal_is_container(const char *name)
{
    return is_one_of(name, container_names, countof(container_names));
}

bool proposal_is_program_name(const char *name)
{
    return proposal_is_container(name) || is_one_of(name, program_names, countof(program_names));
}

/* Whoever loaded such names gave the whole file to load_state_dict; one holds the weights. */
static void propose_unwrap(Proposer *proposer)
{
    for (size_t i = 0; i < countof(container_names); i++)
        if (loose_has(&proposer->spare, container_names[i]))
            propose(proposer, PROPOSE_CONTAINER, COST_NONE,
                    arena_printf(proposer->arena, "unwrap \"%s\"", container_names[i]),
                    "The whole file was given to the model: the weights lie in its \"%s\".",
                    container_names[i]);
}

/* ---- buffers ---- */

/* Of unknown shape: a bias beside a weight is a vector, one without is a mask (attn.bias). */
static unsigned guess_rank(const Proposer *proposer, const char *name)
{
    enum { MASK = 4 };
    if (!has_suffix(name, ".bias")) return MASK;
    Text weight = {0};
    text_addn(&weight, name, strlen(name) - 4);
    text_add(&weight, "weight");
    bool beside = loose_has(&proposer->spare, text_string(&weight)) ||
                  loose_has(&proposer->missing, text_string(&weight)) ||
                  align_find(proposer->alignment, text_string(&weight));
    text_done(&weight);
    return beside ? 1 : MASK;
}

static unsigned rank_of(const Proposer *proposer, const char *name)
{
    const DraftKey *key = draft_find(proposer->alignment->draft, name);
    if (!key || !key->expr || key->expr->unknown) return guess_rank(proposer, name);
    return key->expr->rank;
}

/* Unused ones are dropped, all kinds in one line. */
/* Whether a tensor of the source went into a target of another name, as auto{} pairs them. */
static bool went_elsewhere(const Alignment *alignment, const char *name)
{
    const Tensor *tensor = dict_find(align_source_dict(alignment), name);
    const uint32_t index = tensor ? align_source_index(alignment, tensor) : MAP_NONE;
    return index != MAP_NONE && align_use(alignment, index)->status == USE_USED;
}

/* Whether a key is a counter of a norm that the text of a failed load calls missing. PyTorch does
 * not miss counters, so nothing tells whether the model has it: it may go along, and is not to be
 * dropped. Only a text does not tell the shape of what is missing. */
static bool proposal_may_be_wanted(const Alignment *alignment, const char *name)
{
    static const char counter[] = "num_batches_tracked";
    const StateDict *target = align_target(alignment);
    if (!target || !has_suffix(name, counter)) return false;
    Text sibling = {0};
    text_addn(&sibling, name, strlen(name) - strlen(counter));
    text_add(&sibling, "running_var");
    const Tensor *tensor = dict_find(target, text_string(&sibling));
    const bool wanted = tensor ? !tensor->dims : went_elsewhere(alignment, text_string(&sibling));
    text_done(&sibling);
    return wanted;
}

bool proposal_is_left(const Alignment *alignment, const SourceUse *use)
{
    if (use->status != USE_UNUSED || use->covered || use->offered_to) return false;
    const char *name = use->step && use->step->to ? use->step->to : use->tensor->name;
    return !proposal_may_be_wanted(alignment, name);
}

static void propose_drop_buffers(Proposer *proposer)
{
    Text rule = {0}, what = {0};
    NameMap leaves;
    map_init(&leaves);
    for (size_t i = 0; i < proposer->spare.clan_count; i++) {
        const char *name = proposer->spare.clans[i].first;
        const BufferCause *buffer = report_buffer(name, rank_of(proposer, name));
        if (!buffer || proposal_may_be_wanted(proposer->alignment, name)) continue;
        if (map_set(&leaves, buffer->leaf, 1) != MAP_NONE) continue;
        text_addf(&rule, "%s**.%s ->", rule.length ? " ; " : "", buffer->leaf);
        text_addf(&what, "%s%s (%s)", what.length ? ", " : "", buffer->leaf, buffer->what);
    }
    if (rule.length)
        propose(proposer, PROPOSE_BUFFER, COST_BUFFERS,
                propose_rules(proposer, "%s", text_string(&rule)),
                "Buffers that come and go between versions: %s.", text_string(&what));
    map_done(&leaves);
    text_done(&rule);
    text_done(&what);
}

/* Missing ones are what the model has made itself; counters have their fill already. */
static void propose_keep_buffers(Proposer *proposer)
{
    for (size_t i = 0; i < proposer->missing.clan_count; i++) {
        const char *name = proposer->missing.clans[i].first;
        const Binding *binding = align_find(proposer->alignment, name);
        unsigned rank = binding->dims ? binding->rank : guess_rank(proposer, name);
        const BufferCause *buffer = report_buffer(name, rank);
        if (!buffer) continue;
        if (has_suffix(name, "num_batches_tracked"))
            propose(proposer, PROPOSE_BUFFER, COST_BUFFERS,
                    "fill(\"**.num_batches_tracked\", zeros())",
                    "BatchNorm counters, which old files lack: they count from zero.");
        propose(proposer, PROPOSE_BUFFER, COST_BUFFERS,
                arena_printf(proposer->arena, "keep_target \"**.%s\"", buffer->leaf),
                "%s: %s. The model's own is right.", buffer->leaf, buffer->what);
    }
}

/* ---- modules that are left over as a whole ---- */

/* How many keys there are below each beginning, and how many of them are left over. */
typedef struct Groups {
    NameMap all, left;
    NameMap families;            /* of the groups: one stands for those that differ in numbers */
    const char *names[GROUPS_MAX + 1];
    bool whole[GROUPS_MAX + 1];  /* a module, not a single name */
    bool several[GROUPS_MAX + 1];
    size_t count;
} Groups;

static void count_beginnings(Arena *arena, NameMap *map, const char *name)
{
    size_t n = 0;
    for (unsigned level = 0; level < LEVELS_MAX; level++) {
        n += strcspn(name + n, ".");
        if (!name[n]) return;
        const char *head = arena_strndup(arena, name, n);
        uint32_t before = map_get(map, head);
        map_set(map, head, before == MAP_NONE ? 1 : before + 1);
        n++;
    }
}

/* Whether what lies below the beginning, of n bytes, is numbered, and not from 0: a failed load
 * names no layers that were loaded, so these are the last ones of more. */
static bool is_tail(const Groups *groups, Arena *arena, const char *name, size_t n)
{
    if (name[n] != '.' || !is_digit(name[n + 1])) return false;
    return map_get(&groups->all, arena_printf(arena, "%.*s.0", (int)n, name)) == MAP_NONE;
}

/* The shortest beginning whose keys are all left over, or the name itself. *exact: it is one of the
 * last layers of more, and no number stands for another. */
static const char *whole_group(const Groups *groups, Arena *arena, const char *name, bool *exact)
{
    size_t n = 0;
    *exact = false;
    for (unsigned level = 0; level < LEVELS_MAX; level++) {
        n += strcspn(name + n, ".");
        if (!name[n]) break;
        const char *head = arena_strndup(arena, name, n);
        const bool tail = is_tail(groups, arena, name, n);
        *exact = *exact || tail;
        if (!tail && map_get(&groups->all, head) == map_get(&groups->left, head)) return head;
        n++;
    }
    return name;
}

static void add_group(Groups *groups, Arena *arena, const char *name, bool whole, bool exact)
{
    FamilyName family = {0};
    if (exact) text_add(&family.text, name);
    else family_split(name, &family);
    uint32_t index = map_get(&groups->families, text_string(&family.text));
    if (index != MAP_NONE) {
        if (strcmp(groups->names[index], name) != 0) groups->several[index] = true;
    } else if (groups->count <= GROUPS_MAX) {
        map_set(&groups->families, arena_strdup(arena, text_string(&family.text)),
                (uint32_t)groups->count);
        groups->names[groups->count] = name;
        groups->whole[groups->count++] = whole;
    }
    family_done(&family);
}

static void list_groups(Proposer *proposer, Groups *groups, bool source)
{
    const Alignment *alignment = proposer->alignment;
    const Loose *loose = source ? &proposer->spare : &proposer->missing;
    *groups = (Groups){.count = 0};
    map_init(&groups->all);
    map_init(&groups->left);
    map_init(&groups->families);
    size_t n = source ? draft_count(alignment->draft) : alignment->count;
    for (size_t i = 0; i < n; i++)
        count_beginnings(proposer->arena, &groups->all,
                         source ? draft_at(alignment->draft, i)->name
                                : alignment->bindings[i].name);
    for (size_t i = 0; i < loose->count; i++)
        count_beginnings(proposer->arena, &groups->left, loose->names[i]);
    for (size_t i = 0; i < loose->count && groups->count <= GROUPS_MAX; i++) {
        bool exact;
        if (source && proposal_may_be_wanted(alignment, loose->names[i])) continue;
        const char *name = whole_group(groups, proposer->arena, loose->names[i], &exact);
        add_group(groups, proposer->arena, name, name != loose->names[i], exact);
    }
}

static void free_groups(Groups *groups)
{
    map_done(&groups->all);
    map_done(&groups->left);
    map_done(&groups->families);
}

/* `head` as a pattern over what is below it, or the name itself; numbers as captures where several
 * groups differ in them alone. */
static const char *group_pattern(Proposer *proposer, const Groups *groups, size_t index)
{
    Text text = {0};
    const char *name = groups->names[index];
    if (groups->several[index]) {
        FamilyName family = {0};
        family_split(name, &family);
        family_rule(text_string(&family.text), NULL, &text);
        family_done(&family);
    } else {
        rule_quote(name, strlen(name), &text);
    }
    if (groups->whole[index]) text_add(&text, ".**");
    return text_keep(&text, proposer->arena);
}

/* Heads that only training uses: models in use are often built without them. */
static bool is_auxiliary(const char *name)
{
    static const char *const words[] = {"aux", "loss", "criterion", "discriminator", "momentum",
                                        "queue", "ema_", "teacher", "projector", "mask_token"};
    for (size_t i = 0; i < countof(words); i++)
        if (strcasestr(name, words[i])) return true;
    return false;
}

static bool has_adapters(const Proposer *proposer)
{
    for (size_t i = 0; i < proposer->spare.count; i++)
        if (proposal_is_adapter(proposer->spare.names[i])) return true;
    return false;
}

/* What programs put beside the weights is no tensor of a model, whatever else is missing. */
static void propose_drop_programs(Proposer *proposer)
{
    Text rule = {0};
    for (size_t i = 0; i < countof(program_names); i++)
        if (loose_has(&proposer->spare, program_names[i]))
            text_addf(&rule, "%s%s ->", rule.length ? " ; " : "", program_names[i]);
    if (rule.length)
        propose(proposer, PROPOSE_DROP, COST_BUFFERS,
                propose_rules(proposer, "%s", text_string(&rule)),
                "Entries of the training program, not of the model: more of the file was loaded "
                "than its weights.");
    text_done(&rule);
}

/* Left over in the source: the target is complete without it, or only training has it. */
static void propose_drops(Proposer *proposer)
{
    Groups groups;
    Text rule = {0};
    bool complete = !proposer->missing.count && !has_adapters(proposer);
    list_groups(proposer, &groups, true);
    for (size_t i = 0; i < groups.count && i < GROUPS_MAX; i++) {
        const char *name = groups.names[i];
        const char *pattern = group_pattern(proposer, &groups, i);
        text_addf(&rule, "%s%s ->", rule.length ? " ; " : "", pattern);
        if (!is_auxiliary(name)) continue;
        propose(proposer, PROPOSE_DROP, COST_BUFFERS, propose_rules(proposer, "%s ->", pattern),
                "%s has the look of a part that only training uses; this model is built without "
                "it.", name);
    }
    if (groups.count && groups.count <= GROUPS_MAX)
        proposal_add(proposer->list,
                     (Proposal){.kind = PROPOSE_DROP, .cost = COST_WAIVED, .known = complete,
                                .line = propose_rules(proposer, "%s", text_string(&rule)),
                                .why = complete ? "The model has all it wants without these."
                                                : "The model has nothing of these names."});
    text_done(&rule);
    free_groups(&groups);
}

/* New heads are the usual reason for a module that no source has. */
static bool is_head(const char *name)
{
    static const char *const words[] = {"head", "classif", "fc", "cls", "logit", "score", "decode",
                                        "pred", "output", "pooler", "qa_", "linear", "proj"};
    if (strstr(name, "cls_token")) return false;
    for (size_t i = 0; i < countof(words); i++)
        if (strcasestr(name, words[i])) return true;
    return false;
}

void propose_tie(Proposer *proposer, const Binding *missing)
{
    const Binding *other = tied_with(proposer->alignment, missing);
    if (!other) return;
    const char *line =
        arena_printf(proposer->arena, "tie(%s, %s)",
                     propose_lua(proposer, missing->name, strlen(missing->name)),
                     propose_lua(proposer, other->name, strlen(other->name)));
    propose(proposer, PROPOSE_TIE, COST_NONE, line, "%s is most often %s itself (tied weights), "
            "which the file holds once.", missing->name, other->name);
}

void propose_ties(Proposer *proposer)
{
    for (size_t i = 0, tried = 0; i < proposer->missing.count && tried < TIED_MAX; i++) {
        const Binding *missing = align_find(proposer->alignment, proposer->missing.names[i]);
        if (!tied_may_be(missing)) continue;
        propose_tie(proposer, missing);
        tried++;
    }
}

/* Whether all that is missing of a group is an output matrix, or its bias. */
static bool is_output_alone(const Proposer *proposer, const char *group)
{
    size_t n = strlen(group), outputs = 0;
    if (tied_is_output(group)) return true;
    for (size_t i = 0; i < proposer->missing.count; i++) {
        const char *name = proposer->missing.names[i];
        if (strncmp(name, group, n) != 0 || name[n] != '.') continue;
        if (!tied_is_output(name)) return false;
        outputs++;
    }
    return outputs > 0;
}

/* Which name the embedding has is not in the text: only with the checkpoint it can be tried. */
static void advise_tie(Proposer *proposer, const char *group)
{
    const char *name = group;
    for (size_t i = 0; i < proposer->missing.count; i++)
        if (has_prefix(proposer->missing.names[i], group) &&
            has_suffix(proposer->missing.names[i], ".weight"))
            name = proposer->missing.names[i];
    propose(proposer, PROPOSE_ADVICE, COST_WAIVED, NULL,
            "%s is most often the embedding itself (tied weights), which the file holds once: "
            "tie(\"%s\", \"model.embed_tokens.weight\"), with the name that the embedding has "
            "in the model.", name, name);
}

/* `sized`: its shapes are known, so that it can be filled. */
static void propose_new_module(Proposer *proposer, const char *name, const char *pattern,
                               bool sized)
{
    if (!sized && is_output_alone(proposer, name)) {     /* else a line says so, if one can */
        advise_tie(proposer, name);
        return;
    }
    const char *quoted = propose_lua(proposer, pattern, strlen(pattern));
    bool head = is_head(name);
    const char *why =
        arena_printf(proposer->arena, has_suffix(pattern, ".**")
                                          ? "What %s misses is not in the checkpoint under these "
                                            "names%s."
                                          : "%s is not in the checkpoint under this name%s.",
                     name, head ? "; heads are often new in a model" : "");
    const char *fill = arena_printf(proposer->arena, "fill(%s, kaiming())", quoted);
    Proposal proposal = {.kind = PROPOSE_FILL, .cost = COST_MADE_UP, .known = head, .line = fill};
    proposal.why = arena_printf(proposer->arena, "%s Made anew, to be trained.", why);
    if (sized) proposal_add(proposer->list, proposal);
    proposal.line = arena_printf(proposer->arena, "keep_target %s", quoted);
    proposal.why = sized ? "It stays as the model has it."
                         : arena_printf(proposer->arena, "%s It stays as the model has it; with "
                                        "the model's shapes at hand it can be made anew: %s", why,
                                        fill);
    proposal_add(proposer->list, proposal);
}

/* Missing as a whole: made anew, or kept. */
static void propose_fills(Proposer *proposer)
{
    Groups groups;
    bool sized = align_find(proposer->alignment, proposer->missing.names[0])->dims != NULL;
    list_groups(proposer, &groups, false);
    for (size_t i = 0; i < groups.count && i < GROUPS_MAX; i++)
        propose_new_module(proposer, groups.names[i], group_pattern(proposer, &groups, i), sized);
    free_groups(&groups);
}

/* ---- adapters ---- */

bool proposal_is_adapter(const char *name)
{
    static const char *const marks[] = {"lora_", "lora.", ".hada_", ".lokr_", "dora_scale"};
    for (size_t i = 0; i < countof(marks); i++)
        if (strstr(name, marks[i])) return true;
    return false;
}

/* A file of adapters is no model: it is merged into one, or loaded into one that has adapters. */
static void propose_adapters(Proposer *proposer)
{
    size_t count = 0;
    for (size_t i = 0; i < proposer->spare.count; i++)
        count += proposal_is_adapter(proposer->spare.names[i]);
    if (!count) return;
    propose(proposer, PROPOSE_PARTS, COST_NONE, "lora{}",
            "Those of an adapter (LoRA), %zu names: they are merged into the weights they "
            "belong to.", count);
    propose(proposer, PROPOSE_ADVICE, COST_WAIVED, NULL,
            "Those of an adapter (LoRA), %zu names: the file is no whole model. Align it with "
            "the base model's weights as target, and merge with lora{}; or load it with the "
            "library that made it.", count);
}

/* ---- last resorts ---- */

static void propose_policies(Proposer *proposer)
{
    static const struct { BindStatus status; const char *line, *why; } policies[] = {
        {BIND_MISSING, "policy{missing=\"init\"}",
         "What is missing is made up as new layers are."},
        {BIND_MISSING, "policy{missing=\"keep\"}",
         "What is missing stays as the model has it (strict=False)."},
        {BIND_SHAPE, "policy{shape=\"skip\"}",
         "What has another shape stays as the model has it."}};
    const Summary *summary = align_summary(proposer->alignment);
    for (size_t i = 0; i < countof(policies); i++)
        if (summary->bind[policies[i].status])
            proposal_add(proposer->list,
                         (Proposal){.kind = PROPOSE_POLICY, .cost = COST_WAIVED,
                                    .line = policies[i].line, .why = policies[i].why});
}

void propose_rest(Proposer *proposer)
{
    if (align_is_another_size(proposer->alignment))
        propose(proposer, PROPOSE_ADVICE, COST_WAIVED, NULL,
                "The checkpoint is of another size of the architecture (other widths or depths): "
                "no rule mends that. Take the checkpoint of this size, or build the model of the "
                "checkpoint's.");
    propose_unwrap(proposer);
    propose_drop_buffers(proposer);
    propose_keep_buffers(proposer);
    propose_adapters(proposer);
    propose_drop_programs(proposer);
    if (proposer->spare.count) propose_drops(proposer);
    if (proposer->missing.count) propose_fills(proposer);
    propose_policies(proposer);
}
