/* What other systems print when a load leaves something out, word by word. Each reader looks for
 * its own words in the whole text; one that finds none costs one pass over it. */
#include "loader/format/failed_load.h"

#include <stdlib.h>
#include <string.h>

#include "loader/core/fold.h"
#include "loader/core/limits.h"
#include "loader/core/text.h"
#include "loader/tensor/tensor.h"

enum {
    NEAR = 200,                  /* bytes within which a shape follows its words */
    DIGITS_MAX = 5, BRACES_MAX = 8,  /* of a folded name that is believed */
    VAIN = 8                     /* so many folded names that stand for too many, and none more */
};

/* The line that p stands in, or its rest; *next is the beginning of the next one. */
static size_t line_length(const LoadScan *scan, const char **next)
{
    const char *stop = memchr(scan->p, '\n', (size_t)(scan->end - scan->p));
    *next = stop ? stop + 1 : scan->end;
    return (size_t)((stop ? stop : scan->end) - scan->p);
}

/* The word before p, back to a blank or a bracket; its length. */
static size_t word_before(const char *text, const char *p)
{
    size_t n = 0;
    while (n < 4096 && p - n > text && !strchr(" \t\n'\"|", p[-1 - (long)n])) n++;
    return n;
}

static void say_system(FailedLoad *load, const char *system)
{
    if (!load->system || strcmp(load->system, "torch") == 0) load->system = system;
}

/* A name, these words, and its two shapes: the checkpoint's first, or the model's. */
static void read_shapes_after(FailedLoad *load, const char *text, size_t n, const char *words,
                              bool model_first, const char *system)
{
    LoadScan scan = {load, text, text + n};
    while (failed_load_seek(&scan, words)) {
        const char *stop = scan.p - strlen(words);
        size_t length = word_before(text, stop);
        LoadSize size = {0};
        if (model_first) {   /* a text that was cut off still names the tensor */
            if (failed_load_shape(&scan, NEAR, &size.to, &size.to_rank))
                failed_load_shape(&scan, NEAR, &size.from, &size.from_rank);
        } else if (failed_load_shape(&scan, NEAR, &size.from, &size.from_rank)) {
            failed_load_shape(&scan, NEAR, &size.to, &size.to_rank);
        }
        failed_load_add_size(load, &size, stop - length, length);
        say_system(load, system);
    }
}

/* ---- transformers ---- */

/* - classifier.weight: found shape torch.Size([3, 8]) in the checkpoint and torch.Size([2, 8]) in
 * the model instantiated */
static void read_found_shapes(FailedLoad *load, const char *text, size_t n)
{
    read_shapes_after(load, text, n, ": found shape ", false, "transformers");
}

/* "… were not used when initializing R: ['a', 'b']", "… are newly initialized: ['c']". */
static void read_weight_lists(FailedLoad *load, const char *text, size_t n)
{
    static const struct { const char *words; LoadList list; } kinds[] = {
        {"were not used when initializing ", LOAD_UNEXPECTED},
        {"are newly initialized", LOAD_MISSING}};
    for (size_t i = 0; i < countof(kinds); i++) {
        LoadScan scan = {load, text, text + n};
        while (failed_load_seek(&scan, kinds[i].words)) {
            const char *next;
            size_t length = line_length(&scan, &next);
            const char *colon = memchr(scan.p, ':', length);
            scan.p = colon ? colon + 1 : next;
            if (!colon) continue;
            while (scan.p < next && *scan.p == ' ') scan.p++;
            if (scan.p == scan.end || !strchr("[{(", *scan.p)) continue;   /* shapes, below */
            failed_load_names(&scan, kinds[i].list, false, false);
            say_system(load, "transformers");
        }
    }
}

/* Whether a range has more digits than any model has layers or experts, or there are many braces:
 * what they stand for together could be anything. */
static bool is_wide(const char *folded)
{
    size_t digits = 0, braces = 0;
    for (; *folded; folded++) {
        digits = is_digit(*folded) ? digits + 1 : 0;
        braces += *folded == '{';
        if (digits > DIGITS_MAX || braces > BRACES_MAX) return true;
    }
    return false;
}

/* Its ranges as tenon's own: "layers.{0...23}.x" is layers.{0-23}.x, "{0, 2}" is {0,2}. */
static void add_folded(FailedLoad *load, LoadList list, const LoadSize *size, const char *name,
                       size_t n)
{
    Text text = {0};
    bool inside = false;
    for (size_t i = 0; i < n; i++) {
        if (name[i] == '{' || name[i] == '}') inside = name[i] == '{';
        if (inside && n - i >= 3 && memcmp(name + i, "...", 3) == 0) {
            text_addc(&text, '-');
            i += 2;
        } else if (!inside || name[i] != ' ') {
            text_addc(&text, name[i]);
        }
    }
    const char **names;
    Arena *arena = arena_new();
    const bool folded = memchr(name, '{', n) != NULL;
    const uint64_t most = limit(LIMIT_FOLDED_BYTES);
    bool wide = is_wide(text_string(&text)) || (folded && load->expanded >= most);
    size_t count = 0;
    if (!wide)
        count = fold_expand(arena, text_string(&text), folded ? most - load->expanded : UINT64_MAX,
                            &names);
    if (folded && !wide) load->expanded += count ? count * (n + 1) : most / VAIN + 1;
    bool closed = folded && memchr(name, '}', n);
    if (closed && !count && !is_wide(text_string(&text))) load->wide = true;
    for (size_t i = 0; i < count; i++) {
        if (size) failed_load_add_size(load, size, names[i], strlen(names[i]));
        else failed_load_add(load, list, names[i], strlen(names[i]));
    }
    if (!count && !size) failed_load_add(load, list, text_string(&text), text.length);
    arena_free(arena);
    text_done(&text);
}

/* A row of the table of transformers 5:   KEY | MISMATCH | Reinit … - ckpt: A vs model: B */
static void read_row(LoadScan *scan, const char *name, size_t n, const char *status)
{
    while (n && name[n - 1] == ' ') n--;
    while (n && (*name == ' ' || *name == '|')) name++, n--;
    if (!n) return;
    say_system(scan->load, "transformers");
    LoadSize size = {0};
    if (*status != '|' || status[2] == 'U') {
        add_folded(scan->load, LOAD_UNEXPECTED, NULL, name, n);
    } else if (memcmp(status, "| MISSING", 9) == 0) {
        add_folded(scan->load, LOAD_MISSING, NULL, name, n);
    } else {
        LoadScan details = *scan;
        if (failed_load_shape(&details, NEAR, &size.from, &size.from_rank))
            failed_load_shape(&details, NEAR, &size.to, &size.to_rank);
        add_folded(scan->load, LOAD_SIZE, &size, name, n);
    }
}

static void read_table(FailedLoad *load, const char *text, size_t n)
{
    static const char *const kinds[] = {"| UNEXPECTED", "| MISSING", "| MISMATCH"};
    for (size_t i = 0; i < countof(kinds); i++) {
        LoadScan scan = {load, text, text + n};
        const char *behind = text;       /* what was looked at before is no part of a row */
        while (failed_load_seek(&scan, kinds[i])) {
            const char *status = scan.p - strlen(kinds[i]), *start = status;
            while (start > behind && start[-1] != '\n' && status - start < 65536) start--;
            behind = scan.p;
            if (scan.p < scan.end && *scan.p != ' ' && *scan.p != '|' && *scan.p != '\n') continue;
            read_row(&scan, start, (size_t)(status - start), status);
        }
    }
}

/* ---- fvcore and detectron2 ---- */

/* A line "  a.b.{bias, weight}"; false when it is none. */
static bool read_group(FailedLoad *load, LoadList list, const char *line, size_t n)
{
    while (n && (*line == ' ' || *line == '\t')) line++, n--;
    while (n && (line[n - 1] == ' ' || line[n - 1] == ',')) n--;
    bool braces = memchr(line, '{', n) != NULL;
    if (!n || (!braces && memchr(line, ' ', n))) return false;
    for (size_t i = 0; i < n; i++)
        if (strchr("()=:[]", line[i])) return false;
    add_folded(load, list, NULL, line, n);
    return true;
}

static void read_groups(FailedLoad *load, const char *text, size_t n)
{
    static const struct { const char *words; LoadList list; } kinds[] = {
        {"parameters or buffers are not found in the checkpoint:", LOAD_MISSING},
        {"contains keys that are not used by the model:", LOAD_UNEXPECTED}};
    for (size_t i = 0; i < countof(kinds); i++) {
        LoadScan scan = {load, text, text + n};
        while (failed_load_seek(&scan, kinds[i].words)) {
            const char *next;
            say_system(load, "fvcore");
            line_length(&scan, &next);
            for (scan.p = next; scan.p < scan.end; scan.p = next) {
                size_t length = line_length(&scan, &next);
                if (!read_group(load, kinds[i].list, scan.p, length)) break;
            }
        }
    }
}

/* Skip loading parameter 'K' to the model due to incompatible shapes: A in the checkpoint but B in
 * the model!      and detectron2's
 * Shape of K in checkpoint is A, while shape of M in model is B. */
static void read_skipped(FailedLoad *load, const char *text, size_t n)
{
    static const struct { const char *before, *after; } kinds[] = {
        {"Skip loading parameter '", "' to the model due to incompatible shapes:"},
        {"Shape of ", " in checkpoint is "}};
    for (size_t i = 0; i < countof(kinds); i++) {
        LoadScan scan = {load, text, text + n};
        const char *name;
        size_t length;
        while (failed_load_between(&scan, kinds[i].before, kinds[i].after, &name, &length)) {
            LoadSize size = {0};
            if (failed_load_shape(&scan, NEAR, &size.from, &size.from_rank))
                failed_load_shape(&scan, NEAR, &size.to, &size.to_rank);
            failed_load_add_size(load, &size, name, length);
            say_system(load, i ? "detectron2" : "fvcore");
        }
    }
}

/* ---- essmc2, mmcv, Pet ---- */

/* K: invalid shape, dst torch.Size([B]) vs. src torch.Size([A]) */
static void read_invalid_shapes(FailedLoad *load, const char *text, size_t n)
{
    read_shapes_after(load, text, n, ": invalid shape, dst ", true, "essmc2");
}

/* | KEY | torch.Size([B]) | torch.Size([A]) |      below  "expected shape | loaded shape" */
static void read_mmcv_table(FailedLoad *load, const char *text, size_t n)
{
    LoadScan scan = {load, text, text + n};
    if (!failed_load_seek(&scan, "expected shape")) return;
    while (failed_load_seek(&scan, "\n|")) {
        const char *name = scan.p, *next;
        size_t length = line_length(&scan, &next);
        const char *bar = memchr(name, '|', length);
        LoadSize size = {0};
        scan.p = bar ? bar : next;
        if (bar && failed_load_shape(&scan, NEAR, &size.to, &size.to_rank) &&
            failed_load_shape(&scan, NEAR, &size.from, &size.from_rank))
            failed_load_add_size(load, &size, name, (size_t)(bar - name));
        scan.p = next > text ? next - 1 : next;   /* its newline begins the next row */
        if (next == scan.end) return;
        say_system(load, "mmcv");
    }
}

/* ---- names that one message tells of one tensor ---- */

/* Words, then a name, then words; a message of one missing or unexpected tensor. */
typedef struct OneName {
    const char *before, *after;
    LoadList list;
    const char *system;
} OneName;

static const OneName singles[] = {
    {"Tensor ", " required but not present", LOAD_MISSING, "mergekit"},
    {"missing tensor '", "'", LOAD_MISSING, "llama.cpp"},
    {"check_tensor_dims: tensor '", "' not found", LOAD_MISSING, "llama.cpp"},
    {"NotFoundError: Key ", " not found in checkpoint", LOAD_MISSING, "tensorflow"},
    {"lora key not loaded: ", "\n", LOAD_UNEXPECTED, "comfyui"},
    {"Key (", ") not found in checkpoint", LOAD_MISSING, "tensorflow"},
};

/* What ends with one character may also begin with it, and so is read forwards. */
static bool next_single(LoadScan *scan, const OneName *one, const char **name, size_t *n)
{
    if (one->after[1]) return failed_load_between(scan, one->before, one->after, name, n);
    if (!failed_load_seek(scan, one->before)) return false;
    *name = scan->p;
    const char *stop = memchr(scan->p, *one->after, (size_t)(scan->end - scan->p));
    if (!stop) stop = scan->end;
    *n = (size_t)(stop - *name);
    scan->p = stop;
    return true;
}

static void read_singles(FailedLoad *load, const char *text, size_t n)
{
    for (size_t i = 0; i < countof(singles); i++) {
        const OneName *one = &singles[i];
        LoadScan scan = {load, text, text + n};
        const char *name;
        size_t length;
        while (next_single(&scan, one, &name, &length)) {
            if (memchr(name, ' ', length)) continue;
            failed_load_add(load, one->list, name, length);
            say_system(load, one->system);
        }
    }
}

/* … for weight dense/kernel:0. Weight expects shape (B). Received saved weight with shape (A) */
static void read_keras(FailedLoad *load, const char *text, size_t n)
{
    LoadScan scan = {load, text, text + n};
    while (failed_load_seek(&scan, "Weight expects shape ")) {
        const char *stop = scan.p - 21;
        while (stop > text && strchr(" \n.", stop[-1])) stop--;
        size_t length = word_before(text, stop);
        LoadSize size = {0};
        if (failed_load_shape(&scan, NEAR, &size.to, &size.to_rank))
            failed_load_shape(&scan, NEAR, &size.from, &size.from_rank);
        failed_load_add_size(load, &size, stop - length, length);
        say_system(load, "keras");
    }
}

/* "4096, 32001, 1, 1" up to `close` as GGML counts: the fastest axis first, ones behind. */
static bool read_ggml(LoadScan *scan, const char *from, const char *to, const int64_t **dims,
                      uint8_t *rank)
{
    int64_t sizes[TENSOR_RANK_MAX];
    size_t count = 0;
    for (const char *p = from; p < to; p++) {
        uint64_t size;
        size_t n = 0;
        while (p + n < to && is_digit(p[n])) n++;
        if (!n) continue;
        if (count == TENSOR_RANK_MAX || !parse_digits(p, n, &size) || size > INT64_MAX)
            return false;
        sizes[count++] = (int64_t)size;
        p += n;
    }
    while (count > 1 && sizes[count - 1] == 1) count--;
    for (size_t i = 0; i < count / 2; i++) {
        int64_t kept = sizes[i];
        sizes[i] = sizes[count - 1 - i];
        sizes[count - 1 - i] = kept;
    }
    if (!count) return false;
    *dims = arena_copy(scan->load->arena, sizes, count * sizeof *sizes);
    *rank = (uint8_t)count;
    return true;
}

/* llama.cpp: tensor 'K' has wrong shape; expected B, got A */
static void read_llama(FailedLoad *load, const char *text, size_t n)
{
    LoadScan scan = {load, text, text + n};
    while (failed_load_seek(&scan, "' has wrong shape; expected ")) {
        const char *stop = scan.p - 28, *next;
        size_t length = word_before(text, stop);
        size_t rest = line_length(&scan, &next);
        const char *got = memmem(scan.p, rest, ", got ", 6);
        LoadSize size = {0};
        if (!got || !read_ggml(&scan, scan.p, got, &size.to, &size.to_rank) ||
            !read_ggml(&scan, got + 6, scan.p + rest, &size.from, &size.from_rank))
            continue;
        failed_load_add_size(load, &size, stop - length, length);
        say_system(load, "llama.cpp");
    }
}

/* Pet: The mismatch keys: ['a', 'b'].      are what the model lacks. */
static void read_pet(FailedLoad *load, const char *text, size_t n)
{
    LoadScan scan = {load, text, text + n};
    while (failed_load_seek(&scan, "The mismatch keys: ")) {
        failed_load_names(&scan, LOAD_MISSING, false, true);
        say_system(load, "pet");
    }
}

/* Whose words the lists of "key(s) in state_dict" were: they are told by what stands around. */
static void tell_system(FailedLoad *load, const char *text, size_t n)
{
    static const struct { const char *words, *system; } marks[] = {
        {"The model and loaded state dict do not match exactly", "mmengine"},
        {"ignore keys from source:", "essmc2"},
        {"while loading pretrained weights", "timm"}};
    for (size_t i = 0; i < countof(marks); i++)
        if (memmem(text, n, marks[i].words, strlen(marks[i].words))) load->system = marks[i].system;
}

void failed_load_read_others(FailedLoad *load, const char *text, size_t n)
{
    read_weight_lists(load, text, n);
    read_found_shapes(load, text, n);
    read_table(load, text, n);
    read_groups(load, text, n);
    read_skipped(load, text, n);
    read_invalid_shapes(load, text, n);
    read_mmcv_table(load, text, n);
    read_singles(load, text, n);
    read_keras(load, text, n);
    read_llama(load, text, n);
    read_pet(load, text, n);
    tell_system(load, text, n);
}
