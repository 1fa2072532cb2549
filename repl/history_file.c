/* An entry is a line of the file; a newline in it is \n there, a backslash \\. */
#include "repl/history_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "loader/core/write_all.h"
#include "loader/source/url.h"
#include "repl/user_files.h"

const char *history_file_path(Arena *arena)
{
    return user_state_file(arena, "history");
}

static void add_escaped(const char *entry, Text *out)
{
    for (; *entry; entry++) {
        if (*entry == '\n') text_add(out, "\\n");
        else if (*entry == '\\') text_add(out, "\\\\");
        else text_addc(out, *entry);
    }
}

/* Control characters, which no prompt lets anybody type, are left out. */
static void add_unescaped(const char *line, size_t n, Text *out)
{
    for (size_t i = 0; i < n; i++) {
        const bool escaped = line[i] == '\\' && i + 1 < n;
        if (escaped) i++;
        if (escaped && line[i] == 'n') text_addc(out, '\n');
        else if ((unsigned char)line[i] >= ' ' && line[i] != 0x7F) text_addc(out, line[i]);
    }
}

/* Up to twice the bound, should somebody else have written it. */
static bool read_bytes(int file, const char *path, Text *text, Error *err)
{
    char piece[8192];
    ssize_t n;
    while ((n = read(file, piece, sizeof piece)) > 0 && text->length < 2 * HISTORY_BYTES_MAX)
        text_addn(text, piece, (size_t)n);
    return n >= 0 || error_errno(err, "%s", path);
}

bool history_file_read(const char *path, History *history, Error *err)
{
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return errno == ENOENT || error_errno(err, "%s", path);
    Text text = {0}, entry = {0};
    bool ok = flock(file, LOCK_SH) == 0 ? read_bytes(file, path, &text, err)
                                        : error_errno(err, "%s", path);
    close(file);
    for (size_t at = 0; ok && at < text.length;) {
        const char *line = text.bytes + at, *end = memchr(line, '\n', text.length - at);
        const size_t n = end ? (size_t)(end - line) : text.length - at;
        text_clear(&entry);
        add_unescaped(line, n, &entry);
        history_add(history, text_string(&entry));
        at += n + 1;
    }
    text_done(&text);
    text_done(&entry);
    return ok;
}

/* Under the lock: the newer half, from the first entry that is whole. */
static bool halve(int file, const char *path, Error *err)
{
    Text text = {0};
    bool ok = lseek(file, 0, SEEK_SET) == 0 && read_bytes(file, path, &text, err);
    const size_t half = text.length / 2;
    const char *from = half ? memchr(text.bytes + half, '\n', text.length - half) : NULL;
    if (ok && from) {
        from++;
        ok = ftruncate(file, 0) == 0 &&
             write_all(file, from, (size_t)(text.bytes + text.length - from));
        if (!ok) error_errno(err, "%s", path);
    }
    text_done(&text);
    return ok;
}

bool history_file_add(const char *path, const char *entry, Error *err)
{
    Text plain = {0}, line = {0};
    struct stat info;
    if (!entry[strspn(entry, " \t\n")] || strlen(entry) > HISTORY_ENTRY_MAX) return true;
    if (!user_make_folder(path, err)) return false;
    int file = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (file < 0) return error_errno(err, "%s", path);
    url_hide(entry, &plain);
    add_escaped(text_string(&plain), &line);
    text_addc(&line, '\n');
    bool ok = flock(file, LOCK_EX) == 0 && fchmod(file, 0600) == 0 &&
              write_all(file, line.bytes, line.length) && fstat(file, &info) == 0;
    if (!ok) error_errno(err, "%s", path);
    if (ok && info.st_size > HISTORY_BYTES_MAX) ok = halve(file, path, err);
    close(file);
    text_done(&plain);
    text_done(&line);
    return ok;
}
