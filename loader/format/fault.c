#include "loader/format/fault.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_SHOWN = 160, FILE_SHOWN = 400 };

void fault_quote(const char *bytes, size_t n, size_t limit, Text *out)
{
    size_t shown = n < limit ? n : limit;
    while (shown < n && shown && ((unsigned char)bytes[shown] & 0xC0) == 0x80) shown--;
    Arena *arena = arena_new();
    name_show(name_hold(arena, bytes, shown), out);
    if (shown < n) text_add(out, "…");
    arena_free(arena);
}

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
