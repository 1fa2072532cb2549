/* Local headers and descriptors, read for their own sake (zip.c has the header's layout).
 *
 * A descriptor (APPNOTE.TXT 4.3.9) follows the data where flag 0x8 is set:
 *   ["PK\7\8"] | u32 crc | u32 or u64 stored size | u32 or u64 size
 * Neither its signature nor its width is said anywhere, so the form that agrees with the directory
 * is taken. */
#include "loader/source/zip_extent.h"

#include <stdlib.h>
#include <string.h>

enum { LOCAL_SIZE = 30, DESCRIPTOR_MAX = 24, DESCRIBED = 8, ENCRYPTED = 1 };

static uint64_t little(const unsigned char *p, unsigned n)
{
    uint64_t value = 0;
    while (n--) value = value << 8 | p[n];
    return value;
}

/* A number that is left to the descriptor, or to a zip64 field, says nothing. */
static bool differs(uint64_t here, uint64_t there, bool described)
{
    return here != there && here != 0xFFFFFFFF && !(described && here == 0);
}

/* Bit 3 may be set here and not in the directory, or the other way round; many tools do so. */
static unsigned compare_header(const unsigned char *local, const ZipMember *member)
{
    unsigned flags = (unsigned)little(local + 6, 2), odd = 0;
    bool described = flags & DESCRIBED;
    if ((flags & ENCRYPTED) && !(member->flags & ENCRYPTED)) odd |= ZIP_ODD_ENCRYPTED;
    if (little(local + 8, 2) != member->method) odd |= ZIP_ODD_METHOD;
    if (differs(little(local + 14, 4), member->crc, described)) odd |= ZIP_ODD_CRC;
    if (differs(little(local + 18, 4), member->stored_size, described) ||
        differs(little(local + 22, 4), member->size, described))
        odd |= ZIP_ODD_SIZE;
    return odd;
}

/* The name and the extra fields behind the header. Only a zip64 field may stand before PyTorch's
 * padding ("FB", then 'Z's), for the layout that it promises. */
static bool compare_rest(ByteSource *source, uint64_t at, size_t name, ZipExtent *extent,
                         Error *err)
{
    size_t n = name + extent->extra;
    unsigned char *bytes = mem_alloc(n + 1);
    bool ok = source_read(source, at, bytes, n, err);
    if (ok) {
        Arena *arena = arena_new();
        if (strcmp(name_hold(arena, bytes, name), extent->member->name) != 0)
            extent->odd |= ZIP_ODD_NAME;
        arena_free(arena);
        const unsigned char *field = bytes + name, *end = bytes + n;
        if (end - field >= 4 && little(field, 2) == 1) {
            size_t wide = 4 + (size_t)little(field + 2, 2);
            field = (size_t)(end - field) >= wide ? field + wide : end;
        }
        extent->padded = end - field >= 4 && memcmp(field, "FB", 2) == 0 &&
                         (size_t)(end - field) == 4 + (size_t)little(field + 2, 2);
    }
    free(bytes);
    return ok;
}

/* Whether a descriptor of this form agrees with the directory. */
static bool fits(const unsigned char *p, unsigned width, const ZipMember *member)
{
    uint64_t mask = width == 8 ? UINT64_MAX : 0xFFFFFFFF;
    return little(p, 4) == member->crc && little(p + 4, width) == (member->stored_size & mask) &&
           little(p + 4 + width, width) == (member->size & mask);
}

/* The wide forms are asked first: where they fit, the narrow ones do by chance only. */
static bool read_descriptor(ByteSource *source, ZipExtent *extent, Error *err)
{
    static const unsigned char magic[4] = {'P', 'K', 7, 8};
    unsigned char bytes[DESCRIPTOR_MAX] = {0};
    uint64_t left = source->size - extent->end;
    size_t n = left < sizeof bytes ? (size_t)left : sizeof bytes;
    if (!source_read(source, extent->end, bytes, n, err)) return false;
    bool marked = memcmp(bytes, magic, sizeof magic) == 0;
    for (unsigned width = 8; width >= 4; width -= 4) {
        if (marked && n >= 8 + 2 * width && fits(bytes + 4, width, extent->member))
            extent->descriptor = 8 + 2 * width;
        else if (n >= 4 + 2 * width && fits(bytes, width, extent->member))
            extent->descriptor = 4 + 2 * width;
        if (extent->descriptor) break;
    }
    if (!extent->descriptor && marked) extent->descriptor = 16;
    if (!extent->descriptor || (marked && !fits(bytes + 4, extent->descriptor == 24 ? 8 : 4,
                                                extent->member)))
        extent->odd |= ZIP_ODD_DESCRIPTOR;
    extent->end += extent->descriptor;
    return true;
}

/* A header that is not there leaves nothing to compare; its place is still taken. */
bool zip_extent(Zip *zip, const ZipMember *member, ZipExtent *extent, Error *err)
{
    ByteSource *source = zip_source(zip);
    unsigned char local[LOCAL_SIZE];
    *extent = (ZipExtent){.member = member};
    if (!source_read(source, member->header, local, sizeof local, err)) return false;
    size_t name = (size_t)little(local + 26, 2);
    extent->extra = (uint16_t)little(local + 28, 2);
    extent->data = member->header + LOCAL_SIZE + name + extent->extra;
    extent->end = extent->data + member->stored_size;
    if (memcmp(local, "PK\3\4", 4) != 0 || extent->end > source->size) {
        extent->odd = ZIP_ODD_HEADER;
        extent->data = extent->end = member->header + LOCAL_SIZE;
        return true;
    }
    extent->odd = compare_header(local, member);
    if (!compare_rest(source, member->header + LOCAL_SIZE, name, extent, err)) return false;
    return !(little(local + 6, 2) & DESCRIBED) || read_descriptor(source, extent, err);
}

void zip_odd_show(unsigned odd, Text *out)
{
    static const struct { unsigned bit; const char *words; } names[] = {
        {ZIP_ODD_HEADER, "no local header"},     {ZIP_ODD_NAME, "another name"},
        {ZIP_ODD_METHOD, "another compression"}, {ZIP_ODD_SIZE, "another size"},
        {ZIP_ODD_CRC, "another CRC"},            {ZIP_ODD_ENCRYPTED, "encrypted"},
        {ZIP_ODD_DESCRIPTOR, "a descriptor that is not there or differs"}};
    bool first = true;
    for (size_t i = 0; i < countof(names); i++) {
        if (!(odd & names[i].bit)) continue;
        text_addf(out, "%s%s", first ? "" : ", ", names[i].words);
        first = false;
    }
}
