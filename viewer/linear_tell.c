#include "viewer/linear_tell.h"

#include <string.h>

enum { COLUMNS = 100, PAGE_ROWS = 2000, PANEL_ROWS_SHOWN = 24 };

static void add_tensor(DType dtype, const int64_t *dims, unsigned rank, Text *out)
{
    text_addf(out, " %s ", dtype == DT_UNKNOWN ? "?" : dtype_name(dtype));
    show_shape(dims, rank, out);
}

/* A line for each of those that were tried. */
static void tell_tries(const char *tries, Text *out)
{
    text_add(out, "\ntry: ");
    for (const char *gap; (gap = strstr(tries, CHOICE_GAP)); tries = gap + strlen(CHOICE_GAP)) {
        text_addn(out, tries, (size_t)(gap - tries));
        text_add(out, "\ntry: ");
    }
    text_add(out, tries);
}

/* What it gets, from where, and why not. */
static void tell_binding(const View *view, const Binding *binding, Text *out)
{
    add_tensor(binding->dtype, binding->dims, binding->rank, out);
    for (size_t i = 0; i < binding->source_count && i < 3; i++) {
        const Tensor *source = binding->sources[i];
        text_add(out, i ? " and " : ", from ");
        name_show(source->name, out);
        add_tensor(source->dtype, source->dims, source->rank, out);
    }
    if (binding->source_count > 3) text_addf(out, " and %u more", binding->source_count - 3);
    if (binding->reason) text_addf(out, ", %s", binding->reason);
    const Step *step = binding->step;
    if (step && step->what) text_addf(out, ", by %s", step->what);
    else if (step) text_addf(out, ", by %s -> %s", step->from, step->to ? step->to : "");
    if (step && step->origin.file && step->origin.line)
        text_addf(out, " (%s:%d)", step->origin.file, step->origin.line);
    const bool tried = view->tries.length && view->tries_for &&
                       strcmp(view->tries_for, binding->name) == 0;
    if (tried) tell_tries(text_string(&view->tries), out);
}

void tell_row(const View *view, size_t visible, Text *out)
{
    const RowModel *model = view->rows;
    if (!model || visible >= model->visible_count) {
        text_add(out, model ? "no row\n" : "not aligned yet\n");
        return;
    }
    const uint32_t index = model->visible[visible];
    const Row *row = &model->rows[index];
    const Side side = row->side[view->side].path ? view->side
                      : view->side == SIDE_TARGET ? SIDE_SOURCE : SIDE_TARGET;
    RowState state;
    Text path = {0};
    rows_path(model, index, side, &path);
    text_addf(out, "%zu of %zu: ", visible + 1, model->visible_count);
    name_show(text_string(&path), out);
    text_done(&path);
    if (rows_state(model, index, &state)) text_addf(out, ", %s", state_info(state)->word);
    const Binding *binding = rows_binding(model, index);
    const SourceUse *use = rows_use(model, index);
    if (binding) {
        tell_binding(view, binding, out);
    } else if (use) {
        add_tensor(use->tensor->dtype, use->tensor->dims, use->tensor->rank, out);
        text_add(out, " of the source");
        if (use->reason) text_addf(out, ", %s", use->reason);
    } else {
        text_addf(out, ", %s of %u tensors", row->members ? "blocks" : "module",
                  row->targets ? row->targets : row->sources);
        if (row->targets) text_addf(out, ", %u loaded", row->loaded);
        if (row->members) text_addf(out, ", %u equal blocks", row->members);
        text_add(out, model->open[index] ? ", open" : ", closed");
    }
    text_addc(out, '\n');
}

static void tell_file(const char *what, const ViewFile *file, Text *out)
{
    char bytes[32];
    show_bytes(file->bytes, bytes);
    text_addf(out, "%s ", what);
    name_show(file->name, out);
    if (*file->container) {
        text_addc(out, ' ');
        name_show(file->container, out);
    }
    text_addf(out, ", %zu tensors, %s\n", file->tensors, bytes);
}

void tell_counts(const View *view, Text *out)
{
    const ViewTitle *title = &view->title;
    if (!view->rows) return;
    tell_file("source", &title->source, out);
    if (title->target.name) tell_file("target", &title->target, out);
    const Summary *summary = align_summary(view->rows->alignment);
    for (int i = 0; i < BIND_STATUS_COUNT; i++)
        if (summary->bind[i] || i == BIND_LOADED || i == BIND_SHAPE || i == BIND_MISSING)
            text_addf(out, "%s%zu %s", i ? ", " : "", summary->bind[i], bind_word((BindStatus)i));
    text_addf(out, ", %zu unused\n", summary->use[USE_UNUSED]);
}

/* Drawn on a screen that is as high as it takes, whose lines are then read. */
void tell_panel(Panel *panel, Text *out)
{
    Screen screen = {0};
    Text title = {0}, place = {0};
    const int rows = panel->ops == &page_ops ? PAGE_ROWS : PANEL_ROWS_SHOWN;
    screen_resize(&screen, COLUMNS, rows, false);
    const int height = panel->height;
    panel->height = rows;
    panel->ops->draw(panel, &screen, (Box){0, 0, COLUMNS, rows});
    if (panel->ops->head) panel->ops->head(panel, &title, &place);
    panel->height = height;
    text_addf(out, "%s %s\n", text_string(&title), text_string(&place));
    screen_dump(&screen, out);
    while (out->length > 1 && out->bytes[out->length - 1] == '\n' &&
           out->bytes[out->length - 2] == '\n')
        out->length--;
    out->bytes[out->length] = '\0';
    text_done(&title);
    text_done(&place);
    screen_done(&screen);
}
