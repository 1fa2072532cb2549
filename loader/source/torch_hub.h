/* The cache of torch.hub: TORCH_HOME/hub/checkpoints, where load_state_dict_from_url keeps files by
 * the last part of their URL, and the hash that such a name may carry: "resnet50-0676ba61.pth" is a
 * file whose SHA-256 begins with 0676ba61. */
#ifndef LOADER_SOURCE_TORCH_HUB_H
#define LOADER_SOURCE_TORCH_HUB_H

#include "loader/source/url.h"

/* The hash in a file's name, in the arena; NULL: none, or fewer than 8 digits, which torch takes
 * too but which may as well be a word or a date. */
const char *torch_hub_hash(Arena *arena, const char *name);
/* The last part of an http(s) URL's path, unescaped; NULL when that is no name for a file. */
const char *torch_hub_file_name(Arena *arena, const char *url);
/* Where torch.hub keeps files: the folder, whether it is there or not; NULL where not even HOME is
 * known. */
const char *torch_hub_folder(Arena *arena);
/* The cached file of a URL whose name has a hash, when its bytes have that hash; NULL otherwise:
 * a name alone does not say that it is the same file. Reads all of it. */
const char *torch_hub_find(Arena *arena, const char *url);

#endif
