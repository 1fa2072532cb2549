/* The text of a failed load as a schema: what the model wants and what the checkpoint has, as far
 * as the text says; and with the checkpoint at hand the whole of what the model wants. */
#include <stdlib.h>
#include <string.h>

#include "loader/format/failed_load.h"
#include "loader/format/fault.h"
#include "loader/format/format.h"
#include "loader/format/schema.h"

static const char format_name[] = "failed load";

/* A name with a shape, or of none that is known. */
static bool add(StateDict *dict, const char *name, const int64_t *dims, unsigned rank,
                const char *file, Error *err)
{
    SchemaTensor tensor = {.name = name, .dtype = DT_UNKNOWN, .has_shape = dims != NULL,
                           .rank = dims ? rank : 0, .unit = "the text of a failed load"};
    if (dims) memcpy(tensor.dims, dims, rank * sizeof *dims);
    if (dict_find(dict, name)) return true;      /* told as missing and as of another size */
    return schema_add(dict, &tensor, file, err);
}

/* PyTorch's BatchNorm counts in a scalar, whatever the model. */
static bool add_missing(StateDict *dict, const char *name, const char *file, Error *err)
{
    static const int64_t scalar[1] = {0};
    bool counter = has_suffix(name, "num_batches_tracked");
    return add(dict, name, counter ? scalar : NULL, 0, file, err);
}

static bool fill_dicts(const FailedLoad *load, StateDict *wanted, StateDict *there,
                       const char *file, Error *err)
{
    for (size_t i = 0; i < load->size_count; i++) {
        const LoadSize *size = &load->sizes[i];
        if (!add(wanted, size->name, size->to, size->to_rank, file, err) ||
            !add(there, size->name, size->from, size->from_rank, file, err))
            return false;
    }
    for (size_t i = 0; i < load->missing.count; i++)
        if (!add_missing(wanted, load->missing.names[i], file, err)) return false;
    for (size_t i = 0; i < load->unexpected.count; i++)
        if (!add(there, load->unexpected.names[i], NULL, 0, file, err)) return false;
    return true;
}

/* What the limits left out. */
static void find_limits(const FailedLoad *load, Checkpoint *checkpoint)
{
    char more[LIMIT_TEXT];
    if (load->full)
        checkpoint_find(checkpoint, FINDING_WARNING, "cut", NULL, "raise the limit",
                        "the text names tensors, %s: the rest was left out",
                        limit_text(LIMIT_TENSORS, more));
    if (load->wide)
        checkpoint_find(checkpoint, FINDING_WARNING, "cut", NULL, "raise the limit",
                        "names in braces stand for bytes of names, %s: some are taken as they are",
                        limit_text(LIMIT_FOLDED_BYTES, more));
}

Checkpoint *failed_load_checkpoint(const FailedLoad *load, const char *path, Error *err)
{
    StateDict *wanted = dict_new(), *there = dict_new();
    Checkpoint *checkpoint = NULL;
    if (fill_dicts(load, wanted, there, path, err)) {
        checkpoint = checkpoint_new(path, format_name);
        checkpoint_add_container(checkpoint, "", dict_ref(wanted), 0, false);
        checkpoint_add_container(checkpoint, "source", dict_ref(there), 0, false);
        if (load->cut)
            checkpoint_find(checkpoint, FINDING_WARNING, "cut", NULL,
                            "take the whole message", "the text leaves keys out");
        find_limits(load, checkpoint);
    }
    dict_unref(wanted);
    dict_unref(there);
    return checkpoint;
}

bool failed_load_is(const Checkpoint *checkpoint)
{
    return strcmp(checkpoint_format(checkpoint), format_name) == 0;
}

static const StateDict *dict_of(const Checkpoint *load, const char *path)
{
    const Container *container = checkpoint_find_container(load, path);
    return container ? container->dict : NULL;
}

/* ---- with the checkpoint ---- */

enum { SAMPLE = 512, SEGMENTS = 8 };     /* names that are looked up; beginnings that are tried */

/* How many of the first names the text says were there are in a dict. */
static size_t count_hits(const StateDict *there, const StateDict *dict)
{
    size_t hits = 0, n = dict_count(there);
    for (size_t i = 0; i < n && i < SAMPLE; i++)
        hits += dict_find(dict, dict_at(there, i)->name) != NULL;
    return hits;
}

const Container *failed_load_container(const Checkpoint *load, const Checkpoint *source)
{
    const StateDict *there = dict_of(load, "source");
    const Container *best = NULL;
    size_t most = 0;
    for (size_t i = 0; i < checkpoint_container_count(source); i++) {
        const Container *one = checkpoint_container(source, i);
        size_t hits = one->parts || one->optimizer ? 0 : count_hits(there, one->dict);
        if (hits > most) {
            most = hits;
            best = one;
        }
    }
    return best;
}

/* Where the name goes on behind its first k segments; NULL when it has no more. */
static const char *skip_segments(const char *name, size_t k)
{
    for (; k; k--) {
        name = strchr(name, '.');
        if (!name || !*++name) return NULL;
    }
    return name;
}

/* How the loading code changed the names before it loaded them: it took `off` away in front, or put
 * `on` there. Both "" where names are as in the file. */
typedef struct Change {
    const char *off, *on;        /* in the arena */
} Change;

/* The beginning that, taken off, makes the most names of the dict ones of the text. Each key votes
 * for its shortest beginning that does. */
static Change find_taken_off(Arena *arena, const StateDict *there, const StateDict *source)
{
    Change change = {"", ""};
    NameMap votes;
    map_init(&votes);
    size_t best = 0;
    for (size_t i = 0; i < dict_count(source); i++) {
        const char *name = dict_at(source, i)->name;
        for (size_t k = 1; k <= SEGMENTS; k++) {
            const char *rest = skip_segments(name, k);
            if (!rest) break;
            if (!dict_find(there, rest)) continue;
            const char *off = arena_strndup(arena, name, (size_t)(rest - name));
            uint32_t count = map_get(&votes, off);
            count = count == MAP_NONE ? 1 : count + 1;
            map_set(&votes, off, count);
            if (count > best) {
                best = count;
                change.off = off;
            }
            break;
        }
    }
    map_done(&votes);
    return change;
}

/* The beginning that the text's names have and the dict's have not. */
static Change find_put_on(Arena *arena, const StateDict *there, const StateDict *source)
{
    Change change = {"", ""};
    for (size_t i = 0; i < dict_count(there) && i < SAMPLE; i++) {
        const char *name = dict_at(there, i)->name;
        for (size_t k = 1; k <= SEGMENTS; k++) {
            const char *rest = skip_segments(name, k);
            if (!rest) break;
            if (!dict_find(source, rest)) continue;
            change.on = arena_strndup(arena, name, (size_t)(rest - name));
            return change;
        }
    }
    return change;
}

static Change find_change(Arena *arena, const StateDict *there, const StateDict *source)
{
    Change change = {"", ""};
    if (!dict_count(there) || count_hits(there, source)) return change;
    change = find_taken_off(arena, there, source);
    return *change.off ? change : find_put_on(arena, there, source);
}

/* The name that was loaded, in the arena; NULL for a key that the code left out. */
static const char *changed_name(Arena *arena, const Change *change, const char *name)
{
    if (*change->off)
        return has_prefix(name, change->off) ? name + strlen(change->off) : NULL;
    return *change->on ? arena_printf(arena, "%s%s", change->on, name) : name;
}

/* What is neither unexpected nor of two shapes was loaded: the model has it as the file does. What
 * has two shapes stands in both of the text's dicts. */
StateDict *failed_load_target(const Checkpoint *load, StateDict *source)
{
    const StateDict *wanted = dict_of(load, ""), *there = dict_of(load, "source");
    StateDict *target = dict_new();
    Arena *arena = dict_arena(target);
    Change change = find_change(arena, there, source);
    bool known = !dict_count(there) || count_hits(there, source) || *change.off || *change.on;
    dict_own(target, dict_ref(source), (void (*)(void *))dict_unref);
    for (size_t i = 0; known && i < dict_count(source); i++) {
        const Tensor *tensor = dict_at(source, i);
        const char *name = changed_name(arena, &change, tensor->name);
        const Tensor *other = name ? dict_find(wanted, name) : NULL;
        if (!name || (!other && dict_find(there, name))) continue;
        Tensor made = {.name = name, .dtype = tensor->dtype, .dims = tensor->dims,
                       .rank = tensor->rank};
        if (other) made.dims = other->dims, made.rank = other->rank;
        dict_add(target, &made);
    }
    for (size_t i = 0; i < dict_count(wanted); i++) {
        const Tensor *tensor = dict_at(wanted, i);
        Tensor made = *tensor;
        made.name = arena_strdup(arena, tensor->name);
        if (tensor->dims)
            made.dims = arena_copy(arena, tensor->dims, tensor->rank * sizeof *tensor->dims);
        dict_add(target, &made);         /* refused where the file's key made it already */
    }
    return target;
}

/* ---- the format ---- */

static Checkpoint *open_failed_load(OpenContext *context, ByteSource *source, Error *err)
{
    size_t n;
    char *text = source_slurp_limited(source, LIMIT_INDEX_BYTES, &n, err);
    if (!text) return NULL;
    FailedLoad *load = failed_load_read(text, n);
    Checkpoint *checkpoint = NULL;
    free(text);
    if (failed_load_count(load)) {
        checkpoint = failed_load_checkpoint(load, context->path, err);
    } else {
        const Trouble *trouble = load->trouble_count ? load->troubles[0].trouble : NULL;
        fault_file(err, ERR_FORMAT, source->name,
                   "the text of a failed load that names no key%s%s; tenon explain reads it",
                   trouble ? ": " : "", trouble ? trouble->what : "");
    }
    failed_load_free(load);
    return checkpoint;
}

/* A traceback may be long, and its message stands at its end. */
static Sniff sniff_failed_load(ByteSource *source, const unsigned char *head, size_t n)
{
    enum { LOOKED_AT = 1 << 20 };
    if (memchr(head, '\0', n)) return SNIFF_NO;
    if (failed_load_tells((const char *)head, n)) return SNIFF_YES;
    if (source->size <= n) return SNIFF_NO;
    bool traceback = memmem(head, n, "Traceback (most recent call last)", 33) != NULL;
    size_t size = source->size < LOOKED_AT ? (size_t)source->size : LOOKED_AT;
    char *text = traceback ? mem_alloc(size) : NULL;
    bool tells = text && source_read(source, 0, text, size, NULL) && failed_load_tells(text, size);
    free(text);
    return tells ? SNIFF_YES : SNIFF_NO;
}

const Format format_failed_load = {format_name, "the text of a failed load", sniff_failed_load,
                                   open_failed_load};
