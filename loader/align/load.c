/* The walk of Module.load_state_dict, in two steps instead of one loop a module: every key of the
 * dict goes down the tree until a module does not know it, and waits there; then the modules are
 * passed in their order, and each says what it misses, what does not fit, and who waits. That
 * gives the same lists, since a key is refused by one module at most. */
#include "loader/align/load.h"

#include <stdlib.h>
#include <string.h>

#include "loader/align/load_tree.h"

/* Keys that wait at a node, as a list through the items. */
typedef struct Walk {
    Arena *arena;
    const LoadItem *items;       /* [count], borrowed */
    size_t count;
    LoadTree tree;
    NameMap names;               /* key → item */
    const Object *metadata;      /* `_metadata` of the dict; NULL = it has none */
    NameMap versions;            /* module → version, of the dict's own `_metadata` */
    uint32_t *next;              /* [count]: the next item that waits at the same node; owned */
    bool *extra;                 /* [count]: it waits as that node's own extra state; owned */
    LoadReport *report;
    size_t missing_room, unexpected_room, error_room;
} Walk;

/* ---- lists ---- */

static const char **push(const char **list, size_t *count, size_t *room, const char *text)
{
    list = mem_grow(list, room, *count + 1, sizeof *list);
    list[(*count)++] = text;
    return list;
}

static void miss(Walk *walk, const char *key)
{
    walk->report->missing = push(walk->report->missing, &walk->report->missing_count,
                                 &walk->missing_room, key);
}

static void offend(Walk *walk, const char *key)
{
    walk->report->unexpected = push(walk->report->unexpected, &walk->report->unexpected_count,
                                    &walk->unexpected_room, key);
}

/* Takes the text over. */
static void blame(Walk *walk, Text *text)
{
    walk->report->errors = push(walk->report->errors, &walk->report->error_count,
                                &walk->error_room, arena_strdup(walk->arena, text_string(text)));
    text_done(text);
}

/* ---- what PyTorch does before it compares ---- */

/* The item that is loaded under a key; NULL when there is none. */
static const LoadItem *find_item(const Walk *walk, const char *key)
{
    uint32_t index = map_get(&walk->names, key);
    return index == MAP_NONE ? NULL : &walk->items[index];
}

/* The hook of torch.nn.utils.parametrizations.weight_norm: `a.weight_g` and `a.weight_v`, where
 * both are there, become `a.parametrizations.weight.original0` and `original1`. */
static void convert_weight_norm(Walk *walk, const LoadLocal *local, bool *gone)
{
    static const char middle[] = "parametrizations.";
    const LoadNode *node = &walk->tree.nodes[local->node];
    if (strcmp(local->leaf, "original0") != 0 || node->parent == LOAD_NO_NODE) return;
    if (strcmp(walk->tree.nodes[node->parent].segment, "parametrizations") != 0) return;
    if (!load_tree_own(&walk->tree, local->node, "original1") ||
        load_tree_own(&walk->tree, local->node, "original2"))
        return;
    const size_t behind = strlen(node->segment) + 1 + strlen(local->leaf);
    const int outer = (int)(strlen(local->name) - behind - (sizeof middle - 1));
    const char *pair[2] = {
        arena_printf(walk->arena, "%.*s%s_g", outer, local->name, node->segment),
        arena_printf(walk->arena, "%.*s%s_v", outer, local->name, node->segment)};
    uint32_t found[2] = {map_get(&walk->names, pair[0]), map_get(&walk->names, pair[1])};
    if (found[0] == MAP_NONE || found[1] == MAP_NONE) return;
    const char *to[2] = {local->name, arena_printf(walk->arena, "%.*s1",
                                                   (int)strlen(local->name) - 1, local->name)};
    for (int i = 0; i < 2; i++) {
        gone[found[i]] = true;
        map_remove(&walk->names, pair[i]);
        map_set(&walk->names, to[i], found[i]);
    }
}

/* ---- the old spectral norm ---- */

/* What torch.nn.utils.spectral_norm finds of `PREFIXweight` in a dict that names no version. */
typedef enum Spectral { SPECTRAL_NEW, SPECTRAL_OLD, SPECTRAL_LACKS } Spectral;

static const char *const spectral_parts[] = {"_orig", "", "_u"};

/* "PREFIXweight" for the i-th key of what `_metadata` says of the node's spectral norms; NULL where
 * that is nothing. */
static const char *spectral_weight(const Walk *walk, uint32_t node, size_t i)
{
    const LoadNode *at = &walk->tree.nodes[node];
    if (!at->spectral || i + 1 >= at->spectral->list.count || at->own == LOAD_NO_NODE) return NULL;
    const Object *key = at->spectral->list.items[i];
    if (key->kind != OBJ_STR || !has_suffix(key->bytes.text, ".version")) return NULL;
    const LoadLocal *own = &walk->tree.locals[at->own];
    return arena_printf(walk->arena, "%.*s%.*s", (int)(own->leaf - own->name), own->name,
                        (int)(strlen(key->bytes.text) - strlen(".version")), key->bytes.text);
}

/* Whether the dict holds `weight` + `part`. */
static bool has_part(const Walk *walk, const char *weight, const char *part)
{
    return map_get(&walk->names, arena_printf(walk->arena, "%s%s", weight, part)) != MAP_NONE;
}

/* The version is that of the dict's own `_metadata`, where the module's name is the key. */
static Spectral look_at_spectral(const Walk *walk, const char *weight)
{
    const char *dot = strrchr(weight, '.');
    const char *module = arena_strndup(walk->arena, weight, dot ? (size_t)(dot - weight) : 0);
    const char *key = arena_printf(walk->arena, "%s.version", dot ? dot + 1 : weight);
    const Object *version =
        object_get(object_get(object_get(walk->metadata, module), "spectral_norm"), key);
    const bool told = version && version->kind == OBJ_INT;
    const uint32_t v = map_get(&walk->tree.names, arena_printf(walk->arena, "%s_v", weight));
    if (v != MAP_NONE && walk->tree.locals[v].given) return SPECTRAL_OLD;   /* and converted */
    if (told && version->integer >= 1) return SPECTRAL_NEW;
    if (!told && !has_part(walk, weight, "") && has_part(walk, weight, "_orig") &&
        has_part(walk, weight, "_u") && has_part(walk, weight, "_v"))
        return SPECTRAL_NEW;
    for (size_t i = 0; i < countof(spectral_parts); i++)
        if (!has_part(walk, weight, spectral_parts[i])) return SPECTRAL_LACKS;
    return SPECTRAL_OLD;
}

/* A dict of an old version holds the weight that was computed: the hook takes it out, and makes
 * the vector v of it. */
static void convert_spectral_norm(Walk *walk, uint32_t node, bool *gone)
{
    const char *weight;
    for (size_t i = 0; (weight = spectral_weight(walk, node, i)); i += 2) {
        if (look_at_spectral(walk, weight) != SPECTRAL_OLD) continue;
        gone[map_get(&walk->names, weight)] = true;
        map_remove(&walk->names, weight);
        const char *v = arena_printf(walk->arena, "%s_v", weight);
        uint32_t local = map_get(&walk->tree.names, v), item = map_get(&walk->names, v);
        if (local != MAP_NONE) walk->tree.locals[local].given = true;
        if (item != MAP_NONE && local != MAP_NONE) gone[item] = true;   /* it is set anew */
    }
}

/* The hook names what it lacks before the module itself does. */
static void miss_spectral(Walk *walk, uint32_t node)
{
    const char *weight;
    for (size_t i = 0; (weight = spectral_weight(walk, node, i)); i += 2) {
        if (look_at_spectral(walk, weight) != SPECTRAL_LACKS) continue;
        for (size_t k = 0; k < countof(spectral_parts); k++)
            if (!has_part(walk, weight, spectral_parts[k]))
                miss(walk, arena_printf(walk->arena, "%s%s", weight, spectral_parts[k]));
    }
}

/* Whether the node is a BatchNorm or InstanceNorm that counts its batches: they alone are of
 * version 2 and have that buffer; without `_metadata` the three buffers tell. */
static bool is_counting_norm(const Walk *walk, uint32_t node)
{
    if (!load_tree_own(&walk->tree, node, "num_batches_tracked")) return false;
    if (walk->tree.nodes[node].version >= 0) return walk->tree.nodes[node].version >= 2;
    return load_tree_own(&walk->tree, node, "running_mean") &&
           load_tree_own(&walk->tree, node, "running_var");
}

/* Such a module gives itself the counter when the dict was written by a version before 2, or does
 * not say by which: then it is never missing. */
static bool is_forgiven(const Walk *walk, const LoadLocal *local)
{
    if (strcmp(local->leaf, "num_batches_tracked") != 0) return false;
    if (!is_counting_norm(walk, local->node)) return false;
    size_t n = (size_t)(local->leaf - local->name);
    uint32_t version =
        map_get(&walk->versions, arena_strndup(walk->arena, local->name, n ? n - 1 : 0));
    return version == MAP_NONE || version < 2;
}

/* ---- one module ---- */

static bool is_lazy_class(const char *class)
{
    return class && (strcmp(class, LOAD_LAZY_MODULE "." LOAD_LAZY_PARAMETER) == 0 ||
                     strcmp(class, LOAD_LAZY_MODULE "." LOAD_LAZY_BUFFER) == 0);
}

/* One element for none is taken, as from before 0.4; the other way round it is not. */
static bool same_shape(const LoadItem *item, const Tensor *tensor)
{
    if (!item->dims || !tensor->dims) return true;
    if (tensor->rank == 0 && item->rank == 1 && item->dims[0] == 1) return true;
    return same_dims(item->dims, item->rank, tensor->dims, tensor->rank);
}

/* What ends the walk right there. */
static void stop(Walk *walk, const char *text)
{
    if (!walk->report->stopped) walk->report->stopped = text;
}

/* "torch.FloatTensor", as Tensor.type() calls it. */
static const char *type_name(Arena *arena, const char *place, DType dtype)
{
    const char *storage = dtype_info(dtype)->torch_storage;
    const int n = storage ? (int)(strlen(storage) - strlen("Storage")) : (int)strlen("Float");
    return arena_printf(arena, "torch.%s%.*sTensor", place, n, storage ? storage : "Float");
}

/* Why copy_() into a plain tensor raises; NULL: it does not. */
static const char *why_not_copied(Arena *arena, const LoadItem *item, DType into)
{
    switch (item->kind) {
    case LOAD_PLAIN: return NULL;
    case LOAD_META: return "Cannot copy out of meta tensor; no data!";
    case LOAD_QUANTIZED:
        return "Copying from quantized Tensor to non-quantized Tensor is not allowed, please use "
               "dequantize to get a float Tensor from a quantized Tensor";
    case LOAD_COMPRESSED:
        return "copy_sparse_compressed_ expected sparse compressed tensor layout but got Strided";
    case LOAD_SPARSE: break;
    }
    return arena_printf(arena, "copy_() between dense and sparse Tensors is not implemented! Found "
                        "self type = %s and src type = %s", type_name(arena, "", into),
                        type_name(arena, "sparse.", item->dtype));
}

/* A target that is sparse, quantized or without data itself takes others than a plain one does:
 * nothing is said of it. */
static void try_copy(Walk *walk, const LoadLocal *local, const LoadItem *item)
{
    const Tensor *tensor = local->tensor;
    const Encoding *own = tensor->encoding;
    const bool plain = !own || !(own->note || own->opaque || own->quantizer);
    const char *why = plain && (tensor->dims || !tensor->rank)
                          ? why_not_copied(walk->arena, item, tensor->dtype) : NULL;
    if (!why) return;
    Text text = {0};
    text_addf(&text, "While copying the parameter named \"%s\", whose dimensions in the model are ",
              local->name);
    load_size_text(tensor->dims, tensor->rank, &text);
    text_add(&text, " and whose dimensions in the checkpoint are ");
    load_size_text(tensor->dims, tensor->rank, &text);
    text_addf(&text, ", an exception occurred : ('%s',).", why);
    blame(walk, &text);
}

static void compare(Walk *walk, const LoadLocal *local, const LoadItem *item)
{
    Text text = {0};
    const bool lazy = is_lazy_class(item->value_class);
    if (local->lazy) {
        if (item->value_class && !lazy)      /* the hook of its module asks for a shape */
            stop(walk, arena_printf(walk->arena, "'%s' object has no attribute 'shape'",
                                    item->value_class));
    } else if (lazy) {
        stop(walk, "Can't access the shape of an uninitialized parameter or buffer. This error "
             "usually happens in `load_state_dict` when trying to load an uninitialized parameter "
             "into an initialized one. Call `forward` to initialize the parameters before "
             "accessing their attributes.");
    } else if (item->value_class) {
        text_addf(&text, "While copying the parameter named \"%s\", expected torch.Tensor or "
                  "Tensor-like object from checkpoint but received <class '%s'>", local->name,
                  item->value_class);
        blame(walk, &text);
    } else if (!same_shape(item, local->tensor)) {
        text_addf(&text, "size mismatch for %s: copying a param with shape ", local->name);
        load_size_text(item->dims, item->rank, &text);
        text_add(&text, " from checkpoint, the shape in current model is ");
        load_size_text(local->tensor->dims, local->tensor->rank, &text);
        text_add(&text, ".");
        blame(walk, &text);
    } else {
        try_copy(walk, local, item);
    }
}

static bool is_extra(const char *leaf)
{
    return strcmp(leaf, "_extra_state") == 0;
}

/* _load_from_state_dict: parameters and buffers, then the extra state, then who waits; of these an
 * extra state that the module has no use for comes first. */
static void visit(Walk *walk, uint32_t node)
{
    const LoadTree *tree = &walk->tree;
    const LoadLocal *extra = NULL;
    miss_spectral(walk, node);
    for (uint32_t i = tree->nodes[node].own; i != LOAD_NO_NODE; i = tree->locals[i].next) {
        const LoadLocal *local = &tree->locals[i];
        const LoadItem *item = find_item(walk, local->name);
        if (is_extra(local->leaf)) extra = local;
        else if (local->given) continue;
        else if (item) compare(walk, local, item);
        else if (!is_forgiven(walk, local)) miss(walk, local->name);
    }
    if (extra && !find_item(walk, extra->name)) miss(walk, extra->name);
    for (int first = 1; first >= 0; first--)
        for (uint32_t i = tree->nodes[node].offence; i != LOAD_NO_NODE; i = walk->next[i])
            if (walk->extra[i] == (first == 1)) offend(walk, walk->items[i].name);
}

/* ---- the whole ---- */

/* The module that does not know the key; LOAD_NO_NODE when all of them do; *extra says whether it
 * is the extra state of just that module. The key `fc.weight.x`
 * of a model with `fc.weight` stops at `fc`, which has no module `weight`. */
static uint32_t find_offended(Walk *walk, const char *key, bool *extra)
{
    uint32_t node = 0;
    if (map_get(&walk->tree.names, key) != MAP_NONE) return LOAD_NO_NODE;
    for (const char *at = key;;) {
        const char *dot = strchr(at, '.');
        *extra = !dot && is_extra(at);
        if (!dot) return node;
        uint32_t next = load_tree_child(&walk->tree, node, at, (size_t)(dot - at));
        if (next == LOAD_NO_NODE) return node;
        node = next;
        at = dot + 1;
    }
}

static void send_down(Walk *walk, const bool *gone)
{
    for (size_t i = 0; i < walk->count; i++) {
        walk->next[i] = LOAD_NO_NODE;
        uint32_t at = gone[i] ? LOAD_NO_NODE
                              : find_offended(walk, walk->items[i].name, &walk->extra[i]);
        if (at == LOAD_NO_NODE) continue;
        LoadNode *node = &walk->tree.nodes[at];
        if (node->offence == LOAD_NO_NODE) node->offence = (uint32_t)i;
        else walk->next[node->last_offence] = (uint32_t)i;
        node->last_offence = (uint32_t)i;
    }
}

/* A version beyond what a map holds is a version from 2 on all the same. */
static void take_versions(Walk *walk, const Object *metadata)
{
    const Object *dict = object_as_dict(metadata);
    for (size_t i = 0; dict && i + 1 < dict->list.count; i += 2) {
        const Object *key = dict->list.items[i];
        const Object *version = object_get(dict->list.items[i + 1], "version");
        if (key->kind != OBJ_STR || !version || version->kind != OBJ_INT) continue;
        map_set(&walk->versions, key->bytes.text,
                version->integer < 2 ? (uint32_t)(version->integer > 0) : 2);
    }
}

/* The first key that is no text ends it: the root asks every key for its prefix. */
static const char *find_stop(Arena *arena, const LoadItem *items, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!items[i].key_class) continue;
        if (strcmp(items[i].key_class, "bytes") == 0)
            return "startswith first arg must be bytes or a tuple of bytes, not str";
        return arena_printf(arena, "'%s' object has no attribute 'startswith'",
                            items[i].key_class);
    }
    return NULL;
}

/* The lists grew on the heap, and go to the caller's arena. */
static void hand_over(Arena *arena, const char ***list, size_t count)
{
    const char **grown = *list;
    *list = arena_copy(arena, grown ? grown : (const char *[]){NULL},
                       (count ? count : 1) * sizeof *grown);
    free(grown);
}

/* Whether `_metadata` names a spectral norm, whose hook may take out what the module has. */
static bool has_spectral(const Object *metadata)
{
    const Object *dict = object_as_dict(metadata);
    for (size_t i = 0; dict && i + 1 < dict->list.count; i += 2)
        if (object_get(dict->list.items[i + 1], "spectral_norm")) return true;
    return false;
}

/* Whether the dict has the target's names and shapes and nothing else: then there is nothing to
 * tell, and the tree need not be made. Weight norm's hook is called for names that the target
 * lacks. */
static bool is_alike(const LoadItem *items, size_t count, const LoadTarget *target)
{
    if (count != dict_count(target->dict) || target->node) return false;
    for (size_t i = 0; i < count; i++) {
        if (items[i].key_class || items[i].value_class || items[i].kind != LOAD_PLAIN) return false;
        const Tensor *tensor = dict_find(target->dict, items[i].name);
        if (!tensor || !same_shape(&items[i], tensor)) return false;
    }
    return !has_spectral(dict_torch_metadata(target->dict));
}

void load_predict(Arena *arena, const LoadItem *items, size_t count, const Object *metadata,
                  const LoadTarget *target, LoadReport *report)
{
    Walk walk = {.arena = arena, .items = items, .count = count, .report = report,
                 .metadata = metadata};
    *report = (LoadReport){0};
    if (is_alike(items, count, target)) return;
    load_tree_init(&walk.tree, arena, target->dict, target->node);
    report->inferred = walk.tree.inferred;
    report->stopped = find_stop(arena, items, count);
    map_init(&walk.names);
    map_init(&walk.versions);
    walk.next = mem_alloc((count + 1) * sizeof *walk.next);
    walk.extra = mem_alloc(count + 1);
    bool *gone = mem_alloc(count + 1);
    for (size_t i = 0; i < count; i++) map_set(&walk.names, items[i].name, (uint32_t)i);
    take_versions(&walk, metadata);
    for (size_t i = 0; i < walk.tree.local_count; i++)
        convert_weight_norm(&walk, &walk.tree.locals[i], gone);
    for (uint32_t node = 0; node < walk.tree.node_count; node++)
        convert_spectral_norm(&walk, node, gone);
    send_down(&walk, gone);
    if (!report->stopped)
        for (uint32_t node = 0; node != LOAD_NO_NODE && !report->stopped;
             node = load_tree_next(&walk.tree, node))
            visit(&walk, node);
    hand_over(arena, &report->missing, report->missing_count);
    hand_over(arena, &report->unexpected, report->unexpected_count);
    hand_over(arena, &report->errors, report->error_count);
    free(gone);
    free(walk.next);
    free(walk.extra);
    map_done(&walk.names);
    map_done(&walk.versions);
    load_tree_done(&walk.tree);
}
