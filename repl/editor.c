/* Another program in our terminal: what system() does, with the path safe from the shell. */
#include "repl/editor.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "loader/source/file_text.h"

/* VISUAL before EDITOR, as git and crontab choose it; an empty variable counts as none. */
static const char *editor_name(void)
{
    const char *name = getenv("VISUAL");
    if (!name || !*name) name = getenv("EDITOR");
    return name && *name ? name : "vi";
}

/* Whether it goes to a line when that stands before the file as +N: by the program's name. */
static bool takes_line(const char *editor)
{
    static const char *const names[] = {"vi", "vim", "nvim", "view", "nano", "pico", "emacs",
                                        "emacsclient", "micro", "kak", "joe", "mcedit", "ne"};
    size_t n = strcspn(editor, " ");
    const char *name = editor + n;
    while (name > editor && name[-1] != '/') name--;
    n -= (size_t)(name - editor);
    for (size_t i = 0; i < countof(names); i++)
        if (strlen(names[i]) == n && memcmp(names[i], name, n) == 0) return true;
    return false;
}

/* The variable may hold arguments ("code -w"), so a shell reads it; the path is an argument of that
 * shell, where no quote or blank in it can be a command. The caller frees. */
static char *editor_command(const char *editor, int line)
{
    Text text = {0};
    text_add(&text, editor);
    if (line > 0 && takes_line(editor)) text_addf(&text, " +%d", line);
    text_add(&text, " \"$1\"");
    return text.bytes;
}

/* The exit status is the editor's own affair, but for 127: that is a shell which found no editor.
 * Signals are ignored before the fork, so that no Ctrl-C falls between. Other threads go on in the
 * parent, and may have held a lock of the allocator: the child takes no memory. */
bool editor_run(Terminal *terminal, const char *path, int line, Error *err)
{
    const char *editor = editor_name();
    char *command = editor_command(editor, line);
    terminal->ops->suspend(terminal->state);
    /* Ctrl-C in the editor is the editor's business, as system() has it. */
    struct sigaction ignore = {.sa_handler = SIG_IGN}, interrupt, quit;
    sigaction(SIGINT, &ignore, &interrupt);
    sigaction(SIGQUIT, &ignore, &quit);
    pid_t child = fork();
    if (child == 0) {
        sigaction(SIGINT, &interrupt, NULL);
        sigaction(SIGQUIT, &quit, NULL);
        execl("/bin/sh", "sh", "-c", command, "sh", path, (char *)NULL);
        _exit(127);
    }
    int status = 0;
    free(command);
    while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
    sigaction(SIGINT, &interrupt, NULL);
    sigaction(SIGQUIT, &quit, NULL);
    terminal->ops->resume(terminal->state);
    if (child < 0) return error_errno(err, "%s", editor);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
        return error_set(err, ERR_NOT_FOUND, "the editor '%s' cannot be started; set EDITOR",
                         editor);
    return true;
}

/* A name that nobody can have guessed, readable for the user alone. */
static bool write_temporary(Text *path, const char *text, size_t n, Error *err)
{
    static const char suffix[] = ".lua";
    const char *base = getenv("TMPDIR");
    text_addf(path, "%s/tenon-XXXXXX%s", base && *base ? base : "/tmp", suffix);
    int fd = mkstemps(path->bytes, sizeof suffix - 1);
    if (fd < 0) return error_errno(err, "%s", text_string(path));
    FILE *file = fdopen(fd, "wb");
    bool good = file && fwrite(text, 1, n, file) == n && fputc('\n', file) != EOF;
    if (file ? fclose(file) : close(fd)) good = false;
    return good || error_errno(err, "%s", text_string(path));
}

char *editor_run_text(Terminal *terminal, const char *text, size_t n, Text *path, Error *err)
{
    enum { BYTES_MAX = 16 << 20 };
    if (!write_temporary(path, text, n, err) ||
        !editor_run(terminal, text_string(path), 0, err))
        return NULL;
    char *edited = file_text(text_string(path), BYTES_MAX, &n, err);
    while (edited && n && strchr(" \t\r\n", edited[n - 1])) edited[--n] = '\0';
    return edited;
}
