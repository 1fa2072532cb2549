/* Rules in the making as rule text. */
#include <string.h>

#include "loader/align/induce_parts.h"

void made_add(MadeList *list, const Made *made)
{
    list->items = mem_grow(list->items, &list->room, list->count + 1, sizeof *list->items);
    list->items[list->count++] = made;
}

/* Segment by segment, since a dot in quotes does not go with a `**` behind it. */
static void write_literal(const char *text, size_t n, Text *out)
{
    while (n) {
        const char *dot = memchr(text, '.', n);
        size_t length = dot ? (size_t)(dot - text) : n;
        rule_quote(text, length, out);
        if (dot) text_addc(out, '.');
        length += dot != NULL;
        text += length;
        n -= length;
    }
}

void side_write(const Head *head, Tail tail, const char *const *columns, Text *out)
{
    const char *at = head->text, *end = at + head->length;
    unsigned column = 0;
    if (at == end && tail == TAIL_NONE) text_add(out, "\"\"");
    while (at < end) {
        const char *mark = head->literal ? NULL : memchr(at, FAMILY_MARK, (size_t)(end - at));
        write_literal(at, (size_t)((mark ? mark : end) - at), out);
        if (mark) text_add(out, columns[column++]);
        at = mark ? mark + 1 : end;
    }
    if (tail != TAIL_NONE) text_add(out, tail == TAIL_SEGMENT ? "*" : "**");
}

const char *made_text(Arena *arena, const Inducer *inducer, const Made *made)
{
    Text text = {0};
    for (size_t i = 0; i < made->list_count; i++)
        text_addf(&text, "%s%s%s", i ? ", " : "", made->keep[i] ? "&" : "", made->sides[i]);
    text_add(&text, made->target_count ? " -> " : " ->");
    for (size_t i = 0; i < made->target_count; i++)
        text_addf(&text, "%s%s", i ? ", " : "", made->sides[made->list_count + i]);
    if (*inducer->ops[made->ops]) text_addf(&text, " |> %s", inducer->ops[made->ops]);
    return text_keep(&text, arena);
}
