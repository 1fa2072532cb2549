/* Ties by name. Where the shapes are known, vaguer names are enough: no two tables of a model have
 * the same number of rows by chance. */
#include "loader/align/tied.h"

#include <string.h>

#include "loader/core/text.h"

static bool has_any(const char *name, const char *const *words, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcasestr(name, words[i])) return true;
    return false;
}

bool tied_is_output(const char *name)
{
    static const char *const words[] = {"lm_head", "embed_out", "output_projection",
                                        "predictions.decoder", "coder.embed_tokens"};
    return has_any(name, words, countof(words));
}

static bool is_output(const Binding *missing)
{
    static const char *const vague[] = {"output.weight", "decoder.weight", "proj_out.weight",
                                        "predictions."};
    if (!has_suffix(missing->name, "weight")) return false;
    return tied_is_output(missing->name) ||
           (missing->dims && missing->rank == 2 && has_any(missing->name, vague, countof(vague)));
}

static bool is_shared(const char *name)
{
    return has_suffix(name, "shared.weight");
}

/* A table of words; `sized`: its shape is known to be that of what is missing. */
static bool is_table(const char *name, bool sized)
{
    static const char *const ends[] = {"embed_tokens.weight", "wte.weight", "tok_embeddings.weight",
                                       "word_embeddings.weight", "tok_emb.weight",
                                       "embed_in.weight", "token_embd.weight"};
    static const char *const vague[] = {"embed", "wte", "tok_emb"};
    for (size_t i = 0; i < countof(ends); i++)
        if (has_suffix(name, ends[i])) return true;
    return is_shared(name) ||
           (sized && !strcasestr(name, "pos") && has_any(name, vague, countof(vague)));
}

/* The last two segments: "embed_tokens.weight". */
static const char *last_two(const char *name)
{
    const char *dot = strrchr(name, '.'), *start = name;
    for (const char *p = name; dot && p < dot; p++)
        if (*p == '.') start = p + 1;
    return start;
}

/* What may be loaded for it: the table for an output, the output for a table. A table is another
 * table only where that one is shared, or has its place in another part of the model. */
static bool is_partner(const Binding *missing, const Binding *other)
{
    bool sized = missing->dims && other->dims;
    if (other == missing || other->status != BIND_LOADED) return false;
    if (sized && !same_dims(other->dims, other->rank, missing->dims, missing->rank)) return false;
    if (is_output(missing)) return is_table(other->name, sized);
    return is_table(missing->name, false) &&
           (is_shared(other->name) || tied_is_output(other->name) ||
            strcmp(last_two(other->name), last_two(missing->name)) == 0);
}

static const char inner_bias[] = ".decoder.bias";

bool tied_may_be(const Binding *missing)
{
    return has_suffix(missing->name, inner_bias) || is_output(missing) ||
           is_table(missing->name, false);
}

/* "cls.predictions.bias" for "cls.predictions.decoder.bias". */
static const Binding *outer_bias(const Alignment *alignment, const Binding *missing)
{
    Text name = {0};
    text_addn(&name, missing->name, strlen(missing->name) - strlen(inner_bias));
    text_add(&name, ".bias");
    const Binding *outer = align_find(alignment, text_string(&name));
    text_done(&name);
    if (!outer || outer->status != BIND_LOADED) return NULL;
    bool sized = missing->dims && outer->dims;
    return !sized || same_dims(outer->dims, outer->rank, missing->dims, missing->rank) ? outer
                                                                                         : NULL;
}

const Binding *tied_with(const Alignment *alignment, const Binding *missing)
{
    const Binding *found = NULL;
    if (!tied_may_be(missing)) return NULL;
    if (has_suffix(missing->name, inner_bias)) return outer_bias(alignment, missing);
    for (size_t i = 0; i < align_count(alignment); i++) {
        const Binding *other = align_binding(alignment, i);
        if (!is_partner(missing, other)) continue;
        if (is_shared(other->name)) return other;
        if (found && !missing->dims) return NULL;
        if (!found) found = other;
    }
    return found;
}
