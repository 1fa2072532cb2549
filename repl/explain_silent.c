/* What no load fails of: rows in another order, a square the other way round, colours in another
 * order. Nothing in the text can show them; names, shapes and the source's format make them likely,
 * and that is what is told. */
#include "repl/explain.h"

#include <string.h>

#include "loader/align/judge.h"

static void add_silent(Explanation *explanation, const char *text)
{
    if (explanation->silent_count < countof(explanation->silent))
        explanation->silent[explanation->silent_count++] = text;
}

static const char *shown(const Explanation *explanation, const char *name)
{
    Text text = {0};
    name_show(name, &text);
    return text_keep(&text, explanation->arena);
}

/* Queries and keys under two spellings. */
static void tell_rows(Explanation *explanation)
{
    size_t count;
    const Binding *first = judge_find_rows(explanation->last, &count);
    if (!first) return;
    add_silent(explanation,
               arena_printf(explanation->arena, "whether the rows of queries and keys (%zu) stand "
                            "in one order on both sides: rotary heads are stored in pairs or in "
                            "halves. If not, |> rope_halves(heads) makes halves of pairs, "
                            "|> rope_pairs(heads) pairs of halves: %s, %s.", count,
                            shown(explanation, first->sources[0]->name),
                            shown(explanation, first->name)));
}

/* Whether a loaded tensor's last two axes are equal, so that it fits both ways. */
static bool is_square(const Binding *binding)
{
    return binding->status == BIND_LOADED && binding->rank >= 2 && binding->dims &&
           binding->source_count == 1 && binding->expr && binding->expr->kind == EX_SOURCE &&
           binding->dims[binding->rank - 1] == binding->dims[binding->rank - 2] &&
           binding->dims[binding->rank - 1] > 1;
}

/* Whether the offer is the target with its last two axes exchanged. */
static bool is_exchanged(const Binding *binding)
{
    const Expr *offer = align_offer(binding);
    const unsigned n = binding->rank;
    if (!offer || offer->unknown || offer->rank != n || n < 2 || !binding->dims) return false;
    for (unsigned k = 0; k + 2 < n; k++)
        if (offer->dims[k] != binding->dims[k]) return false;
    const int64_t *a = offer->dims + n - 2, *b = binding->dims + n - 2;
    return a[0] == b[1] && a[1] == b[0] && a[0] != a[1];
}

/* Others of the same rank lie the other way round: a square of them fits both ways. */
static void tell_squares(Explanation *explanation)
{
    const Binding *square = NULL, *other = NULL;
    for (size_t i = 0; i < align_count(explanation->first); i++) {
        const Binding *before = align_binding(explanation->first, i);
        if (!other && is_exchanged(before)) other = before;
    }
    for (size_t i = 0; other && i < align_count(explanation->last); i++) {
        const Binding *binding = align_binding(explanation->last, i);
        if (!square && binding->rank == other->rank && is_square(binding)) square = binding;
    }
    if (!square) return;
    add_silent(explanation,
               arena_printf(explanation->arena, "which way %s lies: %s has its last two axes "
                            "exchanged, and in this one they are equal, so that it fits both ways. "
                            "If it is of the same kind: |> %s.", shown(explanation, square->name),
                            shown(explanation, other->name),
                            square->rank == 2 ? "t" : square->rank == 3 ? "permute(0, 2, 1)"
                                                                        : "permute(0, 1, 3, 2)"));
}

/* Caffe's images are BGR, and what is trained on them wants its channels so. */
static void tell_colours(Explanation *explanation)
{
    const char *format = explanation->source ? checkpoint_format(explanation->source) : "";
    if (!strstr(format, "caffe")) return;
    for (size_t i = 0; i < align_count(explanation->last); i++) {
        const Binding *binding = align_binding(explanation->last, i);
        if (binding->status != BIND_LOADED || binding->rank != 4 || binding->dims[1] != 3) continue;
        add_silent(explanation,
                   arena_printf(explanation->arena, "the order of colours: Caffe's models take BGR."
                                " If this one is given RGB, the first convolution wants |> pick(1, "
                                "{2, 1, 0}): %s.", shown(explanation, binding->name)));
        return;
    }
}

void explanation_silent(Explanation *explanation)
{
    tell_rows(explanation);
    tell_squares(explanation);
    tell_colours(explanation);
}
