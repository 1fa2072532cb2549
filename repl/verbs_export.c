/* Verbs that write the aligned checkpoint: at once, or from a panel that says how, and what it will
 * cost. */
#include "repl/verb_list.h"

#include <stdlib.h>
#include <string.h>

#include "loader/export/export.h"
#include "loader/export/plan_cost.h"
#include "repl/chooser.h"
#include "viewer/outline.h"

/* ---- at once ---- */

static bool write_to(Ui *ui, const char *path, bool force, Error *err)
{
    if (!*path) return error_set(err, ERR_USAGE, "write takes a path: write aligned.pth");
    Error problem = {0};
    char *name = mem_strdup(path);
    bool ok = ui_write(ui, &(UiExport){.path = name}, force, &problem);
    free(name);
    if (ok || (!force && ui_ask_to_replace(ui, &problem, "write", path))) return true;
    *err = problem;
    return false;
}

bool verb_write(Ui *ui, const char *argument, Error *err)
{
    return write_to(ui, argument, false, err);
}

/* The verb behind a yes; nothing is asked a second time. */
bool verb_force_write(Ui *ui, const char *argument, Error *err)
{
    return write_to(ui, argument, true, err);
}

/* ---- casts ---- */

enum { CAST_FIELD = 6 };         /* the last of the panel's */

/* A cast is a line of rules as any other: of floats alone, and where no target says the dtype. */
static const char cast_begin[] =
    "each(function(key, t) if t.dtype:find(\"^b?f%d+$\") then return key, t:cast(\"";
static const char cast_end[] = "\") end end)";

static bool is_cast(const char *line)
{
    return has_prefix(line, cast_begin);
}

/* The dtype that the session casts to; "" for none. */
static void find_cast(const Session *session, Text *out)
{
    for (size_t i = 0; i < session_line_count(session); i++) {
        const char *line = session_line(session, i);
        if (!is_cast(line)) continue;
        const char *dtype = line + sizeof cast_begin - 1;
        text_clear(out);
        text_addn(out, dtype, strcspn(dtype, "\""));
    }
}

static void open_panel(Ui *ui, uint32_t field);

/* The ledger is another one now, and so is its cost. */
static void show_again(Ui *ui, size_t number, const char *text)
{
    (void)number, (void)text;
    if (outline_is(ui->view.panel, "export")) open_panel(ui, CAST_FIELD);
}

/* "as it is" takes it back. */
static bool set_cast(Ui *ui, const char *dtype, Error *err)
{
    static const char *const known[] = {"f64", "f32", "f16", "bf16"};
    Text line = {0};
    bool none = strcmp(dtype, "no") == 0, good = none;
    for (size_t i = 0; i < countof(known); i++) good = good || strcmp(dtype, known[i]) == 0;
    if (!good) return error_set(err, ERR_USAGE, "cast takes f64, f32, f16, bf16 or no");
    if (session_target(ui->session))
        return error_set(err, ERR_USAGE, "the target says what dtypes its tensors have");
    text_addf(&line, "%s%s%s", cast_begin, dtype, cast_end);
    session_swap_lines(ui->session, is_cast, none ? NULL : text_string(&line),
                       none ? "no cast" : text_string(&line));
    text_done(&line);
    return ui_align_then(ui, show_again, 0, "", err);
}

/* ---- the panel ---- */

/* A line "WORD  VALUE"; Enter runs "export WORD NEXT", or types it. */
static void add_field(Panel *panel, const char *word, const char *value, const char *next,
                      bool typed)
{
    Text text = {0}, line = {0};
    text_addf(&text, "%-10s %s", word, value);
    text_addf(&line, "%sexport %s %s", typed ? "prompt " : "", word, next);
    chooser_add(panel, STYLE_PLAIN, text_string(&text), typed ? "typed" : "", text_string(&line));
    text_done(&text);
    text_done(&line);
}

/* The choice behind one of a list, which begins again behind its last. */
static const char *next_of(const char *const *list, size_t n, const char *now)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(list[i], now) == 0) return list[(i + 1) % n];
    return list[0];
}

static void add_fields(const Ui *ui, Panel *panel)
{
    static const char *const formats[] = {"suffix", "pth", "safetensors", "npz"};
    static const char *const casts[] = {"no", "f32", "f16", "bf16"};
    const UiExport *output = &ui->output;
    const char *format = output->format ? output->format : "suffix";
    char bytes[32];
    Text cast = {0}, text = {0};
    add_field(panel, "path", ui_output_path(ui), ui_output_path(ui), true);
    const char *suffix = export_format_of(ui_output_path(ui));
    text_addf(&text, "%s%s", output->format ? format : suffix ? suffix : "none",
              output->format ? "" : ", by the suffix");
    add_field(panel, "format", text_string(&text), next_of(formats, countof(formats), format),
              false);
    show_bytes(output->shard_size, bytes);
    add_field(panel, "shards", output->shard_size ? bytes : "one file", "5GB", true);
    add_field(panel, "whole", output->whole ? "the rest of the source goes along" : "weights alone",
              output->whole ? "no" : "yes", false);
    add_field(panel, "under", output->under ? output->under : "flat", "state_dict", true);
    add_field(panel, "omit-kept", output->omit_kept ? "kept ones without data are left out"
                                                    : "kept ones without data stop it",
              output->omit_kept ? "no" : "yes", false);
    text_add(&cast, "no");
    find_cast(ui->session, &cast);
    if (session_target(ui->session)) add_field(panel, "cast", "as the target says", "no", false);
    else add_field(panel, "cast", text_string(&cast),
                   next_of(casts, countof(casts), text_string(&cast)), false);
    text_done(&cast);
    text_done(&text);
}

/* Of what is larger than the buffer. */
static void add_passes(const Plan *plan, const ExportOptions *options, Panel *panel)
{
    size_t count;
    ReportPass *passes = plan_passes(plan, options, &count);
    double most = 0;
    Text text = {0};
    for (size_t i = 0; i < count; i++)
        if (passes[i].passes > most) most = passes[i].passes;
    text_addf(&text, "%zu larger than the buffer: in pieces, ", count);
    if (most < 1.005) text_add(&text, "which read their sources once");
    else text_addf(&text, "with up to %.3g passes over their sources", most);
    if (count) chooser_add(panel, STYLE_DIM, text_string(&text), NULL, NULL);
    text_done(&text);
    free(passes);
}

/* What it takes, or why it cannot be. */
static void add_cost(const Ui *ui, Panel *panel)
{
    const UiExport *output = &ui->output;
    const PlanOptions options = {.whole = output->whole, .omit_kept = output->omit_kept,
                                 .shard_size = output->shard_size};
    Error err = {0};
    Text text = {0};
    Plan *plan = plan_new(ui->alignment, &options, &err);
    chooser_add(panel, STYLE_PLAIN, "", NULL, NULL);
    if (!plan) {
        chooser_add(panel, STYLE_ERROR, err.text, NULL, NULL);
        return;
    }
    const ExportOptions none = {0};
    PlanCost cost = plan_cost(plan, &none);
    char read[32], written[32];
    show_bytes(cost.read, read);
    show_bytes(cost.written, written);
    text_addf(&text, "%zu tensor%s: %zu copied as they are, %zu computed, %zu filled, %zu tied",
              plan->count, plan->count == 1 ? "" : "s", cost.copied, cost.computed, cost.filled,
              cost.tied);
    chooser_add(panel, STYLE_DIM, text_string(&text), NULL, NULL);
    text_clear(&text);
    text_addf(&text, "reads %s, writes %s of values", read, written);
    chooser_add(panel, STYLE_DIM, text_string(&text), NULL, NULL);
    add_passes(plan, &none, panel);
    text_clear(&text);
    text_addf(&text, "write %s", ui_output_path(ui));
    chooser_add(panel, STYLE_KEY, text_string(&text), NULL, "export write");
    text_done(&text);
    plan_free(plan);
}

/* With the cursor on the field of that number. */
static void open_panel(Ui *ui, uint32_t field)
{
    if (outline_is(ui->view.panel, "export")) view_pop_panel(&ui->view);
    Panel *panel = chooser_open(ui, "export", "export: how the output is written");
    add_fields(ui, panel);
    add_cost(ui, panel);
    outline_goto(panel, field);
}

static void set_text(char **text, const char *value)
{
    free(*text);
    *text = *value ? mem_strdup(value) : NULL;
}

static bool set_flag(bool *flag, const char *value, Error *err)
{
    if (strcmp(value, "yes") != 0 && strcmp(value, "no") != 0)
        return error_set(err, ERR_USAGE, "yes or no?");
    *flag = *value == 'y';
    return true;
}

static bool set_format(UiExport *output, const char *value, Error *err)
{
    bool known = strcmp(value, "pth") == 0 || strcmp(value, "safetensors") == 0 ||
                 strcmp(value, "npz") == 0;
    if (!known && strcmp(value, "suffix") != 0)
        return error_set(err, ERR_USAGE, "format takes pth, safetensors, npz or suffix");
    set_text(&output->format, known ? value : "");
    return true;
}

/* "0" and "one file" are one file. */
static bool set_shards(UiExport *output, const char *value, Error *err)
{
    uint64_t size = 0;
    if (*value && strcmp(value, "0") != 0 && strcmp(value, "one file") != 0 &&
        !(parse_bytes(value, &size) && size && size <= INT64_MAX))
        return error_set(err, ERR_USAGE, "shards takes a size, such as 5GB, or 0");
    output->shard_size = size;
    return true;
}

/* In the order of the panel. */
static bool set_field(Ui *ui, const char *word, const char *value, uint32_t *field, Error *err)
{
    static const char *const words[] = {"path", "format", "shards", "whole", "under", "omit-kept",
                                        "cast"};
    UiExport *output = &ui->output;
    for (*field = 0; *field < countof(words) && strcmp(words[*field], word) != 0;) ++*field;
    switch (*field) {
    case 0: set_text(&output->path, value); return true;
    case 1: return set_format(output, value, err);
    case 2: return set_shards(output, value, err);
    case 3: return set_flag(&output->whole, value, err);
    case 4: set_text(&output->under, strcmp(value, "flat") == 0 ? "" : value); return true;
    case 5: return set_flag(&output->omit_kept, value, err);
    case CAST_FIELD: return set_cast(ui, value, err);
    default: return error_set(err, ERR_USAGE, "export takes path, format, shards, whole, under, "
                              "omit-kept, cast or write");
    }
}

static bool write_output(Ui *ui, bool force, Error *err)
{
    Error problem = {0};
    if (!ui->output.path) set_text(&ui->output.path, ui_output_path(ui));
    view_close_panels(&ui->view);
    if (ui_write(ui, &ui->output, force, &problem)) return true;
    if (!force && ui_ask_to_replace(ui, &problem, "export", ui->output.path)) return true;
    *err = problem;
    return false;
}

bool verb_export(Ui *ui, const char *argument, Error *err)
{
    size_t n = strcspn(argument, " ");
    char *word = mem_strdup(argument);
    uint32_t field = 0;
    word[n] = '\0';
    bool ok = true;
    if (strcmp(word, "write") == 0) ok = write_output(ui, false, err);
    else if (!*word || (ok = set_field(ui, word, argument + n + (argument[n] == ' '), &field, err)))
        open_panel(ui, field);
    free(word);
    return ok;
}

bool verb_force_export(Ui *ui, const char *argument, Error *err)
{
    (void)argument;              /* the path, for the question's sake */
    return write_output(ui, true, err);
}
