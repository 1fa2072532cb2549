#include "loader/align/learn_script.h"

#include <stdlib.h>
#include <string.h>

#include "loader/align/learn_parts.h"
#include "loader/align/suggest.h"

/* An op that knows of heads: how many, and the rows that they share. */
typedef struct Site {
    int64_t heads, rows;
    const char *source;          /* the first tensor of the bundle */
} Site;

enum { HEADS_MAX = 2 };          /* different numbers of heads that get names */

typedef struct Writer {
    Arena *arena;                /* of the result */
    Arena *scratch;              /* of expressions */
    const LearnResult *result;
    const StateDict *old, *now;
    Site *sites;                 /* [site_count] owned, growing */
    size_t site_count, site_room;
    int64_t head_size;           /* rows of every head; 0: they differ, or there is none */
    int64_t heads[HEADS_MAX];    /* where they do, numbers of heads, the larger first; 0: none */
    int64_t groups;              /* of queries that share a key, where all are as many; 0: none */
    const char *grouped;         /* the first tensor that is in such groups */
    bool turned[2];              /* to_pairs, to_halves are used */
    bool lists;                  /* and of lists */
} Writer;

/* ---- what knows of heads ---- */

/* Rows of heads of queries, keys and values in turn, "(h c d) -> (c h d)" with three of one and
 * more of the other: those are the heads. 0: it is no such op. Two may be keys and values, but as
 * well halves of a matrix in the parts of as many machines, whose number no shape tells. */
static int64_t count_interleaved(const Op *op)
{
    enum { KINDS = 3 };
    if (op->kind != OP_EIN || op->size_count != 2 || !has_prefix(op->text, "(h c d)")) return 0;
    const int64_t h = op->sizes[0].size, c = op->sizes[1].size;
    if (c == KINDS && h != KINDS) return h;
    return h == KINDS && c != KINDS ? c : 0;
}

/* How many things each head has rows of: 1, or queries, keys and values. */
static int64_t count_kinds(const Op *op)
{
    return op->kind == OP_EIN ? op->sizes[0].size * op->sizes[1].size / count_interleaved(op) : 1;
}

static int64_t count_heads(const Op *op)
{
    if (op->kind == OP_ROPE_PAIRS || op->kind == OP_ROPE_HALVES) return op->number;
    return count_interleaved(op);
}

static void see_op(Writer *writer, const Bundle *bundle, const Op *op, const Expr *before)
{
    const int64_t heads = count_heads(op), groups = blocks_opened(op);
    if (groups) writer->groups = !writer->groups || writer->groups == groups ? groups : -1;
    if (groups && !writer->grouped) writer->grouped = bundle->sources[0].names[0];
    if (!heads || !before->rank) return;
    writer->sites = mem_grow(writer->sites, &writer->site_room, writer->site_count + 1,
                             sizeof *writer->sites);
    writer->sites[writer->site_count++] =
        (Site){heads, before->dims[0] / count_kinds(op), bundle->sources[0].names[0]};
}

/* Heads of one size, whatever their number, are what a family has in common. */
static void find_heads(Writer *writer)
{
    size_t count = 0;
    bool one_size = writer->site_count > 0;
    for (size_t i = 0; i < writer->site_count; i++) {
        const Site *site = &writer->sites[i];
        one_size = one_size && site->rows % site->heads == 0 &&
                   site->rows / site->heads == writer->sites[0].rows / writer->sites[0].heads;
    }
    if (one_size) {
        writer->head_size = writer->sites[0].rows / writer->sites[0].heads;
        return;
    }
    int64_t heads[HEADS_MAX + 1] = {0};
    for (size_t i = 0; i < writer->site_count && count <= HEADS_MAX; i++) {
        size_t at = 0;
        while (at < count && heads[at] != writer->sites[i].heads) at++;
        if (at == count) heads[count++] = writer->sites[i].heads;
    }
    if (!count || count > HEADS_MAX) return;
    const bool swap = count == 2 && heads[0] < heads[1];
    writer->heads[0] = heads[swap];
    writer->heads[1] = count == 2 ? heads[!swap] : 0;
}

/* ---- ops as text ---- */

/* "heads", or the number where it has no name. */
static void add_heads(const Writer *writer, int64_t number, Text *out)
{
    static const char *const names[HEADS_MAX] = {"heads", "kv_heads"};
    for (size_t i = 0; i < HEADS_MAX; i++)
        if (writer->heads[i] == number) {
            text_add(out, names[i]);
            return;
        }
    text_addf(out, "%lld", (long long)number);
}

/* ein("(h c d) v -> (c h d) v", {c=3, d=head_dim}) */
static void add_interleaved(const Writer *writer, const Op *op, Text *out)
{
    text_addf(out, "ein(\"%s\", {", op->text);
    for (size_t i = 0; i < op->size_count; i++) {
        const OpSize *size = &op->sizes[i];
        const bool heads = size->size == count_interleaved(op);
        if (heads && writer->head_size) continue;
        text_addf(out, "%s=", size->name);
        if (heads) add_heads(writer, size->size, out);
        else text_addf(out, "%lld", (long long)size->size);
        if (!writer->head_size && i + 1 < op->size_count) text_add(out, ", ");
    }
    if (writer->head_size) text_add(out, ", d=head_dim");
    text_add(out, "})");
}

/* What stands for an op that knows of heads, as one of a list of ops. False: it is none. */
static bool add_named(Writer *writer, const Op *op, Text *out)
{
    if (blocks_opened(op) && writer->groups > 0) {
        text_addf(out, "ein(\"%s\", {%s=query_groups})", op->text, op->sizes[0].name);
        return true;
    }
    if (!count_heads(op) || (!writer->head_size && !writer->heads[0])) return false;
    const bool pairs = op->kind == OP_ROPE_PAIRS;
    if (op->kind == OP_EIN) {
        add_interleaved(writer, op, out);
    } else if (writer->head_size) {
        text_add(out, pairs ? "to_pairs" : "to_halves");
        writer->turned[pairs ? 0 : 1] = true;
    } else {
        text_addf(out, "%s(", op_name(op->kind));
        add_heads(writer, op->number, out);
        text_addc(out, ')');
    }
    return true;
}

/* The chain of the index-th tensor of a function: "to_pairs(a:T())". */
static void add_expression(Writer *writer, const Each *each, size_t index, Text *out)
{
    const Chain *chain = &each->chains[index];
    Text value = {0};
    each_argument(index, each->listed, &value);
    for (size_t i = 0; i < chain->count; i++) {
        const Op *op = &chain->ops[i];
        Text next = {0};
        if (add_named(writer, op, &next)) {
            const bool calls = next.bytes[next.length - 1] == ')';
            Text whole = {0};
            if (calls) text_addf(&whole, "%s:%s", text_string(&value), text_string(&next));
            else text_addf(&whole, "%s(%s)", text_string(&next), text_string(&value));
            text_done(&value);
            value = whole;
        } else {
            each_method(op, &value);
        }
        text_done(&next);
    }
    text_add(out, text_string(&value));
    text_done(&value);
}

/* A function is called with all tensors at once, where an op is applied to each: of several it is
 * said for each. False where their number is not known: they come in several lists. */
static bool add_for_each(Writer *writer, const RuleValue *value, const Op *op, Text *out)
{
    Each each = {.kind = EACH_CHAINS, .count = value->count, .chains = {{.count = 0}}};
    bool single = value->count <= EACH_MAX;
    for (size_t i = 0; i < value->count; i++)
        single = single && value->lists[i].count == 1 && !value->lists[i].gathered;
    if (single && value->count == 1) return add_named(writer, op, out);
    if (!single && value->count > 1) return false;
    Text named = {0};
    const bool is_named = add_named(writer, op, &named);
    if (is_named && !single) {
        text_addf(out, "all(%s)", text_string(&named));
        writer->lists = true;
    } else if (is_named) {
        each_head(&each, out);
        for (size_t i = 0; i < each.count; i++) {
            text_addf(out, "%s%s(", i ? ", " : "", text_string(&named));
            each_argument(i, false, out);
            text_addc(out, ')');
        }
        text_add(out, " end");
    }
    text_done(&named);
    return is_named;
}

static void write_op(Writer *writer, const RuleValue *value, Op *op)
{
    Text text = {0};
    bool said = true;
    const Each *each = op->kind == OP_FUNCTION ? writer->result->each[op->function] : NULL;
    if (each && each->kind != EACH_CHAINS) return;      /* it has its text */
    if (each) {
        each_head(each, &text);
        for (size_t i = 0; i < each->count; i++) {
            if (i) text_add(&text, ", ");
            add_expression(writer, each, i, &text);
        }
        text_add(&text, " end");
    } else if (writer->head_size && op->kind != OP_EIN) {
        said = add_for_each(writer, value, op, &text);
    } else {
        said = add_named(writer, op, &text);
    }
    if (said) *op = (Op){.kind = OP_FUNCTION, .text = text_keep(&text, writer->arena)};
    text_done(&text);
}

/* ---- bundles ---- */

/* The ops of a function, each with the tensor that it is applied to. */
static void see_chains(Writer *writer, const Bundle *bundle, const Each *each,
                       const RuleValue *value, const OpContext *context)
{
    size_t at = 0;
    for (size_t l = 0; l < value->count; l++)
        for (size_t k = 0; k < value->lists[l].count && at < each->count; k++, at++) {
            const Chain *chain = &each->chains[at];
            const Expr *item[1] = {value->lists[l].items[k]};
            RuleValue one = {&(ExprList){item, 1, false}, 1};
            for (size_t o = 0; o < chain->count; o++) {
                see_op(writer, bundle, &chain->ops[o], one.lists[0].items[0]);
                if (!op_apply(&chain->ops[o], context, &one, NULL)) break;
            }
        }
}

/* Applies the ops of a bundle one by one. Either sees what knows of heads, or writes `ops`, a copy
 * of them, as text where they are to be said otherwise. */
static void walk_bundle(Writer *writer, const Bundle *bundle, Op *ops)
{
    RuleValue value;
    const OpContext context = {.arena = writer->scratch, .target = writer->now,
                               .names = bundle->targets, .name_count = bundle->target_count,
                               .call = each_apply, .host = (void *)writer->result->each};
    if (!bundle_value(writer->scratch, writer->old, bundle, &value)) return;
    for (size_t i = 0; i < bundle->op_count; i++) {
        const Op *op = &bundle->ops[i];
        const Each *each = op->kind == OP_FUNCTION ? writer->result->each[op->function] : NULL;
        if (ops) write_op(writer, &value, &ops[i]);
        else if (each && each->kind == EACH_CHAINS)
            see_chains(writer, bundle, each, &value, &context);
        for (size_t l = 0; !ops && !each && l < value.count; l++)
            for (size_t k = 0; k < value.lists[l].count; k++)
                see_op(writer, bundle, op, value.lists[l].items[k]);
        if (!op_apply(op, &context, &value, NULL)) return;
    }
}

static Bundle write_bundle(Writer *writer, const Bundle *bundle)
{
    Bundle said = *bundle;
    Op *ops = arena_copy(writer->arena, bundle->ops, bundle->op_count * sizeof *ops);
    walk_bundle(writer, bundle, ops);
    said.ops = ops;
    return said;
}

/* ---- where the size of a head stands ---- */

/* src["name"] */
static void add_source(const char *name, Text *out)
{
    text_add(out, "src[");
    lua_quote(name, strlen(name), out);
    text_addc(out, ']');
}

static bool has_word(const char *name, const char *const *words, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strstr(name, words[i])) return true;
    return false;
}

/* A norm of the queries of one head, or half as many angles. */
static bool add_from_tensor(const Writer *writer, Text *out)
{
    static const char *const norms[] = {"q_norm", "k_norm", "query_norm", "q_layernorm"};
    static const char *const angles[] = {"inv_freq"};
    for (size_t i = 0; i < dict_count(writer->old); i++) {
        const Tensor *tensor = dict_at(writer->old, i);
        if (tensor->rank != 1 || !tensor->dims) continue;
        const bool norm = tensor->dims[0] == writer->head_size &&
                          has_word(tensor->name, norms, countof(norms));
        if (!norm && !(2 * tensor->dims[0] == writer->head_size &&
                       has_word(tensor->name, angles, countof(angles))))
            continue;
        text_add(out, "head_dim = ");
        add_source(tensor->name, out);
        text_addf(out, ".shape[1]%s\n", norm ? "" : " * 2");
        return true;
    }
    return false;
}

/* The first of the words under which the object has a number; it goes to *number. */
static const char *find_number(const Value *config, const char *const *words, size_t n,
                               int64_t *number)
{
    for (size_t i = 0; i < n; i++)
        if ((*number = value_get_int(config, words[i], 0)) > 0) return words[i];
    return NULL;
}

/* Only where it says what was found; and for a tensor of the width that it says, so that the
 * config.json of another model is no use. */
static bool add_from_config(const Writer *writer, const Value *config, Text *out)
{
    static const char *const sizes[] = {"head_dim", "attention_head_size"};
    static const char *const widths[] = {"hidden_size", "n_embd", "d_model", "dim"};
    static const char *const counts[] = {"num_attention_heads", "n_head", "num_heads", "n_heads"};
    int64_t size = 0, width = 0, count = 0;
    if (!config || config->kind != VALUE_MAP) return false;
    const char *by_size = find_number(config, sizes, countof(sizes), &size);
    const char *by_width = find_number(config, widths, countof(widths), &width);
    const char *by_count = find_number(config, counts, countof(counts), &count);
    const bool said = by_size && size == writer->head_size;
    if (!said && (by_size || !by_width || !by_count || width / count != writer->head_size))
        return false;
    text_add(out, "local config = json \"config.json\"\n");
    const Tensor *tensor = dict_find(writer->old, writer->sites[0].source);
    const int64_t last = tensor->rank ? tensor->dims[tensor->rank - 1] : 0;
    if (by_width && last == width) {
        text_add(out, "assert(");
        add_source(tensor->name, out);
        text_addf(out, ".shape[%u] == config.%s, \"config.json is that of another model\")\n",
                  tensor->rank, by_width);
    }
    if (said) text_addf(out, "head_dim = config.%s\n", by_size);
    else text_addf(out, "head_dim = config.%s // config.%s\n", by_width, by_count);
    return true;
}

/* What a model of another width may have or not: that is told when the rules are applied to one. */
static void add_question(const Writer *writer, const char *source, const char *name,
                         const char *what, Text *out)
{
    const Tensor *tensor = dict_find(writer->old, source);
    text_add(out, "known = ");
    add_source(tensor->name, out);
    text_addf(out, "\nif known and known.shape[1] ~= %lld then\n"
              "  print(\"%s = \" .. %s .. \": is this %s here?\")\n"
              "end\n", (long long)tensor->dims[0], name, name, what);
}

static void add_number(const Writer *writer, Text *out)
{
    text_addf(out, "-- The rows of a head, from which the number of heads follows. Nothing in the "
              "source says it:\n-- change it for a model whose heads have another size.\n"
              "head_dim = %lld\n", (long long)writer->head_size);
    text_add(out, "local ");
    add_question(writer, writer->sites[0].source, "head_dim", "the size of a head", out);
}

/* The groups of queries that share a key and a value. */
static void add_groups(const Writer *writer, const Value *config, Text *out)
{
    static const char *const words[] = {"num_key_value_heads", "num_query_groups", "n_kv_heads",
                                        "num_kv_heads", "multi_query_group_num"};
    int64_t number = 0;
    const bool known = config && config->kind == VALUE_MAP;
    const char *word = known ? find_number(config, words, countof(words), &number) : NULL;
    if (word && number == writer->groups) {
        if (!strstr(text_string(out), "local config ="))
            text_add(out, "local config = json \"config.json\"\n");
        text_addf(out, "query_groups = config.%s\n", word);
        return;
    }
    text_addf(out, "-- How many groups of queries share a key and a value: change it for a model "
              "that has another\n-- number of them.\nquery_groups = %lld\n",
              (long long)writer->groups);
    text_add(out, strstr(text_string(out), "local known =") ? "" : "local ");
    add_question(writer, writer->grouped, "query_groups", "the number of groups", out);
}

static const char *write_top(const Writer *writer, const Value *config)
{
    Text out = {0};
    if (writer->head_size && !add_from_tensor(writer, &out) &&
        !add_from_config(writer, config, &out))
        add_number(writer, &out);
    if (writer->turned[0])
        text_add(&out, "function to_pairs(t) return t:rope_pairs(t:size(0) // head_dim) end\n");
    if (writer->turned[1])
        text_add(&out, "function to_halves(t) return t:rope_halves(t:size(0) // head_dim) end\n");
    if (writer->lists)
        text_add(&out, "function all(f)\n  return function(p)\n    local q = {}\n"
                 "    for i, t in ipairs(p) do q[i] = f(t) end\n    return q\n  end\nend\n");
    if (writer->heads[0])
        text_addf(&out, "-- The heads of the model: change them for one that has another number.\n"
                  "heads = %lld\n", (long long)writer->heads[0]);
    if (writer->heads[1]) text_addf(&out, "kv_heads = %lld\n", (long long)writer->heads[1]);
    if (writer->groups > 0) add_groups(writer, config, &out);
    return text_keep(&out, writer->arena);
}

const LearnScript *learn_script(Arena *arena, const LearnResult *result, const StateDict *old,
                                const StateDict *now, const Value *config)
{
    LearnScript *script = arena_alloc(arena, sizeof *script);
    Bundle *bundles = arena_alloc(arena, (result->bundle_count + 1) * sizeof *bundles);
    Writer writer = {.arena = arena, .scratch = arena_new(), .result = result, .old = old,
                     .now = now};
    for (size_t i = 0; i < result->bundle_count; i++)
        walk_bundle(&writer, &result->bundles[i], NULL);
    find_heads(&writer);
    for (size_t i = 0; i < result->bundle_count; i++)
        bundles[i] = write_bundle(&writer, &result->bundles[i]);
    shares_say(arena, old, bundles, result->bundle_count);
    *script = (LearnScript){write_top(&writer, config), bundles, result->bundle_count};
    arena_free(writer.scratch);
    free(writer.sites);
    return script;
}
