/* Bracketed paste: the terminal says where a pasted text begins and ends, so that none of it is a
 * key. Into a line that is being typed it goes as it is, newlines too: Lua may have several. */
#include <string.h>

#include "loader/core/clock.h"
#include "repl/preview.h"
#include "repl/ui.h"

enum {
    PASTE_BYTES_MAX = 64 << 10,  /* what is longer was no line for a prompt */
    PASTE_MS = 2000              /* without a press it is over, though nobody said so */
};

static void take_press(Ui *ui, Press press)
{
    const size_t before = ui->paste.length;
    if (press.kind == PRESS_CHAR) utf8_add(&ui->paste, press.code);
    else if (press.kind == PRESS_ENTER) text_addc(&ui->paste, '\n');
    else if (press.kind == PRESS_TAB) text_addc(&ui->paste, ' ');
    if (ui->paste.length > PASTE_BYTES_MAX) ui->paste.length = before;
}

/* Newlines at its ends were part of the selection, and not of what was meant. A search is one
 * line. */
static void put_into_line(Ui *ui)
{
    Text *paste = &ui->paste;
    while (paste->length && paste->bytes[paste->length - 1] == '\n') paste->length--;
    if (!paste->length) return;
    paste->bytes[paste->length] = '\0';
    char *text = paste->bytes + strspn(paste->bytes, "\n");
    if (ui->mode == UI_SEARCH) text[strcspn(text, "\n")] = '\0';
    line_insert(&ui->line, text);
    if (ui->mode == UI_PROMPT) preview_age(ui);
    else ui_search(ui, text_string(&ui->line.text));
}

static void end_paste(Ui *ui)
{
    ui->pasting = false;
    if (ui->mode == UI_PROMPT || ui->mode == UI_SEARCH)
        put_into_line(ui);
    else if (ui->paste.length)
        view_say(&ui->view, STYLE_PLAIN, "what is pasted runs no keys: type : or / before it");
    text_clear(&ui->paste);
}

bool ui_paste(Ui *ui, Press press)
{
    if (press.kind == PRESS_PASTE) {
        text_clear(&ui->paste);
        ui->pasting = true;
    } else if (press.kind == PRESS_PASTED) {
        if (ui->pasting) end_paste(ui);
        return true;
    } else if (ui->pasting) {
        take_press(ui, press);
    }
    if (ui->pasting) ui->paste_at = clock_ms();
    return ui->pasting;
}

void ui_paste_late(Ui *ui)
{
    if (ui->pasting && clock_ms() - ui->paste_at > PASTE_MS) end_paste(ui);
}
