/* Any bytes as a zip: its directory is refused with an error, or every member can be asked for its
 * content, checked, and inflates to no more than it claims. */
#include <stdlib.h>

#include "loader/source/zip_check.h"

enum { READ_MAX = 1 << 16 };

static void count(void *context, const ZipOddity *oddity)
{
    if (!oddity->kind || !oddity->what) abort();
    ++*(size_t *)context;
}

static void read_member(Zip *zip, const ZipMember *member)
{
    Error err = {0};
    if (member->size > READ_MAX) return;
    ByteSource *source = zip_open_member(zip, member, &err);
    char *bytes = mem_alloc(READ_MAX);
    if (!source && err.code == ERR_NONE) abort();
    if (source && !source_read(source, 0, bytes, (size_t)member->size, &err) &&
        err.code == ERR_NONE)
        abort();
    if (source) zip_check_crc(source, member, NULL);
    source_unref(source);
    free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Error err = {0};
    size_t oddities = 0;
    ByteSource *source = source_from_memory(data, size, "fuzz");
    Zip *zip = zip_open_archive(source, &err);
    if (!zip && err.code == ERR_NONE) abort();
    for (size_t i = 0; zip && i < zip_count(zip); i++) {
        if (zip_find(zip, zip_member(zip, i)->name) != zip_member(zip, i)) abort();
        read_member(zip, zip_member(zip, i));
    }
    if (zip) zip_check(zip, true, count, &oddities);
    zip_unref(zip);
    source_unref(source);
    return 0;
}
