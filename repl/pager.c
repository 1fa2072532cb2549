#include "repl/pager.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "repl/print_safely.h"

/* The size of the terminal; 0 rows: it has none that is known, or there is none. */
static struct winsize find_size(void)
{
    struct winsize size = {0};
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO) ||
        ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0)
        return (struct winsize){0};
    if (!size.ws_col) size.ws_col = 80;
    return size;
}

size_t pager_columns(void)
{
    const struct winsize size = find_size();
    return size.ws_col ? size.ws_col : 80;
}

/* Bytes of the first `rows` rows; long lines take several. A character counts as one cell. */
static size_t measure(const char *text, size_t n, size_t rows, size_t columns)
{
    size_t at = 0, column = 0, row = 0;
    for (; at < n && row < rows; at++) {
        if (text[at] == '\n') {
            row++;
            column = 0;
        } else if (((unsigned char)text[at] & 0xC0) != 0x80 && ++column > columns) {
            row++;
            column = 1;
        }
    }
    return at;
}

/* One key, without waiting for Enter; 'q' when the terminal is gone. */
static char read_key(void)
{
    struct termios before, raw;
    char key = 'q';
    if (tcgetattr(STDIN_FILENO, &before) != 0) return key;
    raw = before;
    raw.c_lflag &= (tcflag_t)~(ICANON | ECHO);
    tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
    if (read(STDIN_FILENO, &key, 1) != 1) key = 'q';
    tcsetattr(STDIN_FILENO, TCSADRAIN, &before);
    return key;
}

static void show_pages(const char *text, size_t n, size_t rows, size_t columns)
{
    for (size_t at = 0; at < n;) {
        const size_t page = measure(text + at, n - at, rows - 1, columns);
        print_safely(stdout, text + at, page);
        at += page;
        if (at >= n) return;
        printf("-- %zu %% -- Space goes on, q stops", at * 100 / n);
        fflush(stdout);
        const char key = read_key();
        printf("\r\033[K");
        if (key == 'q' || key == 'Q' || key == 3) return;
    }
}

/* False where it cannot be started. */
static bool run_pager(const char *pager, const char *text, size_t n)
{
    fflush(stdout);
    FILE *pipe = popen(pager, "w");
    if (!pipe) return false;
    fwrite(text, 1, n, pipe);     /* what the user asked to see may be cut short by q */
    return pclose(pipe) != -1;
}

void pager_show(const char *text, size_t n)
{
    const char *pager = getenv("PAGER");
    const struct winsize size = find_size();
    const bool fits = size.ws_row < 3 || measure(text, n, size.ws_row - 1u, size.ws_col) == n;
    if (fits) print_safely(stdout, text, n);
    else if (!pager || !*pager || !run_pager(pager, text, n))
        show_pages(text, n, size.ws_row, size.ws_col);
    fflush(stdout);
}
