/* Verbs that pair keys by hand, take pairs apart, and settle what gets none. Each comes to a line
 * of Lua, which is tried before it is kept. */
#include "repl/verb_list.h"

#include <stdlib.h>
#include <string.h>

#include "loader/align/align_marks.h"
#include "loader/align/pattern.h"
#include "loader/align/suggest.h"
#include "repl/chooser.h"
#include "repl/induced.h"
#include "repl/pairing.h"
#include "repl/session_marks.h"
#include "viewer/row_key.h"

/* ---- what is under the cursor ---- */

/* The key of the row on the side that the cursor is on, or else on the other one. */
static const char *key_here(const Ui *ui, Side *side, Error *err)
{
    uint32_t row = view_row(&ui->view);
    *side = ui->view.side;
    if (row == ROW_NONE || !row_is_tensor(&ui->rows->rows[row])) {
        error_set(err, ERR_USAGE, "this is no tensor; open the module");
        return NULL;
    }
    const char *key = row_key(ui->rows, row, *side);
    if (!key) key = row_key(ui->rows, row, *side = *side == SIDE_SOURCE ? SIDE_TARGET
                                                                        : SIDE_SOURCE);
    if (!key) error_set(err, ERR_USAGE, "the rules have dropped it, so that it has no name");
    return key;
}

/* The side that the cursor is on, or the other one, where that place is empty. */
static Side side_here(const Ui *ui, uint32_t row)
{
    Side side = ui->view.side;
    if (ui->rows->rows[row].side[side].path) return side;
    return side == SIDE_SOURCE ? SIDE_TARGET : SIDE_SOURCE;
}

/* Whether a key stands in the module of that name. */
static bool is_below(const char *key, const char *module)
{
    return has_prefix(key, module) && key[strlen(module)] == '.';
}

/* The longest path that all keys of the rows below have in common, in whole segments. */
static void common_path(const RowModel *rows, uint32_t row, Side side, Text *out, size_t *count)
{
    bool first = true;
    *count = 0;
    for (uint32_t i = row; i < rows->spans[row].end; i++) {
        const char *key = row_is_tensor(&rows->rows[i]) ? row_key(rows, i, side) : NULL;
        if (!key) continue;
        ++*count;
        if (first) text_add(out, key);
        first = false;
        size_t n = 0, whole = 0;
        for (; n < out->length && key[n] == out->bytes[n]; n++)
            if (key[n] == '.') whole = n;
        out->length = n == out->length && key[n] == '.' ? n : whole;
    }
    while (*count == 1 && out->length && out->bytes[out->length] != '.') out->length--;
    if (out->bytes) out->bytes[out->length] = '\0';
}

/* The module under the cursor as rules know it: a path with all of its keys below it and no others.
 * False: the rules have scattered them. */
static bool module_here(const Ui *ui, Side side, Text *out)
{
    const RowModel *rows = ui->rows;
    size_t inside, all = 0;
    common_path(rows, view_row(&ui->view), side, out, &inside);
    for (uint32_t i = 0; out->length && i < rows->count; i++) {
        const char *key = row_is_tensor(&rows->rows[i]) ? row_key(rows, i, side) : NULL;
        all += key && is_below(key, text_string(out));
    }
    return out->length && all == inside;
}

/* A pattern for the tensor or the module under the cursor: "head.fc.weight", "head.**". *side is
 * the one it is on. */
static bool pattern_here(const Ui *ui, Side *side, Text *out, Error *err)
{
    uint32_t row = view_row(&ui->view);
    if (row != ROW_NONE && !row_is_tensor(&ui->rows->rows[row])) {
        Text module = {0};
        *side = side_here(ui, row);
        bool found = module_here(ui, *side, &module);
        if (found) pattern_quote(text_string(&module), out);
        text_done(&module);
        text_add(out, ".**");
        return found || error_set(err, ERR_USAGE, "no pattern says all of these and nothing else; "
                                  "open the module");
    }
    const char *key = key_here(ui, side, err);
    if (key) pattern_quote(key, out);
    return key != NULL;
}

/* ---- matching ---- */

/* The cursor goes to a target, wherever its row is now. */
static void go_to_target(Ui *ui, const char *key)
{
    for (size_t i = 0; i < align_count(ui->alignment); i++)
        if (strcmp(align_binding(ui->alignment, i)->name, key) == 0)
            view_goto(&ui->view, ui->rows->row_of_binding[i]);
}

/* The marked keys, and `more` behind those of its side. */
static PairingKeys marked_keys(const Ui *ui, Side side, const char *more, Arena *arena)
{
    PairingKeys keys;
    for (int i = 0; i < SIDE_COUNT; i++) {
        const char *const *marked;
        size_t n = session_marked(ui->session, i, &marked);
        const char **all = arena_alloc(arena, (n + 1) * sizeof *all);
        for (size_t k = 0; k < n; k++) all[k] = marked[k];
        if (i == (int)side) all[n++] = more;
        keys.keys[i] = all;
        keys.counts[i] = n;
    }
    return keys;
}

/* What the shapes do not decide is typed, with the rest of the line there already. */
static bool match(Ui *ui, Side side, const char *key, Error *err)
{
    Arena *arena = arena_new();
    PairingKeys keys = marked_keys(ui, side, key, arena);
    MarkLine line;
    bool ok = pairing_line(ui->alignment, &keys, arena, &line, err);
    if (ok && line.sure) {
        const char *target = arena_strdup(arena, keys.keys[SIDE_TARGET][0]);
        ok = ui_apply_line(ui, line.line, err);
        if (ok) go_to_target(ui, target);
    } else if (ok) {
        ui_prompt(ui, line.line);
        view_notice(&ui->view, STYLE_SHAPE, "the shapes do not say how",
                    "Go on with the op that makes the one of the other, as T, split(3, 1), cat(0) "
                    "or fit(0).");
    }
    arena_free(arena);
    return ok;
}

/* Whether a mark is a module's: "head.**", and no key of that name. */
static bool is_module_mark(const Ui *ui, const char *mark)
{
    AutoTensor there;
    return has_suffix(mark, ".**") && !align_find(ui->alignment, mark) &&
           !align_key(ui->alignment, mark, &there);
}

/* What stands in the one becomes what stands in the other. */
static bool match_modules(Ui *ui, const char *source, const char *target, Error *err)
{
    const char *const names[] = {source, target};
    Arena *arena = arena_new();
    Text rule = {0};
    for (size_t i = 0; i < countof(names); i++) {
        if (i) text_add(&rule, " -> ");
        pattern_quote(arena_strndup(arena, names[i], strlen(names[i]) - 3), &rule);
        text_add(&rule, ".**");
    }
    bool ok = ui_apply_line(ui, suggest_line(arena, text_string(&rule)), err);
    text_done(&rule);
    arena_free(arena);
    return ok;
}

/* Modules go with modules, one with one; tensors with tensors. */
static bool match_marks(Ui *ui, Side side, const char *key, Error *err)
{
    const char *const *same, *const *others;
    size_t n = session_marked(ui->session, (int)side, &same);
    size_t m = session_marked(ui->session, side == SIDE_SOURCE, &others);
    bool module = is_module_mark(ui, key);
    for (size_t i = 0; i < m; i++)
        if (is_module_mark(ui, others[i]) != module || (module && n + m > 1))
            return error_set(err, ERR_USAGE, "a module goes with one module; U forgets marks");
    if (!module) return match(ui, side, key, err);
    return side == SIDE_SOURCE ? match_modules(ui, key, others[0], err)
                               : match_modules(ui, others[0], key, err);
}

static bool is_marked(const Ui *ui, Side side, const char *key)
{
    const char *const *keys;
    size_t n = session_marked(ui->session, (int)side, &keys);
    for (size_t i = 0; i < n; i++)
        if (strcmp(keys[i], key) == 0) return true;
    return false;
}

/* The key of the tensor under the cursor, or "MODULE.**". */
static bool mark_here(const Ui *ui, Side *side, Text *out, Error *err)
{
    uint32_t row = view_row(&ui->view);
    if (row == ROW_NONE || row_is_tensor(&ui->rows->rows[row])) {
        const char *key = key_here(ui, side, err);
        if (key) text_add(out, key);
        return key != NULL;
    }
    *side = side_here(ui, row);
    if (!module_here(ui, *side, out))
        return error_set(err, ERR_USAGE, "no pattern says all of these and nothing else; open the "
                         "module");
    text_add(out, ".**");
    return true;
}

/* With something marked on the other side the pair is complete. */
static bool mark(Ui *ui, Side side, const char *key, Error *err)
{
    const char *const *keys;
    bool marked = is_marked(ui, side, key);
    if (!marked && session_marked(ui->session, side == SIDE_SOURCE, &keys))
        return match_marks(ui, side, key, err);
    session_mark(ui->session, (int)side, key);
    ui_refresh(ui);
    if (marked)
        view_say(&ui->view, STYLE_PLAIN, "unmarked: %s", key);
    else
        view_say(&ui->view, STYLE_KEY, "marked %zu in the %s; m on the other side matches",
                 session_marked(ui->session, (int)side, &keys),
                 side == SIDE_SOURCE ? "source" : "target");
    return true;
}

bool verb_mark(Ui *ui, const char *argument, Error *err)
{
    (void)argument;
    Side side;
    Text key = {0};
    if (!session_target(ui->session))
        return error_set(err, ERR_USAGE, "there is no target to match with; > opens one");
    bool ok = mark_here(ui, &side, &key, err) && mark(ui, side, text_string(&key), err);
    text_done(&key);
    return ok;
}

bool verb_unmark(Ui *ui, const char *argument, Error *err)
{
    (void)argument;
    const char *const *keys;
    if (!session_marked(ui->session, 0, &keys) && !session_marked(ui->session, 1, &keys))
        return error_set(err, ERR_USAGE, "nothing is marked");
    session_unmark_all(ui->session);
    ui_refresh(ui);
    view_say(&ui->view, STYLE_PLAIN, "nothing is marked");
    return true;
}

/* ---- taking apart ---- */

/* A pair made by hand goes with its line; of others the key gets another name. */
bool verb_unmatch(Ui *ui, const char *argument, Error *err)
{
    (void)argument;
    uint32_t row = view_row(&ui->view);
    const Binding *binding = row == ROW_NONE ? NULL : rows_binding(ui->rows, row);
    if (!binding || !binding->target || !binding->source_count)
        return error_set(err, ERR_USAGE, "there is no pair in this row");
    size_t line = pairing_find(ui->session, binding->name);
    if (line != SIZE_MAX) {
        session_remove(ui->session, line);
        if (!ui_align(ui, err)) return false;
        view_say(&ui->view, STYLE_PLAIN, "taken apart: its line is deleted; u puts it back");
        return true;
    }
    const char *key = row_key(ui->rows, row, SIDE_SOURCE);
    if (!key) return error_set(err, ERR_USAGE, "no rule can undo it; r turns off what made it");
    Arena *arena = arena_new();
    bool ok = ui_apply_line(ui, pairing_apart(ui->alignment, binding, key, arena), err);
    arena_free(arena);
    return ok;
}

/* A source tensor or module is dropped; of the target it keeps its own values. */
bool verb_ignore(Ui *ui, const char *argument, Error *err)
{
    (void)argument;
    Side side;
    Text pattern = {0};
    Arena *arena = arena_new();
    bool ok = pattern_here(ui, &side, &pattern, err);
    if (ok) {
        const char *line = pairing_ignore(side == SIDE_TARGET, text_string(&pattern), arena);
        ok = ui_apply_line(ui, line, err);
    }
    arena_free(arena);
    text_done(&pattern);
    return ok;
}

/* ---- filling ---- */

static void add_fill(Panel *panel, const char *pattern, const char *op, const char *what)
{
    Text line = {0};
    text_add(&line, "apply fill(");
    lua_quote(pattern, strlen(pattern), &line);
    text_addf(&line, ", %s)", op);
    chooser_add(panel, STYLE_PLAIN, op, what, text_string(&line));
    text_done(&line);
}

/* The usual ways to begin, and the prompt for others. */
bool verb_fill_in(Ui *ui, const char *argument, Error *err)
{
    (void)argument;
    static const struct { const char *op, *what; } fills[] = {
        {"zeros()", "zeros"},
        {"const(1)", "ones, as of a norm's weight"},
        {"normal(0, 0.02)", "as transformers begin"},
        {"kaiming()", "as PyTorch's layers begin; one axis: zeros"},
        {"xavier()", "likewise, by both sizes"},
        {"conv_msra()", "as ResNet's convolutions begin"},
        {"prior_bias(0.01)", "a detector's bias"},
    };
    Side side = ui->view.side;
    ui->view.side = SIDE_TARGET;         /* it is the target that is filled */
    Text pattern = {0}, line = {0}, title = {0};
    bool ok = pattern_here(ui, &side, &pattern, err) &&
              (side == SIDE_TARGET || error_set(err, ERR_USAGE, "this is no row of the target"));
    if (ok) {
        const char *text = text_string(&pattern);
        text_addf(&title, "fill %s", text);
        Panel *panel = chooser_open(ui, "fill", text_string(&title));
        for (size_t i = 0; i < countof(fills); i++)
            add_fill(panel, text, fills[i].op, fills[i].what);
        text_add(&line, "prompt fill(");
        lua_quote(text, pattern.length, &line);
        text_add(&line, ", ");
        chooser_add(panel, STYLE_PLAIN, "…", "another one, typed", text_string(&line));
    }
    text_done(&pattern);
    text_done(&line);
    text_done(&title);
    return ok;
}

bool verb_apply(Ui *ui, const char *argument, Error *err)
{
    if (!*argument) return error_set(err, ERR_USAGE, "apply takes a line of Lua");
    return ui_apply_line(ui, argument, err);
}

/* ---- going on from pairs ---- */

/* "1  291 loaded by 9 rules", and the rules. */
static void add_proposal(Panel *panel, const MarkProposal *proposal, size_t number, bool last)
{
    Text text = {0}, line = {0};
    text_addf(&line, "induce %zu", number);
    text_addf(&text, "%zu  %zu target%s", number, proposal->loads,
              proposal->loads == 1 ? "" : "s");
    if (last) text_add(&text, ", the marks alone");
    if (proposal->misses) text_addf(&text, ", %zu would miss", proposal->misses);
    if (proposal->breaks) text_addf(&text, ", %zu would break", proposal->breaks);
    chooser_add(panel, proposal->problem ? STYLE_SHAPE : STYLE_MODULE, text_string(&text), NULL,
                text_string(&line));
    if (proposal->problem) {
        text_clear(&text);
        text_addf(&text, "   questioned: %s; it is left out", proposal->problem);
        chooser_add(panel, STYLE_SHAPE, text_string(&text), NULL, text_string(&line));
    }
    for (const char *p = proposal->text; *p;) {
        size_t n = strcspn(p, "\n");
        text_clear(&text);
        text_addf(&text, "   %.*s", (int)n, p);
        chooser_add(panel, STYLE_PLAIN, text_string(&text), NULL, text_string(&line));
        p += n + (p[n] == '\n');
    }
    text_done(&text);
    text_done(&line);
}

static void show_proposals(Ui *ui, const SessionMarks *marks)
{
    const MarkResult *result = marks->result;
    Text text = {0}, line = {0};
    text_addf(&text, "what %zu pair%s to", marks->count, marks->count == 1 ? " comes" : "s come");
    Panel *panel = chooser_open(ui, "induced", text_string(&text));
    for (size_t i = 0; i < result->count; i++)
        add_proposal(panel, &result->proposals[i], i + 1, i + 1 == result->count);
    if (result->ask) {
        text_clear(&text);
        text_addf(&text, "Goes nowhere yet: %s, and %zu like it", result->ask,
                  result->ask_keys - (result->ask_keys > 0));
        text_addf(&line, "goto %s", result->ask);
        chooser_add(panel, STYLE_MISSING, text_string(&text), "a pair of it would help most",
                    text_string(&line));
    }
    text_done(&text);
    text_done(&line);
}

/* What comes to less than the marks did is taken back; `before` is how many they loaded. */
static void check_induced(Ui *ui, size_t before, const char *what)
{
    size_t after = align_summary(ui->alignment)->bind[BIND_LOADED];
    if (!ui->rules_failed && after >= before) {
        view_say(&ui->view, STYLE_RENAMED, "%s; %zu more than the pairs", what, after - before);
        return;
    }
    Text text = {0};
    Error err = {0};
    text_addf(&text, "the rules misfire: %zu were loaded, and %zu would be; taken back", before,
              after);
    session_take_back(ui->session);
    bool ok = ui_align(ui, &err);
    view_notice(&ui->view, STYLE_ERROR, "error", ok ? text_string(&text) : err.text);
    text_done(&text);
}

/* In place of the marks. */
static bool keep_proposal(Ui *ui, const MarkProposal *proposal, Error *err)
{
    Text text = {0}, what = {0};
    size_t before = align_summary(ui->alignment)->bind[BIND_LOADED];
    text_add(&text, proposal->text);
    while (text.length && text.bytes[text.length - 1] == '\n') text.bytes[--text.length] = '\0';
    text_addf(&what, "induced: %zu target%s", proposal->loads, proposal->loads == 1 ? "" : "s");
    session_swap_lines(ui->session, session_line_is_mark, text_string(&text), text_string(&what));
    bool ok = ui_align_then(ui, check_induced, before, text_string(&what), err);
    text_done(&text);
    text_done(&what);
    return ok;
}

void induced_take(Ui *ui, size_t number, const SessionMarks *marks)
{
    Error err = {0};
    bool ok = true;
    if (number > marks->result->count)
        ok = error_set(&err, ERR_USAGE, "there is no proposal %zu; i lists them", number);
    else if (number) ok = keep_proposal(ui, &marks->result->proposals[number - 1], &err);
    else show_proposals(ui, marks);
    if (!ok) view_notice(&ui->view, STYLE_ERROR, "error", err.text);
}

bool verb_induce(Ui *ui, const char *argument, Error *err)
{
    uint64_t number = 0;
    if (*argument && !parse_digits(argument, strlen(argument), &number))
        return error_set(err, ERR_USAGE, "induce takes a number, or nothing");
    ui_question(ui, &(UiQuestion){.kind = WORK_INDUCE, .number = (size_t)number});
    return true;
}
