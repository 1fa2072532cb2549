/* The command line: words become an Invocation by two tables, and the same tables print the help.
 * Nothing is opened here, so that a misspelt option is told before a large file is read. */
#include "repl/command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loader/align/suggest.h"
#include "loader/core/limits.h"
#include "loader/export/options.h"
#include "loader/source/remote_place.h"
#include "loader/source/url.h"

/* A row of OPTIONS, whose columns it has. */
typedef struct OptionInfo {
    const char *name, *brief, *argument;     /* "--rules"; "-r" or NULL; "FILE" or NULL */
    unsigned commands;                       /* FOR_ bits */
    const char *help;                        /* one line */
} OptionInfo;

/* By OptionId: the enum is made from the same rows. */
#define OPTION_ROW(id, name, brief, argument, commands, help) \
    {name, brief, argument, commands, help},
static const OptionInfo options[] = {OPTIONS(OPTION_ROW)};
#undef OPTION_ROW

/* The viewer has no word of its own: whatever is no command's name is its first operand. */
const Command commands[] = {
    {NULL, "SOURCE [TARGET]", 1, 2, FOR_VIEW,
     "the viewer; without a terminal ls, diff or, with -r, the report of align", command_view},
    {"ls", "CHECKPOINT", 1, 1, FOR_LS, "the tensors of one checkpoint", command_ls},
    {"diff", "SOURCE TARGET", 2, 2, FOR_DIFF, "what fits as it is: align with no rules",
     command_align},
    {"align", "SOURCE [TARGET]", 1, 2, FOR_ALIGN,
     "apply rules, report, and with -o write the aligned checkpoint", command_align},
    {"apply", "PLAN", 1, 1, FOR_APPLY, "carry out a plan that align --plan wrote", command_apply},
    {"reverse", "PLAN", 1, 1, FOR_REVERSE, "the inverse plan, from the output back to the source",
     command_reverse},
    {"emit", "PLAN", 1, 1, FOR_EMIT, "a plan as a Python function for PyTorch", command_emit},
    {"learn", "OLD NEW", 2, 2, FOR_LEARN,
     "rules from the same weights in two layouts, by value", command_learn},
    {"check", "CHECKPOINT", 1, 1, FOR_CHECK,
     "what is wrong with a file, and what is suspicious in its weights", command_check},
    {"explain", "ERROR.txt|- [SOURCE]", 1, 2, FOR_EXPLAIN,
     "a failed load, explained: the rules that would mend it", command_explain},
    {"fetch", "URL", 1, 1, FOR_FETCH,
     "download a file or a model's folder, with progress, resume and checksum", command_fetch},
    {"undo", "FILE", 1, 1, FOR_UNDO, "takes back the last --in-place change", command_undo},
    {"rules", "[list | show NAME | test NAME...]", 0, OPERANDS_MAX, 0,
     "the bundled rule packs and presets: their list, text and tests", command_rules},
    {"run", "SCRIPT.lua [ARG...]", 1, OPERANDS_MAX, FOR_RUN,
     "a Lua script with the functions of the prompt", command_run},
    {"repl", "[SOURCE [TARGET]]", 0, 2, FOR_REPL, "the Lua prompt", command_repl},
    {"help", "[COMMAND]", 0, 1, 0, "this text, or a command's", command_help},
    {NULL, NULL, 0, 0, 0, NULL, NULL}};

const char *option_name(OptionId id)
{
    return options[id].name;
}

/* The whole word: a checkpoint called "l" is no ls. */
static const Command *command_find(const char *name)
{
    for (const Command *command = commands; command->run; command++)
        if (command->name && strcmp(command->name, name) == 0) return command;
    return NULL;
}

/* What errors call a command; the viewer's row has no name. */
static const char *command_title(const Command *command)
{
    return command->name ? command->name : "viewer";
}

/* Finds "--name", "--name=value", "-n" and "-nvalue": the OptionId, or -1. *value is the attached
 * one or NULL. Short options without a value are not joined ("-qv"): "-q" must end there. */
static int find_option(const char *word, const char **value)
{
    size_t n = strcspn(word, "=");
    for (size_t i = 0; i < countof(options); i++) {
        *value = NULL;
        if (strncmp(word, options[i].name, n) == 0 && options[i].name[n] == '\0') {
            if (word[n]) *value = word + n + 1;
            return (int)i;
        }
        if (options[i].brief && strncmp(word, options[i].brief, 2) == 0 &&
            (!word[2] || options[i].argument)) {
            if (word[2]) *value = word + 2;
            return (int)i;
        }
    }
    return -1;
}

static bool take_seed(Invocation *invocation, const char *text, Error *err)
{
    return parse_digits(text, strlen(text), &invocation->seed) ||
           error_set(err, ERR_USAGE, "--seed: '%s' is no whole number", text);
}

static bool take_threads(Invocation *invocation, const char *text, Error *err)
{
    uint64_t *n = &invocation->threads;
    if (parse_digits(text, strlen(text), n) && *n && *n <= THREADS_MAX) return true;
    return error_set(err, ERR_USAGE, "--threads: '%s' is no number from 1 to %d", text,
                     THREADS_MAX);
}

static bool take_shard_size(Invocation *invocation, const char *text, Error *err)
{
    uint64_t *size = &invocation->shard_size;
    if (parse_bytes(text, size) && *size && *size <= INT64_MAX) return true;
    return error_set(err, ERR_USAGE, "--shard-size: '%s' is no size, such as 5GB", text);
}

/* "3/16" */
static bool take_task(Invocation *invocation, const char *text, Error *err)
{
    const size_t n = strcspn(text, "/");
    uint64_t *task = &invocation->task, *tasks = &invocation->tasks;
    if (text[n] && parse_digits(text, n, task) &&
        parse_digits(text + n + 1, strlen(text + n + 1), tasks) && *task >= 1 &&
        *task <= *tasks && *tasks <= TASKS_MAX)
        return true;
    return error_set(err, ERR_USAGE, "--task: '%s' is no I/N with I from 1 to N, such as 3/16",
                     text);
}

/* What is less would hold no row of anything; what is more is no memory of today's. */
static bool take_buffer(Invocation *invocation, const char *text, Error *err)
{
    const uint64_t least = 64 << 10, most = UINT64_C(1) << 40;
    if (parse_bytes(text, &invocation->buffer) && invocation->buffer >= least &&
        invocation->buffer <= most)
        return true;
    return error_set(err, ERR_USAGE, "--buffer: '%s' is no size from 64KiB to 1TiB, such as 64MB",
                     text);
}

static void add_rules(Invocation *invocation, RulesKind kind, const char *text)
{
    invocation->rules = mem_grow(invocation->rules, &invocation->rule_room,
                                 invocation->rule_count + 1, sizeof *invocation->rules);
    invocation->rules[invocation->rule_count++] = (RulesArgument){kind, text};
}

/* One answer: "A=B", with something on the left. The statement says what else is wrong. */
static bool take_say(Invocation *invocation, const char *text, Error *err)
{
    const char *equals = strchr(text, '=');
    if (!equals || equals == text)
        return error_set(err, ERR_USAGE, "--say: '%s' is no SOURCE=TARGET", text);
    if (strcmp(equals, "=?") == 0 || strncmp(text, "?=", 2) == 0)
        return error_set(err, ERR_USAGE, "--say: '%s': the question mark stands for an answer",
                         text);
    invocation->says = mem_grow(invocation->says, &invocation->say_room, invocation->say_count + 1,
                                sizeof *invocation->says);
    invocation->says[invocation->say_count++] = text;
    if (invocation->automatic.length) text_add(&invocation->automatic, ", ");
    lua_quote(text, strlen(text), &invocation->automatic);
    return true;
}

/* A field of auto{…} that is one of a few words. */
static bool add_word(const Invocation *invocation, OptionId id, const char *field,
                     const char *words, Text *code, Error *err)
{
    const char *value = invocation->value[id];
    if (!invocation->set[id]) return true;
    const char *at = strstr(words, value);
    const size_t n = strlen(value);
    const bool whole = at && n && (at == words || at[-1] == ' ') && (!at[n] || at[n] == ' ');
    if (!whole)
        return error_set(err, ERR_USAGE, "%s: '%s' is none of: %s", options[id].name, value, words);
    text_addf(code, "%s=\"%s\", ", field, value);
    return true;
}

/* --auto, and what belongs to it, as the statement that they are: the last of the rules. */
static bool add_auto(Invocation *invocation, Error *err)
{
    const bool *set = invocation->set;
    if (!set[OPT_AUTO] && !set[OPT_ACCEPT] && !set[OPT_SAY] && !set[OPT_ASSUME]) return true;
    if (invocation->operand_count < 2)
        return error_set(err, ERR_USAGE, "--auto needs a TARGET to align with");
    Text code = {0};
    text_add(&code, "auto{");
    if (!add_word(invocation, OPT_ACCEPT, "accept", "likely sure", &code, err) ||
        !add_word(invocation, OPT_ASSUME, "assume", "torch tf flax", &code, err)) {
        text_done(&code);
        return false;
    }
    if (set[OPT_SAY]) text_addf(&code, "say={%s}", text_string(&invocation->automatic));
    text_addc(&code, '}');
    invocation->auto_code = mem_strdup(text_string(&code));
    text_done(&code);
    add_rules(invocation, RULES_AUTO, invocation->auto_code);
    return true;
}

/* Notes an option that was given, with its value (NULL when it takes none). Rules are kept in
 * their order, files and code mixed; of every other option the last one counts. */
static bool take_option(Invocation *invocation, OptionId id, const char *value, Error *err)
{
    const OptionInfo *option = &options[id];
    /* help has no bit of its own, so that only options for all commands go with it */
    if (!(option->commands & invocation->command->options) && option->commands != FOR_ALL)
        return error_set(err, ERR_USAGE, "%s does not belong to %s; see tenon help %s",
                         option->name, command_title(invocation->command),
                         invocation->command->name ? invocation->command->name : "");
    invocation->set[id] = true;
    invocation->value[id] = value;
    if (id == OPT_ALLOW_HTTP) remote_place_allow_http();
    if (id == OPT_SEED) return take_seed(invocation, value, err);
    if (id == OPT_THREADS) return take_threads(invocation, value, err);
    if (id == OPT_BUFFER) return take_buffer(invocation, value, err);
    if (id == OPT_SHARD_SIZE) return take_shard_size(invocation, value, err);
    if (id == OPT_TASK) return take_task(invocation, value, err);
    if (id == OPT_LIMIT) return limit_set(value, err);
    if (id == OPT_SAY) return take_say(invocation, value, err);
    if (id != OPT_RULES && id != OPT_CODE && id != OPT_PRESET) return true;
    add_rules(invocation,
              id == OPT_RULES ? RULES_FILE : id == OPT_CODE ? RULES_CODE : RULES_PRESET, value);
    return true;
}

/* A word that is no option. No command takes more than there is room for. */
static bool take_operand(Invocation *invocation, const char *word, Error *err)
{
    if (invocation->operand_count == invocation->command->most)
        return error_set(err, ERR_USAGE, "%s takes %s, so '%s' is one too many",
                         command_title(invocation->command), invocation->command->operands, word);
    invocation->operands[invocation->operand_count++] = word;
    return true;
}

/* Options and operands may stand in any order. "-" alone and everything behind "--" are operands.
 * --help and --version are answered however few operands there are. */
bool invocation_parse(Invocation *invocation, int argc, char **argv, Error *err)
{
    int i = 1;
    bool only_operands = false;
    *invocation = (Invocation){.command = commands};
    /* Only the first word can be a command; a file of that name is given as ./ls. */
    if (argc > 1 && command_find(argv[1])) invocation->command = command_find(argv[i++]);
    for (; i < argc; i++) {
        const char *word = argv[i], *value;
        /* what follows a script is the script's */
        if (invocation->command->run == command_run && invocation->operand_count)
            only_operands = true;
        if (only_operands || word[0] != '-' || !word[1]) {
            if (!take_operand(invocation, word, err)) return false;
            continue;
        }
        if (strcmp(word, "--") == 0) {
            only_operands = true;
            continue;
        }
        int id = find_option(word, &value);
        if (id < 0)
            return error_set(err, ERR_USAGE, "unknown option '%s'; tenon help lists them", word);
        if (options[id].argument && !value && !(value = argv[++i]))
            return error_set(err, ERR_USAGE, "%s needs %s", word, options[id].argument);
        if (!options[id].argument && value)
            return error_set(err, ERR_USAGE, "%s takes no value", options[id].name);
        if (!take_option(invocation, (OptionId)id, value, err)) return false;
    }
    if (invocation->set[OPT_HELP] || invocation->set[OPT_VERSION]) return true;
    if (invocation->operand_count < invocation->command->least)
        return error_set(err, ERR_USAGE, "%s needs %s; see tenon help",
                         command_title(invocation->command), invocation->command->operands);
    return add_auto(invocation, err);
}

/* Everything else is argv's. */
void invocation_done(Invocation *invocation)
{
    text_done(&invocation->automatic);
    free(invocation->auto_code);
    free(invocation->says);
    free(invocation->rules);
}

/* The options that belong to any of these commands, one a line: "-o, --output OUT  write …". */
static void print_options(unsigned mask)
{
    for (size_t i = 0; i < countof(options); i++) {
        if (!(options[i].commands & mask)) continue;
        char left[64];
        snprintf(left, sizeof left, "%s%s%s%s%s", options[i].brief ? options[i].brief : "",
                 options[i].brief ? ", " : "", options[i].name, options[i].argument ? " " : "",
                 options[i].argument ? options[i].argument : "");
        printf("  %-22s  %s\n", left, options[i].help);
    }
}

/* One command: its operands and its options. NULL means all: a line for each, then every option
 * once. */
void print_help(const Command *command)
{
    if (command) {
        printf("tenon %s%s%s\n    %s\n\n", command->name ? command->name : "",
               command->name ? " " : "", command->operands, command->help);
        print_options(command->options ? command->options : FOR_ALL);
        return;
    }
    printf("tenon fits a source checkpoint into a target's state dict.\n\n");
    for (const Command *one = commands; one->run; one++) {
        char left[64];
        snprintf(left, sizeof left, "tenon %s%s%s", one->name ? one->name : "",
                 one->name ? " " : "", one->operands);
        printf("  %-28s  %s\n", left, one->help);
    }
    /* what holds for every command stands between the two tables */
    printf("\nA checkpoint is a file, a folder, or a schema; FILE::PATH names a part inside.\n"
           "Options (tenon help COMMAND says which belong where):\n");
    print_options(~0u);
    printf("\nExit status: 0 complete, 1 differences remain, 2 trouble, 3 ties remain.\n"
           "Manual: man tenon, man tenon-rules\n");
}

/* tenon help [COMMAND] */
int command_help(const Invocation *invocation)
{
    const Command *about = NULL;
    if (invocation->operand_count) {
        about = command_find(invocation->operands[0]);
        if (!about) {
            Error err;
            error_set(&err, ERR_USAGE, "no command '%s'; tenon help lists them",
                      invocation->operands[0]);
            return complain(&err);
        }
    }
    print_help(about);
    return EXIT_COMPLETE;
}

int error_exit(const Error *err)
{
    return err->code == ERR_CANCELLED ? EXIT_INTERRUPTED : EXIT_TROUBLE;
}

/* The one place where an error of the command line becomes text. A name in it may be the user's
 * own, as the shell gave it, and hold what moves a cursor. */
int complain(const Error *err)
{
    Text text = {0};
    url_hide(err->text, &text);
    fputs("tenon: ", stderr);
    for (const char *p = text_string(&text); *p; p++) {
        const unsigned char c = (unsigned char)*p;
        if ((c < ' ' && c != '\n' && c != '\t') || c == 0x7F) fprintf(stderr, "\\x%02x", c);
        else fputc(c, stderr);
    }
    fputc('\n', stderr);
    text_done(&text);
    return error_exit(err);
}
