/* Pairing templates: class by class the best assignment, in rounds that learn from each other. */
#include <string.h>

#include "loader/align/auto_parts.h"

static const double LIKELY = 0.05;

/* Templates of each class in a row: [first[class] … first[class + 1]). */
typedef struct ClassList {
    uint32_t *first, *templates;
} ClassList;

static ClassList list_classes(Auto *a, const Side *side)
{
    ClassList list = {arena_alloc(a->arena, (a->class_count + 2) * sizeof(uint32_t)),
                      arena_alloc(a->arena, (side->template_count + 1) * sizeof(uint32_t))};
    for (size_t i = 0; i < side->template_count; i++)
        if (!side->templates[i].dead) list.first[side->templates[i].class + 1]++;
    for (size_t i = 0; i < a->class_count; i++) list.first[i + 1] += list.first[i];
    uint32_t *at = arena_copy(a->arena, list.first, (a->class_count + 1) * sizeof *at);
    for (uint32_t i = 0; i < side->template_count; i++)
        if (!side->templates[i].dead) list.templates[at[side->templates[i].class]++] = i;
    return list;
}

/* How much it says that two templates have the same shapes: a lone vector says next to nothing,
 * a row of matrices that no other template has says a lot. */
static double uniqueness(const Side *side, const Template *t, size_t rows, size_t columns)
{
    const Unit *unit = &side->units[side->order[t->first]];
    int64_t sizes[8];
    const AutoTensor *tensor = main_tensor(side, unit);
    if (side->shapeless || !tensor->dims) return 0.2;
    unsigned dense = shape_dense(tensor, sizes);
    double alone = rows == 1 && columns == 1 ? 1 : 0.6;
    if (dense >= 2) return alone;
    return t->count > 1 ? 0.6 * alone : dense ? 0.2 : 0.1;
}

/* Whether units of two templates are known to be pairs: 1; that they are not: −1; else 0. */
static int known_pair(const Auto *a, const Template *s, const Template *t)
{
    const Side *x = &a->side[0], *y = &a->side[1];
    bool other = false;
    for (uint32_t k = 0; k < s->count; k++) {
        const Unit *u = &x->units[x->order[s->first + k]];
        if (u->fixed && u->mate != NONE && &y->templates[y->units[u->mate].template] == t) return 1;
        other = other || u->fixed;
    }
    for (uint32_t k = 0; k < t->count && !other; k++)
        other = y->units[y->order[t->first + k]].fixed;
    return other ? -1 : 0;
}

static double score_pair(const Auto *a, const Template *s, const Template *t, double unique)
{
    int known = known_pair(a, s, t);
    return known ? (known > 0 ? 1.5 : 0) : score_templates(a, s, t, unique);
}

static void match_class(Auto *a, const uint32_t *s, size_t rows, const uint32_t *t, size_t columns)
{
    Side *source = &a->side[0], *target = &a->side[1];
    double *scores = arena_alloc(a->arena, rows * columns * sizeof *scores);
    double *margin = arena_alloc(a->arena, rows * sizeof *margin);
    uint32_t *mate = arena_alloc(a->arena, rows * sizeof *mate);
    double unique = uniqueness(source, &source->templates[s[0]], rows, columns);
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < columns; j++)
            scores[i * columns + j] = score_pair(a, &source->templates[s[i]],
                                                 &target->templates[t[j]], unique);
    assign_best(scores, rows, columns, mate, margin);
    for (size_t j = 0; j < columns; j++) target->templates[t[j]].mate = NONE;
    for (size_t i = 0; i < rows; i++) {
        Template *x = &source->templates[s[i]];
        x->mate = NONE;
        if (mate[i] == NONE || margin[i] < LIKELY) continue;
        Template *y = &target->templates[t[mate[i]]];
        x->mate = t[mate[i]];
        y->mate = s[i];
        x->margin = y->margin = (float)margin[i];
        x->score = y->score = (float)scores[i * columns + mate[i]];
    }
}

void match_templates(Auto *a)
{
    ClassList source = list_classes(a, &a->side[0]), target = list_classes(a, &a->side[1]);
    score_start(a);
    for (int round = 0; round < ROUNDS; round++) {
        score_learn(a);
        for (size_t c = 0; c < a->class_count; c++) {
            size_t rows = source.first[c + 1] - source.first[c];
            size_t columns = target.first[c + 1] - target.first[c];
            if (!rows || !columns || rows > CLASS_MAX || columns > CLASS_MAX) continue;
            match_class(a, source.templates + source.first[c], rows,
                        target.templates + target.first[c], columns);
        }
    }
}

void match_units(Auto *a)
{
    Side *source = &a->side[0], *target = &a->side[1];
    for (size_t i = 0; i < source->template_count; i++) {
        const Template *s = &source->templates[i];
        if (s->dead || s->mate == NONE) continue;
        const Template *t = &target->templates[s->mate];
        bool reversed = s->sequence != t->sequence;
        for (uint32_t k = 0; k < s->count; k++) {
            uint32_t u = source->order[s->first + k];
            uint32_t v = target->order[t->first + (reversed ? t->count - 1 - k : k)];
            Unit *x = &source->units[u], *y = &target->units[v];
            if (x->fixed || y->fixed) continue;
            x->mate = v;
            y->mate = u;
            x->margin = y->margin = s->margin;
            x->score = y->score = s->score;
        }
    }
}
