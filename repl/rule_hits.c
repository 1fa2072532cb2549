/* One walk over the ledger: the steps of every target say where they come from. */
#include "repl/rule_hits.h"

#include <stdlib.h>
#include <string.h>

typedef struct TextHits {
    uint32_t *counts, *last;     /* owned, [lines + 1]; by line, 0: of all; and the item that was
                                    counted last, from 1 */
    size_t lines;
} TextHits;

struct RuleHits {
    TextHits *texts;             /* owned, [count] */
    size_t count;
};

/* ---- places ---- */

/* "preset "essmc2"": what a bundled script does is the doing of the line that calls it. */
static bool calls(const SessionText *text, const char *preset)
{
    return has_prefix(preset, "preset \"") && strstr(text->text, preset);
}

size_t rule_hits_text(const Session *session, const Origin *origin)
{
    SessionText text;
    uint64_t number;
    const char *file = origin->file;
    if (!file) return SIZE_MAX;
    if (*file == ':' && parse_digits(file + 1, strlen(file + 1), &number) && number)
        return number <= session_text_count(session) ? (size_t)number - 1 : SIZE_MAX;
    for (size_t i = 0; session_text(session, i, &text); i++)
        if (!text.off && (strcmp(text.name, file) == 0 || calls(&text, file))) return i;
    return SIZE_MAX;
}

/* ---- the walk ---- */

typedef struct Walk {
    const Session *session;
    const Alignment *alignment;
    const char *file;            /* the chunk that was looked up last, and its text */
    size_t text;
    const Step **steps;          /* owned, [room]: of one target */
    size_t room;
    /* A place that the item-th thing of the ledger, from 1, went through; several times maybe. */
    void (*visit)(void *context, size_t text, size_t line, uint32_t item, const char *name);
    void *context;
} Walk;

/* Chunks have one name each, so that most look-ups are one comparison. */
static void visit_origin(Walk *walk, const Origin *origin, uint32_t item, const char *name)
{
    if (!origin || !origin->file) return;
    if (origin->file != walk->file) {
        walk->file = origin->file;
        walk->text = rule_hits_text(walk->session, origin);
    }
    if (walk->text == SIZE_MAX) return;
    bool bundled = has_prefix(origin->file, "preset \"");     /* its lines are not the text's */
    walk->visit(walk->context, walk->text, bundled || origin->line < 0 ? 0 : (size_t)origin->line,
                item, name);
}

static void walk_binding(Walk *walk, const Binding *binding, uint32_t item)
{
    size_t n = align_steps(binding, walk->steps, walk->room);
    if (n > walk->room) {
        walk->steps = mem_grow(walk->steps, &walk->room, n, sizeof(Step *));
        align_steps(binding, walk->steps, n);
    }
    for (size_t i = 0; i < n; i++)
        visit_origin(walk, align_step_origin(walk->steps[i]), item, binding->name);
    visit_origin(walk, binding->origin, item, binding->name);
}

/* Of source tensors those that went nowhere and were offered nowhere: the others are in their
 * targets' histories. */
static void walk_all(Walk *walk)
{
    const Alignment *alignment = walk->alignment;
    uint32_t item = 0;
    for (size_t i = 0; i < align_count(alignment); i++)
        walk_binding(walk, align_binding(alignment, i), ++item);
    for (size_t i = 0; i < align_use_count(alignment); i++) {
        const SourceUse *use = align_use(alignment, i);
        item++;
        if (use->status == USE_USED || use->offered_to) continue;
        for (const Step *step = use->step; step;
             step = step->before_count ? step->before[0] : NULL)
            visit_origin(walk, align_step_origin(step), item, use->tensor->name);
    }
    free(walk->steps);
}

/* ---- counting ---- */

static void count_at(TextHits *text, size_t line, uint32_t item)
{
    if (text->last[line] == item) return;
    text->last[line] = item;
    text->counts[line]++;
}

static void count_visit(void *context, size_t text, size_t line, uint32_t item, const char *name)
{
    RuleHits *hits = context;
    (void)name;
    count_at(&hits->texts[text], 0, item);
    if (line && line <= hits->texts[text].lines) count_at(&hits->texts[text], line, item);
}

RuleHits *rule_hits_new(const Session *session, const Alignment *alignment)
{
    RuleHits *hits = mem_alloc(sizeof *hits);
    hits->count = session_text_count(session);
    hits->texts = mem_alloc((hits->count + 1) * sizeof *hits->texts);
    for (size_t i = 0; i < hits->count; i++) {
        SessionText text;
        session_text(session, i, &text);
        TextHits *one = &hits->texts[i];
        one->lines = 1;
        for (size_t k = 0; k < text.length; k++) one->lines += text.text[k] == '\n';
        one->counts = mem_alloc((one->lines + 1) * sizeof *one->counts);
        one->last = mem_alloc((one->lines + 1) * sizeof *one->last);
    }
    Walk walk = {.session = session, .alignment = alignment, .visit = count_visit,
                 .context = hits};
    walk_all(&walk);
    return hits;
}

void rule_hits_free(RuleHits *hits)
{
    if (!hits) return;
    for (size_t i = 0; i < hits->count; i++) {
        free(hits->texts[i].counts);
        free(hits->texts[i].last);
    }
    free(hits->texts);
    free(hits);
}

size_t rule_hits_count(const RuleHits *hits, size_t text, size_t line)
{
    if (text >= hits->count || line > hits->texts[text].lines) return 0;
    return hits->texts[text].counts[line];
}

/* ---- names ---- */

typedef struct Names {
    size_t text, line;           /* what is asked for */
    const char **names;          /* owned, [count] */
    size_t count, room;
    uint32_t last;               /* the item that was taken last */
} Names;

static void name_visit(void *context, size_t text, size_t line, uint32_t item, const char *name)
{
    Names *names = context;
    if (text != names->text || (names->line && line != names->line) || names->last == item) return;
    names->last = item;
    names->names = mem_grow(names->names, &names->room, names->count + 1, sizeof(char *));
    names->names[names->count++] = name;
}

size_t rule_hits_names(const Session *session, const Alignment *alignment, size_t text,
                       size_t line, Arena *arena, const char *const **names)
{
    Names found = {.text = text, .line = line};
    Walk walk = {.session = session, .alignment = alignment, .visit = name_visit,
                 .context = &found};
    walk_all(&walk);
    *names = arena_copy(arena, found.names, found.count * sizeof(char *));
    free(found.names);
    return found.count;
}
