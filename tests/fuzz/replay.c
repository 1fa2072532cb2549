/* Replays a fuzz target's corpus as an ordinary test, without a fuzzer: every file as it is,
 * then a fixed number of mutations of it from a generator with a fixed seed. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FILE_MAX = 1 << 20, MUTATIONS = 300, EDITS = 4 };

static uint64_t random_state = 0x9E3779B97F4A7C15u;

static uint64_t next_random(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    return random_state ^= random_state << 17;
}

/* Flips, overwrites, cuts out or doubles a few bytes. */
static size_t mutate(uint8_t *data, size_t size)
{
    static const uint8_t telling[] = {0, 1, 0x7F, 0x80, 0xFF, '(', ')', '.', '{', '}', '"', '\n'};
    for (uint64_t edits = 1 + next_random() % EDITS; edits && size > 1; edits--) {
        size_t at = next_random() % size, n = 1 + next_random() % 8;
        if (n > size - at) n = size - at;
        switch (next_random() % 4) {
        case 0: data[at] ^= (uint8_t)(1 << next_random() % 8); break;
        case 1: data[at] = telling[next_random() % sizeof telling]; break;
        case 2:
            memmove(data + at, data + at + n, size - at - n);
            size -= n;
            break;
        default:
            if (size + n > FILE_MAX) break;
            memmove(data + at + n, data + at, size - at);
            size += n;
        }
    }
    return size;
}

/* Each input in memory of exactly its size, so that a sanitizer sees the first byte too many. */
static void run_once(const uint8_t *data, size_t size)
{
    uint8_t *exact = malloc(size ? size : 1);
    if (!exact) abort();
    memcpy(exact, data, size);
    LLVMFuzzerTestOneInput(exact, size);
    free(exact);
}

static size_t read_file(const char *path, uint8_t *data)
{
    FILE *file = fopen(path, "rb");
    if (!file) return 0;
    size_t size = fread(data, 1, FILE_MAX, file);
    fclose(file);
    return size;
}

static void replay(const char *path, unsigned number, uint8_t *data, uint8_t *work)
{
    size_t size = read_file(path, data);
    run_once(data, size);
    for (unsigned i = 0; i < MUTATIONS; i++) {
        memcpy(work, data, size);
        run_once(work, mutate(work, size));
    }
    for (size_t cut = 0; cut < size && cut < 256; cut++) run_once(data, size - 1 - cut);
    printf("ok %u - %s\n", number, path);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    uint8_t *data = malloc(FILE_MAX), *work = malloc(FILE_MAX);
    unsigned number = 0;
    if (!data || !work) return 1;
    for (int i = 1; i < argc; i++) {
        struct dirent **entries;
        int count = scandir(argv[i], &entries, NULL, alphasort);
        for (int k = 0; k < count; k++) {
            char path[4096];
            snprintf(path, sizeof path, "%s/%s", argv[i], entries[k]->d_name);
            if (entries[k]->d_name[0] != '.') replay(path, ++number, data, work);
            free(entries[k]);
        }
        if (count >= 0) free(entries);
    }
    printf("1..%u\n", number);
    free(data);
    free(work);
    return number == 0;
}
