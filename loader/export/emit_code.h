/* EmitCode: the Python of one value, with holes where keys stand; for plan_emit.c and emit_*.c. */
#ifndef LOADER_EXPORT_EMIT_CODE_H
#define LOADER_EXPORT_EMIT_CODE_H

#include "loader/align/expr.h"

enum {
    KEY_NUMBERS_MAX = 12,        /* of one key; later ones are literal */
    EMIT_NUMBERS_MAX = 96,       /* of one entry; entries with more stand by themselves */
    EMIT_ITEMS_MAX = 1 << 20     /* pieces of text and holes of one entry */
};

/* A number in a key. */
typedef struct KeyNumber {
    int64_t value;               /* in this key; in a comprehension what its variable needs */
    int local;                   /* the variable of a comprehension, from 0; -1 = none */
} KeyNumber;

/* A key, split at its numbers: parts[0] number[0] parts[1] … */
typedef struct EmitKey {
    const char *parts[KEY_NUMBERS_MAX + 1];  /* in the arena */
    KeyNumber numbers[KEY_NUMBERS_MAX];
    size_t count;                /* of numbers */
} EmitKey;

/* Text, or a key. */
typedef struct EmitItem {
    const char *text;            /* NULL: it is a key */
    EmitKey *key;
} EmitItem;

typedef struct EmitCode {
    Arena *arena;                /* borrowed */
    EmitItem *items;             /* owned */
    size_t count, room;
    unsigned locals;             /* comprehensions that are open at present */
    bool random;                 /* a fill of random numbers is in it */
    bool resize;                 /* it calls _resize */
    bool patch, geometric;       /* it calls _weigh with _patch, with _geometric or _straight */
    bool target;                 /* it takes values of the target */
} EmitCode;

void emit_code_done(EmitCode *code);
/* Appends text, or a key; text is copied. */
void emit_text(EmitCode *code, const char *format, ...) __attribute__((format(printf, 2, 3)));
void emit_key(EmitCode *code, const char *name);
/* Appends the value of an expression: something that may be followed by ".t()" or "[0]". */
bool emit_expr(EmitCode *code, const Expr *e, Error *err);

/* ---- keys ---- */

void emit_split(Arena *arena, const char *name, EmitKey *out);
/* What is alike in all keys of a loop: the parts, and the numbers of comprehensions. Unambiguous
 * whatever bytes are in it. */
void emit_key_signature(const EmitKey *key, Text *out);
/* The key as a Python literal; free number i is the text free_numbers[i], an expression, where that
 * is not NULL. Returns how many free numbers it took. */
size_t emit_key_literal(const EmitKey *key, const char *const *free_numbers, Text *out);
/* "e", "f" …: the variable of a comprehension. */
const char *emit_local(int local);

#endif
