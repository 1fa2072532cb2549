#include "repl/pairing.h"

#include <string.h>

#include "loader/align/align_marks.h"
#include "loader/align/pattern.h"
#include "loader/align/suggest.h"
#include "repl/session_marks.h"

/* The keys of a side as tensors. */
static bool collect(const Alignment *alignment, const PairingKeys *keys, int side,
                    AutoTensor *out, Error *err)
{
    for (size_t i = 0; i < keys->counts[side]; i++) {
        const char *key = keys->keys[side][i];
        const Binding *binding = side ? align_find(alignment, key) : NULL;
        if (binding) out[i] = align_target_tensor(binding);
        else if (side || !align_key(alignment, key, &out[i]))
            return error_set(err, ERR_NOT_FOUND, "there is no key '%.200s' in the %s", key,
                             side ? "target" : "source");
    }
    return true;
}

bool pairing_line(const Alignment *alignment, const PairingKeys *keys, Arena *arena, MarkLine *out,
                  Error *err)
{
    AutoTensor *tensors[2];
    for (int side = 0; side < 2; side++) {
        tensors[side] = arena_alloc(arena, (keys->counts[side] + 1) * sizeof **tensors);
        if (!collect(alignment, keys, side, tensors[side], err)) return false;
    }
    return mark_line(arena, tensors[0], keys->counts[0], tensors[1], keys->counts[1], out, err);
}

size_t pairing_find(const Session *session, const char *target)
{
    SessionText text;
    for (size_t i = 0; session_text(session, i, &text); i++)
        if (text.kind == RULES_LINE && !text.off && session_line_marks(text.text, target))
            return i;
    return SIZE_MAX;
}

/* The name in the file, where that is free. */
static const char *spare_name(const Alignment *alignment, const Binding *binding, const char *key,
                              Arena *arena)
{
    AutoTensor there;
    const char *own = binding->source_count == 1 ? binding->sources[0]->name : key;
    if (!align_find(alignment, own) && !align_key(alignment, own, &there)) return own;
    return arena_printf(arena, "unmatched.%s", key);
}

const char *pairing_apart(const Alignment *alignment, const Binding *binding, const char *key,
                          Arena *arena)
{
    Text rule = {0};
    pattern_quote(key, &rule);
    text_add(&rule, " -> ");
    pattern_quote(spare_name(alignment, binding, key, arena), &rule);
    const char *line = suggest_line(arena, text_string(&rule));
    text_done(&rule);
    return line;
}

const char *pairing_ignore(bool target, const char *pattern, Arena *arena)
{
    Text line = {0};
    if (!target) return suggest_line(arena, arena_printf(arena, "%s ->", pattern));
    text_add(&line, "keep_target ");
    lua_quote(pattern, strlen(pattern), &line);
    const char *made = arena_strdup(arena, text_string(&line));
    text_done(&line);
    return made;
}
