/* Sums: a precedence parser to postfix, and a stack; see sum.h.
 *
 *   (i-1)//3 is  i  1  -  3  //  and with i = 8 the stack holds  8 | 8 1 | 7 | 7 3 | 2.
 *
 * Everything the parser does not know it leaves to Lua (NULL), so it may be as strict as it likes:
 * a sum too long or too deep for its limits is computed there all the same. */
#include "loader/align/sum.h"

#include <string.h>

#include "loader/align/rule_lex.h"

enum { STEPS_MAX = 64, DEPTH_MAX = 24, DIGITS_MAX = 18 };

typedef enum StepKind {
    PUSH_NUMBER, PUSH_NAME, DO_ADD, DO_SUBTRACT, DO_MULTIPLY, DO_DIVIDE, DO_MODULO, DO_NEGATE
} StepKind;

typedef struct SumStep {
    StepKind kind;
    int64_t number;              /* PUSH_NUMBER */
    const char *name;            /* PUSH_NAME; in the arena */
} SumStep;

struct Sum {
    const SumStep *steps;        /* postfix */
    size_t count;
};

typedef struct Reader {
    Arena *arena;
    const char *at, *end;
    bool (*is_number)(const void *context, const char *name, size_t n);
    const void *context;
    SumStep steps[STEPS_MAX];
    size_t count;
    int depth;                   /* parentheses and signs that are open */
} Reader;

/* False when the sum is too long. */
static bool add_step(Reader *reader, SumStep step)
{
    if (reader->count == STEPS_MAX) return false;
    reader->steps[reader->count++] = step;
    return true;
}

/* Decimal digits; false for what Lua would read as another kind of number. */
static bool read_number(Reader *reader)
{
    const char *start = reader->at;
    int64_t number = 0;
    while (reader->at < reader->end && is_digit(*reader->at))
        if (reader->at - start >= DIGITS_MAX) return false;
        else number = number * 10 + (*reader->at++ - '0');
    /* 2.5, 1e3 and 0x10 are Lua's. */
    if (reader->at < reader->end && (is_word_byte(*reader->at) || *reader->at == '.')) return false;
    return add_step(reader, (SumStep){PUSH_NUMBER, number, NULL});
}

/* A name that is no numeric capture may be anything to Lua: a string, a function. */
static bool read_name(Reader *reader)
{
    const char *start = reader->at;
    while (reader->at < reader->end && is_word_byte(*reader->at)) reader->at++;
    size_t n = (size_t)(reader->at - start);
    if (!reader->is_number(reader->context, start, n)) return false;
    return add_step(reader, (SumStep){PUSH_NAME, 0, arena_strndup(reader->arena, start, n)});
}

static bool read_terms(Reader *reader);

/* number | name | -factor | (terms); parentheses and signs nest at most DEPTH_MAX deep. */
static bool read_factor(Reader *reader)
{
    reader->at = skip_space(reader->at, reader->end);
    if (reader->at == reader->end || reader->depth == DEPTH_MAX) return false;
    char c = *reader->at;
    if (is_digit(c)) return read_number(reader);
    if (is_word_byte(c)) return read_name(reader);
    if (c != '-' && c != '(') return false;
    reader->at++;
    reader->depth++;
    bool good;
    if (c == '-') {
        /* "--" would be a comment to Lua. */
        good = reader->at < reader->end && *reader->at != '-' && read_factor(reader) &&
               add_step(reader, (SumStep){DO_NEGATE, 0, NULL});
    } else {
        good = read_terms(reader);
        reader->at = skip_space(reader->at, reader->end);
        good = good && reader->at < reader->end && *reader->at++ == ')';
    }
    reader->depth--;
    return good;
}

/* factor, then * // % and the next factor. */
static bool read_factors(Reader *reader)
{
    if (!read_factor(reader)) return false;
    for (;;) {
        reader->at = skip_space(reader->at, reader->end);
        if (reader->at == reader->end) return true;
        StepKind kind;
        if (*reader->at == '*') kind = DO_MULTIPLY;
        else if (*reader->at == '%') kind = DO_MODULO;
        else if (*reader->at == '/') kind = DO_DIVIDE;
        else return true;
        reader->at++;
        /* A single slash divides to a float. */
        if (kind == DO_DIVIDE && (reader->at == reader->end || *reader->at++ != '/')) return false;
        if (!read_factor(reader) || !add_step(reader, (SumStep){kind, 0, NULL})) return false;
    }
}

/* factors, then + - and the next factors. */
static bool read_terms(Reader *reader)
{
    if (!read_factors(reader)) return false;
    for (;;) {
        reader->at = skip_space(reader->at, reader->end);
        if (reader->at == reader->end || (*reader->at != '+' && *reader->at != '-')) return true;
        StepKind kind = *reader->at == '+' ? DO_ADD : DO_SUBTRACT;
        reader->at++;
        if (kind == DO_SUBTRACT && reader->at < reader->end && *reader->at == '-') return false;
        if (!read_factors(reader) || !add_step(reader, (SumStep){kind, 0, NULL})) return false;
    }
}

Sum *sum_compile(Arena *arena, const char *text, size_t n,
                 bool (*is_number)(const void *context, const char *name, size_t n),
                 const void *context)
{
    Reader reader = {.arena = arena, .at = text, .end = text + n, .is_number = is_number,
                     .context = context};
    if (!read_terms(&reader) || skip_space(reader.at, reader.end) != reader.end) return NULL;
    Sum *sum = arena_alloc(arena, sizeof *sum);
    sum->steps = arena_copy(arena, reader.steps, reader.count * sizeof *reader.steps);
    sum->count = reader.count;
    return sum;
}

/* Both round towards minus infinity; -1 apart, for which the processor would trap. -7 // 2 is
 * -4, and -7 % 2 is 1, as in Lua; C would say -3 and -1. */
static int64_t floor_divide(int64_t a, int64_t b)
{
    if (b == -1) return (int64_t)(0 - (uint64_t)a);
    int64_t quotient = a / b;
    return a % b != 0 && (a ^ b) < 0 ? quotient - 1 : quotient;
}

static int64_t floor_modulo(int64_t a, int64_t b)
{
    if (b == -1) return 0;
    int64_t rest = a % b;
    return rest != 0 && (rest ^ b) < 0 ? rest + b : rest;
}

/* Through unsigned arithmetic, which wraps as Lua's does; signed overflow would be undefined. */
static int64_t combine(StepKind kind, int64_t a, int64_t b)
{
    switch (kind) {
    case DO_ADD: return (int64_t)((uint64_t)a + (uint64_t)b);
    case DO_SUBTRACT: return (int64_t)((uint64_t)a - (uint64_t)b);
    case DO_MULTIPLY: return (int64_t)((uint64_t)a * (uint64_t)b);
    case DO_DIVIDE: return floor_divide(a, b);
    default: return floor_modulo(a, b);
    }
}

/* The capture of that name if it holds a number. */
static const Capture *find_number(const Captures *captures, const char *name)
{
    for (size_t i = 0; i < captures->named_count; i++) {
        const Capture *capture = &captures->named[i];
        if (capture->name && capture->numeric && capture->text && strcmp(capture->name, name) == 0)
            return capture;
    }
    return NULL;
}

/* Every operation takes what its operands have left, so the stack is never higher than there
 * are steps. */
bool sum_evaluate(const Sum *sum, const Captures *captures, int64_t *result, Error *err)
{
    int64_t stack[STEPS_MAX];
    size_t top = 0;
    for (size_t i = 0; i < sum->count; i++) {
        const SumStep *step = &sum->steps[i];
        if (step->kind == PUSH_NUMBER) {
            stack[top++] = step->number;
        } else if (step->kind == PUSH_NAME) {
            const Capture *capture = find_number(captures, step->name);
            if (!capture) return error_set(err, ERR_RULE, "%s is no number here", step->name);
            stack[top++] = capture->number;
        } else if (step->kind == DO_NEGATE) {
            stack[top - 1] = (int64_t)(0 - (uint64_t)stack[top - 1]);
        } else {
            int64_t b = stack[--top];
            if (!b && (step->kind == DO_DIVIDE || step->kind == DO_MODULO))
                return error_set(err, ERR_RULE, "division by zero");
            stack[top - 1] = combine(step->kind, stack[top - 1], b);
        }
    }
    *result = stack[0];
    return true;
}
