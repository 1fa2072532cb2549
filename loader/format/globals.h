/* Globals: what is known of the classes and functions that pickles name: which of them
 * torch.load(weights_only=True) takes, and which give a file power over the machine.
 *
 * Two tables and a rule for what stands in neither. Sources: torch/_weights_only_unpickler.py and
 * torch/_utils.py of PyTorch 2.13 (tests/interop/test_globals.py compares every entry); the
 * bypasses that were published against picklescan, modelscan and fickling. */
#ifndef LOADER_FORMAT_GLOBALS_H
#define LOADER_FORMAT_GLOBALS_H

#include <stdbool.h>
#include <stddef.h>

#include "loader/core/text.h"

typedef enum GlobalVerdict {
    GLOBAL_ALLOWED,      /* torch.load(weights_only=True) takes it */
    GLOBAL_UNKNOWN,      /* it does not; no harm of it is known */
    GLOBAL_DANGEROUS     /* it can run code, or reach what can */
} GlobalVerdict;

/* "allowed", "unknown", "dangerous". */
const char *global_word(GlobalVerdict verdict);

/* The verdict on MODULE.NAME, Python 2's spelling included; *reason (never NULL) is a short
 * constant text for people. Dangerous is also what is reached through a module: the name
 * "os.system" of the module torch. */
GlobalVerdict global_judge(const char *module, const char *name, const char **reason);

/* Python 2's MODULE.NAME as torch's unpickler has it, appended to `full`: "builtins.set" for
 * __builtin__ and set. Returns the length of the module's part. */
size_t global_path(const char *module, const char *name, Text *full);
/* Whether torch.load(weights_only=True) takes such a path, without any additions of the user's. */
bool global_allowed(const char *full);
/* Whether the path's module is one of those that no user can allow (sys, os, posix, nt). */
bool global_blocked(const char *full, size_t module);

/* The allowed paths, sorted: for tests. */
const char *const *global_allowed_list(size_t *count);

#endif
