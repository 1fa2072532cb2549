/* Bundles of one build into rules: solve every number that the first list's do not give at once;
 * where that fails, divide by the numbers of one column and go on with the parts.
 *
 *   features.{2,3,4,5,6} -> blocks.{1.0,1.1,2.0,2.1,2.2}: neither number follows from the source's.
 *   Divided by the first number of the target:
 *   features.{n:2|3} -> blocks.1.{n-2}    and    features.{n:4-6} -> blocks.2.{n-4}
 *
 * A bundle that is alone in its part has constants only: its rule names its keys. */
#include <stdlib.h>
#include <string.h>

#include "loader/align/induce_divide.h"

enum { TRIED_MAX = 24, WORK_MAX = 1 << 26, PRICE_PLAIN = 4, PRICE_STRANGE = 7 };

/* ---- the matrix ---- */

static const Pair *pair_at(const Divider *divider, size_t row)
{
    return &divider->inducer->pairs[divider->form->pairs[row]];
}

static bool is_gathered(const Form *form, uint32_t list, unsigned column)
{
    return form->gathered[list] >> column & 1;
}

static size_t count_plain(const Form *form, uint32_t list)
{
    size_t count = 0;
    for (unsigned c = 0; c < form->sources[list].columns; c++) count += !is_gathered(form, list, c);
    return count;
}

/* The list with the most numbers that it does not gather: all others are to follow from it. */
static uint32_t find_base(const Form *form)
{
    uint32_t best = 0;
    for (uint32_t i = 1; i < form->list_count; i++)
        if (count_plain(form, i) > count_plain(form, best)) best = i;
    return best;
}

static int add_variable(Divider *divider, bool gathered, uint32_t list, unsigned column)
{
    if (divider->variable_count == VARIABLES) return -1;
    divider->variables[divider->variable_count] =
        (Variable){.gathered = gathered, .list = list, .column = column};
    return (int)divider->variable_count++;
}

/* Whether two lists gather the same numbers in these columns, in every bundle. */
static bool gather_alike(const Divider *divider, uint32_t a, unsigned column_a, uint32_t b,
                         unsigned column_b)
{
    const Inducer *inducer = divider->inducer;
    for (size_t i = 0; i < divider->form->count; i++) {
        const PairList *x = &pair_at(divider, i)->lists[a], *y = &pair_at(divider, i)->lists[b];
        if (x->count != y->count) return false;
        for (size_t j = 0; j < x->count; j++)
            if (key_number(inducer, x->keys[j], column_a) !=
                key_number(inducer, y->keys[j], column_b))
                return false;
    }
    return true;
}

/* Lists that gather the same share the name. */
static int find_gathered(Divider *divider, uint32_t list, unsigned column)
{
    for (size_t i = divider->matrix.sources; i < divider->variable_count; i++) {
        const Variable *known = &divider->variables[i];
        if (known->list != list && gather_alike(divider, known->list, known->column, list, column))
            return (int)i;
    }
    return add_variable(divider, true, list, column);
}

/* -2 - i stands for what follows: the i-th of them. */
static void add_follow(Divider *divider, size_t *count, bool target, uint32_t side, unsigned column)
{
    if (!target) divider->variable_of[side * FAMILY_NUMBERS_MAX + column] = -2 - (int)*count;
    Follow *follow = &divider->follows[(*count)++];
    *follow = (Follow){.target = target, .side = side, .column = column};
    const Form *form = divider->form;
    for (unsigned i = 0; target && !form->sources[divider->base].literal &&
                         i < divider->matrix.sources; i++)
        customs_find(divider->inducer, &form->sources[divider->base],
                     divider->variables[i].column, i, &form->targets[side], column,
                     &follow->customs);
}

/* Columns: what is captured, and what follows from it. False: too many. */
static bool list_columns(Divider *divider)
{
    const Form *form = divider->form;
    size_t follows = 0, width = 0;
    for (uint32_t i = 0; i < form->list_count; i++) width += form->sources[i].columns;
    for (size_t i = 0; i < form->target_count; i++) width += form->targets[i].columns;
    if (width > WIDTH_MAX) return false;
    divider->follows = mem_alloc((width + 1) * sizeof *divider->follows);
    divider->formulas = mem_alloc((width + 1) * sizeof *divider->formulas);
    divider->variable_of =
        mem_alloc((form->list_count * FAMILY_NUMBERS_MAX + 1) * sizeof *divider->variable_of);
    uint32_t base = divider->base = find_base(form);
    for (unsigned c = 0; c < form->sources[base].columns; c++)
        if (!is_gathered(form, base, c))
            divider->variable_of[base * FAMILY_NUMBERS_MAX + c] =
                add_variable(divider, false, base, c);
    divider->matrix.sources = divider->variable_count;
    for (uint32_t i = 0; i < form->list_count; i++)
        for (unsigned c = 0; c < form->sources[i].columns; c++) {
            if (is_gathered(form, i, c)) {
                int index = find_gathered(divider, i, c);
                if (index < 0) return false;
                divider->variable_of[i * FAMILY_NUMBERS_MAX + c] = index;
            } else if (i != base) {
                add_follow(divider, &follows, false, i, c);
            }
        }
    for (uint32_t i = 0; i < form->target_count; i++)
        for (unsigned c = 0; c < form->targets[i].columns; c++)
            add_follow(divider, &follows, true, i, c);
    divider->matrix.width = divider->matrix.sources + follows;
    return true;
}

static void fill_row(Divider *divider, size_t row)
{
    const Inducer *inducer = divider->inducer;
    const Pair *pair = pair_at(divider, row);
    size_t sources = divider->matrix.sources;
    int64_t *cells = divider->matrix.cells + row * divider->matrix.width;
    for (size_t i = 0; i < sources; i++)
        cells[i] = key_number(inducer, pair->lists[divider->base].keys[0],
                              divider->variables[i].column);
    for (size_t i = 0; i < divider->matrix.width - sources; i++) {
        const Follow *follow = &divider->follows[i];
        cells[sources + i] =
            follow->target
                ? inducer->names.values[pair->targets[follow->side].at + follow->column]
                : key_number(inducer, pair->lists[follow->side].keys[0], follow->column);
    }
}

static bool start(Divider *divider)
{
    const Form *form = divider->form;
    if (!list_columns(divider)) return false;
    divider->matrix.cells =
        mem_alloc((form->count * divider->matrix.width + 1) * sizeof *divider->matrix.cells);
    divider->part_of = mem_alloc((form->count + 1) * sizeof *divider->part_of);
    divider->near = mem_alloc((form->list_count + 1) * sizeof *divider->near);
    for (size_t i = 0; i < form->count; i++) {
        fill_row(divider, i);
        divider->inducer->row_of[form->pairs[i]] = (uint32_t)i;
    }
    near_collect(divider);
    return true;
}

static void finish(Divider *divider)
{
    for (size_t i = 0; i < divider->form->count; i++)
        divider->inducer->row_of[divider->form->pairs[i]] = NONE;
    for (size_t i = 0; divider->near && i < divider->form->list_count; i++)
        free(divider->near[i].items);
    free(divider->near);
    free(divider->matrix.cells);
    free(divider->follows);
    free(divider->formulas);
    free(divider->variable_of);
    free(divider->part_of);
}

/* ---- solving ---- */

static size_t follow_count(const Divider *divider)
{
    return divider->matrix.width - divider->matrix.sources;
}

/* Column i of what follows. The numbers of other lists have to be those of the base list; a counted
 * number begins at a constant. */
static bool solve_one(const Divider *divider, size_t i, const uint32_t *rows, size_t n,
                      Formula *out)
{
    const Follow *follow = &divider->follows[i];
    bool counted = follow->target && divider->form->counted >> follow->column & 1;
    bool good = formula_solve(&divider->matrix, rows, n, (unsigned)(divider->matrix.sources + i),
                              follow->column, !follow->target, &follow->customs,
                              &divider->inducer->hints, out);
    return good && (!counted || out->kind == FORMULA_CONST);
}

/* All columns; the first that cannot be solved is what is returned, or their number. */
static size_t solve_all(Divider *divider, const uint32_t *rows, size_t n)
{
    size_t i = 0, count = follow_count(divider);
    while (i < count && solve_one(divider, i, rows, n, &divider->formulas[i])) i++;
    for (size_t j = 0; i == count && j < count; j++)
        hints_add(&divider->inducer->hints, &divider->matrix, rows, n, &divider->formulas[j]);
    return i;
}

static void read_constants(Divider *divider, const uint32_t *rows, size_t n)
{
    for (size_t i = 0; i < divider->matrix.sources; i++) {
        Variable *variable = &divider->variables[i];
        const int64_t *cells = divider->matrix.cells;
        size_t width = divider->matrix.width, at = 1;
        variable->value = cells[rows[0] * width + i];
        while (at < n && cells[rows[at] * width + i] == variable->value) at++;
        variable->constant = at == n;
        variable->freed = false;
    }
}

/* ---- numbers that never change here, but do elsewhere ---- */

/* The numbers of other lists go along with those of the base list that stand in their place. */
static void carry_along(Divider *divider, size_t x)
{
    const Variable *variable = &divider->variables[x];
    for (size_t i = 0; i < follow_count(divider); i++) {
        const Follow *follow = &divider->follows[i];
        Formula *formula = &divider->formulas[i];
        if (!follow->target && follow->column == variable->column &&
            formula->kind == FORMULA_CONST && formula->c == variable->value)
            *formula = (Formula){.kind = FORMULA_SHIFT, .x = (unsigned)x};
    }
}

/* layer2.0.downsample goes to stages.1.blocks.0.shortcut, and is the only one. Wherever else these
 * words are, layer{n}.{i} goes to stages.{n-1}.blocks.{i}: so does it. False: nothing is to be
 * said so. */
static bool generalise(Divider *divider, const uint32_t *rows)
{
    const int64_t *row = divider->matrix.cells + rows[0] * divider->matrix.width;
    bool any = false;
    for (size_t i = 0; divider->inducer->input->general && i < follow_count(divider); i++) {
        const Follow *follow = &divider->follows[i];
        Formula *formula = &divider->formulas[i];
        const bool counted = divider->form->counted >> follow->column & 1;
        if (!follow->target || counted || formula->kind != FORMULA_CONST) continue;
        for (size_t k = 0; k < follow->customs.count; k++) {
            const Formula *custom = &follow->customs.list[k];
            int64_t value;
            if (!divider->variables[custom->x].constant ||
                !formula_value(custom, row, &value) || value != formula->c)
                continue;
            *formula = *custom;
            any = true;
            break;
        }
    }
    for (size_t i = 0; any && i < divider->matrix.sources; i++) {
        bool used = false;
        for (size_t j = 0; j < follow_count(divider); j++)
            used = used || (divider->formulas[j].kind != FORMULA_CONST &&
                            divider->formulas[j].x == i);
        if (!divider->variables[i].constant || !used) continue;
        divider->variables[i].constant = false;
        divider->variables[i].freed = true;
        carry_along(divider, i);
    }
    return any;
}

/* Where a number that was freed has to be said all the same, it is better a number. */
static bool is_bound_again(const Divider *divider)
{
    for (size_t i = 0; i < divider->matrix.sources; i++)
        if (divider->variables[i].freed && divider->variables[i].bounded) return true;
    return false;
}

/* Where sources are gathered, a number that no target has would be gathered, too. */
static bool all_used(const Divider *divider)
{
    const Form *form = divider->form;
    if (form->list_count < 2 && !ops_join(divider->inducer, form->ops)) return true;
    for (size_t i = 0; i < divider->matrix.sources; i++) {
        bool used = divider->variables[i].constant;
        for (size_t j = 0; !used && j < follow_count(divider); j++) {
            const Formula *formula = &divider->formulas[j];
            used = divider->follows[j].target && formula->kind != FORMULA_CONST &&
                   (formula->x == i || (formula->kind == FORMULA_GRID && formula->z == i));
        }
        if (!used) return false;
    }
    return true;
}

/* ---- dividing ---- */

/* A row beside the number by which it is sorted. */
typedef struct Sorted {
    int64_t value;
    uint32_t row;
} Sorted;

static int compare_sorted(const void *a, const void *b)
{
    const Sorted *x = a, *y = b;
    if (x->value != y->value) return x->value < y->value ? -1 : 1;
    return (x->row > y->row) - (x->row < y->row);
}

static void sort_rows(const Divider *divider, uint32_t *rows, size_t n, size_t column)
{
    Sorted *list = mem_alloc((n + 1) * sizeof *list);
    for (size_t i = 0; i < n; i++)
        list[i] = (Sorted){divider->matrix.cells[rows[i] * divider->matrix.width + column],
                           rows[i]};
    qsort(list, n, sizeof *list, compare_sorted);
    for (size_t i = 0; i < n; i++) rows[i] = list[i].row;
    free(list);
}

/* Where the run of rows with one number in the column ends; rows are sorted by it. */
static size_t run_end(const Divider *divider, const uint32_t *rows, size_t n, size_t from,
                      size_t column)
{
    const int64_t *cells = divider->matrix.cells;
    size_t width = divider->matrix.width, end = from + 1;
    while (end < n && cells[rows[end] * width + column] == cells[rows[from] * width + column])
        end++;
    return end;
}

/* What a rule of these rows is worth: what is more than a shift makes it dearer, what is not solved
 * costs a line a row. */
static size_t price_part(const Divider *divider, const uint32_t *rows, size_t n)
{
    size_t price = PRICE_PLAIN;
    for (size_t i = 0; n > 1 && i < follow_count(divider); i++) {
        Formula formula;
        if (!solve_one(divider, i, rows, n, &formula)) return n * PRICE_PLAIN;
        if (formula.kind > FORMULA_SHIFT) price = PRICE_STRANGE;
    }
    return price;
}

/* What the parts by this column cost together. 0: the column does not divide. */
static size_t price(const Divider *divider, uint32_t *rows, size_t n, size_t column, size_t most)
{
    size_t sum = 0;
    sort_rows(divider, rows, n, column);
    for (size_t from = 0, end; from < n && sum < most; from = end) {
        end = run_end(divider, rows, n, from, column);
        if (end == n && !from) return 0;
        sum += price_part(divider, rows + from, end - from);
    }
    return sum;
}

/* The column whose parts come to the fewest rules; of what follows, those that are not solved.
 * The width when none divides. */
static size_t choose_column(const Divider *divider, uint32_t *rows, size_t n)
{
    size_t best = divider->matrix.width, least = SIZE_MAX, tried = 0;
    for (size_t i = 0; i < divider->matrix.width && tried < TRIED_MAX; i++) {
        Formula formula;
        if (i >= divider->matrix.sources &&
            solve_one(divider, i - divider->matrix.sources, rows, n, &formula) &&
            formula.kind == FORMULA_CONST)
            continue;
        size_t cost = price(divider, rows, n, i, least);
        tried++;
        if (cost && cost < least) least = cost, best = i;
    }
    return best;
}

static void divide(Divider *divider, uint32_t *rows, size_t n);

static void divide_by(Divider *divider, uint32_t *rows, size_t n, size_t column)
{
    sort_rows(divider, rows, n, column);
    for (size_t from = 0, end; from < n && !divider->failed; from = end) {
        end = run_end(divider, rows, n, from, column);
        divide(divider, rows + from, end - from);
    }
}

/* ---- the rule of a part ---- */

/* In the order in which they stand: what is a segment of its own is i, j, k; what is glued to a
 * word n, m; what is gathered e, f. */
static void name_variables(Divider *divider)
{
    static const char alone[] = "ijkluvwz", glued[] = "nmcdabxy", gathered[] = "efghotqr";
    size_t a = 0, g = divider->form->counted ? 1 : 0, e = 0;
    const Head *head = &divider->form->sources[divider->base];
    unsigned column = 0;
    for (const char *at = head->text; !head->literal && at < head->text + head->length; at++) {
        if (*at != FAMILY_MARK) continue;
        int index = divider->variable_of[divider->base * FAMILY_NUMBERS_MAX + column++];
        Variable *variable = &divider->variables[index];
        if (variable->gathered || variable->constant) continue;
        bool segment = (at == head->text || at[-1] == '.' || at[-1] == '/') &&
                       (!at[1] || at[1] == '.' || at[1] == '/');
        variable->name[0] = segment ? alone[a++] : glued[g++];
    }
    for (size_t i = 0; i < divider->variable_count; i++)
        if (divider->variables[i].gathered && e < sizeof gathered - 1)
            divider->variables[i].name[0] = gathered[e++];
}

/* How a number is spelled on the left: digits, {i}, {i:0-3}. */
static const char *spell_source(Divider *divider, uint32_t list, unsigned column)
{
    Arena *arena = divider->inducer->scratch;
    int index = divider->variable_of[list * FAMILY_NUMBERS_MAX + column];
    if (index < 0) {
        const Formula *formula = &divider->formulas[-index - 2];
        if (formula->kind == FORMULA_CONST)
            return arena_printf(arena, "%lld", (long long)formula->c);
        index = (int)formula->x;
    }
    const Variable *variable = &divider->variables[index];
    if (variable->constant) return arena_printf(arena, "%lld", (long long)variable->value);
    return variable->bounded ? arena_printf(arena, "{%s:%s}", variable->name, variable->choices)
                             : arena_printf(arena, "{%s}", variable->name);
}

static const char *spell_target(const Divider *divider, size_t follow)
{
    Arena *arena = divider->inducer->scratch;
    const Formula *formula = &divider->formulas[follow];
    if (divider->form->counted >> divider->follows[follow].column & 1)
        return formula->c ? arena_printf(arena, "{n+%lld}", (long long)formula->c)
                          : arena_printf(arena, "{n}");
    const char *names[VARIABLES];
    for (size_t i = 0; i < divider->variable_count; i++) names[i] = divider->variables[i].name;
    Text text = {0};
    bool constant = formula->kind == FORMULA_CONST;
    if (!constant) text_addc(&text, '{');
    formula_write(formula, names, &text);
    if (!constant) text_addc(&text, '}');
    return text_keep(&text, arena);
}

static const char *spell_side(Divider *divider, size_t side)
{
    const Form *form = divider->form;
    bool target = side >= form->list_count;
    const Head *head = target ? &form->targets[side - form->list_count] : &form->sources[side];
    const char *columns[FAMILY_NUMBERS_MAX];
    for (unsigned c = 0; !target && c < head->columns; c++)
        columns[c] = spell_source(divider, (uint32_t)side, c);
    for (size_t i = 0; target && i < follow_count(divider); i++)
        if (divider->follows[i].target && divider->follows[i].side == side - form->list_count)
            columns[divider->follows[i].column] = spell_target(divider, i);
    Text text = {0};
    side_write(head, form->tail, columns, &text);
    return text_keep(&text, divider->inducer->scratch);
}

/* Whether the rule would be names alone, which catch nothing else. */
static bool is_name(const Divider *divider, size_t n)
{
    for (size_t i = 0; i < divider->matrix.sources; i++)
        if (divider->variables[i].freed) return false;
    return n == 1 && divider->form->tail == TAIL_NONE &&
           divider->variable_count == divider->matrix.sources;
}

static void add_rule(Divider *divider, const uint32_t *rows, size_t n)
{
    const Form *form = divider->form;
    Arena *arena = divider->inducer->scratch;
    name_variables(divider);
    size_t sides = form->list_count + form->target_count;
    const char **texts = arena_alloc(arena, sides * sizeof *texts);
    for (size_t i = 0; i < sides; i++) texts[i] = spell_side(divider, i);
    uint32_t *pairs = arena_alloc(arena, n * sizeof *pairs);
    for (size_t i = 0; i < n; i++) pairs[i] = form->pairs[rows[i]];
    Made made = {.sides = texts, .keep = form->keep, .list_count = form->list_count,
                 .target_count = form->target_count, .ops = form->ops, .pairs = pairs,
                 .pair_count = n, .literal = is_name(divider, n) && !form->counted};
    made_add(divider->out, arena_copy(arena, &made, sizeof made));
    if (divider->out->count > divider->most) divider->failed = true;
}

/* The part with numbers freed, if that comes off. */
static bool add_general(Divider *divider, const uint32_t *rows, size_t n)
{
    if (generalise(divider, rows) && all_used(divider) && part_bound(divider, rows, n) &&
        !is_bound_again(divider)) {
        add_rule(divider, rows, n);
        return true;
    }
    solve_all(divider, rows, n);
    read_constants(divider, rows, n);
    return false;
}

/* Solves the part and bounds it; what does not come off is divided further. Recursion is as deep as
 * there are columns: each time one becomes constant. */
static void divide(Divider *divider, uint32_t *rows, size_t n)
{
    bool solved = solve_all(divider, rows, n) == follow_count(divider);
    read_constants(divider, rows, n);
    if (solved && all_used(divider) && (n == 1 || divider->work < WORK_MAX)) {
        divider->part++;
        for (size_t i = 0; i < n; i++) divider->part_of[rows[i]] = divider->part;
        if (add_general(divider, rows, n)) return;
        if (is_name(divider, n) || part_bound(divider, rows, n)) {
            add_rule(divider, rows, n);
            return;
        }
    }
    size_t column = n > 1 ? choose_column(divider, rows, n) : divider->matrix.width;
    if (column < divider->matrix.width) divide_by(divider, rows, n, column);
    else divider->failed = true;
}

bool form_divide(Inducer *inducer, const Form *form, size_t most, Exceptions *excepted,
                 MadeList *out)
{
    Divider divider = {.inducer = inducer, .form = form, .excepted = excepted, .most = most,
                       .out = out};
    size_t before = out->count;
    uint32_t *rows = mem_alloc((form->count + 1) * sizeof *rows);
    for (size_t i = 0; i < form->count; i++) rows[i] = (uint32_t)i;
    if (start(&divider)) divide(&divider, rows, form->count);
    else divider.failed = true;
    finish(&divider);
    free(rows);
    if (divider.failed) out->count = before;
    return !divider.failed;
}
