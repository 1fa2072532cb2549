/* Object: one node of a checkpoint's object tree, as a pickle (or JSON) describes it.
 *
 * Nothing here was ever executed: an unknown class is a CALL node that holds the name of
 * what would have been called, with its arguments and state. Nodes are shared where the file
 * shares them (the tree is a graph, and may have cycles); they live in the checkpoint's arena. */
#ifndef LOADER_TENSOR_OBJECT_H
#define LOADER_TENSOR_OBJECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "loader/core/memory.h"
#include "loader/core/text.h"

typedef enum ObjectKind {
    OBJ_NONE, OBJ_BOOL, OBJ_INT,
    OBJ_BIGINT,      /* beyond i64: `bytes`, two's complement, little-endian */
    OBJ_FLOAT, OBJ_STR,
    OBJ_BYTES, OBJ_BYTEARRAY,
    OBJ_FAR,         /* so long that it was left in the file (bytes, text, a list): `far` */
    OBJ_TUPLE, OBJ_LIST, OBJ_SET, OBJ_FROZENSET,
    OBJ_DICT,        /* items are key, value, key, value … */
    OBJ_GLOBAL,      /* a class or function by name: `global` */
    OBJ_CALL,        /* REDUCE, NEWOBJ, INST …: `call` */
    OBJ_PERSID,      /* a persistent id: `items[0]` is its value */
    OBJ_TENSOR       /* a CALL that was recognised as a tensor: `tensor`, and its `call` */
} ObjectKind;

/* How the object would have come to be: callable(*args) · cls.__new__(cls, *args) · the same with
 * **kwargs · a class called as Python 2 did. In short: a tensor that its reader has not looked at,
 * of which `loaded` says all (format/pickle_tensor.h). */
typedef enum CallKind {
    CALL_REDUCE, CALL_NEWOBJ, CALL_NEWOBJ_EX, CALL_INST, CALL_SHORT
} CallKind;

/* What a FAR node would be, were it in memory: its `call_kind`. A Python 2 str is text or bytes,
 * which only its content tells; lists are left in metadata only, never in a pickle. */
typedef enum FarKind { FAR_BYTES, FAR_BYTEARRAY, FAR_TEXT, FAR_PYTHON2, FAR_LIST } FarKind;

typedef struct Object Object;
struct Tensor;
struct StateDict;
struct Storage;

typedef struct ObjectCall {
    Object *callable;        /* usually a GLOBAL */
    Object *args;            /* a TUPLE */
    Object *kwargs;          /* NEWOBJ_EX only, else NULL */
    Object *state;           /* what BUILD gave; NULL when none */
    Object *list;            /* what APPEND(S)/ADDITEMS gave: a LIST; NULL when none */
    Object *map;             /* what SETITEM(S) gave: a DICT; NULL when none */
} ObjectCall;

struct Object {
    uint8_t kind;            /* ObjectKind */
    uint8_t call_kind;       /* CallKind, for CALL; FarKind, for FAR */
    uint8_t mark;            /* for walks: whoever walks leaves it 0 */
    uint32_t line;           /* byte offset in the pickle at which the node was made, saturated */
    union {
        struct {
            union { bool boolean; int64_t integer; double number; };
            ObjectCall *origin;  /* BOOL, INT, FLOAT: the NumPy scalar that it was, or NULL */
        };
        /* STR: a held name; n its length. `at`: where the same bytes lie raw in the pickle's
         * source (text: as UTF-8); 0 where they are escaped in it, or come from elsewhere. */
        struct { const char *text; size_t n; uint64_t at; } bytes;
        /* Place in the pickle's source, or what the items of a LIST are called ("strings"); bytes,
         * or items; whether the values of a tensor lie there. */
        struct { union { uint64_t at; const char *many; }; uint64_t n; bool taken; } far;
        struct { Object **items; size_t count, room; } list;  /* TUPLE … DICT, PERSID */
        /* PERSID, over `list`: where its bytes are, once the reader knows them; else NULL. */
        struct { Object **id; size_t id_count; const struct Storage *storage; } persid;
        struct { const char *module, *name; } global;
        /* CALL, and TENSOR: the call it came from is kept, for whoever writes or audits it;
         * NULL where no call made it (a .npy file, a tensor of a tar). */
        struct {
            ObjectCall *call;
            struct Tensor *tensor;
            union {
                struct StateDict *parts;       /* TENSOR: what it is made of (indices and values
                                                  …), or NULL; the checkpoint's */
                void *loaded;                  /* CALL: what its reader found it to be, or NULL;
                                                  the reader's own, in the arena */
            };
        };
    };
};

Object *object_new(Arena *arena, ObjectKind kind);
Object *object_str(Arena *arena, const char *name);
Object *object_int(Arena *arena, int64_t integer);
/* Appends to a TUPLE, LIST, SET or (twice: key, value) DICT. */
void object_push(Arena *arena, Object *list, Object *item);

/* The value under a str key, or under an int key; NULL when `dict` is no dict (a CALL with a
 * map, such as an OrderedDict, counts as one) or lacks it. The last of equal keys, as Python. */
Object *object_get(const Object *dict, const char *key);
Object *object_get_int(const Object *dict, int64_t key);
/* The DICT behind a dict-like node (DICT, OrderedDict, defaultdict, Counter …), else NULL. */
const Object *object_as_dict(const Object *object);
/* The LIST or TUPLE behind a sequence-like node, else NULL. */
const Object *object_as_sequence(const Object *object);
/* Whether it is the global MODULE.NAME, Python-2 spellings included. */
bool object_is_global(const Object *object, const char *module, const char *name);
/* For a CALL of a GLOBAL: "module.name"-style test of its callable. */
bool object_is_call(const Object *object, const char *module, const char *name);
/* A class whose Python source the file carries, as torch before 0.4 wrote modules: PERSID of
 * ('module', class, file, source), in a tar of (class, file, source). Each output may be NULL;
 * *text is STR or BYTES. False for any other node. */
bool object_source(const Object *object, const Object **class, const Object **file,
                   const Object **text);
/* The bytes, copied, as text: what is no name either way is held (text.h). */
Object *object_text(Arena *arena, const void *bytes, size_t n);
Object *object_bool(Arena *arena, bool boolean);
Object *object_float(Arena *arena, double number);
/* The number that people wrote, 1e-05 and not 9.999999747378752e-06: of those that are the same as
 * an f32 the one of the fewest digits. */
Object *object_float32(Arena *arena, float number);
/* An int of 64 bits without a sign: INT, or a BIGINT of nine bytes. */
Object *object_uint(Arena *arena, uint64_t number);
/* Text or bytes of that length, or a list of n items called `many` (constant): no more is known. */
Object *object_far_text(Arena *arena, uint64_t n);
Object *object_far_bytes(Arena *arena, uint64_t n);
Object *object_far_list(Arena *arena, uint64_t n, const char *many);
/* What a BIGINT is, when 64 bits without a sign hold it. */
bool object_as_uint(const Object *object, uint64_t *out);
/* None, a bool, an int of 64 bits, a float or a text as the value that it is; NULL: it is none of
 * these. */
struct Value *object_as_value(Arena *arena, const Object *object);

/* A short description for people: `int 6`, `str "adam"`, `dict (3)`, `numpy.dtype object`. */
void object_show(const Object *object, Text *out);
/* The bare value of what metadata hold: text as it is, 6, 0.1, true, null, [1, "a"]; of what is FAR
 * how much it is, in brackets. Other nodes as object_show has them. */
void object_plain(const Object *object, Text *out);

#endif
