/* Numbers as nearly every file stores them: the lowest byte first. */
#ifndef LOADER_CORE_LITTLE_H
#define LOADER_CORE_LITTLE_H

#include <stddef.h>
#include <stdint.h>

/* The number in n bytes, 0 to 8, which the caller knows to be there. */
static inline uint64_t little_read(const unsigned char *bytes, size_t n)
{
    uint64_t value = 0;
    while (n--) value = value << 8 | bytes[n];
    return value;
}

#endif
