/* PickleWriter: protocol 2 pickles, opcode for opcode what CPython's C pickler writes.
 *
 * The C pickler numbers everything it may meet again (strings, globals, containers, results of
 * calls) in the order in which it writes them, and refers to an object it meets again by that
 * number. What is "the same object" in CPython is part of the bytes:
 *   - '' and strings of one character up to U+00FF exist once: they are known by value;
 *   - other strings are known by identity (a pointer that the caller chooses);
 *   - classes and functions exist once: known by module and name;
 *   - str(n) gives a new string every time, also for one digit (run with CPython 3.11).
 * Source: CPython 3.11, Modules/_pickle.c; torch/serialization.py, _save. */
#ifndef LOADER_EXPORT_PICKLE_WRITER_H
#define LOADER_EXPORT_PICKLE_WRITER_H

#include "loader/core/text.h"
#include "loader/tensor/object.h"

typedef struct PickleWriter PickleWriter;

enum {
    PICKLE_BATCH = 1000,         /* items of a dict or list between MARK and SETITEMS */
    PICKLE_PLAIN_DEPTH = 32,     /* nesting limit of pickle_object_is_plain */
    PICKLE_PLAIN_NODES = 10000   /* and its limit of nodes */
};

/* Opcodes that callers put themselves; the rest are behind the functions below. */
enum {
    PICKLE_MARK = '(', PICKLE_STOP = '.', PICKLE_REDUCE = 'R', PICKLE_BUILD = 'b',
    PICKLE_SETITEM = 's', PICKLE_SETITEMS = 'u', PICKLE_APPEND = 'a', PICKLE_APPENDS = 'e',
    PICKLE_EMPTY_DICT = '}', PICKLE_EMPTY_LIST = ']', PICKLE_EMPTY_TUPLE = ')',
    PICKLE_TUPLE = 't', PICKLE_BINPERSID = 'Q', PICKLE_NONE = 'N', PICKLE_TRUE = 0x88,
    PICKLE_FALSE = 0x89
};

PickleWriter *pickle_writer_new(void);          /* has written PROTO 2 */
void pickle_writer_free(PickleWriter *writer);  /* NULL is fine */
const Text *pickle_writer_bytes(const PickleWriter *writer);   /* borrowed */
/* Instead of being kept, bytes go to whoever takes them, piece by piece; false: it failed, and gets
 * no more. Before anything is put. */
typedef bool PickleTake(void *context, const void *bytes, size_t n);
void pickle_writer_stream(PickleWriter *writer, PickleTake *take, void *context);
/* Sends the last piece; how many bytes there were, and whether all were taken. Nothing more is put:
 * what was kept of objects is freed. */
bool pickle_writer_finish(PickleWriter *writer, uint64_t *bytes);

void pickle_put_op(PickleWriter *writer, int opcode);
/* Numbers what was just written. The identity (NULL: it will not be met again) must stay
 * valid and unique while the writer lives. */
void pickle_put_memo(PickleWriter *writer, const void *identity);
/* If that object was numbered before: writes the reference and returns true. */
bool pickle_put_known(PickleWriter *writer, const void *identity);

void pickle_put_int(PickleWriter *writer, int64_t value);
void pickle_put_float(PickleWriter *writer, double value);
/* A held name (text.h) as a str: NUL and lone surrogates as CPython has them, a stray byte
 * 0xNN as U+DCNN. identity NULL: a fresh object, written out even if an equal one was. */
void pickle_put_str(PickleWriter *writer, const char *name, const void *identity);
/* The same for a string that is never shared, though it may be one character: str(n). Returns its
 * number, by which pickle_put_again refers to it. */
uint32_t pickle_put_new_str(PickleWriter *writer, const char *name);
void pickle_put_again(PickleWriter *writer, uint32_t number);
void pickle_put_global(PickleWriter *writer, const char *module, const char *name);
/* The tuple of n ints, as shapes and strides are. */
void pickle_put_int_tuple(PickleWriter *writer, const int64_t *values, size_t n);
/* Makes a tuple of the n items on top of the stack (with a MARK below them when n is over 3), and
 * numbers it. */
void pickle_put_tuple(PickleWriter *writer, size_t n, const void *identity);
/* An integer of any length: two's complement, little-endian. */
void pickle_put_long(PickleWriter *writer, const void *bytes, size_t n);
/* collections.OrderedDict(), numbered under `identity`, its items still to come. */
void pickle_put_ordered_dict(PickleWriter *writer, const void *identity);

/* Whether an object is plain data (None, bool, int, float, str, tuple, list, dict, OrderedDict)
 * nested no deeper and made of no more nodes than the limits, so without cycles. */
bool pickle_object_is_plain(const Object *object);
/* Writes plain data; nodes that the tree shares are written once. */
void pickle_put_object(PickleWriter *writer, const Object *object);

#endif
