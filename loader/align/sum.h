/* Sum: integer arithmetic over numeric captures, compiled; `{(i-1)//3}` of right-hand sides.
 * Results are those of Lua 5.4 for integers: 64 bits that wrap, // and % that round down. */
#ifndef LOADER_ALIGN_SUM_H
#define LOADER_ALIGN_SUM_H

#include "loader/align/pattern.h"

typedef struct Sum Sum;

/* NULL when the text is anything but decimal integers, names that `is_number` knows,
 * + - * // %, unary minus and parentheses: then it is Lua's business. */
Sum *sum_compile(Arena *arena, const char *text, size_t n,
                 bool (*is_number)(const void *context, const char *name, size_t n),
                 const void *context);
/* False for a division by zero, and for a name that captured no number. */
bool sum_evaluate(const Sum *sum, const Captures *captures, int64_t *result, Error *err);

#endif
