/* Verbs about what is open: the dicts in a file, another source, another target. */
#include "repl/verb_list.h"

#include <string.h>

#include "loader/format/format.h"
#include "repl/chooser.h"

/* A dict of one side; one that has no name cannot be asked for by it. */
static void add_container(const Ui *ui, Panel *panel, bool target, const Container *one)
{
    const char *spec = target ? session_target_path(ui->session)
                              : session_source_path(ui->session);
    const char *chosen = target ? session_target_container(ui->session)
                                : align_container(ui->alignment);
    const char *file, *inside;
    char bytes[32];
    Text text = {0}, right = {0}, line = {0};
    Arena *arena = arena_new();
    checkpoint_spec(arena, spec, &file, &inside);
    bool now = strcmp(chosen, one->path) == 0;
    text_addf(&text, "  %s %s", now ? "✓" : " ", *one->path ? one->path : "(the file itself)");
    show_bytes(dict_bytes(one->dict), bytes);
    const size_t tensors = dict_count(one->dict);
    text_addf(&right, "%zu tensor%s, %s", tensors, tensors == 1 ? "" : "s", bytes);
    text_addf(&line, "open-%s %s::%s", target ? "target" : "source", file, one->path);
    chooser_add(panel, one->optimizer ? STYLE_DIM : STYLE_PLAIN, text_string(&text),
                text_string(&right), *one->path ? text_string(&line) : NULL);
    arena_free(arena);
    text_done(&text);
    text_done(&right);
    text_done(&line);
}

bool verb_containers(Ui *ui, const char *argument, Error *err)
{
    (void)argument, (void)err;
    const Checkpoint *sides[] = {session_source(ui->session),
                                 session_target_checkpoint(ui->session)};
    Panel *panel = chooser_open(ui, "containers", "dicts of tensors in the files");
    for (int side = 0; side < 2; side++) {
        if (!sides[side]) continue;
        chooser_add(panel, STYLE_MODULE, checkpoint_path(sides[side]),
                    side ? "target" : "source", NULL);
        for (size_t i = 0; i < checkpoint_container_count(sides[side]); i++)
            add_container(ui, panel, side == 1, checkpoint_container(sides[side], i));
    }
    return true;
}

static bool open_side(Ui *ui, int side, const char *path, Error *err)
{
    if (!*path) return error_set(err, ERR_USAGE, "it takes a file, FILE or FILE::PATH");
    return ui_open(ui, side, path, err);
}

/* The one behind the other: each is a step of its own for undo. */
bool verb_reopen(Ui *ui, const char *argument, Error *err)
{
    (void)argument;
    const bool source = session_side_changed(ui->session, 0);
    const bool target = session_side_changed(ui->session, 1);
    if (!source && !target)
        return error_set(err, ERR_USAGE, "no file has changed on disk since it was opened");
    if (source && target) ui_open_later(ui, 1, session_target_path(ui->session));
    return ui_open(ui, source ? 0 : 1, source ? session_source_path(ui->session)
                                              : session_target_path(ui->session), err);
}

bool verb_open_source(Ui *ui, const char *argument, Error *err)
{
    return open_side(ui, 0, argument, err);
}

bool verb_open_target(Ui *ui, const char *argument, Error *err)
{
    return open_side(ui, 1, argument, err);
}
