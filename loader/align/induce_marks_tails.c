/* Tails exchanged: what a mark's names have in common at their ends may be anything else that is
 * there on both sides.
 *
 *   module.conv1.weight -> conv1.weight     module.bn1.bias -> bn1.bias, since that is there
 *   l.0.q.weight -> b.0.wq.weight           l.0.q.bias -> b.0.wq.bias
 *
 * A kind of names follows as a whole or not at all. */
#include <string.h>

#include "loader/align/induce_marks_parts.h"

/* Whether names may be cut before their last n bytes. */
static bool may_cut(const char *text, size_t length, size_t n)
{
    if (n > length) return false;
    return n == length || text[length - n - 1] == '.' || text[length - n - 1] == '/';
}

/* Whether the last numbers of a side are those of the source, one by one. */
static bool carries_over(const Side *side, const Formula *formulas, unsigned columns,
                         unsigned tail_columns)
{
    if (side->columns < tail_columns || columns < tail_columns) return false;
    for (unsigned i = 1; i <= tail_columns; i++) {
        const Formula *formula = &formulas[side->columns - i];
        if (formula->kind != FORMULA_SHIFT || formula->c || formula->x != columns - i)
            return false;
    }
    return true;
}

/* Whether the numbers before the tail follow from numbers before the tail. */
static bool stays_before(const Side *side, const Formula *formulas, unsigned columns,
                         unsigned tail_columns)
{
    for (unsigned i = 0; i < side->columns - tail_columns; i++)
        if (formulas[i].kind != FORMULA_CONST && formulas[i].x >= columns - tail_columns)
            return false;
    return true;
}

/* Whether all names of the sketch end in the last n bytes of its source. */
static bool ends_alike(const Marker *marker, const Sketch *sketch, const Way *way, size_t n)
{
    const Kind *kind = &marker->kinds[sketch->kind];
    const char *tail = kind->text + kind->length - n;
    const Formula *formulas = way->formulas;
    unsigned columns = 0;
    for (size_t i = 0; i < n; i++) columns += tail[i] == FAMILY_MARK;
    for (unsigned x = kind->columns - columns; x < kind->columns; x++)
        if (way->fixed >> x & 1 && sketch->count > 1) return false;
    for (size_t i = 0; i < sketch->side_count; i++) {
        const Side *side = &sketch->sides[i];
        size_t length = strlen(side->text);
        if (n > length || strcmp(side->text + length - n, tail) != 0 ||
            !may_cut(side->text, length, n) ||
            !carries_over(side, formulas, kind->columns, columns) ||
            !stays_before(side, formulas, kind->columns, columns))
            return false;
        formulas += side->columns;
    }
    return true;
}

/* Where a name goes on behind a head: numbers are as long as they are. */
static const char *behind_head(const char *name, const char *head, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (head[i] != FAMILY_MARK) name++;
        else while (is_digit(*name)) name++;
    }
    return name;
}

/* Whether a key has the numbers that stay as they were marked, before the tail. */
static bool has_fixed(const Marker *marker, const Sketch *sketch, const Way *way, uint32_t key,
                      unsigned columns)
{
    for (unsigned x = 0; x < columns; x++)
        if (way->fixed >> x & 1 &&
            marker->numbers[key][x] != marker->numbers[sketch->keys[0]][x])
            return false;
    return true;
}

/* Whether all ways lead the key to one place; *misfired: one of them leads to none. */
static bool agree(Marker *marker, const Sketch *sketch, const Way *ways, size_t n, uint32_t key,
                  const char *tail, size_t cut, unsigned columns, Found *found, bool *misfired)
{
    bool same = true;
    for (size_t i = 0; i < n; i++) {
        Found other;
        if (!has_fixed(marker, sketch, &ways[i], key, columns)) {
            same = false;
            continue;
        }
        *misfired = way_try(marker, sketch, &ways[i], key, cut, tail, &other) != OUTCOME_LOADS;
        if (*misfired) return false;
        if (!i) *found = other;
        else same = same && memcmp(found->sides, other.sides,
                                   sketch->side_count * sizeof *other.sides) == 0;
    }
    return same;
}

/* Takes the keys of another kind below the head, when all of them load: those that every way leads
 * to one place. */
static void take_kind(Marker *marker, const Sketch *sketch, const Way *ways, size_t n,
                      const Kind *kind, size_t head, size_t cut)
{
    unsigned columns = 0;
    for (size_t i = 0; i < head; i++) columns += kind->text[i] == FAMILY_MARK;
    for (int take = 0; take < 2; take++)
        for (size_t i = 0; i < kind->count; i++) {
            Found found;
            bool misfired = false;
            uint32_t key = kind->keys[i];
            const char *tail = behind_head(marker->input->keys[key].name, kind->text, head);
            bool same = agree(marker, sketch, ways, n, key, tail, cut, columns, &found, &misfired);
            if (misfired) return;
            if (take && same) add_found(marker, sketch, key, &found);
        }
}

void tails_take(Marker *marker, const Sketch *sketch, const Way *ways, size_t n)
{
    const Kind *own = &marker->kinds[sketch->kind];
    size_t cut = 0;
    for (size_t end = 1; end <= own->length; end++) {
        bool alike = may_cut(own->text, own->length, end);
        for (size_t i = 0; alike && i < n; i++) alike = ends_alike(marker, sketch, &ways[i], end);
        if (alike) cut = end;
    }
    if (!cut) return;
    size_t head = own->length - cut;
    for (size_t i = 0; i < marker->kind_count; i++) {
        const Kind *kind = &marker->kinds[i];
        if (i != sketch->kind && kind->length > head &&
            memcmp(kind->text, own->text, head) == 0)
            take_kind(marker, sketch, ways, n, kind, head, cut);
    }
}
