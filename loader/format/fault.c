/* Faults: one form for all errors of files, "FILE: tensor 'NAME': what", and one way to show
 * what comes from a file. */
#include "loader/format/fault.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* Bytes of a tensor's and of a file's name that are shown. Together they leave half of
 * Error.text, of 1024 bytes, to what is wrong. */
enum { NAME_SHOWN = 160, FILE_SHOWN = 400 };

/* The cut goes back to the start of a character. The bytes may hold NULs and be no UTF-8, so
 * they become a name first. */
void fault_quote(const char *bytes, size_t n, size_t limit, Text *out)
{
    size_t shown = n < limit ? n : limit;
    while (shown < n && shown && ((unsigned char)bytes[shown] & 0xC0) == 0x80) shown--;
    Arena *arena = arena_new();
    name_show(name_hold(arena, bytes, shown), out);
    if (shown < n) text_add(out, "…");
    arena_free(arena);
}

/* `tensor` NULL: the fault is the file's. Without an `err` nothing is built. Always false. */
static bool set_fault(Error *err, ErrorCode code, const char *file, const char *tensor,
                      const char *format, va_list args)
{
    if (!err) return false;
    Text text = {0};
    fault_quote(file, strlen(file), FILE_SHOWN, &text);
    text_add(&text, ": ");
    if (tensor) {
        text_add(&text, "tensor '");
        fault_quote(tensor, strlen(tensor), NAME_SHOWN, &text);
        text_add(&text, "': ");
    }
    text_addv(&text, format, args);
    error_set(err, code, "%s", text_string(&text));
    text_done(&text);
    return false;
}

/* `format` and its arguments are ours or quoted already; only the two names are escaped here. */
bool fault_file(Error *err, ErrorCode code, const char *file, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    set_fault(err, code, file, NULL, format, args);
    va_end(args);
    return false;
}

bool fault_tensor(Error *err, ErrorCode code, const char *file, const char *tensor,
                  const char *format, ...)
{
    va_list args;
    va_start(args, format);
    set_fault(err, code, file, tensor, format, args);
    va_end(args);
    return false;
}
