/* The sections about rules (Ambiguous, Collision, Rule problem), about what is no tensor, and
 * about targets that keep or are given a value. */
#include <stdlib.h>
#include <string.h>

#include "loader/align/report_parts.h"
#include "loader/core/map.h"

enum { COMMENT_COLUMN = 41, OBJECTS_MAX = 6 };

/* ---- Ambiguous ---- */

/* Ambiguous for another reason than a collision or a tie, which have sections of their own. */
static bool is_guess(const Binding *binding)
{
    return binding->status == BIND_AMBIGUOUS && !binding->covered && binding->reason &&
           !binding->doubt && strcmp(binding->reason, "collision") != 0;
}

/* Every one by name: a guess must be settled by somebody, one after the other. */
static void report_ambiguous(Reporter *reporter)
{
    size_t total = align_count(reporter->alignment), count = 0;
    for (size_t i = 0; i < total; i++) count += is_guess(align_binding(reporter->alignment, i));
    if (!count) return;
    page_section(&reporter->page, true);
    page_line(&reporter->page, LINE_HEAD, "  Ambiguous (%zu tensor%s)   nothing loaded", count,
              count == 1 ? "" : "s");
    for (size_t i = 0; i < total; i++) {
        const Binding *binding = align_binding(reporter->alignment, i);
        if (is_guess(binding))
            page_line(&reporter->page, LINE_GROUP, "     %s   %s",
                      report_name(reporter, binding->name), binding->reason);
    }
}

/* ---- Collision ---- */

/* A name, with its shape where it is one of the file. Names that rules made are not in the
 * file, and stand without one. */
static void add_collider(Reporter *reporter, const char *name)
{
    const Tensor *tensor = dict_find(align_source_dict(reporter->alignment), name);
    text_add(&reporter->page.line, report_name(reporter, name));
    if (tensor && tensor->rank)
        text_addf(&reporter->page.line, " [%s]",
                  report_shape(reporter, tensor->dims, tensor->rank));
}

/* "a.w   ←  module.a.w [1]   and   a.w [2]        after: strip "module."   (rules.lua:2)" Four
 * of them are named; without a file the statement came from nowhere (a policy). */
static void add_collision(Reporter *reporter, const Collision *collision)
{
    text_addf(&reporter->page.line, "     %s   ←  ", report_name(reporter, collision->name));
    for (size_t i = 0; i < collision->source_count && i < 4; i++) {
        if (i) text_add(&reporter->page.line, "   and   ");
        add_collider(reporter, collision->sources[i]);
    }
    if (collision->source_count > 4)
        text_addf(&reporter->page.line, "   and %zu more", collision->source_count - 4);
    if (collision->what)
        text_addf(&reporter->page.line, "        after: %s",
                  report_name(reporter, collision->what));
    if (collision->origin.file)
        text_addf(&reporter->page.line, "   (%s)", report_origin(reporter, &collision->origin));
    page_end_line(&reporter->page, LINE_GROUP);
}

/* Must be seen: nothing can be written while there is one. */
static void report_collisions(Reporter *reporter)
{
    size_t count = align_collision_count(reporter->alignment), most = 0;
    if (!count) return;
    for (size_t i = 0; i < count; i++) {
        size_t sources = align_collision(reporter->alignment, i)->source_count;
        if (sources > most) most = sources;
    }
    const char *how_many = most > 2 ? "several" : "two";
    page_section(&reporter->page, true);
    if (count == 1)
        page_line(&reporter->page, LINE_HEAD,
                  "  Collision (error)   %s source tensors get one name; nothing was written",
                  how_many);
    else
        page_line(&reporter->page, LINE_HEAD,
                  "  Collision (error)   %zu times %s source tensors get one name; nothing was "
                  "written", count, how_many);
    for (size_t i = 0; i < count; i++)
        add_collision(reporter, align_collision(reporter->alignment, i));
}

/* ---- Rule problem ---- */

static const char *const levels[] = {
    [NOTE_INFO] = "note", [NOTE_TRAP] = "trap", [NOTE_ERROR] = "error"};

/* One note: its origin and first line, further lines below. A text that says "(error)" or
 * "(caution)" itself has its own heading. */
static void add_note(Reporter *reporter, const RuleNote *note)
{
    const char *text = note->text;
    size_t n = strcspn(text, "\n");
    const char *kind = strstr(text, note->level == NOTE_ERROR ? "(error)" : "(caution)");
    bool heading = kind && kind < text + n;
    if (!heading) {
        text_addf(&reporter->page.line, "  Rule problem (%s)   ",
                  levels[note->level]);
        if (note->origin.file && note->origin.line > 0)
            text_addf(&reporter->page.line, "%s   ", report_origin(reporter, &note->origin));
    } else {
        text_add(&reporter->page.line, "  ");
    }
    text_add(&reporter->page.line,
             report_name(reporter, arena_strndup(reporter->arena, text, n)));
    page_end_line(&reporter->page, note->level == NOTE_ERROR ? LINE_HEAD : LINE_GROUP);
    for (text += n; *text; text += n) {
        text++;
        n = strcspn(text, "\n");
        page_line(&reporter->page, LINE_TAIL, "     %s",
                  report_name(reporter, arena_strndup(reporter->arena, text, n)));
    }
}

/* Errors before traps before notes, each kind in order. Errors make their section one that must be
 * seen, others do not. */
static void report_notes(Reporter *reporter)
{
    size_t count = align_note_count(reporter->alignment);
    bool errors = false;
    size_t remarks = 0;
    for (size_t i = 0; i < count; i++) {
        errors = errors || align_note(reporter->alignment, i)->level == NOTE_ERROR;
        remarks += align_note(reporter->alignment, i)->remark;
    }
    if (count == remarks) return;
    page_section(&reporter->page, errors);
    for (int level = NOTE_ERROR; level >= NOTE_INFO; level--)
        for (size_t i = 0; i < count; i++)
            if ((int)align_note(reporter->alignment, i)->level == level &&
                !align_note(reporter->alignment, i)->remark)
                add_note(reporter, align_note(reporter->alignment, i));
}

/* From what hinders most to what is good to know. */
void report_rules(Reporter *reporter)
{
    report_doubts(reporter);
    report_ambiguous(reporter);
    report_collisions(reporter);
    report_notes(reporter);
}

/* ---- Not a tensor ---- */

/* Scalars as Python prints them, everything else by its kind. For "epoch = 12,
 * best = 0.871". */
static void show_value(Reporter *reporter, const Object *value, Text *out)
{
    if (value->kind == OBJ_INT) {
        text_addf(out, "%lld", (long long)value->integer);
    } else if (value->kind == OBJ_FLOAT) {
        char digits[32];
        show_float(value->number, digits);
        text_add(out, digits);
    } else if (value->kind == OBJ_BOOL) {
        text_add(out, value->boolean ? "True" : "False");
    } else if (value->kind == OBJ_NONE) {
        text_add(out, "None");
    } else {
        Text shown = {0};
        object_show(value, &shown);
        text_add(out, report_name(reporter, text_string(&shown)));
        text_done(&shown);
    }
}

/* What a list or tuple holds of tensors is left behind with it: the packed weights of quantized
 * modules, say. */
static void show_held(const Object *value, Text *out)
{
    const Object *list = object_as_sequence(value);
    size_t count = 0;
    for (size_t i = 0; list && i < list->list.count; i++)
        count += list->list.items[i]->kind == OBJ_TENSOR;
    if (count) text_addf(out, " with %zu tensor%s in it", count, count == 1 ? "" : "s");
}

/* Whether the value is on the way to the weights, or weights itself. With the container
 * `model.net` the entry `model` does; so would any tensor beside it. */
static bool leads_to_tensors(const Reporter *reporter, const char *key, const Object *value)
{
    const char *container = align_container(reporter->alignment);
    size_t n = strlen(key);
    if (value->kind == OBJ_TENSOR) return true;
    return strncmp(container, key, n) == 0 && strchr(".[", container[n]);
}

/* What a state dict leaves behind: epoch, optimizer and the like. Six of them are named, in the
 * file's order. Only the top level: what lies deeper is the source's business, see `tenon ls`. */
static void report_objects(Reporter *reporter)
{
    const Object *root = checkpoint_root(align_source(reporter->alignment));
    const Object *dict = root ? object_as_dict(root) : NULL;
    size_t count = 0, kept = 0;
    Text list = {0};
    for (size_t i = 0; dict && i + 1 < dict->list.count; i += 2) {
        const Object *key = dict->list.items[i], *value = dict->list.items[i + 1];
        if (key->kind != OBJ_STR || !value) continue;
        if (leads_to_tensors(reporter, key->bytes.text, value)) continue;
        kept += later_find_meta(align_later(reporter->alignment), key->bytes.text) != NULL;
        if (count++ >= OBJECTS_MAX) continue;
        text_addf(&list, "%s%s = ", list.length ? ", " : "",
                  report_name(reporter, key->bytes.text));
        show_value(reporter, value, &list);
        show_held(value, &list);
    }
    if (count) {
        const ReportOutput *output = reporter->options->output;
        bool whole = output && output->whole;
        page_section(&reporter->page, false);
        if (count > OBJECTS_MAX) text_addf(&list, ", and %zu more", count - OBJECTS_MAX);
        page_line(&reporter->page, LINE_HEAD, "  Not a tensor (%zu)   %s: %s", count,
                  text_string(&list),
                  whole || kept == count ? "carried along"
                  : kept ? arena_printf(reporter->arena, "%zu carried along, the others not", kept)
                         : "not carried over");
    }
    text_done(&list);
}

/* ---- Kept, Filled ---- */

/* ---- Loaded, Tied, Kept, Filled ---- */

/* What a section says about one binding; also its class when names fold into lines. */
typedef const char *(*Describe)(Reporter *reporter, const Binding *binding);

/* NULL, here and below: the binding has no place in that section. */
static const char *describe_kept(Reporter *reporter, const Binding *binding)
{
    if (binding->status != BIND_KEPT || !binding->origin) return NULL;
    return arena_printf(reporter->arena, "%s (%s)%s", binding->reason,
                        report_origin(reporter, binding->origin),
                        binding->expr ? "" : "; a schema has no value for it");
}

/* "kaiming()   instead of another shape". */
static const char *describe_filled(Reporter *reporter, const Binding *binding)
{
    if (binding->status != BIND_FILLED) return NULL;
    return arena_printf(reporter->arena, "%s%s%s%s", binding->op ? binding->op : "",
                        binding->reason ? "   " : "", binding->reason ? binding->reason : "",
                        binding->offered ? "   instead of another shape" : "");
}

/* tied_to is there: the status says so. */
static const char *describe_tied(Reporter *reporter, const Binding *binding)
{
    if (binding->status != BIND_TIED) return NULL;
    return arena_printf(reporter->arena, "shares storage with %s",
                        report_name(reporter, binding->tied_to->name));
}

/* "rule   fix.lua:3   f16 → f32, cast"; what auto{} found rests on a line of its own. Only -v has
 * this section in full. */
static const char *describe_loaded(Reporter *reporter, const Binding *binding)
{
    if (binding->status != BIND_LOADED) return NULL;
    const char *what = binding->how == HOW_EXACT ? "same name" : how_word(binding->how);
    const Origin *origin = binding->step ? align_step_origin(binding->step) : NULL;
    if (binding->how == HOW_AUTO) {          /* it has no line, but may be less than sure */
        what = arena_printf(reporter->arena, "%s %.2f", what, (double)binding->confidence);
        origin = NULL;
    }
    const char *why = binding->how == HOW_AUTO ? binding->why : NULL;
    return arena_printf(reporter->arena, "%s%s%s%s%s%s", what, origin ? "   " : "",
                        origin ? report_origin(reporter, origin) : "",
                        binding->reason ? arena_printf(reporter->arena, "   %s", binding->reason)
                                        : "",
                        why ? "\n" : "", why ? report_name(reporter, why) : "");
}

/* What is said of a line of names: beside them, and below what stands behind a line's end. */
static void add_class(Reporter *reporter, const char *class)
{
    const char *below = strchr(class, '\n');
    page_pad(&reporter->page, COMMENT_COLUMN);
    text_addf(&reporter->page.line, "%.*s", (int)(below ? (size_t)(below - class) : strlen(class)),
              class);
    page_end_line(&reporter->page, LINE_GROUP);
    if (below) page_line(&reporter->page, LINE_GROUP, "           %s", below + 1);
}

/* A section of the bindings that `describe` has words for, folded by those words. Nothing at
 * all when `describe` has words for none. */
static void add_listing(Reporter *reporter, const char *title, const char *comment,
                        Describe describe)
{
    size_t total = align_count(reporter->alignment), count = 0;
    const char **names = mem_alloc((total + 1) * sizeof *names);
    const char **classes = mem_alloc((total + 1) * sizeof *classes);
    for (size_t i = 0; i < total; i++) {
        const Binding *binding = align_binding(reporter->alignment, i);
        const char *class = binding->covered ? NULL : describe(reporter, binding);
        if (!class) continue;
        names[count] = binding->name;
        classes[count++] = class;
    }
    if (count) {
        NameLine *bundles;
        size_t lines = report_bundle(reporter, names, classes, count, &bundles);
        page_section(&reporter->page, false);
        page_line(&reporter->page, LINE_HEAD, "  %s (%zu)%s", title, count, comment);
        for (size_t i = 0; i < lines; i++) {
            text_addf(&reporter->page.line, "%7zu  %s", bundles[i].count, bundles[i].name);
            add_class(reporter, classes[bundles[i].members[0]]);
        }
    }
    free(names);
    free(classes);
}

/* What was loaded in part is told always: the rest of its values are others. */
static const char *describe_partial(Reporter *reporter, const Binding *binding)
{
    (void)reporter;
    return binding->status == BIND_LOADED && binding->partial ? binding->reason : NULL;
}

/* A sparse tensor is written as any other; that is told always, as PyTorch tells them apart. */
static const char *describe_dense(Reporter *reporter, const Binding *binding)
{
    const Tensor *tensor = binding->status == BIND_LOADED && binding->expr
                               ? expr_as_source(binding->expr) : NULL;
    const char *note = tensor && tensor->encoding ? tensor->encoding->note : NULL;
    (void)reporter;
    return note && tensor->storage && has_prefix(note, "sparse ") ? note : NULL;
}

/* Without -v what was loaded is a number in the head, and only what needs a word is listed. */
void report_loaded(Reporter *reporter)
{
    if (!reporter->options->verbose) {
        add_listing(reporter, "Loaded", "   in part", describe_partial);
    } else {
        add_listing(reporter, "Loaded", "", describe_loaded);
        add_listing(reporter, "Tied", "", describe_tied);
    }
    add_listing(reporter, "Loaded", "   with all values, zeros too", describe_dense);
}

/* Last in the report: nothing here is a difference. */
void report_others(Reporter *reporter)
{
    report_objects(reporter);
    add_listing(reporter, "Kept", "   the target's own values", describe_kept);
    add_listing(reporter, "Filled", "", describe_filled);
}
