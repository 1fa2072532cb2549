/* Groups as bundles: split, cat, stack and unstack with their axes, and with a transpose where
 * the two sides lie differently. */
#include <string.h>

#include "loader/align/auto_parts.h"

/* One whole with its parts: tensors of one role in one row of a group. */
typedef struct Row {
    const Group *group;
    uint32_t whole;                  /* tensor */
    uint32_t *parts;                 /* [count × each] tensors, part by part */
    uint32_t each;                   /* units of a part: what is stacked, else 1 */
    int64_t sizes[PARTS_MAX];        /* of the parts along the axis */
    unsigned axis;                   /* of the whole, where its parts lie side by side */
    int64_t turns;                   /* in which they lie, each with its share of every part */
    bool turned;                     /* parts and whole lie differently */
    float margin;
} Row;

static const AutoTensor *tensor_at(const Auto *a, int side, uint32_t index)
{
    return &a->side[side].given->tensors[index];
}

/* Whether all of what is stacked has one shape, part by part. */
static bool is_even(const Auto *a, const Row *row)
{
    for (uint32_t i = 0; i < row->group->count * row->each; i++)
        if (!shape_same(tensor_at(a, row->group->side, row->parts[i]),
                        tensor_at(a, row->group->side, row->parts[i - i % row->each])))
            return false;
    return true;
}

/* The axis along which the parts make the whole; the stack's own axis does not count. */
static bool find_axis(const Auto *a, Row *row, bool turned)
{
    const AutoTensor *whole = tensor_at(a, !row->group->side, row->whole), *parts[PARTS_MAX];
    const unsigned skip = row->group->stacked ? 1 : 0;
    for (unsigned p = 0; p < row->group->count; p++)
        parts[p] = tensor_at(a, row->group->side, row->parts[p * row->each]);
    const int axis = shape_joins(whole->dims + skip, whole->rank - skip, parts, row->group->count,
                                 turned, row->sizes);
    if (axis < 0) return false;
    row->axis = (unsigned)axis + skip;
    row->turned = turned;
    return true;
}

/* Which way parts and whole can lie to each other. */
typedef struct Ways {
    Row straight, turned;
    bool is_straight, is_turned;
} Ways;

static bool find_ways(const Auto *a, const Row *row, Ways *ways)
{
    const AutoTensor *whole = tensor_at(a, !row->group->side, row->whole);
    if (!whole->dims || whole->rank < (row->group->stacked ? 2 : 1)) return false;
    if (!is_even(a, row)) return false;
    if (row->group->stacked && whole->dims[0] != row->group->stacked) return false;
    ways->straight = ways->turned = *row;
    ways->is_straight = find_axis(a, &ways->straight, false);
    ways->is_turned = find_axis(a, &ways->turned, true);
    return ways->is_straight || ways->is_turned;
}

/* Of the whole, without the axis of the stack. */
static unsigned inner_rank(const Auto *a, const Row *row)
{
    return tensor_at(a, !row->group->side, row->whole)->rank - (row->group->stacked ? 1u : 0u);
}

static bool decide(const Auto *a, Row *row)
{
    Ways ways;
    if (!find_ways(a, row, &ways)) return false;
    *row = ways.is_straight ? ways.straight : ways.turned;
    if (!ways.is_straight || !ways.is_turned) return true;
    const bool splits = row->group->side;
    const Turn turn = auto_layout_follow(a, splits ? row->whole : row->parts[0],
                                         splits ? row->parts[0] : row->whole,
                                         inner_rank(a, row));
    if (turn == TURN_T) *row = ways.turned;
    return turn != TURN_OPEN;
}

/* ---- ops ---- */

static Op *add_op(OpList *ops, OpKind kind)
{
    ops->items[ops->count] = (Op){.kind = kind};
    return &ops->items[ops->count++];
}

static Op *add_axis(OpList *ops, OpKind kind, unsigned axis)
{
    Op *op = add_op(ops, kind);
    op->has_axis = true;
    op->axis = (int)axis;
    return op;
}

/* The last two axes of `rank` exchanged. */
static void add_turn(Auto *a, unsigned rank, OpList *ops)
{
    if (rank == 2) {
        add_op(ops, OP_T);
        return;
    }
    int64_t *list = arena_alloc(a->out, rank * sizeof *list);
    for (unsigned i = 0; i < rank; i++) list[i] = shape_turned(rank, i);
    Op *op = add_op(ops, OP_PERMUTE);
    op->list = list;
    op->list_count = rank;
}

/* The sizes of the whole, its parts' way round when `turned`; in place of the one along `axis`
 * stand its turns and what they are of, or -1 alone. */
static void add_sizes(Auto *a, const Row *row, bool turned, unsigned axis, int64_t turns,
                      int64_t share, OpList *ops)
{
    const AutoTensor *whole = tensor_at(a, !row->group->side, row->whole);
    int64_t *list = arena_alloc(a->out, (whole->rank + 1u) * sizeof *list);
    Op *op = add_op(ops, OP_RESHAPE);
    for (unsigned i = 0; i < whole->rank; i++) {
        if (i == axis && turns) list[op->list_count++] = turns;
        list[op->list_count++] =
            i == axis ? share : whole->dims[turned ? shape_turned(whole->rank, i) : i];
    }
    op->list = list;
}

static void add_split_op(Auto *a, const Row *row, unsigned axis, OpList *ops)
{
    Op *op = add_axis(ops, OP_SPLIT, axis);
    bool equal = true;
    for (unsigned p = 1; p < row->group->count; p++)
        equal = equal && row->sizes[p] == row->sizes[0];
    if (equal) {
        op->has_number = true;
        op->number = row->group->count;
        return;
    }
    int64_t *list = arena_alloc(a->out, row->group->count * sizeof *list);
    for (unsigned p = 0; p < row->group->count; p++) list[p] = row->sizes[p] / row->turns;
    op->list = list;
    op->list_count = row->group->count;
}

static void set_ops(Auto *a, Bundle *bundle, const OpList *ops)
{
    bundle->ops = arena_copy(a->out, ops->items, ops->count * sizeof *ops->items);
    bundle->op_count = ops->count;
}

/* Names of `count` parts, from part `from`. */
static const char **names_of(Auto *a, const Row *row, uint32_t from, uint32_t count)
{
    const char **names = arena_alloc(a->out, (size_t)count * row->each * sizeof *names);
    for (uint32_t i = 0; i < count * row->each; i++)
        names[i] = tensor_at(a, row->group->side, row->parts[from * row->each + i])->name;
    return names;
}

static const char **whole_name(Auto *a, const Row *row)
{
    const char **name = arena_alloc(a->out, sizeof *name);
    *name = tensor_at(a, !row->group->side, row->whole)->name;
    return name;
}

/* { q }, { k }, { v } -> { qkv } |> cat(0), or lists that are stacked first; in turns,
 * reshape(8,-1,4096), cat(1), reshape(-1,4096). */
static bool add_joined(Auto *a, const Row *row, Collection *all)
{
    OpList ops = {.count = 0};
    const uint32_t count = row->group->count;
    NameList *lists = arena_alloc(a->out, count * sizeof *lists);
    for (uint32_t p = 0; p < count; p++)
        lists[p] = (NameList){names_of(a, row, p, 1), row->each};
    if (!view_enter(a, 0, row->parts, (size_t)count * row->each, &ops)) return false;
    if (row->turned) add_turn(a, tensor_at(a, 0, row->parts[0])->rank, &ops);
    if (row->group->stacked) add_axis(&ops, OP_STACK, 0);
    if (row->turns > 1) add_sizes(a, row, false, row->axis, row->turns, -1, &ops);
    if (count > 1) add_axis(&ops, OP_CAT, row->axis + (row->turns > 1));
    if (row->turns > 1) add_sizes(a, row, false, row->axis, 0, -1, &ops);
    if (!view_leave(a, 1, &row->whole, 1, &ops)) return false;
    Bundle bundle = {.sources = lists, .source_count = count, .targets = whole_name(a, row),
                     .target_count = 1};
    set_ops(a, &bundle, &ops);
    collection_add(all, &bundle, row->margin, row->whole);
    return true;
}

static NameList *whole_list(Auto *a, const Row *row)
{
    NameList *list = arena_alloc(a->out, sizeof *list);
    *list = (NameList){whole_name(a, row), 1};
    return list;
}

/* { qkv } -> { q, k, v } |> split(3); in turns, reshape(8,768,4096), split({512,128,128},1),
 * reshape(-1,4096). */
static bool add_split(Auto *a, const Row *row, Collection *all)
{
    OpList ops = {.count = 0};
    const AutoTensor *whole = tensor_at(a, 0, row->whole);
    const unsigned axis = row->turned ? shape_turned(whole->rank, row->axis) : row->axis;
    if (!view_enter(a, 0, &row->whole, 1, &ops)) return false;
    if (row->turned) add_turn(a, whole->rank, &ops);
    if (row->turns > 1)
        add_sizes(a, row, row->turned, axis, row->turns, whole->dims[row->axis] / row->turns, &ops);
    add_split_op(a, row, axis + (row->turns > 1), &ops);
    if (row->turns > 1) add_sizes(a, row, row->turned, axis, 0, -1, &ops);
    if (!view_leave(a, 1, row->parts, row->group->count, &ops)) return false;
    Bundle bundle = {.sources = whole_list(a, row), .source_count = 1,
                     .targets = names_of(a, row, 0, row->group->count),
                     .target_count = row->group->count};
    set_ops(a, &bundle, &ops);
    collection_add(all, &bundle, row->margin, row->parts[0]);
    return true;
}

/* One of several parts that lie side by side in a stack. */
static void add_cut(Auto *a, const Row *row, uint32_t p, int64_t from, OpList *ops)
{
    const AutoTensor *whole = tensor_at(a, 0, row->whole);
    const int64_t turns = row->turns;
    if (turns > 1)
        add_sizes(a, row, false, row->axis, turns, whole->dims[row->axis] / turns, ops);
    Op *op = add_axis(ops, OP_SLICE, row->axis + (turns > 1));
    op->has_number = op->has_to = true;
    op->number = from / turns;
    op->to = (from + row->sizes[p]) / turns;
    if (turns > 1) add_sizes(a, row, false, row->axis, 0, -1, ops);
}

/* A stack taken apart; several parts that lie side by side in it are cut out one by one. */
static bool add_unstacked(Auto *a, const Row *row, Collection *all)
{
    int64_t from = 0;
    for (uint32_t p = 0; p < row->group->count; from += row->sizes[p++]) {
        OpList ops = {.count = 0};
        const uint32_t *parts = row->parts + p * row->each;
        if (!view_enter(a, 0, &row->whole, 1, &ops)) return false;
        if (row->group->count > 1) add_cut(a, row, p, from, &ops);
        add_axis(&ops, OP_UNSTACK, 0);
        if (row->turned) add_turn(a, tensor_at(a, 1, parts[0])->rank, &ops);
        if (!view_leave(a, 1, parts, row->each, &ops)) return false;
        Bundle bundle = {.sources = whole_list(a, row), .source_count = 1,
                         .targets = names_of(a, row, p, 1), .target_count = row->each};
        set_ops(a, &bundle, &ops);
        collection_add(all, &bundle, row->margin, parts[0]);
    }
    return true;
}

/* ---- rows ---- */

/* The member of a unit that has a role; NONE. A main member of no known role, and a matrix, is what
 * the main one is: a bias whose kernel is missing is none. */
static uint32_t member_of(const Side *side, const Unit *unit, uint16_t role, bool main)
{
    const uint32_t first = side->members[unit->first];
    const uint16_t own = side->role_of[first];
    if (main && (own == role || (own <= ROLE_MAIN && role <= ROLE_MAIN) ||
                 side->given->tensors[first].rank > 1))
        return first;
    if (main) return NONE;
    for (uint32_t i = 1; i < unit->count; i++)
        if (side->role_of[side->members[unit->first + i]] == role)
            return side->members[unit->first + i];
    return NONE;
}

/* Collects the parts of one role; false when one is not there, or bound elsewhere. */
static bool fill_row(const Auto *a, Row *row, uint32_t k, uint16_t role, bool main)
{
    const Side *side = &a->side[row->group->side];
    for (uint32_t p = 0; p < row->group->count; p++)
        for (uint32_t e = 0; e < row->each; e++) {
            const Template *part = &side->templates[row->group->parts[p]];
            const Unit *unit = &side->units[side->order[part->first + k * row->each + e]];
            uint32_t member = member_of(side, unit, role, main);
            if (member == NONE || side->bound[member]) return false;
            row->parts[p * row->each + e] = member;
        }
    const uint32_t whole = a->side[!row->group->side].unit_of[row->whole];
    const uint32_t part = side->unit_of[row->parts[0]];
    const uint32_t from = row->group->side ? whole : part, to = row->group->side ? part : whole;
    return !a->side[!row->group->side].bound[row->whole] && !blocks_moved(a, from, to) &&
           !drifts(a, from, to);
}

/* The units of the target came from the first unit of the source, when these are the main ones. */
static void mark_row(Auto *a, const Row *row, bool main)
{
    Side *parts = &a->side[row->group->side], *whole = &a->side[!row->group->side];
    Side *y = &a->side[1];
    const bool splits = row->group->side;
    const uint32_t from = a->side[0].unit_of[splits ? row->whole : row->parts[0]];
    const uint32_t n = row->group->count * row->each;
    whole->taken[row->whole] = true;
    for (uint32_t i = 0; i < n; i++) parts->taken[row->parts[i]] = true;
    for (uint32_t i = 0; main && i < (splits ? n : 1); i++) {
        Unit *v = &y->units[y->unit_of[splits ? row->parts[i] : row->whole]];
        v->beside = from;
        v->beside_margin = row->margin;
    }
}

/* Rows of a group, one by one: each whole with its parts, the main members first; as long as `act`
 * says true. */
typedef bool RowDo(Auto *a, Row *row, bool main, void *context);

static void each_row(Auto *a, const Group *group, float margin, RowDo *act, void *context)
{
    const Side *side = &a->side[!group->side];
    const Template *whole = &side->templates[group->fused];
    Row row = {.group = group, .each = group->stacked ? (uint32_t)group->stacked : 1, .turns = 1,
               .margin = margin};
    row.parts = arena_alloc(a->arena, (size_t)group->count * row.each * sizeof *row.parts);
    for (uint32_t k = 0; k < whole->count; k++) {
        const Unit *unit = &side->units[side->order[whole->first + k]];
        for (uint32_t i = 0; i < unit->count; i++) {
            row.whole = side->members[unit->first + i];
            if (fill_row(a, &row, k, side->role_of[row.whole], i == 0) &&
                !act(a, &row, i == 0, context))
                return;
        }
    }
}

/* Whether each part has the same number of rows in every turn. */
static bool has_turns(const Row *row, int64_t turns)
{
    for (uint32_t p = 0; p < row->group->count; p++)
        if (row->sizes[p] % turns) return false;
    return true;
}

/* How the main members lie is how the others do. */
static bool collect_row(Auto *a, Row *row, bool main, void *context)
{
    Collection *all = context;
    if (!decide(a, row)) return true;
    row->turns = row->group->turns;
    if (!has_turns(row, row->turns)) return true;
    const bool done = !row->group->side ? add_joined(a, row, all)
                      : row->group->stacked ? add_unstacked(a, row, all) : add_split(a, row, all);
    if (done) mark_row(a, row, main);
    return true;
}

/* What the first main members show of the group. */
typedef struct Shown {
    int64_t sizes[PARTS_MAX];
    bool last, any;
} Shown;

static bool see_row(Auto *a, Row *row, bool main, void *context)
{
    Shown *shown = context;
    if (!main || !decide(a, row)) return true;
    memcpy(shown->sizes, row->sizes, sizeof shown->sizes);
    shown->last = row->axis + 1u == tensor_at(a, !row->group->side, row->whole)->rank &&
                  tensor_at(a, !row->group->side, row->whole)->rank > 1;
    shown->any = true;
    return false;
}

/* Rows that fit one way round show how kernels lie. */
static bool tally_row(Auto *a, Row *row, bool main, void *context)
{
    Ways ways;
    (void)context;
    if (!main || !find_ways(a, row, &ways) || ways.is_straight == ways.is_turned) return true;
    if (inner_rank(a, row) > 1)
        auto_layout_count(a, row->group->side ? row->whole : row->parts[0], inner_rank(a, row),
                          ways.is_turned);
    return true;
}

/* Parts found for one whole may belong to another that says the same of them: self_attn.in_proj,
 * cross_attn.in_proj. */
static bool same_order(const Auto *a, const Group *group, uint32_t whole)
{
    const Side *side = &a->side[!group->side];
    const Template *found = &side->templates[group->fused], *mate = &side->templates[whole];
    if (found == mate || (group->count == 1 && !mate->group)) return true;
    const Token *own = template_last_word(found), *other = template_last_word(mate);
    return !mate->group && found->count == mate->count && own && other &&
           token_key(own) == token_key(other);
}

/* A group with the whole that it was paired with. */
static bool paired_group(const Auto *a, size_t i, Group *group)
{
    *group = a->groups[i];
    const Template *virtual = &a->side[group->side].templates[group->virtual];
    if (virtual->mate == NONE || !same_order(a, group, virtual->mate)) return false;
    group->fused = virtual->mate;
    return true;
}

void fused_tally(Auto *a)
{
    Group group;
    for (size_t i = 0; i < a->group_count; i++)
        if (paired_group(a, i, &group)) each_row(a, &group, 0, tally_row, NULL);
}

void fused_collect(Auto *a, Collection *all)
{
    Group group;
    for (size_t i = 0; i < a->group_count; i++) {
        if (!paired_group(a, i, &group)) continue;
        Shown shown = {.any = false};
        each_row(a, &group, 0, see_row, &shown);
        if (!shown.any) {
            a->open += a->side[!group.side].templates[group.fused].count;
            continue;
        }
        group.turns = glue_turns(a, &group, shown.sizes, shown.last);
        if (group.turns)
            each_row(a, &group, a->side[group.side].templates[group.virtual].margin, collect_row,
                     all);
        else
            glue_ask(a, &group, shown.sizes);
    }
}
