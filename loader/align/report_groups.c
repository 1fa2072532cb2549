/* "Groups": which parameters are trained, and how; in the text and in the JSON. */
#include <stdlib.h>
#include <string.h>

#include "loader/align/groups.h"
#include "loader/align/report_parts.h"

/* "lr=0.01, betas=[0.9,0.999]" */
static const char *show_options(Reporter *reporter, const Value *options)
{
    Text text = {0};
    for (size_t i = 0; options && i < options->list.count; i++) {
        JsonWriter *writer = json_writer_new(&text, false);
        text_addf(&text, "%s%s=", i ? ", " : "",
                  report_name(reporter, options->list.items[i].key));
        json_value(writer, options->list.items[i].value);
        json_writer_free(writer);
    }
    return text_keep(&text, reporter->arena);
}

/* "fc.{bias,weight}", the first folded line of several. */
static const char *show_params(Reporter *reporter, const Binding *const *params, size_t n)
{
    const char **names = mem_alloc((n + 1) * sizeof *names);
    const char **classes = mem_alloc((n + 1) * sizeof *classes);
    for (size_t i = 0; i < n; i++) {
        names[i] = params[i]->name;
        classes[i] = "";
    }
    NameLine *bundles;
    size_t lines = report_bundle(reporter, names, classes, n, &bundles);
    const char *shown = lines ? bundles[0].name : "";
    if (lines > 1) shown = arena_printf(reporter->arena, "%s, …", shown);
    free(names);
    free(classes);
    return shown;
}

/* A group's line: how many, which, with what. */
static void add_group(Reporter *reporter, const char *label, const Binding *const *params, size_t n,
                      const char *options)
{
    page_line(&reporter->page, LINE_GROUP, "%7zu  %-8s  %s%s%s", n, label,
              show_params(reporter, params, n), *options ? "   " : "", options);
}

void report_groups(Reporter *reporter)
{
    const ParamGroups *groups = align_groups(reporter->alignment);
    if (!groups) return;
    page_section(&reporter->page, false);
    page_line(&reporter->page, LINE_HEAD, "  Groups (%zu)   %zu parameters, %zu of them frozen%s",
              groups->group_count, groups->params, groups->frozen_count,
              groups->ordered ? "" : "; in the order of the alphabet");
    for (size_t i = 0; i < groups->group_count; i++) {
        const ParamGroup *group = &groups->groups[i];
        add_group(reporter, arena_printf(reporter->arena, "group %zu", i), group->params,
                  group->count, show_options(reporter, group->rule ? group->rule->options : NULL));
    }
    if (groups->frozen_count)
        add_group(reporter, "frozen", groups->frozen, groups->frozen_count, "");
}

/* There only where statements have said something about them. */
void report_json_groups(const Alignment *alignment, JsonWriter *writer)
{
    const ParamGroups *groups = align_groups(alignment);
    if (!groups) return;
    json_key(writer, "groups");
    groups_json(groups, writer);
}
