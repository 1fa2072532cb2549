/* The table of verbs. A row is all that a verb needs: verbs.c looks them up by it, help, completion
 * and the man page read it, and verbs_*.c define a function for each. */
#ifndef REPL_VERB_LIST_H
#define REPL_VERB_LIST_H

#include "repl/verb.h"

/* name, C name, where, arguments, what it does. Brackets in the arguments say that they may be left
 * out; completion goes by them: "PATH" and "[FILE]" are files, "[WORD]..." words of a filter,
 * "[ORDER]" orders, "KEY" and "TEXT" keys, "LINE" Lua, "[WORD]" what help knows; words in small
 * letters are themselves. */
#define VERBS(X)                                                                                  \
    X("up", up, VERB_MOVE, "[N]", "moves up N rows")                                              \
    X("down", down, VERB_MOVE, "[N]", "moves down N rows")                                        \
    X("page-up", page_up, VERB_MOVE, "", "moves up a page")                                       \
    X("page-down", page_down, VERB_MOVE, "", "moves down a page")                                 \
    X("top", top, VERB_MOVE, "", "goes to the first row")                                         \
    X("bottom", bottom, VERB_MOVE, "", "goes to the last row")                                    \
    X("in", in, VERB_MOVE, "", "opens the module, or goes into it")                               \
    X("out", out, VERB_MOVE, "", "closes the module, or goes to the one above")                   \
    X("side", side, VERB_LIST, "[source|target]", "switches the side")                            \
    X("fold", fold, VERB_MOVE, "", "opens or closes the module under the cursor")                 \
    X("fold-all", fold_all, VERB_LIST, "", "closes all modules")                                  \
    X("unfold-all", unfold_all, VERB_LIST, "", "opens all modules but the runs of equal blocks")  \
    X("goto", goto, VERB_LIST, "KEY", "goes to a key of the target or the source")                \
    X("search", search, VERB_LIST, "[TEXT]", "searches keys: text, a glob with * or {, /regex/")  \
    X("next-hit", next_hit, VERB_LIST, "", "goes to the next hit")                                \
    X("previous-hit", previous_hit, VERB_LIST, "", "goes to the previous hit")                    \
    X("next-problem", next_problem, VERB_LIST, "", "goes to the next tensor that is open")        \
    X("previous-problem", previous_problem, VERB_LIST, "", "goes to the previous tensor that "    \
      "is open")                                                                                  \
    X("filter", filter, VERB_LIST, "[WORD]...", "shows what fits all of the words, or the next "  \
      "state; all: everything")                                                                   \
    X("narrow", narrow, VERB_LIST, "", "types a filter, beginning with the one that is on")       \
    X("sort", sort, VERB_LIST, "[ORDER]", "sorts the rows below each module: target source "      \
      "name size state confidence, or the next of these")                                         \
    X("divider", divider, VERB_LIST, "[N|left|right]", "moves what divides the sides: to so many " \
      "percent, or 4 columns; back to the middle")                                                \
    X("coverage", coverage, VERB_LIST, "[values|bytes|tensors]", "what the coverage bar is of, "  \
      "where there is room for one")                                                              \
    X("containers", containers, VERB_ANY, "", "chooses among the dicts of tensors in the files")  \
    X("open-source", open_source, VERB_ANY, "PATH", "takes another file, or part of it "          \
      "(FILE::PATH), as source")                                                                  \
    X("open-target", open_target, VERB_ANY, "PATH", "takes another file, or part of it, as "      \
      "target")                                                                                   \
    X("reopen", reopen, VERB_ANY, "", "opens again what has changed on disk since it was opened") \
    X("prompt", prompt, VERB_ANY, "[LINE]", "types a line, beginning with LINE")                  \
    X("align", align, VERB_ANY, "[likely]", "finds the alignment without rules: auto{} as a "     \
      "line")                                                                                     \
    X("proposals", proposals, VERB_ANY, "", "tries what would settle the row, or else anything")  \
    X("try", try, VERB_ANY, "N", "applies the N-th of the proposals")                             \
    X("detail", detail, VERB_LIST, "", "shows in full what stands below the list")                \
    X("mark", mark, VERB_LIST, "", "marks a tensor, or matches it with what is marked on the "    \
      "other side: several sources are joined, several targets are parts of one source")          \
    X("unmark", unmark, VERB_LIST, "", "forgets what is marked")                                  \
    X("unmatch", unmatch, VERB_LIST, "", "takes the pair of a row apart")                         \
    X("ignore", ignore, VERB_LIST, "", "drops a source tensor or module; of the target it keeps " \
      "its own values")                                                                           \
    X("fill-in", fill_in, VERB_LIST, "", "chooses what a target tensor or module is filled with") \
    X("induce", induce, VERB_ANY, "[N]", "shows the rules that follow from the pairs made by "    \
      "hand; keeps the N-th of them")                                                             \
    X("apply", apply, VERB_ANY, "LINE", "applies a line of rules, as if it had been typed")       \
    X("rule-list", rule_list, VERB_ANY, "", "shows all rules: their order, and the rows that "    \
      "each touches")                                                                             \
    X("rule-toggle", rule_toggle, VERB_ANY, "[N]", "turns a rules text off, or on")               \
    X("rule-move", rule_move, VERB_ANY, "up|down", "moves a rules text among the others")         \
    X("rule-edit", rule_edit, VERB_ANY, "[N TEXT]", "edits a rules text, or puts another one in " \
      "its place")                                                                                \
    X("rule-split", rule_split, VERB_ANY, "[N]", "takes a rules text apart into lines, a "        \
      "statement each")                                                                           \
    X("rule-delete", rule_delete, VERB_ANY, "[N]", "deletes a rules text from the session")       \
    X("rule-rows", rule_rows, VERB_ANY, "[N]", "shows the rows that a rule touches")              \
    X("rule-without", rule_without, VERB_ANY, "[N]", "marks what would change without a rules "   \
      "text")                                                                                     \
    X("bisect", bisect, VERB_LIST, "[KEY]", "finds the rule that broke the row, or made it so")   \
    X("undo", undo, VERB_ANY, "", "takes the last line back")                                     \
    X("redo", redo, VERB_ANY, "", "puts it there again")                                          \
    X("reload", reload, VERB_ANY, "", "reads the rules files again and aligns")                   \
    X("edit", edit, VERB_ANY, "[FILE]", "opens the rules file in the editor")                     \
    X("write", write, VERB_ANY, "PATH", "writes the aligned checkpoint; its suffix says the "     \
      "format")                                                                                   \
    X("write!", force_write, VERB_ANY, "PATH", "the same, over an existing file")                 \
    X("export", export, VERB_ANY, "[path|format|shards|whole|under|omit-kept|cast VALUE]", "shows " \
      "how the output is written and what it takes; sets one of these; export write writes")      \
    X("export!", force_export, VERB_ANY, "[PATH]", "writes it so, over an existing file")         \
    X("save", save, VERB_ANY, "PATH", "adds the session's lines to a rules file")                 \
    X("save-session", save_session, VERB_ANY, "[PATH]", "saves the whole session as a script, to " \
      "go on with or to run")                                                                     \
    X("save-session!", force_save_session, VERB_ANY, "PATH", "the same, over an existing file")   \
    X("notes", notes, VERB_ANY, "", "shows notes of the rules, collisions and warnings of the "   \
      "files")                                                                                    \
    X("lines", lines, VERB_ANY, "", "shows the lines of this session")                            \
    X("values", values, VERB_ANY, "[KEY]", "shows a tensor's values: statistics, heat map, "      \
      "numbers, rows, difference")                                                                \
    X("values-page", values_page, VERB_ANY, "[summary|heat|numbers|rows|difference]", "of the "   \
      "values: the next page, or that one")                                                       \
    X("values-side", values_side, VERB_ANY, "", "of the values: the other side")                  \
    X("values-zoom", zoom, VERB_ANY, "in|out", "of the values: fewer or more elements in a cell") \
    X("values-slice", slice, VERB_ANY, "[N]", "of the values: N further along the other axes")    \
    X("values-axes", axes, VERB_ANY, "[ROWS COLUMNS]", "of the values: the next axes, or those")  \
    X("values-scale", scale, VERB_ANY, "", "of the values: by size (logarithmic), or linear")     \
    X("values-sort", sort_rows, VERB_ANY, "", "of the values: norms of rows by size, or in order") \
    X("values-peak", peak, VERB_ANY, "", "of the values: the largest of a cell, or its mean")     \
    X("metadata", metadata, VERB_ANY, "", "shows what the files say of themselves")               \
    X("optimizer-state", optimizer, VERB_ANY, "", "shows the state of the source's optimizer")    \
    X("objects", objects, VERB_ANY, "", "shows all objects of the source as a tree")              \
    X("check", check, VERB_ANY, "", "reads all of the source and shows what is wrong with it")    \
    X("help", help, VERB_ANY, "[WORD]", "shows keys, verbs and statements, or one of them")       \
    X("close", close, VERB_ANY, "", "closes the panel that is on show")                           \
    X("redraw", redraw, VERB_ANY, "", "draws the screen anew")                                    \
    X("quit", quit, VERB_ANY, "", "quits; asks when lines are not saved")                         \
    X("quit!", force_quit, VERB_ANY, "", "quits, whatever is not saved")

#define VERB_DECLARATION(name, id, where, args, help) \
    bool verb_##id(Ui *ui, const char *argument, Error *err);
VERBS(VERB_DECLARATION)
#undef VERB_DECLARATION

#endif
