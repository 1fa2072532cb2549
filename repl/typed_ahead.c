#include "repl/typed_ahead.h"

#include <stdlib.h>
#include <string.h>

#include "loader/core/clock.h"
#include "loader/core/memory.h"
#include "repl/keys.h"

static bool is_waiting(const TypedAhead *ahead)
{
    return ahead->next < ahead->count;
}

static void keep(TypedAhead *ahead, Press press)
{
    ahead->presses = mem_grow(ahead->presses, &ahead->room, ahead->count + 1,
                              sizeof *ahead->presses);
    ahead->presses[ahead->count++] = press;
}

static void forget(TypedAhead *ahead)
{
    ahead->next = ahead->count = 0;
}

/* Whether the verb line moves; "up 3" and "down 3" are how the wheel is bound. */
static bool move(Panel *names, const char *line)
{
    static const struct { const char *verb; PanelMove move; long sign; } moves[] = {
        {"up", PANEL_ROWS, -1},      {"down", PANEL_ROWS, 1}, {"page-up", PANEL_PAGES, -1},
        {"page-down", PANEL_PAGES, 1}, {"top", PANEL_END, -1}, {"bottom", PANEL_END, 1},
        {"in", PANEL_COLUMNS, 1},    {"out", PANEL_COLUMNS, -1}, {"fold", PANEL_FOLD, 1}};
    const size_t n = strcspn(line, " ");
    for (size_t i = 0; i < countof(moves); i++) {
        if (strlen(moves[i].verb) != n || strncmp(moves[i].verb, line, n) != 0) continue;
        const long count = strtol(line + n, NULL, 10);
        if (names) panel_move(names, moves[i].move, moves[i].sign * (count > 0 ? count : 1));
        return true;
    }
    return false;
}

/* Without a press for so long a paste is over, though nobody said so. */
enum { PASTE_MS = 2000 };

/* None of it is a key: it waits where it may be what is typed into a line, else it is nothing. */
static bool is_pasted(TypedAhead *ahead, Press press)
{
    const int64_t now = clock_ms();
    const bool pasting = ahead->pasting && now - ahead->paste_at <= PASTE_MS;
    ahead->pasting = press.kind == PRESS_PASTE || (pasting && press.kind != PRESS_PASTED);
    ahead->paste_at = now;
    return pasting || ahead->pasting;
}

/* Behind one that waits all others do, since they may be what is typed into it. The mouse means
 * rows, and there are none. */
AheadPress typed_ahead_press(TypedAhead *ahead, Press press, Panel *names)
{
    const bool waiting = is_waiting(ahead), pasted = is_pasted(ahead, press);
    if (pasted) {
        if (waiting) keep(ahead, press);
        return waiting ? AHEAD_CHANGED : AHEAD_NOTHING;
    }
    if (press_is_cancel(press)) {
        forget(ahead);
        return waiting ? AHEAD_CHANGED : AHEAD_CANCEL;
    }
    if (press.kind == PRESS_CLICK || press.kind == PRESS_DRAG || press.kind == PRESS_RELEASE)
        return AHEAD_NOTHING;
    const char *line = key_line(press, NULL);
    if (!waiting) {
        if (!line) return AHEAD_NOTHING;
        if (strcmp(line, "quit") == 0) return AHEAD_QUIT;
        if (move(names, line)) return AHEAD_MOVED;
    }
    keep(ahead, press);
    return AHEAD_CHANGED;
}

bool typed_ahead_next(TypedAhead *ahead, Press *press)
{
    if (!is_waiting(ahead)) return false;
    *press = ahead->presses[ahead->next++];
    if (!is_waiting(ahead)) forget(ahead);
    return true;
}

void typed_ahead_tell(const TypedAhead *ahead, Text *out)
{
    const size_t n = ahead->count - ahead->next;
    if (n)
        text_addf(out, "%zu key%s for the list; Esc forgets %s", n, n == 1 ? " waits" : "s wait",
                  n == 1 ? "it" : "them");
}

void typed_ahead_done(TypedAhead *ahead)
{
    free(ahead->presses);
    *ahead = (TypedAhead){.next = 0};
}
