#include "repl/preview.h"

#include <string.h>

enum { OPEN_MAX = 64 };

bool preview_wants(const char *line)
{
    static const char *const words[] = {"rules", "sub", "strip", "keep", "seg", "prefix"};
    line += strspn(line, " ");
    size_t n = strspn(line, "abcdefghijklmnopqrstuvwxyz_");
    for (size_t i = 0; i < countof(words); i++)
        if (strlen(words[i]) == n && memcmp(words[i], line, n) == 0) return true;
    return false;
}

/* What is open at the end of a line, innermost last. */
typedef struct Brackets {
    char open[OPEN_MAX];     /* what will close it: ) ] } " ' or L for a long bracket */
    size_t level[OPEN_MAX];  /* of the long bracket: the number of its equals signs */
    size_t count;
} Brackets;

static void push(Brackets *brackets, char close, size_t level)
{
    if (brackets->count == OPEN_MAX) return;
    brackets->open[brackets->count] = close;
    brackets->level[brackets->count++] = level;
}

/* Bytes of "[[" or "[==[" at p, 0 when there is none. */
static size_t long_bracket(const char *p, char bracket)
{
    size_t n = *p == bracket ? 1 + strspn(p + 1, "=") : 0;
    return n && p[n] == bracket ? n + 1 : 0;
}

/* Reads one thing at p outside of strings; returns its bytes. */
static size_t read_code(Brackets *brackets, const char *p)
{
    size_t n = long_bracket(p, '[');
    if (n) {
        push(brackets, 'L', n - 2);
        return n;
    }
    switch (*p) {
    case '(': push(brackets, ')', 0); break;
    case '[': push(brackets, ']', 0); break;
    case '{': push(brackets, '}', 0); break;
    case '"': case '\'': push(brackets, *p, 0); break;
    case ')': case ']': case '}':
        if (brackets->count && brackets->open[brackets->count - 1] == *p) brackets->count--;
        break;
    }
    return 1;
}

/* The same inside a string of the innermost kind. */
static size_t read_string(Brackets *brackets, const char *p)
{
    char close = brackets->open[brackets->count - 1];
    if (close == 'L') {
        size_t n = long_bracket(p, ']');
        if (!n || n - 2 != brackets->level[brackets->count - 1]) return 1;
        brackets->count--;
        return n;
    }
    if (*p == '\\' && p[1]) return 2;
    if (*p == close) brackets->count--;
    return 1;
}

void preview_close(const char *line, Text *out)
{
    Brackets brackets = {.count = 0};
    for (const char *p = line; *p;) {
        char inner = brackets.count ? brackets.open[brackets.count - 1] : '\0';
        bool string = inner == 'L' || inner == '"' || inner == '\'';
        p += string ? read_string(&brackets, p) : read_code(&brackets, p);
    }
    text_add(out, line);
    while (brackets.count--) {
        char close = brackets.open[brackets.count];
        if (close != 'L') {
            text_addc(out, close);
            continue;
        }
        text_add(out, out->length && out->bytes[out->length - 1] == ']' ? " ]" : "]");
        for (size_t i = 0; i < brackets.level[brackets.count]; i++) text_addc(out, '=');
        text_addc(out, ']');
    }
}

void preview_age(Ui *ui)
{
    ui->preview_due = true;
    ui->view.aside_old = true;
}

static void forget(Ui *ui)
{
    text_clear(&ui->view.aside);
    changes_mark(ui->rows, NULL);
}

void preview_run(Ui *ui)
{
    const char *line = text_string(&ui->line.text);
    ui->preview_due = false;
    if (!preview_wants(line)) {
        forget(ui);
        return;
    }
    Text closed = {0};
    preview_close(line, &closed);
    Error err = {0};
    Alignment *after = session_try(ui->session, text_string(&closed), &err);
    text_done(&closed);
    forget(ui);
    if (!after) return;
    Changes changes;
    changes_init(&changes, ui->alignment, after);
    changes_show(&changes, &ui->view.aside);
    changes_mark(ui->rows, &changes);
    changes_done(&changes);
    align_unref(after);
    ui->view.aside_old = false;
}
