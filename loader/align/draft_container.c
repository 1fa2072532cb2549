/* Where a Draft's keys come from: FILE::PATH, unwrap, or the automatic choice. */
#include <stdlib.h>
#include <string.h>

#include "loader/align/draft_parts.h"
#include "loader/format/graph.h"
#include "loader/align/rule_lex.h"

/* Of what a file holds, in errors. */
enum { ITEMS_LISTED = 12 };

/* Whether the container at `inner` lies at or below `outer`. At or below `model` lie `model`,
 * `model.ema` and `model[0]`, but not `model2`; everything lies below "". */
static bool is_below(const char *outer, const char *inner)
{
    size_t n = strlen(outer);
    if (strncmp(outer, inner, n) != 0) return false;
    return !n || !inner[n] || inner[n] == '.' || inner[n] == '[';
}

/* How many dicts of tensors lie at or below a path; *one is the last of them. Optimizer states
 * are passed over: they hold tensors, but no weights. */
static size_t count_below(const Draft *draft, const char *path, const Container **one)
{
    size_t count = 0;
    for (size_t i = 0; i < checkpoint_container_count(draft->source); i++) {
        const Container *container = checkpoint_container(draft->source, i);
        if (container->optimizer || !is_below(path, container->path)) continue;
        *one = container;
        count++;
    }
    return count;
}

/* "epoch, model (320 tensors)": what lies in the dict at `path`, for errors. */
static const char *list_there(Draft *draft, const char *path)
{
    const Object *dict = object_as_dict(path_find(checkpoint_root(draft->source), path));
    Text out = {0};
    size_t count = dict ? dict->list.count / 2 : 0;
    for (size_t i = 0; i < count && i < ITEMS_LISTED; i++) {
        const Object *key = dict->list.items[2 * i];
        if (i) text_add(&out, ", ");
        if (key->kind == OBJ_STR) show_short(key->bytes.text, 60, &out);
        else object_show(key, &out);
        text_add(&out, " = ");
        object_show(dict->list.items[2 * i + 1], &out);
    }
    if (count > ITEMS_LISTED) text_addf(&out, " and %zu more", count - ITEMS_LISTED);
    if (!count) text_add(&out, dict ? "nothing" : "no dict");
    return text_keep(&out, draft->arena);
}

/* Of formats without objects (GGUF, safetensors, Keras, Flax): what the file says of itself, under
 * its whole key. */
static const Object *find_metadata(const Draft *draft, const char *key)
{
    const Object *found = NULL;
    for (size_t i = 0; !found && i < checkpoint_container_count(draft->source); i++)
        found = dict_metadata_find_object(checkpoint_container(draft->source, i)->dict, key);
    return found;
}

/* Metadata have no path, but the keys of one dict. */
static const StateDict *metadata_dict(const Draft *draft)
{
    for (size_t i = 0; i < checkpoint_container_count(draft->source); i++) {
        const StateDict *dict = checkpoint_container(draft->source, i)->dict;
        if (dict_metadata_count(dict)) return dict;
    }
    return NULL;
}

/* "general.architecture = str "llama", …": the same for metadata. */
static const char *list_metadata(Draft *draft, const StateDict *dict)
{
    Text out = {0};
    for (size_t i = 0; i < dict_metadata_count(dict) && i < ITEMS_LISTED; i++) {
        if (i) text_add(&out, ", ");
        show_short(dict_metadata(dict, i).key, 60, &out);
        text_add(&out, " = ");
        object_show(dict_metadata_object(dict, i), &out);
    }
    if (dict_metadata_count(dict) > ITEMS_LISTED)
        text_addf(&out, " and %zu more", dict_metadata_count(dict) - ITEMS_LISTED);
    return text_keep(&out, draft->arena);
}

bool draft_has_tree(const Draft *draft)
{
    return checkpoint_root(draft->source) != NULL;
}

const Object *draft_fact(Draft *draft, const char *path)
{
    const Object *object = path_find(checkpoint_root(draft->source), path);
    return object ? object : find_metadata(draft, path);
}

const Object *draft_object(Draft *draft, const char *path, Error *err)
{
    const Object *object = draft_fact(draft, path);
    const StateDict *metadata = draft_has_tree(draft) ? NULL : metadata_dict(draft);
    if (object) return object;
    if (metadata) {
        error_set(err, ERR_NOT_FOUND, "there is no '%s' in the source; it holds %s",
                  show_name(draft, path), list_metadata(draft, metadata));
        return NULL;
    }
    error_set(err, ERR_NOT_FOUND, "there is no '%s' in the source; it holds %s",
              show_name(draft, path), list_there(draft, ""));
    return NULL;
}

/* Which of several is meant only the user knows. Always false. */
static bool refuse_several(Draft *draft, const char *path, Error *err)
{
    Text list = {0};
    for (size_t i = 0; i < checkpoint_container_count(draft->source); i++) {
        const Container *container = checkpoint_container(draft->source, i);
        if (container->optimizer || !is_below(path, container->path)) continue;
        if (list.length) text_add(&list, ", ");
        show_short(container->path, 100, &list);
        text_addf(&list, " (%zu)", dict_count(container->dict));
    }
    error_set(err, ERR_NOT_FOUND, "%s: several dicts of tensors lie in '%s': %s; name one of them",
              checkpoint_path(draft->source), show_name(draft, path), text_string(&list));
    text_done(&list);
    return false;
}

/* The container that a path means: the one there, else the only one below. `checkpoint` thus
 * means `checkpoint.model` where no other dict of tensors lies below it. A path that is there
 * without tensors gets another error than one that is not there. */
static const Container *find_at(Draft *draft, const char *path, Error *err)
{
    const Container *found = checkpoint_find_container(draft->source, path);
    if (found) return found;
    size_t count = count_below(draft, path, &found);
    if (count == 1) return found;
    if (count) {
        refuse_several(draft, path, err);
        return NULL;
    }
    bool there = path_find(checkpoint_root(draft->source), path) != NULL;
    error_set(err, ERR_NOT_FOUND, "%s: %s '%s'; the file holds %s", checkpoint_path(draft->source),
              there ? "no tensors lie in" : "there is no", show_name(draft, path),
              list_there(draft, ""));
    return NULL;
}

/* The container's tensors become the keys. Names are those of the dict, borrowed; as many keys
 * as a NameMap can number. */
static bool take_container(Draft *draft, const Container *container, Error *err)
{
    size_t count = dict_count(container->dict);
    if (count >= MAP_NONE)
        return error_set(err, ERR_LIMIT, "%s: %zu tensors are too many",
                         checkpoint_path(draft->source), count);
    draft->container = container;
    draft->dropped = mem_alloc((count + 1) * sizeof *draft->dropped);
    draft->keys = mem_alloc((count + 1) * sizeof *draft->keys);
    draft->count = count;
    for (size_t i = 0; i < count; i++) {
        const Tensor *tensor = dict_at(container->dict, i);
        draft->keys[i] = (DraftKey){.name = tensor->name,
                                    .expr = expr_source(draft->arena, tensor)};
    }
    return true;
}

/* What unwrap settled goes first (it began at FILE::PATH), then FILE::PATH; without either the
 * checkpoint chooses, and rivals count what it might have chosen as well. */
bool draft_ready(Draft *draft, Error *err)
{
    if (draft->container) return true;
    const char *path = draft->path ? draft->path : draft->inside;
    const Container *container =
        path ? find_at(draft, path, err)
             : checkpoint_choose_weights(draft->source, &draft->rivals, err);
    return container && take_container(draft, container, err);
}

/* Whether one can go down into `name` at `path`: a dict is there, or tensors lie below. */
static bool is_there(Draft *draft, const char *below, const Object *at, const char *name)
{
    const Container *container;
    if (checkpoint_find_container(draft->source, below)) return true;
    if (object_as_dict(object_get(at, name))) return true;
    return count_below(draft, below, &container) > 0;
}

/* The path of `name` inside `path`; at the root, whose path is "", the name itself. */
static const char *join_path(Draft *draft, const char *path, const char *name)
{
    return *path ? arena_printf(draft->arena, "%s.%s", path, name) : name;
}

/* `"state_dict", "model"`, for errors and notes. */
static const char *quote_names(Draft *draft, const char *const *names, size_t n)
{
    Text out = {0};
    for (size_t i = 0; i < n; i++) {
        text_add(&out, i ? ", \"" : "\"");
        show_short(names[i], 60, &out);
        text_addc(&out, '"');
    }
    return text_keep(&out, draft->arena);
}

/* None of the names is there: fine where the tensors lie right here already. Right here means:
 * mostly tensors in this dict, and no second dict of them below. Then the rules work for the
 * bare file and the wrapped one alike. */
static bool unwrap_nothing(Draft *draft, Origin origin, const char *path, const char *quoted,
                           Error *err)
{
    const Container *here = checkpoint_find_container(draft->source, path), *one = NULL;
    if (!here || here->others >= dict_count(here->dict) || count_below(draft, path, &one) > 1)
        return error_set(err, ERR_NOT_FOUND, "unwrap: no %s in %s; it holds %s", quoted,
                         *path ? show_name(draft, path) : "the file", list_there(draft, path));
    draft_note(draft, NOTE_INFO, origin,
               "unwrap %s: not there, but the file is a bare state dict already", quoted);
    draft->path = path;
    return true;
}

/* Somebody has looked at the keys already; they will be made again. */
static void forget_container(Draft *draft)
{
    free(draft->keys);
    free(draft->dropped);
    draft->keys = NULL;
    draft->dropped = NULL;
    draft->container = NULL;
    draft->count = draft->rivals = 0;
    draft->names_known = false;
}

bool draft_set_source(Draft *draft, Checkpoint *source, Error *err)
{
    if (draft->changed || draft->path) {
        checkpoint_unref(source);
        return error_set(err, ERR_RULE, "source says where the keys come from: it must stand "
                         "before the statements that change them, and before unwrap");
    }
    forget_container(draft);
    checkpoint_unref(draft->own_source);
    draft->source = draft->own_source = source;
    draft->inside = NULL;
    return true;
}

/* The names are gone down one after the other, and those that are not there passed over:
 * unwrap("state_dict", "model") comes to state_dict.model, or to either. With first_only the
 * first that is there ends it. The path is kept only when tensors are found at its end. */
bool draft_unwrap(Draft *draft, Origin origin, const char *const *names, size_t n,
                  bool first_only, Error *err)
{
    if (draft->changed)
        return error_set(err, ERR_RULE, "unwrap says where the keys lie: it must stand before "
                         "the statements that change them");
    if (!n) return error_set(err, ERR_RULE, "unwrap needs a name");
    forget_container(draft);
    const char *path = draft->path ? draft->path : draft->inside ? draft->inside : "";
    const Object *at = path_find(checkpoint_root(draft->source), path);
    bool found = false;
    for (size_t i = 0; i < n && !(found && first_only); i++) {
        const char *below = join_path(draft, path, arena_strdup(draft->arena, names[i]));
        if (!is_there(draft, below, at, names[i])) continue;
        at = object_get(at, names[i]);
        path = below;
        found = true;
    }
    if (!found) return unwrap_nothing(draft, origin, path, quote_names(draft, names, n), err);
    if (!find_at(draft, path, err)) return error_prefix(err, "unwrap");
    draft->path = path;
    return true;
}
