/* CRCs of pieces are put together without their bytes (crc32_combine), so that a storage whose
 * tensors were swept one by one is read only where no tensor lies. */
#include "loader/tensor/check_run.h"

#include <stdlib.h>

#include <zlib.h>

#include "loader/core/memory.h"

enum { STEP = 1 << 20 };         /* bytes read at a time */

bool check_run_step(const CheckRun *run, uint64_t bytes, Error *err)
{
    return !run || !run->step || run->step(run, bytes, err);
}

/* Reads `size` bytes and adds them to the CRC. */
static bool read_piece(const CheckRun *run, ByteSource *source, uint64_t at, uint64_t size,
                       unsigned char *buffer, uint32_t *crc, Error *err)
{
    while (size) {
        size_t n = size < STEP ? (size_t)size : STEP;
        if (!source_read(source, at, buffer, n, err)) return false;
        *crc = (uint32_t)crc32(*crc, buffer, (uInt)n);
        at += n;
        size -= n;
        if (!check_run_step(run, n, err)) return false;
    }
    return true;
}

bool check_run_crc(const CheckRun *run, ByteSource *source, uint32_t *crc, Error *err)
{
    unsigned char *buffer = NULL;
    bool fine = true;
    *crc = (uint32_t)crc32(0, NULL, 0);
    for (uint64_t at = 0; fine && at < source->size;) {
        uint64_t size = source->size - at;
        uint32_t piece;
        if (run && run->known && run->known(run, source, at, &size, &piece)) {
            *crc = (uint32_t)crc32_combine(*crc, piece, (z_off_t)size);
        } else {
            if (run && run->unknown) size = run->unknown(run, source, at, size);
            if (!buffer) buffer = mem_alloc(source->size < STEP ? (size_t)source->size : STEP);
            fine = read_piece(run, source, at, size, buffer, crc, err);
        }
        at += size;
    }
    free(buffer);
    return fine;
}
