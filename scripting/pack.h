/* Pack: a rule file with its own test in its head, and the bundled ones by name.
 *
 * It gets its options as the one argument of the chunk, a table or nothing: `local o = ... or {}`
 * (script_run_with), so that the bare text runs as well.
 *
 * The head is the comment at the top of the file. Its first line says what the file is, "-- NAME:
 * what it does"; lines that begin with @ are read by `tenon rules test` (tenon-rules(5), PACKS):
 *
 *   @reverse                      the pack goes back with {reverse=true}, and gives the same bits
 *   @case heads=4                 a test; behind it the options it runs with
 *     a.{q,k}.weight f32 8,4      a tensor before: key (folded as in reports), dtype, a layout
 *                                 (HWIO …) if it has one, shape
 *   @gives                        and all there is afterwards, with what it comes from; a key
 *     b.q 8,4 <- a.q.weight       of the same name without `<-`
 *   @same b.q[1,0] = a.q.weight[2,0]     one element that must be that one
 *   @oneway                       of this case: not in reverse
 */
#ifndef SCRIPTING_PACK_H
#define SCRIPTING_PACK_H

#include <stdatomic.h>

#include "loader/core/memory.h"
#include "loader/tensor/layout.h"
#include "loader/tensor/tensor.h"
#include "scripting/bundled.h"

/* A tensor of a test. */
typedef struct PackTensor {
    const char *name;
    DType dtype;
    Layout layout;
    const int64_t *dims;
    uint8_t rank;
    const char *const *from;     /* afterwards: the keys it comes from, [from_count] */
    size_t from_count;
    int line;
} PackTensor;

typedef struct PackTensors {
    PackTensor *items;           /* in the head's arena */
    size_t count;
} PackTensors;

/* `@same`: an element afterwards, and the one it must be. */
typedef struct PackSame {
    const char *target, *source;
    const int64_t *at, *from;    /* one index an axis */
    size_t rank, source_rank;
    int line;
} PackSame;

typedef struct PackCase {
    const char *options;         /* as Lua fields; "" = none */
    PackTensors before, after;
    PackSame *same;
    size_t same_count;
    bool oneway;
    int line;
} PackCase;

typedef struct PackHead {
    const char *summary;         /* what the first line says behind "NAME:"; "" without one */
    bool reverse;
    PackCase *cases;
    size_t count;
} PackHead;

/* Reads the head; everything lies in the arena. `name` is what errors call the file. */
bool pack_read(Arena *arena, const char *text, size_t n, const char *name, PackHead *head,
               Error *err);
/* Runs one case forward, and back when the head says so and the case allows it: keys, shapes,
 * sources, elements; errors begin with "NAME:LINE: ". */
bool pack_test(const PackHead *head, const PackCase *one, const char *text, size_t n,
               const char *name, const atomic_bool *interrupt, Error *err);

/* The bundled pack or preset of that name. FAMILY_X_to_Y also answers to FAMILY_Y_to_X, when it
 * goes back: *reverse (may be NULL) says that it has to. NULL with an error that names the
 * nearest. */
const BundledRules *pack_find(const char *name, bool *reverse, Error *err);
/* Whether a pack looks at that option: `o.NAME` stands in its text. */
bool pack_has_option(const BundledRules *pack, const char *name);
/* "llama_meta_to_hf" for "llama_hf_to_meta": the name under which a pack goes back; NULL when it
 * has none. In the arena. */
const char *pack_reverse_name(Arena *arena, const BundledRules *pack);

#endif
