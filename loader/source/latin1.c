/* A character takes one byte of text or two, so where byte N lies is only known by counting. The
 * first read counts, and notes how many characters each block of the text begins; every later one
 * starts at a block. */
#include "loader/source/latin1.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "loader/core/memory.h"

enum { BLOCK = 64 << 10 };   /* bytes of text between two notes */

typedef struct Latin1 {
    ByteSource base;
    ByteSource *text;        /* a reference; its name is also ours */
    uint64_t offset, length; /* bytes of it */
    pthread_mutex_t lock;    /* over `starts` while it is being made */
    uint64_t *starts;        /* characters before each block, and behind the last one; owned; NULL
                                until the first read */
} Latin1;

/* Bytes 80 to BF go on with a character that began before. */
static bool is_start(unsigned char byte)
{
    return (byte & 0xC0) != 0x80;
}

/* ASCII stands for itself; C2 and C3 lead the two bytes of U+0080 to U+00FF. */
static bool check_block(const Latin1 *latin1, const unsigned char *block, size_t n, uint64_t at,
                        Error *err)
{
    for (size_t i = 0; i < n; i++) {
        bool follows = i + 1 < n && !is_start(block[i + 1]);
        bool leads = block[i] == 0xC2 || block[i] == 0xC3;
        bool fine = block[i] < 0x80 ? !follows : leads ? i + 1 == n || follows
                                                       : !is_start(block[i]);
        if (!fine)
            return error_set(err, ERR_FORMAT, "%s: the text at byte %" PRIu64
                             " stands for bytes, but has a character that is none",
                             latin1->base.name, latin1->offset + at + i);
    }
    return true;
}

static size_t block_size(const Latin1 *latin1, uint64_t block)
{
    uint64_t left = latin1->length - block * BLOCK;
    return left < BLOCK ? (size_t)left : BLOCK;
}

/* `starts` is only as long as the text is, which lies in the file. */
static bool count_starts(Latin1 *latin1, Error *err)
{
    uint64_t blocks = (latin1->length + BLOCK - 1) / BLOCK, count = 0;
    uint64_t *starts = mem_alloc(((size_t)blocks + 1) * sizeof *starts);
    unsigned char *block = mem_alloc(BLOCK);
    bool fine = true;
    for (uint64_t i = 0; fine && i < blocks; i++) {
        size_t n = block_size(latin1, i);
        starts[i] = count;
        fine = source_read(latin1->text, latin1->offset + i * BLOCK, block, n, err) &&
               check_block(latin1, block, n, i * BLOCK, err);
        for (size_t k = 0; fine && k < n; k++) count += is_start(block[k]);
    }
    starts[blocks] = count;
    free(block);
    if (fine && count != latin1->base.size)
        fine = error_set(err, ERR_FORMAT, "%s: the text at byte %" PRIu64 " stands for %" PRIu64
                         " bytes, not the %" PRIu64 " that are needed", latin1->base.name,
                         latin1->offset, count, latin1->base.size);
    if (fine) latin1->starts = starts;
    else free(starts);
    return fine;
}

static bool prepare(Latin1 *latin1, Error *err)
{
    pthread_mutex_lock(&latin1->lock);
    bool fine = latin1->starts || count_starts(latin1, err);
    pthread_mutex_unlock(&latin1->lock);
    return fine;
}

/* The block in which byte `at` begins, by halving. */
static uint64_t find_block(const Latin1 *latin1, uint64_t at)
{
    uint64_t low = 0, high = (latin1->length + BLOCK - 1) / BLOCK;
    while (high - low > 1) {
        uint64_t middle = low + (high - low) / 2;
        if (latin1->starts[middle] <= at) low = middle;
        else high = middle;
    }
    return low;
}

/* Decodes the characters that begin in a block, from number `skip` of them on; one more byte of
 * text is read for a character that the block's end divides. Returns how many fitted. */
static size_t decode(const unsigned char *block, size_t n, uint64_t skip, unsigned char *out,
                     size_t room)
{
    size_t done = 0;
    for (size_t i = 0; i < n && done < room; i++) {
        if (!is_start(block[i])) continue;
        if (skip) skip--;
        else
            out[done++] = block[i] < 0x80
                              ? block[i]
                              : (unsigned char)((block[i] & 3) << 6 | (block[i + 1] & 0x3F));
    }
    return done;
}

static bool read_latin1(ByteSource *source, uint64_t offset, void *out, size_t n, Error *err)
{
    Latin1 *latin1 = (Latin1 *)source;
    unsigned char *to = out;
    if (!prepare(latin1, err)) return false;
    unsigned char *block = mem_alloc(BLOCK + 2);
    bool fine = true;
    for (uint64_t i = find_block(latin1, offset); fine && n; i++) {
        size_t size = block_size(latin1, i);
        size_t more = i * BLOCK + size < latin1->length ? 1 : 0;
        fine = source_read(latin1->text, latin1->offset + i * BLOCK, block, size + more, err);
        if (!fine) break;
        block[size + more] = 0x80;   /* a text that ends in the middle of a character */
        size_t done = decode(block, size, offset - latin1->starts[i], to, n);
        to += done;
        offset += done;
        n -= done;
    }
    free(block);
    return fine;
}

static void close_latin1(ByteSource *source)
{
    Latin1 *latin1 = (Latin1 *)source;
    pthread_mutex_destroy(&latin1->lock);
    source_unref(latin1->text);
    free(latin1->starts);
    free(latin1);
}

ByteSource *source_latin1(ByteSource *base, uint64_t offset, uint64_t length, uint64_t bytes,
                          Error *err)
{
    static const ByteSourceOps ops = {read_latin1, NULL, close_latin1, NULL};
    if (offset > base->size || length > base->size - offset) {
        error_set(err, ERR_FORMAT, "%s: a text of %" PRIu64 " bytes at byte %" PRIu64
                  " reaches beyond the end", base->name, length, offset);
        return NULL;
    }
    if (bytes > length || bytes < length - length / 2) {
        error_set(err, ERR_FORMAT, "%s: a text of %" PRIu64 " bytes at byte %" PRIu64
                  " cannot stand for %" PRIu64, base->name, length, offset, bytes);
        return NULL;
    }
    Latin1 *latin1 = mem_alloc(sizeof *latin1);
    latin1->base = (ByteSource){.ops = &ops, .name = base->name, .size = bytes};
    atomic_init(&latin1->base.refs, 1);
    pthread_mutex_init(&latin1->lock, NULL);
    latin1->text = source_ref(base);
    latin1->offset = offset;
    latin1->length = length;
    return &latin1->base;
}
