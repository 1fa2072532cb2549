/* JSON as the crate writes it. */
#include "loader/export/safetensors_header.h"

#include <inttypes.h>

#include "loader/core/json.h"

enum { HEADER_MAX = 100 * 1000 * 1000 };   /* the crate reads no bigger one */

/* A JSON string, escaped as serde_json does. */
static void put_string(Text *out, const char *name)
{
    text_addc(out, '"');
    json_escape(name, out);
    text_addc(out, '"');
}

/* Never empty: the plan has at least a format. */
void safetensors_put_metadata(const Plan *plan, Text *out)
{
    text_add(out, "{\"__metadata__\":{");
    for (size_t i = 0; i < plan->metadata_count; i++) {
        if (i) text_addc(out, ',');
        put_string(out, plan->metadata[i].key);
        text_addc(out, ':');
        put_string(out, plan->metadata[i].value);
    }
    text_addc(out, '}');
}

/* Half a million times for 94,000 tensors: text_addf would take five times as long. */
static void put_number(Text *out, uint64_t number)
{
    char digits[20];
    size_t at = sizeof digits;
    do digits[--at] = (char)('0' + number % 10);
    while (number /= 10);
    text_addn(out, digits + at, sizeof digits - at);
}

void safetensors_put_entry(const PlanEntry *entry, uint64_t begin, Text *out)
{
    text_addc(out, ',');
    put_string(out, entry->name);
    text_add(out, ":{\"dtype\":\"");
    text_add(out, dtype_info(entry->dtype)->safetensors);
    text_add(out, "\",\"shape\":[");
    for (unsigned i = 0; i < entry->rank; i++) {
        if (i) text_addc(out, ',');
        put_number(out, (uint64_t)entry->dims[i]);
    }
    text_add(out, "],\"data_offsets\":[");
    put_number(out, begin);
    text_addc(out, ',');
    put_number(out, begin + plan_entry_bytes(entry));
    text_add(out, "]}");
}

bool safetensors_put_length(uint64_t length, char bytes[SAFETENSORS_LENGTH], Error *err)
{
    if (length > HEADER_MAX)
        return error_set(err, ERR_LIMIT, "the header would have %" PRIu64 " bytes, and "
                         "safetensors reads at most %d; write .pth", length, HEADER_MAX);
    for (unsigned i = 0; i < SAFETENSORS_LENGTH; i++) bytes[i] = (char)(length >> (8 * i));
    return true;
}

bool safetensors_close_header(Text *out, size_t whole, Error *err)
{
    while (out->length < whole) text_addc(out, ' ');
    return safetensors_put_length(out->length - SAFETENSORS_LENGTH, out->bytes, err);
}
