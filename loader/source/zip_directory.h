/* The directory of a zip file, read and checked: what zip.c stands on. */
#ifndef LOADER_SOURCE_ZIP_DIRECTORY_H
#define LOADER_SOURCE_ZIP_DIRECTORY_H

#include "loader/core/limits.h"
#include "loader/core/map.h"
#include "loader/core/memory.h"
#include "loader/source/source.h"

typedef struct ZipMember {
    const char *name;        /* a held name, as in the directory; in the archive's arena */
    uint64_t header;         /* offset of the local header */
    uint64_t stored_size;    /* bytes in the file */
    uint64_t size;           /* bytes of content */
    uint32_t crc;            /* CRC-32 of the content as claimed; may be meaningless */
    uint16_t method;         /* 0 stored, 8 deflated */
    uint16_t flags;          /* general purpose bits: 0x1 encrypted, 0x8 descriptor, 0x800 UTF-8 */
} ZipMember;

typedef struct ZipDirectory {
    Arena *arena;            /* names and members; owned */
    ZipMember *members;      /* in the arena, in directory order */
    size_t count;            /* members read so far; all of them once it is complete */
    NameMap index;           /* name → index of members */
    const char *prefix;      /* shared first component with its '/', or "" */
    uint64_t start, size;    /* place and bytes of the directory in the file */
    uint64_t records;        /* where the end record, or the zip64 one before it, stands */
    uint64_t end;            /* the byte behind the end record and its comment */
} ZipDirectory;

/* Fills an empty ZipDirectory; on failure it is empty again. */
bool zip_directory_read(ByteSource *source, ZipDirectory *directory, Error *err);
void zip_directory_done(ZipDirectory *directory);
/* The members in the order of their places in the file; the array is the caller's, to be freed. */
const ZipMember **zip_directory_order(const ZipDirectory *directory);
/* Torch's distributed checkpoints are zips one behind the other in a file. Where they begin,
 * from the last to the first, and how many there are, or the last `most` of them; 0 when they do
 * not fill the file. Only their beginnings and ends are looked at. The array is the caller's, to
 * be freed. */
size_t zip_directory_row(ByteSource *source, size_t most, uint64_t **starts);

#endif
