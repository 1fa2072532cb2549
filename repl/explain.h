/* Explanation: what a failed load is about, and the lines that mend it, found by trying them one
 * after the other: the best line first, then the best of what it leaves, and so on. */
#ifndef REPL_EXPLAIN_H
#define REPL_EXPLAIN_H

#include "loader/check/check.h"
#include "loader/core/json.h"
#include "loader/format/failed_load.h"
#include "repl/proposals.h"
#include "repl/session.h"

enum { ADVICE_LINES_MAX = 32, CHOICES_MAX = 4 };

/* One line of the remedy, and others that would settle the same. */
typedef struct ExplainStep {
    Proposal proposal;           /* strings in the explanation's arena */
    size_t targets, sources;     /* that it settled when its turn came */
    Proposal choices[CHOICES_MAX];
    size_t choice_targets[CHOICES_MAX], choice_sources[CHOICES_MAX];
    size_t choice_count;
} ExplainStep;

typedef struct Explanation {
    Arena *arena;                /* owned */
    const char *text_path;       /* as the user gave it; "-": standard input */
    const char *source_path;     /* NULL: there is the text alone */
    FailedLoad *load;            /* owned */
    Checkpoint *source;          /* a reference; NULL without one, or if it could not be opened */
    Error unopened;              /* why it could not */
    CheckReport *check;          /* owned; of the source, where the text is about a file; NULL */
    Session *session;            /* owned; NULL where the text names no key */
    Alignment *first, *last;     /* references: before the lines, and after them */
    ExplainStep steps[ADVICE_LINES_MAX];
    size_t step_count;
    Proposal more[CHOICES_MAX * 2];   /* what would settle some of the rest, at a price */
    size_t more_targets[CHOICES_MAX * 2], more_sources[CHOICES_MAX * 2];
    size_t more_count;
    const char *advice[CHOICES_MAX];  /* what no line can do */
    size_t advice_count;
    const char *silent[3];       /* what no load fails of, and what is wrong then */
    size_t silent_count;
    bool self_inflicted;         /* the code that loaded is to blame, an advice says how: it gave
                                    the whole file, or cut the names */
    size_t tried, untried;       /* lines that were tried; that there was no time for, at last */
    long spent;                  /* milliseconds of work, on trials */
    int status;                  /* what the program ends with */
} Explanation;

/* Reads the text, and the source where its path is given. NULL: the text cannot be read. */
Explanation *explanation_new(const char *text_path, const char *source_path, Error *err);
void explanation_free(Explanation *explanation);
/* Looks into the source where the text is about the file and not about keys; then finds the lines;
 * false when the session could not be made, or the user stopped it. */
bool explanation_run(Explanation *explanation, Error *err);

/* How many of them nothing explains: neither a line nor an advice. */
size_t explanation_unexplained(const Explanation *explanation);
/* What is still open: targets, and source tensors that went nowhere. */
size_t explanation_open(const Alignment *alignment);
size_t explanation_left(const Alignment *alignment);
/* Whether a binding is one of the former. */
bool explanation_is_open(const Binding *binding);

/* Finds what no error tells (explain_silent.c). */
void explanation_silent(Explanation *explanation);

void explanation_text(const Explanation *explanation, bool verbose, Text *out);
void explanation_json(const Explanation *explanation, Text *out);

#endif
