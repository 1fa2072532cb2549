/* tenon ls --globals: what the pickles of a file would import, each name judged, and whether
 * torch.load(weights_only=True) takes the file. The checkpoint is not opened: what no format reads
 * is listed as well, and an error is told behind what was found before it. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "loader/format/format.h"
#include "loader/format/globals_scan.h"
#include "loader/format/pickle_log.h"
#include "loader/source/url.h"
#include "repl/answer.h"
#include "repl/command.h"

/* A row of GLOBAL_USES. */
typedef struct Use {
    unsigned bit;
    const char *word;
} Use;

#define USE_ROW(id, bit, word, what) {bit, word},
static const Use use_words[] = {GLOBAL_USES(USE_ROW)};
#undef USE_ROW

/* --- JSON ----------------------------------------------------------------------------- */

static const char *torch_word(ScanTorch torch)
{
    return torch == SCAN_LOADS ? "loads" : "refuses";
}

static void write_file(JsonWriter *json, const ScannedFile *file)
{
    json_map(json);
    json_put_text(json, "path", file->path);
    json_put_uint(json, "pickles", file->pickles);
    json_put_text(json, "weights_only", file->pickles || file->refusal ? torch_word(file->torch)
                                                                    : NULL);
    json_put_text(json, "refusal", file->refusal);
    json_key(json, "protocol_warning");
    if (file->protocol) json_int(json, file->protocol);
    else json_null(json);
    json_put_text(json, "error", file->error_count ? file->errors[0] : NULL);
    json_key(json, "errors");
    json_list(json);
    for (size_t i = 0; i < file->error_count && i < SCAN_ERRORS; i++)
        json_string(json, file->errors[i]);
    json_end(json);
    json_put_uint(json, "error_count", file->error_count);
    json_end(json);
}

static void write_places(JsonWriter *json, const GlobalUse *use)
{
    json_key(json, "places");
    json_list(json);
    for (size_t i = 0; i < use->place_count && i < GLOBAL_PLACES; i++) {
        json_map(json);
        json_put_text(json, "member", use->places[i].member);
        json_put_uint(json, "byte", use->places[i].byte);
        json_put_text(json, "path", use->places[i].path);
        json_end(json);
    }
    json_end(json);
}

static void write_use(JsonWriter *json, const GlobalUse *use)
{
    json_map(json);
    json_put_text(json, "module", use->module);
    json_put_text(json, "name", use->name);
    json_put_text(json, "verdict", global_word(use->verdict));
    json_put_text(json, "reason", use->reason);
    json_put_bool(json, "weights_only", use->verdict == GLOBAL_ALLOWED);
    json_put_text(json, "reached", use->way);
    json_put_text(json, "opcode", use->opcode);
    json_key(json, "uses");
    json_list(json);
    for (size_t i = 0; i < countof(use_words); i++)
        if (use->uses & use_words[i].bit) json_string(json, use_words[i].word);
    json_end(json);
    json_put_uint(json, "count", use->count);
    json_put_uint(json, "calls", use->calls);
    json_put_uint(json, "pickles", use->place_count);
    write_places(json, use);
    json_end(json);
}

static void write_pickle(JsonWriter *json, const ScannedPickle *pickle)
{
    json_map(json);
    json_put_text(json, "member", pickle->member);
    json_put_uint(json, "byte", pickle->byte);
    json_put_uint(json, "bytes", pickle->bytes);
    json_key(json, "protocol");
    if (pickle->protocol < 0) json_null(json);
    else json_int(json, pickle->protocol);
    json_put_uint(json, "names", pickle->names);
    json_put_text(json, "error", pickle->error);
    json_put_text(json, "refusal", pickle->refusal);
    json_put_uint(json, "refusal_byte", pickle->refusal_byte);
    json_end(json);
}

static void print_json(const GlobalScan *scan, const char *path)
{
    Text out = {0};
    JsonWriter *json = answer_begin(&out);
    json_put_text(json, "path", path);
    json_put_text(json, "verdict", global_word(scan_worst(scan)));
    json_key(json, "files");
    json_list(json);
    for (size_t i = 0; i < scan->file_count; i++) write_file(json, &scan->files[i]);
    json_end(json);
    json_key(json, "globals");
    json_list(json);
    for (size_t i = 0; i < scan->use_count; i++) write_use(json, &scan->uses[i]);
    json_end(json);
    json_key(json, "pickles");
    json_list(json);
    for (size_t i = 0; i < scan->pickle_count; i++) write_pickle(json, &scan->pickles[i]);
    json_end(json);
    json_put_bool(json, "cut", scan->cut);
    answer_close(json, &out);
    fwrite(out.bytes, 1, out.length, stdout);
    text_done(&out);
}

/* --- text ----------------------------------------------------------------------------- */

/* Of the columns; reason is 0 when nothing is dangerous. */
typedef struct Widths {
    size_t name, reason;
} Widths;

/* A name or text of the file, fit for a terminal. */
static void print_shown(const char *text)
{
    Text shown = {0};
    name_show(text, &shown);
    fputs(text_string(&shown), stdout);
    text_done(&shown);
}

/* "posix.system", or "os.system by getattr". */
static void show_name(const GlobalUse *use, Text *out)
{
    name_show(use->module, out);
    if (use->name[0]) text_addc(out, '.');
    name_show(use->name, out);
    if (use->way) text_addf(out, " by %s", use->way);
}

static void print_uses(const GlobalUse *use)
{
    bool any = false;
    for (size_t i = 0; i < countof(use_words); i++) {
        if (!(use->uses & use_words[i].bit)) continue;
        printf("%s%s", any ? ", " : "   ", use_words[i].word);
        bool counted = use_words[i].bit == USE_CALLED || use_words[i].bit == USE_MADE;
        if (counted && use->calls > 1) printf(" ×%" PRIu64, use->calls);
        any = true;
    }
    if (!any) printf("   only named");
}

static void print_place(const GlobalPlace *place)
{
    printf("  byte %" PRIu64, place->byte);
    if (place->member[0]) {
        printf(" of ");
        print_shown(place->member);
    }
    if (!place->path) printf(", in a pickle with an error");
    else if (place->path[0]) {
        printf(", at ");
        print_shown(place->path);
    }
}

/* Verdict, name, what it can do, what is done with it; below, where it stands first. */
static void print_use(const GlobalUse *use, const Widths *widths, bool verbose)
{
    Text name = {0};
    show_name(use, &name);
    printf("%-9s  %s%*s", global_word(use->verdict), text_string(&name),
           (int)(name.length < widths->name ? widths->name - name.length : 0), "");
    if (widths->reason)
        printf("   %-*s", (int)widths->reason, use->verdict == GLOBAL_DANGEROUS ? use->reason : "");
    print_uses(use);
    text_done(&name);
    size_t shown = verbose ? GLOBAL_PLACES : 1;
    for (size_t i = 0; i < use->place_count && i < shown && i < GLOBAL_PLACES; i++) {
        if (verbose) printf("\n         ");
        else printf("  ");
        print_place(&use->places[i]);
    }
    if (use->place_count > shown)
        printf(", and in %zu more pickle%s", use->place_count - shown,
               use->place_count - shown == 1 ? "" : "s");
    putchar('\n');
}

/* What torch does with one file, and what could not be read of it. */
static void print_file(const GlobalScan *scan, const ScannedFile *file)
{
    if (!file->pickles && !file->error_count && scan->file_count > 1) return;
    if (scan->file_count > 1) {
        print_shown(file->path);
        printf(": ");
    }
    if (!file->pickles && !file->refusal) {
        puts("there is no pickle in it, so it names nothing");
    } else {
        printf("torch.load(weights_only=True): %s", torch_word(file->torch));
        if (file->refusal) {
            printf(": ");
            print_shown(file->refusal);
        }
        putchar('\n');
    }
    if (file->protocol)
        printf("note: torch warns of its pickle protocol %d; torch.save writes 2\n",
               file->protocol);
    for (size_t i = 0; i < file->error_count && i < SCAN_ERRORS; i++) {
        printf("error: ");
        print_shown(file->errors[i]);
        putchar('\n');
    }
    if (file->error_count > SCAN_ERRORS)
        printf("and %zu more errors\n", file->error_count - SCAN_ERRORS);
}

/* Pickles that ended early: their names up to there are listed. */
static void print_errors(const GlobalScan *scan)
{
    enum { SHOWN = 20 };
    size_t errors = 0;
    char more[LIMIT_TEXT];
    for (size_t i = 0; i < scan->pickle_count; i++) {
        const ScannedPickle *pickle = &scan->pickles[i];
        if (pickle->left_out)
            printf("note: %zu more namings are left out\n", pickle->left_out);
        if (!pickle->error || ++errors > SHOWN) continue;
        printf("error: ");
        print_shown(pickle->error);
        printf(" (%zu name%s before it)\n", pickle->names, pickle->names == 1 ? "" : "s");
    }
    if (errors > SHOWN) printf("and %zu more errors\n", errors - SHOWN);
    if (scan->cut) printf("note: pickles, %s; the rest was not read\n",
                          limit_text(LIMIT_SCANNED, more));
}

static void print_heading(const GlobalScan *scan, const char *path)
{
    size_t counts[3] = {0};
    for (size_t i = 0; i < scan->use_count; i++) counts[scan->uses[i].verdict]++;
    print_shown(path);
    printf("   %zu name%s in %zu pickle%s", scan->use_count, scan->use_count == 1 ? "" : "s",
           scan->pickle_count, scan->pickle_count == 1 ? "" : "s");
    if (scan->use_count)
        printf("   %zu dangerous, %zu unknown, %zu allowed", counts[GLOBAL_DANGEROUS],
               counts[GLOBAL_UNKNOWN], counts[GLOBAL_ALLOWED]);
    putchar('\n');
}

static void print_text(const GlobalScan *scan, const Invocation *invocation, const char *path)
{
    enum { NAME_WIDE = 60 };     /* wider ones push their row */
    Text name = {0};
    Widths widths = {0};
    bool quiet = invocation->set[OPT_QUIET];
    for (size_t i = 0; i < scan->use_count; i++) {
        text_clear(&name);
        show_name(&scan->uses[i], &name);
        if (quiet) printf("%s %s\n", global_word(scan->uses[i].verdict), text_string(&name));
        if (name.length > widths.name && name.length <= NAME_WIDE) widths.name = name.length;
        size_t reason = strlen(scan->uses[i].reason);
        if (scan->uses[i].verdict == GLOBAL_DANGEROUS && reason > widths.reason)
            widths.reason = reason;
    }
    text_done(&name);
    if (quiet) return;
    print_heading(scan, path);
    for (size_t i = 0; i < scan->file_count; i++) print_file(scan, &scan->files[i]);
    print_errors(scan);
    if (scan->use_count) putchar('\n');
    for (size_t i = 0; i < scan->use_count; i++)
        print_use(&scan->uses[i], &widths, invocation->set[OPT_VERBOSE]);
}

/* A part of a file has no pickle of its own: FILE::PATH means the file. */
int command_globals(const Invocation *invocation)
{
    Error err = {0};
    GlobalScan scan;
    const char *file, *inside;
    scan_init(&scan);
    checkpoint_spec(scan.arena, invocation->operands[0], &file, &inside);
    bool fine = scan_path(&scan, file, &err);
    file = url_shown(scan.arena, file);
    if (fine && invocation->set[OPT_JSON]) print_json(&scan, file);
    else if (fine) print_text(&scan, invocation, file);
    scan_done(&scan);
    return fine ? EXIT_COMPLETE : complain(&err);
}
