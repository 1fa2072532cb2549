/* Copies may reach into what they make themselves, so they go byte by byte. */
#include "loader/format/snappy.h"

#include <stdint.h>
#include <string.h>

#include "loader/core/little.h"
#include "loader/core/memory.h"

/* A varint of up to 32 bits; returns the bytes it takes, 0 when it is none. */
static size_t take_length(const unsigned char *in, size_t n, uint64_t *length)
{
    *length = 0;
    for (size_t i = 0; i < n && i < 5; i++) {
        *length |= (uint64_t)(in[i] & 0x7F) << 7 * i;
        if (in[i] < 0x80) return *length <= UINT32_MAX ? i + 1 : 0;
    }
    return 0;
}

bool snappy_length(const unsigned char *in, size_t n, size_t *length)
{
    uint64_t claimed;
    size_t used = take_length(in, n, &claimed);
    *length = (size_t)claimed;
    return used && claimed / 64 <= (n - used) / 3 + 1;
}

/* One element: its bytes go to out[*made]; *at moves behind it. */
static bool decode_element(const unsigned char *in, size_t n, size_t *at, unsigned char *out,
                           size_t length, size_t *made)
{
    unsigned tag = in[(*at)++], kind = tag & 3;
    size_t size = (tag >> 2) + 1, offset;
    unsigned extra = kind == 0 ? (size > 60 ? (unsigned)(size - 60) : 0)
                               : kind == 3 ? 4 : kind;
    if (extra > n - *at) return false;
    size_t number = (size_t)little_read(in + *at, extra);
    *at += extra;
    if (kind == 0) {
        if (extra) size = number + 1;
        if (size > n - *at || size > length - *made) return false;
        memcpy(out + *made, in + *at, size);
        *at += size;
        *made += size;
        return true;
    }
    offset = kind == 1 ? (size_t)(tag >> 5) << 8 | number : number;
    if (kind == 1) size = (tag >> 2 & 7) + 4;
    if (!offset || offset > *made || size > length - *made) return false;
    for (size_t i = 0; i < size; i++, ++*made) out[*made] = out[*made - offset];
    return true;
}

bool snappy_decode(const unsigned char *in, size_t n, unsigned char *out, size_t length)
{
    uint64_t claimed;
    size_t at = take_length(in, n, &claimed), made = 0;
    if (!at || claimed != length) return false;
    while (at < n)
        if (!decode_element(in, n, &at, out, length, &made)) return false;
    return made == length;
}
