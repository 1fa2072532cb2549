/* Plain pickles, which pickle.dump wrote and not torch.save: detectron2's zoo (.pkl), Paddle's
 * .pdparams and .pdopt, accelerate's *.pkl, arrays of NumPy, Python 2's files.
 *
 *   a pickle of any protocol | more pickles, as many as were dumped into the file
 *
 * Arrays of NumPy are tensors whose values stay in the file; tensors of PyTorch are found too. Of
 * several pickles each is an item of a list. Protocols 2 and later begin with 0x80 and a version;
 * what 0 and 1 begin with only looks like a pickle. */
#include <inttypes.h>
#include <string.h>

#include "loader/format/fault.h"
#include "loader/core/little.h"
#include "loader/format/pickle.h"
#include "loader/format/torch.h"
#include "loader/tensor/layout.h"

/* --- what it is, by its first bytes --------------------------------------------------- */

/* Protocol 4 and later put a frame around everything that is longer than a few bytes; of the older
 * ones, what can stand behind PROTO: a container, a class, a number, text. */
static bool is_framed(const unsigned char *head, size_t n, uint64_t size)
{
    return n >= 11 && head[2] == 0x95 && little_read(head + 3, 8) <= size - 11;
}

/* Of a pickle that was cut off the frame reaches behind the end; what stands in a frame begins like
 * a container, a class or NumPy's memo of them. */
static bool looks_cut(const unsigned char *head, size_t n, uint64_t size)
{
    return n >= 12 && head[0] == 0x80 && (head[1] == 4 || head[1] == 5) && head[2] == 0x95 &&
           head[8] == 0 && head[9] == 0 && head[10] == 0 && !is_framed(head, n, size) &&
           head[11] && strchr("}](c)\x8C", head[11]);
}

static bool begins_pickle(const unsigned char *head, size_t n, uint64_t size)
{
    if (n < 4 || head[0] != 0x80 || head[1] < 2 || head[1] > 5) return false;
    return is_framed(head, n, size) || (head[2] && strchr("}](c)XBUTKMJG\x8A\x8C\x96N", head[2]));
}

/* Protocols 0 and 1 have no sign of their own; these are what objects with arrays begin with. */
static bool looks_like_old(const unsigned char *head, size_t n)
{
    static const char *const starts[] = {"(dp", "(lp", "(tp", "}q", "]q", "ccollections\n",
                                         "ccopy_reg\n", "cnumpy", "c__builtin__\n", "(i__main__"};
    for (size_t i = 0; i < countof(starts); i++)
        if (n >= strlen(starts[i]) && memcmp(head, starts[i], strlen(starts[i])) == 0) return true;
    return false;
}

static Sniff sniff_pickle(ByteSource *source, const unsigned char *head, size_t n)
{
    if (begins_pickle(head, n, source->size)) return SNIFF_YES;
    return looks_like_old(head, n) || looks_cut(head, n, source->size) ? SNIFF_MAYBE : SNIFF_NO;
}

/* --- the pickles ---------------------------------------------------------------------- */

/* Whether another pickle seems to begin at `at`. */
static bool goes_on(ByteSource *source, uint64_t at)
{
    unsigned char head[16];
    uint64_t left = source->size - at;
    size_t n = left < sizeof head ? (size_t)left : sizeof head;
    return source_read(source, at, head, n, NULL) &&
           (begins_pickle(head, n, left) || looks_like_old(head, n));
}

/* The root of the first pickle, or a list of all roots; *at is behind the last one. */
static Object *read_all(Arena *arena, ByteSource *source, uint64_t *at, Error *err)
{
    uint64_t used;
    char more[LIMIT_TEXT];
    Object *first = pickle_read(arena, source, 0, &used, err), *all = NULL;
    if (!first) return NULL;
    for (*at = used; *at < source->size && goes_on(source, *at); *at += used) {
        Object *next = pickle_read(arena, source, *at, &used, err);
        if (!next) return NULL;
        if (!all) {
            all = object_new(arena, OBJ_LIST);
            object_push(arena, all, first);
        }
        object_push(arena, all, next);
        if (all->list.count > limit(LIMIT_PICKLES)) {
            fault_file(err, ERR_LIMIT, source->name, "pickles in a row, %s",
                       limit_text(LIMIT_PICKLES, more));
            return NULL;
        }
        if (arena_bytes(arena) <= limit(LIMIT_PICKLE_NODES)) continue;
        fault_file(err, ERR_LIMIT, source->name, "the objects of its pickles need %s",
                   limit_text(LIMIT_PICKLE_NODES, more));
        return NULL;
    }
    return all ? all : first;
}

/* --- Paddle --------------------------------------------------------------------------- */

/* Paddle's Layer.state_dict() goes with a table of what its own program calls each parameter:
 * {'fc.weight': 'linear_0.w_0'}. That name tells the layer's kind for certain; a Linear keeps its
 * weight as in×out. Without the table nothing is said: an embedding is a matrix as well. */
static bool is_linear_weight(const Object *name)
{
    if (name->kind != OBJ_STR || !has_prefix(name->bytes.text, "linear_")) return false;
    const char *p = name->bytes.text + strlen("linear_");
    size_t digits = strspn(p, "0123456789");
    return digits && strncmp(p + digits, ".w_", 3) == 0;
}

static void mark_layouts(const Object *root)
{
    const Object *names = object_as_dict(object_get(root, "StructuredToParameterName@@"));
    const Object *dict = names ? object_as_dict(root) : NULL;
    if (!dict) return;
    NameMap linear;
    map_init(&linear);
    for (size_t i = 0; i + 1 < names->list.count; i += 2)
        if (names->list.items[i]->kind == OBJ_STR && is_linear_weight(names->list.items[i + 1]))
            map_set(&linear, names->list.items[i]->bytes.text, 1);
    for (size_t i = 0; i + 1 < dict->list.count; i += 2) {
        const Object *key = dict->list.items[i], *value = dict->list.items[i + 1];
        if (key->kind == OBJ_STR && value->kind == OBJ_TENSOR && value->tensor->rank == 2 &&
            map_get(&linear, key->bytes.text) != MAP_NONE)
            value->tensor->layout = LAYOUT_IO;
    }
    map_done(&linear);
}

/* --- the whole ------------------------------------------------------------------------ */

static bool fill(Checkpoint *checkpoint, ByteSource *source, Error *err)
{
    uint64_t at = 0;
    Object *root = read_all(checkpoint_arena(checkpoint), source, &at, err);
    if (!root) return false;
    if (at < source->size)
        checkpoint_find(checkpoint, FINDING_WARNING, "trailing", NULL,
                        "nothing need be done, if the file was not cut or joined",
                        "%" PRIu64 " bytes follow the pickle; nothing refers to them",
                        source->size - at);
    TorchFile file;
    torch_init(&file, checkpoint, source->name, root, at);
    file.pickle = source;
    file.remedy = "the file is damaged or was cut short; fetch it again";
    bool fine = torch_interpret(&file, err);
    if (fine) mark_layouts(root);
    fine = fine && torch_finish(&file, err);
    torch_done(&file);
    return fine;
}

static Checkpoint *open_pickle(OpenContext *context, ByteSource *source, Error *err)
{
    Checkpoint *checkpoint = checkpoint_of_file(context->path, "pickle", source);
    if (fill(checkpoint, source, err)) return checkpoint;
    checkpoint_unref(checkpoint);
    return NULL;
}

const Format format_pickle = {
    "pickle", "Python pickle (detectron2 .pkl, Paddle .pdparams, arrays of NumPy)", sniff_pickle,
    open_pickle};
