/* Looking a verb up, and running it. A verb is a few lines over Ui and View; what is longer belongs
 * there. Each has the same form, so that keys, prompt and tests can call any of them. */
#include "repl/verbs.h"

#include <stdlib.h>
#include <string.h>

#include "repl/call_list.h"
#include "repl/verb_list.h"

#define VERB_ROW(name, id, where, args, help) {name, where, args, help, verb_##id},
static const Verb verbs[] = {VERBS(VERB_ROW)};
#undef VERB_ROW

const Verb *verb_table(size_t *count)
{
    *count = countof(verbs);
    return verbs;
}

/* values "a.b" and write{…} are calls where there is a function of that name. */
static bool is_call(const char *name, size_t n)
{
    const ConsoleCalls *calls = call_table();
    for (size_t i = 0; i < calls->count; i++)
        if (strlen(calls->words[i].name) == n && memcmp(calls->words[i].name, name, n) == 0)
            return true;
    return false;
}

/* A name that is both a verb and a statement or variable is a verb when it stands as one: followed
 * by a blank, or nothing. `help "x"`, `filter = 1`, `top.x` and `write(1)` are told apart by what
 * comes next; of these only help("x") is a verb all the same. */
const Verb *verb_find(const char *line, const char **argument)
{
    while (*line == ' ') line++;
    size_t n = strcspn(line, " =(.,[{\"");
    const char *rest = line + n;
    while (*rest == ' ') rest++;
    bool lua = (line[n] && line[n] != ' ') || *rest == '=' || *rest == '(' ||
               ((*rest == '"' || *rest == '{') && is_call(line, n));
    for (size_t i = 0; i < countof(verbs); i++) {
        if (strlen(verbs[i].name) != n || memcmp(verbs[i].name, line, n) != 0) continue;
        if (lua && verbs[i].run != verb_help) return NULL;   /* help("split") is ours too */
        *argument = rest;
        return &verbs[i];
    }
    return NULL;
}

/* The argument is copied: a verb may change the line it came from. Blanks at its end are cut, in
 * front verb_find did that. An argument nobody takes is an error rather than ignored. */
bool verb_run(Ui *ui, const char *line, Error *err)
{
    const char *rest;
    const Verb *verb = verb_find(line, &rest);
    if (!verb) return error_set(err, ERR_USAGE, "'%s' is no verb; ? lists them", line);
    char *argument = mem_strdup(rest);
    for (size_t n = strlen(argument); n && argument[n - 1] == ' ';) argument[--n] = '\0';
    bool ok = *verb->args || !*argument;
    if (ok) ok = verb->run(ui, argument, err);
    else error_set(err, ERR_USAGE, "%s takes no argument", verb->name);
    free(argument);
    return ok;
}
