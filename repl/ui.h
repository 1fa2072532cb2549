/* Ui: the state of the viewer, and what its verbs are made of. It knows neither the table of
 * verbs nor that of keys. */
#ifndef REPL_UI_H
#define REPL_UI_H

#include <time.h>

#include "repl/session.h"
#include "repl/typed_ahead.h"
#include "repl/work.h"
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

/* Another file for one side, which is being opened. */
typedef struct UiOpening {
    Opening *files;          /* owned; NULL: none is */
    int side;
    char *path;              /* owned: FILE[::PATH] as it was given */
    bool stopped;            /* nothing is wanted of it any more */
    Text told;               /* how far it was, as it was said last */
} UiOpening;

struct Ui;

/* How long a key waits, in milliseconds, for what then comes with its own frame, so that no one
 * sees that anything was under way. */
enum { UI_MOMENT_MS = 8 };

/* What is to be done when a ledger is there. */
typedef struct UiThen {
    void (*run)(struct Ui *ui, size_t number, const char *text);     /* NULL: nothing */
    size_t number;
    char *text;              /* owned */
} UiThen;

/* When the session's last change is taken back, by what it comes to. */
typedef enum UiBack {
    BACK_NEVER,
    BACK_WITHOUT_LEDGER,     /* there is none */
    BACK_ON_ERROR,           /* or a script fails */
    BACK_ON_CHANGE           /* or the ledger is another one */
} UiBack;

/* What takes long to answer: which rule broke a row, what follows from the pairs made by hand, what
 * would change without a rule. */
typedef struct UiQuestion {
    WorkKind kind;           /* WORK_BISECT, WORK_INDUCE or WORK_WITHOUT */
    bool asked;              /* else there is none */
    char *key;               /* owned, and the rest: as in Work */
    bool source;
    size_t number;
    unsigned version;        /* session_rules_version for which it was asked: in that one alone
                                texts have their numbers */
} UiQuestion;

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
    const char *history;     /* the file of all prompts' lines; borrowed; NULL: none is kept */
    Finder search;
    uint32_t search_from;    /* the row on which the search began */
    uint8_t *search_open;    /* owned: what was open then; NULL when nothing is searched */
    bool preview_due;        /* the line changed since it was last tried */
    Values *values;          /* owned */
    Choices choices;         /* for the row under the cursor; work's while it is under way */
    char *tried;             /* owned: the target that the detail's lines are for; NULL */
    char *choice_lines[CHOICES_SHOWN_MAX];   /* owned: the lines by their numbers, as of then */
    size_t choice_wanted;    /* the one to be applied when all that were asked for are there; 0 */
    bool asking;             /* all choices were asked for … */
    const Binding *asked;    /* … of this row; NULL: whatever settles most */
    int64_t asked_until;     /* as clock_work_ms counts */
    Work *work;              /* owned: what is under way; NULL */
    bool stale;              /* it was told to stop, and nothing is wanted of it */
    long moment, first;      /* how long ledgers are waited for; as in InteractiveOptions */
    bool align_due;          /* the session has changed since the ledger was made */
    UiThen then;             /* after the ledger that is due, or under way */
    UiBack back;             /* what it has to be, or the session's last change is taken back */
    char *apply;             /* owned: the line that is being applied; NULL */
    UiOpening opening;
    UiQuestion question;     /* what the ledger is asked for, on top of all */
    char **queue;            /* owned, [queue_count]: what was typed meanwhile */
    size_t queue_count, queue_room;
    Error trouble;           /* why there was nothing to show; code 0: there was */
    RowModel *old_rows;      /* owned: to be freed when there is time; NULL */
    Alignment *old_alignment;    /* likewise, a reference */
    Alignment *kept;         /* a reference: the ledger that was on show before this one, for undo
                                and redo; NULL: rules are to be run again */
    Alignment *outdated;     /* likewise, to be freed when there is time */
    unsigned kept_version;   /* session_rules_version of what is kept … */
    unsigned shown_version;  /* … and of the ledger on show, when that is … */
    bool shown_whole;        /* … what the session's rules come to */
    bool rules_failed;
    bool changed[2];         /* files of that side were written since they were opened */
    UiExport output;
    char *yes;               /* owned: the verb line that a y runs; NULL: nothing is asked */
    TypedAhead ahead;        /* what was typed before there were rows */
    Text paste;              /* what was pasted so far, while … */
    bool pasting;            /* … the terminal says that it is */
    int64_t paste_at;        /* when the last of it came, as clock_ms counts */
    struct Console *console;     /* owned: where lines run that are no rules; NULL: none has yet */
    unsigned console_rules;      /* session_rules_version that it is in step with */
    struct ConsoleRun *console_run;  /* the line that is running there; NULL */
    bool quit;
    int status;              /* what to exit with */
} Ui;

/* Begins to align, and shows names until the ledger is there; false when there is nothing to
 * show. */
bool ui_init(Ui *ui, Session *session, Terminal *terminal, long moment, long first, Error *err);
void ui_done(Ui *ui);
void ui_draw(Ui *ui);
void ui_resize(Ui *ui);

/* Aligns again after the session changed. A small ledger is there when this returns, a large one
 * when it has been made: the old rows stay on show meanwhile, and what is asked for of the new ones
 * waits in a queue. A script that fails is said in a notice, and what stood before it is shown;
 * false only when even that could not be had. */
bool ui_align(Ui *ui, Error *err);
/* The same after undo and redo: the ledger that was on show before is shown again, where it is the
 * one. */
bool ui_align_again(Ui *ui, Error *err);
/* The same after a change of the session that may be taken back. */
bool ui_align_or_back(Ui *ui, UiBack when, Error *err);
/* The same as ui_align; `run` is called when the ledger is there, before this returns if it is
 * small; never, when another one is asked for first. The text is copied. */
bool ui_align_then(Ui *ui, void (*run)(Ui *ui, size_t number, const char *text), size_t number,
                   const char *text, Error *err);
/* Calls `run` when the ledger that is being made is there, or at once where none is. Where a change
 * is taken back instead, the error begins with the text. */
void ui_then(Ui *ui, void (*run)(Ui *ui, size_t number, const char *text), size_t number,
             const char *text);
/* Asks, in place of what was asked before; the key is copied. What comes of it is shown by whoever
 * shows such things. */
void ui_question(Ui *ui, const UiQuestion *question);
/* Shows another ledger at once, with the rows that were made for it; takes both over. */
void ui_show_rows(Ui *ui, Alignment *alignment, RowModel *rows);

/* Another source (side 0) or target (1), FILE[::PATH]: what is not there in a moment goes on beside
 * the keys. */
bool ui_open(Ui *ui, int side, const char *path, Error *err);
/* The same behind what is waiting already. */
void ui_open_later(Ui *ui, int side, const char *path);
/* Looks how far that is; false: it failed, and `*line` receives its verb line, to be freed. */
bool ui_open_on(Ui *ui, char **line, Error *err);
/* Stops it; false when there is nothing to be stopped. */
bool ui_open_stop(Ui *ui);
void ui_open_done(Ui *ui);

/* What is under way: looks whether it has ended, and begins what is due next. */
void ui_work_on(Ui *ui);
/* Whether something is under way, or due but for choices that nobody has asked for. */
bool ui_is_working(const Ui *ui);
/* Whether a change of the session is being carried out: what stands on the ledger waits. */
bool ui_is_settling(const Ui *ui);
/* Whether a line that is typed now, or a key's verb, has to wait for it. */
bool ui_must_wait(const Ui *ui, const char *line, bool typed);
/* It is done when that is over. */
void ui_queue(Ui *ui, const char *line);
/* Stops what is under way, as the user wishes; false when there is nothing to be stopped. */
bool ui_stop(Ui *ui);
/* Waits until nothing is under way; what was is lost. For whoever changes what work reads. */
void ui_halt(Ui *ui);

/* The session has changed in a way that the ledger does not tell: makes title and panels anew. */
void ui_refresh(Ui *ui);

void ui_prompt(Ui *ui, const char *text);
/* Asks a question that y answers by running a verb line. */
void ui_ask(Ui *ui, const char *question, const char *yes);
void ui_leave(Ui *ui);       /* back to the list */

/* Searching: `ui_search` begins anew with a text, `ui_search_on` goes on for one step;
 * `ui_search_enter` goes to the first hit, however far it is. */
void ui_open_search(Ui *ui, const char *text);
void ui_search(Ui *ui, const char *text);
void ui_search_on(Ui *ui);
void ui_search_enter(Ui *ui);
bool ui_search_jump(Ui *ui, int direction);

/* The list: what is on show of it, and in which order. A filter is set by its words (row_filter.h);
 * false when one of them is wrong. */
bool ui_filter(Ui *ui, const char *words, Error *err);
void ui_sort(Ui *ui, RowOrder order);
/* Gives new rows the filter and the order of those they replace. */
void ui_carry_list(RowModel *rows, const RowModel *old);
/* Whether a filter or a sort is still at work: a step of it is due, or it is to be looked at. */
bool ui_list_due(const Ui *ui);
void ui_list_step(Ui *ui);

/* What would settle the row under the cursor: whether there is something to try, what is to be done
 * for it, and that it was done. */
bool ui_choices_due(const Ui *ui);
Work *ui_choices_begin(Ui *ui);
void ui_choices_end(Ui *ui);
/* Tries all of them; a page tells what was found when it is done, or stopped. */
void ui_choices_all(Ui *ui);
void ui_choices_tell(Ui *ui);
/* The line of that number, from 1; NULL when there is none. Borrowed until the next change. */
const char *ui_choice(const Ui *ui, size_t number);
/* A line of rules: tried first, so that a wrong one leaves no trace. */
bool ui_apply_line(Ui *ui, const char *line, Error *err);
/* It was tried: it becomes part of the session, or the error says why not. */
bool ui_applied(Ui *ui, Work *work, const char *line, Error *err);

/* Whether the press is part of a paste, and was taken. */
bool ui_paste(Ui *ui, Press press);
/* A paste of which nothing more comes is over. */
void ui_paste_late(Ui *ui);

/* A line that was typed and is no verb: one that begins with a statement is applied, anything else
 * runs at a prompt like that of tenon repl, with the same functions (call_list.h). */
bool ui_run_line(Ui *ui, const char *line, Error *err);
void ui_close_console(Ui *ui);
/* A bar in the message line, where the list stays in sight. */
void ui_say_bar(Ui *ui, const char *doing, const char *what, uint64_t done, uint64_t total);

/* Writes the ledger to a file, with a bar and a way to cancel. */
bool ui_write(Ui *ui, const UiExport *output, bool force, Error *err);
/* What the output is called, or would be. */
const char *ui_output_path(const Ui *ui);
/* Asks whether an existing file is to be replaced, which "VERB! PATH" does; false for other
 * problems. That it exists is for whoever writes to find out and not for a test before it: between
 * the two anything could happen. */
bool ui_ask_to_replace(Ui *ui, const Error *problem, const char *verb, const char *path);

#endif
