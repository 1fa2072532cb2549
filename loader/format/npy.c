/* The header is a literal of Python, of which only what NumPy writes is understood: three keys, and
 * text, a truth value or a tuple of sizes behind them. */
#include "loader/format/npy.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "loader/format/fault.h"
#include "loader/format/numpy.h"
#include "loader/format/pickle.h"

static const char magic[] = "\x93NUMPY";

/* The text of the header, and how far it was read. */
typedef struct Literal {
    const char *at, *end;
    const char *file;        /* for errors */
    Npy *npy;                /* being filled; borrowed */
    unsigned found;          /* which keys were met, by bit */
    Error *err;              /* the caller's */
} Literal;

enum { FOUND_DESCR = 1, FOUND_ORDER = 2, FOUND_SHAPE = 4, FOUND_ALL = 7 };

static bool refuse(const Literal *l, const char *what)
{
    return fault_file(l->err, ERR_FORMAT, l->file, "its header %s; the file is damaged, or no .npy",
                      what);
}

/* --- a literal of Python -------------------------------------------------------------- */

static void skip_blanks(Literal *l)
{
    while (l->at < l->end && strchr(" \t\r\n", *l->at) && *l->at) l->at++;
}

static bool take_char(Literal *l, char c)
{
    skip_blanks(l);
    if (l->at == l->end || *l->at != c) return false;
    l->at++;
    return true;
}

static bool take_word(Literal *l, const char *word)
{
    size_t n = strlen(word);
    skip_blanks(l);
    if ((size_t)(l->end - l->at) < n || memcmp(l->at, word, n) != 0) return false;
    l->at += n;
    return true;
}

/* Text in quotes of either kind; no description has one inside. */
static bool take_text(Literal *l, const char **text, size_t *n)
{
    skip_blanks(l);
    if (l->at == l->end || (*l->at != '\'' && *l->at != '"')) return false;
    const char *close = memchr(l->at + 1, *l->at, (size_t)(l->end - l->at) - 1);
    if (!close) return false;
    *text = l->at + 1;
    *n = (size_t)(close - l->at) - 1;
    l->at = close + 1;
    return true;
}

/* "(3, 4)", "(3,)", "()", "(3L, 4L)" */
static bool take_shape(Literal *l)
{
    Npy *npy = l->npy;
    if (!take_char(l, '(')) return refuse(l, "has a shape that is no tuple");
    while (!take_char(l, ')')) {
        int64_t size = 0;
        skip_blanks(l);
        if (l->at == l->end || !is_digit(*l->at))
            return refuse(l, "has a shape with no size in it");
        for (; l->at < l->end && is_digit(*l->at); l->at++)
            if (__builtin_mul_overflow(size, 10, &size) ||
                __builtin_add_overflow(size, *l->at - '0', &size))
                return refuse(l, "has a size that 63 bits cannot count");
        if (npy->rank == TENSOR_RANK_MAX)
            return fault_file(l->err, ERR_LIMIT, l->file,
                              "its array has more than the limit of %d dimensions",
                              TENSOR_RANK_MAX);
        npy->dims[npy->rank++] = size;
        if (l->at < l->end && *l->at == 'L') l->at++;
        skip_blanks(l);
        if (l->at < l->end && *l->at == ')') continue;
        if (!take_char(l, ',')) return refuse(l, "has a shape that does not end");
    }
    return true;
}

/* Records are written as a list of their fields, and an array in each element as a tuple. */
static bool refuse_elements(const Literal *l, const char *descr, size_t n)
{
    Text shown = {0};
    fault_quote(descr, n, 80, &shown);
    l->npy->foreign = true;
    bool records = n && (descr[0] == '[' || descr[0] == '(');
    fault_file(l->err, ERR_UNSUPPORTED, l->file,
               records ? "it holds records (%s); save each field as an array of its own"
                       : "its elements are of the type '%s', no numbers that tenon knows; save "
                         "them as numbers", text_string(&shown));
    text_done(&shown);
    return false;
}

/* Up to and with the last bracket: what stands behind it are the other keys. */
static size_t bracket_length(const char *from, const char *end)
{
    const char *close = from;
    for (const char *p = from; p < end && *p != ':'; p++)
        if (*p == ']' || *p == ')') close = p;
    return (size_t)(close - from) + 1;
}

/* '<V2' is bfloat16 of ml_dtypes, the only type of two bytes that has no letter. */
static bool take_descr(Literal *l)
{
    const char *text;
    size_t n;
    skip_blanks(l);
    const char *from = l->at;
    if (!take_text(l, &text, &n)) {
        if (from < l->end && (*from == '[' || *from == '('))
            return refuse_elements(l, from, bracket_length(from, l->end));
        return refuse(l, "has a type that is no text");
    }
    const char *kind = n && strchr("<>|=", text[0]) && text[0] ? text + 1 : text;
    l->npy->objects = kind < text + n && *kind == 'O';
    l->npy->dtype = numpy_dtype(text, n, &l->npy->big_endian);
    return l->npy->objects || l->npy->dtype != DT_UNKNOWN || refuse_elements(l, text, n);
}

static bool take_order(Literal *l)
{
    l->npy->fortran = take_word(l, "True");
    return l->npy->fortran || take_word(l, "False") || refuse(l, "has an order that is no bool");
}

/* One key and what stands behind it. */
static bool take_entry(Literal *l)
{
    static const struct { const char *key; bool (*take)(Literal *); } keys[] = {
        {"descr", take_descr}, {"fortran_order", take_order}, {"shape", take_shape}};
    const char *key;
    size_t n;
    if (!take_text(l, &key, &n) || !take_char(l, ':')) return refuse(l, "is no dict");
    for (size_t i = 0; i < countof(keys); i++) {
        if (strlen(keys[i].key) != n || memcmp(keys[i].key, key, n) != 0) continue;
        if (l->found >> i & 1) return refuse(l, "has a key twice");
        l->found |= 1u << i;
        return keys[i].take(l);
    }
    return refuse(l, "has a key that is none of descr, fortran_order and shape");
}

static bool take_dict(Literal *l)
{
    if (!take_char(l, '{')) return refuse(l, "is no dict");
    while (!take_char(l, '}')) {
        if (!take_entry(l)) return false;
        skip_blanks(l);
        if (l->at < l->end && *l->at == '}') continue;
        if (!take_char(l, ',')) return refuse(l, "is a dict that does not end");
    }
    skip_blanks(l);
    if (l->at != l->end) return refuse(l, "goes on behind its dict");
    return l->found == FOUND_ALL || refuse(l, "lacks one of descr, fortran_order and shape");
}

/* --- the header ----------------------------------------------------------------------- */

/* How many bytes the shape needs, and whether they are there. */
static bool check_size(Npy *npy, uint64_t size, const char *file, Error *err)
{
    uint64_t bytes = dtype_size(npy->dtype);
    bool empty = false;
    if (npy->objects) return true;
    for (unsigned i = 0; i < npy->rank; i++) {
        uint64_t dim = (uint64_t)npy->dims[i];
        empty = empty || !dim;
        if (!sum_mul(bytes, dim ? dim : 1, &bytes) || bytes > INT64_MAX)
            return fault_file(err, ERR_FORMAT, file,
                              "its shape has more elements than 63 bits can count");
    }
    if (empty) bytes = 0;
    npy->bytes = bytes;
    if (bytes <= size - npy->offset) return true;
    Text shape = {0};
    show_shape(npy->dims, npy->rank, &shape);
    fault_file(err, ERR_FORMAT, file, "its array %s %s needs %" PRIu64 " bytes behind the header, "
               "%" PRIu64 " are there; the file was cut short, fetch it again",
               dtype_name(npy->dtype), text_string(&shape), bytes, size - npy->offset);
    text_done(&shape);
    return false;
}

bool npy_read_header(const unsigned char *head, size_t n, uint64_t size, const char *file, Npy *npy,
                     Error *err)
{
    *npy = (Npy){.dtype = DT_UNKNOWN};
    if (n < 10 || memcmp(head, magic, 6) != 0)
        return fault_file(err, ERR_FORMAT, file, "is no .npy: its magic number is missing");
    unsigned major = head[6], prefix = major == 1 ? 10 : 12;
    if (major < 1 || major > 3)
        return fault_file(err, ERR_UNSUPPORTED, file, "is of .npy version %u.%u; versions 1 to 3 "
                          "are known", major, head[7]);
    if (n < prefix)
        return fault_file(err, ERR_FORMAT, file, "ends in its header, at byte %zu", n);
    uint64_t length = (uint64_t)head[8] | (uint64_t)head[9] << 8;
    if (major > 1) length |= (uint64_t)head[10] << 16 | (uint64_t)head[11] << 24;
    if (length > size - prefix)
        return fault_file(err, ERR_FORMAT, file, "its header claims %" PRIu64 " bytes, the file "
                          "has %" PRIu64, length, size - prefix);
    if (length > NPY_HEADER_MAX)
        return fault_file(err, ERR_LIMIT, file, "its header has %" PRIu64 " bytes, more than the "
                          "limit of %d", length, NPY_HEADER_MAX);
    Literal literal = {.at = (const char *)head + prefix, .file = file, .npy = npy, .err = err};
    literal.end = literal.at + length;
    npy->offset = prefix + length;
    return take_dict(&literal) && check_size(npy, size, file, err);
}

/* --- the array ------------------------------------------------------------------------ */

static Object *make_tensor(TorchFile *file, const Npy *npy, ByteSource *source)
{
    Object *node = object_new(file->arena, OBJ_TENSOR);
    const Encoding encoding = {.big_endian = npy->big_endian};
    int64_t strides[TENSOR_RANK_MAX], step = 1;
    Storage *storage = arena_alloc(file->arena, sizeof *storage);
    *storage = (Storage){source, npy->offset, npy->bytes, npy->dtype, file->storages_met++};
    Tensor tensor = {.name = "", .identity = node, .dtype = npy->dtype, .rank = (uint8_t)npy->rank,
                     .storage = storage};
    tensor.dims = arena_copy(file->arena, npy->dims, npy->rank * sizeof *npy->dims);
    tensor.encoding = torch_share_encoding(file, &encoding);
    for (unsigned i = 0; i < npy->rank; i++) {
        strides[i] = step;
        step *= npy->dims[i] ? npy->dims[i] : 1;     /* check_size has counted these */
    }
    if (npy->fortran && npy->rank > 1)
        tensor.strides = arena_copy(file->arena, strides, npy->rank * sizeof *strides);
    node->tensor = arena_copy(file->arena, &tensor, sizeof tensor);
    node->mark = 1;          /* as torch_interpret leaves the nodes that it has seen */
    return node;
}

/* The pickle of objects, as a root of its own. */
static Object *read_objects(TorchFile *file, const Npy *npy, ByteSource *source, Error *err)
{
    uint64_t used;
    Object *root = pickle_read(file->arena, source, npy->offset, &used, err);
    if (!root) return NULL;
    file->root = root;
    file->pickle = source;
    file->pickle_kept = true;
    file->listing_left += limit_allowance(used) - limit_allowance(0);
    return torch_interpret(file, err) ? root : NULL;
}

Object *npy_make_node(TorchFile *file, const Npy *npy, ByteSource *source, Error *err)
{
    return npy->objects ? read_objects(file, npy, source, err) : make_tensor(file, npy, source);
}

/* --- a file of one array -------------------------------------------------------------- */

static Sniff sniff_npy(ByteSource *source, const unsigned char *head, size_t n)
{
    (void)source;
    return n >= 6 && memcmp(head, magic, 6) == 0 ? SNIFF_YES : SNIFF_NO;
}

static bool fill(Checkpoint *checkpoint, ByteSource *source, Error *err)
{
    size_t n = source->size < NPY_HEAD_MAX ? (size_t)source->size : NPY_HEAD_MAX;
    unsigned char *head = mem_alloc(n);
    Npy npy;
    bool fine = source_read(source, 0, head, n, err) &&
                npy_read_header(head, n, source->size, source->name, &npy, err);
    free(head);
    if (!fine) return false;
    TorchFile file;
    Object *none = object_new(checkpoint_arena(checkpoint), OBJ_NONE);
    torch_init(&file, checkpoint, source->name, none, 0);
    file.root = npy_make_node(&file, &npy, source, err);
    if (file.root) checkpoint_set_root(checkpoint, file.root);
    if (!npy.objects && source->size - npy.offset > npy.bytes)
        checkpoint_find(checkpoint, FINDING_WARNING, "trailing", NULL, NULL,
                        "%" PRIu64 " bytes follow the array; nothing refers to them",
                        source->size - npy.offset - npy.bytes);
    fine = file.root && torch_finish(&file, err);
    torch_done(&file);
    return fine;
}

static Checkpoint *open_npy(OpenContext *context, ByteSource *source, Error *err)
{
    Checkpoint *checkpoint = checkpoint_of_file(context->path, "npy", source);
    if (fill(checkpoint, source, err)) return checkpoint;
    checkpoint_unref(checkpoint);
    return NULL;
}

const Format format_npy = {"npy", "NumPy array (.npy)", sniff_npy, open_npy};
