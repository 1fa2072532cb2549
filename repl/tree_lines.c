#include "repl/tree_lines.h"

#include "loader/format/graph.h"
#include "loader/tensor/tensor.h"

/* Lines of one tree, and levels of it: more would not be read. */
enum { LINES_MAX = 20000, DEPTH_MAX = 40, OPEN_DEPTH = 2 };

static void add(TreeLines *lines, const OutlineLine *line)
{
    if (lines->panel) {
        outline_add(lines->panel, line);
        return;
    }
    text_addf(lines->text, "%*s", 2 * line->depth, "");
    name_show(line->text, lines->text);
    if (line->right && *line->right) text_addf(lines->text, "   %s", line->right);
    text_addc(lines->text, '\n');
}

void tree_add(TreeLines *lines, unsigned depth, Style style, const char *text, const char *right)
{
    if (lines->count >= LINES_MAX) {
        lines->left_out++;
        return;
    }
    const OutlineLine line = {.text = text, .right = right, .style = (uint8_t)style,
                              .depth = (uint8_t)depth, .closed = depth >= OPEN_DEPTH,
                              .item = (uint32_t)lines->count++};
    add(lines, &line);
}

void tree_end(TreeLines *lines)
{
    if (!lines->left_out) return;
    Text text = {0};
    text_addf(&text, "and %zu more, which `tenon ls --all` lists", lines->left_out);
    add(lines, &(OutlineLine){.text = text_string(&text), .style = STYLE_DIM});
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

static void add_keyed(TreeLines *lines, unsigned depth, const Object *dict)
{
    for (size_t i = 0; i + 1 < dict->list.count; i += 2) {
        Text name = {0};
        path_add_key(&name, dict->list.items[i]);
        tree_add_object(lines, depth, text_string(&name), dict->list.items[i + 1]);
        text_done(&name);
    }
}

static void add_items(TreeLines *lines, unsigned depth, const Object *list)
{
    for (size_t i = 0; i < list->list.count; i++) {
        Text name = {0};
        path_add_index(&name, i);
        tree_add_object(lines, depth, text_string(&name), list->list.items[i]);
        text_done(&name);
    }
}

/* What a call would be given; the parts are named as `ls --all` names them. */
static void add_call(TreeLines *lines, unsigned depth, const ObjectCall *call)
{
    if (call->state) tree_add_object(lines, depth, "<state>", call->state);
    if (call->list) add_items(lines, depth, call->list);
    if (call->map) add_keyed(lines, depth, call->map);
    if (call->kwargs) tree_add_object(lines, depth, "<kwargs>", call->kwargs);
    if (call->args && call->args->list.count) tree_add_object(lines, depth, "<args>", call->args);
}

void tree_add_object(TreeLines *lines, unsigned depth, const char *name, const Object *object)
{
    if (depth >= DEPTH_MAX || lines->count >= LINES_MAX) {
        lines->left_out++;
        return;
    }
    Text text = {0};
    show_value(object, &text);
    bool tensor = object->kind == OBJ_TENSOR;
    tree_add(lines, depth, tensor ? STYLE_EXACT : STYLE_PLAIN, *name ? name : "(top)",
             text_string(&text));
    text_done(&text);
    switch ((ObjectKind)object->kind) {
    case OBJ_TUPLE: case OBJ_LIST: case OBJ_SET: case OBJ_FROZENSET: case OBJ_PERSID:
        add_items(lines, depth + 1, object); break;
    case OBJ_DICT: add_keyed(lines, depth + 1, object); break;
    case OBJ_CALL: add_call(lines, depth + 1, object->call); break;
    default: break;
    }
}
