/* CrcBook: the CRCs of values that were swept, by where their bytes lie, for the container's own
 * checks (CheckRun): what was read once is not read again. */
#ifndef LOADER_CHECK_CRC_BOOK_H
#define LOADER_CHECK_CRC_BOOK_H

#include "loader/check/audit.h"
#include "loader/tensor/check_run.h"

typedef struct CrcBook CrcBook;

/* Of the tensors whose elements lie in the file as they were swept: raw, one after the other. */
CrcBook *crc_book_new(const Audit *audit);
void crc_book_free(CrcBook *book);
/* CheckRun.known and CheckRun.unknown, with a CrcBook as book. */
bool crc_book_known(const CrcBook *book, const ByteSource *source, uint64_t from, uint64_t *size,
                    uint32_t *crc);
uint64_t crc_book_unknown(const CrcBook *book, const ByteSource *source, uint64_t from,
                          uint64_t size);

#endif
