/* Opcodes that make a value out of their argument: numbers, text, bytes.
 *
 * Each reads what stands behind the opcode, given above its handler, and pushes one node. Numbers
 * are little-endian. What CPython's Lib/pickletools.py calls a "stringnl" is a line of text here:
 * protocol 0 writes nothing else. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "loader/format/pickle_machine.h"

/* NONE */
bool pickle_none(Machine *m)
{
    return machine_push(m, m->none);
}

/* NEWTRUE, NEWFALSE: m->n is the truth value. */
bool pickle_bool(Machine *m)
{
    return machine_push(m, m->n ? m->yes : m->no);
}

/* Small ones are shared: a million tensors have millions of sizes and strides. */
Object *machine_int(Machine *m, int64_t integer)
{
    bool small = integer >= 0 && integer < PICKLE_INTS;
    Object *object = small ? m->ints[integer] : NULL;
    if (!object) {
        object = machine_node(m, OBJ_INT, 0);
        object->integer = integer;
        if (small) m->ints[integer] = object;
    }
    return object;
}

static bool push_int(Machine *m, int64_t integer)
{
    return machine_push(m, machine_int(m, integer));
}

/* BININT1 u8, BININT2 u16, BININT i32: only the widest is signed. */
bool pickle_binint(Machine *m)
{
    uint64_t number;
    if (!machine_take_number(m, m->n, &number)) return false;
    return push_int(m, m->n == 4 ? (int64_t)(int32_t)(uint32_t)number : (int64_t)number);
}

/* n bytes, little-endian two's complement, as INT where they fit and else as BIGINT with no more
 * bytes than needed: a last byte that only repeats the sign of the one before it is dropped. */
static bool push_long(Machine *m, const unsigned char *bytes, size_t n)
{
    while (n > 1 && ((bytes[n - 1] == 0 && bytes[n - 2] < 0x80) ||
                     (bytes[n - 1] == 0xFF && bytes[n - 2] >= 0x80)))
        n--;
    if (n <= 8) {
        uint64_t number = n && bytes[n - 1] >= 0x80 ? UINT64_MAX : 0;
        for (size_t i = n; i-- > 0;) number = number << 8 | bytes[i];
        return push_int(m, (int64_t)number);
    }
    Object *object = machine_node(m, OBJ_BIGINT, n);
    memcpy(object + 1, bytes, n);
    object->bytes.text = (const char *)(object + 1);
    object->bytes.n = n;
    return machine_push(m, object);
}

/* LONG1 u8 n, LONG4 i32 n; then n bytes of two's complement. No bytes are the number 0. */
bool pickle_long(Machine *m)
{
    size_t n;
    if (!machine_take_length(m, m->n, true, &n)) return false;
    unsigned char *bytes = mem_alloc(n);
    bool fine = machine_take(m, bytes, n) && push_long(m, bytes, n);
    free(bytes);
    return fine;
}

/* number = number × by + plus, in `n` limbs of 32 bits, the lowest first; returns the new n. The
 * caller's array has room for one more. */
static size_t multiply_add(uint32_t *number, size_t n, uint32_t by, uint32_t plus)
{
    uint64_t carry = plus;
    for (size_t i = 0; i < n; i++) {
        carry += (uint64_t)number[i] * by;
        number[i] = (uint32_t)carry;
        carry >>= 32;
    }
    if (carry) number[n++] = (uint32_t)carry;
    return n;
}

/* Decimal digits as little-endian two's complement bytes, with a byte to spare for the sign.
 * The digits were counted: their number bounds the work. */
static size_t decimal_bytes(const char *digits, size_t count, bool negative, unsigned char *bytes)
{
    uint32_t number[PICKLE_DIGITS_MAX / 9 + 2] = {0};
    size_t n = 0, size = 0;
    for (size_t i = 0; i < count; i++) n = multiply_add(number, n, 10, (uint32_t)(digits[i] - '0'));
    unsigned carry = negative;
    for (size_t i = 0; i <= 4 * n; i++) {
        unsigned byte = i < 4 * n ? number[i / 4] >> (8 * (i % 4)) & 0xFF : 0;
        if (negative) {
            byte = (byte ^ 0xFF) + carry;
            carry = byte >> 8;
        }
        bytes[size++] = (unsigned char)byte;
    }
    return size;
}

/* INT, LONG: decimal text. INT writes True and False as 01 and 00; LONG (m->n is 1) ends in an L,
 * which may be missing. */
bool pickle_int_text(Machine *m)
{
    unsigned char bytes[4 * (PICKLE_DIGITS_MAX / 9 + 2) + 1];
    if (!machine_take_line(m)) return false;
    const char *text = text_string(&m->line);
    size_t length = m->line.length;
    if (!m->n && length == 2 && (strcmp(text, "00") == 0 || strcmp(text, "01") == 0))
        return machine_push(m, text[1] == '1' ? m->yes : m->no);
    bool negative = text[0] == '-';
    const char *digits = text + (text[0] == '-' || text[0] == '+');
    size_t count = strspn(digits, "0123456789"), end = (size_t)(digits - text) + count;
    if (m->n && text[end] == 'L') end++;
    if (!count || end != length)
        return machine_fail(m, ERR_FORMAT, "its text is no decimal number");
    if (count > PICKLE_DIGITS_MAX)
        return machine_fail(m, ERR_LIMIT, "%zu digits are more than the limit of %d", count,
                            PICKLE_DIGITS_MAX);
    return push_long(m, bytes, decimal_bytes(digits, count, negative, bytes));
}

/* Floats are not shared: 0.0 and -0.0 are equal, and NaN is not equal to itself. */
static bool push_float(Machine *m, double number)
{
    Object *object = machine_node(m, OBJ_FLOAT, 0);
    object->number = number;
    return machine_push(m, object);
}

/* BINFLOAT f64: the one big-endian number of the format. */
bool pickle_binfloat(Machine *m)
{
    unsigned char bytes[8];
    if (!machine_take(m, bytes, sizeof bytes)) return false;
    uint64_t bits = 0;
    for (unsigned i = 0; i < sizeof bytes; i++) bits = bits << 8 | bytes[i];
    double number;
    memcpy(&number, &bits, sizeof number);
    return push_float(m, number);
}

/* FLOAT: Python's repr of a float, which strtod reads ("inf" and "nan" too). */
bool pickle_float_text(Machine *m)
{
    if (!machine_take_line(m)) return false;
    const char *text = text_string(&m->line);
    char *end;
    double number = strtod(text, &end);   /* LC_NUMERIC stays "C" in this program */
    if (end == text || (size_t)(end - text) != m->line.length)
        return machine_fail(m, ERR_FORMAT, "its text is no number");
    return push_float(m, number);
}

/* Python writes UTF-8 and lone surrogates in their 3-byte form ("surrogatepass"). */
static bool is_python_text(const char *bytes, size_t n)
{
    if (utf8_valid(bytes, n)) return true;
    const char *end = bytes + n;
    while (bytes < end) {
        const char *start = bytes;
        uint32_t code = utf8_next(&bytes, end);
        bool overlong_nul = code == 0 && bytes - start == 2;
        if (overlong_nul || (code >= 0x80 && bytes - start == 1)) return false;
    }
    return true;
}

/* A node with its n bytes right behind it, and a NUL. Reads them from the pickle. */
static Object *take_text(Machine *m, ObjectKind kind, size_t n)
{
    uint64_t at = m->position;
    Object *object = machine_node(m, kind, n + 1);
    char *text = (char *)(object + 1);
    if (!machine_take(m, text, n)) return NULL;
    object->bytes.at = at;
    object->bytes.text = text;
    object->bytes.n = n;
    return object;
}

/* Passes over what is too long to be anything but values: text or bytes of n bytes. */
static bool push_far(Machine *m, FarKind kind, size_t n)
{
    Object *object = machine_node(m, OBJ_FAR, 0);
    object->call_kind = (uint8_t)kind;
    object->far.at = m->position;
    object->far.n = n;
    machine_skip(m, n);
    return machine_push(m, object);
}

/* Names hold a NUL as C0 80; nearly no text has one. */
static void hold_text(Machine *m, Object *object)
{
    if (!memchr(object->bytes.text, '\0', object->bytes.n)) return;
    object->bytes.text = name_hold(m->arena, object->bytes.text, object->bytes.n);
    object->bytes.n = strlen(object->bytes.text);
}

/* SHORT_BINUNICODE u8 n, BINUNICODE u32 n, BINUNICODE8 u64 n; then n bytes of UTF-8. */
bool pickle_unicode(Machine *m)
{
    size_t n;
    if (!machine_take_far_length(m, m->n, false, &n)) return false;
    if (n > PICKLE_NEAR_MAX) return push_far(m, FAR_TEXT, n);
    Object *object = take_text(m, OBJ_STR, n);
    if (!object) return false;
    if (!is_python_text(object->bytes.text, n))
        return machine_fail(m, ERR_FORMAT, "its text is not UTF-8");
    hold_text(m, object);
    return machine_push(m, object);
}

/* A Python 2 str: text when it can be, as its readers expect (keys, class names), else bytes. */
static bool push_python2(Machine *m, Object *object)
{
    if (is_python_text(object->bytes.text, object->bytes.n)) hold_text(m, object);
    else object->kind = OBJ_BYTES;
    return machine_push(m, object);
}

/* SHORT_BINSTRING u8 n, BINSTRING i32 n; then n bytes in whatever encoding Python 2 had. */
bool pickle_string(Machine *m)
{
    size_t n;
    if (!machine_take_far_length(m, m->n, true, &n)) return false;
    if (n > PICKLE_NEAR_MAX) return push_far(m, FAR_PYTHON2, n);
    Object *object = take_text(m, OBJ_STR, n);
    return object && push_python2(m, object);
}

/* Bytes are kept as they are, with NULs; only `n` says where they end. */
static bool take_blob(Machine *m, ObjectKind kind)
{
    size_t n;
    if (!machine_take_far_length(m, m->n, false, &n)) return false;
    if (n > PICKLE_NEAR_MAX)
        return push_far(m, kind == OBJ_BYTES ? FAR_BYTES : FAR_BYTEARRAY, n);
    Object *object = take_text(m, kind, n);
    return object && machine_push(m, object);
}

/* SHORT_BINBYTES u8 n, BINBYTES u32 n, BINBYTES8 u64 n; then n bytes. */
bool pickle_bytes(Machine *m)
{
    return take_blob(m, OBJ_BYTES);
}

/* BYTEARRAY8 u64 n; then n bytes. Protocol 5. */
bool pickle_bytearray(Machine *m)
{
    return take_blob(m, OBJ_BYTEARRAY);
}

/* See pickle.h. The node becomes what it would have been, had it been short. */
bool pickle_hold(Arena *arena, ByteSource *source, Object *far, Error *err)
{
    uint64_t at = far->far.at;
    size_t n = (size_t)far->far.n;
    FarKind kind = (FarKind)far->call_kind;
    char more[LIMIT_TEXT];
    uint64_t room = limit(LIMIT_PICKLE_NODES), there = arena_bytes(arena);
    if (there > room || n > (room - there) / 2)
        return error_set(err, ERR_LIMIT, "%zu bytes of text or data at byte %" PRIu64 " need %s", n,
                         at, limit_text(LIMIT_PICKLE_NODES, more));
    char *text = arena_alloc(arena, n + 1);
    if (!source_read(source, at, text, n, err)) return false;
    bool is_text = kind >= FAR_TEXT && is_python_text(text, n);
    if (kind == FAR_TEXT && !is_text)
        return error_set(err, ERR_FORMAT, "its text at byte %" PRIu64 " is not UTF-8", at);
    far->kind = (uint8_t)(is_text                 ? OBJ_STR
                          : kind == FAR_BYTEARRAY ? OBJ_BYTEARRAY
                                                  : OBJ_BYTES);
    bool has_nul = is_text && memchr(text, '\0', n);
    far->bytes.text = has_nul ? name_hold(arena, text, n) : text;
    far->bytes.n = has_nul ? strlen(far->bytes.text) : n;
    far->bytes.at = at;
    return true;
}

/* The digit's value, -1 for any other character. 0x20 turns capitals into small letters. */
static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* `count` hexadecimal digits at text[0…], which ends in a NUL; false when they are not there. */
static bool parse_hex(const char *text, unsigned count, uint32_t *code)
{
    *code = 0;
    for (unsigned i = 0; i < count; i++) {
        int digit = hex_digit(text[i]);
        if (digit < 0) return false;
        *code = *code << 4 | (uint32_t)digit;
    }
    return true;
}

/* A STR with a copy of the text right behind it. Memory of an arena is zeroed, so it ends in a
 * NUL. */
static Object *text_node(Machine *m, const Text *text)
{
    Object *object = machine_node(m, OBJ_STR, text->length + 1);
    char *copy = (char *)(object + 1);
    if (text->length) memcpy(copy, text->bytes, text->length);
    object->bytes.text = copy;
    object->bytes.n = text->length;
    return object;
}

/* UNICODE: Python's raw-unicode-escape: Latin-1, and \uXXXX or \UXXXXXXXX. */
static bool unescape_unicode(Machine *m, Text *out)
{
    const char *p = text_string(&m->line), *end = p + m->line.length;
    while (p < end) {
        unsigned count = p[0] != '\\' ? 0 : p[1] == 'u' ? 4 : p[1] == 'U' ? 8 : 0;
        uint32_t code = (unsigned char)*p;
        if (count) {
            if (!parse_hex(p + 2, count, &code) || code > 0x10FFFF)
                return machine_fail(m, ERR_FORMAT, "has a \\%c escape without a character", p[1]);
            p += 2 + count;
        } else if (*p == '\\' && p + 1 < end) {
            utf8_add(out, '\\');     /* a pair that escapes nothing stays as it is */
            code = (unsigned char)p[1];
            p += 2;
        } else {
            p++;
        }
        utf8_add(out, code);
    }
    return true;
}

/* UNICODE, see unescape_unicode. */
bool pickle_unicode_text(Machine *m)
{
    Text text = {0};
    bool fine = machine_take_line(m) && unescape_unicode(m, &text);
    if (fine) {
        Object *object = text_node(m, &text);
        hold_text(m, object);
        fine = machine_push(m, object);
    }
    text_done(&text);
    return fine;
}

/* One escape of a Python string literal, behind its backslash; returns what follows it. A letter,
 * \xHH, or one to three octal digits (Python reference, "String and Bytes literals"). */
static const char *unescape_one(const char *p, Text *out)
{
    static const char letters[] = "abfnrtv\\'\"", values[] = "\a\b\f\n\r\t\v\\'\"";
    const char *letter = *p ? strchr(letters, *p) : NULL;
    uint32_t code;
    if (letter) {
        text_addc(out, values[letter - letters]);
        return p + 1;
    }
    if (*p == 'x' && parse_hex(p + 1, 2, &code)) {
        text_addc(out, (char)code);
        return p + 3;
    }
    if (*p < '0' || *p > '7') {
        text_addc(out, '\\');        /* as Python: an unknown escape stands for itself */
        return p;
    }
    unsigned value = 0;
    for (int i = 0; i < 3 && *p >= '0' && *p <= '7'; i++)
        value = value * 8 + (unsigned)(*p++ - '0');
    text_addc(out, (char)value);
    return p;
}

/* STRING: a Python 2 literal in quotes, with its escapes. Quotes inside are escaped or of the
 * other kind; spaces behind the literal are passed over, as in CPython. */
bool pickle_string_text(Machine *m)
{
    if (!machine_take_line(m)) return false;
    const char *line = text_string(&m->line);
    size_t length = m->line.length;
    while (length && (line[length - 1] == ' ' || line[length - 1] == '\r')) length--;
    if (length < 2 || (line[0] != '\'' && line[0] != '"') || line[length - 1] != line[0])
        return machine_fail(m, ERR_FORMAT, "its text does not stand in quotes");
    Text text = {0};
    for (const char *p = line + 1, *end = line + length - 1; p < end;) {
        if (*p == '\\' && p + 1 < end) p = unescape_one(p + 1, &text);
        else text_addc(&text, *p++);
    }
    Object *object = text_node(m, &text);
    text_done(&text);
    return push_python2(m, object);
}

/* NEXT_BUFFER, READONLY_BUFFER: bytes that protocol 5 hands over beside the pickle. */
bool pickle_buffer(Machine *m)
{
    return machine_fail(m, ERR_UNSUPPORTED, "refers to a buffer outside of the file; save it "
                                            "without buffer_callback");
}
