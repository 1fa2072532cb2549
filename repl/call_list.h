/* The functions that a prompt, tenon run and the viewer's ":" give beside the rule language, in one
 * table: help, completion, the manual and the tests come from it, and calls*.c define a function
 * for each row. */
#ifndef REPL_CALL_LIST_H
#define REPL_CALL_LIST_H

#include "repl/console.h"

/* name (and call_NAME), arguments, what it does */
#define CALLS(X)                                                                                  \
    X(report, "()", "the report of what is loaded now; as a table the object of --json")          \
    X(diff, "()", "the same without any rule: what fits as it is")                                \
    X(problems, "[\"state\"]", "a list of the targets that are open, or in that state")           \
    X(rows, "[\"words\"]",                                                                        \
      "a list of the rows that fit all words of a filter, as after & in the viewer: \"shape "     \
      "f16 >1MB head.*\"")                                                                        \
    X(proposals, "[\"key\"]", "lines that would settle something, tried; or that target")         \
    X(notes, "()", "notes of the rules, collisions and warnings of the files")                    \
    X(values, "\"key\"[, \"source\" | \"target\" | \"value\"]",                                   \
      "min max mean std nan inf zeros of a tensor's values, quantiles, histogram and norms of "   \
      "rows; value: of what the target gets")                                                     \
    X(numbers, "\"key\"[, {from=, size=, side=}]",                                                \
      "the numbers of a part of a tensor, by default its first 8 along each axis")                \
    X(difference, "\"key\"",                                                                      \
      "how what a target gets differs from what it holds: max_abs, cosine, …")                    \
    X(check, "[\"source\" | \"target\"]",                                                         \
      "reads all of a file: a list of what is wrong with it")                                     \
    X(metadata, "[\"source\" | \"target\"]",                                                      \
      "what a file says of itself: format, metadata, epoch and whatever else stands beside "      \
      "the weights")                                                                              \
    X(objects, "[\"source\" | \"target\"]",                                                       \
      "all objects of a file, as a list of {path, kind, …}")                                      \
    X(optimizer_state, "()", "the state of the source's optimizer, by group and parameter")       \
    X(containers, "()",                                                                           \
      "the dicts of tensors in the files; open_source \"FILE::PATH\" takes one")                  \
    X(apply, "\"line\", …", "adds lines of rules to the session, as if they had been typed")      \
    X(align, "{accept=\"likely\", say=, assume=, …}",                                             \
      "finds the alignment: adds auto{…} as a line")                                              \
    X(mark, "\"source\", \"target\"",                                                             \
      "pairs two keys by hand, or a list of keys with one: adds the line that the shapes ask "    \
      "for")                                                                                      \
    X(unmatch, "\"target\"", "takes a pair apart")                                                \
    X(ignore, "\"pattern\"[, \"source\" | \"target\"]",                                           \
      "drops keys of the source; of the target they keep its own values")                         \
    X(induce, "[n]",                                                                              \
      "the rules that follow from the pairs made by hand; keeps the n-th of them")                \
    X(lines, "()", "a list of the session's lines")                                               \
    X(undo, "[n]", "takes the last line back, or the last n")                                     \
    X(redo, "[n]", "puts them there again")                                                       \
    X(rule_list, "()", "a list of all texts of the rules, and how many rows each touches")        \
    X(rule_rows, "n[, line]", "the rows that a text touches, or a line of it")                    \
    X(rule_without, "n", "what would change without a text")                                      \
    X(rule_toggle, "n", "turns a text off, or on")                                                \
    X(rule_move, "n, \"up\" | \"down\"", "moves a text among the others")                         \
    X(rule_edit, "n, \"text\"", "puts another text in the place of one")                          \
    X(rule_split, "n", "takes a text apart into its statements")                                  \
    X(rule_delete, "n", "deletes a text")                                                         \
    X(bisect, "\"key\"", "finds the rule that broke a row, or made it so")                        \
    X(reload, "()", "reads the rules files again")                                                \
    X(save, "\"file\"", "adds the session's lines to a rules file")                               \
    X(save_session, "[\"file\"[, true]]",                                                         \
      "saves the whole session as a script; true: over an existing file")                         \
    X(cost, "[{whole=, omit_kept=, compact=, shard_size=}]",                                      \
      "what writing would take: tensors copied and computed, bytes read and written")             \
    X(write,                                                                                      \
      "\"file\"[, {to=, under=, whole=, omit_kept=, compact=, shard_size=, force=, sha256=}]",    \
      "writes the aligned checkpoint")                                                            \
    X(open_source, "\"file\"", "opens another source; the rules run again")                       \
    X(open_target, "\"file\"", "opens another target; the rules run again")                       \
    X(reopen, "()", "opens again what has changed on disk since it was opened")                   \
    X(verb, "\"line\"",                                                                           \
      "what the viewer does for this line after :, as verb \"goto fc.weight\"")                   \
    X(exit, "[status]", "ends the script or the prompt")                                          \
    X(bind, "\"panel\", \"key\", \"verb line\"",                                                  \
      "binds a key of the viewer to a verb, in a panel or (\"\") everywhere; \"\" is nothing")    \
    X(colour, "\"state\", \"colour\"",                                                            \
      "the colour of a state, or of a part of the screen: green, bright-red bold, 208, "          \
      "#ff8800")                                                                                  \
    X(limit, "\"name\", number", "in init.lua: what --limit does")                                \
    X(linear, "true | false",                                                                     \
      "in init.lua: whether the viewer is lines of text, as with --linear")

#define CALL_DECLARATION(name, args, help) ConsoleCall call_##name;
CALLS(CALL_DECLARATION)
#undef CALL_DECLARATION

/* All of them. */
const ConsoleCalls *call_table(void);

#endif
