/* Members as byte sources. Stored ones need no library: their bytes lie in the file. Deflated
 * ones go through libzip once, to their end, and are read from the inflated copy ever after:
 * a deflate stream cannot be entered in the middle, and tensors are read at any place. */
#include "loader/source/zip.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <zip.h>

#include "loader/core/text.h"
#include "loader/source/spool.h"
#include "loader/source/zip_directory.h"

/* Bytes: of a local header; of one with its name and padding, mostly; of one step of inflating. */
enum { LOCAL_SIZE = 30, LOCAL_ROOM = 256, STEP = 1 << 16 };

struct Zip {
    atomic_uint refs;            /* one for the opener, one for each member source */
    ByteSource *source;          /* a reference */
    ZipDirectory directory;      /* never changes once it was read, but for what its arena has */
    bool forgot;                 /* and its index, which is empty then */
    pthread_mutex_t lock;        /* around `inflater` and the lazy parts of member sources */
    zip_t *inflater;             /* libzip's view; NULL until a deflated member is read */
};

/* What libzip reads from: our source with a cursor. */
typedef struct LibzipCursor {
    ByteSource *source;          /* borrowed from the Zip, which outlives libzip's view */
    uint64_t position;           /* of the next byte that libzip will read */
    zip_error_t error;           /* of the last command, for libzip to fetch */
} LibzipCursor;

/* The content of one member. Its size is known from the directory, so that opening 100,000 of
 * them reads nothing; where the content is, is found out when somebody wants it. */
typedef struct MemberSource {
    ByteSource base;
    Zip *zip;                    /* a reference */
    const ZipMember *member;     /* borrowed from the Zip's directory */
    union {
        uint64_t offset;         /* of a stored one: where its bytes start; 0: not known yet */
        ByteSource *inner;       /* of a deflated one: what it inflates to; NULL: not known yet */
    };
    char name[];
} MemberSource;

/* libzip's callback (zip_source_function): one function for all commands. It opens, seeks and
 * reads, asks for the size and for the last error, and at the end frees the cursor. */
static zip_int64_t serve_libzip(void *context, void *data, zip_uint64_t length,
                                zip_source_cmd_t command)
{
    LibzipCursor *cursor = context;
    switch (command) {
    case ZIP_SOURCE_OPEN: cursor->position = 0; return 0;
    case ZIP_SOURCE_CLOSE: return 0;
    case ZIP_SOURCE_READ: {
        uint64_t left = cursor->source->size - cursor->position, n = length < left ? length : left;
        if (!source_read(cursor->source, cursor->position, data, (size_t)n, NULL)) {
            zip_error_set(&cursor->error, ZIP_ER_READ, EIO);
            return -1;
        }
        cursor->position += n;
        return (zip_int64_t)n;
    }
    case ZIP_SOURCE_STAT: {
        zip_stat_t *stat = data;
        zip_stat_init(stat);
        stat->size = cursor->source->size;
        stat->valid = ZIP_STAT_SIZE;
        return sizeof *stat;
    }
    case ZIP_SOURCE_SEEK: {
        zip_int64_t to = zip_source_seek_compute_offset(cursor->position, cursor->source->size,
                                                        data, length, &cursor->error);
        if (to < 0) return -1;
        cursor->position = (uint64_t)to;
        return 0;
    }
    case ZIP_SOURCE_TELL: return (zip_int64_t)cursor->position;
    case ZIP_SOURCE_ERROR: return zip_error_to_data(&cursor->error, data, length);
    case ZIP_SOURCE_SUPPORTS: return ZIP_SOURCE_SUPPORTS_SEEKABLE;
    case ZIP_SOURCE_FREE: free(cursor); return 0;
    default: zip_error_set(&cursor->error, ZIP_ER_OPNOTSUPP, 0); return -1;
    }
}

/* Opens libzip on the source, once. The lock is held. The cursor is libzip's from the moment
 * zip_source_function_create succeeds (ZIP_SOURCE_FREE), and the zip_source once the zip_t is
 * open; until then each is ours to free. */
static bool start_inflater(Zip *zip, Error *err)
{
    if (zip->inflater) return true;
    zip_error_t why;
    zip_error_init(&why);
    LibzipCursor *cursor = mem_alloc(sizeof *cursor);
    cursor->source = zip->source;
    zip_error_init(&cursor->error);
    zip_source_t *source = zip_source_function_create(serve_libzip, cursor, &why);
    if (!source) free(cursor);
    else zip->inflater = zip_open_from_source(source, ZIP_RDONLY, &why);
    if (!zip->inflater) {
        if (source) zip_source_free(source);
        error_set(err, ERR_FORMAT, "%s: libzip cannot read it: %s", zip->source->name,
                  zip_error_strerror(&why));
    }
    zip_error_fini(&why);
    return zip->inflater != NULL;
}

/* -- The archive ----------------------------------------------------------------------- */

Zip *zip_open_archive(ByteSource *source, Error *err)
{
    Zip *zip = mem_alloc(sizeof *zip);
    if (!zip_directory_read(source, &zip->directory, err)) {
        free(zip);
        return NULL;
    }
    atomic_init(&zip->refs, 1);
    pthread_mutex_init(&zip->lock, NULL);
    zip->source = source_ref(source);
    return zip;
}

Zip *zip_ref(Zip *zip)
{
    atomic_fetch_add(&zip->refs, 1);
    return zip;
}

void zip_unref(Zip *zip)
{
    if (!zip || atomic_fetch_sub(&zip->refs, 1) != 1) return;
    if (zip->inflater) zip_discard(zip->inflater);
    pthread_mutex_destroy(&zip->lock);
    zip_directory_done(&zip->directory);
    source_unref(zip->source);
    free(zip);
}

size_t zip_count(const Zip *zip)
{
    return zip->directory.count;
}

const ZipMember *zip_member(const Zip *zip, size_t index)
{
    return &zip->directory.members[index];
}

/* One by one, where there is no index any more. */
static const ZipMember *search(const ZipDirectory *directory, const char *name)
{
    for (size_t i = 0; i < directory->count; i++)
        if (strcmp(directory->members[i].name, name) == 0) return &directory->members[i];
    return NULL;
}

const ZipMember *zip_find(const Zip *zip, const char *name)
{
    if (zip->forgot) return search(&zip->directory, name);
    uint32_t index = map_get(&zip->directory.index, name);
    return index == MAP_NONE ? NULL : &zip->directory.members[index];
}

const ZipMember *zip_find_behind(const Zip *zip, const ZipMember *last, const char *name)
{
    const ZipMember *end = zip->directory.members + zip->directory.count;
    if (last && ++last < end && strcmp(last->name, name) == 0) return last;
    return zip_find(zip, name);
}

const char *zip_prefix(const Zip *zip)
{
    return zip->directory.prefix;
}

const char zip_undo_record[] = ".tenon/undo";

const ZipMember *zip_find_undo(const Zip *zip)
{
    Text name = {0};
    text_addf(&name, "%s%s", zip_prefix(zip), zip_undo_record);
    const ZipMember *member = zip_find(zip, text_string(&name));
    text_done(&name);
    return member;
}

ByteSource *zip_source(const Zip *zip)
{
    return zip->source;
}

uint64_t zip_end(const Zip *zip)
{
    return zip->directory.end;
}

const ZipDirectory *zip_directory(const Zip *zip)
{
    return &zip->directory;
}

/* -- Stored members --------------------------------------------------------------------
 *
 * Local file header (APPNOTE.TXT 4.3.7); only its length matters here:
 *
 *    0 "PK\3\4" | 4 version | 6 flags | 8 method | 10 time | 12 date | 14 crc | 18 stored size
 *   22 size | 26 u16 length of the name | 28 u16 length of the extra | 30 name | extra | data
 *
 * The extra may differ from the directory's: torch pads with one until the data is aligned. So
 * the directory cannot tell where data starts. Sizes and CRC here are 0 when a descriptor
 * follows the data, and are not looked at. */

bool zip_data_offset(Zip *zip, const ZipMember *member, uint64_t *offset, Error *err)
{
    unsigned char local[LOCAL_SIZE];
    if (!source_read(zip->source, member->header, local, sizeof local, err)) return false;
    if (memcmp(local, "PK\3\4", 4) != 0)
        return error_set(err, ERR_FORMAT, "%s: member '%s' has no local header at byte %" PRIu64
                         "; the file is damaged", zip->source->name, member->name, member->header);
    uint64_t skip = (uint64_t)(local[26] | local[27] << 8) + (uint64_t)(local[28] | local[29] << 8);
    const uint64_t at = member->header + LOCAL_SIZE + skip;
    if (at > zip->source->size || member->stored_size > zip->source->size - at)
        return error_set(err, ERR_FORMAT, "%s: member '%s' reaches beyond the end of the file",
                         zip->source->name, member->name);
    *offset = at;
    return true;
}

/* -- Deflated members ------------------------------------------------------------------ */

/* PyTorch can be told to compute no CRCs, and writes 0 then; libzip, which cannot, has delivered
 * all bytes by the time it finds that out. */
static bool is_crc_unknown(zip_file_t *from, const MemberSource *member)
{
    return member->member->crc == 0 &&
           zip_error_code_zip(zip_file_get_error(from)) == ZIP_ER_CRC;
}

/* Reads a member to its end, where libzip checks the CRC. It stops at the first byte beyond the
 * size that the directory claims: no more is written than the limit on the ratio allowed for. */
static bool inflate_into(zip_file_t *from, const MemberSource *member, Spool *spool, Error *err)
{
    char step[STEP];
    uint64_t done = 0;
    for (;;) {
        zip_int64_t got = zip_fread(from, step, sizeof step);
        if (got < 0 && is_crc_unknown(from, member) && done == member->base.size) break;
        if (got < 0)
            return error_set(err, ERR_FORMAT, "%s: cannot be inflated: %s", member->name,
                             zip_file_strerror(from));
        if (got == 0) break;
        if ((uint64_t)got > member->base.size - done)
            return error_set(err, ERR_FORMAT, "%s: inflates to more than the %" PRIu64
                             " bytes that the directory claims", member->name, member->base.size);
        if (!spool_add(spool, step, (size_t)got, err)) return false;
        done += (uint64_t)got;
    }
    if (done == member->base.size) return true;
    return error_set(err, ERR_FORMAT, "%s: inflates to %" PRIu64 " bytes, the directory claims %"
                     PRIu64, member->name, done, member->base.size);
}

/* Small members stay in memory: a temporary file for each record of 40 bytes would be absurd. */
static ByteSource *inflate_member(MemberSource *member, zip_file_t *from, Error *err)
{
    Spool *spool = spool_new(member->base.size, member->name, err);
    if (spool && inflate_into(from, member, spool, err)) return spool_finish(spool, err);
    spool_free(spool);
    return NULL;
}

/* Our members and libzip's entries have the same numbers: both are in directory order. */
static ByteSource *open_deflated(MemberSource *member, Error *err)
{
    Zip *zip = member->zip;
    if (!start_inflater(zip, err)) return NULL;
    size_t index = (size_t)(member->member - zip->directory.members);
    zip_file_t *from = zip_fopen_index(zip->inflater, index, 0);
    if (!from) {
        error_set(err, ERR_FORMAT, "%s: %s", member->name, zip_strerror(zip->inflater));
        return NULL;
    }
    ByteSource *source = inflate_member(member, from, err);
    zip_fclose(from);
    return source;
}

/* Where a member's content is read from, and from which byte of that on: found at the first read.
 * A stored one lies in the file, its two sizes being equal (zip_directory.c): of 100,000 of them no
 * more is kept than the place. One lock for the whole archive: a zip_t may be used by one thread at
 * a time. A failure is not kept, so it is met again. */
static ByteSource *resolve(MemberSource *member, uint64_t *from, Error *err)
{
    Zip *zip = member->zip;
    ByteSource *source = NULL;
    pthread_mutex_lock(&zip->lock);
    *from = 0;
    if (member->member->method) {
        if (!member->inner) member->inner = open_deflated(member, err);
        source = member->inner;
    } else if (member->offset || zip_data_offset(zip, member->member, &member->offset, err)) {
        source = zip->source;
        *from = member->offset;
    }
    pthread_mutex_unlock(&zip->lock);
    return source;
}

static bool read_member(ByteSource *source, uint64_t offset, void *out, size_t n, Error *err)
{
    uint64_t from;
    ByteSource *inner = resolve((MemberSource *)source, &from, err);
    return inner && source_read(inner, from + offset, out, n, err);
}

/* False for inflated members that are small: their copies are in memory. */
static bool locate_member(ByteSource *source, uint64_t offset, uint64_t n, int *fd,
                          uint64_t *where)
{
    uint64_t from;
    ByteSource *inner = resolve((MemberSource *)source, &from, NULL);
    return inner && source_locate(inner, from + offset, n, fd, where);
}

/* Where the data starts is known only once the local header was read, which is just before it: both
 * are wanted, with room for a name and the padding of torch. */
static void want_member(ByteSource *source, uint64_t offset, uint64_t n)
{
    const MemberSource *member = (const MemberSource *)source;
    uint64_t skip = member->member->method || !offset ? 0 : offset;
    if (member->member->method) n = member->member->stored_size;
    source_want(member->zip->source, member->member->header + skip, n + LOCAL_ROOM);
}

/* The archive goes with its last member, if whoever opened it has let go before. */
static void close_member(ByteSource *source)
{
    MemberSource *member = (MemberSource *)source;
    if (member->member->method) source_unref(member->inner);
    zip_unref(member->zip);
    free(member);
}

/* One that is stored and lies in the archive's arena. */
static void close_storage(ByteSource *source)
{
    zip_unref(((MemberSource *)source)->zip);
}

static const ByteSourceOps member_ops = {read_member, locate_member, close_member, want_member};
static const ByteSourceOps storage_ops = {read_member, locate_member, close_storage, want_member};

/* Until it has a name of its own it goes by the archive's. */
static MemberSource *new_member(Zip *zip, const ZipMember *member, const ByteSourceOps *ops,
                                MemberSource *zeroed)
{
    zeroed->zip = zip_ref(zip);
    zeroed->member = member;
    zeroed->base = (ByteSource){.ops = ops, .name = zip->source->name,
                                .size = member->size};
    atomic_init(&zeroed->base.refs, 1);
    return zeroed;
}

ByteSource *zip_open_member(Zip *zip, const ZipMember *member, Error *err)
{
    Text name = {0};
    text_add(&name, zip->source->name);
    text_add(&name, "::");
    name_show(member->name, &name);
    if (member->method != 0 && member->method != 8) {
        error_set(err, ERR_UNSUPPORTED, "%s: is compressed with method %u; only stored and "
                  "deflated members can be read", text_string(&name), member->method);
        text_done(&name);
        return NULL;
    }
    char more[LIMIT_TEXT];
    if (member->method && member->size > limit(LIMIT_INFLATE_BYTES)) {
        error_set(err, ERR_LIMIT, "%s: inflates to %" PRIu64 " bytes, %s", text_string(&name),
                  member->size, limit_text(LIMIT_INFLATE_BYTES, more));
        text_done(&name);
        return NULL;
    }
    MemberSource *source =
        new_member(zip, member, &member_ops, mem_alloc(sizeof *source + name.length + 1));
    memcpy(source->name, name.bytes, name.length);
    source->base.name = source->name;
    text_done(&name);
    return &source->base;
}

ByteSource *zip_open_storage(Zip *zip, const ZipMember *member, Error *err)
{
    if (member->method) return zip_open_member(zip, member, err);
    MemberSource *source = arena_alloc(zip->directory.arena, sizeof *source);
    return &new_member(zip, member, &storage_ops, source)->base;
}

void zip_trim(Zip *zip)
{
    arena_trim(zip->directory.arena);
}

void zip_forget_names(Zip *zip)
{
    map_done(&zip->directory.index);
    zip->forgot = true;
}

const ZipMember *zip_member_of(const ByteSource *source)
{
    const bool member = source->ops == &member_ops || source->ops == &storage_ops;
    return member ? ((const MemberSource *)source)->member : NULL;
}

bool zip_member_crc(const ByteSource *source, uint32_t *crc)
{
    const ZipMember *member = zip_member_of(source);
    if (!member) return false;
    *crc = member->crc;
    return *crc != 0;
}

/* -- Heads ----------------------------------------------------------------------------- */

/* From libzip's stream, which is let go in the middle. */
static bool inflate_head(Zip *zip, const ZipMember *member, unsigned char *out, size_t n,
                         Error *err)
{
    if (!start_inflater(zip, err)) return false;
    size_t index = (size_t)(member - zip->directory.members), done = 0;
    zip_file_t *from = zip_fopen_index(zip->inflater, index, 0);
    zip_int64_t got = from ? 1 : 0;
    while (from && done < n && (got = zip_fread(from, out + done, n - done)) > 0)
        done += (size_t)got;
    if (done < n) {
        Text name = {0};
        name_show(member->name, &name);
        error_set(err, ERR_FORMAT, "%s::%s: cannot be inflated: %s", zip->source->name,
                  text_string(&name), !from    ? zip_strerror(zip->inflater)
                                      : got < 0 ? zip_file_strerror(from)
                                                : "it ends too early");
        text_done(&name);
    }
    if (from) zip_fclose(from);
    return done == n;
}

bool zip_read_head(Zip *zip, const ZipMember *member, void *out, size_t n, Error *err)
{
    uint64_t offset;
    if (!member->method)
        return zip_data_offset(zip, member, &offset, err) &&
               source_read(zip->source, offset, out, n, err);
    pthread_mutex_lock(&zip->lock);
    bool fine = inflate_head(zip, member, out, n, err);
    pthread_mutex_unlock(&zip->lock);
    return fine;
}
