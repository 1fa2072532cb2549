/* Commands and options of the command line: two tables from which parsing, `tenon help` and
 * the error for a misspelt word all come. */
#ifndef REPL_COMMAND_H
#define REPL_COMMAND_H

#include "loader/core/error.h"
#include "repl/session.h"

/* Exit statuses (tenon(1), EXIT STATUS): 1 and 3 are the ledger's, 2 is ours, 130 is what a shell
 * gives to what Ctrl-C ended. */
enum {
    EXIT_COMPLETE = 0, EXIT_DIFFERS = 1, EXIT_TROUBLE = 2, EXIT_TIES = 3,
    EXIT_SIGNALLED = 128,        /* and the number of the signal that ended it, as shells say */
    EXIT_INTERRUPTED = EXIT_SIGNALLED + 2
};

/* Which commands an option belongs to, as bits. FOR_ALL goes with every command. */
enum { FOR_LS = 1, FOR_DIFF = 2, FOR_ALIGN = 4, FOR_VIEW = 8, FOR_CHECK = 16,
       FOR_APPLY = 256, FOR_REVERSE = 512, FOR_EMIT = 1024, FOR_EXPLAIN = 2048,
       FOR_LEARN = 4096, FOR_REPL = 32, FOR_RUN = 64, FOR_FETCH = 128, FOR_UNDO = 8192,
       FOR_ALL = 0xFFFF };

/* id, spelling, short spelling or NULL, argument or NULL, commands, help */
#define OPTIONS(X)                                                                              \
    X(OPT_RULES, "--rules", "-r", "FILE", FOR_ALIGN | FOR_VIEW | FOR_REPL, "a rules file; may be repeated")\
    X(OPT_CODE, "--eval", "-e", "CODE", FOR_ALIGN | FOR_VIEW | FOR_REPL, "rules on the command line; may be repeated") \
    X(OPT_PRESET, "--preset", NULL, "NAME", FOR_ALIGN | FOR_VIEW | FOR_REPL, "what another system does: essmc2, pet, strict …; NAME{option=…}") \
    X(OPT_AUTO, "--auto", NULL, NULL, FOR_ALIGN | FOR_DIFF | FOR_VIEW | FOR_REPL, "find the alignment without rules, after those that are given") \
    X(OPT_ACCEPT, "--accept", NULL, "likely", FOR_ALIGN | FOR_DIFF | FOR_VIEW | FOR_REPL, "of --auto: take what is only likely, too") \
    X(OPT_SAY, "--say", NULL, "A=B", FOR_ALIGN | FOR_DIFF | FOR_VIEW | FOR_REPL | FOR_LEARN, "of --auto and learn: A in the source is B in the target; may be repeated") \
    X(OPT_ASSUME, "--assume", NULL, "LAYOUT", FOR_ALIGN | FOR_DIFF | FOR_VIEW | FOR_REPL, "of --auto: how square kernels of the source lie: torch, tf or flax") \
    X(OPT_OUT, "--output", "-o", "OUT", FOR_ALIGN | FOR_APPLY | FOR_REVERSE | FOR_EMIT | FOR_LEARN | FOR_FETCH, "write the result here") \
    X(OPT_PLAN, "--plan", NULL, "FILE", FOR_ALIGN, "write the plan here, before any data is touched") \
    X(OPT_EMIT_RULES, "--emit-rules", NULL, "FILE", FOR_ALIGN, "write the rules that the plan stands on here") \
    X(OPT_SOURCE, "--source", NULL, "FILE", FOR_APPLY | FOR_REVERSE, "what the plan is applied to, when it is not where the plan says") \
    X(OPT_TARGET, "--target", NULL, "FILE", FOR_APPLY, "the target that values are kept from, likewise") \
    X(OPT_LOSSY, "--lossy", NULL, NULL, FOR_REVERSE, "leave out what cannot be had back")       \
    X(OPT_PYTHON, "--python", NULL, NULL, FOR_EMIT, "as a function for PyTorch")                \
    X(OPT_TO, "--to", NULL, "FORMAT", FOR_ALIGN | FOR_APPLY, "the output's format: pth, safetensors or npz (default: OUT's suffix)") \
    X(OPT_UNDER, "--under", NULL, "KEY", FOR_ALIGN | FOR_APPLY, "nest the state dict under KEY (.pth)")     \
    X(OPT_WHOLE, "--whole", NULL, NULL, FOR_ALIGN, "carry the rest of the source along (.pth)")  \
    X(OPT_OMIT_KEPT, "--omit-kept", NULL, NULL, FOR_ALIGN, "leave out kept tensors that have no data") \
    X(OPT_COMPACT, "--compact", NULL, NULL, FOR_ALIGN, "rewrite views as storages of their own")\
    X(OPT_FORCE, "--force", NULL, NULL, FOR_ALIGN | FOR_APPLY | FOR_REVERSE | FOR_EMIT | FOR_LEARN | FOR_FETCH, "replace OUT when it is there already") \
    X(OPT_SHA256, "--sha256", NULL, NULL, FOR_ALIGN | FOR_APPLY, "report the output's SHA-256")             \
    X(OPT_SHARD_SIZE, "--shard-size", NULL, "SIZE", FOR_ALIGN, "several files of at most SIZE (5GB), and their index")  \
    X(OPT_IN_PLACE, "--in-place", NULL, NULL, FOR_ALIGN, "rename in SOURCE's own file; tenon undo takes it back") \
    X(OPT_TASK, "--task", NULL, "I/N", FOR_APPLY, "of a plan in shards: only those of the I-th of N tasks") \
    X(OPT_RESUME, "--resume", NULL, NULL, FOR_APPLY, "keep what is done when it is killed, and go on with it") \
    X(OPT_BUFFER, "--buffer", NULL, "SIZE", FOR_ALIGN | FOR_APPLY, "memory for values on their way (default 64MB)") \
    X(OPT_THREADS, "--threads", NULL, "N", FOR_ALIGN | FOR_APPLY, "make the output with so many (default: processors, at most 8)") \
    X(OPT_SEED, "--seed", NULL, "N", FOR_ALIGN | FOR_VIEW | FOR_REPL, "for fills (default 0)")             \
    X(OPT_LOG, "--log", NULL, "SYSTEM", FOR_ALIGN | FOR_DIFF, "what another system would print: torch, essmc2 …") \
    X(OPT_CLASS, "--class", NULL, "NAME", FOR_ALIGN | FOR_DIFF, "the model's class, as --log names it") \
    X(OPT_VALUES, "--values", NULL, NULL, FOR_DIFF, "compare the numbers of every loaded pair too") \
    X(OPT_RTOL, "--rtol", NULL, "N", FOR_DIFF, "with --values: differences up to N times the target's number are none") \
    X(OPT_ATOL, "--atol", NULL, "N", FOR_DIFF, "with --values: differences up to N are none") \
    X(OPT_TREE, "--tree", NULL, NULL, FOR_LS, "as a folded tree of modules")                    \
    X(OPT_STATS, "--stats", NULL, NULL, FOR_LS, "min max mean std nan inf zeros of every tensor") \
    X(OPT_EVERYTHING, "--all", NULL, NULL, FOR_LS | FOR_FETCH, "every object in the file, not only tensors; every file of the folder") \
    X(OPT_STRICT, "--strict", NULL, NULL, FOR_CHECK, "warnings count as errors")                \
    X(OPT_GLOBALS, "--globals", NULL, NULL, FOR_LS, "every class and function that its pickles name, judged") \
    X(OPT_LINEAR, "--linear", NULL, NULL, FOR_VIEW, "the viewer as lines of text, for screen readers; commands are read by the line") \
    X(OPT_LIMIT, "--limit", NULL, "NAME=N", FOR_ALL, "believe more of a file, or less (tenon(1), LIMITS)") \
    X(OPT_ALLOW_HTTP, "--allow-http", NULL, NULL, FOR_ALL, "read http:// URLs too, which anybody on the way can change") \
    X(OPT_JSON, "--json", NULL, NULL, FOR_ALL, "one JSON object on standard output")            \
    X(OPT_QUIET, "--quiet", "-q", NULL, FOR_ALL, "only what was asked for; no report")          \
    X(OPT_VERBOSE, "--verbose", "-v", NULL, FOR_ALL, "everything, without the limit of 20 lines") \
    X(OPT_NO_COLOR, "--no-color", NULL, NULL, FOR_ALL, "no colours (NO_COLOR is honoured too)") \
    X(OPT_HELP, "--help", "-h", NULL, FOR_ALL, "this text")                                     \
    X(OPT_VERSION, "--version", NULL, NULL, FOR_ALL, "the version")

#define OPTION_ENUM(id, ...) id,
typedef enum OptionId { OPTIONS(OPTION_ENUM) OPTION_COUNT } OptionId;
#undef OPTION_ENUM

typedef struct Command Command;

enum { OPERANDS_MAX = 64 };              /* what tenon rules test takes at most */

/* A parsed command line. Strings are argv's. */
typedef struct Invocation {
    const Command *command;              /* a row of the table; never NULL */
    const char *operands[OPERANDS_MAX];  /* NULL where there are fewer */
    size_t operand_count;
    bool set[OPTION_COUNT];              /* by OptionId: it was given */
    const char *value[OPTION_COUNT];     /* the last one given */
    RulesArgument *rules;                /* -r and -e in their order; owned */
    size_t rule_count, rule_room;
    uint64_t seed;                       /* of --seed; 0 without it */
    uint64_t buffer;                     /* of --buffer, in bytes; 0 without it */
    uint64_t threads;                    /* of --threads; 0 without it */
    uint64_t shard_size;                 /* of --shard-size, in bytes; 0 without it */
    uint64_t task, tasks;                /* of --task; 0 without it */
    Text automatic;                      /* the answers of --say, as fields of auto{say={…}} */
    const char **says;                   /* [say_count] the same, each "A=B"; owned */
    size_t say_count, say_room;
    char *auto_code;                     /* what --auto comes to, in rules; owned; NULL: nothing */
} Invocation;

struct Command {
    const char *name;                    /* NULL: the viewer, which has no word */
    const char *operands;                /* "SOURCE [TARGET]" */
    size_t least, most;                  /* how many operands */
    unsigned options;                    /* its FOR_ bit */
    const char *help;                    /* one line */
    int (*run)(const Invocation *invocation);    /* gives the exit status */
};

extern const Command commands[];         /* the viewer first; ends with a NULL run */

const char *option_name(OptionId id);    /* "--whole" */

/* Parses argv. A command's name wins over a file's. On failure the error names the word. */
bool invocation_parse(Invocation *invocation, int argc, char **argv, Error *err);
void invocation_done(Invocation *invocation);

int command_ls(const Invocation *invocation);
int command_globals(const Invocation *invocation); /* ls --globals */
int command_align(const Invocation *invocation);   /* diff as well: align with no rules */
int command_learn(const Invocation *invocation);
int command_check(const Invocation *invocation);
int command_apply(const Invocation *invocation);
int command_reverse(const Invocation *invocation);
int command_emit(const Invocation *invocation);
int command_undo(const Invocation *invocation);
int command_view(const Invocation *invocation);
int command_fetch(const Invocation *invocation);
int command_explain(const Invocation *invocation);
int command_rules(const Invocation *invocation);
int command_run(const Invocation *invocation);
int command_repl(const Invocation *invocation);
int command_help(const Invocation *invocation);
/* Prints the help of one command, or of all (NULL), to standard output. */
void print_help(const Command *command);

/* The status that an error ends with: EXIT_TROUBLE, or EXIT_INTERRUPTED where it was cancelled. */
int error_exit(const Error *err);
/* "tenon: TEXT" on standard error; returns error_exit. */
int complain(const Error *err);

#endif
