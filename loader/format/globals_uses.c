/* What a scan of globals has found: a record for each name, the worst first in the end. */
#include "loader/format/globals_scan.h"

#include <stdlib.h>
#include <string.h>

#include "loader/format/pickle_log.h"

void scan_init(GlobalScan *scan)
{
    *scan = (GlobalScan){.arena = arena_new()};
    map_init(&scan->index);
}

void scan_done(GlobalScan *scan)
{
    free(scan->uses);
    free(scan->pickles);
    free(scan->files);
    map_done(&scan->index);
    arena_free(scan->arena);
}

/* The verdict is found once for each name. */
GlobalUse *scan_find_use(GlobalScan *scan, const PickleName *name)
{
    Text key = {0};
    text_addf(&key, "%s\n%s\n%s", name->module, name->name, name->way ? name->way : "");
    uint32_t at = map_get(&scan->index, text_string(&key));
    if (at == MAP_NONE) {
        at = (uint32_t)scan->use_count;
        scan->uses = mem_grow(scan->uses, &scan->use_room, scan->use_count + 1,
                              sizeof *scan->uses);
        GlobalUse use = {.module = arena_strdup(scan->arena, name->module),
                         .name = arena_strdup(scan->arena, name->name),
                         .way = name->way ? arena_strdup(scan->arena, name->way) : NULL,
                         .opcode = name->opcode};
        use.verdict = global_judge(use.module, use.name, &use.reason);
        if (use.way && use.verdict == GLOBAL_ALLOWED) use.verdict = GLOBAL_UNKNOWN;
        scan->uses[scan->use_count++] = use;
        map_set(&scan->index, arena_strdup(scan->arena, text_string(&key)), at);
    }
    text_done(&key);
    return &scan->uses[at];
}

/* Dangerous ones first, equals by name. */
static int compare_uses(const void *a, const void *b)
{
    const GlobalUse *one = a, *two = b;
    if (one->verdict != two->verdict) return one->verdict < two->verdict ? 1 : -1;
    int module = strcmp(one->module, two->module);
    return module ? module : strcmp(one->name, two->name);
}

void scan_sort(GlobalScan *scan)
{
    if (scan->use_count) qsort(scan->uses, scan->use_count, sizeof *scan->uses, compare_uses);
    map_done(&scan->index);      /* its numbers hold no longer; a scan is sorted once */
    map_init(&scan->index);
}

GlobalVerdict scan_worst(const GlobalScan *scan)
{
    return scan->use_count ? scan->uses[0].verdict : GLOBAL_ALLOWED;
}
