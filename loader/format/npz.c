/* Npz: several arrays of NumPy in a zip (numpy.savez): a member NAME.npy for each, stored, or
 * deflated by savez_compressed. Names may have slashes. A stored array's values stay in the
 * file. An array of objects is a pickle, and what it holds is found under the array's name. One
 * of text or of records is left out, with a note. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "loader/format/fault.h"
#include "loader/format/npy.h"
#include "loader/format/zip_kind.h"
#include "loader/format/zip_verify.h"

/* What a member is worth in the allowance for listing: about its entry in the directory. */
enum { MEMBER_BYTES = 128 };

static bool is_array(const ZipMember *member)
{
    return zip_is_file(member) && has_suffix(member->name, ".npy");
}

static bool matches_npz(const Zip *zip)
{
    size_t files = zip_count_files(zip, "");
    return files && zip_count_files(zip, ".npy") == files;
}

/* Labels beside the weights are usual; `why` begins with the member's name. */
static void leave_out(TorchFile *file, const ZipMember *member, const ByteSource *source,
                      const Error *why)
{
    Text shown = {0};
    const char *reason = why->text;
    if (has_prefix(reason, source->name)) reason += strlen(source->name) + strlen(": ");
    fault_quote(member->name, strlen(member->name), 120, &shown);
    torch_find(file, FINDING_NOTE, "object", member->name, NULL, "'%s' is left out: %s",
               text_string(&shown), reason);
    text_done(&shown);
}

/* One array, as an entry of the dict. The header alone is inflated now. */
static bool add_member(TorchFile *file, ZipVerify *verify, const ZipMember *member, Object *dict,
                       Error *err)
{
    Zip *zip = zip_verify_zip(verify);
    ByteSource *source = zip_open_member(zip, member, err);
    if (!source) return false;
    zip_verify_use(verify, source);
    size_t n = source->size < NPY_HEAD_MAX ? (size_t)source->size : NPY_HEAD_MAX;
    unsigned char *head = mem_alloc(n);
    Npy npy = {0};
    Error why = {0};
    bool fine = zip_read_head(zip, member, head, n, &why) &&
                npy_read_header(head, n, source->size, source->name, &npy, &why);
    free(head);
    if (!fine && npy.foreign) {
        leave_out(file, member, source, &why);
        return true;
    }
    if (!fine && err) *err = why;
    if (!fine) return false;
    file->name = source->name;
    Object *node = npy_make_node(file, &npy, source, err);
    if (!node) return false;
    const char *name = arena_strndup(file->arena, member->name, strlen(member->name) - 4);
    Object *key = object_str(file->arena, name);
    key->mark = 1;
    object_push(file->arena, dict, key);
    object_push(file->arena, dict, node);
    return true;
}

static bool fill(Checkpoint *checkpoint, Zip *zip, const char *name, Error *err)
{
    TorchFile file;
    Object *dict = object_new(checkpoint_arena(checkpoint), OBJ_DICT);
    torch_init(&file, checkpoint, name, dict, zip_count(zip) * MEMBER_BYTES);
    ZipVerify *verify = zip_verify_new(checkpoint, zip);
    bool fine = true;
    for (size_t i = 0; fine && i < zip_count(zip); i++)
        if (is_array(zip_member(zip, i)))
            fine = add_member(&file, verify, zip_member(zip, i), dict, err);
    dict->mark = 1;
    file.root = dict;
    file.name = name;
    fine = fine && torch_finish(&file, err);
    torch_done(&file);
    return fine;
}

static Checkpoint *open_npz(OpenContext *context, ByteSource *source, Zip *zip, Error *err)
{
    Checkpoint *checkpoint = checkpoint_of_file(context->path, "npz", source);
    if (fill(checkpoint, zip, source->name, err)) return checkpoint;
    checkpoint_unref(checkpoint);
    return NULL;
}

const ZipKind zip_npz = {"npz", matches_npz, open_npz};
