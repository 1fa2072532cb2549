/* What casts lose: the values are turned back, and compared with what they were. */
#include "loader/align/cast_loss.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { CHUNK = 512 };            /* values that are turned back at a time */

/* Bits of a mantissa, the hidden one included, and the largest exponent; 0 for what is no float. */
static int mantissa_of(DType dtype, int *exponent)
{
    switch (dtype) {
    case DT_F64: *exponent = 1024; return 53;
    case DT_F32: *exponent = 128; return 24;
    case DT_BF16: *exponent = 128; return 8;
    case DT_F16: *exponent = 16; return 11;
    default: return 0;
    }
}

/* Whether every value of one dtype is one of the other. Only those casts that are common: others
 * are measured, and found to have lost nothing. */
static bool holds_all(DType from, DType to)
{
    int high = 0, wide = 0, a = mantissa_of(from, &high), b = mantissa_of(to, &wide);
    return from == to || (a && b && b >= a && wide >= high);
}

/* The pair's record, made when first needed; a pair too many is counted with the last. */
static CastLoss *find_pair(CastLosses *losses, DType from, DType to)
{
    size_t i = 0;
    while (i < losses->count && (losses->pairs[i].from != from || losses->pairs[i].to != to)) i++;
    if (i == CAST_PAIRS) return &losses->pairs[CAST_PAIRS - 1];
    if (i == losses->count) losses->pairs[losses->count++] = (CastLoss){.from = from, .to = to};
    return &losses->pairs[i];
}

/* Whether a value is another number than before; `same`: turned back it has the same bytes. -0
 * that became 0 is the same number. Integers beyond 2^53 are no doubles; those that a float rounded
 * up to a power of two come back as the largest integer. */
static bool is_changed(DType held, double before, double after, bool same)
{
    if (dtype_info(held)->kind == CLASS_COMPLEX) return !same;
    if (isnan(before)) return !isnan(after);
    if (before != after) return true;
    if (fabs(before) < 0x1p53 || dtype_info(held)->kind == CLASS_FLOAT) return false;
    return !same || after >= (held == DT_U64 ? 0x1p64 : 0x1p63);
}

/* One value, before and after. */
static void compare(CastLoss *loss, DType held, double before, double after, bool same)
{
    if (!is_changed(held, before, after, same)) return;
    loss->changed++;
    if (isnan(after)) loss->nans++;
    else if (isinf(after) && !isinf(before)) loss->infinite++;
    else if (fabs(before - after) > loss->max_error) loss->max_error = fabs(before - after);
}

void cast_loss_add(CastLosses *losses, DType from, DType held, const void *in, DType to,
                   const void *out, size_t n)
{
    unsigned char back[CHUNK * 16];
    double before[CHUNK], after[CHUNK];
    if (holds_all(held, to)) return;
    CastLoss *loss = find_pair(losses, from, to);
    size_t size = dtype_size(held), made = dtype_size(to);
    const unsigned char *a = in, *b = out;
    bool floats = dtype_info(held)->kind == CLASS_FLOAT && dtype_info(to)->kind == CLASS_FLOAT;
    loss->values += n;
    for (size_t count; n; n -= count, a += count * size, b += count * made) {
        count = n < CHUNK ? n : CHUNK;
        if (!dtype_convert(to, b, held, back, count)) return;
        if (floats && memcmp(a, back, count * size) == 0) continue;   /* most often */
        dtype_to_doubles(held, a, before, count);
        dtype_to_doubles(to, b, after, count);
        for (size_t i = 0; i < count; i++)
            compare(loss, held, before[i], after[i],
                    memcmp(a + i * size, back + i * size, size) == 0);
    }
}

void cast_loss_sum(CastLoss *sum, const CastLoss *one)
{
    sum->from = one->from;
    sum->to = one->to;
    sum->values += one->values;
    sum->changed += one->changed;
    sum->infinite += one->infinite;
    sum->nans += one->nans;
    if (one->max_error > sum->max_error) sum->max_error = one->max_error;
}

void cast_loss_show(const CastLoss *loss, char text[160])
{
    size_t n = (size_t)snprintf(text, 160, "%" PRIu64 " of %" PRIu64 " values changed",
                                loss->changed, loss->values);
    if (!loss->changed) n = (size_t)snprintf(text, 160, "no value changed");
    if (loss->max_error > 0)
        n += (size_t)snprintf(text + n, 160 - n, ", by up to %.3g", loss->max_error);
    if (loss->infinite)
        n += (size_t)snprintf(text + n, 160 - n, "; %" PRIu64 " became infinite", loss->infinite);
    if (loss->nans) snprintf(text + n, 160 - n, "; %" PRIu64 " became NaN", loss->nans);
}
