/* From bytes to the names in them. Every container is opened here in the simplest way that finds
 * its members; nesting is bounded by LIMIT_INNER_DEPTH. */
#include "loader/format/globals_scan.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "loader/core/limits.h"
#include "loader/core/little.h"
#include "loader/format/graph.h"
#include "loader/format/pickle_blob.h"
#include "loader/format/pickle_log.h"
#include "loader/source/zip.h"

/* Bytes looked at to tell what something is; pickles of a legacy stream; a tar's blocks. */
enum { HEAD_BYTES = 512, LEGACY_PICKLES = 5, TAR_BLOCK = 512 };

/* What is being scanned: one file, or something in it. */
typedef struct Scanner {
    GlobalScan *scan;        /* borrowed */
    size_t file;             /* index in scan->files */
    unsigned depth;          /* containers around it */
} Scanner;

static void scan_bytes(Scanner *scanner, ByteSource *source, const char *member, bool certain);

static ScannedFile *file_of(const Scanner *scanner)
{
    return &scanner->scan->files[scanner->file];
}

/* A file of a hundred members can be wrong in a hundred ways: the first are kept, all are
 * counted. */
static void note_error(Scanner *scanner, const char *text)
{
    ScannedFile *file = file_of(scanner);
    Arena *arena = scanner->scan->arena;
    if (!file->errors) file->errors = arena_alloc(arena, SCAN_ERRORS * sizeof *file->errors);
    if (file->error_count < SCAN_ERRORS)
        file->errors[file->error_count] = arena_strdup(arena, text);
    file->error_count++;
}

/* --- one pickle ----------------------------------------------------------------------- */

/* A node and the name that it is the first of. */
typedef struct NodeName {
    const Object *node;
    size_t name;
    const char *path;        /* found by the walk; NULL until then */
} NodeName;

static int compare_nodes(const void *a, const void *b)
{
    const NodeName *one = a, *two = b;
    return (one->node > two->node) - (one->node < two->node);
}

/* The places of all names in the object tree, by one walk. */
static void find_paths(Arena *arena, Object *root, NodeName *nodes, size_t count)
{
    Graph graph;
    Text path = {0};
    graph_init(&graph, root, 1);
    for (Object *node; (node = graph_next(&graph));) {
        if (node->kind != OBJ_GLOBAL && node->kind != OBJ_CALL) continue;
        const NodeName key = {.node = node};
        NodeName *found = bsearch(&key, nodes, count, sizeof *nodes, compare_nodes);
        if (!found || found->path) continue;
        text_clear(&path);
        graph_path(&graph, &path);
        found->path = arena_strdup(arena, text_string(&path));
    }
    text_done(&path);
    graph_done(&graph);
}

/* Moves what the log of a pickle says into the scan. */
static void add_names(GlobalScan *scan, const PickleLog *log, Object *root, const char *member)
{
    NodeName *nodes = mem_alloc((log->count + 1) * sizeof *nodes);
    for (size_t i = 0; i < log->count; i++) nodes[i] = (NodeName){log->names[i].node, i, NULL};
    qsort(nodes, log->count, sizeof *nodes, compare_nodes);
    if (root) find_paths(scan->arena, root, nodes, log->count);
    const char **paths = mem_alloc((log->count + 1) * sizeof *paths);
    for (size_t i = 0; i < log->count; i++) paths[nodes[i].name] = nodes[i].path;
    for (size_t i = 0; i < log->count; i++) {
        const PickleName *name = &log->names[i];
        GlobalUse *use = scan_find_use(scan, name);
        use->count += name->count;
        use->calls += name->calls;
        use->uses |= name->uses;
        if (use->place_count < GLOBAL_PLACES)
            use->places[use->place_count] = (GlobalPlace){member, name->byte, paths[i]};
        use->place_count++;
    }
    free(nodes);
    free(paths);
}

/* Pickles and zips in the bytes that a pickle holds. */
static void scan_blobs(Scanner *scanner, const PickleLog *log, ByteSource *pickle,
                       const char *member)
{
    Scanner inner = {scanner->scan, scanner->file, scanner->depth + 1};
    char more[LIMIT_TEXT];
    Error err = {0};
    for (size_t i = 0; i < log->blob_count; i++) {
        const Object *blob = log->blobs[i];
        const char *name = arena_printf(scanner->scan->arena, "%s%sbytes at %" PRIu32, member,
                                        member[0] ? " > " : "", blob->line);
        ByteSource *source = pickle_blob_source(pickle, blob, name);
        if (source) scan_bytes(&inner, source, name, false);
        source_unref(source);
        if (!pickle_blob_too_long(blob)) continue;
        error_set(&err, ERR_LIMIT, "%s: its text was not scanned, %s", name,
                  limit_text(LIMIT_BLOB_BYTES, more));
        note_error(scanner, err.text);
    }
    if (!log->blobs_left_out) return;
    error_set(&err, ERR_LIMIT, "%s: %zu byte strings that may be pickles were not scanned, %s",
              member[0] ? member : pickle->name, log->blobs_left_out,
              limit_text(LIMIT_BLOBS, more));
    note_error(scanner, err.text);
}

/* What reading one pickle gave. */
typedef struct Reading {
    size_t names;
    uint64_t used;           /* its length */
    bool whole;              /* it came to its STOP without an error */
    bool magic;              /* it is the number that a legacy stream begins with */
    const char *refusal;     /* torch's */
    int protocol;
} Reading;

/* 0x1950a86a20f9469cfc6c */
static bool is_magic(const Object *root)
{
    static const unsigned char magic[] = {0x6C, 0xFC, 0x9C, 0x46, 0xF9,
                                          0x20, 0x6A, 0xA8, 0x50, 0x19};
    return root && root->kind == OBJ_BIGINT && root->bytes.n == sizeof magic &&
           memcmp(root->bytes.text, magic, sizeof magic) == 0;
}

/* Source text that begins with the letter of an opcode ("class Net(Module):" is a GLOBAL to a
 * pickle) and breaks off at once: what it names can be no module. */
static bool is_text(const PickleLog *log, const Object *root)
{
    return !root && log->count == 1 && strpbrk(log->names[0].module, " (:") != NULL;
}

/* Reads the pickle at `at`. `certain`: it is one, whatever comes of it; else it counts only when
 * it is whole or names something. Returns whether it counted. */
static bool read_one(Scanner *scanner, ByteSource *source, uint64_t at, const char *member,
                     bool certain, Reading *reading)
{
    GlobalScan *scan = scanner->scan;
    Arena *arena = arena_new();
    PickleLog log;
    Error err = {0};
    pickle_log_init(&log, arena);
    Object *root = pickle_read_watched(arena, source, at, &log.watch, &reading->used, &err);
    scan->read += reading->used;
    const Text *refusal = &log.check.refusal;
    *reading = (Reading){log.count, reading->used, root != NULL, is_magic(root), NULL,
                         log.check.protocol};
    bool counts = certain || (root && reading->used > 2 && log.check.protocol >= 0) ||
                  (log.count && !is_text(&log, root));
    if (refusal->length) reading->refusal = arena_strdup(scan->arena, text_string(refusal));
    else if (!root) reading->refusal = arena_strdup(scan->arena, err.text);
    if (counts && scan->pickle_count < limit(LIMIT_SCANNED)) {
        scan->pickles = mem_grow(scan->pickles, &scan->pickle_room, scan->pickle_count + 1,
                                 sizeof *scan->pickles);
        scan->pickles[scan->pickle_count++] = (ScannedPickle){
            .member = member, .byte = at, .bytes = reading->used, .names = log.count,
            .protocol = log.check.protocol, .left_out = log.left_out,
            .error = root ? NULL : arena_strdup(scan->arena, err.text),
            .refusal = reading->refusal,
            .refusal_byte = log.check.byte};
        file_of(scanner)->pickles++;
        add_names(scan, &log, root, member);
        scan_blobs(scanner, &log, source, member);
    } else if (counts) {
        scan->cut = true;
    }
    pickle_log_done(&log);
    arena_free(arena);
    return counts;
}

/* Pickles one behind the other: a legacy file has five, then raw numbers; anybody can put a second
 * one behind the first. Gives what torch would say of them as a legacy stream. */
static void scan_stream(Scanner *scanner, ByteSource *source, uint64_t at, const char *member,
                        bool certain)
{
    ScannedFile *file = file_of(scanner);
    bool outer = scanner->depth == 0 && !member[0], magic = false;
    for (size_t i = 0; at < source->size && !scanner->scan->cut; i++) {
        Reading reading = {0};
        bool counts = read_one(scanner, source, at, member,
                               i == 0 ? certain : magic && i < LEGACY_PICKLES, &reading);
        if (i == 0) magic = reading.magic;
        file = file_of(scanner);
        if (outer && i == 0 && !reading.refusal && !magic)
            reading.refusal = "Invalid magic number; corrupt file?";
        if (outer && (i == 0 || (magic && i < LEGACY_PICKLES))) {
            if (reading.refusal && !file->refusal) file->refusal = reading.refusal;
            if (reading.protocol >= 0 && reading.protocol != 2) file->protocol = reading.protocol;
        }
        if (!counts || !reading.whole || !reading.used) break;
        at += reading.used;
        if (magic && i + 1 == LEGACY_PICKLES) break;
    }
    if (outer) file->torch = magic && !file->refusal ? SCAN_LOADS
                             : magic                 ? SCAN_REFUSES
                                                     : SCAN_NO_TORCH;
}

/* --- containers ----------------------------------------------------------------------- */

/* The folder of the first member: what torch takes for the archive's name. */
static size_t archive_prefix(const Zip *zip)
{
    const char *first = zip_count(zip) ? zip_member(zip, 0)->name : "";
    const char *slash = strchr(first, '/');
    return slash ? (size_t)(slash - first) + 1 : 0;
}

/* A member of the archive's folder, or of any other when `anywhere`. */
static const ZipMember *find_member(const Zip *zip, const char *name)
{
    size_t prefix = archive_prefix(zip);
    Text path = {0};
    if (prefix) text_addn(&path, zip_member(zip, 0)->name, prefix);
    text_add(&path, name);
    const ZipMember *member = zip_find(zip, text_string(&path));
    text_done(&path);
    return member;
}

/* A storage of a torch file: numbers, which may look like anything. */
static bool is_storage(const Zip *zip, const ZipMember *member)
{
    size_t prefix = archive_prefix(zip);
    const char *name = member->name;
    if (strlen(name) < prefix || strncmp(name, zip_member(zip, 0)->name, prefix) != 0) return false;
    name += prefix;
    return has_prefix(name, "data/") || has_prefix(name, "constants/") ||
           has_prefix(name, "tensors/") || has_prefix(name, "xl_model_weights/");
}

static bool is_named_pickle(const char *name)
{
    static const char *const suffixes[] = {".pkl", ".pickle", ".debug_pkl", ".p", ".joblib",
                                           ".dill", ".metadata"};
    for (size_t i = 0; i < countof(suffixes); i++)
        if (has_suffix(name, suffixes[i])) return true;
    return false;
}

/* "outer > member", held and borrowed from the scan. */
static const char *member_name(Scanner *scanner, const char *outer, const char *name)
{
    return arena_printf(scanner->scan->arena, "%s%s%s", outer, outer[0] ? " > " : "", name);
}

/* What torch does with a zip: TorchScript is refused, else data.pkl decides, whose verdict is that
 * of the pickle that was read from it. */
static void judge_zip(Scanner *scanner, const Zip *zip, size_t first)
{
    ScannedFile *file = file_of(scanner);
    const ZipMember *data = find_member(zip, "data.pkl");
    file->torch = SCAN_REFUSES;
    if (find_member(zip, "constants.pkl")) {
        file->refusal = "Cannot use ``weights_only=True`` with TorchScript archives passed to "
                        "``torch.load``.";
        return;
    }
    if (!data) {
        file->torch = SCAN_NO_TORCH;
        file->refusal = "PytorchStreamReader failed locating file data.pkl: file not found";
        return;
    }
    for (size_t i = first; i < scanner->scan->pickle_count; i++) {
        const ScannedPickle *pickle = &scanner->scan->pickles[i];
        if (strcmp(pickle->member, data->name) != 0 || pickle->byte) continue;
        file->refusal = pickle->refusal;
        file->torch = pickle->refusal ? SCAN_REFUSES : SCAN_LOADS;
        file->protocol = pickle->protocol >= 0 && pickle->protocol != 2 ? pickle->protocol : 0;
        return;
    }
    file->refusal = "data.pkl cannot be read";
}

/* A local header at `at`: its name when the member is stored and called a pickle, and where the
 * bytes begin. NULL: neither. */
static const char *read_local_header(Scanner *scanner, ByteSource *source, uint64_t at,
                                     uint64_t *data)
{
    unsigned char head[30];
    char name[HEAD_BYTES];
    if (source->size - at < sizeof head || !source_read(source, at, head, sizeof head, NULL))
        return NULL;
    size_t n = head[26] | (size_t)head[27] << 8, extra = head[28] | (size_t)head[29] << 8;
    at += sizeof head;
    if (head[8] || head[9] || n >= sizeof name || source->size - at < n + extra) return NULL;
    if (!source_read(source, at, name, n, NULL)) return NULL;
    *data = at + n + extra;
    const char *held = name_hold(scanner->scan->arena, name, n);
    return is_named_pickle(held) ? held : NULL;
}

/* A zip without a directory that can be read (cut off, or made so): the pickles behind the local
 * headers in its beginning. A pickle knows where it ends; but thousands of headers may lead into
 * one long pickle, so that what is read because of them is bounded. */
static void scan_headers(Scanner *scanner, ByteSource *source, const char *member)
{
    Scanner inner = {scanner->scan, scanner->file, scanner->depth + 1};
    GlobalScan *scan = scanner->scan;
    uint64_t before = scan->read, most = limit_allowance(source->size);
    bool all = source->size <= limit(LIMIT_SEARCHED);
    size_t n = (size_t)(all ? source->size : limit(LIMIT_SEARCHED));
    unsigned char *bytes = mem_alloc(n + 1);
    Error err = {0};
    char more[LIMIT_TEXT];
    if (!all) {
        error_set(&err, ERR_LIMIT, "%s: a zip without a directory, of which only the beginning was "
                  "searched for pickles: it has %" PRIu64 " bytes, %s", source->name, source->size,
                  limit_text(LIMIT_SEARCHED, more));
        note_error(scanner, err.text);
    }
    if (source_read(source, 0, bytes, n, NULL)) {
        for (unsigned char *p = bytes; (p = memmem(p, (size_t)(bytes + n - p), "PK\3\4", 4)); p++) {
            uint64_t data;
            if (scan->read - before > most) {
                error_set(&err, ERR_LIMIT, "%s: its local headers lead into the same pickles so "
                          "often that the bytes read, besides %" PRIu64 " for each of the file, "
                          "are %s", source->name, limit(LIMIT_LISTING_RATIO),
                          limit_text(LIMIT_LISTING_BYTES, more));
                note_error(scanner, err.text);
                break;
            }
            const char *name = read_local_header(scanner, source, (uint64_t)(p - bytes), &data);
            if (name && data < source->size)
                scan_stream(&inner, source, data, member_name(scanner, member, name), true);
        }
    }
    free(bytes);
}

/* Deflated members are inflated when they are looked at: their sum is bounded, so that zips in zips
 * cannot multiply it. */
static bool may_inflate(Scanner *scanner, const ZipMember *member, Error *err)
{
    char more[LIMIT_TEXT];
    uint64_t *sum = &scanner->scan->inflated;
    if (member->method == 0) return true;
    if (sum_add(*sum, member->size, sum) && *sum <= limit(LIMIT_STRING_BYTES)) return true;
    return error_set(err, ERR_LIMIT, "its compressed members together inflate to %s",
                     limit_text(LIMIT_STRING_BYTES, more));
}

/* Bytes [from, to) of a container, called `what`. */
static void scan_piece(Scanner *scanner, ByteSource *source, uint64_t from, uint64_t to,
                       const char *what, const char *member)
{
    Scanner inner = {scanner->scan, scanner->file, scanner->depth + 1};
    Error err = {0};
    const char *name = member_name(
        scanner, member, arena_printf(scanner->scan->arena, "%s at byte %" PRIu64, what, from));
    ByteSource *piece = source_window(source, from, to - from, name, &err);
    if (piece) scan_bytes(&inner, piece, name, false);
    else note_error(scanner, err.text);
    source_unref(piece);
}

/* The .distcp files of torch.distributed.checkpoint, which torch.load never sees. False: the source
 * is no row of zips. */
static bool scan_row(Scanner *scanner, ByteSource *source, const char *member)
{
    GlobalScan *scan = scanner->scan;
    uint64_t *starts;
    size_t most = (size_t)limit(LIMIT_SCANNED);
    size_t count = zip_directory_row(source, most, &starts);
    for (size_t i = count; i-- > 0 && !scan->cut;)
        scan_piece(scanner, source, starts[i], i ? starts[i - 1] : source->size, "zip", member);
    if (count && starts[count - 1]) scan->cut = true;
    if (count && !scanner->depth)
        file_of(scanner)->refusal = "PytorchStreamReader failed reading zip archive: invalid "
                                    "header or archive is corrupted";
    free(starts);
    return count != 0;
}

/* Bytes that this zip leaves over are a zip to another reader, who looks from the other end. */
static void scan_rest(Scanner *scanner, ByteSource *source, const Zip *zip, const char *member)
{
    const ZipDirectory *directory = zip_directory(zip);
    bool full = directory->start + directory->size == directory->records;
    if (full && directory->end == source->size) return;
    if (!scan_row(scanner, source, member) && directory->end < source->size)
        scan_piece(scanner, source, directory->end, source->size, "bytes", member);
}

static void scan_zip(Scanner *scanner, ByteSource *source, const char *member)
{
    Error err = {0};
    Zip *zip = zip_open_archive(source, &err);
    if (!zip) {
        if (scan_row(scanner, source, member)) return;
        scan_headers(scanner, source, member);
        note_error(scanner, err.text);
        return;
    }
    Scanner inner = {scanner->scan, scanner->file, scanner->depth + 1};
    bool storages = find_member(zip, "data.pkl") != NULL;
    size_t first = scanner->scan->pickle_count;
    for (size_t i = 0; i < zip_count(zip); i++) {
        const ZipMember *one = zip_member(zip, i);
        if (has_suffix(one->name, "/") || (storages && is_storage(zip, one))) continue;
        ByteSource *bytes = may_inflate(scanner, one, &err) ? zip_open_member(zip, one, &err)
                                                            : NULL;
        if (!bytes) note_error(scanner, err.text);
        else scan_bytes(&inner, bytes, member_name(scanner, member, one->name),
                        is_named_pickle(one->name));
        source_unref(bytes);
    }
    if (scanner->depth == 0 && !member[0]) judge_zip(scanner, zip, first);
    scan_rest(scanner, source, zip, member);
    zip_unref(zip);
}

/* A tar's header: octal digits of the size at 124, of the checksum at 148 (whose own eight bytes
 * count as blanks). POSIX, ustar. */
static bool read_octal(const unsigned char *at, size_t n, uint64_t *number)
{
    size_t i = 0;
    while (i < n && at[i] == ' ') i++;
    size_t start = i;
    *number = 0;
    for (; i < n && at[i] >= '0' && at[i] <= '7'; i++) *number = *number * 8 + (at[i] - '0');
    return i > start;
}

static bool is_tar(const unsigned char *head, size_t n)
{
    uint64_t said, sum = 0, size;
    if (n < TAR_BLOCK || !read_octal(head + 148, 8, &said) || !read_octal(head + 124, 12, &size))
        return false;
    for (size_t i = 0; i < TAR_BLOCK; i++) sum += i >= 148 && i < 156 ? ' ' : head[i];
    return sum == said;
}

static void scan_tar(Scanner *scanner, ByteSource *source, const char *member)
{
    static const unsigned char zeros[TAR_BLOCK];
    Scanner inner = {scanner->scan, scanner->file, scanner->depth + 1};
    unsigned char head[TAR_BLOCK];
    uint64_t at = 0;
    bool ended = false;
    Error err = {0};
    while (source->size - at >= TAR_BLOCK) {
        uint64_t size;
        if (!source_read(source, at, head, sizeof head, &err)) break;
        ended = memcmp(head, zeros, sizeof zeros) == 0;
        if (!is_tar(head, sizeof head) || !read_octal(head + 124, 12, &size)) break;
        at += TAR_BLOCK;
        if (size > source->size - at) size = source->size - at;
        const char *name = name_hold(scanner->scan->arena, head, strnlen((char *)head, 100));
        ByteSource *bytes = source_window(source, at, size, name, &err);
        bool pickle = is_named_pickle(name) || strcmp(name, "pickle") == 0;
        if (bytes && size) scan_bytes(&inner, bytes, member_name(scanner, member, name), pickle);
        source_unref(bytes);
        size += (TAR_BLOCK - size % TAR_BLOCK) % TAR_BLOCK;
        at += size < source->size - at ? size : source->size - at;
    }
    if (!ended) {
        error_set(&err, ERR_FORMAT, "%s: a tar that breaks off at byte %" PRIu64 ": it was cut "
                  "short or is damaged, and what follows was not scanned", source->name, at);
        note_error(scanner, err.text);
    }
    if (scanner->depth || member[0]) return;
    file_of(scanner)->torch = SCAN_REFUSES;
    file_of(scanner)->refusal = "Cannot use ``weights_only=True`` with files saved in the legacy "
                                ".tar format.";
}

/* An array of objects is a header and a pickle; other arrays hold none. */
static void scan_npy(Scanner *scanner, ByteSource *source, const unsigned char *head, size_t n,
                     const char *member)
{
    size_t start = n > 12 && head[6] > 1 ? 12 : 10;
    if (n < 12) return;
    size_t length = (size_t)little_read(head + 8, start - 8);
    size_t shown = length < n - start ? length : n - start;
    for (size_t i = 0; i + 1 < shown; i++) {
        const unsigned char *p = head + start + i;
        if (p[1] != 'O' || (p[0] != '|' && p[0] != '\'' && p[0] != '<' && p[0] != '>')) continue;
        if (start + length < source->size)
            scan_stream(scanner, source, start + length, member, true);
        return;
    }
}

/* By the first bytes. `certain`: its name says that it is a pickle. */
static void scan_bytes(Scanner *scanner, ByteSource *source, const char *member, bool certain)
{
    unsigned char head[HEAD_BYTES];
    size_t n = source->size < sizeof head ? (size_t)source->size : sizeof head;
    Error err = {0};
    char more[LIMIT_TEXT];
    if (scanner->depth > limit(LIMIT_INNER_DEPTH)) {
        error_set(&err, ERR_LIMIT, "%s: files inside files, to a depth %s", source->name,
                  limit_text(LIMIT_INNER_DEPTH, more));
        note_error(scanner, err.text);
        return;
    }
    if (!n) return;
    if (!source_read(source, 0, head, n, &err)) {
        note_error(scanner, err.text);
        return;
    }
    bool proto = n > 2 && head[0] == 0x80 && head[1] >= 2 && head[1] <= 5;
    if (n >= 4 && memcmp(head, "PK\3\4", 4) == 0) scan_zip(scanner, source, member);
    else if (n >= 6 && memcmp(head, "\x93NUMPY", 6) == 0)
        scan_npy(scanner, source, head, n, member);
    else if (is_tar(head, n)) scan_tar(scanner, source, member);
    else scan_stream(scanner, source, 0, member, certain || proto);
}

/* --- files and folders ---------------------------------------------------------------- */

static void start_file(GlobalScan *scan, Scanner *scanner, const char *path)
{
    scan->files = mem_grow(scan->files, &scan->file_room, scan->file_count + 1,
                           sizeof *scan->files);
    scan->files[scan->file_count] = (ScannedFile){.path = arena_strdup(scan->arena, path)};
    *scanner = (Scanner){scan, scan->file_count++, 0};
}

/* What holds no pickle and is no zip is nobody's to refuse. */
void scan_file(GlobalScan *scan, ByteSource *source, const char *path)
{
    Scanner scanner;
    start_file(scan, &scanner, path);
    scan_bytes(&scanner, source, "", false);
    ScannedFile *file = file_of(&scanner);
    if (!file->pickles && file->torch == SCAN_NO_TORCH) file->refusal = NULL;
}

void scan_unread(GlobalScan *scan, const char *path, const char *text)
{
    Scanner scanner;
    start_file(scan, &scanner, path);
    note_error(&scanner, text);
}

void scan_source(GlobalScan *scan, ByteSource *source)
{
    scan_file(scan, source, source->name);
    scan_sort(scan);
}
