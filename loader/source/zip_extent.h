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
    ZIP_ODD_NO_CRC = 32,         /* one of the two says 0: no CRC was computed */
    ZIP_ODD_ENCRYPTED = 64,      /* said to be encrypted here only */
    ZIP_ODD_BEYOND = 128,        /* with this header the data end behind the file */
    ZIP_ODD_DESCRIPTOR = 256,    /* the descriptor that is announced is not there, or differs */
    ZIP_ODD_ALL = 511
};

typedef struct ZipExtent {
    uint64_t data;               /* where the member's bytes start in the file */
    uint64_t end;                /* behind them and the descriptor, if it was asked for */
    unsigned descriptor;         /* bytes of the descriptor: 0, 12, 16, 20 or 24 */
    unsigned odd;                /* ZIP_ODD_ bits; with HEADER `data` and `end` are guessed, with
                                    BEYOND `end` is */
} ZipExtent;

/* Reads the local header and, if ZIP_ODD_DESCRIPTOR is asked for, the descriptor. What is odd of
 * the ZIP_ODD_ bits `asked` is also said in words, one line that is appended to `what` (borrowed).
 * The error is the source's. */
bool zip_extent(Zip *zip, const ZipMember *member, unsigned asked, ZipExtent *extent, Text *what,
                Error *err);

enum { ZIP_NAME_SHOWN = 80 };            /* bytes of a name in what is said of a zip */

/* At most that much of a held name, between quotes, for people. */
void zip_name_quote(const char *name, Text *out);

#endif
