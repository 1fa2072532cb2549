/* The limits in force: the table's defaults until limit_set changes one. */
#include "loader/core/limits.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loader/core/memory.h"
#include "loader/core/text.h"

#define LIMIT_ROW(id, name, value, what) {name, value},
static const struct {
    const char *name;        /* "header-bytes" */
    uint64_t value;          /* the default */
} table[] = {LIMITS(LIMIT_ROW)};
#undef LIMIT_ROW

/* The one piece of state in the loader that belongs to the process: see the header. */
#define LIMIT_VALUE(id, name, value, what) value,
static uint64_t in_force[] = {LIMITS(LIMIT_VALUE)};
#undef LIMIT_VALUE
static bool was_set[LIMIT_COUNT];

uint64_t limit(LimitId id)
{
    return in_force[id];
}

uint64_t limit_allowance(uint64_t bytes)
{
    uint64_t more, all;
    if (sum_mul(bytes, limit(LIMIT_LISTING_RATIO), &more) &&
        sum_add(more, limit(LIMIT_LISTING_BYTES), &all))
        return all;
    return UINT64_MAX;
}

/* Digits and at most one unit behind them. */
static bool read_amount(const char *text, uint64_t *out)
{
    char *end;
    if (!is_digit(*text)) return false;
    uint64_t value = strtoull(text, &end, 10), unit = 1;
    if (value > UINT64_MAX / 2) return false;
    if (*end == 'k') unit = 1000;
    else if (*end == 'M') unit = 1000 * 1000;
    else if (*end == 'G') unit = 1000 * 1000 * 1000;
    if (unit != 1) end++;
    uint64_t amount;
    if (*end || !sum_mul(value, unit, &amount)) return false;
    *out = amount;
    return true;
}

/* `weak`: what was set before stays. */
static bool set(const char *setting, bool weak, Error *err)
{
    uint64_t value;
    const char *equals = strchr(setting, '=');
    size_t n = equals ? (size_t)(equals - setting) : strlen(setting);
    for (size_t i = 0; i < countof(table); i++) {
        if (strlen(table[i].name) != n || memcmp(table[i].name, setting, n) != 0) continue;
        if (equals && read_amount(equals + 1, &value)) {
            if (!weak || !was_set[i]) in_force[i] = value;
            was_set[i] = true;
            return true;
        }
        return error_set(err, ERR_USAGE, "--limit %s: give a number, such as %s=%" PRIu64,
                         setting, table[i].name, table[i].value);
    }
    return error_set(err, ERR_USAGE, "--limit %s: there is no such limit; tenon(1) lists them",
                     setting);
}

bool limit_set(const char *setting, Error *err)
{
    return set(setting, false, err);
}

bool limit_prefer(const char *setting, Error *err)
{
    return set(setting, true, err);
}

const char *limit_text(LimitId id, char out[LIMIT_TEXT])
{
    snprintf(out, LIMIT_TEXT, "more than the limit of %" PRIu64 " (--limit %s=N%s allows more)",
             in_force[id], table[id].name,
             id == LIMIT_LISTING_BYTES ? " or listing-ratio=N" : "");
    return out;
}
