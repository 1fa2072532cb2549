/* The inside of auto{}: its questions (align_doubt.c), what its pairs rest on (align_why.c), and
 * what the values say against what it and match{} have found (align_veto.c). */
#ifndef LOADER_ALIGN_ALIGN_DOUBT_H
#define LOADER_ALIGN_ALIGN_DOUBT_H

#include "loader/align/align_parts.h"
#include "loader/align/auto_rule.h"
#include "loader/align/veto.h"

/* A question more; there is room for as many as there are ties, likely bundles and vetoes. */
Doubt *doubt_add(Alignment *alignment);
/* A target that it is about, unless another question was first. */
void doubt_target(Alignment *alignment, const char *name, const Doubt *doubt);
/* The name of a family: numbers that stand alone become #, the last segment is left out. */
void doubt_family(const char *name, Text *out);
/* The number of the families of two names among those in `known`; a new one is *count, which then
 * is one more. */
uint32_t doubt_number(Arena *arena, NameMap *known, const char *source, const char *target,
                      size_t *count);
/* The words that tell a family from others, as --say takes them: "attention.wq". In the arena, or
 * the name itself. */
const char *doubt_words(Arena *arena, const char *name);
/* The names folded, as reports print them. */
const char *const *doubt_fold(Arena *arena, const char *const *names, size_t n, size_t *count);
void doubts_take(Alignment *alignment, const AutoResult *result);

/* What bundles rest on, in words that live as long as the alignment; once a family. */
typedef struct WhyBook WhyBook;
WhyBook *why_new(const Alignment *alignment, const Lexicon *lexicon);
void why_free(WhyBook *book);
const char *why_found(WhyBook *book, const Bundle *bundle);

/* The bundles as the values want them: exchanged, turned, or left out. `bundles` has room for n and
 * one more a veto; returns how many there are. */
size_t veto_bundles(const Alignment *alignment, const Vetoes *vetoes, Bundle *bundles, size_t n);
/* The same of what match{} has paired, before auto{} looks at it. NULL: there are none. */
void veto_matches(Alignment *alignment, const Vetoes *vetoes);
/* What is left open is a question. */
void veto_doubts(Alignment *alignment, const Vetoes *vetoes);

#endif
