/* JudgeBook: the last judgement of values, so that what is aligned again and again reads them
 * once. */
#ifndef REPL_JUDGE_BOOK_H
#define REPL_JUDGE_BOOK_H

#include "loader/align/judge.h"

/* All zeros is the book that nothing was written in. */
typedef struct JudgeBook {
    Arena *arena;                /* owned; of `judgement`; NULL: there is none */
    const Judgement *judgement;  /* what values say of … */
    uint64_t proposals;          /* … these proposals (judge_proposals) */
} JudgeBook;

/* What the values say of a ledger's proposals: borrowed until the book is asked of others. NULL in
 * *judgement for a preview, which reads no values, of what was not judged before. False when it was
 * interrupted, and on read errors. */
bool judge_book_ask(JudgeBook *book, const Alignment *alignment, bool preview,
                    const atomic_bool *interrupt, const Judgement **judgement, Error *err);
void judge_book_done(JudgeBook *book);

#endif
