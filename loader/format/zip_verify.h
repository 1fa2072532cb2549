/* ZipVerify: what is only looked for in a zip when somebody asks (`tenon check`), because it costs
 * reading all of it: CRCs, local headers, holes. For every format that is a zip: zip_verify_new
 * when it is opened, and zip_verify_use for each member whose bytes tensors look into. */
#ifndef LOADER_FORMAT_ZIP_VERIFY_H
#define LOADER_FORMAT_ZIP_VERIFY_H

#include "loader/source/zip_extent.h"
#include "loader/tensor/checkpoint.h"

typedef struct ZipVerify ZipVerify;

/* Registers the check with the checkpoint, which owns it; the zip is kept alive. */
ZipVerify *zip_verify_new(Checkpoint *checkpoint, Zip *zip);
/* Notes that the checkpoint reads a member through this source (zip.h): what was read for tensors
 * is then not read again. Takes the source over, and keeps it as long as the checkpoint lives. */
void zip_verify_use(ZipVerify *verify, ByteSource *source);
/* Notes that a member was read for something else than a tensor's bytes: a config, a file inside.
 * It is then no storage that nothing refers to. NULL for `verify`: nothing is checked. */
void zip_verify_read(ZipVerify *verify, const ZipMember *member);

/* Adds what holds for archives of PyTorch's own writer below `prefix` ("archive/", borrowed from
 * the checkpoint's arena): storages that nothing refers to, alignment, compression, and the layout
 * that ".format_version" promises. */
void torch_verify(ZipVerify *verify, const char *prefix);

/* --- between the files of this module ------------------------------------------------- */

Checkpoint *zip_verify_checkpoint(ZipVerify *verify);
Zip *zip_verify_zip(ZipVerify *verify);
/* In the order of zip_verify_use. */
ByteSource *const *zip_verify_uses(const ZipVerify *verify, size_t *count);
/* In the order of zip_verify_read. */
const ZipMember *const *zip_verify_reads(const ZipVerify *verify, size_t *count);
/* checkpoint_find about a member, at most so many times a kind that nobody would read more. The
 * kinds are counted by the caller's counter. */
void zip_verify_find(ZipVerify *verify, size_t *counter, FindingLevel level, const char *kind,
                     const ZipMember *member, const char *remedy, const char *what);

#endif
