/* The pickle machine's frame: it fetches bytes, looks an opcode up and lets its handler run
 * until one of them is STOP. The handlers are in pickle_values.c and pickle_ops.c. */
#include "loader/format/pickle.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "loader/format/format.h"
#include "loader/format/pickle_machine.h"

/* A row of PICKLE_OPCODES, found by its byte. */
typedef struct Opcode {
    const char *name;        /* NULL: no such opcode */
    PickleHandler *handler;  /* false: the pickle is refused, and the error set */
    unsigned n;              /* becomes Machine.n */
} Opcode;

/* An array over all bytes; those without a name are no opcodes. */
#define TABLE_ROW(byte, opcode_name, opcode_handler, number) \
    [byte] = {opcode_name, opcode_handler, number},
static const Opcode opcodes[256] = {PICKLE_OPCODES(TABLE_ROW)};
#undef TABLE_ROW

/* The place is the byte in the source, which is where a person would look. */
bool machine_fail(Machine *m, ErrorCode code, const char *format, ...)
{
    Text what = {0};
    va_list args;
    va_start(args, format);
    text_addv(&what, format, args);
    va_end(args);
    error_set(m->err, code, "%s: pickle opcode %s at byte %" PRIu64 ": %s", m->source->name,
              m->opcode, m->opcode_at, text_string(&what));
    text_done(&what);
    return false;
}

/* -- Bytes ----------------------------------------------------------------------------- */

/* Whether n more bytes are there, and the pickle may be that long. */
static bool check_room(Machine *m, uint64_t n)
{
    if (n > m->source->size - m->position) {
        m->lost = true;
        return machine_fail(m, ERR_FORMAT, "the file ends at byte %" PRIu64
                            " in the middle of the pickle; it is truncated", m->source->size);
    }
    char more[LIMIT_TEXT];
    uint64_t before = m->position - m->start - m->skipped;
    if (before > limit(LIMIT_PICKLE_BYTES) || n > limit(LIMIT_PICKLE_BYTES) - before)
        return machine_fail(m, ERR_LIMIT, "the pickle has %" PRIu64 " bytes or more, %s",
                            before + n, limit_text(LIMIT_PICKLE_BYTES, more));
    return true;
}

/* Reads ahead, behind what of the block is still to be seen, but nothing that check_room would
 * refuse: what lies in the block may be taken. What was taken so far was let in by it. */
static bool read_block(Machine *m, Error *err)
{
    uint64_t left = m->source->size - m->position;
    uint64_t before = m->position - m->start - m->skipped;
    uint64_t allowed = limit(LIMIT_PICKLE_BYTES) - before;
    if (left > allowed) left = allowed;
    const size_t n = left < PICKLE_BLOCK ? (size_t)left : PICKLE_BLOCK;
    const size_t rest = m->block_end - m->block_next;
    if (rest) memmove(m->block, m->block + m->block_next, rest);
    m->block_next = 0;
    m->block_end = rest;
    if (n <= rest) return true;
    if (!source_read(m->source, m->position + rest, m->block + rest, n - rest, err)) return false;
    m->block_end = n;
    return true;
}

/* -- What handlers take ---------------------------------------------------------------- */

/* Small pieces come out of the block that was read ahead; what is longer than a block goes
 * straight where it belongs. */
bool machine_take(Machine *m, void *out, size_t n)
{
    const unsigned char *bytes = machine_ahead(m, n);
    if (bytes) memcpy(out, bytes, n);
    if (bytes) return true;
    if (!check_room(m, n)) return false;
    size_t part = m->block_end - m->block_next;
    if (part) memcpy(out, m->block + m->block_next, part);
    m->block_next += part;
    m->position += part;
    unsigned char *rest = (unsigned char *)out + part;
    n -= part;
    if (n >= PICKLE_BLOCK) {
        if (!source_read(m->source, m->position, rest, n, m->err)) return false;
    } else {
        if (!read_block(m, m->err)) return false;
        memcpy(rest, m->block, n);
        m->block_next = n;
    }
    m->position += n;
    return true;
}

/* The check that keeps memory within the file's size: whatever is allocated for an argument has
 * its bytes in the file. */
bool machine_take_far_length(Machine *m, unsigned width, bool is_signed, size_t *n)
{
    uint64_t length;
    if (!machine_take_number(m, width, &length)) return false;
    if (is_signed && width == 4 && length > INT32_MAX)
        return machine_fail(m, ERR_FORMAT, "its length is negative (%d)",
                            (int)(int32_t)(uint32_t)length);
    if (length > m->source->size - m->position) {
        m->lost = true;
        return machine_fail(m, ERR_FORMAT, "claims %" PRIu64 " bytes, the file ends %" PRIu64
                            " bytes later", length, m->source->size - m->position);
    }
    *n = (size_t)length;
    return true;
}

bool machine_take_length(Machine *m, unsigned width, bool is_signed, size_t *n)
{
    return machine_take_far_length(m, width, is_signed, n) && check_room(m, *n);
}

/* What lies behind the block is read ahead anew when it is asked for. */
void machine_skip(Machine *m, size_t n)
{
    size_t ahead = m->block_end - m->block_next;
    m->block_next += n < ahead ? n : ahead;
    m->position += n;
    m->skipped += n;
}

const unsigned char *machine_look_ahead(Machine *m, size_t n, const unsigned char **end)
{
    if (m->block_end - m->block_next < n) read_block(m, NULL);
    *end = m->block + m->block_end;
    return m->block + m->block_next;
}

/* Protocol 0 writes arguments as text. The line may go through several blocks. */
bool machine_take_line(Machine *m)
{
    text_clear(&m->line);
    for (;;) {
        if (!check_room(m, 1)) return false;
        if (m->block_next == m->block_end && !read_block(m, m->err)) return false;
        const unsigned char *from = m->block + m->block_next;
        size_t ahead = m->block_end - m->block_next;
        const unsigned char *newline = memchr(from, '\n', ahead);
        size_t n = newline ? (size_t)(newline - from) : ahead;
        text_addn(&m->line, from, n);
        m->block_next += n + (newline != NULL);
        m->position += n + (newline != NULL);
        if (newline) return true;
    }
}

/* -- The stack ------------------------------------------------------------------------- */

/* Room for `count` nodes in all. Never for more than the limit: so it need not be asked of every
 * node. */
static void enlarge_stack(Machine *m, size_t count, uint64_t most)
{
    m->stack = mem_grow(m->stack, &m->room, count, sizeof *m->stack);
    if (m->room > most) m->room = (size_t)most;
}

bool machine_grow_stack(Machine *m)
{
    char more[LIMIT_TEXT];
    const uint64_t most = limit(LIMIT_PICKLE_STACK);
    if (m->count >= most)
        return machine_fail(m, ERR_LIMIT, "its stack has %s",
                            limit_text(LIMIT_PICKLE_STACK, more));
    enlarge_stack(m, m->count + 1, most);
    return true;
}

bool machine_has_room(Machine *m, size_t nodes, size_t marks)
{
    const uint64_t most = limit(LIMIT_PICKLE_STACK);
    if (m->count + nodes > most || m->mark_count + marks > most) return false;
    enlarge_stack(m, m->count + nodes, most);
    return true;
}

Object *machine_refuse_pop(Machine *m)
{
    machine_fail(m, ERR_FORMAT, m->mark_count ? "takes an item from below the last MARK"
                                              : "takes an item from an empty stack");
    return NULL;
}

/* The extra bytes save a second allocation for text, items or a call. */
Object *machine_node(Machine *m, ObjectKind kind, size_t extra)
{
    Object *object = arena_alloc(m->arena, sizeof *object + extra);
    uint64_t at = m->opcode_at - m->start;
    object->kind = (uint8_t)kind;
    object->line = at < UINT32_MAX ? (uint32_t)at : UINT32_MAX;
    return object;
}

/* -- The run --------------------------------------------------------------------------- */

static bool refuse_nodes(Machine *m)
{
    char more[LIMIT_TEXT];
    return machine_fail(m, ERR_LIMIT, "its objects need %s", limit_text(LIMIT_PICKLE_NODES, more));
}

/* One opcode: its byte, then whatever its handler takes. */
static bool step(Machine *m)
{
    uint64_t byte;
    m->opcode = "STOP";      /* what is missing when the file ends here, in the error */
    m->opcode_at = m->position;
    if (!machine_take_number(m, 1, &byte)) return false;
    const Opcode *opcode = &opcodes[byte];
    m->opcode = opcode->name;
    m->n = opcode->n;
    if (m->watch) m->watch->before(m->watch, m, (unsigned)byte);
    if (!opcode->name) {
        m->lost = true;
        return error_set(m->err, ERR_FORMAT,
                         "%s: byte 0x%02" PRIx64 " at %" PRIu64 " is no pickle opcode; the file is "
                         "damaged or is no pickle", m->source->name, byte, m->opcode_at);
    }
    if (arena_bytes(m->arena) > m->most_nodes) return refuse_nodes(m);
    if (!opcode->handler(m)) return false;
    if (m->watch) m->watch->after(m->watch, m, (unsigned)byte);
    return true;
}

/* The stack exists from the start, so that STOP can put the result into its first item; what it has
 * room for, machine_grow_stack decides. */
static void init(Machine *m)
{
    m->block = mem_alloc(PICKLE_BLOCK);
    m->stack = mem_alloc(sizeof *m->stack);
    m->ints = mem_alloc(PICKLE_INTS * sizeof *m->ints);
    m->none = object_new(m->arena, OBJ_NONE);
    m->yes = object_new(m->arena, OBJ_BOOL);
    m->yes->boolean = true;
    m->no = object_new(m->arena, OBJ_BOOL);
    m->empty = object_new(m->arena, OBJ_TUPLE);
}

/* Frees the registers; the nodes stay in the arena. */
static void done(Machine *m)
{
    text_done(&m->line);
    free(m->block);
    free(m->ints);
    free(m->stack);
    free(m->marks);
    free(m->memo);
}

/* A watched machine goes on behind what it could not do; the first error is kept. Limits and lost
 * bytes end it. */
static bool go_on(Machine *m, Error *first)
{
    if (!first->text[0]) *first = *m->err;
    return m->watch && !m->lost && m->err->code == ERR_FORMAT;
}

/* Every opcode takes at least one byte, so the loop ends with the source at the latest. */
static Object *run(Arena *arena, ByteSource *source, uint64_t offset, PickleWatch *watch,
                   bool brief, uint64_t *used, Error *err)
{
    Error own = {0}, first = {0};
    if (offset > source->size) {
        error_set(err, ERR_FORMAT, "%s: a pickle should start at byte %" PRIu64
                  ", the file ends at %" PRIu64, source->name, offset, source->size);
        return NULL;
    }
    Machine m = {.arena = arena, .source = source, .start = offset, .position = offset,
                 .most_nodes = limit(LIMIT_PICKLE_NODES), .watch = watch, .brief = brief,
                 .err = &own};
    init(&m);
    while (!m.stopped && (step(&m) || go_on(&m, &first))) continue;
    bool fine = m.stopped && !first.text[0];
    Object *result = fine ? m.stack[0] : NULL;
    if (used) *used = m.position - offset;
    if (!fine && err) *err = first;
    done(&m);
    return result;
}

Object *pickle_read(Arena *arena, ByteSource *source, uint64_t offset, uint64_t *used,
                    Error *err)
{
    return run(arena, source, offset, NULL, false, used, err);
}

Object *pickle_read_tensors(Arena *arena, ByteSource *source, uint64_t offset, uint64_t *used,
                            Error *err)
{
    return run(arena, source, offset, NULL, true, used, err);
}

Object *pickle_read_watched(Arena *arena, ByteSource *source, uint64_t offset,
                            PickleWatch *watch, uint64_t *used, Error *err)
{
    return run(arena, source, offset, watch, false, used, err);
}
