/* GroupsFile: OUT.groups.json and OUT.groups.py; see groups_file.h.
 *
 * Names stand in both as string literals with JSON's escapes, all of which Python knows: whatever
 * a name holds, it stays inside its quotes. */
#include "loader/export/groups_file.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "loader/export/atomic.h"

struct GroupsFiles {
    AtomicFile *json, *python;   /* owned */
};

/* ---- Python ---- */

static void add_literal(Text *out, const char *name)
{
    text_addc(out, '"');
    json_escape(name, out);
    text_addc(out, '"');
}

static void add_float(Text *out, double number)
{
    char shown[32];
    show_float(number, shown);
    if (isfinite(number)) text_add(out, shown);
    else text_addf(out, "float(\"%s\")", shown);
}

/* What group{…} lets pass: lists are of numbers. */
static void add_value(Text *out, const Value *value)
{
    switch (value->kind) {
    case VALUE_BOOL: text_add(out, value->boolean ? "True" : "False"); return;
    case VALUE_INT: text_addf(out, "%" PRId64, value->integer); return;
    case VALUE_FLOAT: add_float(out, value->number); return;
    case VALUE_STRING: add_literal(out, value->string); return;
    case VALUE_LIST:
        text_addc(out, '(');
        for (size_t i = 0; i < value->list.count; i++) {
            if (i) text_addc(out, ' ');
            add_value(out, value->list.items[i].value);
            text_addc(out, ',');
        }
        text_addc(out, ')');
        return;
    default: text_add(out, "None"); return;
    }
}

/* Names one a line, as a list. */
static void add_names(Text *out, const char *indent, const Binding *const *params, size_t n)
{
    text_addc(out, '[');
    for (size_t i = 0; i < n; i++) {
        text_addf(out, "\n%s    ", indent);
        add_literal(out, params[i]->name);
        text_addc(out, ',');
    }
    text_addf(out, "%s%s]", n ? "\n" : "", n ? indent : "");
}

static const char opening[] =
    "\"\"\"Parameter groups, written by tenon beside the checkpoint that they belong to.\n"
    "\n"
    "    optimizer = torch.optim.SGD(param_groups(model), lr=0.001)\n"
    "\n"
    "Parameters that are frozen get no gradient and are in no group.\n"
    "\"\"\"\n\n";

static const char closing[] =
    "\n\ndef param_groups(model):\n"
    "    \"\"\"Freezes what is frozen, and returns the groups for an optimizer.\"\"\"\n"
    "    named = dict(model.named_parameters())\n"
    "    known = FROZEN + [name for group in GROUPS for name in group[\"params\"]]\n"
    "    missing = [name for name in known if name not in named]\n"
    "    others = sorted(set(named) - set(known))\n"
    "    if missing or others:\n"
    "        raise KeyError(f\"not in the model: {missing}; in no group: {others}\")\n"
    "    for name in known:\n"
    "        named[name].requires_grad_(name not in FROZEN)\n"
    "    return [dict(group, params=[named[name] for name in group[\"params\"]])\n"
    "            for group in GROUPS]\n";

static void write_python(const ParamGroups *groups, Text *out)
{
    text_add(out, opening);
    text_add(out, "GROUPS = [");
    for (size_t i = 0; i < groups->group_count; i++) {
        const ParamGroup *group = &groups->groups[i];
        const Value *options = group->rule ? group->rule->options : NULL;
        text_add(out, "\n    {\n        \"params\": ");
        add_names(out, "        ", group->params, group->count);
        for (size_t j = 0; options && j < options->list.count; j++) {
            text_add(out, ",\n        ");
            add_literal(out, options->list.items[j].key);
            text_add(out, ": ");
            add_value(out, options->list.items[j].value);
        }
        text_add(out, ",\n    },");
    }
    text_add(out, "\n]\n\nFROZEN = ");
    add_names(out, "", groups->frozen, groups->frozen_count);
    text_addc(out, '\n');
    text_add(out, closing);
}

/* ---- files ---- */

static void write_json(const ParamGroups *groups, Text *out)
{
    JsonWriter *writer = json_writer_new(out, true);
    groups_json(groups, writer);
    json_writer_free(writer);
    text_addc(out, '\n');
}

/* OUT with a suffix, all of it in a temporary file. */
static AtomicFile *write_file(const char *out, const char *suffix, const Text *text, bool force,
                              Error *err)
{
    Text path = {0};
    text_addf(&path, "%s%s", out, suffix);
    AtomicFile *file = atomic_open(text_string(&path), force, err);
    text_done(&path);
    if (!file || atomic_write(file, text->bytes, text->length, err)) return file;
    atomic_discard(file);
    return NULL;
}

GroupsFiles *groups_files_write(const ParamGroups *groups, const char *out, bool force, Error *err)
{
    Text json = {0}, python = {0};
    GroupsFiles *files = mem_alloc(sizeof *files);
    write_json(groups, &json);
    write_python(groups, &python);
    files->json = write_file(out, ".groups.json", &json, force, err);
    if (files->json) files->python = write_file(out, ".groups.py", &python, force, err);
    text_done(&json);
    text_done(&python);
    if (files->python) return files;
    groups_files_discard(files);
    return NULL;
}

bool groups_files_commit(GroupsFiles *files, Error *err)
{
    bool good = atomic_commit(files->json, NULL, err);
    if (good) good = atomic_commit(files->python, NULL, err);
    else atomic_discard(files->python);
    free(files);
    return good;
}

void groups_files_discard(GroupsFiles *files)
{
    if (!files) return;
    atomic_discard(files->json);
    atomic_discard(files->python);
    free(files);
}
