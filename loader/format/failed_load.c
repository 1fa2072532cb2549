/* What PyTorch says, and what everyone's messages are made of: names in quotes, in brackets or
 * bare, and shapes. */
#include "loader/format/failed_load.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "loader/core/limits.h"
#include "loader/core/text.h"
#include "loader/tensor/tensor.h"

enum {
    NAME_BYTES_MAX = 1 << 16,    /* of one key; what is longer lacks its closing quote */
    PHRASE_MAX = 60              /* between "missing key(s)" and its colon */
};

/* ---- lists ---- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n';
}

/* n bytes as a name: what a terminal put in where it wrapped the line is taken out, and so are
 * blanks at the ends. */
static const char *take_name(FailedLoad *load, const char *name, size_t n)
{
    Text text = {0};
    for (size_t i = 0; i < n; i++) {
        if (name[i] == '\n') {
            while (text.length && is_blank(text.bytes[text.length - 1])) text.length--;
            while (i + 1 < n && is_blank(name[i + 1])) i++;
        } else {
            text_addc(&text, name[i]);
        }
    }
    size_t start = 0;
    while (start < text.length && is_blank(text.bytes[start])) start++;
    while (text.length > start && is_blank(text.bytes[text.length - 1])) text.length--;
    const char *held = name_hold(load->arena, text_string(&text) + start, text.length - start);
    text_done(&text);
    return held;
}

/* A name told twice, by several ranks or in two tries, is one. */
static bool is_new(FailedLoad *load, LoadList list, const char *name)
{
    uint32_t before = map_get(&load->seen, name);
    if (before != MAP_NONE && before & list) return false;
    if (failed_load_count(load) >= limit(LIMIT_TENSORS)) {
        load->full = true;
        return false;
    }
    map_set(&load->seen, name, before == MAP_NONE ? list : before | list);
    return true;
}

static bool is_dots(const char *name)
{
    return strcmp(name, "...") == 0 || strcmp(name, "…") == 0;
}

void failed_load_add(FailedLoad *load, LoadList list, const char *name, size_t n)
{
    if (!n || n > NAME_BYTES_MAX) return;
    const char *held = take_name(load, name, n);
    if (is_dots(held)) load->cut = true;
    if (!*held || is_dots(held) || !is_new(load, list, held)) return;
    LoadNames *names = list == LOAD_MISSING ? &load->missing : &load->unexpected;
    names->names = mem_grow(names->names, &names->room, names->count + 1, sizeof *names->names);
    names->names[names->count++] = held;
}

void failed_load_add_size(FailedLoad *load, const LoadSize *size, const char *name, size_t n)
{
    if (!n || n > NAME_BYTES_MAX) return;
    const char *held = take_name(load, name, n);
    if (!*held || !is_new(load, LOAD_SIZE, held)) return;
    load->sizes = mem_grow(load->sizes, &load->size_room, load->size_count + 1,
                           sizeof *load->sizes);
    LoadSize *added = &load->sizes[load->size_count++];
    *added = *size;
    added->name = held;
}

bool failed_load_seek(LoadScan *scan, const char *word)
{
    size_t n = strlen(word), left = (size_t)(scan->end - scan->p);
    const char *found = left >= n ? memmem(scan->p, left, word, n) : NULL;
    if (!found) return false;
    scan->p = found + n;
    return true;
}

bool failed_load_between(LoadScan *scan, const char *before, const char *after, const char **name,
                         size_t *n)
{
    size_t lead = strlen(before);
    for (;;) {
        LoadScan region = {scan->load, scan->p, NULL}, stop = *scan;
        if (!failed_load_seek(&stop, after)) return false;
        region.end = stop.p - strlen(after);
        if ((size_t)(region.end - region.p) > NAME_BYTES_MAX + lead)
            region.p = region.end - NAME_BYTES_MAX - lead;
        scan->p = stop.p;
        *name = NULL;
        while (failed_load_seek(&region, before)) *name = region.p;
        if (!*name) continue;
        *n = (size_t)(region.end - *name);
        return true;
    }
}

/* ---- names ---- */

static void skip_blanks(LoadScan *scan)
{
    while (scan->p < scan->end && is_blank(*scan->p)) scan->p++;
}

/* Where a quoted name ends, at its closing quote; NULL when none comes. PyTorch's own quotes stand
 * around a key as it is, which may hold quotes: the closing one is followed by a comma, a full
 * stop, a bracket or a blank. */
static const char *find_quote(const LoadScan *scan, char quote, bool raw)
{
    const char *end = scan->end - scan->p > NAME_BYTES_MAX ? scan->p + NAME_BYTES_MAX : scan->end;
    for (const char *p = scan->p; p < end; p++) {
        if (*p == '\\' && !raw) {
            p++;
        } else if (*p == quote) {
            bool closes = p + 1 == scan->end || strchr(",. \t\n)]}:;", p[1]);
            if (!raw || closes) return p;
        }
    }
    return NULL;
}

/* What Python's repr escapes in names that people have: quotes and backslashes. Others stay. */
static void add_repr(LoadScan *scan, LoadList list, const char *name, size_t n)
{
    if (!memchr(name, '\\', n)) {
        failed_load_add(scan->load, list, name, n);
        return;
    }
    Text text = {0};
    for (size_t i = 0; i < n; i++) {
        bool escape = name[i] == '\\' && i + 1 < n && strchr("\\'\"", name[i + 1]);
        text_addc(&text, name[i + escape]);
        i += escape;
    }
    failed_load_add(scan->load, list, text.bytes, text.length);
    text_done(&text);
}

/* One quoted name; false, and nothing more can be read, when it does not end. */
static bool read_quoted(LoadScan *scan, LoadList list, bool raw)
{
    char quote = *scan->p++;
    const char *close = find_quote(scan, quote, raw);
    if (!close) {
        scan->load->cut = true;
        size_t left = (size_t)(scan->end - scan->p);
        scan->p += left < NAME_BYTES_MAX ? left : NAME_BYTES_MAX;
        return false;
    }
    size_t n = (size_t)(close - scan->p);
    if (raw) failed_load_add(scan->load, list, scan->p, n);
    else add_repr(scan, list, scan->p, n);
    scan->p = close + 1;
    return true;
}

/* Whether a bare word may be a key, where the words around it do not say so: "none" and "12" may
 * not. */
static bool looks_like_key(const char *name, size_t n)
{
    bool letter = false, joined = false;
    for (size_t i = 0; i < n; i++) {
        letter = letter || (name[i] >= 'a' && name[i] <= 'z') || (name[i] >= 'A' && name[i] <= 'Z');
        joined = joined || ((name[i] == '.' || name[i] == '_' || name[i] == '/') && i + 1 < n);
        if (is_blank(name[i]) || name[i] == '(' || name[i] == '=') return false;
    }
    return letter && joined;
}

/* Bare names up to a comma, `close` or the end of the line. */
static void read_bare(LoadScan *scan, LoadList list, char close, bool loose)
{
    const char *start = scan->p;
    while (scan->p < scan->end && *scan->p != ',' && *scan->p != '\n' && *scan->p != close)
        scan->p++;
    size_t n = (size_t)(scan->p - start);
    while (n && (is_blank(start[n - 1]))) n--;
    bool dots = n && (*start == '.' || (n == 3 && memcmp(start, "…", 3) == 0));
    if (!loose || dots || looks_like_key(start, n)) failed_load_add(scan->load, list, start, n);
}

static char closing_of(char c)
{
    return c == '[' ? ']' : c == '(' ? ')' : c == '{' ? '}' : '\0';
}

/* What stands in brackets: names, quoted or bare, up to the closing one. */
static void read_bracket(LoadScan *scan, LoadList list, bool loose)
{
    char close = closing_of(*scan->p++);
    while (scan->p < scan->end) {
        skip_blanks(scan);
        if (scan->p == scan->end) break;
        char c = *scan->p;
        if (c == close) {
            scan->p++;
            return;
        }
        if (c == ',' || closing_of(c)) {
            scan->p++;
        } else if (c == '\'' || c == '"') {
            if (!read_quoted(scan, list, false)) return;
        } else if (strchr("])}", c)) {
            scan->p++;
            return;
        } else {
            read_bare(scan, list, close, loose);
        }
    }
    scan->load->cut = true;
}

/* "a", "b", "c": on one line or wrapped. */
static void read_quoted_list(LoadScan *scan, LoadList list, bool raw)
{
    while (read_quoted(scan, list, raw)) {
        LoadScan next = *scan;
        skip_blanks(&next);
        if (next.p == next.end || *next.p != ',') return;
        next.p++;
        skip_blanks(&next);
        if (next.p < next.end && (*next.p == '.' || (unsigned char)*next.p == 0xE2))
            scan->load->cut = true;      /* "a", "b", ... */
        if (next.p == next.end || (*next.p != '"' && *next.p != '\'')) return;
        *scan = next;
    }
}

/* Names below a heading, one a line, with or without a bullet, until a line is none. */
static void read_bullets(LoadScan *scan, LoadList list)
{
    while (scan->p < scan->end) {
        const char *p = scan->p;
        while (p < scan->end && strchr(" \t-*", *p)) p++;
        const char *stop = p;
        while (stop < scan->end && *stop != '\n') stop++;
        const char *end = stop;
        while (end > p && strchr(" \t,'\"", end[-1])) end--;
        while (p < end && strchr("'\"", *p)) p++;
        if (!looks_like_key(p, (size_t)(end - p))) return;
        failed_load_add(scan->load, list, p, (size_t)(end - p));
        scan->p = stop < scan->end ? stop + 1 : stop;
    }
}

void failed_load_names(LoadScan *scan, LoadList list, bool raw, bool loose)
{
    while (scan->p < scan->end && (*scan->p == ' ' || *scan->p == '\t')) scan->p++;
    LoadScan word = *scan;               /* odict_keys([, set(, frozenset({ */
    while (word.p < word.end && ((*word.p >= 'a' && *word.p <= 'z') || *word.p == '_')) word.p++;
    if (word.p > scan->p && word.p < word.end && *word.p == '(') *scan = word;
    if (scan->p == scan->end) return;
    char c = *scan->p;
    if (c == '"' && scan->end - scan->p > 1 && closing_of(scan->p[1])) c = *++scan->p;
    if (c == '\n') {
        scan->p++;
        LoadScan next = *scan;
        skip_blanks(&next);
        bool quoted = next.p < next.end && (*next.p == '"' || *next.p == '\'');
        if (next.p < next.end && *next.p == '[') {
            *scan = next;
            read_bracket(scan, list, loose);
        } else if (quoted && raw) {
            *scan = next;
            read_quoted_list(scan, list, raw);
        } else {
            read_bullets(scan, list);
        }
    } else if (c == '"' || c == '\'') {
        read_quoted_list(scan, list, raw);
    } else if (closing_of(c)) {
        read_bracket(scan, list, loose);
    } else {
        for (;;) {
            read_bare(scan, list, '\n', loose);
            if (scan->p == scan->end || *scan->p != ',') return;
            scan->p++;
            while (scan->p < scan->end && *scan->p == ' ') scan->p++;
        }
    }
}

/* ---- shapes ---- */

/* "[200, 2048]", "(200,)", "[]" at p: sizes up to the closing bracket. */
static bool read_sizes(LoadScan *scan, const int64_t **dims, uint8_t *rank)
{
    int64_t sizes[TENSOR_RANK_MAX];
    unsigned count = 0;
    const char *p = scan->p;
    char close = closing_of(*p++);
    for (;;) {
        while (p < scan->end && (is_blank(*p) || *p == ',')) p++;
        if (p == scan->end) return false;
        if (*p == close) break;
        uint64_t size;
        size_t n = 0;
        while (p + n < scan->end && is_digit(p[n])) n++;
        if (!n || count == TENSOR_RANK_MAX || !parse_digits(p, n, &size) || size > INT64_MAX)
            return false;
        sizes[count++] = (int64_t)size;
        p += n;
    }
    scan->p = p + 1;
    *dims = count ? arena_copy(scan->load->arena, sizes, count * sizeof *sizes)
                  : arena_alloc(scan->load->arena, 1);
    *rank = (uint8_t)count;
    return true;
}

bool failed_load_shape(LoadScan *scan, size_t within, const int64_t **dims, uint8_t *rank)
{
    size_t left = (size_t)(scan->end - scan->p);
    const char *end = scan->p + (left < within ? left : within);
    for (LoadScan at = *scan; at.p < end; at.p++) {
        if (*at.p != '[' && *at.p != '(') continue;
        if (!read_sizes(&at, dims, rank)) continue;
        *scan = at;
        if (scan->p < scan->end && *scan->p == ')') scan->p++;   /* of torch.Size(…) */
        return true;
    }
    return false;
}

/* ---- PyTorch ---- */

/* size mismatch for NAME: copying a param with shape A from checkpoint, the shape in current model
 * is B.      In PyTorch 0.4: copying a param of A from checkpoint, where the shape is B in … */
static void read_size_lines(FailedLoad *load, const char *text, size_t n)
{
    enum { NEAR = 160 };
    LoadScan scan = {load, text, text + n};
    const char *name;
    size_t length;
    while (failed_load_between(&scan, "size mismatch for ", ": copying a param", &name, &length)) {
        load->system = "torch";
        LoadSize size = {0};
        if (failed_load_shape(&scan, NEAR, &size.from, &size.from_rank) &&
            !failed_load_shape(&scan, NEAR, &size.to, &size.to_rank))
            load->cut = true;
        failed_load_add_size(load, &size, name, length);
    }
}

/* PyTorch up to 0.3: While copying the parameter named NAME, whose dimensions in the model are B
 * and whose dimensions in the checkpoint are A. Later ones say so whatever went wrong with the
 * copy: where both are the same, it was something else. */
static void read_old_sizes(FailedLoad *load, const char *text, size_t n)
{
    enum { NEAR = 120 };
    LoadScan scan = {load, text, text + n};
    const char *name;
    size_t length;
    while (failed_load_between(&scan, "hile copying the parameter named ",
                               ", whose dimensions in the model are ", &name, &length)) {
        load->system = "torch";
        LoadSize size = {0};
        if (failed_load_shape(&scan, NEAR, &size.to, &size.to_rank))
            failed_load_shape(&scan, NEAR, &size.from, &size.from_rank);
        if (size.from && size.to && same_dims(size.from, size.from_rank, size.to, size.to_rank))
            continue;
        bool quoted = length > 2 && (*name == '"' || *name == '\'');
        failed_load_add_size(load, &size, name + quoted, length - 2 * quoted);
    }
}

static bool take(LoadScan *scan, const char *word)
{
    size_t n = strlen(word);
    if ((size_t)(scan->end - scan->p) < n || strncasecmp(scan->p, word, n) != 0) return false;
    scan->p += n;
    return true;
}

/* Behind "Missing" or "unexpected": " key(s) in state_dict: …", "_keys=[…]", " keys (a, b)". False,
 * with nothing read, when it is prose. */
static bool read_keys(LoadScan *scan, LoadList list)
{
    if (!take(scan, " key") && !take(scan, "_key")) return false;
    bool raw = take(scan, "(s)");
    if (!raw) take(scan, "s");
    if (scan->p < scan->end && *scan->p >= 'a' && *scan->p <= 'z') return false;   /* keyword */
    const char *phrase = scan->p, *end = scan->end;
    if (end - phrase > PHRASE_MAX) end = phrase + PHRASE_MAX;
    LoadScan direct = *scan;
    take(&direct, " ");
    bool named = direct.p < direct.end && strchr("\"'(", *direct.p);
    if (!named) {
        while (scan->p < end && !strchr(":=\n", *scan->p)) scan->p++;
        if (scan->p == end || *scan->p == '\n') return true;
        named = memmem(phrase, (size_t)(scan->p - phrase), "state_dict", 10) != NULL;
        scan->p++;
    } else {
        *scan = direct;                  /* unexpected key "a" in state_dict; timm's (a, b) */
        named = *scan->p != '(';
    }
    failed_load_names(scan, list, raw, !named);
    if (named && !scan->load->system) scan->load->system = "torch";
    return true;
}

/* Every "missing" and "unexpected", in any spelling, that keys follow. */
static void read_key_lists(FailedLoad *load, const char *text, size_t n)
{
    static const struct { const char *word; LoadList list; } words[] = {
        {"issing", LOAD_MISSING}, {"nexpected", LOAD_UNEXPECTED}};
    for (size_t i = 0; i < countof(words); i++) {
        LoadScan scan = {load, text, text + n};
        while (failed_load_seek(&scan, words[i].word)) read_keys(&scan, words[i].list);
    }
}

/* "Error(s) in loading state_dict for R:". */
static void read_model(FailedLoad *load, const char *text, size_t n)
{
    enum { CLASS_MAX = 200 };
    LoadScan scan = {load, text, text + n};
    if (memmem(text, n, "IncompatibleKeys(", 17)) load->system = "torch";
    if (!failed_load_seek(&scan, "in loading state_dict for ")) return;
    load->system = "torch";
    size_t length = 0;
    while (scan.p + length < scan.end && length < CLASS_MAX && scan.p[length] != ':' &&
           !is_blank(scan.p[length]))
        length++;
    if (length) load->model = name_hold(load->arena, scan.p, length);
}

/* ---- the whole ---- */

FailedLoad *failed_load_read(const char *text, size_t n)
{
    FailedLoad *load = mem_alloc(sizeof *load);
    load->arena = arena_new();
    map_init(&load->seen);
    char *clean = failed_load_clean(text, &n);
    read_model(load, clean, n);
    read_key_lists(load, clean, n);
    read_size_lines(load, clean, n);
    read_old_sizes(load, clean, n);
    failed_load_read_others(load, clean, n);
    failed_load_find_troubles(load, clean, n);
    free(clean);
    return load;
}

void failed_load_free(FailedLoad *load)
{
    if (!load) return;
    free(load->missing.names);
    free(load->unexpected.names);
    free(load->sizes);
    map_done(&load->seen);
    arena_free(load->arena);
    free(load);
}

/* Words that stand in nothing but such messages. */
bool failed_load_tells(const char *text, size_t n)
{
    static const char *const words[] = {
        "Error(s) in loading state_dict for", "issing key(s) in state_dict",
        "nexpected key(s) in state_dict", "IncompatibleKeys(missing_keys=",
        "size mismatch for ", "keys in source state_dict", "key in source state_dict",
        "were not used when initializing", "are newly initialized", "| MISSING ", "| UNEXPECTED ",
        "| MISMATCH ", "parameters or buffers are not found in the checkpoint",
        "contains keys that are not used by the model", "due to incompatible shapes:",
        "discovered while loading pretrained weights", "found while loading pretrained weights"};
    for (size_t i = 0; i < countof(words); i++)
        if (memmem(text, n, words[i], strlen(words[i]))) return true;
    return false;
}
