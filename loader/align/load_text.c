/* The words of PyTorch and of Python around a LoadReport. */
#include <string.h>

#include "loader/align/load.h"

void load_size_text(const int64_t *dims, unsigned rank, Text *out)
{
    text_add(out, "torch.Size([");
    for (unsigned i = 0; dims && i < rank; i++)
        text_addf(out, "%s%lld", i ? ", " : "", (long long)dims[i]);
    text_add(out, "])");
}

/* What Python's str.isprintable refuses beyond ASCII, as far as keys are likely to hold it:
 * controls, separators other than the blank, soft hyphen, formats, surrogates, private use. */
static bool is_printable(uint32_t code)
{
    static const uint32_t refused[][2] = {
        {0x00, 0x1F}, {0x7F, 0xA0}, {0xAD, 0xAD}, {0x600, 0x605}, {0x61C, 0x61C}, {0x6DD, 0x6DD},
        {0x70F, 0x70F}, {0x1680, 0x1680}, {0x180E, 0x180E}, {0x2000, 0x200F}, {0x2028, 0x202F},
        {0x205F, 0x206F}, {0x3000, 0x3000}, {0xD800, 0xF8FF}, {0xFEFF, 0xFEFF}, {0xFFF9, 0xFFFB},
        {0xE0000, 0xE0FFF}, {0xF0000, 0x10FFFF}};
    for (size_t i = 0; i < countof(refused); i++)
        if (code >= refused[i][0] && code <= refused[i][1]) return false;
    return true;
}

/* Single quotes, unless the text has some and no double ones. */
void load_repr_text(const char *name, Text *out)
{
    const char quote = strchr(name, '\'') && !strchr(name, '"') ? '"' : '\'';
    text_addc(out, quote);
    for (const char *at = name, *end = name + strlen(name); at < end;) {
        uint32_t code = utf8_next(&at, end);
        if (code == (uint32_t)quote || code == '\\') text_addf(out, "\\%c", (char)code);
        else if (code == '\n') text_add(out, "\\n");
        else if (code == '\r') text_add(out, "\\r");
        else if (code == '\t') text_add(out, "\\t");
        else if (is_printable(code)) utf8_add(out, code);
        else if (code < 0x100) text_addf(out, "\\x%02x", code);
        else if (code < 0x10000) text_addf(out, "\\u%04x", code);
        else text_addf(out, "\\U%08x", code);
    }
    text_addc(out, quote);
}

/* `"a", "b"`: PyTorch puts keys between quotes as they are. */
static void add_keys(const char *const *keys, size_t count, Text *out)
{
    for (size_t i = 0; i < count; i++) text_addf(out, "%s\"%s\"", i ? ", " : "", keys[i]);
}

/* Missing keys were put in front last, so they come first. */
bool load_error_text(const LoadReport *report, const char *model, bool strict, Text *out)
{
    if (report->stopped) {
        text_add(out, report->stopped);
        return true;
    }
    const bool missing = strict && report->missing_count;
    const bool unexpected = strict && report->unexpected_count;
    if (!missing && !unexpected && !report->error_count) return false;
    text_addf(out, "Error(s) in loading state_dict for %s:", model);
    if (missing) {
        text_add(out, "\n\tMissing key(s) in state_dict: ");
        add_keys(report->missing, report->missing_count, out);
        text_add(out, ". ");
    }
    if (unexpected) {
        text_add(out, "\n\tUnexpected key(s) in state_dict: ");
        add_keys(report->unexpected, report->unexpected_count, out);
        text_add(out, ". ");
    }
    for (size_t i = 0; i < report->error_count; i++) text_addf(out, "\n\t%s", report->errors[i]);
    return true;
}

static void add_list(const char *name, const char *const *keys, size_t count, Text *out)
{
    text_addf(out, "%s=[", name);
    for (size_t i = 0; i < count; i++) {
        if (i) text_add(out, ", ");
        load_repr_text(keys[i], out);
    }
    text_addc(out, ']');
}

void load_result_text(const LoadReport *report, Text *out)
{
    if (!report->missing_count && !report->unexpected_count) {
        text_add(out, "<All keys matched successfully>");
        return;
    }
    text_add(out, "_IncompatibleKeys(");
    add_list("missing_keys", report->missing, report->missing_count, out);
    text_add(out, ", ");
    add_list("unexpected_keys", report->unexpected, report->unexpected_count, out);
    text_addc(out, ')');
}
