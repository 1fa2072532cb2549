/* Statements that change names one by one: strip, keep, prefix, seg, sub, each. */
#include <string.h>

#include "loader/align/draft_parts.h"
#include "loader/align/pattern_nodes.h"
#include "loader/align/rule_lex.h"
#include "loader/align/rule_text.h"

/* `strip "module."`, `seg("a", "b")`: a statement as reports show it. In the arena, since steps
 * point to it. */
static const char *show_call(Draft *draft, const char *name, const char *const *texts, size_t n,
                             const char *options)
{
    Text out = {0};
    bool table = *options || n > 1;
    text_addf(&out, "%s%s", name, table ? "{" : " ");
    for (size_t i = 0; i < n; i++) {
        text_add(&out, i ? ", \"" : "\"");
        name_show(texts[i], &out);
        text_addc(&out, '"');
    }
    text_addf(&out, "%s%s", options, table ? "}" : "");
    return text_keep(&out, draft->arena);
}

/* Every statement but unwrap begins like this. Texts must not be empty: an empty prefix would
 * fit everywhere. From here on unwrap is too late. */
static bool begin(Draft *draft, const char *const *texts, size_t n, const char *name, Error *err)
{
    if (!draft_ready(draft, err)) return false;
    draft->changed = true;
    for (size_t i = 0; i < n; i++)
        if (!*texts[i]) return error_set(err, ERR_RULE, "%s of an empty text", name);
    return n > 0 || error_set(err, ERR_RULE, "%s needs a text", name);
}

/* A final dot (or slash): nothing but whole segments is cut. `strip "module."` must not cut
 * modules.w. */
static bool ends_at_border(const char *text)
{
    size_t n = strlen(text);
    return n && is_border(text[n - 1]);
}

/* Always false; the edit is given up. Called before anything of the draft has changed. */
static bool refuse_empty(Edit *edit, const DraftKey *key, Error *err)
{
    error_set(err, ERR_RULE, "%s leaves '%s' with an empty name", edit->what,
              show_name(edit->draft, key->name));
    edit_abandon(edit);
    return false;
}

/* What hits nothing is said, with what would have been there. "strip "module." hits none of 320
 * keys; top levels here: backbone (318), head (2)". */
static void note_idle(Draft *draft, const Edit *edit)
{
    draft_note(draft, NOTE_INFO, edit->origin, "%s hits none of %zu key%s; top levels here: %s",
               edit->what, draft->count, draft->count == 1 ? "" : "s", list_top_levels(draft));
}

/* ---- strip ---- */

typedef struct Strip {
    const char *const *prefixes; /* [n], tried in this order */
    size_t n;
    bool again;                  /* until none fits any more */
} Strip;

/* The name behind its prefixes: each once in the order given, or until none fits. "module."
 * takes `module.module.w` to `module.w`, and with again=true to `w`. */
static const char *strip_name(const Strip *strip, const char *name)
{
    for (;;) {
        const char *before = name;
        for (size_t i = 0; i < strip->n; i++)
            if (has_prefix(name, strip->prefixes[i])) name += strlen(strip->prefixes[i]);
        if (name == before || !strip->again) return name;
    }
}

/* How many keys begin with the prefix once `cut` bytes are off. `cut` is never longer than a
 * name: all of them had what was cut. */
static size_t count_prefixed(const Draft *draft, size_t cut, const char *prefix)
{
    size_t count = 0;
    for (size_t i = 0; i < draft->count; i++)
        count += has_prefix(draft->keys[i].name + cut, prefix);
    return count;
}

/* All or nothing: how many bytes come off every key. A prefix that some keys lack is noted.
 * Prefixes are tried as strip_name tries them, but one comes off only when every key has it. */
static size_t common_cut(Draft *draft, const Edit *edit, const Strip *strip)
{
    size_t cut = 0, before;
    do {
        before = cut;
        for (size_t i = 0; i < strip->n; i++) {
            size_t fits = draft->count ? count_prefixed(draft, cut, strip->prefixes[i]) : 0;
            if (fits && fits == draft->count) cut += strlen(strip->prefixes[i]);
            else if (fits)
                draft_note(draft, NOTE_INFO, edit->origin,
                           "%s strips nothing: %zu of %zu keys do not begin with \"%s\"; top "
                           "levels here: %s", edit->what, draft->count - fits, draft->count,
                           show_name(draft, strip->prefixes[i]), list_top_levels(draft));
        }
    } while (cut > before && strip->again);
    return cut;
}

/* Legal, and nearly always a slip. `strip "module"` of `modules.w` leaves `s.w`. */
static void note_no_border(Draft *draft, Origin origin, const char *prefix)
{
    const char *shown = show_name(draft, prefix);
    draft_note(draft, NOTE_INFO, origin, "strip \"%s\" also cuts \"%ss\": a final dot is missing",
               shown, shown);
}

/* A key that consists of the prefix alone is an error: a tensor needs a name. */
bool draft_strip(Draft *draft, Origin origin, const char *const *prefixes, size_t n, bool again,
                 bool all, Error *err)
{
    if (!begin(draft, prefixes, n, "strip", err)) return false;
    const char *options = again && all ? ", again=true, all=true"
                          : again ? ", again=true" : all ? ", all=true" : "";
    Strip strip = {prefixes, n, again};
    Edit edit;
    edit_begin(&edit, draft, origin, show_call(draft, "strip", prefixes, n, options));
    for (size_t i = 0; i < n; i++)
        if (!ends_at_border(prefixes[i])) note_no_border(draft, origin, prefixes[i]);
    size_t notes = draft->note_count, cut = all ? common_cut(draft, &edit, &strip) : 0;
    for (size_t i = 0; i < draft->count; i++) {
        const DraftKey *key = &draft->keys[i];
        const char *name = all ? key->name + cut : strip_name(&strip, key->name);
        if (!*name && *key->name) return refuse_empty(&edit, key, err);
        if (name == key->name) edit_keep(&edit, key);
        else edit_rename(&edit, key, name);
    }
    if (!edit.changed && draft->note_count == notes) note_idle(draft, &edit);
    edit_finish(&edit);
    return true;
}

/* ---- keep, prefix ---- */

/* The name behind prefix and border; NULL when it does not lie under the prefix. For "backbone"
 * (or "backbone.") `backbone.fc.w` gives `fc.w`, `backbone2.fc.w` NULL. */
static const char *behind_prefix(const char *name, const char *prefix)
{
    if (!has_prefix(name, prefix)) return NULL;
    name += strlen(prefix);
    if (ends_at_border(prefix)) return name;
    return is_border(*name) ? name + 1 : NULL;
}

/* The first level under which the prefix would be found: "module." for "backbone.". Only one
 * level is looked under: that is what DataParallel and the like add. */
static const char *find_wrapper(Draft *draft, const char *prefix)
{
    for (size_t i = 0; i < draft->count; i++) {
        const char *name = draft->keys[i].name;
        size_t n = strcspn(name, "./");
        if (name[n] && behind_prefix(name + n + 1, prefix))
            return arena_strndup(draft->arena, name, n + 1);
    }
    return NULL;
}

/* Nothing lies under the prefix: always false. The wrapper, if there is one, is the usual
 * reason: `module.backbone.w` under keep "backbone". */
static bool refuse_keep(Draft *draft, Edit *edit, const char *prefix, Error *err)
{
    const char *wrapper = find_wrapper(draft, prefix);
    error_set(err, ERR_RULE, "sub-level \"%s%s\" fits no key; top levels here: %s%s%s%s",
              show_name(draft, prefix), ends_at_border(prefix) ? "" : ".", list_top_levels(draft),
              wrapper ? "; did you mean  strip \"" : "", wrapper ? show_name(draft, wrapper) : "",
              wrapper ? "\"  first?" : "");
    edit_abandon(edit);
    return false;
}

/* Keys outside are dropped, with a step each. A prefix under which nothing lies is an error and
 * no note: it would drop everything. */
bool draft_keep(Draft *draft, Origin origin, const char *prefix, Error *err)
{
    if (!begin(draft, &prefix, 1, "keep", err)) return false;
    Edit edit;
    edit_begin(&edit, draft, origin, show_call(draft, "keep", &prefix, 1, ""));
    for (size_t i = 0; i < draft->count; i++) {
        const DraftKey *key = &draft->keys[i];
        const char *name = behind_prefix(key->name, prefix);
        if (name && !*name) return refuse_empty(&edit, key, err);
        if (name) edit_rename(&edit, key, name);
        else edit_drop(&edit, key, origin, edit.what);
    }
    if (!edit.count) return refuse_keep(draft, &edit, prefix, err);
    edit_finish(&edit);
    return true;
}

/* A missing dot is legal, and noted with what it leads to: `backbonefc.w`. */
bool draft_prefix(Draft *draft, Origin origin, const char *prefix, Error *err)
{
    if (!begin(draft, &prefix, 1, "prefix", err)) return false;
    const char *text = arena_strdup(draft->arena, prefix);
    Edit edit;
    edit_begin(&edit, draft, origin, show_call(draft, "prefix", &prefix, 1, ""));
    for (size_t i = 0; i < draft->count; i++)
        edit_rename(&edit, &draft->keys[i],
                    arena_printf(draft->arena, "%s%s", text, draft->keys[i].name));
    edit_finish(&edit);
    if (!ends_at_border(text))
        draft_note(draft, NOTE_INFO, origin,
                   "%s: a final dot is missing: keys now begin like \"%s\"", edit.what,
                   draft->count ? show_name(draft, draft->keys[0].name) : "");
    return true;
}

/* ---- seg ---- */

/* The segment (or run of them) of the list that stands at `at`; its length, 0 = none. `module`
 * stands in `module.fc` and at the end of `a.module`, but not in `modules.fc`. */
static size_t segment_at(const char *at, const char *const *segments, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        size_t length = strlen(segments[i]);
        if (strncmp(at, segments[i], length) != 0) continue;
        if (!at[length] || is_border(at[length])) return length;
    }
    return 0;
}

/* The name without those segments, each with the border behind it (the last one with the one
 * before it). Without `module`: `a.module.b` becomes `a.b`, `a.module` becomes `a`. */
static void remove_segments(const char *name, const char *const *segments, size_t n, Text *out)
{
    const char *at = name;
    while (*at) {
        size_t length = segment_at(at, segments, n);
        if (length) {
            at += length;
            if (*at) at++;
            else if (out->length) out->bytes[--out->length] = '\0';
            continue;
        }
        length = strcspn(at, "./");
        if (at[length]) length++;
        text_addn(out, at, length);
        at += length;
    }
}

/* One statement takes segments off wherever they stand, where strip sees the beginning alone. */
bool draft_seg(Draft *draft, Origin origin, const char *const *segments, size_t n, Error *err)
{
    if (!begin(draft, segments, n, "seg", err)) return false;
    Edit edit;
    Text name = {0};
    edit_begin(&edit, draft, origin, show_call(draft, "seg", segments, n, ""));
    bool good = true;
    for (size_t i = 0; good && i < draft->count; i++) {
        const DraftKey *key = &draft->keys[i];
        text_clear(&name);
        remove_segments(key->name, segments, n, &name);
        if (name.length == strlen(key->name)) edit_keep(&edit, key);
        else if (!name.length) good = refuse_empty(&edit, key, err);
        else edit_rename(&edit, key, arena_strdup(draft->arena, name.bytes));
    }
    text_done(&name);
    if (!good) return false;
    if (!edit.changed) note_idle(draft, &edit);
    edit_finish(&edit);
    return true;
}

/* ---- sub ---- */

/* "FILE:LINE: TEXT: " before an error of a line. Always false. */
static bool blame_line(const SubRule *rule, Error *err)
{
    Text shown = {0};
    show_short(rule->text, 200, &shown);
    error_prefix(err, "%s", text_string(&shown));
    text_done(&shown);
    return rule_blame(rule->origin.file, rule->origin.line, err);
}

/* One line over one key: *key becomes what it is then. A key that a line renames gets a step of
 * its own for it. */
static bool apply_line(Draft *draft, const SubRule *rule, DraftKey *key, Text *name,
                       bool *changed, Error *err)
{
    text_clear(name);
    if (!sub_apply(rule, key->name, name, changed, err)) return blame_line(rule, err);
    if (!*changed) return true;
    if (!name->length) {
        error_set(err, ERR_RULE, "leaves '%s' with an empty name", show_name(draft, key->name));
        return blame_line(rule, err);
    }
    const char *to = arena_strndup(draft->arena, name->bytes, name->length);
    key->step = step_new(draft, rule->origin, rule->text, key->name, to, NULL, &key->step, 1);
    key->name = to;
    return draft_affords(draft, err);
}

/* Lines that fit in no key. `hit` is [block->count]. */
static void note_idle_lines(Draft *draft, const SubBlock *block, const bool *hit)
{
    for (size_t i = 0; i < block->count; i++)
        if (!hit[i] && !origin_is_bundled(block->rules[i].origin))
            draft_note(draft, NOTE_INFO, block->rules[i].origin, "%s: fits in no key",
                       show_name(draft, block->rules[i].text));
}

/* Key by key through all the lines: a line sees what the lines before it made of this key. */
bool draft_sub(Draft *draft, const SubBlock *block, Error *err)
{
    if (!draft_ready(draft, err)) return false;
    draft->changed = true;
    if (!block->count) return true;
    Edit edit;
    Text name = {0};
    bool good = true, *hit = arena_alloc(draft->arena, block->count * sizeof *hit);
    edit_begin(&edit, draft, block->rules[0].origin, "sub");
    for (size_t i = 0; good && i < draft->count; i++) {
        DraftKey key = draft->keys[i];
        for (size_t j = 0; good && j < block->count; j++) {
            bool changed = false;
            good = apply_line(draft, &block->rules[j], &key, &name, &changed, err);
            hit[j] = hit[j] || changed;
        }
        if (key.name == draft->keys[i].name) edit_keep(&edit, &key);
        else edit_add(&edit, key, draft->keys[i].name);
    }
    text_done(&name);
    if (!good) {
        edit_abandon(&edit);
        return false;
    }
    note_idle_lines(draft, block, hit);
    edit_finish(&edit);
    return true;
}

/* ---- each ---- */

/* What a visitor made of one key; a key that only keeps its name and value has no step. A new
 * name is a rename; another value shows as the op "function". */
static void add_results(Edit *edit, const DraftKey *key, const EachResult *result)
{
    Draft *draft = edit->draft;
    for (size_t i = 0; i < result->count; i++) {
        DraftKey made = *key;
        const Expr *expr = result->items[i].expr;
        made.name = arena_strdup(draft->arena, result->items[i].name);
        if (expr) {
            made.expr = key->collision ? NULL : expr;
            made.last = key->collision ? expr : NULL;
        }
        const char *ops = expr && expr != key_value(key) ? "function" : NULL;
        if (ops || strcmp(made.name, key->name) != 0)
            made.step = step_new(draft, edit->origin, edit->what, key->name, made.name, ops,
                                 &key->step, 1);
        edit_add(edit, made, key->name);
    }
}

/* The visitor sees every key, and names before the statement alone; an empty new name ends it. */
bool draft_each(Draft *draft, Origin origin,
                bool (*visit)(void *context, const DraftKey *key, EachResult *result, Error *err),
                void *context, Error *err)
{
    if (!draft_ready(draft, err)) return false;
    draft->changed = true;
    Edit edit;
    bool good = true;
    edit_begin(&edit, draft, origin, "each");
    for (size_t i = 0; good && i < draft->count; i++) {
        const DraftKey *key = &draft->keys[i];
        DraftKey seen = *key;    /* a visitor finds a value in a collision, too */
        seen.expr = key_value(key);
        EachResult result = {0};
        good = visit(context, &seen, &result, err);
        if (!good) break;
        if (result.drop) edit_drop(&edit, key, origin, edit.what);
        else if (result.unchanged || !result.count) edit_keep(&edit, key);
        else add_results(&edit, key, &result);
        for (size_t j = 0; good && j < result.count; j++)
            good = *result.items[j].name ||
                   error_set(err, ERR_RULE, "each gives '%s' an empty name",
                             show_name(draft, key->name));
    }
    if (good) edit_finish(&edit);
    else edit_abandon(&edit);
    return good;
}
