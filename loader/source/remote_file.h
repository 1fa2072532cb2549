/* RemoteFile: a file that a listing of a server names. */
#ifndef LOADER_SOURCE_REMOTE_FILE_H
#define LOADER_SOURCE_REMOTE_FILE_H

#include <stdbool.h>
#include <stdint.h>

typedef struct RemoteFile {
    const char *name;        /* below the folder that was listed: "unet/model.safetensors"; as its
                                server has it, which may be any text */
    uint64_t size;           /* bytes */
    bool has_size;
} RemoteFile;

#endif
