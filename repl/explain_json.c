/* An explanation for programs: one object, stable order of its members. */
#include <string.h>

#include "repl/answer.h"
#include "repl/explain.h"

static void put_names(JsonWriter *json, const char *key, const LoadNames *names)
{
    json_put_names(json, key, names->names, names->count);
}

/* What the text says. */
static void put_problems(const FailedLoad *load, JsonWriter *json)
{
    json_key(json, "problems");
    json_map(json);
    put_names(json, "missing", &load->missing);
    put_names(json, "unexpected", &load->unexpected);
    json_key(json, "shape");
    json_list(json);
    for (size_t i = 0; i < load->size_count; i++) {
        json_map(json);
        json_put_text(json, "key", load->sizes[i].name);
        json_put_shape(json, "source_shape", load->sizes[i].from, load->sizes[i].from_rank);
        json_put_shape(json, "shape", load->sizes[i].to, load->sizes[i].to_rank);
        json_end(json);
    }
    json_end(json);
    json_end(json);
}

static void put_troubles(const FailedLoad *load, JsonWriter *json)
{
    json_key(json, "troubles");
    json_list(json);
    for (size_t i = 0; i < load->trouble_count; i++) {
        const FoundTrouble *found = &load->troubles[i];
        json_map(json);
        json_put_text(json, "kind", found->trouble->id);
        json_put_text(json, "subject", found->subject);
        json_put_text(json, "what", found->trouble->what);
        json_put_text(json, "remedy", found->trouble->remedy);
        json_put_text(json, "command", found->trouble->command);
        json_end(json);
    }
    json_end(json);
}

/* What the file itself shows. */
static void put_findings(const CheckReport *check, JsonWriter *json)
{
    static const char *const levels[] = {
        [FINDING_NOTE] = "note", [FINDING_WARNING] = "warning", [FINDING_ERROR] = "error"};
    json_key(json, "findings");
    json_list(json);
    for (size_t i = 0; check && i < check_report_count(check); i++) {
        const CheckFinding *finding = check_report_at(check, i);
        json_map(json);
        json_put_text(json, "level", levels[finding->level]);
        json_put_text(json, "kind", finding->kind);
        json_put_text(json, "tensor", finding->tensor);
        json_put_text(json, "what", finding->what);
        json_end(json);
    }
    json_end(json);
}

static const char *const cost_words[] = {
    [COST_NONE] = "none", [COST_BUFFERS] = "buffers", [COST_PART] = "part",
    [COST_MADE_UP] = "made-up", [COST_WAIVED] = "waived"};

/* `step`: which line of the remedy it is, or would take the place of; 0 for none. */
static void put_proposal(JsonWriter *json, const Proposal *proposal, size_t targets,
                         size_t sources, size_t step, bool chosen)
{
    json_map(json);
    json_put_text(json, "line", proposal->line);
    json_put_text(json, "kind", proposal_word(proposal->kind));
    json_put_uint(json, "settles", targets + sources);
    json_put_uint(json, "targets", targets);
    json_put_uint(json, "sources", sources);
    json_put_uint(json, "breaks", 0);
    json_put_text(json, "cost", cost_words[proposal->cost]);
    json_put_text(json, "why", proposal->why);
    json_put_uint(json, "step", step);
    json_put_bool(json, "chosen", chosen);
    json_end(json);
}

static void put_proposals(const Explanation *explanation, JsonWriter *json)
{
    json_key(json, "proposals");
    json_list(json);
    for (size_t i = 0; i < explanation->step_count; i++) {
        const ExplainStep *step = &explanation->steps[i];
        put_proposal(json, &step->proposal, step->targets, step->sources, i + 1, true);
        for (size_t k = 0; k < step->choice_count; k++)
            put_proposal(json, &step->choices[k], step->choice_targets[k],
                         step->choice_sources[k], i + 1, false);
    }
    for (size_t i = 0; i < explanation->more_count; i++)
        put_proposal(json, &explanation->more[i], explanation->more_targets[i],
                     explanation->more_sources[i], 0, false);
    json_end(json);
    json_key(json, "advice");
    json_list(json);
    for (size_t i = 0; i < explanation->advice_count; i++)
        json_string(json, explanation->advice[i]);
    json_end(json);
    json_key(json, "silent");
    json_list(json);
    for (size_t i = 0; i < explanation->silent_count; i++)
        json_string(json, explanation->silent[i]);
    json_end(json);
}

static void put_left(const Alignment *last, JsonWriter *json)
{
    json_key(json, "left");
    json_map(json);
    json_key(json, "targets");
    json_list(json);
    for (size_t i = 0; last && i < align_count(last); i++)
        if (explanation_is_open(align_binding(last, i)))
            json_string(json, align_binding(last, i)->name);
    json_end(json);
    json_key(json, "sources");
    json_list(json);
    for (size_t i = 0; last && i < align_use_count(last); i++)
        if (proposal_is_left(last, align_use(last, i)))
            json_string(json, align_use(last, i)->tensor->name);
    json_end(json);
    json_end(json);
}

void explanation_json(const Explanation *explanation, Text *out)
{
    const FailedLoad *load = explanation->load;
    JsonWriter *json = answer_begin_tool(out);
    json_put_text(json, "text", explanation->text_path);
    json_put_text(json, "source", explanation->source_path);
    json_put_text(json, "system", load->system);
    json_put_text(json, "model", load->model);
    json_put_bool(json, "cut", load->cut);
    put_problems(load, json);
    put_troubles(load, json);
    json_put_text(json, "unreadable",
                  explanation->unopened.code ? explanation->unopened.text : NULL);
    put_findings(explanation->check, json);
    put_proposals(explanation, json);
    put_left(explanation->last, json);
    answer_end(json, explanation->status, out);
}
