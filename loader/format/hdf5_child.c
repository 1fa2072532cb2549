/* What calls libhdf5, with hdf5_child_attributes.c. Everything in it runs in a child process and
 * may crash: it frees nothing, and ends by child_write or by returning. */
#include "loader/format/hdf5_child.h"

#ifdef HAVE_HDF5

#include "loader/format/hdf5_child_parts.h"
#if H5_VERSION_GE(1, 13, 0)
#include <H5FDdevelop.h>
#endif

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "loader/core/limits.h"
#include "loader/core/little.h"
#include "loader/core/map.h"
#include "loader/core/text.h"
#include "loader/core/write_all.h"
#include "loader/source/feeder.h"
#include "loader/tensor/dtype.h"

/* Bytes of values that are asked for at a time, unless a chunk has more. */
enum { SLAB_BYTES = 8 << 20 };

/* -- A driver that reads our descriptor ------------------------------------------------ */

/* The library opens no file by itself: it is given this driver, which has one file to offer, once.
 * So external links and virtual datasets lead nowhere. */
typedef struct Driver {
    H5FD_t base;
    const Hdf5Task *task;    /* where the file stands in the descriptor */
    haddr_t end;             /* "end of address", as the library sets it */
} Driver;

/* What H5Pset_driver is given, copied by the library. */
typedef struct DriverInfo {
    const Hdf5Task *task;
    bool *opened;
} DriverInfo;

static H5FD_t *driver_open(const char *name, unsigned flags, hid_t list, haddr_t most)
{
    (void)name, (void)most;
    const DriverInfo *info = H5Pget_driver_info(list);
    if (!info || *info->opened || flags & H5F_ACC_RDWR) return NULL;
    *info->opened = true;
    Driver *driver = calloc(1, sizeof *driver);
    if (!driver) return NULL;
    driver->task = info->task;
    return &driver->base;
}

static herr_t driver_close(H5FD_t *file)
{
    free(file);
    return 0;
}

static herr_t driver_query(const H5FD_t *file, unsigned long *flags)
{
    (void)file;
    *flags = H5FD_FEAT_AGGREGATE_METADATA | H5FD_FEAT_DATA_SIEVE;
    return 0;
}

static haddr_t driver_get_eoa(const H5FD_t *file, H5FD_mem_t type)
{
    (void)type;
    return ((const Driver *)file)->end;
}

static herr_t driver_set_eoa(H5FD_t *file, H5FD_mem_t type, haddr_t end)
{
    (void)type;
    ((Driver *)file)->end = end;
    return 0;
}

static haddr_t driver_get_eof(const H5FD_t *file, H5FD_mem_t type)
{
    (void)type;
    return ((const Driver *)file)->task->size;
}

/* A node of the tree of a group's links, as it was read, names the nodes below it, which the
 * library then asks for one after the other:
 *
 *   "TREE" | u8 0: of a group | u8 level | u16 entries | u64 left | u64 right
 *   | entries × (u64 key | u64 node) | …
 *
 * where offsets have 8 bytes. Were it something else, the hints would be useless, and no more. */
static void hint_nodes(const unsigned char *bytes, size_t n)
{
    enum { HEAD = 24, ENTRY = 16 };
    uint64_t offsets[FEEDER_HINTS];
    if (n < HEAD || memcmp(bytes, "TREE", 4) != 0 || bytes[4] != 0) return;
    size_t entries = (size_t)little_read(bytes + 6, 2), count = 0;
    for (size_t at = HEAD; count < entries && count < FEEDER_HINTS && at + ENTRY <= n; at += ENTRY)
        offsets[count++] = little_read(bytes + at + 8, 8);
    if (count > 1) feeder_hint(offsets, count);
}

static herr_t driver_read(H5FD_t *file, H5FD_mem_t type, hid_t list, haddr_t at, size_t n,
                          void *out)
{
    const Hdf5Task *task = ((const Driver *)file)->task;
    (void)list;
    if (at > task->size || n > task->size - at) return -1;
    if (task->fed && !feeder_ask(at, out, n)) return -1;
    if (task->fed && type == H5FD_MEM_BTREE) hint_nodes(out, n);
    if (task->fed) return 0;
    return pread_all(CHILD_FILE, out, n, (off_t)(task->base + at)) ? 0 : -1;
}

static herr_t driver_write(H5FD_t *file, H5FD_mem_t type, hid_t list, haddr_t at, size_t n,
                           const void *bytes)
{
    (void)file, (void)type, (void)list, (void)at, (void)n, (void)bytes;
    return -1;
}

static const H5FD_class_t driver_class = {
#if H5_VERSION_GE(1, 13, 0)
    .version = H5FD_CLASS_VERSION,
    .value = (H5FD_class_value_t)600,    /* beyond 512: nobody else's */
#endif
    .name = "tenon",
    .maxaddr = INT64_MAX,
    .fc_degree = H5F_CLOSE_WEAK,
    .fapl_size = sizeof(DriverInfo),
    .open = driver_open,
    .close = driver_close,
    .query = driver_query,
    .get_eoa = driver_get_eoa,
    .set_eoa = driver_set_eoa,
    .get_eof = driver_get_eof,
    .read = driver_read,
    .write = driver_write,
    .fl_map = H5FD_FLMAP_DICHOTOMY,
};

/* -- Records --------------------------------------------------------------------------- */

static void send_head(char kind, uint64_t length)
{
    Text head = {0};
    text_addc(&head, kind);
    hdf5_add_little(&head, length, 4);
    child_write(head.bytes, head.length);
    text_done(&head);
}

void hdf5_send(char kind, const Text *payload)
{
    send_head(kind, payload ? payload->length : 0);
    if (payload && payload->length) child_write(payload->bytes, payload->length);
}

/* The innermost of the library's errors says what it stumbled over. */
static herr_t keep_reason(unsigned n, const H5E_error2_t *one, void *reason)
{
    (void)n;
    *(const char **)reason = one->desc;
    return 0;
}

static const char *last_reason(void)
{
    const char *reason = NULL;
    H5Ewalk2(H5E_DEFAULT, H5E_WALK_DOWNWARD, keep_reason, &reason);
    return reason ? strdup(reason) : NULL;
}

static void send_error(const char *what, const char *reason)
{
    Text text = {0};
    text_add(&text, what);
    if (reason && *reason) text_addf(&text, ": %s", reason);
    hdf5_send('E', &text);
    text_done(&text);
}

/* -- Types ----------------------------------------------------------------------------- */

/* IEEE 754 and bfloat16 by their fields: size in bytes, place and bits of the exponent, bits of the
 * mantissa, bias. */
static const struct {
    size_t size, exponent, exponent_bits, mantissa_bits, bias;
    const char *name;
} floats[] = {
    {8, 52, 11, 52, 1023, "f64"},
    {4, 23, 8, 23, 127, "f32"},
    {2, 10, 5, 10, 15, "f16"},
    {2, 7, 8, 7, 127, "bf16"},
};

static const char *float_name(hid_t type)
{
    size_t size = H5Tget_size(type), sign, exponent, exponent_bits, mantissa, mantissa_bits;
    if (H5Tget_fields(type, &sign, &exponent, &exponent_bits, &mantissa, &mantissa_bits) < 0)
        return NULL;
    for (size_t i = 0; i < countof(floats); i++)
        if (floats[i].size == size && sign == size * 8 - 1 && mantissa == 0 &&
            floats[i].exponent == exponent && floats[i].exponent_bits == exponent_bits &&
            floats[i].mantissa_bits == mantissa_bits && floats[i].bias == H5Tget_ebias(type))
            return floats[i].name;
    return NULL;
}

static const char *integer_name(hid_t type)
{
    static const char *const names[2][4] = {{"u8", "u16", "u32", "u64"},
                                            {"i8", "i16", "i32", "i64"}};
    size_t size = H5Tget_size(type);
    if (H5Tget_precision(type) != size * 8 || H5Tget_offset(type) != 0) return NULL;
    for (size_t i = 0; i < 4; i++)
        if (size == (size_t)1 << i) return names[H5Tget_sign(type) == H5T_SGN_2][i];
    return NULL;
}

/* h5py's complex numbers: a compound of r and i. *part becomes the type of one. */
static const char *complex_name(hid_t type, hid_t *part)
{
    size_t size = H5Tget_size(type);
    if (H5Tget_nmembers(type) != 2 || H5Tget_member_offset(type, 0) != 0 ||
        H5Tget_member_offset(type, 1) != size / 2)
        return NULL;
    char *first = H5Tget_member_name(type, 0), *second = H5Tget_member_name(type, 1);
    hid_t other = H5Tget_member_type(type, 1);
    *part = H5Tget_member_type(type, 0);
    if (!first || !second || strcmp(first, "r") != 0 || strcmp(second, "i") != 0 || *part < 0 ||
        other < 0 || H5Tequal(*part, other) <= 0 || H5Tget_class(*part) != H5T_FLOAT)
        return NULL;
    const char *name = float_name(*part);
    if (!name || size != 2 * H5Tget_size(*part)) return NULL;
    return strcmp(name, "f32") == 0 ? "c64" : strcmp(name, "f64") == 0 ? "c128" : NULL;
}

/* ml_dtypes' bfloat16 comes as two opaque bytes; Keras says beside them what they are. */
static bool is_opaque_half(hid_t dataset, hid_t type)
{
    char text[16] = "";
    if (H5Tget_size(type) != 2 || H5Aexists(dataset, "dtype") <= 0) return false;
    hid_t attribute = H5Aopen(dataset, "dtype", H5P_DEFAULT), kind = H5Aget_type(attribute);
    if (H5Tget_class(kind) != H5T_STRING) return false;
    hid_t space = H5Aget_space(attribute);
    if (H5Sget_simple_extent_npoints(space) != 1) return false;
    if (H5Tis_variable_str(kind) > 0) {
        char *value = NULL;
        return H5Aread(attribute, kind, &value) >= 0 && value && strcmp(value, "bfloat16") == 0;
    }
    return H5Tget_size(kind) < sizeof text && H5Aread(attribute, kind, text) >= 0 &&
           strcmp(text, "bfloat16") == 0;
}

/* The name of the dtype, "string", or NULL; *big: its bytes are turned round. */
static const char *type_name(hid_t dataset, hid_t type, bool *big)
{
    hid_t plain = type;
    const char *name = NULL;
    H5T_class_t class = H5Tget_class(type);
    if (class == H5T_FLOAT) name = float_name(type);
    else if (class == H5T_INTEGER) name = integer_name(type);
    else if (class == H5T_ENUM && hdf5_is_bool(type)) return "bool";
    else if (class == H5T_COMPOUND) name = complex_name(type, &plain);
    else if (class == H5T_OPAQUE && is_opaque_half(dataset, type)) return "bf16";
    else if (class == H5T_STRING) return "string";
    H5T_order_t order = name ? H5Tget_order(plain) : H5T_ORDER_LE;
    *big = order == H5T_ORDER_BE;
    return order == H5T_ORDER_LE || order == H5T_ORDER_BE || H5Tget_size(plain) == 1 ? name : NULL;
}

/* -- Objects --------------------------------------------------------------------------- */

/* Where the values are; *note says why they cannot be read. */
static char find_place(hid_t dataset, uint64_t bytes, uint64_t *offset, const char **note)
{
    hid_t list = H5Dget_create_plist(dataset);
    H5D_layout_t layout = list < 0 ? H5D_LAYOUT_ERROR : H5Pget_layout(list);
    haddr_t at = HADDR_UNDEF;
    if (layout == H5D_CONTIGUOUS && H5Pget_external_count(list) > 0) {
        *note = "its values are in another file";
        return 'X';
    }
    if (layout == H5D_VIRTUAL || layout == H5D_LAYOUT_ERROR || layout == H5D_NLAYOUTS) {
        *note = layout == H5D_VIRTUAL ? "a view of other datasets" : "of an unknown layout";
        return 'X';
    }
    if (layout == H5D_CONTIGUOUS && H5Dget_storage_size(dataset) == bytes)
        at = H5Dget_offset(dataset);
    if (at == HADDR_UNDEF) return 'R';
    *offset = at;
    return 'W';
}

static void send_dataset(hid_t dataset)
{
    hid_t type = H5Dget_type(dataset), space = H5Dget_space(dataset);
    int rank = space < 0 ? -1 : H5Sget_simple_extent_ndims(space);
    hsize_t dims[H5S_MAX_RANK];
    bool big = false;
    const char *note = "";
    const char *name = type < 0 ? NULL : type_name(dataset, type, &big);
    uint64_t offset = 0, bytes = name ? H5Tget_size(type) : 0;
    char place = 'X';
    if (rank > 0 && H5Sget_simple_extent_dims(space, dims, NULL) < 0) rank = -1;
    for (int i = 0; i < rank; i++)
        if (!sum_mul(bytes, dims[i], &bytes)) rank = -1;
    if (rank < 0 || H5Sget_simple_extent_type(space) == H5S_NULL) rank = -1;
    else if (!name) note = "its elements are no numbers";
    else place = find_place(dataset, bytes, &offset, &note);
    Text record = {0};
    hdf5_add_little(&record, big, 1);
    text_addc(&record, place);
    hdf5_add_little(&record, offset, 8);
    hdf5_add_little(&record, H5Dget_storage_size(dataset), 8);
    hdf5_add_little(&record, rank < 0 ? 0 : (uint64_t)rank, 1);
    for (int i = 0; i < rank; i++) hdf5_add_little(&record, dims[i], 8);
    if (!name || rank < 0) name = "";
    hdf5_add_little(&record, strlen(name), 1);
    text_add(&record, name);
    text_add(&record, note);
    hdf5_send('D', &record);
    text_done(&record);
}

/* -- The walk -------------------------------------------------------------------------- */

/* An object that is to be looked at. */
typedef struct Waiting {
    char *path;              /* "" for the root; owned */
    haddr_t address;         /* of its header: the same object has the same */
} Waiting;

/* Groups may contain each other, so the walk goes by addresses, and keeps its own stack. */
typedef struct Walk {
    Waiting *stack;
    size_t depth, room;
    const char *group;       /* path of the group whose links are being read */
    bool fed;                /* what will be read is told to the feeder */
    NameMap met;             /* addresses in hexadecimal */
    Arena *arena;
} Walk;

static void push(Walk *walk, char *path, haddr_t address)
{
    walk->stack = mem_grow(walk->stack, &walk->room, walk->depth + 1, sizeof *walk->stack);
    walk->stack[walk->depth++] = (Waiting){path, address};
}

/* For H5Literate: hard links only. Soft ones name what has a path of its own. */
static herr_t push_link(hid_t group, const char *name, const H5L_info_t *info, void *context)
{
    Walk *walk = context;
    Text path = {0};
    (void)group;
    if (info->type != H5L_TYPE_HARD) return 0;
    text_addf(&path, "%s%s%s", walk->group, *walk->group ? "/" : "", name);
    push(walk, path.bytes, info->u.address);
    return 0;
}

/* The headers of what was pushed since the stack had `before`, in the order of the walk: they lie
 * between values, and one that comes from a server costs as much time as all of them. */
static void hint_headers(const Walk *walk, size_t before)
{
    uint64_t offsets[FEEDER_HINTS];
    size_t count = 0;
    for (size_t i = walk->depth; i > before && count < FEEDER_HINTS; i--)
        offsets[count++] = walk->stack[i - 1].address;
    if (count > 1) feeder_hint(offsets, count);
}

/* Links in the order of their names: the last one is pushed first. */
static bool push_links(Walk *walk, hid_t group, const char *path)
{
    const size_t before = walk->depth;
    walk->group = path;
    bool whole = H5Literate(group, H5_INDEX_NAME, H5_ITER_DEC, NULL, push_link, walk) >= 0;
    if (walk->fed) hint_headers(walk, before);
    return whole;
}

static bool is_met(Walk *walk, haddr_t address)
{
    char *text = arena_printf(walk->arena, "%" PRIx64, (uint64_t)address);
    return map_set(&walk->met, text, 1) != MAP_NONE;
}

/* Groups once, under the first path that leads to them; a dataset under each, as h5py shows it: it
 * leads nowhere. */
static bool is_told_again(hid_t file, const char *path)
{
    H5O_info_t info;
    return H5Oget_info_by_name(file, path, &info, H5P_DEFAULT) >= 0 &&
           info.type == H5O_TYPE_DATASET;
}

/* What the library cannot open, be it damaged or newer than the library, is told, and the walk goes
 * on. */
static void send_object(Walk *walk, hid_t file, const char *path)
{
    hid_t object = H5Oopen(file, *path ? path : "/", H5P_DEFAULT);
    H5I_type_t kind = object < 0 ? H5I_BADID : H5Iget_type(object);
    if (object >= 0 && kind != H5I_GROUP && kind != H5I_DATASET) return;
    Text record = {0};
    text_addc(&record, object < 0 ? 2 : kind == H5I_DATASET);
    text_add(&record, path);
    hdf5_send('O', &record);
    text_done(&record);
    if (object < 0) return;
    bool whole =
        H5Aiterate2(object, H5_INDEX_NAME, H5_ITER_INC, NULL, hdf5_send_attribute, NULL) >= 0;
    if (kind == H5I_DATASET) send_dataset(object);
    else whole = push_links(walk, object, path) && whole;
    if (!whole) hdf5_send('F', NULL);
    H5Oclose(object);
}

static void list_objects(hid_t file, bool fed)
{
    Walk walk = {.arena = arena_new(), .fed = fed};
    H5O_info_t root;
    map_init(&walk.met);
    if (H5Oget_info(file, &root) >= 0) is_met(&walk, root.addr);
    send_object(&walk, file, "");
    while (walk.depth) {
        Waiting next = walk.stack[--walk.depth];
        if (!is_met(&walk, next.address) || is_told_again(file, next.path))
            send_object(&walk, file, next.path);
        free(next.path);
    }
    hdf5_send('Z', NULL);
}

/* -- Values ---------------------------------------------------------------------------- */

/* Rows of the first dimension that are read at a time: whole chunks, since a chunk that is cut
 * would be inflated once more. */
static hsize_t rows_at_a_time(hid_t dataset, hsize_t rows, uint64_t row_bytes)
{
    hsize_t chunk[H5S_MAX_RANK] = {1}, step = row_bytes ? SLAB_BYTES / row_bytes : rows;
    hid_t list = H5Dget_create_plist(dataset);
    if (list >= 0 && H5Pget_layout(list) == H5D_CHUNKED) H5Pget_chunk(list, H5S_MAX_RANK, chunk);
    if (!chunk[0]) chunk[0] = 1;
    step -= step % chunk[0];
    if (!step) step = chunk[0];
    return step < rows ? step : rows;
}

static void send_slab(const char *slab, uint64_t n)
{
    send_head('V', n);
    child_write(slab, (size_t)n);
}

/* Rows by rows. False: the library has the reason. */
static bool read_rows(hid_t dataset, hid_t type, hid_t space, const hsize_t *dims, int rank,
                      uint64_t row_bytes)
{
    hsize_t start[H5S_MAX_RANK] = {0}, count[H5S_MAX_RANK];
    hsize_t step = rows_at_a_time(dataset, dims[0], row_bytes);
    uint64_t bytes = step * row_bytes;
    char *slab = bytes <= UINT32_MAX ? malloc((size_t)bytes) : NULL;
    if (!slab) {
        send_error("its rows need more memory (--limit child-memory=N gives it more)", NULL);
        _exit(0);
    }
    memcpy(count, dims, sizeof count);
    for (hsize_t row = 0; row < dims[0]; row += step) {
        start[0] = row;
        count[0] = dims[0] - row < step ? dims[0] - row : step;
        hid_t memory = rank ? H5Screate_simple(rank, count, NULL) : H5Screate(H5S_SCALAR);
        if (rank && H5Sselect_hyperslab(space, H5S_SELECT_SET, start, NULL, count, NULL) < 0)
            return false;
        if (H5Dread(dataset, type, memory, space, H5P_DEFAULT, slab) < 0) return false;
        send_slab(slab, count[0] * row_bytes);
        H5Sclose(memory);
    }
    free(slab);
    return true;
}

/* A filter of the dataset that the library lacks is the usual reason, and one that h5repack, of a
 * system that has it, can take away. */
static void send_failure(hid_t file, const Hdf5Task *task)
{
    char name[64] = "", text[256] = "libhdf5 cannot read its values";
    const char *reason = last_reason();
    size_t none = 0;
    hid_t dataset = file < 0 ? -1 : H5Dopen2(file, task->path, H5P_DEFAULT);
    hid_t list = dataset < 0 ? -1 : H5Dget_create_plist(dataset);
    int filters = list < 0 ? 0 : H5Pget_nfilters(list);
    for (int i = 0; i < filters; i++) {
        unsigned flags;
        H5Z_filter_t id = H5Pget_filter2(list, (unsigned)i, &flags, &none, NULL, sizeof name, name,
                                         NULL);
        if (id < 0 || H5Zfilter_avail(id) > 0) continue;
        snprintf(text, sizeof text,
                 "its values are compressed by '%.60s' (filter %d), which libhdf5 does not have; "
                 "h5repack -f GZIP=1 where they can be read", name, (int)id);
        reason = NULL;
        break;
    }
    send_error(text, reason);
}

/* The values in the file's own type and byte order, one after the other. The parent counts them. */
static bool send_values(hid_t file, const Hdf5Task *task)
{
    hid_t dataset = H5Dopen2(file, task->path, H5P_DEFAULT);
    if (dataset < 0) return false;
    hid_t type = H5Dget_type(dataset), space = H5Dget_space(dataset);
    if (type < 0 || space < 0) return false;
    hsize_t dims[H5S_MAX_RANK] = {1};
    int rank = H5Sget_simple_extent_dims(space, dims, NULL);
    hssize_t points = H5Sget_simple_extent_npoints(space);
    uint64_t size = H5Tget_size(type);
    if (rank < 0 || points <= 0 || !size || task->bytes / size != (uint64_t)points) return false;
    return read_rows(dataset, type, space, dims, rank, task->bytes / dims[0]);
}

/* No plugins: filters that the library does not have are not looked for on the disk. */
void hdf5_run(void *context)
{
    const Hdf5Task *task = context;
    bool opened = false;
    const DriverInfo info = {task, &opened};
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    H5PLset_loading_state(0);
    hid_t list = H5Pcreate(H5P_FILE_ACCESS);
    H5Pset_driver(list, H5FDregister(&driver_class), &info);
    hid_t file = H5Fopen("file", H5F_ACC_RDONLY, list);
    if (task->path) {
        if (file >= 0 && send_values(file, task)) hdf5_send('Z', NULL);
        else send_failure(file, task);
    } else if (file < 0) {
        send_error("libhdf5 cannot open it", last_reason());
    } else {
        list_objects(file, task->fed);
    }
    _exit(0);
}

#else

/* Nobody calls it then. */
void hdf5_run(void *context)
{
    (void)context;
}

#endif

bool hdf5_is_built(void)
{
#ifdef HAVE_HDF5
    return true;
#else
    return false;
#endif
}
