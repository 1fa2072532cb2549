/* Ui: the state of the viewer, and what its verbs are made of. It knows neither the table of
 * verbs nor that of keys. */
#ifndef REPL_UI_H
#define REPL_UI_H

#include "repl/choices.h"
#include "repl/session.h"
#include "viewer/change.h"
#include "viewer/tensor_values.h"
#include "viewer/terminal_ops.h"
#include "viewer/view.h"

typedef enum UiMode {
    UI_LIST,                 /* keys are bound to verbs; a panel may be on show */
    UI_PROMPT,               /* a line is being typed */
    UI_SEARCH,               /* what is searched for is being typed */
    UI_ASK                   /* y carries out `yes` */
} UiMode;

/* How the output is to be written; what the export panel shows. */
typedef struct UiExport {
    char *path;              /* owned, as are the others; NULL: none was chosen yet */
    char *format;            /* "pth" …; NULL: by the path's suffix */
    char *under;             /* the key that the state dict is nested under; NULL: it is flat */
    uint64_t shard_size;     /* bytes of a file; 0: one holds all */
    bool whole;              /* the rest of the source goes along */
    bool omit_kept;          /* kept tensors without data are left out */
} UiExport;

typedef struct Ui {
    Session *session;        /* borrowed */
    Terminal *terminal;      /* borrowed */
    Screen screen;
    Alignment *alignment;    /* one reference */
    RowModel *rows;          /* owned */
    View view;
    UiMode mode;
    Line line;
    History lines, searches;
    Finder search;
    uint32_t search_from;    /* the row on which the search began */
    uint8_t *search_open;    /* owned: what was open then; NULL when nothing is searched */
    bool preview_due;        /* the line changed since it was last tried */
    long preview_cost;       /* milliseconds that took; the next try waits as long for a key */
    Values *values;          /* owned */
    Choices choices;         /* for the row under the cursor */
    bool rules_failed;
    UiExport output;
    char *yes;               /* owned: the verb line that a y runs; NULL: nothing is asked */
    bool quit;
    int status;              /* what to exit with */
} Ui;

/* Aligns and makes the first screen; false when there is nothing to show. */
bool ui_init(Ui *ui, Session *session, Terminal *terminal, Error *err);
void ui_done(Ui *ui);
void ui_draw(Ui *ui);
void ui_resize(Ui *ui);

/* Aligns again after the session changed. A script that fails is said in a notice, and what
 * stood before it is shown; false only when even that could not be had. */
bool ui_align(Ui *ui, Error *err);
/* Shows another ledger; takes the reference over. */
void ui_show(Ui *ui, Alignment *alignment);

/* The session has changed in a way that the ledger does not tell: makes title and panels anew. */
void ui_refresh(Ui *ui);

void ui_prompt(Ui *ui, const char *text);
/* Asks a question that y answers by running a verb line. */
void ui_ask(Ui *ui, const char *question, const char *yes);
void ui_leave(Ui *ui);       /* back to the list */

/* Searching: `ui_search` begins anew with a text, `ui_search_on` goes on for one step. */
void ui_open_search(Ui *ui, const char *text);
void ui_search(Ui *ui, const char *text);
void ui_search_on(Ui *ui);
bool ui_search_jump(Ui *ui, int direction);

/* What would settle the row under the cursor: begins with it when it is open and was not looked at
 * yet (false: nothing to try), tries one line, or all of them. */
bool ui_choices_due(const Ui *ui);
void ui_choices_step(Ui *ui);
void ui_choices_all(Ui *ui);
/* The line of that number, from 1; NULL when there is none. Borrowed until the next change. */
const char *ui_choice(const Ui *ui, size_t number);
/* A line of rules: tried first, so that a wrong one leaves no trace. */
bool ui_apply_line(Ui *ui, const char *line, Error *err);

/* Writes the ledger to a file, with a bar and a way to cancel. */
bool ui_write(Ui *ui, const UiExport *output, bool force, Error *err);
/* What the output is called, or would be. */
const char *ui_output_path(const Ui *ui);
/* Asks whether an existing file is to be replaced, which "VERB! PATH" does; false for other
 * problems. That it exists is for whoever writes to find out and not for a test before it: between
 * the two anything could happen. */
bool ui_ask_to_replace(Ui *ui, const Error *problem, const char *verb, const char *path);

#endif
