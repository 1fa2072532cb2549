/* Words: the names a rule script knows, in one table from which they are registered, completed,
 * explained and suggested. The ops come from OPS (loader/align/op.h). */
#ifndef SCRIPTING_WORDS_H
#define SCRIPTING_WORDS_H

#include "scripting/script.h"

/* name (and run_NAME in statements*.c), arguments, what it does */
#define STATEMENTS(X)                                                                          \
    X(alias, "\"prefix\", \"folder\"",                                                          \
      "checkpoints whose names begin with the prefix are read from the folder; stands first")  \
    X(source, "\"file\", …", "takes the keys from these files, as 0:key, 1:key …")             \
    X(unwrap, "\"name\", … | {\"name\", …}",                                                   \
      "goes into containers: each that is there; of a table the first that is there")          \
    X(strip, "\"prefix\" | {\"prefix\", …, again=, all=}",                                     \
      "cuts a prefix off every key that has it; all=true: only when every key has it")         \
    X(keep, "\"prefix\"", "keeps only the keys below a prefix, and cuts it off")               \
    X(prefix, "\"prefix\"", "puts a prefix before every key")                                  \
    X(seg, "\"segment\", …", "takes segments out of the keys, wherever they stand")            \
    X(sub, "[[ run -> run … ]]", "replaces runs of segments in every key, line after line")    \
    X(resub, "\"regex\", \"replacement\" | {{\"regex\", \"replacement\"}, …, count=}",       \
      "replaces what a regular expression finds in every key, as Python's re.sub")             \
    X(rules, "[[ pattern -> name |> ops … ]]",                                                 \
      "each key goes to the first line that fits; nothing on the right drops it")              \
    X(rule, "source, name, op, …", "one rule from Lua values")                                 \
    X(each, "function(key, tensor) … end",                                                     \
      "calls a function for every key: nil leaves it, false drops it, text renames it")        \
    X(match, "{\"suffix\" | \"order\" | \"shape\", once=, boundary=, name=, shape=, within=, …}",   \
      "pairs keys with targets by the end of their names, their order, or their shapes")       \
    X(auto, "{accept=, say=, assume=, order=, lexicon=, context=}",                            \
      "finds by itself which key is which target; asks where the evidence does not decide")    \
    X(tie, "\"name\", \"name\"", "makes two names one tensor: the first shares the second's values")   \
    X(weight_norm, "\"modules\", {dim=, name=}",                                               \
      "makes the weight of weight_g and weight_v, or of their parametrization")                \
    X(spectral_norm, "\"modules\", {dim=, name=}",                                             \
      "makes the weight of weight_orig, weight_u and weight_v, or of their parametrization")   \
    X(fold_bn, "\"layers\", \"norms\", {eps=, transposed=}",                                   \
      "puts batch norms into the layers before them")                                          \
    X(lora, "{scale=, alpha=, rank=, rslora=, fan_in_fan_out=, places=}",                      \
      "merges an adapter into its base, of the source or of the target")                       \
    X(fill, "\"pattern\", op", "makes up target tensors that are missing or of another shape") \
    X(keep_target, "\"pattern\", …", "keeps the target's own values")                          \
    X(freeze, "\"pattern\", … | {\"pattern\", …, except=, loaded=}",                             \
      "parameters that are not to be trained: no gradient, in no group")                       \
    X(group, "\"pattern\", {lr=, …}",                                                          \
      "parameters that an optimizer gets with options of their own; without pattern the rest") \
    X(buffers, "\"pattern\", … | {\"pattern\", …, only=}", "tensors that are no parameters")     \
    X(meta, "{key=value, …} | meta.keep(\"key\", …)",                                            \
      "what an output holds beside its tensors; keep takes it from the source")                \
    X(policy, "{shape=, dtype=, missing=, unused=, reuse=, collide=}",                         \
      "what becomes of differences")                                                           \
    X(preset, "\"name\"{option=, …}", "does what another system does when it loads a checkpoint") \
    X(expect, "{missing=, unused=, shape=, dtype=, loaded=}",                                  \
      "makes expected differences silent")                                                     \
    X(optimizer, "{from=, ids=, params=, new=, groups=, order=}",                              \
      "the state of the source's optimizer follows the weights (written with --whole)")

/* The same columns; the functions behind these are registered by facts_open. What a fact takes
 * stands as it is written behind the name: src["key"], count("pattern"), json "file". */
#define FACTS(X)                                                                               \
    X("src", "[\"key\"]", "the source's tensors under their present names")                    \
    X("file", "[\"key\"]", "the source's tensors under the names they have in the file")       \
    X("target", "[\"key\"]", "the target's tensors; nil without a target")                     \
    X("count", "\"pattern\"",                                                                  \
      "how many keys fit now, and how many different captures they have")                      \
    X("json", "\"file\"", "a JSON file beside the rules or the source, as a Lua value")        \
    X("print", "value, …", "shows values")                                                     \
    X("help", "\"name\"", "shows what a name does; without one, all names")

/* The word nearest to a name that this script does not know, as "did you mean 'x'?"; "" if none is
 * near. */
void words_suggest(const Script *script, const char *name, Text *out);

#endif
