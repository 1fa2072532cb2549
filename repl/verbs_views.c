/* Verbs that show what a file has besides its weights: metadata, the optimizer's state, all
 * objects. Each is an outline that is filled when it opens. */
#include "repl/verb_list.h"

#include "repl/file_view.h"
#include "repl/optimizer_view.h"
#include "viewer/outline.h"

static TreeLines open_outline(const char *name, const char *title)
{
    const OutlineOptions options = {.name = name, .hint = "{fold} folds  {quit} closes",
                                    .title = title};
    return (TreeLines){.panel = outline_new(&options)};
}

static void push(Ui *ui, TreeLines *lines)
{
    tree_end(lines);
    ui_leave(ui);
    view_push_panel(&ui->view, lines->panel);
}

bool verb_metadata(Ui *ui, const char *argument, Error *err)
{
    (void)argument, (void)err;
    const StateDict *target = align_target(ui->alignment);
    TreeLines lines = open_outline("metadata", "metadata");
    file_view_lines(session_source(ui->session), align_source_dict(ui->alignment), &lines);
    if (target) file_view_lines(session_target_checkpoint(ui->session), target, &lines);
    push(ui, &lines);
    return true;
}

/* A format without objects lists its tensors by container. */
static void add_containers(TreeLines *lines, const Checkpoint *checkpoint)
{
    for (size_t i = 0; i < checkpoint_container_count(checkpoint); i++) {
        const Container *one = checkpoint_container(checkpoint, i);
        Text text = {0};
        text_addf(&text, "%zu tensors", dict_count(one->dict));
        tree_add(lines, 0, STYLE_MODULE, *one->path ? one->path : "(top)", text_string(&text));
        for (size_t k = 0; k < dict_count(one->dict); k++) {
            const Tensor *tensor = dict_at(one->dict, k);
            text_clear(&text);
            text_addf(&text, "%s ", dtype_name(tensor->dtype));
            show_shape(tensor->dims, tensor->rank, &text);
            tree_add(lines, 1, STYLE_EXACT, tensor->name, text_string(&text));
        }
        text_done(&text);
    }
}

bool verb_objects(Ui *ui, const char *argument, Error *err)
{
    (void)argument, (void)err;
    const Checkpoint *checkpoint = session_source(ui->session);
    const Object *root = checkpoint_root(checkpoint);
    TreeLines lines = open_outline("objects", "objects");
    if (root) tree_add_object(&lines, 0, "", root);
    else add_containers(&lines, checkpoint);
    push(ui, &lines);
    return true;
}

bool verb_optimizer(Ui *ui, const char *argument, Error *err)
{
    (void)argument;
    Arena *arena = arena_new();
    OptimizerView view;
    bool ok = optimizer_view_read(arena, ui->alignment, &view, err);
    if (ok) {
        TreeLines lines = open_outline("optimizer",
                                       arena_printf(arena, "optimizer state at %s", view.path));
        optimizer_view_lines(&view, &lines);
        push(ui, &lines);
    }
    arena_free(arena);
    return ok;
}
