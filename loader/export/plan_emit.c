/* Entries to lines, lines that are alike to loops, loops over the same numbers to one. */
#include "loader/export/plan_emit.h"

#include <stdlib.h>
#include <string.h>

#include "loader/core/map.h"
#include "loader/export/emit_code.h"
#include "loader/export/emit_loop.h"

/* Lines that are alike but for numbers. */
typedef struct Group {
    EmitItem *items;             /* [item_count] of its first entry; in the arena */
    size_t item_count;
    EmitTable table;             /* the numbers of all its entries; cells owned */
    size_t room;                 /* of the cells, in numbers */
    EmitLoop loop;
    bool alone;                  /* its numbers stay where they are */
    size_t next;                 /* the next group with its loop; 0 = none */
    bool done;                   /* it stands in the text */
} Group;

typedef struct Emitter {
    const PlanFile *file;        /* borrowed */
    Arena *arena;                /* owned */
    Group *groups;               /* owned */
    size_t count, room;
    NameMap signatures;          /* → group */
    size_t aliases;              /* groups from there on are ties, which stand last */
    bool random, resize, target, patch, geometric;   /* what the code needs */
    Text signature;              /* reused */
} Emitter;

/* ---- entries to groups ---- */

/* Text and keys, and the free numbers of these in their order. */
static size_t sign(Emitter *emitter, const EmitCode *code, int64_t *numbers)
{
    Text *text = &emitter->signature;
    size_t n = 0;
    text_clear(text);
    for (size_t i = 0; i < code->count; i++) {
        const EmitItem *item = &code->items[i];
        if (item->text) text_addf(text, "t%zu:%s", strlen(item->text), item->text);
        else emit_key_signature(item->key, text);
        for (size_t p = 0; !item->text && p < item->key->count; p++)
            if (item->key->numbers[p].local < 0 && n < EMIT_NUMBERS_MAX)
                numbers[n++] = item->key->numbers[p].value;
    }
    return n;
}

static Group *new_group(Emitter *emitter, const EmitCode *code, size_t columns)
{
    emitter->groups = mem_grow(emitter->groups, &emitter->room, emitter->count + 1,
                               sizeof *emitter->groups);
    Group *group = &emitter->groups[emitter->count++];
    *group = (Group){.item_count = code->count, .table = {.columns = columns}};
    group->items = arena_copy(emitter->arena, code->items, code->count * sizeof *code->items);
    return group;
}

static void add_row(Group *group, const int64_t *numbers)
{
    EmitTable *table = &group->table;
    table->cells = mem_grow(table->cells, &group->room, (table->rows + 1) * table->columns + 1,
                            sizeof *table->cells);
    if (table->columns)
        memcpy(table->cells + table->rows * table->columns, numbers,
               table->columns * sizeof *numbers);
    table->rows++;
}

/* The line of one entry joins those that are like it. */
static void add_line(Emitter *emitter, const EmitCode *code)
{
    int64_t numbers[EMIT_NUMBERS_MAX];
    size_t n = sign(emitter, code, numbers);
    bool alone = n == EMIT_NUMBERS_MAX;
    uint32_t known = alone ? MAP_NONE
                           : map_get(&emitter->signatures, text_string(&emitter->signature));
    if (known != MAP_NONE) {
        add_row(&emitter->groups[known], numbers);
        return;
    }
    Group *group = new_group(emitter, code, alone ? 0 : n);
    group->alone = alone;
    add_row(group, numbers);
    if (!alone)
        map_set(&emitter->signatures,
                arena_strdup(emitter->arena, text_string(&emitter->signature)),
                (uint32_t)emitter->count - 1);
}

/* out["target"] = value; a tie is the tensor itself once more. */
static bool add_entry(Emitter *emitter, size_t index, const Expr *e, Error *err)
{
    const PlanFileEntry *entry = &emitter->file->entries[index];
    EmitCode code = {.arena = emitter->arena};
    emit_text(&code, "out[");
    emit_key(&code, entry->name);
    emit_text(&code, "] = ");
    bool fine = true;
    if (entry->alias >= 0) {
        emit_text(&code, "out[");
        emit_key(&code, emitter->file->entries[entry->alias].name);
        emit_text(&code, "]");
    } else {
        fine = emit_expr(&code, e, err) || plan_file_prefix(emitter->file, entry->name, err);
    }
    if (fine) add_line(emitter, &code);
    emitter->random = emitter->random || code.random;
    emitter->resize = emitter->resize || code.resize;
    emitter->patch = emitter->patch || code.patch;
    emitter->geometric = emitter->geometric || code.geometric;
    emitter->target = emitter->target || code.target;
    emit_code_done(&code);
    return fine;
}

/* Ties last: what they name must be there. */
static bool add_entries(Emitter *emitter, const PlanSchema *schema, Error *err)
{
    for (int ties = 0; ties < 2; ties++) {
        for (size_t i = 0; i < emitter->file->entry_count; i++)
            if ((emitter->file->entries[i].alias >= 0) == (ties == 1) &&
                !add_entry(emitter, i, schema->exprs[i], err))
                return false;
        if (!ties) emitter->aliases = emitter->count;
    }
    return true;
}

/* ---- groups to text ---- */

static void indent(Text *out, unsigned levels)
{
    for (unsigned i = 0; i < levels; i++) text_add(out, "    ");
}

/* The line itself, with the loop's variables in its keys. */
static void put_line(const Group *group, unsigned levels, Text *out)
{
    size_t at = 0;
    indent(out, levels + 1);
    for (size_t i = 0; i < group->item_count; i++) {
        const EmitItem *item = &group->items[i];
        if (item->text) text_add(out, item->text);
        else at += emit_key_literal(item->key, group->alone ? NULL : group->loop.places + at, out);
    }
    text_addc(out, '\n');
}

/* Each level stands one deeper; a long table goes on in the next line where it has a tab. */
static void put_head(const EmitLoop *loop, Text *out)
{
    unsigned level = 1;
    bool start = true;
    for (const char *p = loop->head; *p; p++) {
        if (start) indent(out, level);
        start = *p == '\n';
        level += start;
        if (*p != '\t') {
            text_addc(out, *p);
            continue;
        }
        if (out->bytes[out->length - 1] == ' ') out->length--;
        text_addc(out, '\n');
        indent(out, level + 2);
    }
}

/* More variables than there are names: every row is a line of its own. */
static void put_rows(const Group *group, Text *out)
{
    Arena *arena = arena_new();
    const char **places = arena_alloc(arena, (group->table.columns + 1) * sizeof *places);
    for (size_t row = 0; row < group->table.rows; row++) {
        for (size_t i = 0; i < group->table.columns; i++)
            places[i] = arena_printf(arena, "%lld",
                                     (long long)group->table.cells[row * group->table.columns + i]);
        Group one = *group;
        one.loop.places = places;
        put_line(&one, 0, out);
    }
    arena_free(arena);
}

/* A group, and all later ones that have its loop. */
static void put_loop(Emitter *emitter, size_t first, Text *out)
{
    const Group *head = &emitter->groups[first];
    if (!head->loop.head) {
        put_rows(head, out);
        return;
    }
    put_head(&head->loop, out);
    for (size_t i = first;; i = emitter->groups[i].next) {
        put_line(&emitter->groups[i], head->loop.levels, out);
        emitter->groups[i].done = true;
        if (!emitter->groups[i].next) return;
    }
}

/* Lines without a loop keep their place. */
static void put_groups(Emitter *emitter, size_t from, size_t end, Text *out)
{
    NameMap heads;               /* a loop → the last group that has it */
    map_init(&heads);
    for (size_t i = from; i < end; i++) {
        Group *group = &emitter->groups[i];
        group->loop = (EmitLoop){.head = ""};
        if (!group->alone) emit_loop_make(emitter->arena, &group->table, &group->loop);
        if (!group->loop.head || !group->loop.head[0]) continue;
        uint32_t last = map_set(&heads, group->loop.head, (uint32_t)i);
        if (last != MAP_NONE) emitter->groups[last].next = i;
    }
    map_done(&heads);
    for (size_t i = from; i < end; i++)
        if (!emitter->groups[i].done) put_loop(emitter, i, out);
}

/* -- Functions that the code may call, in the numbers of resample.c ---------------------- */

static const char resize_code[] =
    "def _resize(x, axis, old, new, antialias):\n"
    "    \"\"\"Bicubic, of an axis that is a grid in row-major order.\"\"\"\n"
    "    y = x.movedim(axis, -1)\n"
    "    z = torch.nn.functional.interpolate(y.reshape(1, -1, *old), size=new, "
    "mode=\"bicubic\",\n"
    "                                        align_corners=False, antialias=antialias)\n"
    "    return z.reshape(*y.shape[:-1], -1).movedim(-1, axis)\n\n\n";

static const char weigh_code[] =
    "def _weigh(x, axis, old, new, matrix):\n"
    "    \"\"\"An axis that is a grid in row-major order, times a matrix for each side.\"\"\"\n"
    "    y = x.movedim(axis, -1)\n"
    "    z = y.reshape(*y.shape[:-1], *old).double()\n"
    "    z = matrix(old[0], new[0]) @ z @ matrix(old[1], new[1]).T\n"
    "    return z.reshape(*y.shape[:-1], -1).movedim(-1, axis).to(x.dtype)\n\n\n";

/* timm's resample_patch_embed, of one side. */
static const char patch_code[] =
    "def _patch(n, m):\n"
    "    \"\"\"The pseudoinverse of what resizes the other way round.\"\"\"\n"
    "    rows = torch.nn.functional.interpolate(torch.eye(n)[None, :, None], size=(1, m), "
    "mode=\"bicubic\",\n"
    "                                           align_corners=False, antialias=True)\n"
    "    return torch.linalg.pinv(rows[0, :, 0].double())\n\n\n";

/* timm's resize_rel_pos_bias_table, of one side, without SciPy. */
static const char geometric_code[] =
    "def _straight(n, m, cubic=False):\n"
    "    \"\"\"Lines, or a cubic spline, over a grid whose steps grow from the middle.\"\"\"\n"
    "    if n == 1:\n"
    "        return torch.ones(m, 1, dtype=torch.float64)\n"
    "    low, high, q = 1.01, 1.5, 1.01\n"
    "    while high - low > 1e-6:\n"
    "        q = (low + high) / 2\n"
    "        if (1 - q ** (n // 2)) / (1 - q) > m // 2:\n"
    "            high = q\n"
    "        else:\n"
    "            low = q\n"
    "    steps = [0.0]\n"
    "    for i in range(n // 2):\n"
    "        steps.append(steps[-1] + q ** i)\n"
    "    x = torch.tensor([-s for s in steps[:0:-1]] + steps, dtype=torch.float64)\n"
    "    t = (torch.arange(m, dtype=torch.float64) - m // 2).clamp(x[0], x[-1])\n"
    "    k = (torch.searchsorted(x, t) - 1).clamp(0, n - 2)\n"
    "    h = x[k + 1] - x[k]\n"
    "    b = (t - x[k]) / h\n"
    "    a = 1 - b\n"
    "    eye = torch.eye(n, dtype=torch.float64)\n"
    "    weights = a[:, None] * eye[k] + b[:, None] * eye[k + 1]\n"
    "    if not cubic:\n"
    "        return weights\n"
    "    d, i = x[1:] - x[:-1], torch.arange(1, n - 1)\n"
    "    left, right = torch.zeros_like(eye), torch.zeros_like(eye)\n"
    "    left[i, i - 1], left[i, i], left[i, i + 1] = d[:-1] / 6, (d[:-1] + d[1:]) / 3, "
    "d[1:] / 6\n"
    "    right[i, i - 1], right[i, i], right[i, i + 1] = 1 / d[:-1], -1 / d[:-1] - 1 / d[1:], "
    "1 / d[1:]\n"
    "    left[0, :3] = torch.stack([d[1], -d[0] - d[1], d[0]])\n"
    "    left[-1, -3:] = torch.stack([d[-1], -d[-2] - d[-1], d[-2]])\n"
    "    bends = torch.linalg.solve(left, right)\n"
    "    return (weights + ((a ** 3 - a) * h * h / 6)[:, None] * bends[k]\n"
    "            + ((b ** 3 - b) * h * h / 6)[:, None] * bends[k + 1])\n\n\n"
    "def _geometric(n, m):\n"
    "    return _straight(n, m, cubic=True)\n\n\n";

static void put_start(const Emitter *emitter, Text *out)
{
    text_add(out, "# Written by tenon " TENON_VERSION ": needs PyTorch and nothing else.\n"
                  "import torch\n\n\n");
    if (emitter->resize) text_add(out, resize_code);
    if (emitter->patch || emitter->geometric) text_add(out, weigh_code);
    if (emitter->patch) text_add(out, patch_code);
    if (emitter->geometric) text_add(out, geometric_code);
    text_addf(out, "def convert(sd%s):\n", emitter->target ? ", target" : "");
    text_add(out, "    \"\"\"The target's state dict, of the source's");
    if (emitter->target) text_add(out, " and of the target's own");
    text_addf(out, ": %zu tensors.\"\"\"\n", emitter->file->entry_count);
    if (emitter->file->tail.whole && emitter->file->optimizer)
        text_add(out, "    # The optimizer's state, which the plan moves along, is not converted "
                      "here:\n    # tenon apply does it\n");
    else if (emitter->file->tail.whole)
        text_add(out, "    # What stands beside the weights in the source's file stays there\n");
    if (emitter->random)
        text_add(out, "    # PyTorch's random numbers are not those that tenon fills in\n"
                      "    random = torch.Generator().manual_seed(0)\n");
    text_add(out, "    out = {}\n");
}

static bool emit(Emitter *emitter, const PlanSchema *schema, Text *out, Error *err)
{
    if (!add_entries(emitter, schema, err)) return false;
    put_start(emitter, out);
    put_groups(emitter, 0, emitter->aliases, out);
    put_groups(emitter, emitter->aliases, emitter->count, out);
    text_add(out, "    return out\n");
    return true;
}

bool plan_emit_python(const PlanFile *file, Text *out, Error *err)
{
    PlanSchema schema;
    if (!plan_schema_read(&schema, file, err)) return false;
    Emitter emitter = {.file = file, .arena = arena_new()};
    map_init(&emitter.signatures);
    bool fine = emit(&emitter, &schema, out, err);
    for (size_t i = 0; i < emitter.count; i++) free(emitter.groups[i].table.cells);
    free(emitter.groups);
    map_done(&emitter.signatures);
    text_done(&emitter.signature);
    arena_free(emitter.arena);
    plan_schema_done(&schema);
    return fine;
}
