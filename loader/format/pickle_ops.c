/* Opcodes that move, collect and connect what is on the stack.
 *
 * Above each handler: the bytes it reads behind the opcode, and what it does to the stack, as in
 * CPython's Lib/pickletools.py. The top is on the right, "MARK a b" is a MARK with two items
 * above it, and "-" is nothing. Several opcodes share a handler where only the argument's width
 * or a number of items differs, which is m->n then. */
#include <inttypes.h>
#include <string.h>

#include "loader/format/pickle_glimpse.h"
#include "loader/format/pickle_machine.h"
#include "loader/tensor/glimpse.h"

/* LARGE: bytes of a list that has moved, which are worth giving back. */
enum { PROTOCOL_MAX = 5, LARGE = 1 << 17 };

/* PROTO u8 version.   - → -   First in protocols 2 and later; 0 and 1 begin without it. */
bool pickle_proto(Machine *m)
{
    uint64_t version;
    if (!machine_take_number(m, m->n, &version)) return false;
    m->protocol = (unsigned)version;
    if (version <= PROTOCOL_MAX) return true;
    return machine_fail(m, ERR_UNSUPPORTED,
                        "protocol %" PRIu64 " is newer than %d, the newest known", version,
                        PROTOCOL_MAX);
}

/* FRAME u64 length.   - → -   Frames only tell a reader how much to read ahead. */
bool pickle_frame(Machine *m)
{
    uint64_t length;
    return machine_take_number(m, m->n, &length);
}

/* STOP.   x → the result is x   What else lies on the stack is ignored, as Python does. The
 * result becomes its first item, where pickle_read looks for it. */
bool pickle_stop(Machine *m)
{
    Object *result = machine_pop(m);
    if (!result) return false;
    m->stack[0] = result;
    m->stopped = true;
    return true;
}

/* EXT1 u8, EXT2 u16, EXT4 u32 code.   - → a global that a registry of copyreg names. */
bool pickle_ext(Machine *m)
{
    uint64_t code;
    if (!machine_take_number(m, m->n, &code)) return false;
    return machine_fail(m, ERR_UNSUPPORTED,
                        "extension code %" PRIu64 " means something only in the "
                        "Python that wrote it",
                        code);
}

/* --- the stack ------------------------------------------------------------------------ */

/* MARK.   - → MARK   Marks lie on a stack of their own: the height at which each was set. */
bool pickle_mark(Machine *m)
{
    char more[LIMIT_TEXT];
    if (m->mark_count >= limit(LIMIT_PICKLE_STACK))
        return machine_fail(m, ERR_LIMIT, "its MARKs are %s",
                            limit_text(LIMIT_PICKLE_STACK, more));
    m->marks = mem_grow(m->marks, &m->mark_room, m->mark_count + 1, sizeof *m->marks);
    m->marks[m->mark_count++] = m->count;
    return true;
}

/* Takes everything above the last MARK, and the MARK: *items borrows from the stack until the
 * next push. */
static bool pop_to_mark(Machine *m, Object ***items, size_t *count)
{
    if (!m->mark_count) {
        machine_fail(m, ERR_FORMAT, "there is no MARK on the stack");
        return false;
    }
    size_t from = m->marks[--m->mark_count];
    *items = m->stack + from;
    *count = m->count - from;
    m->count = from;
    return true;
}

/* POP.   x → -   It also takes a MARK that has nothing above it. */
bool pickle_pop(Machine *m)
{
    if (m->mark_count && m->marks[m->mark_count - 1] == m->count) {
        m->mark_count--;
        return true;
    }
    return machine_pop(m) != NULL;
}

/* POP_MARK.   MARK x … → - */
bool pickle_pop_mark(Machine *m)
{
    Object **items;
    size_t count;
    return pop_to_mark(m, &items, &count);
}

/* DUP.   x → x x   The same node twice. */
bool pickle_dup(Machine *m)
{
    Object *top = machine_pop(m);
    return top && machine_push(m, top) && machine_push(m, top);
}

/* --- the memo ------------------------------------------------------------------------- */

/* What PICKLE_MEMO_WATCHED is, and how it is raised. */
static const char watched_memo[] =
    "more than the 1048576 of a scan (--limit pickle-memo=N allows more)";
_Static_assert(PICKLE_MEMO_WATCHED == 1048576, "watched_memo says so");

/* The memo is how a pickle names an object again: PUT gives the top a number, GET pushes what has
 * it. Numbers need not be dense, but a pickle can hardly use more of them than it has bytes: the
 * limit keeps "PUT 4000000000" from costing 32 GB. */
static bool grow_memo(Machine *m, uint64_t index)
{
    char more[LIMIT_TEXT];
    uint64_t bytes = m->position - m->start - m->skipped, slack = limit(LIMIT_PICKLE_MEMO);
    bool watched = m->watch && slack < PICKLE_MEMO_WATCHED;
    if (watched) slack = PICKLE_MEMO_WATCHED;
    if (index > bytes && index - bytes > slack)
        return machine_fail(m, ERR_LIMIT,
                            "memo index %" PRIu64 " is beyond the bytes of the pickle by %s",
                            index, watched ? watched_memo : limit_text(LIMIT_PICKLE_MEMO, more));
    m->memo = mem_grow(m->memo, &m->memo_room, (size_t)index + 1, sizeof *m->memo);
    return true;
}

/* Pickles count their indexes up by one. Such an index is as far from the bytes as the one before
 * it was when that was let in, or nearer, and needs no look at the limit. */
static bool store(Machine *m, uint64_t index)
{
    Object *top = machine_peek(m);
    if (!top) return false;
    if ((index > m->memo_size || index >= m->memo_room) && !grow_memo(m, index)) return false;
    while (m->memo_size <= index) m->memo[m->memo_size++] = NULL;
    if (!m->memo[index]) m->memo_used++;
    m->memo[index] = top;
    return true;
}

/* Pushes the very node, not a copy: so files share objects, and so cycles come to be. */
static bool fetch(Machine *m, uint64_t index)
{
    if (index >= m->memo_size || !m->memo[index])
        return machine_fail(m, ERR_FORMAT, "memo entry %" PRIu64 " was never stored", index);
    if (pickle_is_part(m->memo[index])) pickle_tensor_write_out(m, pickle_whole(m->memo[index]));
    return machine_push(m, m->memo[index]);
}

/* A memo index written as decimal text. */
static bool take_index(Machine *m, uint64_t *index)
{
    if (!machine_take_line(m)) return false;
    const char *text = text_string(&m->line);
    size_t digits = strspn(text, "0123456789");
    if (!digits || digits > 18 || digits != m->line.length)
        return machine_fail(m, ERR_FORMAT, "its text is no memo index");
    *index = 0;
    while (*text) *index = *index * 10 + (uint64_t)(*text++ - '0');
    return true;
}

/* BINPUT u8, LONG_BINPUT u32 index.   x → x   memo[index] = x */
bool pickle_binput(Machine *m)
{
    uint64_t index;
    return machine_take_number(m, m->n, &index) && store(m, index);
}

/* PUT index as text.   x → x   memo[index] = x */
bool pickle_put(Machine *m)
{
    uint64_t index;
    return take_index(m, &index) && store(m, index);
}

/* MEMOIZE.   x → x   memo[number of entries so far] = x; protocol 4 and later. */
bool pickle_memoize(Machine *m)
{
    return store(m, m->memo_used);
}

/* BINGET u8, LONG_BINGET u32 index.   - → memo[index] */
bool pickle_binget(Machine *m)
{
    uint64_t index;
    if (!machine_take_number(m, m->n, &index) || !fetch(m, index)) return false;
    const Object *top = m->stack[m->count - 1];
    if (top == m->rebuild || top == m->rebuild_typed) pickle_tensor_read(m);
    return true;
}

/* GET index as text.   - → memo[index] */
bool pickle_get(Machine *m)
{
    uint64_t index;
    return take_index(m, &index) && fetch(m, index);
}

/* --- collections ---------------------------------------------------------------------- */

/* A node of `count` items, which lie right behind it. */
Object *machine_collection(Machine *m, ObjectKind kind, Object *const *items, size_t count)
{
    Object *object = machine_node(m, kind, count * sizeof *items);
    object->list.items = (Object **)(object + 1);
    object->list.count = object->list.room = count;
    if (count) memcpy(object->list.items, items, count * sizeof *items);
    return object;
}

/* Appends to a collection whose room grows by doubling. */
static void extend(Machine *m, Object *list, Object *const *items, size_t count)
{
    if (!count) return;
    size_t want = list->list.count + count;
    if (want > list->list.room) {
        size_t room = list->list.room * 2 > want ? list->list.room * 2 : want;
        Object **bigger = arena_alloc(m->arena, room * sizeof *bigger);
        const size_t had = list->list.count * sizeof *bigger;
        if (had) memcpy(bigger, list->list.items, had);
        if (had >= LARGE) arena_discard(list->list.items, had);
        list->list.items = bigger;
        list->list.room = room;
    }
    memcpy(list->list.items + list->list.count, items, count * sizeof *items);
    list->list.count = want;
}

/* APPEND to what is no list, BUILD of what is no object: false, unless somebody watches. */
static bool refuse_target(Machine *m, const Object *target)
{
    if (m->watch) return true;       /* Python may know how: see pickle_read_watched */
    Text what = {0};
    object_show(target, &what);
    machine_fail(m, ERR_FORMAT, "cannot be done to %s", text_string(&what));
    text_done(&what);
    return false;
}

/* Where APPENDS, SETITEMS and ADDITEMS put things: the target itself when it is of that kind,
 * or the collection of that kind which a CALL node keeps for them (*kept). */
static bool add_to(Machine *m, ObjectKind kind, Object *target, Object **kept, Object *const *items,
                   size_t count)
{
    if (kept && !*kept) *kept = machine_node(m, kind, 0);
    if (!kept && target->kind != kind) return refuse_target(m, target);
    extend(m, kept ? *kept : target, items, count);
    return true;
}

/* Where a CALL keeps what is appended to it, or entered into it; NULL for any other node. */
static Object **kept_list(Machine *m, Object *target)
{
    pickle_tensor_write_out(m, target);
    return target->kind == OBJ_CALL ? &target->call->list : NULL;
}

static Object **kept_map(Machine *m, Object *target)
{
    pickle_tensor_write_out(m, target);
    return target->kind == OBJ_CALL ? &target->call->map : NULL;
}

/* EMPTY_TUPLE, EMPTY_LIST, EMPTY_DICT, EMPTY_SET.   - → () [] {} set()
 *
 * Tuples cannot change, so all empty ones are one node; the others are filled later. */
bool pickle_empty_tuple(Machine *m)
{
    return machine_push(m, m->empty);
}

bool pickle_empty_list(Machine *m)
{
    return machine_push(m, machine_node(m, OBJ_LIST, 0));
}

bool pickle_empty_dict(Machine *m)
{
    return machine_push(m, machine_node(m, OBJ_DICT, 0));
}

bool pickle_empty_set(Machine *m)
{
    return machine_push(m, machine_node(m, OBJ_SET, 0));
}

/* MARK x … → one collection of them. */
static bool collect(Machine *m, ObjectKind kind)
{
    Object **items;
    size_t count;
    if (!pop_to_mark(m, &items, &count)) return false;
    if (kind == OBJ_TUPLE && !count) return machine_push(m, m->empty);
    if (kind == OBJ_DICT && count % 2)
        return machine_fail(m, ERR_FORMAT, "its last key has no value");
    return machine_push(m, machine_collection(m, kind, items, count));
}

/* TUPLE, LIST, FROZENSET.   MARK x … → (x …) [x …] frozenset((x …))
 * DICT.   MARK key value … → {key: value …} */
bool pickle_tuple(Machine *m)
{
    return collect(m, OBJ_TUPLE);
}

bool pickle_list(Machine *m)
{
    return collect(m, OBJ_LIST);
}

bool pickle_dict(Machine *m)
{
    return collect(m, OBJ_DICT);
}

bool pickle_frozenset(Machine *m)
{
    return collect(m, OBJ_FROZENSET);
}

/* TUPLE1, TUPLE2, TUPLE3.   x [y [z]] → (x [y [z]]) */
bool pickle_tuple_n(Machine *m)
{
    Object *items[3];
    for (unsigned i = m->n; i-- > 0;)
        if (!(items[i] = machine_pop(m))) return false;
    return machine_push(m, machine_collection(m, OBJ_TUPLE, items, m->n));
}

/* m->n items from the top, or (m->n is 0) all above the MARK; what they are for stays on top.
 * *items is `few`, or borrows from the stack until the next push. */
static bool pop_items(Machine *m, Object *few[2], Object ***items, size_t *count, Object **target)
{
    if (m->n) {
        for (unsigned i = m->n; i-- > 0;)
            if (!(few[i] = machine_pop(m))) return false;
        *items = few;
        *count = m->n;
    } else if (!pop_to_mark(m, items, count)) {
        return false;
    }
    *target = machine_peek(m);
    return *target != NULL;
}

/* APPEND.   list x → list     APPENDS.   list MARK x … → list */
bool pickle_append(Machine *m)
{
    Object *few[2], **items, *target;
    size_t count;
    if (!pop_items(m, few, &items, &count, &target)) return false;
    return add_to(m, OBJ_LIST, target, kept_list(m, target), items, count);
}

/* SETITEM.   dict key value → dict     SETITEMS.   dict MARK key value … → dict */
bool pickle_setitem(Machine *m)
{
    Object *few[2], **items, *target;
    size_t count;
    if (!pop_items(m, few, &items, &count, &target)) return false;
    if (count % 2) return machine_fail(m, ERR_FORMAT, "its last key has no value");
    if (glimpse_is_wanted()) pickle_glimpse(m, items, count);
    return add_to(m, OBJ_DICT, target, kept_map(m, target), items, count);
}

/* ADDITEMS.   set MARK x … → set   A CALL (a subclass of set) keeps them in its list. */
bool pickle_additems(Machine *m)
{
    Object *few[2], **items, *target;
    size_t count;
    if (!pop_items(m, few, &items, &count, &target)) return false;
    return add_to(m, target->kind == OBJ_CALL ? OBJ_LIST : OBJ_SET, target, kept_list(m, target),
                  items, count);
}

/* --- names and calls ------------------------------------------------------------------ */

/* Every module and class has a short name; a long one is shown in errors and costs memory. */
static bool is_name(Machine *m, size_t length)
{
    char more[LIMIT_TEXT];
    if (length <= limit(LIMIT_PICKLE_NAME)) return true;
    return machine_fail(m, ERR_LIMIT, "a name has %zu bytes, %s", length,
                        limit_text(LIMIT_PICKLE_NAME, more));
}

/* joblib puts the bytes of an array between the opcodes, behind the object that describes it. */
static bool is_read(Machine *m, const Object *global)
{
    bool wrapper = strstr(global->global.module, "joblib.numpy_pickle") &&
                   has_suffix(global->global.name, "ArrayWrapper");
    return !wrapper ||
           machine_fail(m, ERR_UNSUPPORTED, "it was written by joblib, which puts arrays between "
                        "the opcodes; in Python: numpy.savez('weights.npz', **joblib.load(FILE)), "
                        "or pickle.dump(joblib.load(FILE), …)");
}

/* Two lines: module and name. What they name is never looked up: a GLOBAL is the pair of names. */
static Object *take_global(Machine *m)
{
    if (!machine_take_line(m) || !is_name(m, m->line.length)) return NULL;
    Object *object = machine_node(m, OBJ_GLOBAL, 0);
    object->global.module = name_hold(m->arena, text_string(&m->line), m->line.length);
    if (!machine_take_line(m) || !is_name(m, m->line.length)) return NULL;
    object->global.name = name_hold(m->arena, text_string(&m->line), m->line.length);
    return object;
}

/* GLOBAL module\n name\n.   - → module.name */
bool pickle_global(Machine *m)
{
    Object *object = take_global(m);
    if (!object || !is_read(m, object)) return false;
    if (m->brief && object_is_global(object, "torch._utils", "_rebuild_tensor_v2"))
        m->rebuild = object;
    if (m->brief && object_is_global(object, "torch._utils", "_rebuild_tensor_v3"))
        m->rebuild_typed = object;
    return machine_push(m, object);
}

/* STACK_GLOBAL.   module name → module.name   Protocol 4 and later: both are STRs. */
bool pickle_stack_global(Machine *m)
{
    Object *name = machine_pop(m), *module = name ? machine_pop(m) : NULL;
    if (!module) return false;
    if (name->kind != OBJ_STR || module->kind != OBJ_STR)
        return machine_fail(m, ERR_FORMAT, "module and name must be strings");
    if (!is_name(m, module->bytes.n) || !is_name(m, name->bytes.n)) return false;
    Object *object = machine_node(m, OBJ_GLOBAL, 0);
    object->global.module = module->bytes.text;
    object->global.name = name->bytes.text;
    return is_read(m, object) && machine_push(m, object);
}

/* In Python this is where the function would run. Here it is written down: a CALL node. */
Object *machine_call(Machine *m, CallKind kind, Object *callable, Object *args, Object *kwargs)
{
    Object *object = machine_node(m, OBJ_CALL, sizeof(ObjectCall));
    object->call_kind = (uint8_t)kind;
    object->call = (ObjectCall *)(object + 1);
    object->call->callable = callable;
    object->call->args = args;
    object->call->kwargs = kwargs;
    return object;
}

/* callable args → CALL */
static bool call(Machine *m, CallKind kind)
{
    Object *args = machine_pop(m), *callable = args ? machine_pop(m) : NULL;
    if (!callable) return false;
    if (args->kind != OBJ_TUPLE) return machine_fail(m, ERR_FORMAT, "its arguments are no tuple");
    return machine_push(m, machine_call(m, kind, callable, args, NULL));
}

/* REDUCE.   callable args → callable(*args) */
bool pickle_reduce(Machine *m)
{
    return call(m, CALL_REDUCE);
}

/* NEWOBJ.   class args → class.__new__(class, *args) */
bool pickle_newobj(Machine *m)
{
    return call(m, CALL_NEWOBJ);
}

/* NEWOBJ_EX.   class args kwargs → class.__new__(class, *args, **kwargs) */
bool pickle_newobj_ex(Machine *m)
{
    Object *kwargs = machine_pop(m), *args = kwargs ? machine_pop(m) : NULL;
    Object *callable = args ? machine_pop(m) : NULL;
    if (!callable) return false;
    if (args->kind != OBJ_TUPLE || kwargs->kind != OBJ_DICT)
        return machine_fail(m, ERR_FORMAT, "its arguments are no tuple and dict");
    return machine_push(m, machine_call(m, CALL_NEWOBJ_EX, callable, args, kwargs));
}

/* The arguments above the MARK as a tuple. */
static Object *args_to_mark(Machine *m)
{
    Object **items;
    size_t count;
    if (!pop_to_mark(m, &items, &count)) return NULL;
    return count ? machine_collection(m, OBJ_TUPLE, items, count) : m->empty;
}

/* INST module\n name\n.   MARK x … → module.name(x …)   Protocol 0. */
bool pickle_inst(Machine *m)
{
    Object *callable = take_global(m), *args = callable ? args_to_mark(m) : NULL;
    return args && machine_push(m, machine_call(m, CALL_INST, callable, args, NULL));
}

/* OBJ.   MARK class x … → class(x …)   Protocol 1. */
bool pickle_obj(Machine *m)
{
    Object **items;
    size_t count;
    if (!pop_to_mark(m, &items, &count)) return false;
    if (!count) return machine_fail(m, ERR_FORMAT, "there is no class above its MARK");
    Object *callable = items[0];
    Object *args = count > 1 ? machine_collection(m, OBJ_TUPLE, items + 1, count - 1) : m->empty;
    return machine_push(m, machine_call(m, CALL_INST, callable, args, NULL));
}

/* BUILD.   object state → object   Python calls __setstate__ or updates __dict__. */
bool pickle_build(Machine *m)
{
    Object *state = machine_pop(m), *target = state ? machine_peek(m) : NULL;
    if (!target) return false;
    if (target->kind != OBJ_CALL) return refuse_target(m, target);
    pickle_tensor_write_out(m, target);
    target->call->state = state;
    return true;
}

/* A persistent id stands for an object outside of the pickle: torch's are its storages. */
Object *machine_persid(Machine *m, Object *id)
{
    Object *persid = machine_collection(m, OBJ_PERSID, &id, 1);
    persid->persid.storage = NULL;   /* it lies where a list has its room */
    return persid;
}

/* BINPERSID.   id → PERSID */
bool pickle_binpersid(Machine *m)
{
    Object *id = machine_pop(m);
    return id && machine_push(m, machine_persid(m, id));
}

/* PERSID id as text.   - → PERSID   Protocol 0, where the id is always a string. */
bool pickle_persid(Machine *m)
{
    if (!machine_take_line(m)) return false;
    Object *id = machine_node(m, OBJ_STR, 0);
    id->bytes.text = name_hold(m->arena, text_string(&m->line), m->line.length);
    id->bytes.n = strlen(id->bytes.text);
    return machine_push(m, machine_persid(m, id));
}
