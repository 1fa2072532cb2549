/* Verbs that show what a file has besides its weights: metadata, the optimizer's state, all
 * objects. Each is an outline that is filled when it opens. */
#include "repl/verb_list.h"

#include <stdlib.h>
#include <string.h>

#include "loader/align/optimizer.h"
#include "loader/format/graph.h"
#include "loader/tensor/values.h"
#include "viewer/outline.h"

/* Lines of one outline, and levels of it: more would not be read. */
enum { LINES_MAX = 20000, DEPTH_MAX = 40, OPEN_DEPTH = 2 };

/* An outline being filled. */
typedef struct Filling {
    Panel *panel;
    size_t left_out;             /* nodes beyond LINES_MAX or DEPTH_MAX */
} Filling;

static void add_line(Filling *filling, unsigned depth, Style style, const char *text,
                     const char *right)
{
    if (outline_count(filling->panel) >= LINES_MAX) {
        filling->left_out++;
        return;
    }
    const OutlineLine line = {.text = text, .right = right, .style = (uint8_t)style,
                              .depth = (uint8_t)depth, .closed = depth >= OPEN_DEPTH,
                              .item = (uint32_t)outline_count(filling->panel)};
    outline_add(filling->panel, &line);
}

static void add_end(Filling *filling)
{
    if (!filling->left_out) return;
    Text text = {0};
    text_addf(&text, "and %zu more, which `tenon ls --all` lists", filling->left_out);
    const OutlineLine line = {.text = text_string(&text), .style = STYLE_DIM};
    outline_add(filling->panel, &line);
    text_done(&text);
}

static void show_value(const Object *object, Text *out)
{
    if (object->kind != OBJ_TENSOR || !object->tensor) {
        object_show(object, out);
        return;
    }
    text_addf(out, "tensor %s ", dtype_name(object->tensor->dtype));
    show_shape(object->tensor->dims, object->tensor->rank, out);
}

static void add_object(Filling *filling, unsigned depth, const char *name, const Object *object);

static void add_keyed(Filling *filling, unsigned depth, const Object *dict)
{
    for (size_t i = 0; i + 1 < dict->list.count; i += 2) {
        Text name = {0};
        path_add_key(&name, dict->list.items[i]);
        add_object(filling, depth, text_string(&name), dict->list.items[i + 1]);
        text_done(&name);
    }
}

static void add_items(Filling *filling, unsigned depth, const Object *list)
{
    for (size_t i = 0; i < list->list.count; i++) {
        Text name = {0};
        path_add_index(&name, i);
        add_object(filling, depth, text_string(&name), list->list.items[i]);
        text_done(&name);
    }
}

/* What a call would be given; the parts are named as `ls --all` names them. */
static void add_call(Filling *filling, unsigned depth, const ObjectCall *call)
{
    if (call->state) add_object(filling, depth, "<state>", call->state);
    if (call->list) add_items(filling, depth, call->list);
    if (call->map) add_keyed(filling, depth, call->map);
    if (call->kwargs) add_object(filling, depth, "<kwargs>", call->kwargs);
    if (call->args && call->args->list.count) add_object(filling, depth, "<args>", call->args);
}

/* A node and what is in it. Cycles end at DEPTH_MAX, and what a file repeats without end at
 * LINES_MAX. */
static void add_object(Filling *filling, unsigned depth, const char *name, const Object *object)
{
    if (depth >= DEPTH_MAX || outline_count(filling->panel) >= LINES_MAX) {
        filling->left_out++;
        return;
    }
    Text text = {0};
    show_value(object, &text);
    bool tensor = object->kind == OBJ_TENSOR;
    add_line(filling, depth, tensor ? STYLE_EXACT : STYLE_PLAIN, *name ? name : "(top)",
             text_string(&text));
    text_done(&text);
    switch ((ObjectKind)object->kind) {
    case OBJ_TUPLE: case OBJ_LIST: case OBJ_SET: case OBJ_FROZENSET: case OBJ_PERSID:
        add_items(filling, depth + 1, object); break;
    case OBJ_DICT: add_keyed(filling, depth + 1, object); break;
    case OBJ_CALL: add_call(filling, depth + 1, object->call); break;
    default: break;
    }
}

static Filling open_outline(const char *name, const char *title)
{
    const OutlineOptions options = {.name = name, .hint = " Enter folds  q closes ",
                                    .title = title};
    return (Filling){.panel = outline_new(&options)};
}

static void push(Ui *ui, Filling *filling)
{
    add_end(filling);
    ui_leave(ui);
    view_push_panel(&ui->view, filling->panel);
}

/* ---- metadata ---- */

static const StateDict *chosen_dict(const Ui *ui, bool target)
{
    return target ? align_target(ui->alignment) : align_source_dict(ui->alignment);
}

/* Entries of the top that are no dicts of tensors: epoch, args, hyper-parameters. */
static void add_rest(Filling *filling, const Checkpoint *checkpoint)
{
    const Object *root = checkpoint_root(checkpoint);
    const Object *dict = root ? object_as_dict(root) : NULL;
    for (size_t i = 0; dict && i + 1 < dict->list.count; i += 2) {
        Text name = {0};
        path_add_key(&name, dict->list.items[i]);
        const Object *value = dict->list.items[i + 1];
        if (value->kind != OBJ_TENSOR && !checkpoint_find_container(checkpoint, text_string(&name)))
            add_object(filling, 1, text_string(&name), value);
        text_done(&name);
    }
}

static void add_metadata(Filling *filling, const Checkpoint *checkpoint, const StateDict *dict)
{
    char size[32];
    Text text = {0};
    show_bytes(checkpoint_file_bytes(checkpoint), size);
    text_addf(&text, "%s, %s", checkpoint_format(checkpoint), size);
    add_line(filling, 0, STYLE_MODULE, checkpoint_path(checkpoint), text_string(&text));
    for (size_t i = 0; i < dict_metadata_count(dict); i++) {
        text_clear(&text);
        object_plain(dict_metadata_object(dict, i), &text);
        add_line(filling, 1, STYLE_PLAIN, dict_metadata(dict, i).key, text_string(&text));
    }
    for (size_t i = 0; i < checkpoint_file_count(checkpoint); i++) {
        const CheckpointFile *file = checkpoint_file(checkpoint, i);
        show_bytes(file->bytes, size);
        add_line(filling, 1, STYLE_DIM, file->name, size);
    }
    const Object *torch = dict_torch_metadata(dict);
    if (torch) add_object(filling, 1, "_metadata", torch);
    add_rest(filling, checkpoint);
    text_done(&text);
}

bool verb_metadata(Ui *ui, const char *argument, Error *err)
{
    (void)argument, (void)err;
    Filling filling = open_outline("metadata", "metadata");
    add_metadata(&filling, session_source(ui->session), chosen_dict(ui, false));
    if (chosen_dict(ui, true))
        add_metadata(&filling, session_target_checkpoint(ui->session), chosen_dict(ui, true));
    push(ui, &filling);
    return true;
}

/* ---- objects ---- */

/* A format without objects lists its tensors by container. */
static void add_containers(Filling *filling, const Checkpoint *checkpoint)
{
    for (size_t i = 0; i < checkpoint_container_count(checkpoint); i++) {
        const Container *one = checkpoint_container(checkpoint, i);
        Text text = {0};
        text_addf(&text, "%zu tensors", dict_count(one->dict));
        add_line(filling, 0, STYLE_MODULE, *one->path ? one->path : "(top)", text_string(&text));
        for (size_t k = 0; k < dict_count(one->dict); k++) {
            const Tensor *tensor = dict_at(one->dict, k);
            text_clear(&text);
            text_addf(&text, "%s ", dtype_name(tensor->dtype));
            show_shape(tensor->dims, tensor->rank, &text);
            add_line(filling, 1, STYLE_EXACT, tensor->name, text_string(&text));
        }
        text_done(&text);
    }
}

bool verb_objects(Ui *ui, const char *argument, Error *err)
{
    (void)argument, (void)err;
    const Checkpoint *checkpoint = session_source(ui->session);
    const Object *root = checkpoint_root(checkpoint);
    Filling filling = open_outline("objects", "objects");
    if (root) add_object(&filling, 0, "", root);
    else add_containers(&filling, checkpoint);
    push(ui, &filling);
    return true;
}

/* ---- optimizer ---- */

static bool is_optimizer(const Object *object)
{
    return object_get(object, "param_groups") && object_get(object, "state");
}

/* The first {'state', 'param_groups'} at most three levels down; its path is added. */
static const Object *find_optimizer(const Object *object, unsigned depth, Text *path)
{
    if (is_optimizer(object)) return object;
    const Object *dict = object_as_dict(object), *list = object_as_sequence(object);
    size_t length = path->length, n = dict ? dict->list.count / 2 : list ? list->list.count : 0;
    for (size_t i = 0; depth < 3 && i < n; i++) {
        if (dict) path_add_key(path, dict->list.items[2 * i]);
        else path_add_index(path, i);
        const Object *inner = dict ? dict->list.items[2 * i + 1] : list->list.items[i];
        const Object *found = find_optimizer(inner, depth + 1, path);
        if (found) return found;
        path->length = length;
        if (path->bytes) path->bytes[length] = '\0';
    }
    return NULL;
}

/* The parameters of the source in the order in which an optimizer numbers them. */
typedef struct Named {
    const Tensor **tensors;      /* owned, [count] */
    size_t count;
    bool sure;                   /* the optimizer has as many, and they fit it */
} Named;

/* The value of a scalar, such as a step; false when it cannot be read. */
static bool read_scalar(const Object *object, double *value)
{
    double number;
    unsigned char raw[16];
    const Tensor *tensor = object && object->kind == OBJ_TENSOR ? object->tensor : NULL;
    DType dtype = tensor ? tensor_value_dtype(tensor, NULL) : DT_UNKNOWN;
    if (dtype == DT_UNKNOWN || tensor->rank || dtype_size(dtype) > sizeof raw) return false;
    if (!tensor_read_values(tensor, NULL, NULL, raw, NULL, NULL)) return false;
    dtype_to_doubles(dtype, raw, &number, 1);
    *value = number;
    return true;
}

/* "(0.9, 0.999)" of a few; longer ones are counted. */
static void show_option(const Object *object, Text *out)
{
    enum { FEW = 8 };
    const Object *list = object_as_sequence(object);
    if (!list || list->list.count > FEW) {
        object_plain(object, out);
        return;
    }
    for (size_t i = 0; i < list->list.count; i++) {
        text_add(out, i ? ", " : "(");
        object_plain(list->list.items[i], out);
    }
    text_add(out, list->list.count ? ")" : "()");
}

/* Buffers have no state; what shares memory is told by its count only. */
static Named name_params(const Ui *ui, const Object *groups)
{
    const StateDict *dict = align_source_dict(ui->alignment);
    Named named = {.tensors = mem_alloc((dict_count(dict) + 1) * sizeof *named.tensors)};
    size_t wanted = 0;
    for (size_t i = 0; i < dict_count(dict); i++)
        if (!optimizer_is_buffer(ui->alignment, dict_at(dict, i)->name))
            named.tensors[named.count++] = dict_at(dict, i);
    for (size_t i = 0; i < groups->list.count; i++) {
        const Object *params = object_get(groups->list.items[i], "params");
        const Object *list = params ? object_as_sequence(params) : NULL;
        wanted += list ? list->list.count : 0;
    }
    named.sure = wanted == named.count;
    return named;
}

/* The state of a parameter by its number or name; NULL: it was never stepped. */
static const Object *state_of(const Object *states, const Object *id)
{
    if (id->kind == OBJ_INT) return object_get_int(states, id->integer);
    return id->kind == OBJ_STR ? object_get(states, id->bytes.text) : NULL;
}

/* Whether all of its moments have the parameter's shape. */
static bool fits(const Object *state, const Tensor *param)
{
    const Object *dict = object_as_dict(state);
    for (size_t i = 0; dict && i + 1 < dict->list.count; i += 2) {
        const Object *value = dict->list.items[i + 1];
        bool moment = value->kind == OBJ_TENSOR && value->tensor &&
                      optimizer_is_moment(dict->list.items[i]);
        if (moment && !same_dims(value->tensor->dims, value->tensor->rank, param->dims,
                                 param->rank))
            return false;
    }
    return true;
}

/* Several groups (with and without weight decay) are numbered one behind the other, another
 * order than that of the weights: then a shape that does not fit says that no name is right. */
static void doubt_names(Named *named, const Object *groups, const Object *states)
{
    for (size_t i = 0; groups->list.count > 1 && i < groups->list.count; i++) {
        const Object *params = object_get(groups->list.items[i], "params");
        const Object *list = params ? object_as_sequence(params) : NULL;
        for (size_t k = 0; named->sure && list && k < list->list.count; k++) {
            const Object *id = list->list.items[k], *state = state_of(states, id);
            bool known = id->kind == OBJ_INT && id->integer >= 0 &&
                         (uint64_t)id->integer < named->count;
            if (known && state && !fits(state, named->tensors[id->integer])) named->sure = false;
        }
    }
}

/* NULL: nothing tells which one it is. */
static const Tensor *find_param(const Ui *ui, const Named *named, const Object *id)
{
    if (id->kind == OBJ_STR) return dict_find(align_source_dict(ui->alignment), id->bytes.text);
    bool known = id->kind == OBJ_INT && named->sure && id->integer >= 0 &&
                 (uint64_t)id->integer < named->count;
    return known ? named->tensors[id->integer] : NULL;
}

/* "step 100, exp_avg 64×3×7×7, …" of one parameter. */
static void show_state(const Object *state, Text *out)
{
    const Object *dict = object_as_dict(state);
    for (size_t i = 0; dict && i + 1 < dict->list.count; i += 2) {
        const Object *value = dict->list.items[i + 1];
        text_add(out, i ? ", " : "");
        object_plain(dict->list.items[i], out);
        text_addc(out, ' ');
        if (value->kind == OBJ_TENSOR && value->tensor)
            show_shape(value->tensor->dims, value->tensor->rank, out);
        else object_plain(value, out);
    }
}

/* "3  layer1.conv.weight", and at the right its state; a sign where a shape is another one. */
static void add_param(Filling *filling, const Ui *ui, const Named *named, const Object *id,
                      const Object *state)
{
    const Tensor *param = find_param(ui, named, id);
    bool wrong = state && param && !fits(state, param);
    Text text = {0}, name = {0};
    object_plain(id, &name);
    if (param && id->kind != OBJ_STR) text_addf(&name, "  %s", param->name);
    if (wrong) text_add(&text, "≠ shape  ");
    if (state) show_state(state, &text);
    else text_add(&text, "no state");
    add_line(filling, 2, wrong ? STYLE_SHAPE : state ? STYLE_PLAIN : STYLE_UNUSED,
             text_string(&name), text_string(&text));
    text_done(&text);
    text_done(&name);
}

static void add_group(Filling *filling, const Ui *ui, const Named *named, size_t index,
                      const Object *group, const Object *states)
{
    const Object *dict = object_as_dict(group), *found = object_get(group, "params");
    const Object *params = found ? object_as_sequence(found) : NULL;
    size_t count = params ? params->list.count : 0, with = 0;
    Text text = {0}, name = {0};
    for (size_t i = 0; i < count; i++) with += state_of(states, params->list.items[i]) != NULL;
    text_addf(&name, "group %zu", index);
    text_addf(&text, "%zu parameters, %zu with state", count, with);
    const Object *first = count ? state_of(states, params->list.items[0]) : NULL;
    double step;
    if (first && read_scalar(object_get(first, "step"), &step))
        text_addf(&text, ", step %.17g", step);
    add_line(filling, 0, STYLE_MODULE, text_string(&name), text_string(&text));
    for (size_t i = 0; dict && i + 1 < dict->list.count; i += 2) {
        if (dict->list.items[i + 1] == found) continue;
        text_clear(&name);
        text_clear(&text);
        object_plain(dict->list.items[i], &name);
        show_option(dict->list.items[i + 1], &text);
        add_line(filling, 1, STYLE_PLAIN, text_string(&name), text_string(&text));
    }
    add_line(filling, 1, STYLE_MODULE, "params", NULL);
    for (size_t i = 0; i < count; i++)
        add_param(filling, ui, named, params->list.items[i],
                  state_of(states, params->list.items[i]));
    text_done(&text);
    text_done(&name);
}

bool verb_optimizer(Ui *ui, const char *argument, Error *err)
{
    (void)argument;
    Text path = {0};
    const Object *root = checkpoint_root(session_source(ui->session));
    const Object *found = root ? find_optimizer(root, 0, &path) : NULL;
    const Object *groups = found ? object_as_sequence(object_get(found, "param_groups")) : NULL;
    if (!groups) {
        text_done(&path);
        return error_set(err, ERR_NOT_FOUND, "the source holds no optimizer state that is known");
    }
    Text title = {0};
    text_add(&title, "optimizer ");
    text_add(&title, text_string(&path));
    Filling filling = open_outline("optimizer", text_string(&title));
    Named named = name_params(ui, groups);
    doubt_names(&named, groups, object_get(found, "state"));
    if (!named.sure)
        add_line(&filling, 0, STYLE_DIM, "which number is which weight, nothing in the file tells",
                 NULL);
    for (size_t i = 0; i < groups->list.count; i++)
        add_group(&filling, ui, &named, i, groups->list.items[i], object_get(found, "state"));
    free(named.tensors);
    text_done(&title);
    text_done(&path);
    push(ui, &filling);
    return true;
}
