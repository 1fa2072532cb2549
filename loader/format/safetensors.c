/* safetensors (safetensors/src/tensor.rs of 0.8, and the format's README):
 *
 *   u64 N | N bytes of JSON, padded with spaces | the bytes of all tensors, back to back
 *
 *   {"__metadata__":{"format":"pt"},
 *    "name":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}, …}
 *
 * Offsets count from byte 8+N. Checks stand in the order of the crate's; where the text of
 * the format is stricter than the crate (duplicate keys, the first byte of the header, an
 * empty header), the text is followed. In that order:
 *
 *   1  8 bytes for N, and N at most 100,000,000          check_start
 *   2  8+N bytes in the file
 *   3  UTF-8; a JSON object; dtype, shape, data_offsets  the events (json.c: UTF-8)
 *   4  sorted by offset, each begins where the one       check_place
 *      before it ends, the first at 0: no holes,
 *      no overlaps, no shared bytes
 *   5  shape × bits of the dtype: no overflow, whole     check_bytes
 *      bytes, as many as the offsets give
 *   6  the last one ends with the file                   check_end */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "loader/format/fault.h"
#include "loader/core/little.h"
#include "loader/format/format.h"
#include "loader/format/json_source.h"
#include "loader/format/safetensors_verify.h"
#include "loader/tensor/glimpse.h"

enum {
    LENGTH_BYTES = 8,        /* of N, a u64, little-endian */
    DTYPE_MAX = 24,          /* bytes of a dtype's name, the closing NUL included */
    SAMPLE = 1000            /* entries after which it is guessed how many there will be */
};

/* What the next value of the header is, told by the key or list that stands before it. From
 * SLOT_TENSOR on the value belongs to a tensor's entry, which errors then name. */
typedef enum Slot {
    SLOT_HEADER, SLOT_METADATA, SLOT_METADATA_VALUE, SLOT_TENSOR,
    SLOT_DTYPE, SLOT_SHAPE, SLOT_SIZE, SLOT_OFFSETS, SLOT_OFFSET,
    SLOT_IGNORED             /* of a field that the format does not know: whatever it is */
} Slot;

/* What the keys of the innermost object are: tensors' names, keys of the metadata, or the fields
 * of an entry. */
typedef enum Keys { KEYS_NAMES, KEYS_METADATA, KEYS_FIELDS } Keys;

/* Where a tensor says its bytes are, as it says it. */
typedef struct Span {
    uint64_t begin, end;     /* data_offsets */
    uint64_t where;          /* byte of the file at which its entry stands, for errors */
    uint32_t tensor;         /* index in the dict */
} Span;

typedef struct Header {
    ByteSource *source;      /* borrowed */
    JsonReader *json;        /* valid while the header is read */
    Error *err;              /* the caller's */
    StateDict *dict;         /* what is being filled; the checkpoint's in the end */
    Arena *arena;            /* the dict's */
    uint64_t data;           /* where the tensors' bytes start in the file: 8+N */
    Slot slot;               /* of the next value */
    Keys keys;               /* of the innermost object that is not ignored */
    unsigned ignored;        /* open levels of a value that is ignored */
    NameMap metadata;        /* keys of __metadata__ so far */
    const char *key;         /* the metadata key whose value comes next; in the arena */
    bool has_metadata;       /* __metadata__ was seen */
    Span *spans;             /* one a tensor, owned */
    size_t span_room;        /* of spans; there are as many as the dict has tensors */
    DType last_dtype;        /* runs of equal dtypes are looked up once */
    char last_dtype_name[DTYPE_MAX];
    const Encoding *last_encoding;   /* opaque, of a dtype that is not known; else NULL */
    const char *first_unknown;   /* the first tensor of such a dtype; NULL: none */
    size_t unknown;          /* how many there are */
    struct {                 /* the entry that is being read */
        const char *name;    /* in the arena */
        uint64_t where;      /* byte of its opening quote in the file */
        bool has_dtype, has_shape, has_offsets;  /* fields seen */
        DType dtype;
        const Encoding *encoding;                /* NULL: none */
        unsigned rank, offset_count;             /* numbers read so far */
        int64_t dims[TENSOR_RANK_MAX];
        uint64_t offsets[2];
    } entry;
} Header;

/* -- The header's JSON ----------------------------------------------------------------- */

/* Names the tensor and the byte behind what is wrong; always false. */
static bool refuse_entry(Header *header, ErrorCode code, const char *what)
{
    return fault_tensor(header->err, code, header->source->name, header->entry.name,
                        "%s (byte %" PRIu64 ")", what, json_reader_position(header->json));
}

/* The value in this slot has another type than the format demands. */
static bool refuse_type(Header *header)
{
    static const char *const wanted[] = {
        [SLOT_HEADER] = "the header must be a JSON object",
        [SLOT_METADATA] = "'__metadata__' must be an object",
        [SLOT_METADATA_VALUE] = "'__metadata__' may hold only strings",
        [SLOT_TENSOR] = "its entry must be an object with dtype, shape and data_offsets",
        [SLOT_DTYPE] = "'dtype' must be a string",
        [SLOT_SHAPE] = "'shape' must be a list",
        [SLOT_SIZE] = "'shape' may hold only whole numbers from 0",
        [SLOT_OFFSETS] = "'data_offsets' must be a list",
        [SLOT_OFFSET] = "'data_offsets' may hold only whole numbers from 0",
        [SLOT_IGNORED] = "",
    };
    if (header->slot >= SLOT_TENSOR) return refuse_entry(header, ERR_FORMAT, wanted[header->slot]);
    return fault_file(header->err, ERR_FORMAT, header->source->name, "%s (byte %" PRIu64 ")",
                      wanted[header->slot], json_reader_position(header->json));
}

/* Only the metadata may be null, as in the crate. */
static bool read_null(void *context)
{
    Header *header = context;
    return header->slot == SLOT_IGNORED || header->slot == SLOT_METADATA || refuse_type(header);
}

static bool read_boolean(void *context, bool value)
{
    (void)value;
    Header *header = context;
    return header->slot == SLOT_IGNORED || refuse_type(header);
}

/* A size or an offset, digits only: the crate takes neither 1.0 nor -0 nor 1e3. Sizes are kept as
 * i64, as PyTorch has them. */
static bool read_number(void *context, const char *text, size_t n)
{
    Header *header = context;
    if (header->slot == SLOT_IGNORED) return true;
    uint64_t value;
    if ((header->slot != SLOT_SIZE && header->slot != SLOT_OFFSET) ||
        !parse_digits(text, n, &value))
        return refuse_type(header);
    if (header->slot == SLOT_OFFSET) {
        if (header->entry.offset_count == 2)
            return refuse_entry(header, ERR_FORMAT, "'data_offsets' must be two numbers");
        header->entry.offsets[header->entry.offset_count++] = value;
        return true;
    }
    if (header->entry.rank == TENSOR_RANK_MAX)
        return refuse_entry(header, ERR_LIMIT, "more than 32 dimensions, tenon's limit");
    if (value > INT64_MAX) return refuse_entry(header, ERR_FORMAT, "a size is beyond 63 bits");
    header->entry.dims[header->entry.rank++] = (int64_t)value;
    return true;
}

/* Of a type that is not known the shape is, and how many bytes: it is listed, and never read. */
static const Encoding *unknown_encoding(Header *header, const char *name)
{
    Text note = {0};
    Encoding *encoding = arena_alloc(header->arena, sizeof *encoding);
    text_add(&note, "elements of type ");
    fault_quote(name, strlen(name), DTYPE_MAX, &note);
    *encoding = (Encoding){.opaque = true,
                           .note = arena_strdup(header->arena, text_string(&note))};
    text_done(&note);
    return encoding;
}

/* The name of the last dtype is compared first: 100,000 tensors have a handful of dtypes. */
static bool read_dtype(Header *header, const char *text, size_t n)
{
    char *last = header->last_dtype_name;
    if (!n || n >= sizeof header->last_dtype_name || memchr(text, 0, n)) {
        Text shown = {0};
        fault_quote(text, n, 60, &shown);
        fault_tensor(header->err, ERR_FORMAT, header->source->name, header->entry.name,
                     "'%s' is no name of a dtype (byte %" PRIu64 ")", text_string(&shown),
                     json_reader_position(header->json));
        text_done(&shown);
        return false;
    }
    if (memcmp(last, text, n) != 0 || last[n]) {
        memcpy(last, text, n);
        last[n] = '\0';
        header->last_dtype = dtype_from_safetensors(last);
        header->last_encoding =
            header->last_dtype == DT_UNKNOWN ? unknown_encoding(header, last) : NULL;
    }
    header->entry.dtype = header->last_dtype;
    header->entry.encoding = header->last_encoding;
    return true;
}

static bool read_string(void *context, const char *text, size_t n)
{
    Header *header = context;
    if (header->slot == SLOT_IGNORED) return true;
    if (header->slot == SLOT_DTYPE) return read_dtype(header, text, n);
    if (header->slot != SLOT_METADATA_VALUE) return refuse_type(header);
    dict_add_metadata(header->dict, header->key, arena_strndup(header->arena, text, n));
    return true;
}

/* Fields that the format does not know are ignored, as by the crate; their levels are counted. */
static bool read_start_map(void *context)
{
    Header *header = context;
    switch (header->slot) {
    case SLOT_HEADER: header->keys = KEYS_NAMES; return true;
    case SLOT_METADATA: header->keys = KEYS_METADATA; return true;
    case SLOT_TENSOR: header->keys = KEYS_FIELDS; return true;
    case SLOT_IGNORED: header->ignored++; return true;
    default: return refuse_type(header);
    }
}

static bool read_start_list(void *context)
{
    Header *header = context;
    switch (header->slot) {
    case SLOT_SHAPE: header->slot = SLOT_SIZE; return true;
    case SLOT_OFFSETS: header->slot = SLOT_OFFSET; return true;
    case SLOT_IGNORED: header->ignored++; return true;
    default: return refuse_type(header);
    }
}

/* The slot stays that of a list's items, which no value of an entry can follow: a key does. */
static bool read_end_list(void *context)
{
    Header *header = context;
    if (header->ignored) header->ignored--;
    else if (header->slot == SLOT_OFFSET && header->entry.offset_count != 2)
        return refuse_entry(header, ERR_FORMAT, "'data_offsets' must be two numbers");
    return true;
}

/* A name, or the word __metadata__: what follows is a tensor's entry or the metadata. */
static bool read_name(Header *header, const char *text, size_t n)
{
    static const char metadata[] = "__metadata__";
    if (n == sizeof metadata - 1 && memcmp(text, metadata, n) == 0) {
        header->slot = SLOT_METADATA;
        if (header->has_metadata)
            return fault_file(header->err, ERR_FORMAT, header->source->name,
                              "'__metadata__' stands twice (byte %" PRIu64 ")",
                              json_reader_position(header->json));
        header->has_metadata = true;
        return true;
    }
    header->slot = SLOT_TENSOR;
    header->entry.name = arena_strndup(header->arena, text, n);
    dict_prefetch(header->dict, header->entry.name);
    header->entry.where = json_reader_token(header->json);
    header->entry.has_dtype = header->entry.has_shape = header->entry.has_offsets = false;
    header->entry.rank = header->entry.offset_count = 0;
    return true;
}

/* Which field the next value is of, and that it is the first of that name. */
static bool read_field(Header *header, const char *text, size_t n)
{
    static const struct { const char *name; size_t length; Slot slot; } fields[] = {
        {"dtype", 5, SLOT_DTYPE}, {"shape", 5, SLOT_SHAPE}, {"data_offsets", 12, SLOT_OFFSETS}};
    bool *const seen[] = {&header->entry.has_dtype, &header->entry.has_shape,
                          &header->entry.has_offsets};
    header->slot = SLOT_IGNORED;
    for (size_t i = 0; i < countof(fields); i++) {
        if (fields[i].length != n || memcmp(fields[i].name, text, n) != 0) continue;
        header->slot = fields[i].slot;
        if (*seen[i]) return refuse_entry(header, ERR_FORMAT, "a field of its entry stands twice");
        *seen[i] = true;
    }
    return true;
}

static bool read_key(void *context, const char *text, size_t n)
{
    Header *header = context;
    if (header->ignored) return true;
    if (header->keys == KEYS_NAMES) return read_name(header, text, n);
    if (header->keys == KEYS_FIELDS) return read_field(header, text, n);
    header->slot = SLOT_METADATA_VALUE;
    header->key = arena_strndup(header->arena, text, n);
    if (map_set(&header->metadata, header->key, 0) == MAP_NONE) return true;
    Text shown = {0};
    fault_quote(text, n, 100, &shown);
    fault_file(header->err, ERR_FORMAT, header->source->name,
               "key '%s' stands twice in '__metadata__' (byte %" PRIu64 ")", text_string(&shown),
               json_reader_position(header->json));
    text_done(&shown);
    return false;
}

/* Room for as many as there will be when all entries are as long as those so far: lists that double
 * are copied, and lie in memory twice. */
static void reserve(Header *header)
{
    uint64_t length = header->data - LENGTH_BYTES;
    uint64_t so_far = json_reader_position(header->json) - LENGTH_BYTES;
    size_t count = (size_t)(SAMPLE * (length / so_far + 1));
    dict_reserve(header->dict, count);
    header->spans = mem_grow(header->spans, &header->span_room, count, sizeof *header->spans);
}

/* The entry is complete: its Tensor, with a Storage of its own, and its Span. */
static bool add_tensor(Header *header)
{
    if (!header->entry.has_dtype || !header->entry.has_shape || !header->entry.has_offsets)
        return refuse_entry(header, ERR_FORMAT,
                            !header->entry.has_dtype   ? "its entry lacks 'dtype'"
                            : !header->entry.has_shape ? "its entry lacks 'shape'"
                                                       : "its entry lacks 'data_offsets'");
    size_t index = dict_count(header->dict);
    Span span = {header->entry.offsets[0], header->entry.offsets[1], header->entry.where,
                 (uint32_t)index};
    Storage *storage = arena_alloc(header->arena, sizeof *storage);
    *storage = (Storage){header->source, header->data + span.begin, span.end - span.begin,
                         header->entry.dtype, span.tensor};
    const Tensor tensor = {
        .name = header->entry.name,
        .dims = arena_copy(header->arena, header->entry.dims, header->entry.rank * sizeof(int64_t)),
        .storage = storage,
        .encoding = header->entry.encoding,
        .dtype = header->entry.dtype,
        .rank = (uint8_t)header->entry.rank,
    };
    if (!dict_add(header->dict, &tensor))
        return refuse_entry(header, ERR_FORMAT,
                            "stands twice in the header: readers would disagree about it");
    glimpse_add(tensor.name, tensor.dims, tensor.rank);
    if (tensor.encoding && !header->unknown++) header->first_unknown = tensor.name;
    header->spans = mem_grow(header->spans, &header->span_room, index + 1, sizeof *header->spans);
    header->spans[index] = span;
    if (index + 1 == SAMPLE) reserve(header);
    return true;
}

static bool read_end_map(void *context)
{
    Header *header = context;
    if (header->ignored) {
        header->ignored--;
        return true;
    }
    Keys ended = header->keys;
    header->keys = KEYS_NAMES;
    return ended != KEYS_FIELDS || add_tensor(header);
}

/* -- The offsets ----------------------------------------------------------------------- */

/* By begin, then end: an empty tensor goes before the one that begins at the same byte. The
 * index makes the order total, so that errors do not depend on qsort. */
static int compare_spans(const void *left, const void *right)
{
    const Span *a = left, *b = right;
    if (a->begin != b->begin) return a->begin < b->begin ? -1 : 1;
    if (a->end != b->end) return a->end < b->end ? -1 : 1;
    return a->tensor < b->tensor ? -1 : 1;
}

/* In the order of their bytes. Nearly every file lists its tensors so already. */
static void sort_spans(Span *spans, size_t count)
{
    for (size_t i = 1; i < count; i++)
        if (compare_spans(&spans[i - 1], &spans[i]) > 0) {
            qsort(spans, count, sizeof *spans, compare_spans);
            return;
        }
}

/* The tensor must begin where the one before it (NULL: none) ends. */
static bool check_place(const Header *header, const Span *span, const Span *before)
{
    uint64_t expected = before ? before->end : 0;
    if (span->begin == expected && span->end >= span->begin) return true;
    const char *name = dict_at(header->dict, span->tensor)->name;
    const char *file = header->source->name;
    if (span->end < span->begin)
        return fault_tensor(header->err, ERR_FORMAT, file, name,
                            "data_offsets [%" PRIu64 ",%" PRIu64 "] end before they begin (byte "
                            "%" PRIu64 ")", span->begin, span->end, span->where);
    Text other = {0};
    const char *rival = before ? dict_at(header->dict, before->tensor)->name : "";
    fault_quote(rival, strlen(rival), 120, &other);
    if (span->begin < expected)
        fault_tensor(header->err, ERR_FORMAT, file, name,
                     "data_offsets [%" PRIu64 ",%" PRIu64 "] overlap tensor '%s', which ends at "
                     "%" PRIu64 ": safetensors may not share bytes (byte %" PRIu64 ")",
                     span->begin, span->end, text_string(&other), expected, span->where);
    else
        fault_tensor(header->err, ERR_FORMAT, file, name,
                     "data_offsets begin at %" PRIu64 ", but the tensors before it end at %" PRIu64
                     ": a hole of %" PRIu64 " bytes (byte %" PRIu64 ")", span->begin, expected,
                     span->begin - expected, span->where);
    text_done(&other);
    return false;
}

/* What tenon asks of every tensor, also of an empty one whose other sizes are absurd. */
static bool check_tensor(const Header *header, const Span *span, const Tensor *tensor)
{
    Error inner;
    return tensor_check(tensor, &inner) ||
           fault_tensor(header->err, inner.code, header->source->name, tensor->name,
                        "%s (byte %" PRIu64 ")", inner.text, span->where);
}

/* Shape and dtype must need exactly the bytes that the offsets give; of a dtype that is not known
 * nobody can say. */
static bool check_bytes(const Header *header, const Span *span)
{
    const Tensor *tensor = dict_at(header->dict, span->tensor);
    if (tensor->dtype == DT_UNKNOWN) return check_tensor(header, span, tensor);
    uint64_t bits = 1, given = span->end - span->begin;
    bool fits = true;
    for (unsigned i = 0; i < tensor->rank; i++)
        fits = fits && sum_mul(bits, (uint64_t)tensor->dims[i], &bits);
    fits = fits && sum_mul(bits, dtype_info(tensor->dtype)->bits, &bits);
    if (fits && bits % 8 == 0 && bits / 8 == given) return check_tensor(header, span, tensor);
    Text shape = {0};
    for (unsigned i = 0; i < tensor->rank; i++)
        text_addf(&shape, "%s%" PRId64, i ? "," : "", tensor->dims[i]);
    Text what = {0};
    if (!fits) text_add(&what, "is more than 64 bits can count");
    else if (bits % 8) text_addf(&what, "is %" PRIu64 " bits, which fill no whole bytes", bits);
    else text_addf(&what, "needs %" PRIu64 " bytes, data_offsets give %" PRIu64, bits / 8, given);
    fault_tensor(header->err, ERR_FORMAT, header->source->name, tensor->name,
                 "shape [%.400s] %s %s (byte %" PRIu64 ")", text_string(&shape),
                 dtype_name(tensor->dtype), text_string(&what), span->where);
    text_done(&shape);
    text_done(&what);
    return false;
}

/* The file must end where the last tensor does. */
static bool check_end(const Header *header, const Span *last)
{
    uint64_t have = header->source->size - header->data, need = last ? last->end : 0;
    if (need == have) return true;
    if (need < have)
        return fault_file(header->err, ERR_FORMAT, header->source->name,
                          "%" PRIu64 " bytes stand behind the last tensor, from byte %" PRIu64
                          " on; something was appended, or the header belongs to another file",
                          have - need, header->data + need);
    return fault_file(header->err, ERR_FORMAT, header->source->name,
                      "the file is cut short: it ends at byte %" PRIu64 ", and its tensors need "
                      "%" PRIu64 " bytes more; fetch it again", header->source->size, need - have);
}

/* Walked in the order of bytes: each tensor is compared only with the one before it. */
static bool check_spans(Header *header)
{
    size_t count = dict_count(header->dict);
    sort_spans(header->spans, count);
    for (size_t i = 0; i < count; i++) {
        const Span *span = &header->spans[i];
        if (!check_place(header, span, i ? span - 1 : NULL) || !check_bytes(header, span))
            return false;
    }
    return check_end(header, count ? &header->spans[count - 1] : NULL);
}

/* -- Opening --------------------------------------------------------------------------- */

/* The eight bytes at the start, and the one behind them; *length becomes N. */
static bool check_start(ByteSource *source, uint64_t *length, Error *err)
{
    unsigned char start[LENGTH_BYTES + 1];
    if (source->size < LENGTH_BYTES)
        return fault_file(err, ERR_FORMAT, source->name,
                          "only %" PRIu64 " bytes; a safetensors file has at least %d",
                          source->size, LENGTH_BYTES);
    if (!source_read(source, 0, start, LENGTH_BYTES, err)) return false;
    uint64_t n = *length = little_read(start, LENGTH_BYTES);
    char more[LIMIT_TEXT];
    if (n > limit(LIMIT_HEADER_BYTES))
        return fault_file(err, ERR_LIMIT, source->name,
                          "its header would have %" PRIu64 " bytes, %s", n,
                          limit_text(LIMIT_HEADER_BYTES, more));
    if (n > source->size - LENGTH_BYTES)
        return fault_file(err, ERR_FORMAT, source->name,
                          "the header should be %" PRIu64 " bytes long, but the file ends after "
                          "%" PRIu64 " of them; it is cut short: fetch it again",
                          n, source->size - LENGTH_BYTES);
    if (!n) return fault_file(err, ERR_FORMAT, source->name, "the header is empty (0 bytes)");
    if (!source_read(source, LENGTH_BYTES, start + LENGTH_BYTES, 1, err)) return false;
    if (start[LENGTH_BYTES] == '{') return true;
    return fault_file(err, ERR_FORMAT, source->name,
                      "the header begins with byte 0x%02x where '{' must stand (byte %d)",
                      start[LENGTH_BYTES], LENGTH_BYTES);
}

/* Positions in errors count from the start of the file: the JSON begins at byte 8. */
static bool parse_header(Header *header)
{
    static const JsonEvents events = {
        read_null, read_boolean, read_number,     read_string,   read_start_map,
        read_key,  read_end_map, read_start_list, read_end_list,
    };
    header->json = json_reader_new(&events, header, header->source->name);
    bool fine = json_feed_source(header->json, header->source, LENGTH_BYTES, header->data,
                                 header->err);
    json_reader_free(header->json);
    return fine;
}

/* The order of a safetensors file is the writer's (by dtype, then name), not the model's. */
static Checkpoint *open_safetensors(OpenContext *context, ByteSource *source, Error *err)
{
    uint64_t length = 0;
    if (!check_start(source, &length, err)) return NULL;
    StateDict *dict = dict_new();
    dict_set_ordered(dict, false);
    Header header = {.source = source, .err = err, .dict = dict, .arena = dict_arena(dict),
                     .data = LENGTH_BYTES + length};
    Checkpoint *checkpoint = NULL;
    if (parse_header(&header) && check_spans(&header)) {
        checkpoint = checkpoint_of_file(context->path, "safetensors", source);
        checkpoint_add_container(checkpoint, "", dict, 0, false);
        safetensors_verify(checkpoint, dict, header.data);
        if (header.unknown)
            checkpoint_find(checkpoint, FINDING_WARNING, "dtype", header.first_unknown,
                            "leave them out by a rule (NAME -> )",
                            "%zu tensor%s of a type that tenon does not know: listed, but not read",
                            header.unknown, header.unknown == 1 ? " is" : "s are");
    } else {
        dict_unref(dict);
    }
    map_done(&header.metadata);
    free(header.spans);
    return checkpoint;
}

/* A length that fits, and '{'. A length that is too large still is a safetensors file when it
 * is no text; then opening it says what is wrong with it. */
static Sniff sniff_safetensors(ByteSource *source, const unsigned char *head, size_t n)
{
    if (n <= LENGTH_BYTES || head[LENGTH_BYTES] != '{') return SNIFF_NO;
    uint64_t length = little_read(head, LENGTH_BYTES);
    if (length <= limit(LIMIT_HEADER_BYTES) && length <= source->size - LENGTH_BYTES)
        return SNIFF_YES;
    for (int i = 0; i < LENGTH_BYTES; i++)
        if (!head[i] || head[i] >= 0x80) return SNIFF_MAYBE;
    return SNIFF_NO;
}

const Format format_safetensors = {"safetensors", "safetensors", sniff_safetensors,
                                   open_safetensors};
