#include "repl/columns.h"

#include <inttypes.h>
#include <string.h>

enum { WIDEST = 60 };                    /* of a column that others follow */

static void add_scalar(const Value *value, Text *out)
{
    char number[32];
    switch (value ? value->kind : VALUE_NULL) {
    case VALUE_BOOL: text_add(out, value->boolean ? "true" : "false"); return;
    case VALUE_INT: text_addf(out, "%" PRId64, value->integer); return;
    case VALUE_FLOAT:
        show_float(value->number, number);
        text_add(out, number);
        return;
    case VALUE_STRING: name_show(value->string, out); return;
    default: text_add(out, "-"); return;
    }
}

/* A list of numbers is a shape. */
static void add_cell(const Value *value, Text *out)
{
    if (!value || value->kind != VALUE_LIST) {
        add_scalar(value, out);
        return;
    }
    if (!value->list.count) text_add(out, "scalar");
    for (size_t i = 0; i < value->list.count; i++) {
        if (i) text_add(out, "×");
        add_scalar(value->list.items[i].value, out);
    }
}

/* Characters, of which a column counts one cell each. */
static size_t count_cells(const Text *cell)
{
    size_t n = 0;
    const char *p = text_string(cell), *end = p + cell->length;
    for (; p < end; n++) utf8_next(&p, end);
    return n;
}

static size_t measure(const Value *list, const char *key)
{
    size_t widest = strlen(key);
    Text cell = {0};
    for (size_t i = 0; i < list->list.count; i++) {
        text_clear(&cell);
        add_cell(value_get(list->list.items[i].value, key), &cell);
        size_t n = count_cells(&cell);
        if (n > widest) widest = n;
    }
    text_done(&cell);
    return widest < WIDEST ? widest : WIDEST;
}

/* `record` NULL: the names of the fields. */
static void add_row(const Value *record, const Value *first, const size_t *widths, Text *out)
{
    Text cell = {0};
    for (size_t i = 0; i < first->list.count; i++) {
        text_clear(&cell);
        if (record) add_cell(value_get(record, first->list.items[i].key), &cell);
        else text_add(&cell, first->list.items[i].key);
        text_add(out, text_string(&cell));
        if (i + 1 == first->list.count) continue;
        for (size_t n = count_cells(&cell); n < widths[i]; n++) text_addc(out, ' ');
        text_add(out, "  ");
    }
    while (out->length && out->bytes[out->length - 1] == ' ') out->length--;
    text_addc(out, '\n');
    text_done(&cell);
}

void columns_show(const Value *list, const char *empty, Text *out)
{
    enum { COLUMNS_MAX = 12 };
    size_t widths[COLUMNS_MAX];
    const Value *first = list->list.count ? list->list.items[0].value : NULL;
    if (!first) {
        text_addf(out, "%s\n", empty);
        return;
    }
    for (size_t i = 0; i < first->list.count && i < COLUMNS_MAX; i++)
        widths[i] = measure(list, first->list.items[i].key);
    add_row(NULL, first, widths, out);
    for (size_t i = 0; i < list->list.count; i++)
        add_row(list->list.items[i].value, first, widths, out);
}
