/* Two of the systems are PyTorch itself, strict and not; what the others say their presets have
 * left in the alignment. */
#include "repl/log_lines.h"

#include <string.h>

#include "loader/align/load.h"

/* What --log takes, and the preset that says it. */
static const struct { const char *name, *preset; } systems[] = {
    {"torch", NULL}, {"torch-nonstrict", NULL}, {"essmc2", "essmc2"}, {"pet", "pet"},
    {"fvcore", "fvcore"}, {"timm", "timm"}, {"mmengine", "revise"}, {"detectron2", "suffix"},
    {"maskrcnn", "maskrcnn"}};

const char *log_preset(const char *name)
{
    for (size_t i = 0; i < countof(systems); i++)
        if (strcmp(systems[i].name, name) == 0) return systems[i].preset;
    return NULL;
}

bool log_find(const char *name, Error *err)
{
    Text list = {0};
    for (size_t i = 0; i < countof(systems); i++) {
        if (strcmp(systems[i].name, name) == 0) {
            text_done(&list);
            return true;
        }
        text_addf(&list, "%s%s", i ? ", " : "", systems[i].name);
    }
    error_set(err, ERR_USAGE, "--log: '%s' is not known; it is one of %s", name,
              text_string(&list));
    text_done(&list);
    return false;
}

/* A model that nobody has named is called Model. */
static void torch_lines(bool strict, const char *model, const Session *session,
                        const Alignment *alignment, Text *out, bool *inferred)
{
    const Checkpoint *checkpoint = session_target_checkpoint(session);
    if (!checkpoint) return;
    Arena *arena = arena_new();
    const Container *container =
        checkpoint_find_container(checkpoint, session_target_container(session));
    LoadTarget target = {session_target(session), container ? container->node : NULL};
    LoadItem *items;
    const Object *metadata;
    LoadReport report;
    size_t count = load_items_of(arena, alignment, &items, &metadata);
    load_predict(arena, items, count, metadata, &target, &report);
    if (!load_error_text(&report, model ? model : "Model", strict, out) && !strict)
        load_result_text(&report, out);
    if (out->length) text_addc(out, '\n');
    *inferred = report.inferred && report.missing_count + report.unexpected_count +
                                           report.error_count > 1;
    arena_free(arena);
}

void log_lines(const char *name, const char *model, const Session *session,
               const Alignment *alignment, Text *out, bool *inferred)
{
    *inferred = false;
    for (size_t i = 0; i < align_saying_count(alignment); i++)
        if (strcmp(align_saying(alignment, i)->system, name) == 0)
            text_addf(out, "%s\n", align_saying(alignment, i)->text);
    if (has_prefix(name, "torch"))
        torch_lines(strcmp(name, "torch") == 0, model, session, alignment, out, inferred);
}
