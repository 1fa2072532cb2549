/* ZipExtent: where a member lies in the file with all that belongs to it, and whether its local
 * header says what the directory says. Readers that stream believe the one, others the other. */
#ifndef LOADER_SOURCE_ZIP_EXTENT_H
#define LOADER_SOURCE_ZIP_EXTENT_H

#include "loader/core/text.h"
#include "loader/source/zip.h"

/* What of a local header, or of the descriptor behind the data, contradicts the directory. */
enum {
    ZIP_ODD_HEADER = 1,          /* there is no local header where the directory says */
    ZIP_ODD_NAME = 2, ZIP_ODD_METHOD = 4, ZIP_ODD_SIZE = 8, ZIP_ODD_CRC = 16,
    ZIP_ODD_ENCRYPTED = 32,      /* said to be encrypted here only */
    ZIP_ODD_DESCRIPTOR = 64      /* the descriptor that is announced is not there, or differs */
};

typedef struct ZipExtent {
    const ZipMember *member;     /* borrowed from the zip */
    uint64_t data;               /* where its bytes start in the file */
    uint64_t end;                /* behind them and their descriptor */
    uint16_t extra;              /* bytes of the local header's extra fields */
    unsigned descriptor;         /* bytes of the descriptor: 0, 12, 16, 20 or 24 */
    bool padded;                 /* the extra is PyTorch's padding ("FB"), zip64 aside, alone */
    unsigned odd;                /* ZIP_ODD_ bits; with HEADER the rest is guessed */
} ZipExtent;

/* Reads the local header and the descriptor. The error is the source's. */
bool zip_extent(Zip *zip, const ZipMember *member, ZipExtent *extent, Error *err);
/* "another name, another size": the odd bits in words, appended. */
void zip_odd_show(unsigned odd, Text *out);

#endif
