/* The last judgement is kept; another set of proposals takes its place. */
#include "repl/judge_book.h"

bool judge_book_ask(JudgeBook *book, const Alignment *alignment, bool preview,
                    const atomic_bool *interrupt, const Judgement **judgement, Error *err)
{
    const uint64_t proposals = judge_proposals(alignment);
    *judgement = NULL;
    if (!book->judgement || book->proposals != proposals) {
        if (preview) return true;
        Arena *arena = arena_new();
        const Judgement *made = judge_alignment(arena, alignment, interrupt, err);
        if (!made) {
            arena_free(arena);
            return false;
        }
        arena_free(book->arena);
        *book = (JudgeBook){arena, made, proposals};
    }
    *judgement = book->judgement;
    return true;
}

void judge_book_done(JudgeBook *book)
{
    arena_free(book->arena);
    *book = (JudgeBook){.arena = NULL};
}
