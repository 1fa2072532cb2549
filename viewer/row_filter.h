/* RowFilter: which tensors are on show. Words of one line, all of which must hold; states among
 * each other, and dtypes and ranks, are alternatives:
 *
 *   shape missing        a state, or one of several; problems, loaded, guessed
 *   f16 bf16             a dtype        2d  a rank
 *   >1MB <=64kB          bytes          <90%  how certain a pair is
 *   norm *.bias /re/     a key (name_test.h)        "shape"  a text that is none of the above
 *   !bias !exact !f32    not that */
#ifndef VIEWER_ROW_FILTER_H
#define VIEWER_ROW_FILTER_H

#include "loader/tensor/tensor.h"
#include "viewer/name_test.h"

enum { FILTER_NAMES_MAX = 8 };

typedef struct RowFilter {
    char *text;              /* owned: as it was said; NULL: everything is on show */
    unsigned states;         /* a mask (state.h); STATE_ALL: any */
    unsigned not_states;     /* those that may not be */
    bool dtypes[DTYPE_COUNT], not_dtypes[DTYPE_COUNT];
    bool has_dtypes;         /* one of `dtypes` is wanted; else any */
    unsigned ranks;          /* a mask; 0: any */
    uint64_t least, most;    /* bytes */
    float sure_from, sure_to;    /* confidence, 0 … 1 */
    bool sure;               /* it counts: what nothing settled has none, and does not fit */
    NameTest names[FILTER_NAMES_MAX];    /* owned */
    bool name_not[FILTER_NAMES_MAX];     /* keys that fit are not wanted */
    size_t name_count;
} RowFilter;

/* What a filter is asked about: one tensor. */
typedef struct RowFacts {
    unsigned states;         /* mask */
    DType dtype;
    int rank;                /* -1: not known */
    uint64_t bytes;
    float sure;              /* confidence; < 0: nothing settled it */
} RowFacts;

/* For help: a kind of word, and what it asks for. */
typedef struct FilterWord {
    const char *word, *help;
} FilterWord;
/* [FILTER_WORDS] */
enum { FILTER_WORDS = 7 };
extern const FilterWord row_filter_words[FILTER_WORDS];

/* "" and "all": everything. */
bool row_filter_parse(RowFilter *filter, const char *text, Error *err);
void row_filter_done(RowFilter *filter);
/* Whether it asks for nothing but states: modules know those of what is below them. */
bool row_filter_is_states(const RowFilter *filter);
/* All but the names. */
bool row_filter_fits(const RowFilter *filter, const RowFacts *facts);

#endif
