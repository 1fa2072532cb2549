#include "repl/file_view.h"

#include "loader/format/graph.h"
#include "repl/object_value.h"

/* The next entry of the top that is no dict of tensors (epoch, args, hyper-parameters), from *at
 * on; its path is put into `name`. NULL behind the last. */
static const Object *next_entry(const Checkpoint *checkpoint, size_t *at, Text *name)
{
    const Object *root = checkpoint_root(checkpoint);
    const Object *dict = root ? object_as_dict(root) : NULL;
    while (dict && *at + 1 < dict->list.count) {
        const Object *value = dict->list.items[*at + 1];
        text_clear(name);
        path_add_key(name, dict->list.items[*at]);
        *at += 2;
        if (value->kind != OBJ_TENSOR && !checkpoint_find_container(checkpoint, text_string(name)))
            return value;
    }
    return NULL;
}

/* The versions of a model's classes come last: there is one for each module. */
void file_view_lines(const Checkpoint *checkpoint, const StateDict *dict, TreeLines *lines)
{
    char size[32];
    Text text = {0};
    show_bytes(checkpoint_file_bytes(checkpoint), size);
    text_addf(&text, "%s, %s", checkpoint_format(checkpoint), size);
    tree_add(lines, 0, STYLE_MODULE, checkpoint_path(checkpoint), text_string(&text));
    for (size_t i = 0; i < dict_metadata_count(dict); i++) {
        text_clear(&text);
        object_plain(dict_metadata_object(dict, i), &text);
        tree_add(lines, 1, STYLE_PLAIN, dict_metadata(dict, i).key, text_string(&text));
    }
    for (size_t i = 0; i < checkpoint_file_count(checkpoint); i++) {
        const CheckpointFile *file = checkpoint_file(checkpoint, i);
        show_bytes(file->bytes, size);
        tree_add(lines, 1, STYLE_DIM, file->name, size);
    }
    const Object *entry;
    for (size_t at = 0; (entry = next_entry(checkpoint, &at, &text));)
        tree_add_object(lines, 1, text_string(&text), entry);
    const Object *versions = dict_torch_metadata(dict);
    if (versions) tree_add_object(lines, 1, "_metadata", versions);
    text_done(&text);
}

static Value *files_value(Arena *arena, const Checkpoint *checkpoint)
{
    Value *files = value_list(arena);
    for (size_t i = 0; i < checkpoint_file_count(checkpoint); i++) {
        const CheckpointFile *file = checkpoint_file(checkpoint, i);
        Value *one = value_map(arena);
        value_put(arena, one, "name", value_string(arena, file->name));
        value_put(arena, one, "bytes", value_int(arena, (int64_t)file->bytes));
        value_push(arena, files, one);
    }
    return files;
}

Value *file_view_value(Arena *arena, const Checkpoint *checkpoint, const StateDict *dict)
{
    size_t nodes = 0;
    Value *map = value_map(arena), *metadata = value_map(arena), *entries = value_map(arena);
    value_put(arena, map, "path", value_string(arena, checkpoint_path(checkpoint)));
    value_put(arena, map, "format", value_string(arena, checkpoint_format(checkpoint)));
    value_put(arena, map, "bytes", value_int(arena, (int64_t)checkpoint_file_bytes(checkpoint)));
    for (size_t i = 0; i < dict_metadata_count(dict); i++)
        value_put(arena, metadata, dict_metadata(dict, i).key,
                  object_value(arena, dict_metadata_object(dict, i), &nodes));
    value_put(arena, map, "metadata", metadata);
    if (checkpoint_file_count(checkpoint))
        value_put(arena, map, "files", files_value(arena, checkpoint));
    const Object *entry, *versions = dict_torch_metadata(dict);
    Text name = {0};
    for (size_t at = 0; (entry = next_entry(checkpoint, &at, &name));)
        value_put(arena, entries, text_string(&name), object_value(arena, entry, &nodes));
    text_done(&name);
    if (entries->list.count) value_put(arena, map, "entries", entries);
    if (versions) value_put(arena, map, "versions", object_value(arena, versions, &nodes));
    return map;
}
