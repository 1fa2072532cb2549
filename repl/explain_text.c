/* An explanation for people: what the text says, the lines that mend it with what they settle, what
 * is left, and how to run them. */
#include <stdlib.h>
#include <string.h>

#include "loader/core/fold.h"
#include "repl/explain.h"

enum {
    NAMES_SHOWN = 5,             /* folded lines of names, without --verbose */
    FOLD_MAX = 20000,            /* names that are folded; more would take long for nothing */
    CHOICES_SHOWN = 3
};

typedef struct Printer {
    const Explanation *explanation;
    bool verbose;
    Text *out;
} Printer;

/* Text that comes from the user's file, safe for a terminal. */
static void add_shown(Text *out, const char *name)
{
    enum { WIDEST = 300 };
    show_short(name, WIDEST, out);
}

/* "    12  layers.{0-11}.norm.weight", the lines with most names as they come. */
static void print_names(const Printer *printer, const char *const *names, size_t n)
{
    Arena *arena = arena_new();
    Folded *folds;
    size_t lines = fold_names(arena, names, NULL, n < FOLD_MAX ? n : FOLD_MAX, &folds), told = 0;
    for (size_t i = 0; i < lines && (printer->verbose || i < NAMES_SHOWN); i++) {
        text_addf(printer->out, "    %5zu  ", folds[i].count);
        add_shown(printer->out, folds[i].text);
        text_addc(printer->out, '\n');
        told += folds[i].count;
    }
    if (told < n) text_addf(printer->out, "           and %zu more (-v)\n", n - told);
    arena_free(arena);
}

static void print_head(const Printer *printer)
{
    const Explanation *explanation = printer->explanation;
    const FailedLoad *load = explanation->load;
    Text *out = printer->out;
    text_add(out, "tenon  ");
    add_shown(out, strcmp(explanation->text_path, "-") == 0 ? "standard input"
                                                            : explanation->text_path);
    if (explanation->source_path) {
        text_add(out, "   with ");
        add_shown(out, explanation->source_path);
    }
    if (load->system || load->model) text_add(out, "   (");
    if (load->system) text_add(out, load->system);
    if (load->model) {
        text_add(out, load->system ? ", loading into " : "loading into ");
        add_shown(out, load->model);
    }
    text_add(out, load->system || load->model ? ")\n" : "\n");
}

static void print_sizes(const Printer *printer)
{
    const FailedLoad *load = printer->explanation->load;
    Text *out = printer->out;
    size_t shown = printer->verbose ? load->size_count : NAMES_SHOWN;
    for (size_t i = 0; i < load->size_count && i < shown; i++) {
        const LoadSize *size = &load->sizes[i];
        text_add(out, "           ");
        add_shown(out, size->name);
        text_add(out, "   ");
        show_shape(size->from, size->from_rank, out);
        text_add(out, " → ");
        show_shape(size->to, size->to_rank, out);
        text_addc(out, '\n');
    }
    if (load->size_count > shown)
        text_addf(out, "           and %zu more (-v)\n", load->size_count - shown);
}

static void print_said(const Printer *printer)
{
    const FailedLoad *load = printer->explanation->load;
    Text *out = printer->out;
    if (!failed_load_count(load)) return;
    if (load->missing.count) {
        text_addf(out, "\n  Missing (%zu)   the model has them, the checkpoint has not\n",
                  load->missing.count);
        print_names(printer, load->missing.names, load->missing.count);
    }
    if (load->unexpected.count) {
        text_addf(out, "\n  Unexpected (%zu)   the checkpoint has them, the model has not\n",
                  load->unexpected.count);
        print_names(printer, load->unexpected.names, load->unexpected.count);
    }
    if (load->size_count) {
        text_addf(out, "\n  Shape differs (%zu)   checkpoint → model\n", load->size_count);
        print_sizes(printer);
    }
    if (load->cut)
        text_add(out, "\n  The text leaves keys out, or ends inside one: give all of it.\n");
    if (load->full)
        text_add(out, "\n  It names more keys than the limit: the rest was not read.\n");
}

/* FILE in a command is the user's file, where it is known. */
static void print_command(const Printer *printer, const char *command)
{
    const char *file = strstr(command, "FILE"), *path = printer->explanation->source_path;
    text_add(printer->out, "    ");
    if (!file || !path) {
        text_add(printer->out, command);
    } else {
        text_addn(printer->out, command, (size_t)(file - command));
        add_shown(printer->out, path);
        text_add(printer->out, file + 4);
    }
    text_addc(printer->out, '\n');
}

static void print_troubles(const Printer *printer)
{
    const FailedLoad *load = printer->explanation->load;
    for (size_t i = 0; i < load->trouble_count; i++) {
        const FoundTrouble *found = &load->troubles[i];
        text_addf(printer->out, "\n  ");
        add_shown(printer->out, found->trouble->needle);
        if (found->subject) {
            add_shown(printer->out, found->subject);
            if (has_suffix(found->trouble->needle, "'")) text_addc(printer->out, '\'');
        }
        text_addf(printer->out, "\n    %s\n    %s\n", found->trouble->what,
                  found->trouble->remedy);
        if (found->trouble->command) print_command(printer, found->trouble->command);
    }
}

/* What the file itself shows: why it cannot be opened, or what is in it and wrong with it. */
static void print_source(const Printer *printer)
{
    enum { FINDINGS_SHOWN = 4 };
    const Explanation *explanation = printer->explanation;
    Text *out = printer->out;
    if (explanation->unopened.code) {
        text_add(out, "\n  ");
        add_shown(out, explanation->unopened.text);
        text_addc(out, '\n');
    }
    if (!explanation->check) return;
    const Container *chosen = checkpoint_choose(explanation->source, NULL, NULL);
    size_t n = check_report_count(explanation->check);
    text_addf(out, "\n  tenon reads this file: %s, %zu tensors\n",
              checkpoint_format(explanation->source), chosen ? dict_count(chosen->dict) : 0);
    for (size_t i = 0; i < n && (printer->verbose || i < FINDINGS_SHOWN); i++) {
        text_add(out, "    ");
        add_shown(out, check_report_at(explanation->check, i)->what);
        text_addc(out, '\n');
    }
    if (!n) text_add(out, "    and finds nothing wrong with it\n");
    if (n) print_command(printer, "tenon check FILE");
}

/* "settles 318" or "settles 2 and 4 unexpected". */
static void print_effect(const Printer *printer, size_t targets, size_t sources)
{
    Text *out = printer->out;
    text_add(out, "settles ");
    if (targets) text_addf(out, "%zu", targets);
    if (targets && sources) text_add(out, " and ");
    if (sources) text_addf(out, "%zu unexpected", sources);
    text_add(out, ", breaks 0\n");
}

static void print_line(const Printer *printer, const char *lead, const char *line)
{
    text_addf(printer->out, "    %s", lead);
    Text shown = {0};
    name_show(line, &shown);     /* rules are whole or useless: nothing is cut */
    text_addf(printer->out, "%s\n", text_string(&shown));
    text_done(&shown);
}

static void print_step(const Printer *printer, const ExplainStep *step, size_t number)
{
    Text *out = printer->out;
    text_addf(out, "\n  %zu  ", number);
    add_shown(out, step->proposal.why);
    text_addc(out, '\n');
    print_line(printer, "   ", step->proposal.line);
    text_add(out, "         ");
    print_effect(printer, step->targets, step->sources);
    for (size_t i = 0; i < step->choice_count && (printer->verbose || i < CHOICES_SHOWN); i++) {
        print_line(printer, "or ", step->choices[i].line);
        text_add(out, "         ");
        add_shown(out, step->choices[i].why);
        text_add(out, "  ");
        print_effect(printer, step->choice_targets[i], step->choice_sources[i]);
    }
}

/* What the lines leave open. */
static void print_left(const Printer *printer)
{
    const Alignment *last = printer->explanation->last;
    size_t open = explanation_open(last), left = explanation_left(last), n = 0;
    Text *out = printer->out;
    if ((!open && !left) || printer->explanation->self_inflicted) return;
    const char *title = explanation_unexplained(printer->explanation) ? "Not explained"
                                                                      : "Left as it is";
    const char **names = mem_alloc((align_count(last) + align_use_count(last) + 1) * sizeof *names);
    for (size_t i = 0; i < align_count(last); i++)
        if (explanation_is_open(align_binding(last, i))) names[n++] = align_binding(last, i)->name;
    if (n) text_addf(out, "\n  %s (%zu of the model)\n", title, n);
    if (n) print_names(printer, names, n);
    n = 0;
    for (size_t i = 0; i < align_use_count(last); i++)
        if (proposal_is_left(last, align_use(last, i)))
            names[n++] = align_use(last, i)->tensor->name;
    if (n) text_addf(out, "\n  %s (%zu of the checkpoint)\n", title, n);
    if (n) print_names(printer, names, n);
    free(names);
    const Explanation *explanation = printer->explanation;
    size_t shown = printer->verbose ? CHOICES_MAX * 2 : CHOICES_SHOWN;
    for (size_t i = 0; i < explanation->more_count && i < shown; i++) {
        print_line(printer, i ? "or " : "try ", explanation->more[i].line);
        text_add(out, "         ");
        add_shown(out, explanation->more[i].why);
        text_add(out, "  ");
        print_effect(printer, explanation->more_targets[i], explanation->more_sources[i]);
    }
}

/* Whether something is kept that the text, as the target, has no value for. */
static bool keeps_nothing(const Explanation *explanation)
{
    const Alignment *last = explanation->last;
    for (size_t i = 0; last && i < align_count(last); i++)
        if (align_binding(last, i)->status == BIND_KEPT && !align_binding(last, i)->expr)
            return true;
    return false;
}

/* The container, where the user has to name one: others of the file would do as well. */
static const char *rival_container(const Explanation *explanation)
{
    const Alignment *last = explanation->last;
    const bool named = !explanation->source_path || strstr(explanation->source_path, "::");
    return last && !named && align_rivals(last) ? align_container(last) : NULL;
}

static void print_rivals(const Printer *printer)
{
    const Alignment *last = printer->explanation->last;
    const char *taken = rival_container(printer->explanation);
    Text *out = printer->out;
    if (!taken) return;
    const Checkpoint *source = align_source(last);
    text_add(out, "\n  Several dicts of the checkpoint would do:");
    for (size_t i = 0, n = 0; i < checkpoint_container_count(source); i++) {
        const Container *one = checkpoint_container(source, i);
        if (!align_would_do(last, one)) continue;
        text_add(out, n++ ? ", " : " ");
        add_shown(out, one->path);
    }
    text_add(out, "; looked at was ");
    add_shown(out, taken);
    text_add(out, ".\n");
}

/* Whether something is paired by its name alone: of what is missing a text does not tell the
 * shape. */
static bool is_unsized(const Explanation *explanation)
{
    const StateDict *target = explanation->last ? align_target(explanation->last) : NULL;
    for (size_t i = 0; target && i < dict_count(target); i++)
        if (!dict_at(target, i)->dims) return true;
    return false;
}

static void print_run(const Printer *printer)
{
    const Explanation *explanation = printer->explanation;
    const char *container = rival_container(explanation);
    Text *out = printer->out;
    if (explanation->step_count) {
        text_add(out, "\n  As a rules file, fix.lua:\n");
        for (size_t i = 0; i < explanation->step_count; i++)
            print_line(printer, "   ", explanation->steps[i].proposal.line);
        text_add(out, "  tenon align ");
        add_shown(out, explanation->source_path ? explanation->source_path : "CHECKPOINT");
        if (container) text_add(out, "::");
        if (container) add_shown(out, container);
        text_addc(out, ' ');
        add_shown(out, strcmp(explanation->text_path, "-") == 0 ? "ERROR.txt"
                                                                : explanation->text_path);
        text_add(out, " -r fix.lua -o fixed.pth");
        text_add(out, keeps_nothing(explanation)
                          ? " --omit-kept\n  What is kept is not in it: load_state_dict(..., "
                            "strict=False) leaves that to the model.\n" : "\n");
    }
    if (explanation->source && explanation->step_count && is_unsized(explanation))
        text_add(out, "  The shapes of what is missing are not in the text and taken as the "
                      "checkpoint's: with the model's\n  own state dict, NET.pth, in the text's "
                      "place they are checked.\n");
    if (explanation->source || !failed_load_count(explanation->load)) return;
    text_add(out, "\n  Not known from the text: the shapes of what is missing and unexpected, and "
                  "the keys that were loaded.\n  With the checkpoint all of it is checked:   tenon "
                  "explain ");
    add_shown(out, explanation->text_path);
    text_add(out, " CHECKPOINT\n");
}

void explanation_text(const Explanation *explanation, bool verbose, Text *out)
{
    const Printer printer = {explanation, verbose, out};
    print_head(&printer);
    print_said(&printer);
    print_troubles(&printer);
    print_source(&printer);
    for (size_t i = 0; i < explanation->step_count; i++)
        print_step(&printer, &explanation->steps[i], i + 1);
    for (size_t i = 0; i < explanation->advice_count; i++) {
        text_add(out, "\n  ");
        add_shown(out, explanation->advice[i]);
        text_addc(out, '\n');
    }
    for (size_t i = 0; i < explanation->silent_count; i++) {
        text_add(out, "\n  No error tells: ");
        add_shown(out, explanation->silent[i]);
        text_addc(out, '\n');
    }
    if (explanation->last) print_left(&printer);
    if (explanation->untried)
        text_addf(out, "\n  The time was up: %zu lines were not tried.\n", explanation->untried);
    if (!failed_load_count(explanation->load) && !explanation->load->trouble_count)
        text_add(out, "\n  Nothing in it is a message of a failed load that tenon knows.\n");
    print_rivals(&printer);
    print_run(&printer);
}
