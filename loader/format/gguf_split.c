/* Models that llama.cpp's gguf-split cut into files NAME-00001-of-00003.gguf … of one folder. Each
 * has a header of its own with its share of the tensors; the first also has the model's keys.
 * Opening any of them, or the folder, opens all. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "loader/format/fault.h"
#include "loader/format/gguf.h"

enum { NAMES_SHOWN = 3, DIGITS = 5, TAIL = 20 /* of "-00001-of-00003.gguf" */ };

/* What a part's name says. */
typedef struct PartName {
    size_t stem;                 /* bytes before the tail */
    int64_t number, count;       /* number from 1 */
} PartName;

/* Exactly DIGITS of them, as gguf-split writes; a model of 100,000 parts has no such names. */
static bool read_digits(const char *text, int64_t *out)
{
    *out = 0;
    for (int i = 0; i < DIGITS; i++) {
        if (!is_digit(text[i])) return false;
        *out = *out * 10 + (text[i] - '0');
    }
    return true;
}

/* False when the name is none of a part. */
static bool parse_name(const char *name, PartName *part)
{
    size_t n = strlen(name);
    if (n <= TAIL) return false;
    const char *tail = name + n - TAIL;
    part->stem = n - TAIL;
    return tail[0] == '-' && read_digits(tail + 1, &part->number) &&
           memcmp(tail + 1 + DIGITS, "-of-", 4) == 0 && read_digits(tail + 10, &part->count) &&
           strcmp(tail + 15, ".gguf") == 0;
}

/* The same name with another number. */
static const char *part_name(Arena *arena, const char *name, const PartName *part, int64_t number)
{
    return arena_printf(arena, "%.*s-%05" PRId64 "-of-%05" PRId64 ".gguf", (int)part->stem, name,
                        number, part->count);
}

/* The name must say what the file says of itself; the other names follow from it. */
static bool check_name(const GgufFile *file, const char *name, PartName *part)
{
    const GgufSplit *split = &file->split;
    if (split->number >= split->count)
        return fault_file(file->err, ERR_FORMAT, file->source->name,
                          "it says that it is part %" PRId64 " of %" PRId64, split->number + 1,
                          split->count);
    if (!parse_name(name, part))
        return fault_file(file->err, ERR_NOT_FOUND, file->source->name,
                          "it is part %" PRId64 " of %" PRId64 " of a split model, but its name "
                          "does not tell those of the others; name it …-%05" PRId64 "-of-%05" PRId64
                          ".gguf", split->number + 1, split->count, split->number + 1,
                          split->count);
    if (part->number == split->number + 1 && part->count == split->count) return true;
    return fault_file(file->err, ERR_FORMAT, file->source->name,
                      "by its name it is part %" PRId64 " of %" PRId64 ", by its keys part %" PRId64
                      " of %" PRId64, part->number, part->count, split->number + 1, split->count);
}

/* All that are absent, the first few by name. */
static bool check_presence(const OpenContext *context, const GgufFile *file, Arena *arena,
                           const char *name, const PartName *part)
{
    Text names = {0};
    int64_t absent = 0;
    for (int64_t i = 1; i <= part->count; i++) {
        const char *other = part_name(arena, name, part, i);
        if (i == part->number || context->has_inner(context, other)) continue;
        if (absent++ >= NAMES_SHOWN) continue;
        if (absent > 1) text_add(&names, ", ");
        fault_quote(other, strlen(other), 120, &names);
    }
    if (absent > NAMES_SHOWN) text_addf(&names, " and %" PRId64 " more", absent - NAMES_SHOWN);
    if (absent)
        fault_file(file->err, ERR_NOT_FOUND, file->source->name,
                   "%" PRId64 " of the %" PRId64 " parts of its model are not in its folder: %s; "
                   "fetch them too", absent, part->count, text_string(&names));
    text_done(&names);
    return !absent;
}

/* Reads one part into the dict. The source goes to the checkpoint. */
static bool read_part(const GgufFile *first, ByteSource *source, int64_t number, uint64_t *bytes)
{
    GgufFile file = {.source = source, .checkpoint = first->checkpoint, .dict = first->dict,
                     .keep_keys = number == 1, .err = first->err};
    checkpoint_own_source(first->checkpoint, source);
    *bytes += source->size;
    bool ok = gguf_read_keys(&file);
    if (ok && (file.split.number != number - 1 || file.split.count != first->split.count ||
               file.split.tensors != first->split.tensors))
        ok = fault_file(file.err, ERR_FORMAT, source->name,
                        "by its name it is part %" PRId64 " of %" PRId64 ", by its keys part "
                        "%" PRId64 " of %" PRId64 " with %" PRId64 " tensors instead of %" PRId64
                        ": not of the same model", number, first->split.count,
                        file.split.number + 1, file.split.count, file.split.tensors,
                        first->split.tensors);
    size_t before = dict_count(first->dict);
    ok = ok && gguf_read_tensors(&file);
    uint32_t part = checkpoint_add_file(first->checkpoint, path_base(source->name), source->size);
    for (size_t i = before; ok && i < dict_count(first->dict); i++)
        checkpoint_set_storage_file(first->checkpoint, dict_at(first->dict, i)->storage->index,
                                    part);
    gguf_done(&file);
    return ok;
}

/* In the order of their numbers; the part that was named is open already. */
static bool read_parts(OpenContext *context, const GgufFile *first, Arena *arena, const char *name,
                       const PartName *part)
{
    uint64_t bytes = 0;
    for (int64_t i = 1; i <= part->count; i++) {
        bool own = i == part->number;
        ByteSource *source = own ? source_ref(first->source)
                                 : context->inner_source(context, part_name(arena, name, part, i),
                                                         first->err);
        if (!source || !read_part(first, source, i, &bytes)) return false;
    }
    checkpoint_set_file_bytes(first->checkpoint, bytes);
    if (!first->split.tensors || (uint64_t)first->split.tensors == dict_count(first->dict))
        return true;
    return fault_file(first->err, ERR_FORMAT, first->source->name,
                      "its parts have %zu tensors, but 'split.tensors.count' is %" PRId64,
                      dict_count(first->dict), first->split.tensors);
}

/* Nothing of another part is opened before all of them are known to be there. */
bool gguf_open_parts(OpenContext *context, GgufFile *first)
{
    const char *name = path_base(first->source->name);
    char more[LIMIT_TEXT];
    PartName part;
    if ((uint64_t)first->split.count > limit(LIMIT_SHARDS))
        return fault_file(first->err, ERR_LIMIT, first->source->name, "its parts are %s",
                          limit_text(LIMIT_SHARDS, more));
    if (!check_name(first, name, &part)) return false;
    Arena *arena = arena_new();
    bool ok = check_presence(context, first, arena, name, &part) &&
              read_parts(context, first, arena, name, &part);
    arena_free(arena);
    return ok;
}

/* -- Folders --------------------------------------------------------------------------- */

/* The first part of the one split model in a folder; NULL when there is none, or several. */
static const char *find_part(const Folder *folder)
{
    const char *found = NULL;
    PartName one, other;
    for (size_t i = 0; i < folder->count; i++) {
        if (!parse_name(folder->names[i], &other)) continue;
        if (!found) {
            found = folder->names[i];
            one = other;
        } else if (one.stem != other.stem || one.count != other.count ||
                   memcmp(found, folder->names[i], one.stem) != 0) {
            return NULL;
        }
    }
    return found;
}

/* Asked when no single file of the folder is its model. */
static Sniff sniff_split(const Folder *folder)
{
    return find_part(folder) ? SNIFF_MAYBE : SNIFF_NO;
}

static Checkpoint *open_split(OpenContext *context, const Folder *folder, Error *err)
{
    return context->open_inner(context, find_part(folder), err);
}

const FolderFormat folder_gguf_split = {"gguf", "GGUF in parts (gguf-split)", sniff_split,
                                        open_split};
