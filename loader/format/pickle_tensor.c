/* The bytes that torch.save (pickle protocol 2) writes behind the name of a tensor are compared one
 * by one with what they mostly are. Whatever is not so, or comes near a limit, is left to the
 * opcodes' own handlers, from its first byte on: nothing was changed then. So limits and errors are
 * theirs alone.
 *
 * The pickler numbers all that it writes, and what has a number can be asked for. The numbers of
 * the parts say where their tensor is (a pointer whose lowest bit is set), and at the first
 * question it is written out: it becomes what the handlers would have made of it. */
#include "loader/format/pickle_tensor.h"

#include <string.h>

#include "loader/format/pickle_machine.h"

_Static_assert(sizeof(PickleTensor) == sizeof(Tensor), "what was said takes no more room");

/* Bytes that are read ahead for one; its dims; digits of a key; nodes and MARKs that the handlers
 * would have on the stack at once. Storage classes and places of one pickle. */
enum {
    AHEAD = 256, RANK_MOST = 8, KEY_MOST = 8, STACK_MOST = 3 + RANK_MOST, MARKS_MOST = 2,
    MAKERS_MOST = 16
};
_Static_assert(KEY_MOST < sizeof ((PickleTensor *)0)->key, "and its NUL");

/* Bytes that were read ahead, and what they say. */
typedef struct Reading {
    Machine *m;
    const unsigned char *from, *at, *end;
    size_t memo;             /* the number that the next PUT must have */
    PickleTensorMaker parts; /* nodes that the memo has, and what is called */
    const char *key;         /* its own, in the block; or key_of's */
    Object *key_of;          /* see PickleTensor; NULL: its own */
    size_t key_length, rank, stride_rank;
    int64_t numel, offset, dims[RANK_MOST], strides[RANK_MOST];
    bool parameter;
    const unsigned char *call;   /* the REDUCE that makes the tensor */
} Reading;

/* -- The bytes, as they mostly are ----------------------------------------------------- */

/* Where one of these fails, all of it is given up, unless another is tried instead: so take_byte,
 * take_wide and take_int leave what they do not take. */

static bool take_byte(Reading *r, unsigned byte)
{
    if (r->at == r->end || *r->at != byte) return false;
    r->at++;
    return true;
}

/* A number of `width` bytes behind that opcode. */
static bool take_wide(Reading *r, unsigned opcode, unsigned width, uint64_t *number)
{
    if ((size_t)(r->end - r->at) <= width || *r->at != opcode) return false;
    *number = little_read(r->at + 1, width);
    r->at += 1 + width;
    return true;
}

/* BININT1, BININT2, BININT; not negative: such a one stays. */
static bool take_int(Reading *r, int64_t *number)
{
    const unsigned char *const from = r->at;
    uint64_t n;
    if (!take_wide(r, 'K', 1, &n) && !take_wide(r, 'M', 2, &n) && !take_wide(r, 'J', 4, &n))
        return false;
    *number = (int64_t)n;
    if (n > INT32_MAX) r->at = from;
    return n <= INT32_MAX;
}

/* BINPUT, LONG_BINPUT of the next number. */
static bool take_put(Reading *r)
{
    uint64_t index;
    return (take_wide(r, 'r', 4, &index) || take_wide(r, 'q', 1, &index)) && index == r->memo++;
}

/* BINGET, LONG_BINGET of what was stored. */
static bool take_index(Reading *r, uint64_t *index)
{
    return (take_wide(r, 'h', 1, index) || take_wide(r, 'j', 4, index)) &&
           *index < r->m->memo_size && r->m->memo[*index];
}

/* The same, of a whole node. */
static bool take_get(Reading *r, Object **node)
{
    uint64_t index;
    if (!take_index(r, &index)) return false;
    *node = r->m->memo[index];
    return !pickle_is_part(*node);
}

/* PyTorch's keys are numbers. */
static bool is_key(const char *key, size_t n)
{
    size_t digits = 0;
    while (digits < n && key[digits] >= '0' && key[digits] <= '9') digits++;
    return digits == n && n <= KEY_MOST;
}

/* BINUNICODE of a storage's key. */
static bool take_own_key(Reading *r)
{
    uint64_t n;
    if (!take_wide(r, 'X', 4, &n) || (size_t)(r->end - r->at) < n) return false;
    r->key = (const char *)r->at;
    r->key_length = (size_t)n;
    r->at += n;
    return is_key(r->key, r->key_length) && take_put(r);
}

/* BINGET of the key of a storage that several tensors share: a STR, or a part of a tensor. */
static bool take_others_key(Reading *r)
{
    uint64_t index;
    if (!take_index(r, &index)) return false;
    Object *node = r->m->memo[index];
    r->key_of = pickle_is_part(node) ? pickle_whole(node) : node;
    const PickleTensor *other = pickle_is_part(node) ? pickle_tensor(r->key_of) : NULL;
    if (other) {
        r->key = other->key;
        r->key_length = strlen(r->key);
        return other->own_key && other->memo == index;
    }
    if (r->key_of != node || node->kind != OBJ_STR) return false;
    r->key = node->bytes.text;
    r->key_length = node->bytes.n;
    return is_key(r->key, r->key_length);
}

/* One of the two, told by the opcode: where it is not as it mostly is, it is not the other. */
static bool take_key(Reading *r)
{
    return r->at < r->end && *r->at == 'X' ? take_own_key(r) : take_others_key(r);
}

/* A tuple of integers: EMPTY_TUPLE, TUPLE1, TUPLE2, TUPLE3, or TUPLE over a MARK. */
static bool take_sizes(Reading *r, int64_t *sizes, size_t *rank)
{
    *rank = 0;
    if (take_byte(r, ')')) return true;
    const bool marked = take_byte(r, '(');
    while (*rank < RANK_MOST && take_int(r, &sizes[*rank])) ++*rank;
    if (!*rank || marked != (*rank > 3)) return false;
    return take_byte(r, marked ? 't' : 0x84 + (unsigned)*rank) && take_put(r);
}

/* Behind the callable: MARK, MARK, the persistent id … */
static bool take_id(Reading *r)
{
    return take_byte(r, '(') && take_byte(r, '(') && take_get(r, &r->parts.tag) &&
           take_get(r, &r->parts.class) && take_key(r) && take_get(r, &r->parts.location) &&
           take_int(r, &r->numel) && take_byte(r, 't') && take_put(r) && take_byte(r, 'Q');
}

static bool is_typed(const Reading *r)
{
    return r->parts.call.callable == r->m->rebuild_typed;
}

/* … the other arguments, TUPLE, REDUCE. */
static bool take_rest(Reading *r)
{
    if (!take_int(r, &r->offset) || !take_sizes(r, r->dims, &r->rank) ||
        !take_sizes(r, r->strides, &r->stride_rank) || r->rank != r->stride_rank)
        return false;
    r->parameter = take_byte(r, 0x88);
    if ((!r->parameter && !take_byte(r, 0x89)) || !take_get(r, &r->parts.hooks) ||
        !take_byte(r, ')') || !take_byte(r, 'R') || !take_put(r) ||
        (is_typed(r) && !take_get(r, &r->parts.type)) || !take_byte(r, 't') || !take_put(r))
        return false;
    r->call = r->at;
    return take_byte(r, 'R') && take_put(r);
}

/* -- What the parts have in common ----------------------------------------------------- */

/* Of a type that is named, and of which every element has bytes of its own. */
static bool find_dtype(PickleTensorMaker *parts)
{
    if (parts->type->kind != OBJ_GLOBAL || strcmp(parts->type->global.module, "torch") != 0 ||
        !object_is_global(parts->class, "torch.storage", "UntypedStorage"))
        return false;
    parts->dtype = dtype_from_name(parts->type->global.name);
    return dtype_info(parts->dtype)->bits >= 8;
}

/* Only of classes and types whose elements are known: nothing more is to be said of such a
 * tensor. */
static bool is_usual(PickleTensorMaker *parts)
{
    parts->dtype = DT_UNKNOWN;
    return parts->tag->kind == OBJ_STR && strcmp(parts->tag->bytes.text, "storage") == 0 &&
           parts->class->kind == OBJ_GLOBAL && parts->location->kind == OBJ_STR &&
           object_is_global(parts->hooks, "collections", "OrderedDict") &&
           (parts->type ? find_dtype(parts)
                        : dtype_size(dtype_from_torch_storage(parts->class->global.name)));
}

/* The record of the same nodes, made when it is new; NULL when they are others than usual, or from
 * more classes than a pickle has. */
static const PickleTensorMaker *find_maker(Machine *m, PickleTensorMaker *parts)
{
    size_t count = 0;
    for (PickleTensorMaker *maker = m->makers; maker; maker = maker->next, count++)
        if (maker->class == parts->class && maker->location == parts->location &&
            maker->tag == parts->tag && maker->hooks == parts->hooks &&
            maker->type == parts->type && maker->call.callable == parts->call.callable)
            return maker;
    if (count == MAKERS_MOST || !is_usual(parts)) return NULL;
    PickleTensorMaker *maker = arena_copy(m->arena, parts, sizeof *parts);
    maker->call.args = m->empty;
    maker->next = m->makers;
    m->makers = maker;
    return maker;
}

/* -- The node -------------------------------------------------------------------------- */

/* The node, its record and sizes, in one piece. */
static Object *make(Machine *m, const Reading *r, const PickleTensorMaker *maker)
{
    const bool plain = strides_are_plain(r->dims, r->strides, (unsigned)r->rank);
    const size_t sizes = (plain ? 1 : 2) * r->rank;
    Object *node = machine_node(m, OBJ_CALL, sizeof(PickleTensor) + sizes * sizeof(int64_t));
    PickleTensor *brief = (PickleTensor *)(node + 1);
    int64_t *dims = (int64_t *)(brief + 1), *strides = plain ? NULL : dims + r->rank;
    memcpy(dims, r->dims, r->rank * sizeof *dims);
    if (strides) memcpy(strides, r->strides, r->rank * sizeof *strides);
    memcpy(brief->key, r->key, r->key_length);
    brief->dims = dims;
    brief->strides = strides;
    brief->offset = (uint64_t)r->offset;
    brief->numel = (uint64_t)r->numel;
    brief->maker = maker;
    brief->own_key = !r->key_of;
    if (r->key_of) brief->key_of = r->key_of;
    else brief->key_at = m->position + (uint64_t)(r->key - (const char *)r->from);
    brief->memo = (uint32_t)m->memo_size;
    brief->rank = (uint8_t)r->rank;
    brief->parameter = r->parameter;
    node->call_kind = CALL_SHORT;
    node->call = (ObjectCall *)&maker->call;
    node->loaded = brief;
    return node;
}

/* The pickler has numbered each part, and last the tensor. Indexes that go on by one are let in by
 * the limit if the one before was. */
static void store_all(Machine *m, Object *node, size_t end)
{
    Object *part = pickle_as_part(node);
    m->memo = mem_grow(m->memo, &m->memo_room, end, sizeof *m->memo);
    m->memo_used += end - m->memo_size;
    while (m->memo_size + 1 < end) m->memo[m->memo_size++] = part;
    m->memo[m->memo_size++] = node;
}

/* What is called lies on the stack, and gives way to the tensor. */
void pickle_tensor_read(Machine *m)
{
    Reading r = {.m = m, .memo = m->memo_size, .parts.call.callable = m->stack[m->count - 1]};
    r.at = r.from = machine_look_ahead(m, AHEAD, &r.end);
    if (!take_id(&r) || !take_rest(&r) || r.memo > UINT32_MAX) return;
    const PickleTensorMaker *maker = find_maker(m, &r.parts);
    if (!maker || !machine_has_room(m, STACK_MOST, MARKS_MOST)) return;
    m->opcode_at = m->position + (uint64_t)(r.call - r.from);
    Object *node = make(m, &r, maker);
    machine_ahead(m, (size_t)(r.at - r.from));
    m->stack[m->count - 1] = node;
    store_all(m, node, r.memo);
}

/* -- Writing out ----------------------------------------------------------------------- */

/* The numbers that still are those of its parts get them; others were given away since. A part
 * that is NULL has no number. */
static void restore(Machine *m, const Object *node, size_t at, Object *const *parts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!parts[i]) continue;
        if (m->memo[at] == pickle_as_part(node)) m->memo[at] = parts[i];
        at++;
    }
}

static Object *make_sizes(Machine *m, const int64_t *sizes, unsigned rank)
{
    Object *items[RANK_MOST];
    for (unsigned i = 0; i < rank; i++) items[i] = machine_int(m, sizes[i]);
    return rank ? machine_collection(m, OBJ_TUPLE, items, rank) : m->empty;
}

/* The STR that would have been read at its place, or is the other tensor's, which is written out as
 * well: its own. */
static Object *make_key(Machine *m, const PickleTensor *brief)
{
    if (!brief->own_key && brief->key_of->kind == OBJ_STR) return brief->key_of;
    if (!brief->own_key) {
        pickle_tensor_write_out(m, brief->key_of);
        const Object *persid = brief->key_of->call->args->list.items[0];
        return persid->persid.id[0]->list.items[2];
    }
    const char *text = brief->key;
    const size_t n = strlen(text);
    Object *key = machine_node(m, OBJ_STR, n + 1);
    key->bytes.text = memcpy(key + 1, text, n);
    key->bytes.n = n;
    key->bytes.at = brief->key_at;
    return key;
}

static void write_out(Machine *m, Object *node, const PickleTensor *brief)
{
    const PickleTensorMaker *maker = brief->maker;
    const unsigned rank = brief->rank;
    int64_t plain[RANK_MOST];
    contiguous_strides(brief->dims, rank, plain);
    Object *key = make_key(m, brief);
    Object *id[] = {maker->tag, maker->class, key, maker->location,
                    machine_int(m, (int64_t)brief->numel)};
    Object *tuple = machine_collection(m, OBJ_TUPLE, id, countof(id));
    Object *size = make_sizes(m, brief->dims, rank);
    Object *stride = make_sizes(m, brief->strides ? brief->strides : plain, rank);
    Object *hooks = machine_call(m, CALL_REDUCE, maker->hooks, m->empty, NULL);
    Object *fields[] = {machine_persid(m, tuple), machine_int(m, (int64_t)brief->offset), size,
                        stride, brief->parameter ? m->yes : m->no, hooks, maker->type};
    Object *args = machine_collection(m, OBJ_TUPLE, fields, countof(fields) - !maker->type);
    Object *call = machine_call(m, CALL_REDUCE, maker->call.callable, args, NULL);
    Object *const parts[] = {brief->own_key ? key : NULL, tuple, rank ? size : NULL,
                             rank ? stride : NULL, hooks, args};
    restore(m, node, brief->memo, parts, countof(parts));
    node->call_kind = CALL_REDUCE;
    node->call = call->call;
    node->loaded = NULL;
}

/* All of it is made where the tensor was. */
void pickle_tensor_write_out(Machine *m, Object *node)
{
    const PickleTensor *brief = pickle_tensor(node);
    const uint64_t at = m->opcode_at;
    if (!brief) return;
    m->opcode_at = m->start + node->line;
    write_out(m, node, brief);
    m->opcode_at = at;
}
