/* Zips: the one place that knows which kinds of checkpoint come as a zip file. The directory is
 * read once; the members' names decide, then the kind opens what is in it.
 *
 * A zip of no known kind may hold checkpoints as files; what holds none is refused. */
#include <string.h>

#include "loader/format/fault.h"
#include "loader/format/zip_kind.h"
#include "loader/source/zip_check.h"

/* Bytes of a member's name that are shown. */
enum { NAME_SHOWN = 80 };

/* In the order in which they are asked. What is left may hold checkpoints as files (zip_inner). */
static const ZipKind *const kinds[] = {
    &zip_package,
    &zip_export,
    &zip_script,
    &zip_torch,
    &zip_npz,
    &zip_keras,
    &zip_script_old,
};

/* --- members by name ------------------------------------------------------------------ */

/* The part of a name behind its first folder, or the whole when there is none. */
static const char *without_folder(const char *name)
{
    const char *slash = strchr(name, '/');
    return slash ? slash + 1 : name;
}

/* Where all members lie in one folder no other can be meant, and 100,000 of them need not be looked
 * at for each kind. */
bool zip_has_member(const Zip *zip, const char *name)
{
    const char *folder = zip_prefix(zip);
    if (zip_find(zip, name)) return true;
    if (*folder) return zip_find_in(zip, folder, name) != NULL;
    for (size_t i = 0; i < zip_count(zip); i++)
        if (strcmp(without_folder(zip_member(zip, i)->name), name) == 0) return true;
    return false;
}

bool zip_is_file(const ZipMember *member)
{
    return !has_suffix(member->name, "/") && !has_prefix(member->name, "__MACOSX/");
}

bool zip_has_file(const Zip *zip, const char *name)
{
    size_t n = strlen(name);
    for (size_t i = 0; i < zip_count(zip); i++) {
        const ZipMember *member = zip_member(zip, i);
        size_t path = strlen(member->name);
        if (zip_is_file(member) && has_suffix(member->name, name) &&
            (path == n || member->name[path - n - 1] == '/'))
            return true;
    }
    return false;
}

size_t zip_count_files(const Zip *zip, const char *suffix)
{
    size_t count = 0;
    for (size_t i = 0; i < zip_count(zip); i++) {
        const ZipMember *member = zip_member(zip, i);
        if (zip_is_file(member) && has_suffix(member->name, suffix)) count++;
    }
    return count;
}

const ZipMember *zip_find_in(const Zip *zip, const char *folder, const char *name)
{
    Text path = {0};
    text_addf(&path, "%s%s", folder, name);
    const ZipMember *member = zip_find(zip, text_string(&path));
    text_done(&path);
    return member;
}

/* A container takes about as much memory as 16 tensors, and its path, which is copied, as one for
 * each 64 bytes. */
bool zip_count_inner(Checkpoint *inner, const char *name, uint64_t *total, const char *file,
                     Error *err)
{
    enum { CONTAINER_COST = 16, PATH_BYTES = 64 };
    char more[LIMIT_TEXT];
    for (size_t i = 0; i < checkpoint_container_count(inner); i++) {
        const Container *one = checkpoint_container(inner, i);
        *total += dict_count(one->dict) + CONTAINER_COST +
                  (strlen(name) + strlen(one->path)) / PATH_BYTES;
    }
    if (*total <= limit(LIMIT_TENSORS)) return true;
    checkpoint_unref(inner);
    return fault_file(err, ERR_LIMIT, file, "the files in it hold more tensors, %s",
                      limit_text(LIMIT_TENSORS, more));
}

/* --- the format ----------------------------------------------------------------------- */

/* A local header at byte 0, as torch.load asks for: it takes a zip behind other bytes for a legacy
 * stream. Of which kind it is, is seen when it is opened. */
static Sniff sniff_zip(ByteSource *source, const unsigned char *head, size_t n)
{
    (void)source;
    return n >= 4 && memcmp(head, "PK\3\4", 4) == 0 ? SNIFF_YES : SNIFF_NO;
}

/* For zip_check: oddities become findings; of each file at most so many. */
enum { ODDITIES_MAX = 20 };

typedef struct Oddities {
    Checkpoint *checkpoint;
    size_t count;
    bool worse;              /* one of those that are not said is an error */
} Oddities;

static const char rewrite[] = "load it with torch.load and save it again, if you trust it";
static const char fetch[] = "the file was damaged or changed: fetch it again";

static void note_oddity(void *context, const ZipOddity *oddity)
{
    Oddities *oddities = context;
    if (oddities->count++ >= ODDITIES_MAX) {
        oddities->worse = oddities->worse || oddity->wrong;
        return;
    }
    Text member = {0};
    if (oddity->member) {
        fault_quote(oddity->member, strlen(oddity->member), NAME_SHOWN, &member);
        text_add(&member, ": ");
    }
    checkpoint_find(oddities->checkpoint, oddity->wrong ? FINDING_ERROR : FINDING_WARNING,
                    oddity->kind, oddity->member, oddity->wrong ? fetch : rewrite, "%s%s",
                    text_string(&member), oddity->what);
    text_done(&member);
}

static Checkpoint *open_zip(OpenContext *context, ByteSource *source, Error *err)
{
    Zip *zip = zip_open_archive(source, err);
    if (!zip) return NULL;
    const ZipKind *kind = NULL;
    for (size_t i = 0; i < countof(kinds) && !kind; i++)
        if (kinds[i]->matches(zip)) kind = kinds[i];
    if (!kind) kind = &zip_inner;
    Checkpoint *checkpoint = kind->open(context, source, zip, err);
    Oddities oddities = {.checkpoint = checkpoint};
    bool caseless = has_prefix(kind->name, "torch-");    /* PyTorch's reader is */
    if (checkpoint) zip_check(zip, caseless, note_oddity, &oddities);
    if (oddities.count > ODDITIES_MAX)
        checkpoint_find(checkpoint, oddities.worse ? FINDING_ERROR : FINDING_WARNING, "more", NULL,
                        NULL, "and %zu more findings about the zip",
                        oddities.count - ODDITIES_MAX);
    zip_unref(zip);          /* the member sources that were made keep it */
    return checkpoint;
}

const Format format_zip = {"zip", "zip archives (PyTorch 1.6 and later, TorchScript and others)",
                           sniff_zip, open_zip};
