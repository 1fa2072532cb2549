/* tenon ls: the tensors of one checkpoint, in one of four forms:
 *
 *   a table      key, dtype, shape, bytes; --stats reads the values too
 *   --tree       names folded over numbers and indented by module
 *   --quiet      names alone
 *   --json       everything, also what only programs want (strides, offsets, storages)
 *
 * --all shows the objects of the file instead, or in JSON beside the tensors; --globals, which
 * needs no checkpoint, is in command_globals.c. */
#include "repl/command.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loader/core/fold.h"
#include "loader/format/format.h"
#include "loader/source/url.h"
#include "loader/tensor/layout.h"
#include "loader/tensor/stats.h"
#include "loader/tensor/values.h"
#include "repl/answer.h"
#include "repl/cut_list.h"
#include "repl/object_list.h"

/* What is listed: one container of one checkpoint. */
typedef struct Listing {
    const Invocation *invocation;    /* borrowed */
    Arena *arena;                /* borrowed */
    Checkpoint *checkpoint;      /* a reference; NULL when it could not be opened */
    const char *path;            /* as the user gave it, without secrets */
    const char *container;       /* its path in the object tree, "" at the root */
    StateDict *dict;             /* its tensors; a reference once it is open */
} Listing;

/* FILE or FILE::PATH: that part, else the one that holds the weights. A file that can be read and
 * has no tensors is not damaged: an empty listing, as of an empty state dict A part that was named
 * and is not there is an error, but for --all, which lists what is there instead. */
static bool open_listing(Listing *listing, Arena *arena, const char *spec, Error *err)
{
    const char *file, *inside;
    checkpoint_spec(arena, spec, &file, &inside);
    listing->path = url_shown(arena, spec);
    listing->checkpoint = checkpoint_open(file, err);
    if (!listing->checkpoint) return false;
    const Container *container;
    if (inside) {
        container = checkpoint_find_container(listing->checkpoint, inside);
        if (!container && !listing->invocation->set[OPT_EVERYTHING])
            return error_set(err, ERR_NOT_FOUND, "%s: no dict of tensors at '%s'; tenon ls --all "
                             "shows what it holds", url_shown(arena, file), inside);
    } else {
        container = checkpoint_choose(listing->checkpoint, NULL, NULL);
    }
    listing->container = container ? container->path : "";
    listing->dict = container ? dict_ref(container->dict) : dict_new();
    return true;
}

/* -- JSON: one object, on whose fields and order programs rely -------------------------- */

/* Schemas, tensors on the meta device and sparse ones have no numbers to count. */
static bool has_numbers(const Tensor *tensor)
{
    return tensor->storage && tensor_value_dtype(tensor, NULL) != DT_UNKNOWN;
}

/* Null for what has no numbers. Without a finite value there is no minimum, and so on: null. */
static void write_stats(JsonWriter *json, const Tensor *tensor, const Stats *stats)
{
    bool numbers = stats->finite > 0;
    json_key(json, "stats");
    if (!has_numbers(tensor)) {
        json_null(json);
        return;
    }
    json_map(json);
    static const char *const names[] = {"min", "max", "mean", "std"};
    const double values[] = {stats->min, stats->max, stats->mean, stats->std};
    for (size_t i = 0; i < countof(names); i++) {
        json_key(json, names[i]);
        if (numbers) json_float(json, values[i]);
        else json_null(json);
    }
    json_put_uint(json, "nan", stats->nan);
    json_put_uint(json, "inf", stats->inf);
    json_put_uint(json, "zeros", stats->zeros);
    char crc[16];
    snprintf(crc, sizeof crc, "%08" PRIx32, stats->crc);
    json_put_text(json, "crc32", crc);
    json_end(json);
}

/* The stride of every axis in elements, as torch reports them: a contiguous tensor, which keeps
 * none, gets those of its shape. */
static void write_strides(JsonWriter *json, const Tensor *tensor)
{
    int64_t own[TENSOR_RANK_MAX];
    const int64_t *strides = tensor->strides;
    if (tensor->dims && !strides) {
        contiguous_strides(tensor->dims, tensor->rank, own);
        strides = own;
    }
    json_shape(json, strides, tensor->rank);
}

/* The fields of one tensor, into the object that is open. key, dtype and shape make the listing a
 * schema (schema_json.c); equal numbers of storages tell what is tied. */
static void write_tensor(JsonWriter *json, const Checkpoint *checkpoint, const Tensor *tensor)
{
    const CheckpointFile *file = checkpoint_file_of(checkpoint, tensor);
    json_put_text(json, "key", tensor->name);
    json_key(json, "dtype");
    if (tensor->dtype == DT_UNKNOWN) json_null(json);
    else json_string(json, dtype_name(tensor->dtype));
    json_put_shape(json, "shape", tensor->dims, tensor->rank);
    json_key(json, "strides");
    write_strides(json, tensor);
    json_put_uint(json, "offset", tensor->offset);
    json_put_uint(json, "bytes", tensor_bytes(tensor));
    json_key(json, "storage");
    if (tensor->storage) json_uint(json, tensor->storage->index);
    else json_null(json);
    if (file) json_put_text(json, "file", file->name);
    if (tensor->layout) json_put_text(json, "layout", layout_name((Layout)tensor->layout));
    if (tensor->encoding && tensor->encoding->note)
        json_put_text(json, "note", tensor->encoding->note);
}

/* A value of the metadata with its type; of what is long only how long it is, as text. */
static void write_value(JsonWriter *json, const Object *value)
{
    uint64_t number;
    Text text = {0};
    switch ((ObjectKind)value->kind) {
    case OBJ_NONE: json_null(json); return;
    case OBJ_BOOL: json_bool(json, value->boolean); return;
    case OBJ_INT: json_int(json, value->integer); return;
    case OBJ_FLOAT: json_float(json, value->number); return;
    case OBJ_STR: json_string(json, value->bytes.text); return;
    default: break;
    }
    if (object_as_uint(value, &number)) {
        json_uint(json, number);
        return;
    }
    object_plain(value, &text);
    json_string(json, text_string(&text));
    text_done(&text);
}

/* What a safetensors file (__metadata__) or a GGUF file (its keys) says of itself; an empty
 * object for other formats. */
static void write_metadata(JsonWriter *json, const StateDict *dict)
{
    json_key(json, "metadata");
    json_map(json);
    for (size_t i = 0; i < dict_metadata_count(dict); i++) {
        const Object *value = dict_metadata_object(dict, i);
        bool list = value->kind == OBJ_LIST;
        json_key(json, dict_metadata(dict, i).key);
        if (list) json_list(json);
        else write_value(json, value);
        for (size_t k = 0; list && k < value->list.count; k++)
            write_value(json, value->list.items[k]);
        if (list) json_end(json);
    }
    json_end(json);
}

/* Every place that could have been listed, this one too. */
static void write_containers(JsonWriter *json, const Checkpoint *checkpoint)
{
    json_key(json, "containers");
    json_list(json);
    for (size_t i = 0; i < checkpoint_container_count(checkpoint); i++) {
        const Container *one = checkpoint_container(checkpoint, i);
        json_map(json);
        json_put_text(json, "path", one->path);
        json_put_uint(json, "tensors", dict_count(one->dict));
        json_end(json);
    }
    json_end(json);
}

/* The files that were read as one; nothing where it is one file. */
static void write_files(JsonWriter *json, const Checkpoint *checkpoint)
{
    size_t count = checkpoint_file_count(checkpoint);
    if (!count) return;
    json_key(json, "files");
    json_list(json);
    for (size_t i = 0; i < count; i++) {
        json_map(json);
        json_put_text(json, "name", checkpoint_file(checkpoint, i)->name);
        json_put_uint(json, "bytes", checkpoint_file(checkpoint, i)->bytes);
        json_end(json);
    }
    json_end(json);
}

/* Statistics of one tensor, zeros for what has no numbers; false, with the error set, when its
 * bytes cannot be read. */
static bool read_stats(const Listing *listing, const Tensor *tensor, Stats *stats, Error *err)
{
    *stats = (Stats){0};
    if (!has_numbers(tensor)) return true;
    if (tensor_stats(tensor, stats, err)) return true;
    return strstr(err->text, listing->path) ? false : error_prefix(err, "%s", listing->path);
}

/* Printed only when it is complete: half an object would be worse than none. */
static bool print_json(const Listing *listing, Error *err)
{
    Text out = {0};
    JsonWriter *json = answer_begin(&out);
    /* an unreadable value stops the listing: half of the statistics would pass for all of them */
    bool ok = true, stats_wanted = listing->invocation->set[OPT_STATS];
    json_put_text(json, "path", listing->path);
    json_put_text(json, "format", checkpoint_format(listing->checkpoint));
    json_put_text(json, "container", listing->container);
    write_metadata(json, listing->dict);
    json_key(json, "tensors");
    json_list(json);
    for (size_t i = 0; ok && i < dict_count(listing->dict); i++) {
        const Tensor *tensor = dict_at(listing->dict, i);
        Stats stats;
        json_map(json);
        write_tensor(json, listing->checkpoint, tensor);
        if (stats_wanted && (ok = read_stats(listing, tensor, &stats, err)))
            write_stats(json, tensor, &stats);
        json_end(json);
    }
    json_end(json);
    write_containers(json, listing->checkpoint);
    write_files(json, listing->checkpoint);
    cut_list_json(listing->checkpoint, listing->arena, json);
    if (listing->invocation->set[OPT_EVERYTHING]) object_list_json(listing->checkpoint, json);
    answer_close(json, &out);
    if (ok) fwrite(out.bytes, 1, out.length, stdout);
    text_done(&out);
    return ok;
}

/* -- Text ------------------------------------------------------------------------------ */

/* Columns that a terminal needs for UTF-8 text, every character counted as one. */
static size_t columns(const char *text)
{
    size_t n = 0;
    for (; *text; text++) n += ((unsigned char)*text & 0xC0) != 0x80;
    return n;
}

/* One cell, filled up with blanks on its other side; what is too wide pushes the rest of its row.
 * printf's own width counts bytes, of which "×" has two. */
static void print_padded(const char *text, size_t width, bool right)
{
    int pad = (int)(columns(text) < width ? width - columns(text) : 0);
    if (right) printf("%*s%s", pad, "", text);
    else printf("%s%*s", text, pad, "");
}

/* The other places that hold tensors: the first few by name, optimizer state as one. Who sees
 * "model" listed must learn that "ema" is there too, and how to name it. */
static void print_others(const Listing *listing)
{
    enum { NAMED = 5 };
    size_t named = 0, more = 0, state = 0, made = 0;
    for (size_t i = 0; i < checkpoint_container_count(listing->checkpoint); i++) {
        const Container *one = checkpoint_container(listing->checkpoint, i);
        if (one->dict == listing->dict) continue;
        if (one->parts) {
            made++;
        } else if (one->optimizer) {
            state++;
        } else if (named == NAMED) {
            more++;
        } else {
            Text path = {0};
            name_show(one->path[0] ? one->path : "(top level)", &path);
            printf("%s %s (%zu)", named++ ? "," : "also holds", text_string(&path),
                   dict_count(one->dict));
            text_done(&path);
        }
    }
    if (more) printf(" and %zu more", more);
    if (state) printf("%s optimizer state", named ? ", and" : "also holds");
    if (made) printf("%s the parts of %zu tensor%s", named || state ? ", and" : "also holds", made,
               made == 1 ? "" : "s");
    if (named || state || made)
        printf("   (name a part as %s::PART)\n", checkpoint_path(listing->checkpoint));
}

/* Which files were read as one: the first few by name. */
static void print_files(const Listing *listing)
{
    enum { NAMED = 4 };
    size_t count = checkpoint_file_count(listing->checkpoint);
    if (count < 2) return;
    Text line = {0};
    for (size_t i = 0; i < count && i < NAMED; i++) {
        const CheckpointFile *file = checkpoint_file(listing->checkpoint, i);
        char bytes[32];
        show_bytes(file->bytes, bytes);
        if (i) text_add(&line, ", ");
        name_show(file->name, &line);
        text_addf(&line, " (%s)", bytes);
    }
    if (count > NAMED) text_addf(&line, " and %zu more", count - NAMED);
    printf("of %zu files: %s%s\n", count, text_string(&line),
           listing->invocation->set[OPT_VERBOSE] ? "" : "   (-v says which tensor is in which)");
    text_done(&line);
}

/* One line on the whole, one on other places, one for each warning, and an empty one. */
static void print_heading(const Listing *listing)
{
    char bytes[32], values[32];
    show_bytes(dict_bytes(listing->dict), bytes);
    show_count(dict_values(listing->dict), values);
    Text path = {0};
    name_show(listing->path, &path);
    printf("%s   %s", text_string(&path), checkpoint_format(listing->checkpoint));
    if (listing->container[0]) printf("   %s", listing->container);
    printf("   %zu tensor%s   %s value%s   %s\n", dict_count(listing->dict),
           dict_count(listing->dict) == 1 ? "" : "s", values,
           dict_values(listing->dict) == 1 ? "" : "s", bytes);
    print_files(listing);
    print_others(listing);
    if (!dict_count(listing->dict)) {
        text_clear(&path);
        checkpoint_show_empty(listing->checkpoint, &path);
        printf("note: %s\n", text_string(&path));
    }
    text_done(&path);
    for (size_t i = 0; i < checkpoint_finding_count(listing->checkpoint); i++)
        printf("note: %s\n", checkpoint_finding(listing->checkpoint, i)->what);
    putchar('\n');
}

/* Behind a row, on the same line. Without one finite value there is no minimum to print. */
static void print_stats(const Tensor *tensor, const Stats *stats)
{
    if (!has_numbers(tensor)) return;
    if (!stats->finite) {
        printf("   nan %" PRIu64 "  inf %" PRIu64, stats->nan, stats->inf);
        return;
    }
    printf("   min %-11.5g max %-11.5g mean %-11.5g std %-11.5g nan %" PRIu64 "  inf %" PRIu64
           "  zeros %" PRIu64, stats->min, stats->max, stats->mean, stats->std, stats->nan,
           stats->inf, stats->zeros);
}

/* The cells of one row; texts are reused from row to row. Sizes are right-aligned, being numbers;
 * everything else begins at its column. */
typedef struct Row {
    Text name, shape;
    const char *dtype;
    char bytes[32];              /* "?" where shape or dtype is unknown */
} Row;

/* "3×3×64×128", and behind it the order of the axes where that is not PyTorch's. */
static void show_sizes(const Tensor *tensor, Text *out)
{
    show_shape(tensor->dims, tensor->rank, out);
    if (tensor->layout) text_addf(out, " %s", layout_name((Layout)tensor->layout));
}

/* Names are escaped here: they may hold what moves a cursor. */
static void fill_row(Row *row, const Tensor *tensor)
{
    text_clear(&row->name);
    text_clear(&row->shape);
    name_show(tensor->name, &row->name);
    show_sizes(tensor, &row->shape);
    row->dtype = dtype_name(tensor->dtype);
    if (tensor->dims && tensor->dtype != DT_UNKNOWN) show_bytes(tensor_bytes(tensor), row->bytes);
    else snprintf(row->bytes, sizeof row->bytes, "?");
}

enum { NAMES_MAX = 160 };        /* columns: a longer name widens its own row alone */

/* A column is as wide as its widest cell; *width is the widest so far. */
static void widen(size_t *width, const char *text)
{
    if (columns(text) > *width) *width = columns(text);
}

/* Behind a row: the file that the tensor is in. */
static void print_file(const Listing *listing, const Tensor *tensor)
{
    const CheckpointFile *file = checkpoint_file_of(listing->checkpoint, tensor);
    Text name = {0};
    if (file) name_show(file->name, &name);
    if (file) printf("   in %s", text_string(&name));
    text_done(&name);
}

/* Twice over the tensors: once for the widths of the columns, once to print. Reading values may
 * take long, and rows come out as they are read. */
static bool print_rows(const Listing *listing, Error *err)
{
    size_t count = dict_count(listing->dict), names = 0, dtypes = 0, shapes = 0;
    Row row = {0};
    for (size_t i = 0; i < count; i++) {
        fill_row(&row, dict_at(listing->dict, i));
        if (columns(text_string(&row.name)) <= NAMES_MAX) widen(&names, text_string(&row.name));
        widen(&dtypes, row.dtype);
        widen(&shapes, text_string(&row.shape));
    }
    bool ok = true;
    for (size_t i = 0; ok && i < count; i++) {
        const Tensor *tensor = dict_at(listing->dict, i);
        Stats stats;
        fill_row(&row, tensor);
        print_padded(text_string(&row.name), names, false);
        fputs("   ", stdout);
        print_padded(row.dtype, dtypes + 2, false);
        print_padded(text_string(&row.shape), shapes, false);
        print_padded(row.bytes, 12, true);
        if (listing->invocation->set[OPT_STATS] && (ok = read_stats(listing, tensor, &stats, err)))
            print_stats(tensor, &stats);
        if (tensor->encoding && tensor->encoding->note) printf("   %s", tensor->encoding->note);
        if (listing->invocation->set[OPT_VERBOSE]) print_file(listing, tensor);
        putchar('\n');
    }
    text_done(&row.name);
    text_done(&row.shape);
    return ok;
}

/* --quiet: names alone, for other programs; escaped all the same, so that a line is a name. */
static void print_keys(const Listing *listing)
{
    Text name = {0};
    for (size_t i = 0; i < dict_count(listing->dict); i++) {
        text_clear(&name);
        name_show(dict_at(listing->dict, i)->name, &name);
        puts(text_string(&name));
    }
    text_done(&name);
}

/* -- The tree -------------------------------------------------------------------------- */

/* The length of the next segment: up to a dot that stands outside braces. Braces hold the numbers
 * or words that fold_names joined: "layers.{0-11}.weight" has three segments. */
static size_t segment_length(const char *text)
{
    size_t depth = 0, n = 0;
    for (; text[n] && (depth || text[n] != '.'); n++) {
        if (text[n] == '{') depth++;
        if (text[n] == '}' && depth) depth--;
    }
    return n;
}

/* Prints a folded name below what it shares, segment by segment, with the line before it: modules
 * that both have are not printed again, and each level is indented by two. The last segment's
 * line is left open, for dtype and shape. */
static void print_branch(const char *text, const char *before)
{
    size_t depth = 0, n;
    while ((n = segment_length(text)), text[n] == '.' && strncmp(text, before, n + 1) == 0) {
        text += n + 1;
        before += n + 1;
        depth++;
    }
    for (; (n = segment_length(text)), text[n] == '.'; text += n + 1)
        printf("%*s%.*s\n", (int)depth++ * 2, "", (int)n, text);
    printf("%*s%s", (int)depth * 2, "", text);
}

/* Names that differ only in numbers become one line "layers.{0-11}.weight", when dtype and shape
 * are equal too: fold_names is told by a class number which tensors are alike. */
static void print_tree(const Listing *listing, Arena *arena)
{
    size_t count = dict_count(listing->dict);
    const char **names = mem_alloc((count + 1) * sizeof *names);
    /* one more than needed, so that an empty dict is no special case */
    uint32_t *classes = mem_alloc((count + 1) * sizeof *classes);
    NameMap kinds = {0};         /* "f32  200×2048" → the index of the first such tensor */
    Text kind = {0};
    for (size_t i = 0; i < count; i++) {
        const Tensor *tensor = dict_at(listing->dict, i);
        text_clear(&kind);
        text_addf(&kind, "%s  ", dtype_name(tensor->dtype));
        show_sizes(tensor, &kind);
        names[i] = tensor->name;
        classes[i] = map_get(&kinds, text_string(&kind));
        if (classes[i] != MAP_NONE) continue;
        classes[i] = (uint32_t)i;
        map_set(&kinds, arena_strdup(arena, text_string(&kind)), classes[i]);
    }
    Folded *folded;
    size_t lines = fold_names(arena, names, classes, count, &folded);
    const char *before = "";
    for (size_t i = 0; i < lines; i++) {
        const Tensor *first = dict_at(listing->dict, folded[i].members[0]);
        text_clear(&kind);
        show_sizes(first, &kind);
        Text shown = {0};
        name_show(folded[i].text, &shown);
        print_branch(text_string(&shown), before);
        printf("   %s  %s", dtype_name(first->dtype), text_string(&kind));
        if (folded[i].count > 1) printf("   ×%zu", folded[i].count);
        putchar('\n');
        before = text_keep(&shown, arena);
    }
    text_done(&kind);
    map_done(&kinds);
    free(names);
    free(classes);
}

/* The strongest wish first: JSON, names alone, then a heading and one of three bodies. */
static bool print_listing(const Listing *listing, Arena *arena, Error *err)
{
    const bool *set = listing->invocation->set;
    if (set[OPT_JSON]) return print_json(listing, err);
    if (set[OPT_QUIET]) {
        print_keys(listing);
        return true;
    }
    print_heading(listing);
    if (set[OPT_TREE]) print_tree(listing, arena);
    else if (set[OPT_EVERYTHING]) object_list_print(listing->checkpoint);
    else if (!print_rows(listing, err)) return false;
    if (!set[OPT_EVERYTHING] && !listing->container[0])
        cut_list_print(listing->checkpoint, arena);
    return true;
}

/* tenon ls CHECKPOINT */
int command_ls(const Invocation *invocation)
{
    if (invocation->set[OPT_GLOBALS]) return command_globals(invocation);
    Error err = {0};
    Arena *arena = arena_new();
    Listing listing = {.invocation = invocation, .arena = arena};
    bool ok = open_listing(&listing, arena, invocation->operands[0], &err);
    ok = ok && print_listing(&listing, arena, &err);
    dict_unref(listing.dict);
    checkpoint_unref(listing.checkpoint);
    arena_free(arena);
    return ok ? EXIT_COMPLETE : complain(&err);
}
