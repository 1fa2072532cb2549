/* A RuleHost without Lua, for tests of rule text: ops are words with numbers ("split(3)",
 * "stack(0, gaps)"), expressions are a few known ones. */
#ifndef TESTS_UNIT_RULE_HOST_H
#define TESTS_UNIT_RULE_HOST_H

#include <stdlib.h>
#include <string.h>

#include "loader/align/rule.h"

static inline int plain_compile(void *host, const char *text, size_t n, Error *err)
{
    (void)host;
    if (n == 5 && memcmp(text, "heads", 5) == 0) return 0;
    if (n > 4 && memcmp(text, "j==0", 4) == 0) return 1;
    error_set(err, ERR_RULE, "cannot compile '%.*s'", (int)n, text);
    return -1;
}

static inline bool plain_evaluate(void *host, int handle, const Captures *captures, Text *out,
                                  Error *err)
{
    (void)host;
    (void)err;
    if (handle == 0) text_add(out, "32");
    for (size_t i = 0; handle == 1 && i < captures->named_count; i++)
        if (captures->named[i].name && strcmp(captures->named[i].name, "j") == 0)
            text_add(out, captures->named[i].number ? "attentions" : "resnets");
    return true;
}

static inline bool plain_op(const char **at, Op *op, Error *err)
{
    static const char *const t = "t";
    size_t n = strcspn(*at, "(, {");
    *op = (Op){.kind = OP_KIND_COUNT};
    for (int kind = 0; kind < OP_KIND_COUNT; kind++)
        if (strlen(op_name((OpKind)kind)) == n && strncmp(*at, op_name((OpKind)kind), n) == 0)
            op->kind = (OpKind)kind;
    if (n == 1 && **at == *t) op->kind = OP_T;
    if (op->kind == OP_KIND_COUNT) return error_set(err, ERR_RULE, "no op '%s'", *at);
    *at += n;
    const char *close = **at == '(' ? strchr(*at, ')') : *at;
    char *end;
    if (**at == '(' && (*at)[1] != ')' && (*at)[1] != '{') {
        op->number = strtoll(*at + 1, &end, 10);
        op->has_number = end != *at + 1;
        op->axis = (int)op->number;
        op->has_axis = op->kind == OP_STACK || op->kind == OP_CAT || op->kind == OP_UNSTACK;
        op->real = (double)op->number;
        op->gaps = memmem(*at, (size_t)(close - *at), "gaps", 4) != NULL;
    }
    if (op->has_axis) op->has_number = false;
    *at = close + (*close == ')');
    return true;
}

static inline bool plain_ops(void *host, Arena *arena, const char *text, size_t n, int line,
                             const Op **ops, size_t *count, Error *err)
{
    (void)host;
    (void)line;
    Op *list = arena_alloc(arena, 16 * sizeof *list);
    const char *at = arena_strndup(arena, text, n);
    for (*count = 0; *at && *count < 16; ++*count) {
        at += strspn(at, " \n");
        if (strncmp(at, "function", 8) == 0) {
            list[*count] = (Op){.kind = OP_FUNCTION};
            at += strlen(at);
        } else if (!plain_op(&at, &list[*count], err)) {
            return false;
        }
        at += strspn(at, " \n");
        at += *at == ',';
    }
    *ops = list;
    return true;
}

static const RuleHost plain_host = {{plain_compile, plain_evaluate, NULL}, plain_ops, NULL};

#endif
