/* Taking notes while a pickle is read. Ways round a list of names are followed as far as their
 * arguments are plain: a deny list that only reads GLOBAL is passed by getattr. */
#include "loader/format/pickle_log.h"

#include <stdlib.h>
#include <string.h>

#include "loader/format/globals.h"
#include "loader/format/pickle_machine.h"

/* Attributes of attributes that are followed; names longer than this are noted up to here. Fixed:
 * nobody's getattr goes through more than a few, and what was noted is judged by its beginning. */
enum { REACH_DEPTH = 32, REACH_BYTES = 1024 };

static void before(PickleWatch *watch, const struct Machine *m, unsigned opcode);
static void after(PickleWatch *watch, const struct Machine *m, unsigned opcode);

void pickle_log_init(PickleLog *log, Arena *arena)
{
    *log = (PickleLog){.watch = {before, after}, .arena = arena};
    map_init(&log->index);
    weights_only_init(&log->check);
}

void pickle_log_done(PickleLog *log)
{
    free(log->names);
    free(log->blobs);
    map_done(&log->index);
    weights_only_done(&log->check);
}

/* The record of a name, made when it is new; NULL when there is no room for more. */
static PickleName *find_name(PickleLog *log, const Machine *m, const char *module,
                             const char *name, const char *way)
{
    Text key = {0};
    text_addf(&key, "%s\n%s\n%s", module, name, way ? way : "");
    uint32_t at = map_get(&log->index, text_string(&key));
    if (at == MAP_NONE && log->count < PICKLE_LOG_MAX) {
        at = (uint32_t)log->count;
        log->names = mem_grow(log->names, &log->room, log->count + 1, sizeof *log->names);
        log->names[log->count++] = (PickleName){
            .module = arena_strdup(log->arena, module),
            .name = arena_strdup(log->arena, name),
            .way = way, .opcode = m->opcode, .byte = m->opcode_at,
            .node = m->count ? m->stack[m->count - 1] : NULL};
        map_set(&log->index, arena_strdup(log->arena, text_string(&key)), at);
    }
    text_done(&key);
    return at == MAP_NONE ? NULL : &log->names[at];
}

static void note(PickleLog *log, const Machine *m, const Object *global)
{
    PickleName *name = find_name(log, m, global->global.module, global->global.name, NULL);
    if (name) name->count++;
    else log->left_out++;
}

/* --- names that are reached ----------------------------------------------------------- */

/* A function that leads from arguments to another object. */
typedef struct Way {
    const char *path;        /* of the function */
    const char *word;        /* what listings call it */
    int object;              /* the argument that it starts from; -1: none, the text is a module */
    int text;                /* the argument that says where it goes */
} Way;

static const Way ways[] = {
    {"builtins.getattr", "getattr", 0, 1},
    {"builtins.object.__getattribute__", "getattr", 0, 1},
    {"builtins.type.__getattribute__", "getattr", 0, 1},
    {"builtins.__import__", "__import__", -1, 0},
    {"importlib.import_module", "import_module", -1, 0},
    {"importlib.__import__", "__import__", -1, 0},
    {"importlib._bootstrap._gcd_import", "import_module", -1, 0},
    {"pkgutil.resolve_name", "resolve_name", -1, 0},
    {"pydoc.locate", "locate", -1, 0},
    {"builtins.dict.get", "dict.get", 0, 1},
    {"builtins.dict.__getitem__", "dict.get", 0, 1},
    {"operator.getitem", "getitem", 0, 1},
    {"_operator.getitem", "getitem", 0, 1},
    {"torch._utils_internal.resolve_library_path", "resolve", -1, 0},
};

/* What a GLOBAL says, Python 2's spelling turned into today's. */
static void add_global(const Object *global, Text *out)
{
    global_path(global->global.module, global->global.name, out);
}

static const Way *find_way(const Object *callable)
{
    if (callable->kind != OBJ_GLOBAL) return NULL;
    Text full = {0};
    const Way *found = NULL;
    add_global(callable, &full);
    for (size_t i = 0; i < countof(ways) && !found; i++)
        if (strcmp(ways[i].path, text_string(&full)) == 0) found = &ways[i];
    text_done(&full);
    return found;
}

/* attrgetter("x") and itemgetter("x"), which are called with the object later. */
static const Object *getter_text(const Object *callable)
{
    if (callable->kind != OBJ_CALL || callable->call->callable->kind != OBJ_GLOBAL) return NULL;
    const char *name = callable->call->callable->global.name;
    const Object *args = callable->call->args;
    bool getter = strcmp(name, "attrgetter") == 0 || strcmp(name, "itemgetter") == 0 ||
                  strcmp(name, "methodcaller") == 0;
    return getter && args->list.count ? args->list.items[0] : NULL;
}

/* One step of a way back: what the call starts from (NULL: nothing), and the text it adds. */
static bool take_step(const Object *call, const Object **from, const Object **text,
                      const char **word)
{
    const Object *callable = call->call->callable, *args = call->call->args;
    const Way *way = find_way(callable);
    if (way) {
        if (way->text >= (int)args->list.count) return false;
        *from = way->object < 0 ? NULL : args->list.items[way->object];
        *text = args->list.items[way->text];
        *word = way->word;
    } else {
        *text = getter_text(callable);
        if (!*text || !args->list.count) return false;
        *from = args->list.items[0];
        *word = callable->call->callable->global.name;
    }
    return (*text)->kind == OBJ_STR || (*text)->kind == OBJ_BYTES;
}

/* The dotted path that a call leads to, and how. The last step is found first, so the texts are
 * put down from the end; false when some step is not plain. */
static bool follow(const Object *call, Text *path, const char **word)
{
    const Object *texts[REACH_DEPTH], *node = call;
    size_t n = 0;
    const char *way = NULL;
    while (node && node->kind == OBJ_CALL && n < REACH_DEPTH) {
        const Object *from;
        if (!take_step(node, &from, &texts[n], &way)) return false;
        if (!n) *word = way;
        n++;
        node = from;
    }
    if (!n || (node && node->kind != OBJ_GLOBAL)) return false;
    if (node) add_global(node, path);
    while (n-- && path->length < REACH_BYTES) {
        if (path->length) text_addc(path, '.');
        for (size_t i = 0; i < texts[n]->bytes.n && i < REACH_BYTES; i++)
            text_addc(path, texts[n]->bytes.text[i] == ':' ? '.' : texts[n]->bytes.text[i]);
    }
    return true;
}

/* What is fetched out of a module's __builtins__ or __dict__ is the builtin, the attribute. */
static const char *inside_builtins(const char *path)
{
    const char *found = strstr(path, "__builtins__.");
    return found ? found + strlen("__builtins__.") : NULL;
}

/* A call that fetches something is noted under the name of what it fetches: the last step is the
 * name, those before it the module. */
static PickleName *note_reached(PickleLog *log, const Machine *m, const Object *call)
{
    Text path = {0}, module = {0};
    const char *way = NULL;
    PickleName *found = NULL;
    if (follow(call, &path, &way)) {
        const char *full = text_string(&path), *builtin = inside_builtins(full);
        const char *dot = strrchr(full, '.');
        if (builtin) text_add(&module, "builtins");
        else if (dot) text_addn(&module, full, (size_t)(dot - full));
        else text_add(&module, full);
        found = find_name(log, m, text_string(&module), builtin ? builtin : dot ? dot + 1 : "",
                          way);
    }
    text_done(&path);
    text_done(&module);
    return found;
}

/* --- what is done with names ---------------------------------------------------------- */

/* The record of what is called: a name, or what a call leads to. */
static PickleName *find_used(PickleLog *log, const Machine *m, const Object *used)
{
    if (used->kind == OBJ_GLOBAL)
        return find_name(log, m, used->global.module, used->global.name, NULL);
    return used->kind == OBJ_CALL ? note_reached(log, m, used) : NULL;
}

static void use(PickleLog *log, const Machine *m, const Object *used, unsigned how)
{
    PickleName *name = used ? find_used(log, m, used) : NULL;
    if (!name) return;
    name->uses |= how;
    if (how == USE_CALLED || how == USE_MADE) name->calls++;
}

/* A state belongs to what made the object. */
static void use_target(PickleLog *log, const Machine *m, const Object *target, unsigned how)
{
    if (!target) return;
    use(log, m, target->kind == OBJ_CALL ? target->call->callable : target, how);
}

static const Object *below(const Machine *m, size_t n)
{
    return m->count > n ? m->stack[m->count - 1 - n] : NULL;
}

/* What SETITEMS, APPENDS and ADDITEMS fill stands right below the MARK. */
static const Object *below_mark(const Machine *m)
{
    size_t top = m->mark_count ? m->marks[m->mark_count - 1] : 0;
    return top ? m->stack[top - 1] : NULL;
}

/* --- pickles inside of pickles -------------------------------------------------------- */

/* PROTO 2 to 5, a zip, or the text form: a GLOBAL, or a MARK, with a STOP at the end. */
static bool looks_like_pickle(const char *bytes, size_t n)
{
    const unsigned char *b = (const unsigned char *)bytes;
    if (n < 4) return false;
    if (b[0] == 0x80 && b[1] >= 2 && b[1] <= 5) return true;
    if (b[0] == 0xC2 && b[1] == 0x80 && b[2] >= 2 && b[2] <= 5) return true;
    if (memcmp(b, "PK\3\4", 4) == 0) return true;
    return (b[0] == 'c' || b[0] == '(') && memchr(b, '\n', n) && memchr(b, '.', n);
}

/* What was left in the file tells by its first bytes; an error of reading them comes again when the
 * rest is read. */
static bool far_looks_like_pickle(const Machine *m, const Object *far)
{
    char head[64];
    size_t n = far->far.n < sizeof head ? (size_t)far->far.n : sizeof head;
    return source_read(m->source, far->far.at, head, n, NULL) && looks_like_pickle(head, n);
}

/* pickle.loads(b"…") and its like: what is inside is looked at later, like a file. */
static void note_blob(PickleLog *log, const Machine *m, const Object *blob)
{
    switch ((ObjectKind)blob->kind) {
    case OBJ_FAR:
        if (!far_looks_like_pickle(m, blob)) return;
        break;
    case OBJ_BYTES: case OBJ_BYTEARRAY: case OBJ_STR:
        if (!looks_like_pickle(blob->bytes.text, blob->bytes.n)) return;
        break;
    default: return;
    }
    if (log->blob_count >= limit(LIMIT_BLOBS)) {
        log->blobs_left_out++;
        return;
    }
    log->blobs = mem_grow(log->blobs, &log->blob_room, log->blob_count + 1, sizeof *log->blobs);
    log->blobs[log->blob_count++] = blob;
}

/* --- the watch ------------------------------------------------------------------------ */

/* Before: what is to be built or filled is still under its state or items. */
static void before(PickleWatch *watch, const struct Machine *m, unsigned opcode)
{
    PickleLog *log = (PickleLog *)watch;
    weights_only_before(&log->check, m, opcode);
    switch (opcode) {
    case 'b': use_target(log, m, below(m, 1), USE_BUILT); break;
    case 'a': use_target(log, m, below(m, 1), USE_FILLED); break;
    case 's': use_target(log, m, below(m, 2), USE_FILLED); break;
    case 'e': case 'u': case 0x90: use_target(log, m, below_mark(m), USE_FILLED); break;
    default: break;
    }
}

/* After: the new name or call is on top. */
static void after(PickleWatch *watch, const struct Machine *m, unsigned opcode)
{
    PickleLog *log = (PickleLog *)watch;
    const Object *top = below(m, 0);
    weights_only_after(&log->check, m, opcode);
    switch (opcode) {
    case 'c': case 0x93: note(log, m, top); break;
    case 'i':
        note(log, m, top->call->callable);
        use(log, m, top->call->callable, USE_CALLED);
        break;
    case 'R': case 'o':
        use(log, m, top->call->callable, USE_CALLED);
        break;
    case 0x81: case 0x92: use(log, m, top->call->callable, USE_MADE); break;
    case 'C': case 'B': case 0x8E: case 0x96: case 'T': case 'U': case 'S': case 'X': case 0x8C:
    case 0x8D: case 'V':
        note_blob(log, m, top);
        return;
    default: return;
    }
    if (top->kind != OBJ_CALL) return;
    PickleName *reached = note_reached(log, m, top);
    if (reached) reached->count++;
}
