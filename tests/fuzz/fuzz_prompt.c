/* Any bytes at the prompt. The first says what: a text before the cursor, which is completed, whose
 * word goes on from what is there; an error and the text that it is about, which is safe to print; a
 * file of entries, which are read, added to and read again. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "loader/align/align.h"
#include "repl/call_list.h"
#include "repl/complete.h"
#include "repl/fault.h"
#include "repl/history_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The ledger of two keys and a target without one, made once. */
static const Alignment *keys(void)
{
    static Alignment *alignment;
    if (alignment) return alignment;
    Checkpoint *source = checkpoint_new("source", "schema");
    StateDict *dict = dict_new();
    const Tensor tensors[] = {{.name = "layer.0.weight"}, {.name = "layer.1.w\xc3\xa9ight"}};
    for (size_t i = 0; i < countof(tensors); i++) dict_add(dict, &tensors[i]);
    checkpoint_add_container(source, "", dict, 0, false);
    return alignment = align_finish(draft_new(source, NULL, NULL, 0), NULL);
}

static void complete(const char *text, size_t n)
{
    const CompleteFrom from = {.alignment = keys(), .verbs = n % 2, .calls = call_table()->words,
                               .call_count = call_table()->count};
    Text word = {0}, choices = {0};
    const size_t at = complete_at(&from, text, n, &word, &choices);
    if (at > n) abort();
    if (word.length && (word.length < n - at || memcmp(word.bytes, text + at, n - at) != 0)) abort();
    text_done(&word);
    text_done(&choices);
}

static void show_fault(const char *text, size_t n)
{
    const char *rest = memchr(text, '\n', n);
    Error err;
    Text shown = {0};
    error_set(&err, ERR_RULE, "fuzz:%s", text);
    fault_show(&err, "fuzz", rest ? rest + 1 : "", &shown);
    for (size_t i = 0; i < shown.length; i++)
        if ((unsigned char)shown.bytes[i] < ' ' && shown.bytes[i] != '\n') abort();
    text_done(&shown);
}

/* What is read back are entries without control characters, and last the one that was added. */
static void use_history(const char *text, size_t n)
{
    static char path[64];
    if (!*path) snprintf(path, sizeof path, "/tmp/tenon-fuzz-history.%ld", (long)getpid());
    FILE *file = fopen(path, "w");
    if (!file) return;
    fwrite(text, 1, n, file);
    fputc('\n', file);
    fclose(file);
    History history = {0};
    if (!history_file_add(path, "last\n\\entry", NULL)) abort();
    if (!history_file_read(path, &history, NULL) || !history.count) abort();
    if (strcmp(history.lines[history.count - 1], "last\n\\entry") != 0) abort();
    for (size_t i = 0; i < history.count; i++)
        for (const char *p = history.lines[i]; *p; p++)
            if ((unsigned char)*p < ' ' && *p != '\n') abort();
    history_done(&history);
    unlink(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size) return 0;
    char *text = mem_alloc(size);        /* without the first byte, and with a NUL behind */
    memcpy(text, data + 1, size - 1);
    const size_t n = strlen(text);
    switch (data[0] % 3) {
    case 0: complete(text, n); break;
    case 1: show_fault(text, n); break;
    default: use_history(text, size - 1);
    }
    free(text);
    return 0;
}
