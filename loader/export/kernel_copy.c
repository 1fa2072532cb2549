/* Cloned blocks and copy_file_range. */
#include "loader/export/kernel_copy.h"

#include <errno.h>
#include <sys/ioctl.h>
#include <unistd.h>

#ifdef __linux__
#include <linux/fs.h>

enum {
    BLOCK = 4096,            /* what can be cloned begins and ends at multiples: of this at least */
    STEP = 8 << 20           /* bytes of one call, so that a signal is heard */
};

static bool is_full(int number)
{
    return number == ENOSPC || number == EDQUOT || number == EFBIG;
}

/* Whatever else goes wrong ends the copy early, and is met again by whoever reads the rest. */
static bool copy_bytes(int from, uint64_t offset, int to, uint64_t at, uint64_t n, uint64_t *done)
{
    for (uint64_t end = *done + n; *done < end;) {
        off_t in = (off_t)(offset + *done), out = (off_t)(at + *done);
        uint64_t left = end - *done;
        ssize_t put = copy_file_range(from, &in, to, &out, left < STEP ? left : STEP, 0);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0 && is_full(errno)) return false;
        if (put <= 0) return true;
        *done += (uint64_t)put;
    }
    return true;
}

bool kernel_clone(int from, uint64_t offset, int to, uint64_t at, uint64_t n)
{
    struct file_clone_range range = {.src_fd = from, .src_offset = offset, .src_length = n,
                                     .dest_offset = at};
    return ioctl(to, FICLONERANGE, &range) == 0;
}

/* The blocks in the middle; how many bytes were cloned. File systems that cannot say so at once. */
static uint64_t clone_blocks(int from, uint64_t offset, int to, uint64_t at, uint64_t n)
{
    n -= n % BLOCK;
    return n && kernel_clone(from, offset, to, at, n) ? n : 0;
}

/* What lies before the first whole block is copied, the blocks are cloned, the rest is copied. */
bool kernel_copy(int from, uint64_t offset, int to, uint64_t at, uint64_t n, uint64_t *done)
{
    *done = 0;
    uint64_t head = (BLOCK - offset % BLOCK) % BLOCK;
    if (offset % BLOCK == at % BLOCK && n >= head + KERNEL_COPY_MIN) {
        if (!copy_bytes(from, offset, to, at, head, done)) return false;
        if (*done < head) return true;
        *done += clone_blocks(from, offset + head, to, at + head, n - head);
    }
    return copy_bytes(from, offset, to, at, n - *done, done);
}

#else

bool kernel_copy(int from, uint64_t offset, int to, uint64_t at, uint64_t n, uint64_t *done)
{
    (void)from, (void)offset, (void)to, (void)at, (void)n;
    *done = 0;
    return true;
}

bool kernel_clone(int from, uint64_t offset, int to, uint64_t at, uint64_t n)
{
    (void)from, (void)offset, (void)to, (void)at, (void)n;
    errno = EOPNOTSUPP;
    return false;
}

#endif
