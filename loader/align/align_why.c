/* What a pair that auto{} found rests on, in words: told after the fact from names and shapes, for
 * reports, rules that are written out and the viewer. The engine weighs; this only tells. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "loader/align/align_doubt.h"
#include "loader/align/auto_table.h"
#include "loader/align/words_alike.h"

enum { SHOWN = 3, SEGMENTS = 32 };   /* words that are named; of a name that are looked at */

struct WhyBook {
    Arena *arena;                /* the alignment's: texts stay */
    const Lexicon *lexicon;      /* NULL: none */
    NameMap families;            /* both families → index of texts */
    const char **texts;          /* owned, growing */
    size_t count, room;
    Table alike;                 /* shape → targets that have it */
    Text family;                 /* scratch */
    const Alignment *alignment;
};

static uint64_t shape_key(const int64_t *dims, unsigned rank)
{
    return hash_text(rank, (const char *)dims, rank * sizeof *dims);
}

WhyBook *why_new(const Alignment *alignment, const Lexicon *lexicon)
{
    WhyBook *book = mem_alloc(sizeof *book);
    *book = (WhyBook){.arena = alignment->arena, .lexicon = lexicon, .alignment = alignment};
    map_init(&book->families);
    for (size_t i = 0; i < alignment->count; i++) {
        const Tensor *target = dict_at(alignment->target, i);
        if (target->dims)
            (*table_add(&book->alike, shape_key(target->dims, target->rank), 0, NULL))++;
    }
    return book;
}

void why_free(WhyBook *book)
{
    map_done(&book->families);
    table_done(&book->alike);
    text_done(&book->family);
    free(book->texts);
    free(book);
}

/* A segment of the source's name and what it is in the target's. */
typedef struct Pairing {
    Word source, target;
} Pairing;

/* "wq = q_proj, attention = self_attn": segments that are equal or mean the same, the last ones
 * first, which tell most. Returns how many there are. */
static size_t add_words(const WhyBook *book, const char *source, const char *target, Text *out)
{
    Pairing found[SEGMENTS];
    size_t count = 0;
    Word word, other;
    for (const char *at = source; count < SEGMENTS && word_next(&at, false, &word);) {
        if (isdigit((unsigned char)*word.text)) continue;
        Pairing pairing = {word, {NULL, 0}};
        for (const char *to = target; word_next(&to, false, &other);)
            if (word_same(word, other) ||
                (!pairing.target.n && word_means(book->lexicon, word, other)))
                pairing.target = other;
        if (pairing.target.n) found[count++] = pairing;
    }
    for (size_t i = 0; i < count && i < SHOWN; i++) {
        const Pairing *one = &found[count - 1 - i];
        text_addf(out, "%s%.*s", i ? ", " : "", (int)one->source.n, one->source.text);
        if (!word_same(one->source, one->target))
            text_addf(out, " = %.*s", (int)one->target.n, one->target.text);
    }
    if (count > SHOWN) text_addf(out, " and %zu more", count - SHOWN);
    return count;
}

/* Numbers in a name, one after the other: "0.2". */
static void add_numbers(const char *name, Text *out)
{
    for (const char *at = name; *at; at++) {
        if (!isdigit((unsigned char)*at)) continue;
        text_addc(out, *at);
        if (!isdigit((unsigned char)at[1])) text_addc(out, '.');
    }
}

static bool same_numbers(const char *a, const char *b)
{
    Text x = {0}, y = {0};
    add_numbers(a, &x);
    add_numbers(b, &y);
    const bool same = x.length && strcmp(text_string(&x), text_string(&y)) == 0;
    text_done(&x);
    text_done(&y);
    return same;
}

static void tell(const WhyBook *book, const Bundle *bundle, Text *out)
{
    const char *source = bundle->sources[0].names[0], *target = bundle->targets[0];
    const uint32_t at = align_index(book->alignment, target);
    const Tensor *tensor = at == MAP_NONE ? NULL : dict_at(book->alignment->target, at);
    Text shape = {0};
    if (strcmp(source, target) == 0) text_add(out, "names: equal");
    else {
        text_add(out, "names: ");
        if (!add_words(book, source, target, out)) text_add(out, "nothing in common");
    }
    if (strcmp(source, target) != 0 && same_numbers(source, target))
        text_add(out, "; the same numbers");
    if (tensor && tensor->dims) {
        show_shape(tensor->dims, tensor->rank, &shape);
        const uint32_t alike = table_count(&book->alike, shape_key(tensor->dims, tensor->rank));
        if (alike == 1) text_addf(out, "; no other target is %s", text_string(&shape));
        else text_addf(out, "; %u targets are %s", alike, text_string(&shape));
    }
    if (bundle->source_count > 1 || bundle->sources[0].count > 1 || bundle->target_count > 1)
        text_add(out, "; the sizes add up");
    text_done(&shape);
}

const char *why_found(WhyBook *book, const Bundle *bundle)
{
    Text *family = &book->family;
    text_clear(family);
    doubt_family(bundle->sources[0].names[0], family);
    text_addc(family, '\n');
    doubt_family(bundle->targets[0], family);
    const char *leaf = strrchr(bundle->targets[0], '.');
    text_addc(family, '\n');
    text_add(family, leaf ? leaf : "");
    uint32_t index = map_get(&book->families, text_string(family));
    if (index == MAP_NONE) {
        Text text = {0};
        index = (uint32_t)book->count;
        map_set(&book->families, arena_strdup(book->arena, text_string(family)), index);
        tell(book, bundle, &text);
        book->texts = mem_grow(book->texts, &book->room, book->count + 1, sizeof *book->texts);
        book->texts[book->count++] = arena_strdup(book->arena, text_string(&text));
        text_done(&text);
    }
    return book->texts[index];
}
