/* The inside of the pickle machine: its registers, its opcodes, and what the files that carry
 * them out (pickle.c, pickle_values.c, pickle_ops.c) ask of each other.
 *
 *   byte OPCODE, argument (fixed bytes, or u8/u32/u64 length and bytes, or a line of text)
 *
 * Opcodes work on a stack of objects; a MARK fences off what lies below it. Argument sizes and
 * effects are those of CPython's Lib/pickletools.py. */
#ifndef LOADER_FORMAT_PICKLE_MACHINE_H
#define LOADER_FORMAT_PICKLE_MACHINE_H

#include "loader/core/little.h"
#include "loader/format/pickle.h"

/* Bytes read ahead; integers from 0 on that are one node however often they occur (sizes, strides
 * and offsets are nearly all of a checkpoint's integers). */
enum { PICKLE_BLOCK = 16 << 10, PICKLE_INTS = 4096 };

struct Machine {
    Arena *arena;                    /* for the nodes; borrowed */
    ByteSource *source;              /* borrowed */
    uint64_t start;                  /* where the pickle starts in the source */
    uint64_t position;               /* of the next byte that an opcode will see */
    uint64_t skipped;                /* bytes before it that were left in the file */
    unsigned char *block;            /* [PICKLE_BLOCK] read ahead; owned */
    size_t block_next, block_end;    /* what of it is still to be seen */
    const char *opcode;              /* name of the current one, for errors */
    uint64_t opcode_at;              /* its byte in the source */
    unsigned n;                      /* from the table: the width in bytes of its argument or
                                        length, a number of items, or a truth value */
    Object **stack;                  /* owned */
    size_t count, room;              /* of the stack; the top is stack[count - 1] */
    uint64_t most_nodes;             /* bytes that the arena may have: LIMIT_PICKLE_NODES */
    size_t *marks;                   /* stack heights at each MARK; owned */
    size_t mark_count, mark_room;
    Object **memo;                   /* NULL where nothing was stored; see pickle_as_part; owned */
    size_t memo_size, memo_room;     /* entries that exist, NULL or not; room for */
    uint64_t memo_used;              /* entries that are not NULL: what MEMOIZE counts */
    Text line;                       /* the last text argument; owned */
    Object *none, *yes, *no, *empty; /* shared nodes; `empty` is the tuple */
    Object **ints;                   /* [PICKLE_INTS] 0, 1, 2 …; NULL until used; owned */
    bool stopped;                    /* STOP was met: stack[0] is the result */
    unsigned protocol;               /* of the last PROTO; 0 while there was none */
    PickleWatch *watch;              /* borrowed; NULL: nobody watches */
    bool brief;                      /* tensors are read in short (pickle_tensor.h) */
    Object *rebuild, *rebuild_typed; /* then: the GLOBALs that make them, once they were met: v2
                                        and v3 */
    struct PickleTensorMaker *makers;    /* and what they have in common, newest first */
    bool lost;                       /* the bytes are no opcodes, or at their end */
    Error *err;                      /* the caller's; set by whoever returns false */
};

typedef struct Machine Machine;

typedef bool PickleHandler(Machine *m);

/* Byte, name, handler, and the number that the handler finds in m->n. */
#define PICKLE_OPCODES(X)                       \
    X(0x80, "PROTO", pickle_proto, 1)           \
    X(0x95, "FRAME", pickle_frame, 8)           \
    X('.', "STOP", pickle_stop, 0)              \
    X('(', "MARK", pickle_mark, 0)              \
    X('0', "POP", pickle_pop, 0)                \
    X('1', "POP_MARK", pickle_pop_mark, 0)      \
    X('2', "DUP", pickle_dup, 0)                \
    X('N', "NONE", pickle_none, 0)              \
    X(0x88, "NEWTRUE", pickle_bool, 1)          \
    X(0x89, "NEWFALSE", pickle_bool, 0)         \
    X('K', "BININT1", pickle_binint, 1)         \
    X('M', "BININT2", pickle_binint, 2)         \
    X('J', "BININT", pickle_binint, 4)          \
    X(0x8A, "LONG1", pickle_long, 1)            \
    X(0x8B, "LONG4", pickle_long, 4)            \
    X('I', "INT", pickle_int_text, 0)           \
    X('L', "LONG", pickle_int_text, 1)          \
    X('G', "BINFLOAT", pickle_binfloat, 8)      \
    X('F', "FLOAT", pickle_float_text, 0)       \
    X(0x8C, "SHORT_BINUNICODE", pickle_unicode, 1) \
    X('X', "BINUNICODE", pickle_unicode, 4)     \
    X(0x8D, "BINUNICODE8", pickle_unicode, 8)   \
    X('V', "UNICODE", pickle_unicode_text, 0)   \
    X('U', "SHORT_BINSTRING", pickle_string, 1) \
    X('T', "BINSTRING", pickle_string, 4)       \
    X('S', "STRING", pickle_string_text, 0)     \
    X('C', "SHORT_BINBYTES", pickle_bytes, 1)   \
    X('B', "BINBYTES", pickle_bytes, 4)         \
    X(0x8E, "BINBYTES8", pickle_bytes, 8)       \
    X(0x96, "BYTEARRAY8", pickle_bytearray, 8)  \
    X(0x97, "NEXT_BUFFER", pickle_buffer, 0)    \
    X(0x98, "READONLY_BUFFER", pickle_buffer, 0) \
    X(')', "EMPTY_TUPLE", pickle_empty_tuple, 0) \
    X(0x85, "TUPLE1", pickle_tuple_n, 1)        \
    X(0x86, "TUPLE2", pickle_tuple_n, 2)        \
    X(0x87, "TUPLE3", pickle_tuple_n, 3)        \
    X('t', "TUPLE", pickle_tuple, 0)            \
    X(']', "EMPTY_LIST", pickle_empty_list, 0)  \
    X('l', "LIST", pickle_list, 0)              \
    X('a', "APPEND", pickle_append, 1)          \
    X('e', "APPENDS", pickle_append, 0)         \
    X('}', "EMPTY_DICT", pickle_empty_dict, 0)  \
    X('d', "DICT", pickle_dict, 0)              \
    X('s', "SETITEM", pickle_setitem, 2)        \
    X('u', "SETITEMS", pickle_setitem, 0)       \
    X(0x8F, "EMPTY_SET", pickle_empty_set, 0)   \
    X(0x90, "ADDITEMS", pickle_additems, 0)     \
    X(0x91, "FROZENSET", pickle_frozenset, 0)   \
    X('c', "GLOBAL", pickle_global, 0)          \
    X(0x93, "STACK_GLOBAL", pickle_stack_global, 0) \
    X('R', "REDUCE", pickle_reduce, 0)          \
    X(0x81, "NEWOBJ", pickle_newobj, 0)         \
    X(0x92, "NEWOBJ_EX", pickle_newobj_ex, 0)   \
    X('i', "INST", pickle_inst, 0)              \
    X('o', "OBJ", pickle_obj, 0)                \
    X('b', "BUILD", pickle_build, 0)            \
    X('Q', "BINPERSID", pickle_binpersid, 0)    \
    X('P', "PERSID", pickle_persid, 0)          \
    X('q', "BINPUT", pickle_binput, 1)          \
    X('r', "LONG_BINPUT", pickle_binput, 4)     \
    X('p', "PUT", pickle_put, 0)                \
    X(0x94, "MEMOIZE", pickle_memoize, 0)       \
    X('h', "BINGET", pickle_binget, 1)          \
    X('j', "LONG_BINGET", pickle_binget, 4)     \
    X('g', "GET", pickle_get, 0)                \
    X(0x82, "EXT1", pickle_ext, 1)              \
    X(0x83, "EXT2", pickle_ext, 2)              \
    X(0x84, "EXT4", pickle_ext, 4)

#define DECLARE_HANDLER(byte, name, handler, n) PickleHandler handler;
PICKLE_OPCODES(DECLARE_HANDLER)
#undef DECLARE_HANDLER

/* Sets "SOURCE: pickle opcode NAME at byte N: …"; always returns false. */
bool machine_fail(Machine *m, ErrorCode code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* What each of the thirty opcodes of a tensor does is here, to be compiled into the handlers.
 * Passes over n bytes that were read ahead, and returns them; NULL: not all of them were. */
static inline const unsigned char *machine_ahead(Machine *m, size_t n)
{
    if (n > m->block_end - m->block_next) return NULL;
    const unsigned char *bytes = m->block + m->block_next;
    m->block_next += n;
    m->position += n;
    return bytes;
}

/* The next n bytes of the pickle; n is a constant or comes from machine_take_length. */
bool machine_take(Machine *m, void *out, size_t n);

/* A little-endian number of `width` bytes, 8 at most. Unsigned: whoever wants a sign casts. */
static inline bool machine_take_number(Machine *m, unsigned width, uint64_t *number)
{
    unsigned char own[8];
    const unsigned char *bytes = machine_ahead(m, width);
    if (!bytes && !machine_take(m, own, width)) return false;
    *number = little_read(bytes ? bytes : own, width);
    return true;
}

/* A length of `width` bytes, checked against what is left of the source and of the limit. The
 * 4-byte lengths of LONG4 and BINSTRING are signed; negative ones are refused. */
bool machine_take_length(Machine *m, unsigned width, bool is_signed, size_t *n);
/* The same for what may stay in the file: not checked against the limit. */
bool machine_take_far_length(Machine *m, unsigned width, bool is_signed, size_t *n);
/* Passes over n bytes, which machine_take_far_length has found to be there. */
void machine_skip(Machine *m, size_t n);
/* Text up to a newline, which is consumed, into m->line. */
bool machine_take_line(Machine *m);

/* What was read ahead, up to *end: n bytes or more, unless the source or the limit ends before, or
 * it cannot be read, of which whoever needs the bytes will tell. */
const unsigned char *machine_look_ahead(Machine *m, size_t n, const unsigned char **end);

/* Makes room for one more node; false when the stack is full. */
bool machine_grow_stack(Machine *m);
/* Makes room for so many; false, without an error, where the limit has none for them and MARKs. */
bool machine_has_room(Machine *m, size_t nodes, size_t marks);

/* Pushes a node; false when the stack is full. */
static inline bool machine_push(Machine *m, Object *object)
{
    if (m->count == m->room && !machine_grow_stack(m)) return false;
    m->stack[m->count++] = object;
    return true;
}

/* Says that there is no node above the last MARK; always NULL. */
Object *machine_refuse_pop(Machine *m);

/* The top node; NULL, with an error, when there is none above the last MARK. As in CPython, nothing
 * below a MARK can be reached until the MARK is taken. */
static inline Object *machine_peek(Machine *m)
{
    const size_t fence = m->mark_count ? m->marks[m->mark_count - 1] : 0;
    return m->count > fence ? m->stack[m->count - 1] : machine_refuse_pop(m);
}

/* The same, and takes it. */
static inline Object *machine_pop(Machine *m)
{
    Object *top = machine_peek(m);
    if (top) m->count--;
    return top;
}

/* A node of that kind that remembers the opcode's byte, with `extra` zeroed bytes behind it. */
Object *machine_node(Machine *m, ObjectKind kind, size_t extra);
/* Nodes of items, calls, persistent ids; an integer, of which small ones are one node each. */
Object *machine_collection(Machine *m, ObjectKind kind, Object *const *items, size_t count);
Object *machine_call(Machine *m, CallKind kind, Object *callable, Object *args, Object *kwargs);
Object *machine_persid(Machine *m, Object *id);
Object *machine_int(Machine *m, int64_t integer);

/* -- Tensors in short (pickle_tensor.c) -- */

/* What the memo has for a part of a tensor in short: the tensor, marked by the lowest bit. */
static inline Object *pickle_as_part(const Object *tensor)
{
    return (Object *)((uintptr_t)tensor | 1);
}

static inline bool pickle_is_part(const Object *node)
{
    return (uintptr_t)node & 1;
}

static inline Object *pickle_whole(Object *part)
{
    return (Object *)((uintptr_t)part - 1);
}

/* After one of these was pushed: puts a tensor into its place if the next bytes make one. */
void pickle_tensor_read(Machine *m);
/* Makes a tensor in short what it is for pickle_read, with all its parts; other nodes stay. */
void pickle_tensor_write_out(Machine *m, Object *node);

#endif
