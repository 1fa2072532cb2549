/* Groups as bundles: split, cat, stack and unstack with their axes, and with a transpose where
 * the two sides lie differently. */
#include <string.h>

#include "loader/align/auto_parts.h"

enum { OPS_MAX = 4 };

/* One whole with its parts: tensors of one role in one row of a group. */
typedef struct Row {
    const Group *group;
    uint32_t whole;                  /* tensor */
    uint32_t *parts;                 /* [count × each] tensors, part by part */
    uint32_t each;                   /* units of a part: what is stacked, else 1 */
    int64_t sizes[PARTS_MAX];        /* of the parts along the axis */
    unsigned axis;                   /* of the whole, where its parts lie side by side */
    bool turned;                     /* parts and whole lie differently */
    float margin;
} Row;

static const AutoTensor *tensor_at(const Auto *a, int side, uint32_t index)
{
    return &a->side[side].given->tensors[index];
}

/* The axis along which the parts make the whole; the stack's own axis does not count. */
static bool find_axis(const Auto *a, Row *row, bool turned)
{
    const AutoTensor *whole = tensor_at(a, !row->group->side, row->whole);
    unsigned skip = row->group->stacked ? 1 : 0, rank = whole->rank - skip;
    for (unsigned axis = 0; axis < rank; axis++) {
        int64_t sum = 0;
        bool fits = true;
        for (unsigned p = 0; p < row->group->count && fits; p++) {
            const AutoTensor *part = tensor_at(a, row->group->side, row->parts[p * row->each]);
            fits = part->dims && part->rank == rank;
            for (unsigned i = 0; i < rank && fits; i++) {
                int64_t size = part->dims[turned ? rank - 1 - i : i];
                if (i != axis) fits = size == whole->dims[i + skip];
                else fits = !__builtin_add_overflow(sum, size, &sum);
                if (i == axis) row->sizes[p] = size;
            }
        }
        if (!fits || sum != whole->dims[axis + skip]) continue;
        row->axis = axis + skip;
        row->turned = turned;
        return true;
    }
    return false;
}

static bool decide(const Auto *a, Row *row)
{
    const AutoTensor *whole = tensor_at(a, !row->group->side, row->whole);
    if (!whole->dims || whole->rank < (row->group->stacked ? 2 : 1)) return false;
    if (row->group->stacked && whole->dims[0] != row->group->stacked) return false;
    bool matrix = whole->rank - (row->group->stacked ? 1 : 0) == 2;
    bool straight = find_axis(a, row, false), turned = false;
    if (matrix) {
        Row other = *row;
        turned = find_axis(a, &other, true);
        if (turned && !straight) *row = other;
        if (turned && straight) {
            bool splits = row->group->side;
            Turn turn = auto_layout_follow(a, splits ? row->whole : row->parts[0],
                                           splits ? row->parts[0] : row->whole);
            if (turn == TURN_OPEN) return false;
            if (turn == TURN_T) *row = other;
        }
    }
    return straight || turned;
}

/* ---- ops ---- */

static Op with_axis(OpKind kind, unsigned axis)
{
    return (Op){.kind = kind, .has_axis = true, .axis = (int)axis};
}

static Op split_op(Auto *a, const Row *row, unsigned axis)
{
    Op op = with_axis(OP_SPLIT, axis);
    bool equal = true;
    for (unsigned p = 1; p < row->group->count; p++)
        equal = equal && row->sizes[p] == row->sizes[0];
    if (equal) {
        op.has_number = true;
        op.number = row->group->count;
    } else {
        op.list = arena_copy(a->out, row->sizes, row->group->count * sizeof *row->sizes);
        op.list_count = row->group->count;
    }
    return op;
}

static void set_ops(Auto *a, Bundle *bundle, const Op *ops, size_t n)
{
    bundle->ops = arena_copy(a->out, ops, n * sizeof *ops);
    bundle->op_count = n;
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

/* { q }, { k }, { v } -> { qkv } |> cat(0), or lists that are stacked first. */
static void add_joined(Auto *a, const Row *row, Collection *all)
{
    Op ops[OPS_MAX];
    size_t n = 0;
    NameList *lists = arena_alloc(a->out, row->group->count * sizeof *lists);
    for (uint32_t p = 0; p < row->group->count; p++)
        lists[p] = (NameList){names_of(a, row, p, 1), row->each};
    if (row->turned) ops[n++] = (Op){.kind = OP_T};
    if (row->group->stacked) ops[n++] = with_axis(OP_STACK, 0);
    if (row->group->count > 1) ops[n++] = with_axis(OP_CAT, row->axis);
    Bundle bundle = {.sources = lists, .source_count = row->group->count,
                     .targets = whole_name(a, row), .target_count = 1};
    set_ops(a, &bundle, ops, n);
    collection_add(all, &bundle, row->margin, row->whole);
}

static NameList *whole_list(Auto *a, const Row *row)
{
    NameList *list = arena_alloc(a->out, sizeof *list);
    *list = (NameList){whole_name(a, row), 1};
    return list;
}

/* { qkv } -> { q, k, v } |> split(3). */
static void add_split(Auto *a, const Row *row, Collection *all)
{
    Op ops[OPS_MAX];
    size_t n = 0;
    const AutoTensor *whole = tensor_at(a, 0, row->whole);
    if (row->turned) ops[n++] = (Op){.kind = OP_T};
    ops[n++] = split_op(a, row, row->turned ? whole->rank - 1u - row->axis : row->axis);
    Bundle bundle = {.sources = whole_list(a, row), .source_count = 1,
                     .targets = names_of(a, row, 0, row->group->count),
                     .target_count = row->group->count};
    set_ops(a, &bundle, ops, n);
    collection_add(all, &bundle, row->margin, row->parts[0]);
}

/* A stack taken apart; several parts that lie side by side in it are cut out one by one. */
static void add_unstacked(Auto *a, const Row *row, Collection *all)
{
    int64_t from = 0;
    for (uint32_t p = 0; p < row->group->count; p++) {
        Op ops[OPS_MAX];
        size_t n = 0;
        if (row->group->count > 1) {
            ops[n] = with_axis(OP_SLICE, row->axis);
            ops[n].has_number = ops[n].has_to = true;
            ops[n].number = from;
            ops[n++].to = from + row->sizes[p];
            from += row->sizes[p];
        }
        ops[n++] = with_axis(OP_UNSTACK, 0);
        if (row->turned) ops[n++] = (Op){.kind = OP_T};
        Bundle bundle = {.sources = whole_list(a, row), .source_count = 1,
                         .targets = names_of(a, row, p, 1), .target_count = row->each};
        set_ops(a, &bundle, ops, n);
        collection_add(all, &bundle, row->margin, row->parts[p * row->each]);
    }
}

/* ---- rows ---- */

/* The member of a unit that has a role; NONE. A lone member is what the main one is. */
static uint32_t member_of(const Side *side, const Unit *unit, uint16_t role, bool main)
{
    if (main) return side->members[unit->first];
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

static void collect_group(Auto *a, const Group *group, float margin, Collection *all)
{
    const Side *side = &a->side[!group->side];
    const Template *whole = &side->templates[group->fused];
    Row row = {.group = group, .each = group->stacked ? (uint32_t)group->stacked : 1,
               .margin = margin};
    row.parts = arena_alloc(a->arena, (size_t)group->count * row.each * sizeof *row.parts);
    for (uint32_t k = 0; k < whole->count; k++) {
        const Unit *unit = &side->units[side->order[whole->first + k]];
        for (uint32_t i = 0; i < unit->count; i++) {
            row.whole = side->members[unit->first + i];
            if (!fill_row(a, &row, k, side->role_of[row.whole], i == 0) || !decide(a, &row))
                continue;
            mark_row(a, &row, i == 0);
            if (group->side == 0) add_joined(a, &row, all);
            else if (group->stacked) add_unstacked(a, &row, all);
            else add_split(a, &row, all);
        }
    }
}

/* Parts found for one whole may belong to another that says the same of them: self_attn.in_proj,
 * cross_attn.in_proj. */
static bool same_order(const Auto *a, const Group *group, uint32_t whole)
{
    const Side *side = &a->side[!group->side];
    const Template *found = &side->templates[group->fused], *mate = &side->templates[whole];
    if (found == mate) return true;
    return !mate->group && found->count == mate->count && found->token_count &&
           mate->token_count && token_key(&found->tokens[found->token_count - 1]) ==
                                    token_key(&mate->tokens[mate->token_count - 1]);
}

void fused_collect(Auto *a, Collection *all)
{
    for (size_t i = 0; i < a->group_count; i++) {
        Group group = a->groups[i];
        const Template *virtual = &a->side[group.side].templates[group.virtual];
        if (virtual->mate == NONE || !same_order(a, &group, virtual->mate)) continue;
        group.fused = virtual->mate;
        collect_group(a, &group, virtual->margin, all);
    }
}
