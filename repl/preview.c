/* A try costs as much as applying the line would; a thread makes it, and is told to stop with the
 * next key. A line that is of no such kind, or wrong so far, shows nothing. */
#include "repl/preview.h"

#include <string.h>

/* Brackets inside each other; nobody types as many, and a hostile paste must not write further. */
enum { OPEN_MAX = 64 };

/* By its first word: statements whose trial has no effect but the ledger. `each` and plain Lua may
 * run long, and print. */
bool preview_wants(const char *line)
{
    static const char *const words[] = {"rules", "sub", "strip", "keep", "seg", "prefix"};
    line += strspn(line, " ");
    size_t n = strspn(line, "abcdefghijklmnopqrstuvwxyz_");
    for (size_t i = 0; i < countof(words); i++)
        if (strlen(words[i]) == n && memcmp(words[i], line, n) == 0) return true;
    return false;
}

/* What is open at the end of a line, innermost last. A long bracket holds rule text, whose own
 * brackets and quotes count too, but "]]" ends it whatever is open inside. */
typedef struct Brackets {
    char open[OPEN_MAX];     /* what will close it: ) ] } " \' or L for a long bracket */
    size_t count;
    size_t text;             /* 1 + index of the long bracket; 0 = none is open */
    size_t level;            /* the number of its equals signs */
} Brackets;

/* Deeper nesting than this is not closed; such a line has no preview. */
static void push(Brackets *brackets, char close)
{
    if (brackets->count < OPEN_MAX) brackets->open[brackets->count++] = close;
}

static bool is_innermost(const Brackets *brackets, char close)
{
    return brackets->count && brackets->open[brackets->count - 1] == close;
}

/* Bytes of "[[" or "[==[" at p, 0 when there is none. */
static size_t long_bracket(const char *p, char bracket)
{
    size_t n = *p == bracket ? 1 + strspn(p + 1, "=") : 0;
    return n && p[n] == bracket ? n + 1 : 0;
}

/* In rule text "[" opens nothing and "'" is a letter. */
static void read_bracket(Brackets *brackets, char c)
{
    switch (c) {
    case '(': push(brackets, ')'); break;
    case '{': push(brackets, '}'); break;
    case '"': push(brackets, '"'); break;
    case '[':
        if (!brackets->text) push(brackets, ']');
        break;
    case '\'':
        if (!brackets->text) push(brackets, '\'');
        break;
    default:
        if (is_innermost(brackets, c)) brackets->count--;
    }
}

/* Reads what is at p; returns its bytes (1 or more). The end of a long bracket is looked for first,
 * since it also ends what was left open inside; then the end of a string, in which nothing opens;
 * then a new long bracket, of which only one can be open. */
static size_t read_one(Brackets *brackets, const char *p)
{
    size_t n = long_bracket(p, ']');
    if (brackets->text && n == brackets->level + 2) {
        brackets->count = brackets->text - 1;
        brackets->text = 0;
        return n;
    }
    if (is_innermost(brackets, '"') || is_innermost(brackets, '\'')) {
        if (*p == '\\' && p[1]) return 2;
        if (is_innermost(brackets, *p)) brackets->count--;
        return 1;
    }
    n = brackets->text ? 0 : long_bracket(p, '[');
    if (n && brackets->count < OPEN_MAX) {
        push(brackets, 'L');
        brackets->text = brackets->count;
        brackets->level = n - 2;
        return n;
    }
    read_bracket(brackets, *p);
    return 1;
}

/* A "]" that was typed already is the first half of "]]". */
static void close_text(const Brackets *brackets, Text *out)
{
    bool half = !brackets->level && out->length && out->bytes[out->length - 1] == ']';
    if (!half) text_addc(out, ']');
    for (size_t i = 0; i < brackets->level; i++) text_addc(out, '=');
    text_addc(out, ']');
}

/* Innermost first: rules [[ a -> b |> split(3 is closed by )]]. What was closed already is not
 * touched, so a whole line comes out as it is. */
void preview_close(const char *line, Text *out)
{
    Brackets brackets = {.count = 0};
    for (const char *p = line; *p;) p += read_one(&brackets, p);
    text_add(out, line);
    while (brackets.count--) {
        char close = brackets.open[brackets.count];
        if (close == 'L') close_text(&brackets, out);
        else text_addc(out, close);
    }
}

void preview_age(Ui *ui)
{
    ui->preview_due = true;
    ui->view.aside_old = true;
}

/* Takes counts and marks off. */
static void forget(Ui *ui)
{
    text_clear(&ui->view.aside);
    changes_mark(ui->rows, NULL);
}

/* What is shown about an earlier line stays while this one is tried; where it is none to be tried,
 * nothing is shown. */
Work *preview_begin(Ui *ui)
{
    const char *line = text_string(&ui->line.text);
    ui->preview_due = false;
    if (!preview_wants(line)) {
        forget(ui);
        return NULL;
    }
    Text closed = {0};
    preview_close(line, &closed);
    Work *work = work_new(WORK_PREVIEW, session_snapshot(ui->session), ui->alignment);
    work->line = mem_strdup(text_string(&closed));
    text_done(&closed);
    return work;
}

void preview_end(Ui *ui, const Work *work)
{
    forget(ui);
    if (!work->changes.bindings) return;
    text_add(&ui->view.aside, "would ");
    changes_show(&work->changes, &ui->view.aside);
    changes_mark(ui->rows, &work->changes);
    ui->view.aside_old = false;
}
