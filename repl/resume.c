#include "repl/resume.h"

#include <string.h>

#include "repl/session_file.h"

bool resume_operands(Invocation *invocation, Arena *arena, Error *err)
{
    SessionRecord record;
    const char *path = invocation->operands[0];
    if (invocation->operand_count != 1 || !session_file_is(path)) return true;
    if (!session_file_read(path, arena, &record, err)) return false;
    invocation->operands[0] = record.source;
    invocation->operands[1] = record.target;
    invocation->operand_count = record.target ? 2 : 1;
    if (!invocation->set[OPT_SEED]) invocation->seed = record.seed;
    RulesArgument *rules = arena_alloc(arena, (invocation->rule_count + 1) * sizeof *rules);
    rules[0] = (RulesArgument){RULES_FILE, path};
    for (size_t i = 0; i < invocation->rule_count; i++) rules[i + 1] = invocation->rules[i];
    invocation->rules = rules;
    invocation->rule_count++;
    return true;
}
