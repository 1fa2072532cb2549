/* 30 bits of the system's randomness: a counter and a process id are the same on two hosts, and in
 * two containers, that share a folder. */
#include "loader/core/random_name.h"

#include <unistd.h>

bool random_name_add(Text *path)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz012345";   /* 32: no bias */
    unsigned char random[6];
    if (getentropy(random, sizeof random) != 0) return false;
    text_addc(path, '.');
    for (size_t i = 0; i < sizeof random; i++) text_addc(path, letters[random[i] & 31]);
    text_add(path, ".tmp");
    return true;
}
