/* Error: what went wrong, written once where it is seen.
 *
 * Every function that can fail takes `Error *err` last and returns false or NULL.
 * The place that sees the fault sets the whole text; callers may only put a place
 * in front of it (a file, a tensor, a rule). Text is for people, code is for exits. */
#ifndef LOADER_CORE_ERROR_H
#define LOADER_CORE_ERROR_H

#include <stdbool.h>

/* One row a kind: name, what it means. */
#define ERROR_CODES(X)                                                          \
    X(ERR_NONE, "no error")                                                     \
    X(ERR_IO, "the operating system refused a read, a write or a name")         \
    X(ERR_FORMAT, "the file does not say what its format demands")              \
    X(ERR_UNSUPPORTED, "understood, and deliberately not handled")              \
    X(ERR_LIMIT, "a documented limit was hit")                                  \
    X(ERR_NETWORK, "a server, or the way to it, did not give what was asked for")  \
    X(ERR_NOT_FOUND, "no such file, key, container or option")                  \
    X(ERR_USAGE, "the command line or a call has the wrong form")               \
    X(ERR_RULE, "a rule or a script is wrong")                                  \
    X(ERR_SHAPE, "shapes or dtypes do not fit an operation")                    \
    X(ERR_EXISTS, "an output is there already")                                 \
    X(ERR_CANCELLED, "the user asked to stop")                                  \
    X(ERR_INTERNAL, "a promise inside tenon was broken")

#define ERROR_ENUM(code, meaning) code,
typedef enum ErrorCode { ERROR_CODES(ERROR_ENUM) } ErrorCode;
#undef ERROR_ENUM

typedef struct Error {
    ErrorCode code;
    char text[1024]; /* one line, no newline; "FILE: what (where), remedy" once complete */
} Error;

/* Sets code and text; always returns false, so `return error_set(err, …)` reads well.
 * `err` may be NULL when the caller does not care. */
bool error_set(Error *err, ErrorCode code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts "PREFIX: " before the text that is there. Always returns false. */
bool error_prefix(Error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Sets ERR_IO with "WHAT: strerror(errno)". Always returns false. */
bool error_errno(Error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
