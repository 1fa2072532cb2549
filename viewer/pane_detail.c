/* The row under the cursor in words: what it wants, what it was offered, which rule said so and
 * what would settle it; or a notice in its place. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "loader/core/fold.h"
#include "loader/tensor/layout.h"
#include "viewer/tensor_sides.h"
#include "viewer/view_parts.h"

/* The pane has ten lines at most: more steps than these would not be seen, and folding more names
 * would take time for nothing. */
enum { STEPS_SHOWN = 16, FOLD_MAX = 4096 };

static const char try_label[] = "try   ";

/* The words, a line each, before they are cut to the pane. */
typedef struct Words {
    Text text;               /* lines end with '\n' */
    bool fresh;              /* at the start of a line */
} Words;

/* Does nothing on an empty line: a part that had nothing to say leaves no gap. */
static void end_line(Words *words)
{
    if (words->fresh) return;
    text_addc(&words->text, '\n');
    words->fresh = true;
}

/* Begins the next part of a line; the caller appends to words->text. Parts of one line are set
 * apart by " · ". */
static Text *next_part(Words *words)
{
    if (!words->fresh && words->text.length) text_add(&words->text, " · ");
    words->fresh = false;
    return &words->text;
}

/* "f32 64×3×7×7". */
static void add_type(Text *out, DType dtype, const int64_t *dims, unsigned rank)
{
    text_addf(out, "%s ", dtype_name(dtype));
    show_shape(dims, rank, out);
}

/* " HWIO"; nothing in PyTorch's order. */
static void add_layout(Text *out, unsigned layout)
{
    if (layout) text_addf(out, " %s", layout_name((Layout)layout));
}

/* The order of the axes in words, with the sizes as PyTorch would have them. */
static void describe_layout(Words *words, const Tensor *tensor)
{
    if (!tensor->layout) return;
    const LayoutInfo *info = layout_info((Layout)tensor->layout);
    Text *out = next_part(words);
    text_addf(out, "axes %s (%s); PyTorch's %s", info->name, info->whose, info->torch);
    if (!tensor->dims || tensor->rank != info->rank) return;
    int64_t dims[TENSOR_RANK_MAX];
    layout_turn((Layout)tensor->layout, tensor->dims, dims);
    text_add(out, " is ");
    show_shape(dims, tensor->rank, out);
}

/* How the numbers lie in the file, where that is not one after the other: the scale of quantized
 * ones, GGML's blocks. */
static void describe_encoding(Words *words, const Tensor *tensor)
{
    const DTypeInfo *info = dtype_info(tensor->dtype);
    if (tensor->encoding && tensor->encoding->note)
        text_add(next_part(words), tensor->encoding->note);
    if (info->block > 1 && info->kind == CLASS_QUANT)
        text_addf(next_part(words), "%u values in a block of %u byte%s", info->block,
                  info->block_bytes, info->block_bytes == 1 ? "" : "s");
}

/* "parts indices i64 2×4, values f32 4" of a sparse tensor. */
static void describe_parts(Words *words, const Checkpoint *checkpoint, const Tensor *tensor)
{
    const Container *parts = checkpoint ? checkpoint_find_parts(checkpoint, tensor) : NULL;
    if (!parts) return;
    Text *out = next_part(words);
    for (size_t i = 0; i < dict_count(parts->dict); i++) {
        const Tensor *part = dict_at(parts->dict, i);
        text_addf(out, "%s%s ", i ? ", " : "parts ", part->name);
        add_type(out, part->dtype, part->dims, part->rank);
    }
}

/* A line on how a tensor of the source is stored; none for a plain one. */
static void describe_storing(Words *words, const Alignment *alignment, const Tensor *tensor)
{
    describe_layout(words, tensor);
    describe_encoding(words, tensor);
    describe_parts(words, align_source(alignment), tensor);
    end_line(words);
}

/* "a" or "3 tensors blk.{q,k,v}.weight". Folding needs an arena for its texts, which lives for
 * this one line. */
static void add_sources(Text *out, const Binding *binding)
{
    uint32_t n = binding->source_count;
    if (n == 1) {
        text_add(out, binding->sources[0]->name);
        return;
    }
    text_addf(out, "%u tensors ", n);
    const char **names = mem_alloc(n * sizeof *names);
    for (uint32_t i = 0; i < n; i++) names[i] = binding->sources[i]->name;
    Arena *arena = arena_new();
    Folded *folds;
    size_t lines = fold_names(arena, names, NULL, n < FOLD_MAX ? n : FOLD_MAX, &folds);
    for (size_t i = 0; i < lines; i++) text_addf(out, "%s%s", i ? ", " : "", folds[i].text);
    arena_free(arena);
    free(names);
}

/* "fix.lua:1 strip "m."": where the step stands and what it did. Folders of rules files are left
 * out: the line is short, and the title names the file. */
static void add_step(Text *out, const Step *step)
{
    const Origin *origin = align_step_origin(step);
    const char *slash = origin && origin->file ? strrchr(origin->file, '/') : NULL;
    if (origin && origin->file)
        text_addf(out, "%s%s", slash ? slash + 1 : origin->file, origin->line ? "" : " ");
    if (origin && origin->file && origin->line) text_addf(out, ":%d ", origin->line);
    if (step->what) text_add(out, step->what);
    else text_addf(out, "%s -> %s", step->from, step->to ? step->to : "");
}

/* "ops T, split(3)": all ops of all steps in one list; nothing when there are none. */
static void add_ops(Text *out, const Step *const *steps, size_t n)
{
    const char *before = "ops ";
    for (size_t i = 0; i < n; i++) {
        if (!steps[i]->ops) continue;
        text_addf(out, "%s%s", before, steps[i]->ops);
        before = ", ";
    }
}

/* Without a value, for whatever reason. Kept ones are not open: policy has settled them. */
static bool is_open(const Binding *binding)
{
    return binding->status == BIND_SHAPE || binding->status == BIND_DTYPE ||
           binding->status == BIND_MISSING || binding->status == BIND_AMBIGUOUS;
}

/* "offered f32 100×2048 from KEY" where it was not taken, "from KEY" where it was, with the dtype
 * in front where that was cast. A kept target may have been offered something too. */
static void describe_source(Words *words, const Binding *binding)
{
    bool offered = is_open(binding) || binding->offered;
    if (!binding->source_count) return;
    Text *out = next_part(words);
    text_add(out, offered ? "offered " : "from ");
    const Expr *expr = binding->offered ? binding->offered : binding->expr;
    bool other = binding->source_count == 1 && binding->sources[0]->dtype != binding->dtype;
    if (offered && expr && !expr->unknown) {
        add_type(out, expr->dtype, expr->dims, expr->rank);
        add_layout(out, expr->layout);
        text_add(out, " from ");
    } else if (other) {
        text_addf(out, "%s ", dtype_name(binding->sources[0]->dtype));
    }
    add_sources(out, binding);
}

/* The whole history of a name, oldest first, as far as it is not absurdly long. */
static void describe_steps(Words *words, const Binding *binding)
{
    const Step *steps[STEPS_SHOWN];
    size_t n = align_steps(binding, steps, STEPS_SHOWN);
    size_t shown = n < STEPS_SHOWN ? n : STEPS_SHOWN;
    if (!shown) return;
    text_add(next_part(words), "rule ");
    for (size_t i = 0; i < shown; i++) {
        if (i) text_add(&words->text, ", then ");
        add_step(&words->text, steps[i]);
    }
    if (n > shown) text_addf(&words->text, ", and %zu more", n - shown);
}

/* What is done to the numbers, with the shape at each step, on a line of its own; the rules' own
 * words where no expression came of them. */
static void describe_ops(Words *words, const Binding *binding)
{
    const Step *steps[STEPS_SHOWN];
    size_t n = align_steps(binding, steps, STEPS_SHOWN);
    const Expr *e = binding->offered ? binding->offered : binding->expr;
    Text ops = {0};
    if (e && !e->unknown && e->kind != EX_FILL) tell_pipeline(e, &ops);
    else add_ops(&ops, steps, n < STEPS_SHOWN ? n : STEPS_SHOWN);
    if (ops.length) text_add(next_part(words), text_string(&ops));
    end_line(words);
    text_done(&ops);
}

/* A line for each side that has values; nothing where none are shown. */
static void describe_values(Words *words, const View *view, const TensorSides *sides)
{
    if (view->values) tensor_sides_tell(sides, view->values, &words->text);
}

/* "9408 values · 37.6 kB": how much there is, of a listing; of a tensor also how its elements lie,
 * where that is not one after the other. */
static void describe_amount(Words *words, const RowModel *rows, uint32_t index)
{
    char size[32];
    const Tensor *tensor = rows_tensor(rows, index);
    show_bytes(rows->bytes[index], size);
    if (tensor && tensor->dims) {
        char values[32];
        show_count(tensor_count(tensor), values);
        text_addf(next_part(words), "%s value%s", values, tensor_count(tensor) == 1 ? "" : "s");
    }
    if (rows->bytes[index]) text_add(next_part(words), size);
    if (tensor && !tensor_is_contiguous(tensor)) {
        Text *out = next_part(words);
        text_add(out, "strides ");
        for (unsigned i = 0; i < tensor->rank; i++)
            text_addf(out, "%s%" PRId64, i ? "," : "", tensor->strides[i]);
    }
}

/* Three lines: what and from where; why not; what to do (the report's suggestion until lines were
 * tried, then those that help, numbered); and how the one source is stored, where
 * that is not plain.
 *
 *   wants f32 200×8 · offered f32 100×8 from m.fc.weight · rule fix.lua:1 strip "m."
 *   shape: dim 0
 *   try   rules [[ fc.* -> fc.* |> fit(0) ]]
 *
 * A tensor that was loaded, and for which nothing needs to be said, has the first one only. */
static void describe_binding(Words *words, const View *view, const Binding *binding)
{
    const Alignment *alignment = view->rows->alignment;
    Text *out = next_part(words);
    if (is_open(binding)) text_add(out, "wants ");
    add_type(out, binding->dtype, binding->dims, binding->rank);
    if (binding->target) add_layout(out, binding->target->layout);
    if (rows_is_listing(view->rows)) describe_amount(words, view->rows, view_row(view));
    else describe_source(words, binding);
    describe_steps(words, binding);
    if (binding->tied_to) text_addf(next_part(words), "tied to %s", binding->tied_to->name);
    end_line(words);
    if (binding->status != BIND_LOADED || binding->reason) {
        out = next_part(words);
        text_add(out, state_info(state_of_binding(binding))->word);
        if (binding->reason) text_addf(out, ": %s", binding->reason);
        if (binding->covered) text_add(next_part(words), "expected");
        end_line(words);
    }
    bool tried = view->tries_for && view->tries.length &&
                 strcmp(view->tries_for, binding->name) == 0;
    const char *tries = tried ? text_string(&view->tries) : binding->suggest;
    if (tries) text_addf(next_part(words), "%s%s", try_label, tries);
    end_line(words);
    describe_ops(words, binding);
    TensorSides sides;
    tensor_sides_of_binding(&sides, binding);
    describe_values(words, view, &sides);
    if (binding->source_count == 1) describe_storing(words, alignment, binding->sources[0]);
}

/* A source tensor: what it is and what became of it, then the targets that took it; where there
 * are none, the target it looks like. */
static void describe_use(Words *words, const View *view, const SourceUse *use)
{
    const Alignment *alignment = view->rows->alignment;
    const Tensor *tensor = use->tensor;
    Text *out = next_part(words);
    add_type(out, tensor->dtype, tensor->dims, tensor->rank);
    add_layout(out, tensor->layout);
    out = next_part(words);
    text_add(out, use_word(use->status));
    if (use->reason) text_addf(out, ": %s", use->reason);
    if (use->covered) text_add(next_part(words), "expected");
    if (use->step) {
        text_add(next_part(words), "rule ");
        add_step(&words->text, use->step);
    }
    end_line(words);
    size_t n, index = dict_index(align_source_dict(alignment), use->tensor);
    const uint32_t *bindings = align_uses_of(alignment, index, &n);
    for (size_t i = 0; i < n && i < STEPS_SHOWN; i++)
        text_addf(next_part(words), "%s%s", i ? "" : "to ",
                  align_binding(alignment, bindings[i])->name);
    if (n > STEPS_SHOWN) text_addf(&words->text, " and %zu more", n - STEPS_SHOWN);
    if (!n && use->nearest) text_addf(next_part(words), "perhaps meant for %s", use->nearest);
    end_line(words);
    TensorSides sides;
    tensor_sides_of_tensor(&sides, tensor);
    describe_values(words, view, &sides);
    describe_storing(words, alignment, tensor);
}

/* What tells the row from the others of its run when it is an exception. */
static void describe_exception(Words *words, const RowModel *rows, uint32_t index)
{
    if (!rows_is_exception(rows, index)) return;
    Text what = {0};
    rows_tell_exception(rows, index, &what);
    text_addf(next_part(words), "differs from the blocks beside it%s%s", what.length ? ": " : "",
              text_string(&what));
    text_done(&what);
    end_line(words);
}

/* Numbers, and the states found inside with their signs. */
static void describe_module(Words *words, const RowModel *rows, uint32_t index)
{
    const Row *row = &rows->rows[index];
    if (row_is_run(row)) text_addf(next_part(words), "%u equal blocks", row->members);
    if (row->odd)
        text_addf(next_part(words), "%u blocks, equal but %s", row->members, row->odd);
    if (rows_is_listing(rows)) {
        text_addf(next_part(words), "%u tensor%s", row->targets, row->targets == 1 ? "" : "s");
        describe_amount(words, rows, index);
        end_line(words);
        return;
    }
    if (row->targets)
        text_addf(next_part(words), "%u of %u tensors loaded", row->loaded, row->targets);
    if (row->sources) {
        text_addf(next_part(words), "%u source tensor%s", row->sources,
                  row->sources == 1 ? "" : "s");
        if (row->targets && row->side[SIDE_SOURCE].path) {
            text_add(&words->text, " from ");
            rows_path(rows, index, SIDE_SOURCE, &words->text);
        }
    }
    end_line(words);
    for (unsigned state = 0; state < ROW_STATE_COUNT; state++) {
        if (!(rows->spans[index].states & 1u << state)) continue;
        const RowStateInfo *info = state_info((RowState)state);
        text_addf(&words->text, "%s%s %s", words->fresh ? "" : "   ", info->glyph, info->word);
        words->fresh = false;
    }
    end_line(words);
}

/* The words about a row; its name goes to `title`. The side decides whose: on a row with both, the
 * source side tells of the source tensor, the target side of the binding. Where the row has
 * nothing on the chosen side, the other one is told. */
static void describe(const View *view, uint32_t index, Words *words, Text *title)
{
    const RowModel *rows = view->rows;
    const Row *row = &rows->rows[index];
    Side side = row->side[view->side].path ? view->side
                : view->side == SIDE_SOURCE ? SIDE_TARGET : SIDE_SOURCE;
    rows_path(rows, index, side, title);
    if (!title->length && row->side[side].path) text_add(title, "\"\"");
    const Binding *binding = rows_binding(rows, index);
    const SourceUse *use = rows_use(rows, index);
    if (binding && side == SIDE_SOURCE && binding->source_count == 1)
        use = align_find_use(rows->alignment, binding->sources[0]->name);
    if (use) describe_use(words, view, use);
    else if (binding) describe_binding(words, view, binding);
    else describe_module(words, rows, index);
    describe_exception(words, rows, index);
}

/* The border above the detail, with the row's whole path in it. */
static void draw_frame(const Panes *panes, Screen *screen, const char *title, unsigned style)
{
    int y = panes->detail_y, last = panes->columns - 1;
    screen_fill(screen, 0, y, panes->columns, STYLE_BORDER, "─");
    screen_put(screen, 0, y, 1, STYLE_BORDER, "├");
    screen_put(screen, panes->middle_x - 1, y, 1, STYLE_BORDER, "┴");
    screen_put(screen, panes->middle_x + 3, y, 1, STYLE_BORDER, "┴");
    screen_put(screen, last, y, 1, STYLE_BORDER, "┤");
    if (!*title) return;
    screen_put(screen, 1, y, 1, style, " ");
    int used = screen_put_elided(screen, 2, y, panes->columns - 6, style, title);
    screen_put(screen, 2 + used, y, 1, style, " ");
}

/* Lines that would settle the row, one behind the other: one that does not fit whole begins a line
 * of its own, and is wrapped, or left to be elided (short). `choices` stand apart by CHOICE_GAP. */
static void wrap_choices(const Screen *screen, const char *choices, int width, bool in_short,
                         Text *lines)
{
    const int indent = (int)strlen(try_label), gap = (int)strlen(CHOICE_GAP);
    int used = indent;
    text_add(lines, try_label);
    for (const char *p = choices; *p;) {
        const char *stop = strstr(p, CHOICE_GAP);
        const size_t n = stop ? (size_t)(stop - p) : strlen(p);
        Text choice = {0};
        text_addn(&choice, p, n);
        int columns = screen_columns_of(screen, text_string(&choice));
        if (p > choices && used + gap + columns <= width) {
            text_add(lines, CHOICE_GAP);
            used += gap;
        } else if (p > choices) {
            text_addf(lines, "\n%*s", indent, "");
            used = indent;
        }
        if (in_short) text_add(lines, text_string(&choice));
        else screen_wrap(screen, text_string(&choice), width - indent, lines);
        used += columns;
        text_done(&choice);
        p += stop ? n + (size_t)gap : n;
    }
}

/* Behind a last line that was cut: that there is more, and the key that shows it. */
static void draw_more(const View *view, const Panes *panes, Screen *screen)
{
    Text more = {0};
    text_add(&more, " …");
    const char *key = view_key(view, "detail");
    if (key && !view->line) text_addf(&more, " %s", key);
    screen_put_right(screen, panes->columns - 2, panes->bottom_y - 1, 10, STYLE_DIM,
                     text_string(&more));
    text_done(&more);
}

/* Each line of the text is wrapped by itself; returns how many come out. */
static int wrap_words(const Screen *screen, const char *text, int width, bool in_short,
                      Text *lines)
{
    int count = *text != '\0';
    while (*text) {
        size_t n = strcspn(text, "\n");
        char *line = mem_strdup(text);
        line[n] = '\0';
        if (lines->length) text_addc(lines, '\n');
        if (has_prefix(line, try_label))
            wrap_choices(screen, line + strlen(try_label), width, in_short, lines);
        else screen_wrap(screen, line, width, lines);
        free(line);
        text += n + (text[n] == '\n');
    }
    for (size_t i = 0; i < lines->length; i++) count += lines->bytes[i] == '\n';
    return count;
}

/* As many lines as there is room for; a last one that was cut says so. Where that is not all, lines
 * to choose from are one line each, so that there is more than the first of them. What comes out is
 * one text, whose '\n's are then made ends in place. */
static void draw_words(const View *view, const Panes *panes, Screen *screen, const char *text)
{
    const unsigned style = view->notice_title ? view->notice_style : STYLE_PLAIN;
    Text lines = {0};
    int width = panes->columns - 4, y = panes->detail_y + 1;
    if (wrap_words(screen, text, width, false, &lines) > panes->detail_height) {
        text_clear(&lines);
        wrap_words(screen, text, width, true, &lines);
    }
    char *p = lines.bytes;
    for (int i = 0; i < panes->detail_height; i++) {
        screen_put(screen, 0, y + i, 1, STYLE_BORDER, "│");
        screen_put(screen, panes->columns - 1, y + i, 1, STYLE_BORDER, "│");
        if (!p || !*p) continue;
        char *end = p + strcspn(p, "\n");
        bool more = *end == '\n';
        *end = '\0';
        screen_put_elided(screen, 2, y + i, width, style, p);
        p = more ? end + 1 : end;
    }
    if (p && *p && panes->detail_height) draw_more(view, panes, screen);
    text_done(&lines);
}

void view_detail(const View *view, Text *title, Text *text)
{
    uint32_t row = view_row(view);
    Words words = {.fresh = true};
    if (view->notice_title) {
        text_add(title, view->notice_title);
        text_add(text, text_string(&view->notice));
        return;
    }
    if (row != ROW_NONE) describe(view, row, &words, title);
    text_add(text, text_string(&words.text));
    text_done(&words.text);
}

void pane_draw_detail(const View *view, const Panes *panes, Screen *screen)
{
    const unsigned notice = view->notice_style;
    Text title = {0}, words = {0};
    view_detail(view, &title, &words);
    draw_frame(panes, screen, text_string(&title), view->notice_title ? notice : STYLE_TITLE);
    draw_words(view, panes, screen, text_string(&words));
    text_done(&title);
    text_done(&words);
}
