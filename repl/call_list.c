#include "repl/call_list.h"

#define CALL_WORD(name, args, help) {#name, args, help},
static const ScriptWord words[] = {CALLS(CALL_WORD)};
#undef CALL_WORD

#define CALL_FUNCTION(name, args, help) call_##name,
static ConsoleCall *const functions[] = {CALLS(CALL_FUNCTION)};
#undef CALL_FUNCTION

const ConsoleCalls *call_table(void)
{
    static const ConsoleCalls table = {words, functions, countof(words)};
    return &table;
}
