/* Zip files through a ByteSource: our own reader of the directory, libzip to inflate.
 *
 *   local header (30 + name + extra) | bytes | [descriptor]     for each member
 *   central directory entry (46 + name + extra + comment)       for each member
 *   [zip64 end record 56] [locator 20] end record 22 [comment]
 *
 * The directory is read by ourselves because libzip hides data offsets, gaps and local
 * headers that disagree with the directory, and because a torch file may hold 100,000
 * members. Names and sizes are the directory's (as in torch); the local header only says
 * where the data starts. Layout: zip, APPNOTE.TXT 4.3; what torch writes into it and accepts:
 * caffe2/serialize/inline_container.cc. */
#ifndef LOADER_SOURCE_ZIP_H
#define LOADER_SOURCE_ZIP_H

#include "loader/source/zip_directory.h"

typedef struct Zip Zip;      /* reference-counted */

/* Reads end record and directory; the source is kept alive. Refuses encrypted and multi-disk
 * archives, members that overlap each other or lie outside, and duplicate names. (libzip owns
 * the name zip_open.) */
Zip *zip_open_archive(ByteSource *source, Error *err);
Zip *zip_ref(Zip *zip);
void zip_unref(Zip *zip);
size_t zip_count(const Zip *zip);
const ZipMember *zip_member(const Zip *zip, size_t index);     /* in directory order */
/* NULL when there is none. */
const ZipMember *zip_find(const Zip *zip, const char *name);
/* The same, where members are mostly asked for in their order: the one behind `last` (NULL: none)
 * is looked at first. */
const ZipMember *zip_find_behind(const Zip *zip, const ZipMember *last, const char *name);
/* The directory component that all members share ("archive/"), "" when there is none. */
const char *zip_prefix(const Zip *zip);

/* The record of a zip that was changed in place (loader/export/in_place_zip.h): what no member
 * refers to is what the file was before. Below the prefix. */
extern const char zip_undo_record[];
/* The member of that name; NULL: it was not changed. */
const ZipMember *zip_find_undo(const Zip *zip);

/* The whole file; borrowed. */
ByteSource *zip_source(const Zip *zip);
/* The byte behind the end record and its comment: the size of the source, or less. */
uint64_t zip_end(const Zip *zip);
/* Its directory, for whoever looks at the file as a whole; borrowed. */
const ZipDirectory *zip_directory(const Zip *zip);

/* A member's content. Stored: a window whose start is found at the first read (opening costs
 * nothing). Deflated: inflated once, at the first read, into memory when small, else into an
 * unlinked temporary file; more than the claimed size, or a wrong CRC, is an error (a claimed
 * CRC of 0 means "not computed"). */
ByteSource *zip_open_member(Zip *zip, const ZipMember *member, Error *err);
/* The same for one of very many, by whoever opens the archive: a stored one has no name of its own
 * in errors, and its record stays as long as the archive does. */
ByteSource *zip_open_storage(Zip *zip, const ZipMember *member, Error *err);
/* The last storage has been opened: see arena_trim. */
void zip_trim(Zip *zip);
/* No more than a few members will be looked for by name, slowly; for whoever opens the archive. */
void zip_forget_names(Zip *zip);
/* The member that a source from these is the content of; NULL for other sources. */
const ZipMember *zip_member_of(const ByteSource *source);
/* The CRC-32 that the directory claims for such a source's content; false when it claims none. */
bool zip_member_crc(const ByteSource *source, uint32_t *crc);
/* The first n bytes of a member, of which no more than these are inflated. The caller asks for no
 * more than it has. */
bool zip_read_head(Zip *zip, const ZipMember *member, void *out, size_t n, Error *err);
/* Where a stored member's bytes start in the zip's source (reads its local header). */
bool zip_data_offset(Zip *zip, const ZipMember *member, uint64_t *offset, Error *err);

#endif
