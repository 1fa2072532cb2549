/* Checkpoints: what a format's reader puts together, and which part of it holds the weights. The
 * choice goes by names first, then by size; whether others would do as well is counted, so that
 * a listing can go on while a writer asks. */
#include "loader/tensor/checkpoint.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "loader/core/limits.h"

/* Something that lives as long as the checkpoint: a source, a shard's checkpoint. */
typedef struct Owned {
    void *owner;
    void (*release)(void *owner);
} Owned;

/* Something to run when the whole file is to be checked. */
typedef struct Check {
    CheckpointCheck *run;
    void *context;               /* borrowed */
} Check;

struct Checkpoint {
    atomic_uint refs;            /* holders; the last one frees */
    Arena *arena;                /* objects, names, findings; owned */
    const char *path, *format;   /* in the arena */
    const char *const *specs;    /* [spec_count] in the arena: the files that it was opened by */
    size_t spec_count;
    Object *root;                /* in the arena; NULL: the format has no tree */
    uint64_t file_bytes;         /* on disk, of all files together */
    CheckpointFile *files;       /* owned; names in the arena */
    size_t file_count, file_room;
    uint32_t *storage_files;     /* [storage_room] number of a storage → 1 + its file's, 0: none */
    size_t storage_room;
    Container *containers;       /* owned, in the order of the file */
    size_t container_count, container_room;
    bool too_many_containers, too_many_tensors;      /* what was let go */
    Finding *findings;           /* owned; strings in the arena */
    size_t finding_count, finding_room;
    Check *checks;               /* owned; emptied by running them */
    size_t check_count, check_room;
    bool wants_crc;              /* one of them does */
    ByteSource *opened;          /* checkpoint_opened; a reference, or NULL */
    Owned *owned;                /* released last, newest first */
    size_t owned_count, owned_room;
};

/* Where weights lie in files of one dict, in the order in which to look: the keys that training
 * code of the field uses (Lightning, timm, YOLO, BasicSR, DINO, GANs …). The first ones mean
 * "the weights" to everybody; the later ones may be one part of several. */
static const char *const usual_names[] = {
    "state_dict", "model", "module", "model_state_dict", "model_state", "net", "network",
    "params_ema", "params", "ema", "ema_state_dict", "teacher", "student", "generator", "weights",
    "backbone", "encoder"};
enum { CERTAIN_NAMES = 7 };      /* the first so many */

/* The caller has the only reference; everything else starts empty and is added by the reader. */
Checkpoint *checkpoint_new(const char *path, const char *format)
{
    Checkpoint *checkpoint = mem_alloc(sizeof *checkpoint);
    atomic_init(&checkpoint->refs, 1);
    checkpoint->arena = arena_new();
    checkpoint->path = arena_strdup(checkpoint->arena, path);
    checkpoint->format = arena_strdup(checkpoint->arena, format);
    return checkpoint;
}

Checkpoint *checkpoint_ref(Checkpoint *checkpoint)
{
    atomic_fetch_add(&checkpoint->refs, 1);
    return checkpoint;
}

/* Dicts first: their storages borrow from sources that are released after them. */
void checkpoint_unref(Checkpoint *checkpoint)
{
    if (!checkpoint || atomic_fetch_sub(&checkpoint->refs, 1) != 1) return;
    for (size_t i = 0; i < checkpoint->container_count; i++)
        dict_unref(checkpoint->containers[i].dict);
    while (checkpoint->owned_count) {
        const Owned *last = &checkpoint->owned[--checkpoint->owned_count];
        last->release(last->owner);
    }
    free(checkpoint->files);
    free(checkpoint->storage_files);
    free(checkpoint->containers);
    free(checkpoint->findings);
    free(checkpoint->checks);
    free(checkpoint->owned);
    arena_free(checkpoint->arena);
    free(checkpoint);
}

Arena *checkpoint_arena(Checkpoint *checkpoint)
{
    return checkpoint->arena;
}

const char *checkpoint_path(const Checkpoint *checkpoint)
{
    return checkpoint->path;
}

const char *checkpoint_format(const Checkpoint *checkpoint)
{
    return checkpoint->format;
}

const Object *checkpoint_root(const Checkpoint *checkpoint)
{
    return checkpoint->root;
}

void checkpoint_set_root(Checkpoint *checkpoint, Object *root)
{
    checkpoint->root = root;
}

void checkpoint_set_specs(Checkpoint *checkpoint, const char *const *specs, size_t n)
{
    const char **copies = arena_alloc(checkpoint->arena, (n + 1) * sizeof *copies);
    for (size_t i = 0; i < n; i++) copies[i] = arena_strdup(checkpoint->arena, specs[i]);
    checkpoint->specs = copies;
    checkpoint->spec_count = n;
}

const char *const *checkpoint_specs(const Checkpoint *checkpoint, size_t *n)
{
    *n = checkpoint->spec_count;
    return checkpoint->specs;
}

uint64_t checkpoint_file_bytes(const Checkpoint *checkpoint)
{
    return checkpoint->file_bytes;
}

uint32_t checkpoint_add_file(Checkpoint *checkpoint, const char *name, uint64_t bytes)
{
    checkpoint->files = mem_grow(checkpoint->files, &checkpoint->file_room,
                                 checkpoint->file_count + 1, sizeof *checkpoint->files);
    checkpoint->files[checkpoint->file_count] =
        (CheckpointFile){arena_strdup(checkpoint->arena, name), bytes};
    return (uint32_t)checkpoint->file_count++;
}

/* Numbers of storages are dense: as many as there are storages. */
void checkpoint_set_storage_file(Checkpoint *checkpoint, uint32_t storage, uint32_t file)
{
    size_t had = checkpoint->storage_room;
    if (storage >= had) {
        checkpoint->storage_files = mem_grow(checkpoint->storage_files, &checkpoint->storage_room,
                                             (size_t)storage + 1, sizeof(uint32_t));
        memset(checkpoint->storage_files + had, 0,
               (checkpoint->storage_room - had) * sizeof(uint32_t));
    }
    checkpoint->storage_files[storage] = file + 1;
}

size_t checkpoint_file_count(const Checkpoint *checkpoint)
{
    return checkpoint->file_count;
}

const CheckpointFile *checkpoint_file(const Checkpoint *checkpoint, size_t index)
{
    return &checkpoint->files[index];
}

const CheckpointFile *checkpoint_file_of(const Checkpoint *checkpoint, const Tensor *tensor)
{
    if (!tensor->storage || tensor->storage->index >= checkpoint->storage_room) return NULL;
    uint32_t file = checkpoint->storage_files[tensor->storage->index];
    return file ? &checkpoint->files[file - 1] : NULL;
}

void checkpoint_set_file_bytes(Checkpoint *checkpoint, uint64_t bytes)
{
    checkpoint->file_bytes = bytes;
}

Checkpoint *checkpoint_of_file(const char *path, const char *format, ByteSource *source)
{
    Checkpoint *checkpoint = checkpoint_new(path, format);
    checkpoint_own_source(checkpoint, source_ref(source));
    checkpoint_set_file_bytes(checkpoint, source->size);
    return checkpoint;
}

ByteSource *checkpoint_opened(const Checkpoint *checkpoint)
{
    return checkpoint->opened;
}

void checkpoint_set_opened(Checkpoint *checkpoint, ByteSource *source)
{
    checkpoint_own_source(checkpoint, checkpoint->opened = source_ref(source));
}

/* Released newest first: what came later may borrow from what was there. */
void checkpoint_own(Checkpoint *checkpoint, void *owner, void (*release)(void *owner))
{
    checkpoint->owned = mem_grow(checkpoint->owned, &checkpoint->owned_room,
                                 checkpoint->owned_count + 1, sizeof *checkpoint->owned);
    checkpoint->owned[checkpoint->owned_count++] = (Owned){owner, release};
}

/* For checkpoint_own, which knows no types. */
static void release_source(void *source)
{
    source_unref(source);
}

void checkpoint_own_source(Checkpoint *checkpoint, ByteSource *source)
{
    checkpoint_own(checkpoint, source, release_source);
}

void checkpoint_find(Checkpoint *checkpoint, FindingLevel level, const char *kind,
                     const char *tensor, const char *remedy, const char *format, ...)
{
    Text line = {0};
    va_list args;
    va_start(args, format);
    text_addv(&line, format, args);
    va_end(args);
    checkpoint->findings = mem_grow(checkpoint->findings, &checkpoint->finding_room,
                                    checkpoint->finding_count + 1, sizeof *checkpoint->findings);
    checkpoint->findings[checkpoint->finding_count++] =
        (Finding){level, kind, tensor ? arena_strdup(checkpoint->arena, tensor) : NULL,
                  arena_strdup(checkpoint->arena, text_string(&line)),
                  remedy ? arena_strdup(checkpoint->arena, remedy) : NULL};
    text_done(&line);
}

bool checkpoint_has_finding(const Checkpoint *checkpoint, const char *kind, const char *tensor)
{
    for (size_t i = 0; i < checkpoint->finding_count; i++) {
        const Finding *one = &checkpoint->findings[i];
        bool same = tensor ? one->tensor && strcmp(one->tensor, tensor) == 0 : !one->tensor;
        if (same && strcmp(one->kind, kind) == 0) return true;
    }
    return false;
}

size_t checkpoint_finding_count(const Checkpoint *checkpoint)
{
    return checkpoint->finding_count;
}

const Finding *checkpoint_finding(const Checkpoint *checkpoint, size_t index)
{
    return &checkpoint->findings[index];
}

void checkpoint_add_check(Checkpoint *checkpoint, CheckpointCheck *check, void *context)
{
    checkpoint->checks = mem_grow(checkpoint->checks, &checkpoint->check_room,
                                  checkpoint->check_count + 1, sizeof *checkpoint->checks);
    checkpoint->checks[checkpoint->check_count++] = (Check){check, context};
}

void checkpoint_want_crc(Checkpoint *checkpoint)
{
    checkpoint->wants_crc = true;
}

bool checkpoint_wants_crc(const Checkpoint *checkpoint)
{
    return checkpoint->wants_crc;
}

/* Taken off before they run, so that a check that fails is not run again. */
bool checkpoint_run_checks(Checkpoint *checkpoint, const struct CheckRun *run, Error *err)
{
    Check *checks = checkpoint->checks;
    size_t count = checkpoint->check_count;
    bool fine = true;
    checkpoint->checks = NULL;
    checkpoint->check_count = checkpoint->check_room = 0;
    for (size_t i = 0; fine && i < count; i++)
        fine = checks[i].run(checkpoint, checks[i].context, run, err);
    free(checks);
    return fine;
}

/* The inner file of checkpoint_add_inner_checks; in the outer checkpoint's arena. */
typedef struct InnerChecks {
    Checkpoint *inner;           /* borrowed */
    const char *name;            /* held name */
} InnerChecks;

static bool run_inner(Checkpoint *outer, void *context, const struct CheckRun *run, Error *err)
{
    const InnerChecks *checks = context;
    size_t before = checks->inner->finding_count;
    Text name = {0};
    name_show(checks->name, &name);
    bool fine = checkpoint_run_checks(checks->inner, run, err);
    for (size_t i = before; i < checks->inner->finding_count; i++) {
        const Finding *one = &checks->inner->findings[i];
        checkpoint_find(outer, one->level, one->kind, one->tensor, one->remedy, "%s: %s",
                        text_string(&name), one->what);
    }
    text_done(&name);
    return fine;
}

void checkpoint_add_inner_checks(Checkpoint *outer, Checkpoint *inner, const char *name)
{
    if (!inner->check_count) return;
    if (inner->wants_crc) outer->wants_crc = true;
    const InnerChecks checks = {inner, arena_strdup(outer->arena, name)};
    checkpoint_add_check(outer, run_inner, arena_copy(outer->arena, &checks, sizeof checks));
}

/* Whether it may be added; marks the checkpoint if not. */
static bool has_room(Checkpoint *checkpoint, const StateDict *dict)
{
    bool many = checkpoint->container_count >= limit(LIMIT_CONTAINERS);
    bool large = dict_count(dict) > limit(LIMIT_TENSORS);
    if (many) checkpoint->too_many_containers = true;
    if (large) checkpoint->too_many_tensors = true;
    return !many && !large;
}

/* A mark instead of an error: of some thirty readers only three add more than a few, and whoever
 * opens the file asks for the mark. False: let go. */
static bool add_container(Checkpoint *checkpoint, const char *path, StateDict *dict,
                          size_t others, bool optimizer)
{
    if (!has_room(checkpoint, dict)) {
        dict_unref(dict);
        return false;
    }
    checkpoint->containers =
        mem_grow(checkpoint->containers, &checkpoint->container_room,
                 checkpoint->container_count + 1, sizeof *checkpoint->containers);
    checkpoint->containers[checkpoint->container_count++] =
        (Container){.path = arena_strdup(checkpoint->arena, path), .dict = dict,
                    .others = others, .optimizer = optimizer};
    return true;
}

void checkpoint_add_container(Checkpoint *checkpoint, const char *path, StateDict *dict,
                              size_t others, bool optimizer)
{
    add_container(checkpoint, path, dict, others, optimizer);
}

bool checkpoint_check_limits(const Checkpoint *checkpoint, Error *err)
{
    char more[LIMIT_TEXT];
    if (checkpoint->too_many_containers)
        return error_set(err, ERR_LIMIT, "dicts of tensors, %s",
                         limit_text(LIMIT_CONTAINERS, more));
    if (checkpoint->too_many_tensors)
        return error_set(err, ERR_LIMIT, "tensors, %s", limit_text(LIMIT_TENSORS, more));
    return true;
}

void checkpoint_set_container_node(Checkpoint *checkpoint, const Object *node)
{
    checkpoint->containers[checkpoint->container_count - 1].node = node;
}

void checkpoint_add_parts(Checkpoint *checkpoint, const char *path, StateDict *dict)
{
    if (add_container(checkpoint, path, dict, 0, false))
        checkpoint->containers[checkpoint->container_count - 1].parts = true;
}

static void release_checkpoint(void *checkpoint)
{
    checkpoint_unref(checkpoint);
}

void checkpoint_keep(Checkpoint *checkpoint, Checkpoint *inner, const char *path)
{
    enum { PATH_SHOWN = 160 };   /* a name of a file may have 64 KiB, and there may be many */
    Text shown = {0};
    show_short(path, PATH_SHOWN, &shown);
    for (size_t i = 0; i < inner->finding_count; i++) {
        const Finding *one = &inner->findings[i];
        checkpoint_find(checkpoint, one->level, one->kind, one->tensor, one->remedy, "%s%s%s",
                        text_string(&shown), *path ? ": " : "", one->what);
    }
    text_done(&shown);
    checkpoint_own(checkpoint, inner, release_checkpoint);
}

/* Dicts are shared, not copied: their tensors keep the storages, which the inner checkpoint owns. A
 * file without tensors is offered only where nothing else can be. */
void checkpoint_adopt(Checkpoint *checkpoint, Checkpoint *inner, const char *path)
{
    Text name = {0};
    for (size_t i = 0; i < inner->container_count; i++) {
        const Container *one = &inner->containers[i];
        if (*path && !dict_count(one->dict)) continue;
        text_clear(&name);
        text_addf(&name, "%s%s%s", path, *path && *one->path ? "::" : "", one->path);
        if (add_container(checkpoint, text_string(&name), dict_ref(one->dict), one->others,
                          one->optimizer))
            checkpoint->containers[checkpoint->container_count - 1].parts = one->parts;
    }
    text_done(&name);
    checkpoint_keep(checkpoint, inner, path);
}

size_t checkpoint_container_count(const Checkpoint *checkpoint)
{
    return checkpoint->container_count;
}

const Container *checkpoint_container(const Checkpoint *checkpoint, size_t index)
{
    return &checkpoint->containers[index];
}

/* Linear: there are as many containers as a file has dicts of tensors, mostly a handful. */
const Container *checkpoint_find_container(const Checkpoint *checkpoint, const char *path)
{
    for (size_t i = 0; i < checkpoint->container_count; i++)
        if (strcmp(checkpoint->containers[i].path, path) == 0) return &checkpoint->containers[i];
    return NULL;
}

const Container *checkpoint_find_parts(const Checkpoint *checkpoint, const Tensor *tensor)
{
    for (size_t i = 0; tensor->identity && i < checkpoint->container_count; i++) {
        const Container *one = &checkpoint->containers[i];
        if (one->parts && one->node == tensor->identity) return one;
    }
    return NULL;
}

/* -- Which container holds the weights ------------------------------------------------- */

/* Whether `outer` is a place above `inner` in the object tree: a prefix of its path that ends
 * with a step of it ("model" is above "model.x", "model[0]" and "model::x", not "model_ema"). */
static bool is_above(const char *outer, const char *inner)
{
    size_t n = strlen(outer);
    if (strncmp(outer, inner, n) != 0 || inner[n] == '\0') return false;
    return n == 0 || inner[n] == '.' || inner[n] == '[' || inner[n] == ':';
}

/* A container that was joined from the dicts below it repeats their tensors under longer names: its
 * first tensor is the first one of one of them. */
static bool is_joined(const Checkpoint *checkpoint, const Container *outer)
{
    const Tensor *first = dict_count(outer->dict) ? dict_at(outer->dict, 0) : NULL;
    if (!first || !first->identity) return false;
    for (size_t i = 0; i < checkpoint->container_count; i++) {
        const Container *inner = &checkpoint->containers[i];
        if (inner->parts || !is_above(outer->path, inner->path) || !dict_count(inner->dict))
            continue;
        const Tensor *one = dict_at(inner->dict, 0);
        if (one->identity == first->identity && strcmp(one->name, first->name) != 0) return true;
    }
    return false;
}

/* The same names with the same shapes, in any order: two copies of one model. */
static bool same_tensors(const StateDict *a, const StateDict *b)
{
    if (dict_count(a) != dict_count(b)) return false;
    for (size_t i = 0; i < dict_count(a); i++) {
        const Tensor *x = dict_at(a, i), *y = dict_find(b, x->name);
        if (!y || !same_dims(x->dims, x->rank, y->dims, y->rank)) return false;
    }
    return true;
}

/* The larger set of tensors: by count, then by bytes. */
static bool is_larger(const Container *a, const Container *b)
{
    size_t x = dict_count(a->dict), y = dict_count(b->dict);
    return x != y ? x > y : dict_bytes(a->dict) > dict_bytes(b->dict);
}

/* The container of the first usual name, or the first one below it (a whole model that was
 * pickled under "model"). *certain says whether that name means the weights to everybody. */
static const Container *find_usual(const Checkpoint *checkpoint, bool *certain)
{
    for (size_t i = 0; i < countof(usual_names); i++) {
        const Container *found = checkpoint_find_container(checkpoint, usual_names[i]);
        for (size_t j = 0; !found && j < checkpoint->container_count; j++) {
            const Container *inner = &checkpoint->containers[j];
            if (!inner->optimizer && !inner->parts && is_above(usual_names[i], inner->path))
                found = inner;
        }
        if (!found || found->optimizer || found->parts) continue;
        *certain = i < CERTAIN_NAMES;
        return found;
    }
    return NULL;
}

/* The largest one that is (or is not) optimizer state; of equals the first. */
static const Container *find_largest(const Checkpoint *checkpoint, bool optimizer)
{
    const Container *best = NULL;
    for (size_t i = 0; i < checkpoint->container_count; i++) {
        const Container *one = &checkpoint->containers[i];
        if (one->optimizer == optimizer && !one->parts && (!best || is_larger(one, best)))
            best = one;
    }
    return best;
}

/* Equals in names and shapes always rival each other (model and ema); where the name of the
 * chosen one is no certain sign, a part of similar size does as well (encoder and decoder). */
static size_t count_rivals(const Checkpoint *checkpoint, const Container *chosen, bool certain)
{
    size_t rivals = 0;
    for (size_t i = 0; i < checkpoint->container_count; i++) {
        const Container *one = &checkpoint->containers[i];
        if (one == chosen || one->optimizer || one->parts || is_above(one->path, chosen->path) ||
            is_above(chosen->path, one->path))
            continue;
        bool similar = !certain && dict_count(one->dict) * 2 >= dict_count(chosen->dict);
        if (similar || same_tensors(one->dict, chosen->dict)) rivals++;
    }
    return rivals;
}

void checkpoint_show_root(const Checkpoint *checkpoint, Text *out)
{
    enum { SHOWN = 8 };
    const Object *root = checkpoint->root, *dict = object_as_dict(root);
    if (!dict) {
        if (root) object_show(root, out);
        return;
    }
    size_t count = dict->list.count / 2;
    for (size_t i = 0; i < count && i < SHOWN; i++) {
        const Object *key = dict->list.items[2 * i];
        if (i) text_add(out, ", ");
        if (key->kind == OBJ_STR) name_show(key->bytes.text, out);
        else object_show(key, out);
        text_add(out, " = ");
        object_show(dict->list.items[2 * i + 1], out);
    }
    if (count > SHOWN) text_addf(out, " and %zu more", count - SHOWN);
}

void checkpoint_show_empty(const Checkpoint *checkpoint, Text *out)
{
    Text there = {0};
    checkpoint_show_root(checkpoint, &there);
    text_addf(out, "there are no tensors in it%s%s", there.length ? "; it holds " : "",
              text_string(&there));
    text_done(&there);
}

/* Sets the error, with what the file holds instead, and what was not looked at; always NULL. */
static const Container *refuse_empty(const Checkpoint *checkpoint, Error *err)
{
    Text what = {0};
    checkpoint_show_empty(checkpoint, &what);
    for (size_t i = 0; i < checkpoint->finding_count; i++)
        if (strcmp(checkpoint->findings[i].kind, "depth") == 0)
            text_addf(&what, "; %s", checkpoint->findings[i].what);
    error_set(err, ERR_NOT_FOUND, "%s: %s", checkpoint->path, text_string(&what));
    text_done(&what);
    return NULL;
}

/* The root is taken only when it holds tensors and nothing else: a training checkpoint often has
 * a lone tensor ("step") beside its state dict. */
const Container *checkpoint_choose(const Checkpoint *checkpoint, size_t *rivals, Error *err)
{
    bool certain = true;
    const Container *chosen = checkpoint_find_container(checkpoint, "");
    if (chosen && (!dict_count(chosen->dict) || chosen->others || chosen->parts ||
                   chosen->optimizer || is_joined(checkpoint, chosen)))
        chosen = NULL;
    if (!chosen) chosen = find_usual(checkpoint, &certain);
    if (!chosen) {
        chosen = find_largest(checkpoint, false);
        certain = false;
    }
    if (!chosen || !dict_count(chosen->dict)) {             /* a file of optimizer state alone */
        const Container *state = find_largest(checkpoint, true);
        if (state) chosen = state;
    }
    if (!chosen) return refuse_empty(checkpoint, err);
    if (rivals) *rivals = dict_count(chosen->dict) ? count_rivals(checkpoint, chosen, certain) : 0;
    return chosen;
}

const Container *checkpoint_choose_weights(const Checkpoint *checkpoint, size_t *rivals, Error *err)
{
    const Container *chosen = checkpoint_choose(checkpoint, rivals, err);
    return chosen && !dict_count(chosen->dict) ? refuse_empty(checkpoint, err) : chosen;
}
