/* Another file for one side. It is opened beside the keys, which go on meaning the files on show;
 * what is typed meanwhile waits, since it may be about the file. */
#include <stdlib.h>
#include <string.h>

#include "repl/ui.h"

/* The verb line that opens it. */
static char *verb_line(int side, const char *path)
{
    Text line = {0};
    text_addf(&line, "open-%s %s", side ? "target" : "source", path);
    return line.bytes;
}

/* Of SessionOpener: what was opened already, unless the name means another file by now. */
static void hand_over(void *context, Opened *opened)
{
    Opened *ready = context;
    for (int side = 0; side < 2; side++) {
        if (!opened->names[side]) continue;
        if (ready->names[side] && strcmp(ready->names[side], opened->names[side]) == 0) {
            opened->files[side] = ready->files[side];
            opened->errors[side] = ready->errors[side];
            ready->files[side] = NULL;
        } else {
            error_set(&opened->errors[side], ERR_NOT_FOUND, "%s: by the rules of now it is another "
                      "file; open it again", opened->names[side]);
        }
    }
}

/* A file that comes to no ledger is not kept. */
static bool take(Ui *ui, int side, const char *path, Opened *opened, Error *err)
{
    const SessionOpener opener = {hand_over, opened};
    if (!session_open_side(ui->session, side, path, &opener, err)) return false;
    if (!ui_align_or_back(ui, BACK_WITHOUT_LEDGER, err)) return false;
    if (!ui->rules_failed)
        view_say(&ui->view, STYLE_PLAIN, "%s is the %s now; u takes it back",
                 side ? session_target_path(ui->session) : session_source_path(ui->session),
                 side ? "target" : "source");
    return true;
}

/* How far it is, unless something else is said. */
static void tell(Ui *ui)
{
    UiOpening *opening = &ui->opening;
    Text text = {0};
    opening_tell(opening->files, &text);
    text_add(&text, "  (Esc stops)");
    const char *said = text_string(&ui->view.message);
    if (!*said || strcmp(said, text_string(&opening->told)) == 0)
        view_say(&ui->view, STYLE_TITLE, "%s", text_string(&text));
    text_done(&opening->told);
    opening->told = text;
}

/* Its end is waited for, which after ui_open_stop is soon. */
static void forget(Ui *ui, Opened *opened)
{
    UiOpening *opening = &ui->opening;
    opening_end(opening->files, opened);
    if (strcmp(text_string(&ui->view.message), text_string(&opening->told)) == 0)
        text_clear(&ui->view.message);
    text_done(&opening->told);
    free(opening->path);
    *opening = (UiOpening){.files = NULL};
}

/* `*line` receives the verb line that failed, to be freed. */
static bool finish(Ui *ui, char **line, Error *err)
{
    const int side = ui->opening.side;
    const bool stopped = ui->opening.stopped;
    char *path = mem_strdup(ui->opening.path);
    Opened opened = {.names = {NULL}};
    char *file = mem_strdup(opening_name(ui->opening.files, side));
    forget(ui, &opened);
    opened.names[side] = file;
    const bool good = stopped || take(ui, side, path, &opened, err);
    if (!good) *line = verb_line(side, path);
    for (int i = 0; i < 2; i++) checkpoint_unref(opened.files[i]);
    free(file);
    free(path);
    return good;
}

void ui_open_later(Ui *ui, int side, const char *path)
{
    char *line = verb_line(side, path);
    ui_queue(ui, line);
    free(line);
}

bool ui_open(Ui *ui, int side, const char *path, Error *err)
{
    const char *file;
    if (ui->opening.files) {             /* the one before goes first, at once */
        ui_open_stop(ui);
        ui_open_later(ui, side, path);
        return true;
    }
    if (!session_side_file(ui->session, side, path, &file, err)) return false;
    if (!file) return take(ui, side, path, &(Opened){.names = {NULL}}, err);
    const char *const names[2] = {side ? NULL : file, side ? file : NULL};
    ui->opening = (UiOpening){.files = opening_start(names), .side = side,
                              .path = mem_strdup(path)};
    char *line = NULL;
    const bool good = !opening_wait(ui->opening.files, ui->moment ? ui->moment : UI_MOMENT_MS) ||
                      finish(ui, &line, err);
    free(line);
    return good;
}

bool ui_open_on(Ui *ui, char **line, Error *err)
{
    if (!ui->opening.files) return true;
    if (opening_wait(ui->opening.files, 0)) return finish(ui, line, err);
    if (!ui->opening.stopped) tell(ui);
    return true;
}

bool ui_open_stop(Ui *ui)
{
    UiOpening *opening = &ui->opening;
    if (!opening->files || opening->stopped) return false;
    opening->stopped = true;
    opening_stop(opening->files);
    view_say(&ui->view, STYLE_PLAIN, "not opened: %s", opening->path);
    return true;
}

void ui_open_done(Ui *ui)
{
    Opened opened = {.names = {NULL}};
    if (!ui->opening.files) return;
    opening_stop(ui->opening.files);
    forget(ui, &opened);
    for (int side = 0; side < 2; side++) checkpoint_unref(opened.files[side]);
}
