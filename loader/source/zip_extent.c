/* Local headers and descriptors, read for their own sake (zip.c has the header's layout).
 *
 * A descriptor (APPNOTE.TXT 4.3.9) follows the data where flag 0x8 is set:
 *   ["PK\7\8"] | u32 crc | u32 or u64 stored size | u32 or u64 size
 * Neither its signature nor its width is said anywhere, so the form that agrees with the directory
 * is taken. */
#include "loader/source/zip_extent.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "loader/core/little.h"

/* NEAR: bytes that are read at once, in which all but the longest names have room. */
enum { LOCAL_SIZE = 30, NEAR = 512, DESCRIPTOR_MAX = 24, DESCRIBED = 8, ENCRYPTED = 1 };

typedef struct Look {
    ByteSource *source;          /* borrowed, as are the next three */
    const ZipMember *member;
    ZipExtent *extent;           /* being filled */
    Text *what;                  /* being appended to */
    unsigned asked;
    bool said;                   /* something was, so that the sentence is to be ended */
    unsigned char near[NEAR];    /* the header and what follows it */
    size_t read;                 /* bytes of it that are there */
} Look;

void zip_name_quote(const char *name, Text *out)
{
    text_addc(out, '\'');
    show_short(name, ZIP_NAME_SHOWN, out);
    text_addc(out, '\'');
}

/* Sets a bit, and goes on with the sentence when it was asked for. */
__attribute__((format(printf, 3, 4)))
static void note(Look *look, unsigned bit, const char *format, ...)
{
    look->extent->odd |= bit;
    if (!(look->asked & bit)) return;
    va_list args;
    va_start(args, format);
    text_add(look->what,
             look->said ? "; " : "its local header differs from the directory: ");
    text_addv(look->what, format, args);
    va_end(args);
    look->said = true;
}

/* A size that is left to the descriptor, or to a zip64 field, says nothing. */
static bool size_differs(uint64_t here, uint64_t there, bool described)
{
    return here != there && here != 0xFFFFFFFF && !(described && here == 0);
}

/* Bit 3 may be set here and not in the directory, or the other way round; many tools do so. */
static void compare_numbers(Look *look)
{
    const ZipMember *member = look->member;
    const unsigned char *local = look->near;
    unsigned flags = (unsigned)little_read(local + 6, 2);
    unsigned method = (unsigned)little_read(local + 8, 2);
    uint64_t crc = little_read(local + 14, 4), stored = little_read(local + 18, 4);
    uint64_t size = little_read(local + 22, 4);
    bool described = flags & DESCRIBED;
    if ((flags & ENCRYPTED) && !(member->flags & ENCRYPTED))
        note(look, ZIP_ODD_ENCRYPTED, "it says that the data are encrypted");
    if (method != member->method)
        note(look, ZIP_ODD_METHOD, "method %u instead of %u", method, member->method);
    if (size_differs(stored, member->stored_size, described) ||
        size_differs(size, member->size, described))
        note(look, ZIP_ODD_SIZE, "%" PRIu64 " bytes instead of %" PRIu64, size, member->size);
    if (crc == member->crc || (described && crc == 0)) return;
    if (crc && member->crc) note(look, ZIP_ODD_CRC, "another CRC");
    else note(look, ZIP_ODD_NO_CRC, crc ? "a CRC, and none there" : "no CRC");
}

static void compare_held(Look *look, const unsigned char *bytes, size_t n)
{
    Arena *arena = arena_new();
    const char *name = name_hold(arena, bytes, n);
    if (strcmp(name, look->member->name) != 0) {
        Text shown = {0};
        zip_name_quote(name, &shown);
        note(look, ZIP_ODD_NAME, "the name is %s", text_string(&shown));
        text_done(&shown);
    }
    arena_free(arena);
}

/* The name of n bytes behind the header. */
static bool compare_name(Look *look, size_t n, Error *err)
{
    uint64_t at = look->member->header + LOCAL_SIZE;
    if (n > look->source->size - at) {
        note(look, ZIP_ODD_NAME, "its name reaches beyond the file");
        return true;
    }
    if (LOCAL_SIZE + n <= look->read) {
        compare_held(look, look->near + LOCAL_SIZE, n);
        return true;
    }
    unsigned char *bytes = mem_alloc(n);
    bool ok = source_read(look->source, at, bytes, n, err);
    if (ok) compare_held(look, bytes, n);
    free(bytes);
    return ok;
}

/* Whether a descriptor of this form agrees with the directory. */
static bool fits(const unsigned char *p, unsigned width, const ZipMember *member)
{
    uint64_t mask = width == 8 ? UINT64_MAX : 0xFFFFFFFF;
    return little_read(p, 4) == member->crc &&
           little_read(p + 4, width) == (member->stored_size & mask) &&
           little_read(p + 4 + width, width) == (member->size & mask);
}

/* The wide forms are asked first: where they fit, the narrow ones do by chance only. */
static bool read_descriptor(Look *look, Error *err)
{
    static const unsigned char magic[4] = {'P', 'K', 7, 8};
    const ZipMember *member = look->member;
    ZipExtent *extent = look->extent;
    unsigned char bytes[DESCRIPTOR_MAX] = {0};
    uint64_t left = look->source->size - extent->end;
    size_t n = left < sizeof bytes ? (size_t)left : sizeof bytes;
    if (!source_read(look->source, extent->end, bytes, n, err)) return false;
    bool marked = memcmp(bytes, magic, sizeof magic) == 0;
    for (unsigned width = 8; width >= 4; width -= 4) {
        if (marked && n >= 8 + 2 * width && fits(bytes + 4, width, member))
            extent->descriptor = 8 + 2 * width;
        else if (n >= 4 + 2 * width && fits(bytes, width, member))
            extent->descriptor = 4 + 2 * width;
        if (extent->descriptor) break;
    }
    if (!extent->descriptor && marked) extent->descriptor = 16;
    if (!extent->descriptor || (marked && !fits(bytes + 4, extent->descriptor == 24 ? 8 : 4,
                                                member)))
        note(look, ZIP_ODD_DESCRIPTOR, "the descriptor that it announces is not there or differs");
    extent->end += extent->descriptor;
    return true;
}

/* A header that is not there leaves nothing to compare; its place is still taken. */
static bool look_at(Look *look, Error *err)
{
    const ZipMember *member = look->member;
    ZipExtent *extent = look->extent;
    uint64_t size = look->source->size, left = size - member->header;
    look->read = left < NEAR ? (size_t)left : NEAR;
    if (!source_read(look->source, member->header, look->near, look->read, err)) return false;
    extent->data = extent->end = member->header + LOCAL_SIZE;
    if (memcmp(look->near, "PK\3\4", 4) != 0) {
        note(look, ZIP_ODD_HEADER, "there is none at byte %" PRIu64, member->header);
        return true;
    }
    size_t name = (size_t)little_read(look->near + 26, 2);
    size_t extra = (size_t)little_read(look->near + 28, 2);
    extent->data += name + extra;
    compare_numbers(look);
    if (!compare_name(look, name, err)) return false;
    if (extent->data > size || member->stored_size > size - extent->data) {
        note(look, ZIP_ODD_BEYOND, "its data reach beyond the file");
        return true;
    }
    extent->end = extent->data + member->stored_size;
    bool described = little_read(look->near + 6, 2) & DESCRIBED;
    return !described || !(look->asked & ZIP_ODD_DESCRIPTOR) || read_descriptor(look, err);
}

bool zip_extent(Zip *zip, const ZipMember *member, unsigned asked, ZipExtent *extent, Text *what,
                Error *err)
{
    *extent = (ZipExtent){0};
    Look look = {.source = zip_source(zip), .member = member, .extent = extent, .what = what,
                 .asked = asked};
    bool ok = look_at(&look, err);
    if (look.said) text_add(what, "; other readers may see another file");
    return ok;
}
