/* Writing the tree, with a stack of its own. Containers are numbered before they are filled, what a
 * call makes after its arguments: so a cycle through a container is a reference to its number, and
 * one through a tuple or arguments would need a number that is not there yet. */
#include "loader/export/torch_whole.h"

#include <stdlib.h>
#include <string.h>

#include "loader/export/meta.h"

/* How far a node is written. */
typedef enum Stage {
    STAGE_ITEMS,             /* the items of `list` */
    STAGE_REDUCE,            /* a call: its arguments are on the stack */
    STAGE_MAP,               /* a call: its entries are in */
    STAGE_BUILD              /* a call: its state is on the stack */
} Stage;

typedef struct Frame {
    Object *node;
    const Object *list;      /* whose items are being written; NULL: none */
    size_t next;
    Stage stage;
    bool alone;              /* the batch under way is one item without MARK */
} Frame;

typedef struct Put {
    TorchLayout *layout;     /* borrowed */
    PickleWriter *pickle;    /* the layout's */
    const Whole *whole;
    IdentityMap computed;        /* TENSOR → index of whole->values; owned */
    Frame *frames;           /* owned */
    size_t depth, room;
} Put;

static bool put_node(Put *put, Object *node, Error *err);
static bool put_tree(Put *put, Object *object, Error *err);

static void push(Put *put, Object *node, const Object *list, Stage stage)
{
    put->frames = mem_grow(put->frames, &put->room, put->depth + 1, sizeof *put->frames);
    put->frames[put->depth++] = (Frame){node, list, 0, stage, false};
}

/* --- what has no parts ---------------------------------------------------------------- */

/* Protocol 2 has no bytes: they are Latin-1 text, turned back by _codecs.encode. */
static void put_bytes(Put *put, const Object *bytes, const void *identity)
{
    static const char latin[] = "latin1";
    Text text = {0};
    for (size_t i = 0; i < bytes->bytes.n; i++) {
        unsigned char byte = (unsigned char)bytes->bytes.text[i];
        if (byte) utf8_add(&text, byte);
        else text_addn(&text, "\xC0\x80", 2);
    }
    pickle_put_global(put->pickle, "_codecs", "encode");
    pickle_put_str(put->pickle, text_string(&text), NULL);
    pickle_put_str(put->pickle, latin, latin);
    pickle_put_tuple(put->pickle, 2, NULL);
    pickle_put_op(put->pickle, PICKLE_REDUCE);
    pickle_put_memo(put->pickle, identity);
    text_done(&text);
}

static void put_bytearray(Put *put, const Object *bytes)
{
    pickle_put_global(put->pickle, "__builtin__", "bytearray");
    put_bytes(put, bytes, NULL);
    pickle_put_tuple(put->pickle, 1, NULL);
    pickle_put_op(put->pickle, PICKLE_REDUCE);
    pickle_put_memo(put->pickle, bytes);
}

/* Names as CPython writes them for protocol 2. */
static void put_global(Put *put, const Object *global)
{
    const char *module = global->global.module;
    bool builtin = strcmp(module, "builtins") == 0;
    pickle_put_global(put->pickle, builtin ? "__builtin__" : module, global->global.name);
}

/* A storage that is a value by itself. */
static void put_storage(Put *put, const Object *node)
{
    const Object *class = node->list.items[0]->list.items[1];
    unsigned width = dtype_size(node->persid.storage->dtype);
    layout_put_storage(put->layout, node->persid.storage, class->global.module,
                       class->global.name, width ? width : 1);
    pickle_put_memo(put->pickle, node);
}

/* Whether it was an nn.Parameter, and whether gradients were asked for. */
static bool is_parameter(const Object *node, bool *requires_grad)
{
    const ObjectCall *call = node->call;
    *requires_grad = node->tensor->parameter;
    if (!call || !call->callable || call->callable->kind != OBJ_GLOBAL) return false;
    const char *name = call->callable->global.name;
    const Object *flag = call->args && call->args->list.count > 1 ? call->args->list.items[1]
                                                                  : NULL;
    bool rebuilt = has_prefix(name, "_rebuild_parameter");
    if (rebuilt && flag && flag->kind == OBJ_BOOL) *requires_grad = flag->boolean;
    return rebuilt || strcmp(name, "Parameter") == 0;
}

/* A tensor of plain numbers, as an entry of its own. One object in the source is one in the output:
 * also when the plan's state dict has it. */
static void put_tensor(Put *put, Object *node)
{
    bool requires_grad, parameter = is_parameter(node, &requires_grad);
    const Tensor *tensor = node->tensor;
    const void *identity = tensor->identity ? tensor->identity : node;
    if (pickle_put_known(put->pickle, identity)) return;
    PlanEntry *entry = arena_alloc(put->layout->arena, sizeof *entry);
    uint32_t computed = identity_get(&put->computed, node);
    const Expr *expr = computed == IDENTITY_NONE ? expr_source(put->layout->arena, tensor)
                                                 : put->whole->values[computed].expr;
    *entry = (PlanEntry){.name = tensor->name, .expr = expr, .dims = tensor->dims,
                         .dtype = tensor->dtype, .rank = tensor->rank, .alias = -1};
    if (parameter) pickle_put_global(put->pickle, "torch._utils", "_rebuild_parameter");
    layout_put_tensor(put->layout, entry, requires_grad && !parameter,
                      parameter ? NULL : identity);
    if (!parameter) return;
    pickle_put_op(put->pickle, requires_grad ? PICKLE_TRUE : PICKLE_FALSE);
    pickle_put_ordered_dict(put->pickle, NULL);
    pickle_put_tuple(put->pickle, 3, NULL);
    pickle_put_op(put->pickle, PICKLE_REDUCE);
    pickle_put_memo(put->pickle, identity);
}

/* --- what has parts ------------------------------------------------------------------- */

static bool put_other(void *context, Object *object, Error *err)
{
    Put inner = *(Put *)context;
    inner.frames = NULL;
    inner.depth = inner.room = 0;
    bool fine = put_tree(&inner, object, err);
    free(inner.frames);
    return fine;
}

static bool put_slot(Put *put, Error *err)
{
    const Object *slot = put->whole->slot;
    return layout_put_state_dict(put->layout, slot, slot->call->map, put_other, put, err);
}

/* Begins a node with parts; its frame writes them. What is being made already, and has no number
 * yet, contains itself. */
static bool open_node(Put *put, Object *node, Error *err)
{
    if (node->mark)
        return error_set(err, ERR_UNSUPPORTED, "a %s in the source contains itself; a file that "
                         "weights_only takes cannot say that, so --whole is not possible",
                         node->kind == OBJ_TUPLE ? "tuple" : "set or call");
    switch ((ObjectKind)node->kind) {
    case OBJ_TUPLE:
        node->mark = 1;
        if (node->list.count > 3) pickle_put_op(put->pickle, PICKLE_MARK);
        push(put, node, node, STAGE_ITEMS);
        return true;
    case OBJ_SET:
        node->mark = 1;
        pickle_put_global(put->pickle, "__builtin__", "set");
        pickle_put_op(put->pickle, PICKLE_EMPTY_LIST);
        pickle_put_memo(put->pickle, NULL);
        push(put, node, node, STAGE_ITEMS);
        return true;
    case OBJ_CALL:
        node->mark = 1;
        put_global(put, node->call->callable);
        push(put, node, NULL, STAGE_REDUCE);
        return put_node(put, node->call->args, err);
    default:
        pickle_put_op(put->pickle, node->kind == OBJ_DICT ? PICKLE_EMPTY_DICT : PICKLE_EMPTY_LIST);
        pickle_put_memo(put->pickle, node);
        push(put, node, node, STAGE_ITEMS);
        return true;
    }
}

/* One node, or its beginning. */
static bool put_node(Put *put, Object *node, Error *err)
{
    if (node == put->whole->slot)
        return pickle_put_known(put->pickle, node) || put_slot(put, err);
    switch ((ObjectKind)node->kind) {
    case OBJ_NONE: case OBJ_BOOL: case OBJ_INT: case OBJ_FLOAT: case OBJ_STR:
        pickle_put_object(put->pickle, node);
        return true;
    case OBJ_BIGINT:
        pickle_put_long(put->pickle, node->bytes.text, node->bytes.n);
        return true;
    case OBJ_GLOBAL:
        put_global(put, node);
        return true;
    case OBJ_TENSOR:
        put_tensor(put, node);
        return true;
    default: break;
    }
    if (pickle_put_known(put->pickle, node)) return true;
    switch ((ObjectKind)node->kind) {
    case OBJ_BYTES: put_bytes(put, node, node); return true;
    case OBJ_BYTEARRAY: put_bytearray(put, node); return true;
    case OBJ_PERSID: put_storage(put, node); return true;
    default: return open_node(put, node, err);
    }
}

/* --- frames --------------------------------------------------------------------------- */

/* The opcodes that put a batch, or one item, into what is below it. */
static void close_batch(Put *put, const Frame *frame)
{
    bool dict = frame->list->kind == OBJ_DICT;
    int many = dict ? PICKLE_SETITEMS : PICKLE_APPENDS;
    int one = dict ? PICKLE_SETITEM : PICKLE_APPEND;
    if (frame->next) pickle_put_op(put->pickle, frame->alone ? one : many);
}

/* The next item of a list or dict, or of a tuple, which takes all at once; *done at the end. */
static bool put_item(Put *put, bool *done, Error *err)
{
    Frame *frame = &put->frames[put->depth - 1];
    const Object *list = frame->list;
    size_t each = list->kind == OBJ_DICT ? 2 : 1, left = list->list.count - frame->next;
    bool batches = list->kind != OBJ_TUPLE;
    bool boundary = batches && frame->next % (each * PICKLE_BATCH) == 0;
    if (batches && (boundary || !left)) close_batch(put, frame);
    *done = !left;
    if (!left) return true;
    if (boundary) frame->alone = left == each;
    if (boundary && !frame->alone) pickle_put_op(put->pickle, PICKLE_MARK);
    return put_node(put, list->list.items[frame->next++], err);
}

/* All items are there: what becomes of them. */
static void finish_items(Put *put, Object *node)
{
    if (node->kind == OBJ_TUPLE) {
        pickle_put_tuple(put->pickle, node->list.count, node);
    } else if (node->kind == OBJ_SET) {
        pickle_put_tuple(put->pickle, 1, NULL);
        pickle_put_op(put->pickle, PICKLE_REDUCE);
        pickle_put_memo(put->pickle, node);
    }
    node->mark = 0;
}

/* A call goes from its arguments to its entries to its state. */
static bool step_call(Put *put, Frame *frame, bool *done, Error *err)
{
    Object *node = frame->node;
    const ObjectCall *call = node->call;
    if (frame->stage == STAGE_REDUCE) {
        pickle_put_op(put->pickle, PICKLE_REDUCE);
        pickle_put_memo(put->pickle, node);
        node->mark = 0;
        frame->stage = STAGE_ITEMS;
        frame->list = call->map;
        return true;
    }
    if (frame->stage == STAGE_ITEMS && frame->list) {
        bool over;
        if (!put_item(put, &over, err)) return false;
        if (over) put->frames[put->depth - 1].stage = STAGE_MAP;
        return true;
    }
    if (frame->stage != STAGE_BUILD && call->state) {
        frame->stage = STAGE_BUILD;
        return put_node(put, call->state, err);
    }
    if (call->state) pickle_put_op(put->pickle, PICKLE_BUILD);
    *done = true;
    return true;
}

static bool step(Put *put, Error *err)
{
    Frame *frame = &put->frames[put->depth - 1];
    Object *node = frame->node;
    bool done = false;
    if (node->kind == OBJ_CALL) {
        if (!step_call(put, frame, &done, err)) return false;
    } else if (!put_item(put, &done, err)) {
        return false;
    }
    if (!done) return true;
    if (node->kind != OBJ_CALL) finish_items(put, node);
    put->depth--;
    return true;
}

static bool put_tree(Put *put, Object *object, Error *err)
{
    bool fine = put_node(put, object, err);
    while (fine && put->depth) fine = step(put, err);
    return fine;
}

bool layout_put_whole(TorchLayout *layout, const Whole *whole, Error *err)
{
    Put put = {.layout = layout, .pickle = layout->pickle, .whole = whole};
    for (size_t i = 0; i < whole->value_count; i++)
        identity_set(&put.computed, whole->values[i].node, (uint32_t)i);
    bool fine = put_tree(&put, whole->root, err);
    identity_done(&put.computed);
    free(put.frames);
    return fine;
}

bool layout_put_file(TorchLayout *layout, const char *under, Error *err)
{
    bool fine;
    const Plan *plan = layout->plan;
    const Whole *whole = plan->whole;
    if (!whole && plan->later->meta_count) whole = meta_tree(plan->arena, plan->later, under);
    if (whole) {
        fine = layout_put_whole(layout, whole, err);
    } else {
        if (under) {
            pickle_put_op(layout->pickle, PICKLE_EMPTY_DICT);
            pickle_put_memo(layout->pickle, NULL);
            pickle_put_str(layout->pickle, under, NULL);
        }
        fine = layout_put_state_dict(layout, NULL, NULL, NULL, NULL, err);
        if (under) pickle_put_op(layout->pickle, PICKLE_SETITEM);
    }
    pickle_put_op(layout->pickle, PICKLE_STOP);
    return fine;
}
