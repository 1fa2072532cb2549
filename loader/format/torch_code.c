/* A scan by lines: what a class says of itself stands in lines that begin with two blanks, below
 * the line "class NAME(BASE):" that begins with none. Names are quoted as in Python. */
#include "loader/format/torch_code.h"

#include <stdlib.h>
#include <string.h>

struct CodeClass {
    NameMap roles;               /* attribute → CodeRole */
    bool module;                 /* class NAME(Module) */
    bool parameters, buffers;    /* it has a line __parameters__, __buffers__ */
};

/* In `index`, for a source that was read (or is not there), and for a class that no source has. */
enum { NO_CLASS = MAP_NONE - 1 };

void torch_code_init(TorchCode *code, const TorchArchive *archive)
{
    *code = (TorchCode){.archive = archive, .arena = arena_new()};
    map_init(&code->index);
}

void torch_code_done(TorchCode *code)
{
    for (size_t i = 0; i < code->count; i++) map_done(&code->classes[i]->roles);
    free(code->classes);
    map_done(&code->index);
    arena_free(code->arena);
}

/* --- one source ----------------------------------------------------------------------- */

/* A line of a source, without its end. */
typedef struct Line {
    const char *start, *end;
} Line;

/* The next line at *at; false at the end. */
static bool next_line(const char **at, const char *end, Line *line)
{
    if (*at >= end) return false;
    const char *stop = memchr(*at, '\n', (size_t)(end - *at));
    *line = (Line){*at, stop ? stop : end};
    *at = stop ? stop + 1 : end;
    return true;
}

/* Moves behind a text that the line begins with. */
static bool take(Line *line, const char *text)
{
    size_t n = strlen(text);
    if ((size_t)(line->end - line->start) < n || memcmp(line->start, text, n) != 0) return false;
    line->start += n;
    return true;
}

/* "class NAME(BASE):" makes a class; NULL for every other line. */
static CodeClass *read_class(TorchCode *code, const char *module, Line line)
{
    if (!take(&line, "class ")) return NULL;
    const char *open = memchr(line.start, '(', (size_t)(line.end - line.start));
    if (!open) return NULL;
    const char *name = arena_printf(code->arena, "%s.%.*s", module, (int)(open - line.start),
                                    line.start);
    CodeClass *class = arena_alloc(code->arena, sizeof *class);
    map_init(&class->roles);
    line.start = open;
    class->module = take(&line, "(Module)");
    code->classes = mem_grow(code->classes, &code->room, code->count + 1, sizeof *code->classes);
    map_set(&code->index, name, (uint32_t)code->count);
    code->classes[code->count++] = class;
    return class;
}

/* `"weight", "bias", ]`, up to the bracket. A name with an escape in it is no identifier, and so
 * none that PyTorch prints; the backslash is kept as it is. */
static void read_names(TorchCode *code, CodeClass *class, Line line, CodeRole role)
{
    while (line.start < line.end && *line.start != ']') {
        if (*line.start++ != '"') continue;
        const char *start = line.start;
        while (line.start < line.end && *line.start != '"') line.start++;
        const char *name =
            name_hold(code->arena, start, (size_t)(line.start - start));
        map_set(&class->roles, name, role);
        if (line.start < line.end) line.start++;
    }
}

static void read_source(TorchCode *code, const char *module, const char *text, size_t n)
{
    const char *at = text;
    CodeClass *class = NULL;
    for (Line line; next_line(&at, text + n, &line);) {
        if (line.start == line.end) continue;
        if (*line.start != ' ') {
            class = read_class(code, module, line);
        } else if (class && take(&line, "  __parameters__ = [")) {
            class->parameters = true;
            read_names(code, class, line, ROLE_PARAMETER);
        } else if (class && take(&line, "  __buffers__ = [")) {
            class->buffers = true;
            read_names(code, class, line, ROLE_BUFFER);
        }
    }
}

/* --- all of them ---------------------------------------------------------------------- */

/* "__torch__.torch.nn" → "code/__torch__/torch/nn.py", read once. A name with '/' in it is only
 * another name of a record. */
static bool load_source(TorchCode *code, const char *module, Error *err)
{
    const char *key = arena_printf(code->arena, "%s/", module);
    if (map_get(&code->index, key) != MAP_NONE) return true;
    map_set(&code->index, key, NO_CLASS);
    char *record = arena_printf(code->arena, "code/%s.py", module);
    for (char *p = record + strlen("code/"); *p && strcmp(p, ".py") != 0; p++)
        if (*p == '.') *p = '/';
    if (!torch_archive_find(code->archive, record)) return true;
    size_t n;
    char *text = torch_archive_text(code->archive, record, &n, err);
    if (!text) return false;
    read_source(code, module, text, n);
    free(text);
    return true;
}

bool torch_code_class(TorchCode *code, const Object *global, const CodeClass **found, Error *err)
{
    *found = NULL;
    if (global->kind != OBJ_GLOBAL) return true;
    const char *name =
        arena_printf(code->arena, "%s.%s", global->global.module, global->global.name);
    uint32_t index = map_get(&code->index, name);
    if (index == MAP_NONE) {
        if (!load_source(code, global->global.module, err)) return false;
        index = map_get(&code->index, name);
        if (index == MAP_NONE) {
            code->unknown++;
            map_set(&code->index, name, NO_CLASS);
        }
    }
    if (index < NO_CLASS) *found = code->classes[index];
    return true;
}

/* Before 1.5 a source names its parameters alone: any other tensor of a module may be a buffer. */
CodeRole code_class_role(const CodeClass *class, const char *attribute)
{
    if (!class->module) return ROLE_ATTRIBUTE;
    if (!class->parameters) return ROLE_UNKNOWN;
    uint32_t role = map_get(&class->roles, attribute);
    if (role != MAP_NONE) return (CodeRole)role;
    return class->buffers ? ROLE_ATTRIBUTE : ROLE_BUFFER;
}
