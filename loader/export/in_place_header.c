/* The new header, the room for it, and the journal. */
#include "loader/export/in_place_header.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "loader/core/little.h"
#include "loader/export/clone_edit.h"
#include "loader/export/journal.h"
#include "loader/export/safetensors_header.h"
#include "loader/export/writer.h"
#include "loader/format/gguf_names.h"

enum { BLOCK_LEAST = 4096, BLOCK_MOST = 64 << 10 };

/* ---- the new header ---- */

/* Blocks that can be inserted; the header grows by multiples of them. */
static size_t block_of(const EditFile *file)
{
    struct stat info;
    const size_t size = fstat(file->fd, &info) == 0 ? (size_t)info.st_blksize : 0;
    const bool usual = size >= BLOCK_LEAST && size <= BLOCK_MOST && !(size & (size - 1));
    return usual ? size : BLOCK_LEAST;
}

static int compare_offsets(const void *a, const void *b)
{
    const PlanEntry *one = *(const PlanEntry *const *)a, *two = *(const PlanEntry *const *)b;
    const Tensor *x = plan_unchanged(one), *y = plan_unchanged(two);
    const uint64_t left = x->storage->offset + x->offset, right = y->storage->offset + y->offset;
    if (left != right) return left < right ? -1 : 1;
    return strcmp(x->name, y->name);
}

/* In the order of the values, as readers expect them. */
static bool make_safetensors(const Renames *renames, const Text *old, size_t block, Text *out,
                             Error *err)
{
    const size_t count = dict_count(renames->dict);
    const PlanEntry **sorted = mem_alloc((count + 1) * sizeof *sorted);
    memcpy(sorted, renames->entries, count * sizeof *sorted);
    qsort(sorted, count, sizeof *sorted, compare_offsets);
    text_addn(out, old->bytes, SAFETENSORS_LENGTH);
    safetensors_put_metadata(renames->plan, out);
    for (size_t i = 0; i < count; i++) {
        const Tensor *tensor = plan_unchanged(sorted[i]);
        safetensors_put_entry(sorted[i], tensor->storage->offset + tensor->offset - old->length,
                              out);
    }
    text_addc(out, '}');
    free(sorted);
    size_t whole = old->length;
    while (whole < out->length) whole += block;
    return safetensors_close_header(out, whole, err);
}

/* The new name of a tensor of GGUF. */
static const char *find_name(void *context, const char *name)
{
    const Renames *renames = context;
    const Tensor *tensor = dict_find(renames->dict, name);
    return tensor ? renames->entries[dict_index(renames->dict, tensor)]->name : name;
}

static bool is_gguf(const Renames *renames)
{
    return strcmp(checkpoint_format(renames->plan->source), "gguf") == 0;
}

/* The header as it is: up to the first value. */
static bool read_header(const EditFile *file, const Renames *renames, Text *out, Error *err)
{
    uint64_t first = file->size, length;
    unsigned char start[SAFETENSORS_LENGTH];
    for (size_t i = 0; i < dict_count(renames->dict); i++) {
        const Tensor *tensor = dict_at(renames->dict, i);
        if (tensor_bytes(tensor) && tensor->storage->offset + tensor->offset < first)
            first = tensor->storage->offset + tensor->offset;
    }
    if (!is_gguf(renames)) {
        if (!edit_read(file, 0, start, sizeof start, err)) return false;
        length = little_read(start, sizeof start);
        first = length < file->size ? SAFETENSORS_LENGTH + length : file->size;
    }
    char *bytes = mem_alloc((size_t)first + 1);
    bool good = edit_read(file, 0, bytes, (size_t)first, err);
    if (good && is_gguf(renames))
        first = gguf_header_length((const unsigned char *)bytes, (size_t)first);
    if (good) text_addn(out, bytes, (size_t)first);
    free(bytes);
    return good && (first || error_set(err, ERR_UNSUPPORTED, "its header cannot be written "
                                       "again in its place (big-endian, or a kind of key that is "
                                       "not known)"));
}

static bool make_headers(const EditFile *file, const Renames *renames, Journal *journal, Error *err)
{
    static const ExportOptions none;
    const size_t block = block_of(file);
    if (!read_header(file, renames, &journal->before, err)) return false;
    if (is_gguf(renames))
        return gguf_rename((const unsigned char *)journal->before.bytes, journal->before.length,
                           find_name, (void *)renames, block, &journal->after, err);
    return safetensors_writer.check(renames->plan, &none, err) &&
           make_safetensors(renames, &journal->before, block, &journal->after, err);
}

/* ---- room ---- */

/* Puts n bytes, whole blocks, in at the file's beginning, or takes them out again. */
static bool move_front(EditFile *file, uint64_t n, bool out)
{
#ifdef FALLOC_FL_INSERT_RANGE
    const int mode = out ? FALLOC_FL_COLLAPSE_RANGE : FALLOC_FL_INSERT_RANGE;
    if (fallocate(file->fd, mode, 0, (off_t)n) != 0) return false;
    file->size = out ? file->size - n : file->size + n;
    return true;
#else
    (void)file, (void)n, (void)out;
    errno = EOPNOTSUPP;
    return false;
#endif
}

/* The old beginning again, by the same way. */
static bool shrink_clone(EditFile *file, const Journal *journal, Error *err)
{
    EditFile fresh;
    if (!clone_make(file, &journal->before, journal->after.length, &fresh))
        return error_errno(err, "%s: what was put in at its beginning cannot be taken out",
                           file->path);
    return clone_place(file, &fresh, err);
}

/* The same blocks behind another beginning: `file` becomes that one. *able: it could be tried. */
static bool grow_clone(EditFile *file, Journal *journal, bool *able, Error *err)
{
    EditFile fresh;
    *able = clone_make(file, &journal->after, journal->before.length, &fresh);
    if (!*able) return false;
    journal->state = JOURNAL_DONE;
    if (!journal_prepare(&fresh, journal, err)) {
        clone_discard(&fresh);
        return false;
    }
    if (!clone_place(file, &fresh, err)) return false;
    if (journal_adopt(file, err)) return true;
    (void)shrink_clone(file, journal, NULL);
    return false;
}

/* Sets the error that says what it would cost. */
static bool tell_price(const EditFile *file, const Journal *journal, Error *err)
{
    char all[32];
    const int number = errno;
    show_bytes(file->size, all);
    return error_set(err, ERR_UNSUPPORTED, "%s: the new names need %zu bytes more than its header "
                     "has, and the file system can neither clone nor insert (%s); -o OUT writes "
                     "all %s again", file->path,
                     journal->after.length - journal->before.length, strerror(number), all);
}

/* ---- forward and back ---- */

static bool write_text(EditFile *file, const Text *text, Error *err)
{
    return edit_write(file, 0, text->bytes, text->length, err);
}

/* From whatever state to the old file, without a journal in the end. */
static bool go_back(EditFile *file, const Journal *journal, Error *err)
{
    if (journal->inserted && file->size == journal->size + journal->inserted &&
        !move_front(file, journal->inserted, true))
        return shrink_clone(file, journal, err) && journal_remove(file, err);
    return write_text(file, &journal->before, err) && journal_remove(file, err);
}

/* What a write that failed has left is taken back; its error stays. */
static bool give_up(EditFile *file, const Journal *journal)
{
    (void)go_back(file, journal, NULL);
    return false;
}

/* Cloned, which is done then, or else inserted, which is only begun. */
static bool grow(EditFile *file, Journal *journal, Error *err)
{
    bool able;
    if (grow_clone(file, journal, &able, err)) return true;
    if (able || !journal_write(file, journal, err)) return false;
    if (move_front(file, journal->inserted, false)) return true;
    const int number = errno;
    (void)journal_remove(file, NULL);
    errno = number;
    return tell_price(file, journal, err);
}

bool in_place_header_rename(EditFile *file, const Renames *renames, Error *err)
{
    Journal journal = {.state = JOURNAL_BEGUN, .size = file->size};
    bool good = make_headers(file, renames, &journal, err) || error_prefix(err, "%s", file->path);
    if (good) {
        journal.inserted = journal.after.length - journal.before.length;
        good = journal.inserted ? grow(file, &journal, err) : journal_write(file, &journal, err);
    }
    if (good && journal.state == JOURNAL_BEGUN)
        good = (write_text(file, &journal.after, err) && journal_set(file, JOURNAL_DONE, err)) ||
               give_up(file, &journal);
    journal_done(&journal);
    return good;
}

/* Whether the file is what the journal says of it, before or after. */
static bool fits(const EditFile *file, const Journal *journal)
{
    return file->size == journal->size || file->size == journal->size + journal->inserted;
}

static bool refuse_other(const EditFile *file, Error *err)
{
    char *path = journal_path(file);
    error_set(err, ERR_FORMAT, "%s: was changed since %s was written; it is left as it is",
              file->path, path);
    free(path);
    return false;
}

/* Whether the file begins as it did after the change. */
static bool is_after(const EditFile *file, const Journal *journal)
{
    const size_t n = journal->after.length;
    char *bytes = mem_alloc(n + 1);
    const bool same = file->size == journal->size + journal->inserted &&
                      edit_read(file, 0, bytes, n, NULL) &&
                      memcmp(bytes, journal->after.bytes, n) == 0;
    free(bytes);
    return same;
}

bool in_place_header_undo(EditFile *file, bool *done, Error *err)
{
    Journal journal;
    clone_clear(file);
    bool good = journal_read(file, &journal, done, err);
    if (good && *done) {
        const bool same = journal.state == JOURNAL_DONE ? is_after(file, &journal)
                                                        : fits(file, &journal);
        good = same || refuse_other(file, err);
        good = good && journal_set(file, JOURNAL_BACK, err) && go_back(file, &journal, err);
    }
    journal_done(&journal);
    return good;
}

/* Nothing has been inserted yet: nothing has been written either. */
static bool drop(EditFile *file, Text *what, Error *err)
{
    text_addf(what, "%s: a change of its names that was interrupted had not begun", file->path);
    return journal_remove(file, err);
}

static bool complete(EditFile *file, const Journal *journal, Text *what, Error *err)
{
    text_addf(what, "%s: a change of its names that was interrupted is now complete; tenon undo "
              "takes it back", file->path);
    return write_text(file, &journal->after, err) && journal_set(file, JOURNAL_DONE, err);
}

bool in_place_header_recover(EditFile *file, Text *what, Error *err)
{
    Journal journal;
    clone_clear(file);
    bool there, good = journal_read(file, &journal, &there, err);
    if (good && there && journal.state != JOURNAL_DONE && !fits(file, &journal))
        good = refuse_other(file, err);
    else if (good && there && journal.state == JOURNAL_BACK) {
        text_addf(what, "%s: taking back a change of its names was interrupted, and is now "
                  "complete", file->path);
        good = go_back(file, &journal, err);
    } else if (good && there && journal.state == JOURNAL_BEGUN) {
        good = journal.inserted && file->size == journal.size
                   ? drop(file, what, err) : complete(file, &journal, what, err);
    }
    journal_done(&journal);
    return good;
}
