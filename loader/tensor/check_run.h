/* CheckRun: what a format's check (checkpoint_add_check) is given to read with. Bytes that somebody
 * has read already, because they are a tensor's values too, are not read again. */
#ifndef LOADER_TENSOR_CHECK_RUN_H
#define LOADER_TENSOR_CHECK_RUN_H

#include "loader/source/source.h"

typedef struct CheckRun CheckRun;

/* Filled in by whoever runs checks; NULL functions are fine. */
struct CheckRun {
    /* So many bytes more were read; false, with the error set: the user asked to stop. */
    bool (*step)(const CheckRun *run, uint64_t bytes, Error *err);
    /* The CRC-32 of bytes [from, from+size) of a source, when they were read before. At least one
     * byte: *size comes back as how many are known from `from` on. False: none. */
    bool (*known)(const CheckRun *run, const ByteSource *source, uint64_t from, uint64_t *size,
                  uint32_t *crc);
    /* How many bytes from `from` on are not known, `size` at most. */
    uint64_t (*unknown)(const CheckRun *run, const ByteSource *source, uint64_t from,
                        uint64_t size);
    void *context;
};

/* The CRC-32 of a whole source. `run` may be NULL: all of it is read then. */
bool check_run_crc(const CheckRun *run, ByteSource *source, uint32_t *crc, Error *err);
/* Says that bytes were read which no function of here has read. */
bool check_run_step(const CheckRun *run, uint64_t bytes, Error *err);

#endif
