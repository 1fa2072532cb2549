/* The frame around a panel, and the pile of them. */
#include "viewer/panel.h"

void panel_draw(Panel *panel, Screen *screen, int y, int end)
{
    int last = screen->columns - 1;
    Box box = {2, y + 1, last - 3, end - y - 1};
    Text title = {0}, place = {0};
    panel->height = box.height;
    for (int row = y; row < end; row++) {
        screen_fill(screen, 0, row, screen->columns, STYLE_PLAIN, " ");
        screen_put(screen, 0, row, 1, STYLE_BORDER, "│");
        screen_put(screen, last, row, 1, STYLE_BORDER, "│");
    }
    panel->ops->draw(panel, screen, box);
    panel->ops->head(panel, &title, &place);   /* after it: drawing may scroll */
    screen_fill(screen, 0, y, screen->columns, STYLE_BORDER, "─");
    screen_put(screen, 0, y, 1, STYLE_BORDER, "┌");
    screen_put(screen, last, y, 1, STYLE_BORDER, "┐");
    int room = last - 1;
    if (place.length)
        room -= screen_put_right(screen, last, y, last / 2, STYLE_BORDER, text_string(&place));
    screen_putf(screen, 1, y, room, STYLE_TITLE, " %s ", text_string(&title));
    text_done(&title);
    text_done(&place);
}

bool panel_move(Panel *panel, PanelMove move, long n)
{
    return panel->ops->move && panel->ops->move(panel, move, n);
}

void panel_refresh(Panel *panel)
{
    for (; panel; panel = panel->below)
        if (panel->ops->refresh) panel->ops->refresh(panel);
}

Panel *panel_close(Panel *panel)
{
    Panel *below = panel->below;
    panel->ops->free(panel);
    return below;
}

void panel_close_all(Panel *panel)
{
    while (panel) panel = panel_close(panel);
}
