/* The panel of rules, and the verbs that act in it: all texts in the order in which they run, their
 * lines, and how many rows each touched. */
#include "repl/verb_list.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "loader/core/fold.h"
#include "repl/bisect.h"
#include "repl/editor.h"
#include "repl/rule_edits.h"
#include "repl/rule_hits.h"
#include "repl/rules_panel.h"
#include "viewer/outline.h"

static const char panel_name[] = "rules";

/* A line of the panel: a text (line 0), or a line of it. */
typedef struct Place {
    size_t text, line;
} Place;

typedef struct RulesPanel {
    Ui *ui;                      /* borrowed */
    Place *places;               /* owned, [count], by item */
    size_t count, room;
    size_t failed;               /* the text at which the run stopped; SIZE_MAX: it did not */
} RulesPanel;

/* ---- filling ---- */

static void add(RulesPanel *rules, Panel *panel, Place place, OutlineLine line)
{
    rules->places = mem_grow(rules->places, &rules->room, rules->count + 1,
                             sizeof *rules->places);
    line.item = (uint32_t)rules->count;
    rules->places[rules->count++] = place;
    outline_add(panel, &line);
}

/* The first error of a text, or of a line of it; NULL: there is none. */
static const RuleNote *find_error(const Ui *ui, Place place)
{
    for (size_t i = 0; i < align_note_count(ui->alignment); i++) {
        const RuleNote *note = align_note(ui->alignment, i);
        if (note->level == NOTE_ERROR &&
            rule_hits_text(ui->session, &note->origin) == place.text &&
            (!place.line || note->origin.line == (int)place.line))
            return note;
    }
    return NULL;
}

/* "318 rows"; "" where none was touched. */
static const char *show_rows(size_t count, char out[32])
{
    *out = '\0';
    if (count) snprintf(out, 32, "%zu row%s", count, count == 1 ? "" : "s");
    return out;
}

static void add_error(RulesPanel *rules, Panel *panel, Place place, uint8_t depth)
{
    const RuleNote *note = find_error(rules->ui, place);
    if (note)
        add(rules, panel, place, (OutlineLine){.sign = "✗", .sign_style = STYLE_ERROR,
                                               .text = note->text, .style = STYLE_ERROR,
                                               .depth = depth});
}

/* Comments and empty lines are left out. */
static void add_lines(RulesPanel *rules, Panel *panel, size_t index, const SessionText *text,
                      const RuleHits *hits)
{
    const char *p = text->text, *end = p + text->length;
    char count[32];
    Text shown = {0};
    for (size_t line = 1; p < end; line++) {
        const char *stop = memchr(p, '\n', (size_t)(end - p));
        const char *first = p;
        p = stop ? stop + 1 : end;
        size_t n = (size_t)((stop ? stop : end) - first), blank = strspn(first, " \t");
        if (blank >= n || (n - blank >= 2 && memcmp(first + blank, "--", 2) == 0)) continue;
        text_clear(&shown);
        text_addf(&shown, "%3zu  %.*s", line, (int)n, first);
        const Place place = {index, line};
        size_t rows = rule_hits_count(hits, index, line);
        add(rules, panel, place, (OutlineLine){.text = text_string(&shown),
                                               .right = show_rows(rows, count),
                                               .style = rows ? STYLE_PLAIN : STYLE_DIM,
                                               .depth = 1});
        add_error(rules, panel, place, 2);
    }
    text_done(&shown);
}

static void add_text(RulesPanel *rules, Panel *panel, size_t index, const SessionText *text,
                     const RuleHits *hits)
{
    const Place place = {index, 0};
    const bool error = find_error(rules->ui, place), line = text->kind == RULES_LINE;
    const bool several = memchr(text->text, '\n', text->length) != NULL;
    const char *name = line ? text->text : text->name;
    char count[32];
    Text shown = {0};
    text_addf(&shown, "%zu  %.*s", index + 1, (int)strcspn(name, "\n"), name);
    if (!line && !several) text_addf(&shown, "  %s", text->text);
    const bool idle = text->off || index > rules->failed;
    show_rows(rule_hits_count(hits, index, 0), count);
    add(rules, panel, place, (OutlineLine){
        .sign = idle ? "·" : error ? "✗" : "✓",
        .sign_style = idle ? STYLE_DIM : error ? STYLE_ERROR : STYLE_EXACT,
        .text = text_string(&shown),
        .right = text->off ? "off" : idle ? "not reached" : *count ? count : "no row",
        .style = idle ? STYLE_DIM : line ? STYLE_PLAIN : STYLE_MODULE});
    if (several) add_lines(rules, panel, index, text, hits);
    else if (!text->off) add_error(rules, panel, place, 1);
    text_done(&shown);
}

/* Nothing runs behind the text that failed: its error is the last that was noted. */
static size_t find_failed(const Ui *ui)
{
    size_t failed = SIZE_MAX;
    for (size_t i = 0; ui->rules_failed && i < align_note_count(ui->alignment); i++) {
        const RuleNote *note = align_note(ui->alignment, i);
        if (note->level == NOTE_ERROR) failed = rule_hits_text(ui->session, &note->origin);
    }
    return failed;
}

static void fill(Panel *panel, void *owner)
{
    RulesPanel *rules = owner;
    SessionText text;
    rules->failed = find_failed(rules->ui);
    RuleHits *hits = rule_hits_new(rules->ui->session, rules->ui->alignment);
    outline_clear(panel);
    rules->count = 0;
    for (size_t i = 0; session_text(rules->ui->session, i, &text); i++)
        add_text(rules, panel, i, &text, hits);
    rule_hits_free(hits);
    if (!rules->count)
        add(rules, panel, (Place){SIZE_MAX, 0},
            (OutlineLine){.text = "no rules yet; : types a line", .style = STYLE_DIM});
}

/* ---- the cursor ---- */

static RulesPanel *rules_on_show(const Ui *ui)
{
    return outline_is(ui->view.panel, panel_name) ? outline_owner(ui->view.panel) : NULL;
}

/* The text that a number names, or that the cursor of the panel is in. */
static bool find_place(const Ui *ui, const char *argument, Place *out, Error *err)
{
    const RulesPanel *rules = rules_on_show(ui);
    uint64_t number;
    if (*argument) {
        if (!parse_digits(argument, strlen(argument), &number) || !number ||
            number > session_text_count(ui->session))
            return error_set(err, ERR_USAGE, "there is no rules text '%s'; r lists them", argument);
        *out = (Place){(size_t)number - 1, 0};
        return true;
    }
    uint32_t item = rules ? outline_item(ui->view.panel) : OUTLINE_NONE;
    if (item == OUTLINE_NONE || rules->places[item].text >= session_text_count(ui->session))
        return error_set(err, ERR_USAGE, "no rule is under the cursor; r lists them");
    *out = rules->places[item];
    return true;
}

static void go_to(Ui *ui, Place place)
{
    const RulesPanel *rules = rules_on_show(ui);
    for (size_t i = 0; rules && i < rules->count; i++)
        if (rules->places[i].text == place.text && rules->places[i].line == place.line) {
            outline_goto(ui->view.panel, (uint32_t)i);
            return;
        }
}

/* A line that does not fold. */
static void enter(Panel *panel, void *owner)
{
    RulesPanel *rules = owner;
    Error ignored = {0};
    (void)panel;
    verb_rule_rows(rules->ui, "", &ignored);
}

static void free_rules(void *owner)
{
    RulesPanel *rules = owner;
    free(rules->places);
    free(rules);
}

/* With the cursor on the first error, if there is one. */
bool verb_rule_list(Ui *ui, const char *argument, Error *err)
{
    (void)argument, (void)err;
    if (rules_on_show(ui)) return true;
    RulesPanel *rules = mem_alloc(sizeof *rules);
    rules->ui = ui;
    const OutlineOptions options = {.name = panel_name,
                                    .hint = "{rule-toggle} off  {rule-move down} {rule-move up} "
                                            "{rule-edit} {rule-delete} {rule-split} {rule-rows} "
                                            "{rule-without}: {help} tells  {quit}",
                                    .title = "rules, in the order in which they run",
                                    .owner = rules, .refresh = fill, .enter = enter,
                                    .free = free_rules};
    Panel *panel = outline_new(&options);
    fill(panel, rules);
    ui_leave(ui);
    view_push_panel(&ui->view, panel);
    for (size_t i = 0; i < rules->count; i++)
        if (rules->places[i].line && find_error(ui, rules->places[i])) {
            outline_goto(panel, (uint32_t)i);
            break;
        }
    return true;
}

/* ---- changes ---- */

/* Aligns, with the cursor of the panel on a text. The panel shows the texts as they are now before
 * the ledger is there: the next key may come sooner. */
static bool align_at(Ui *ui, Place place, UiBack when, Error *err)
{
    ui_refresh(ui);
    go_to(ui, place);
    return ui_align_or_back(ui, when, err);
}

bool verb_rule_toggle(Ui *ui, const char *argument, Error *err)
{
    Place place;
    SessionText text;
    if (!find_place(ui, argument, &place, err)) return false;
    session_text(ui->session, place.text, &text);
    session_turn(ui->session, place.text, !text.off);
    return align_at(ui, place, BACK_NEVER, err);
}

bool verb_rule_move(Ui *ui, const char *argument, Error *err)
{
    Place place;
    bool up = strcmp(argument, "up") == 0;
    if (!up && strcmp(argument, "down") != 0)
        return error_set(err, ERR_USAGE, "rule-move takes up or down");
    if (!find_place(ui, "", &place, err)) return false;
    if (up ? place.text == 0 : place.text + 1 == session_text_count(ui->session))
        return error_set(err, ERR_USAGE, up ? "it is the first" : "it is the last");
    size_t to = up ? place.text - 1 : place.text + 1;
    session_move(ui->session, place.text, to);
    return align_at(ui, (Place){to, 0}, BACK_NEVER, err);
}

bool verb_rule_delete(Ui *ui, const char *argument, Error *err)
{
    Place place;
    if (!find_place(ui, argument, &place, err)) return false;
    session_remove(ui->session, place.text);
    ui_refresh(ui);
    if (!ui_align(ui, err)) return false;
    view_say(&ui->view, STYLE_PLAIN, "%s; u puts it back", session_undo_what(ui->session));
    return true;
}

bool verb_rule_split(Ui *ui, const char *argument, Error *err)
{
    Place place;
    return find_place(ui, argument, &place, err) &&
           rule_split_untried(ui->session, place.text, err) &&
           align_at(ui, (Place){place.text, 0}, BACK_ON_CHANGE, err);
}

/* A text that fails is not kept. */
static bool rewrite(Ui *ui, size_t index, const char *text, Error *err)
{
    session_rewrite(ui->session, index, text);
    return align_at(ui, (Place){index, 0}, BACK_ON_ERROR, err);
}

/* Of UiThen. */
static void forget_edited(Ui *ui, size_t number, const char *path)
{
    (void)ui, (void)number;
    unlink(path);
}

/* Several lines are edited as a file of their own, which stays when they are not taken. */
static bool edit_text(Ui *ui, size_t index, const SessionText *text, Error *err)
{
    Text path = {0}, before = {0};
    text_addn(&before, text->text, text->length);
    char *edited = editor_run_text(ui->terminal, text->text, text->length, &path, err);
    ui_resize(ui);
    const bool same = edited && strcmp(edited, text_string(&before)) == 0;
    bool ok = same || (edited && rewrite(ui, index, edited, err));
    if (same) unlink(text_string(&path));
    else if (ok) ui_then(ui, forget_edited, 0, text_string(&path));
    else if (edited) error_prefix(err, "%s", text_string(&path));
    free(edited);
    text_done(&path);
    text_done(&before);
    return ok;
}

/* "rule-edit 3 TEXT": what stands behind the number. */
static bool set_text(Ui *ui, const char *argument, Error *err)
{
    Place place;
    size_t n = strcspn(argument, " ");
    char *number = mem_strdup(argument);
    number[n] = '\0';
    bool ok = find_place(ui, number, &place, err);
    free(number);
    return ok && rewrite(ui, place.text, argument + n + 1, err);
}

bool verb_rule_edit(Ui *ui, const char *argument, Error *err)
{
    Place place;
    SessionText text;
    if (strchr(argument, ' ')) return set_text(ui, argument, err);
    if (!find_place(ui, argument, &place, err)) return false;
    session_text(ui->session, place.text, &text);
    if (text.kind == RULES_FILE) {
        Text name = {0};
        text_add(&name, text.name);
        bool ok = verb_edit(ui, text_string(&name), err);
        text_done(&name);
        return ok;
    }
    if (memchr(text.text, '\n', text.length)) return edit_text(ui, place.text, &text, err);
    Text line = {0};
    text_addf(&line, "rule-edit %zu %s", place.text + 1, text.text);
    ui_prompt(ui, text_string(&line));
    text_done(&line);
    return true;
}

/* ---- what a rule does ---- */

static void name_place(const Ui *ui, Place place, Text *out)
{
    SessionText text;
    session_text(ui->session, place.text, &text);
    if (text.kind == RULES_LINE) text_addf(out, "line %zu", place.text + 1);
    else name_show(text.name, out);
    if (place.line && text.kind != RULES_LINE) text_addf(out, ":%zu", place.line);
}

/* The keys that went through the line under the cursor, folded. */
bool verb_rule_rows(Ui *ui, const char *argument, Error *err)
{
    Place place;
    const char *const *names;
    Folded *folded;
    if (!find_place(ui, argument, &place, err)) return false;
    Arena *arena = arena_new();
    Text title = {0}, text = {0};
    size_t n = rule_hits_names(ui->session, ui->alignment, place.text, place.line, arena, &names);
    size_t lines = fold_names(arena, names, NULL, n, &folded);
    name_place(ui, place, &title);
    text_addf(&title, " touches %zu row%s", n, n == 1 ? "" : "s");
    for (size_t i = 0; i < lines; i++) {
        text_addf(&text, "%6zu  ", folded[i].count);
        name_show(folded[i].text, &text);
        text_addc(&text, '\n');
    }
    view_push_panel(&ui->view, page_new(text_string(&title), n ? text_string(&text) : "none\n"));
    text_done(&title);
    text_done(&text);
    arena_free(arena);
    return true;
}

void rules_panel_leave_out(Ui *ui, size_t number, const Changes *changes)
{
    Text text = {0};
    view_close_panels(&ui->view);
    ui_leave(ui);
    changes_mark(ui->rows, changes);
    text_add(&text, "without ");
    name_place(ui, (Place){number - 1, 0}, &text);
    text_add(&text, ": would ");
    changes_show(changes, &text);
    view_say(&ui->view, STYLE_TITLE, "%s", text_string(&text));
    text_done(&text);
}

/* Marks in the list what depends on a text. */
bool verb_rule_without(Ui *ui, const char *argument, Error *err)
{
    Place place;
    if (!find_place(ui, argument, &place, err)) return false;
    ui_question(ui, &(UiQuestion){.kind = WORK_WITHOUT, .number = place.text + 1});
    return true;
}

void rules_panel_show(Ui *ui, const Culprit *culprit)
{
    const Place place = {culprit->text, culprit->line};
    Error ignored = {0};
    Text text = {0};
    view_close_panels(&ui->view);
    verb_rule_list(ui, "", &ignored);
    go_to(ui, (Place){culprit->text, 0});
    go_to(ui, place);
    name_place(ui, place, &text);
    view_say(&ui->view, culprit->broke ? STYLE_ERROR : STYLE_TITLE, "%s %s (%zu runs)",
             text_string(&text), culprit->broke ? "broke it" : "made it so", culprit->runs);
    text_done(&text);
}

/* The panel opens with the cursor on what did it. */
bool verb_bisect(Ui *ui, const char *argument, Error *err)
{
    uint32_t row = view_row(&ui->view);
    const Binding *binding = row == ROW_NONE ? NULL : rows_binding(ui->rows, row);
    const SourceUse *use = row == ROW_NONE ? NULL : rows_use(ui->rows, row);
    const char *key = *argument ? argument : binding ? binding->name
                      : use ? use->tensor->name : NULL;
    if (!key) return error_set(err, ERR_USAGE, "this is no tensor; open the module");
    const UiQuestion question = {.kind = WORK_BISECT, .key = (char *)key,
                                 .source = *argument ? !align_find(ui->alignment, key) : !binding};
    ui_question(ui, &question);
    return true;
}
