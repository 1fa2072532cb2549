/* Schemas as text: what people print of a state dict, one tensor a line.
 *
 *   head.fc.weight torch.Size([200, 2048])          print(k, v.shape)
 *   head.fc.weight: (200, 2048) float32             key, shape, dtype, with : , = | between
 *   head.fc.weight<TAB>f32<TAB>200,2048             columns; 200x2048 and () too
 *   ('head.fc.weight', torch.Size([200, 2048])),    a printed list of pairs
 *   {'head.fc.weight': torch.Size([200, 2048]), …   a printed dict, on one line or many
 *
 * Blank lines, # comments and lines of brackets are ignored, and so are up to three title
 * lines at the top ("Model's state_dict:"). Any other line that does not parse refuses the
 * file: a tensor must not get lost, and a text that is no listing must not pass for one. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "loader/format/fault.h"
#include "loader/format/format.h"
#include "loader/format/json_source.h"
#include "loader/format/schema.h"

enum {
    TITLES_MAX = 3,      /* lines at the top that may be no tensor */
    LINE_SHOWN = 80,     /* bytes of a line, in errors */
    WORD_MAX = 40        /* bytes of a dtype's name or another word, with its NUL */
};

static const char advice[] =
    "a line should look like: head.fc.weight torch.Size([200, 2048])";

/* The rest of a line: p moves forward as it is understood. Functions below that try something
 * work on a copy and move the caller's only when they have found it. */
typedef struct Scan {
    const char *p, *end;
} Scan;

/* strchr would find a NUL in every set. */
static bool is_one_of(char c, const char *set)
{
    return c && strchr(set, c);
}

/* Passes over characters of the set; how many. */
static size_t skip(Scan *scan, const char *set)
{
    const char *start = scan->p;
    while (scan->p < scan->end && is_one_of(*scan->p, set)) scan->p++;
    return (size_t)(scan->p - start);
}

/* Passes over the word, if it stands here. */
static bool take(Scan *scan, const char *word)
{
    size_t n = strlen(word);
    if ((size_t)(scan->end - scan->p) < n || memcmp(scan->p, word, n) != 0) return false;
    scan->p += n;
    return true;
}

/* -- Keys ------------------------------------------------------------------------------ */

/* `digits` hexadecimal digits at p; UINT32_MAX when there are fewer. */
static uint32_t read_hex(const char *p, const char *end, int digits)
{
    uint32_t code = 0;
    if (end - p < digits) return UINT32_MAX;
    for (int i = 0; i < digits; i++) {
        static const char table[] = "0123456789abcdef";
        char c = p[i] >= 'A' && p[i] <= 'F' ? (char)(p[i] - 'A' + 'a') : p[i];
        const char *found = c ? strchr(table, c) : NULL;
        if (!found) return UINT32_MAX;
        code = code << 4 | (uint32_t)(found - table);
    }
    return code;
}

/* A character as a held name has it (text.h): NUL as C0 80, \udc80 to \udcff as the stray byte. */
static void add_code(Text *name, uint32_t code)
{
    if (!code) text_addn(name, "\xC0\x80", 2);
    else if (code >= 0xDC80 && code <= 0xDCFF) text_addc(name, (char)(code & 0xFF));
    else utf8_add(name, code);
}

/* The escape behind a backslash of Python's repr; false when it is none. */
static bool scan_escape(Scan *scan, Text *name)
{
    static const char letters[] = "nrt\\'\"", meanings[] = "\n\r\t\\'\"";
    if (scan->p == scan->end) return false;
    char c = *scan->p++;
    const char *found = c ? strchr(letters, c) : NULL;
    if (found) {
        text_addc(name, meanings[found - letters]);
        return true;
    }
    int digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    uint32_t code = digits ? read_hex(scan->p, scan->end, digits) : UINT32_MAX;
    if (code > 0x10FFFF) return false;
    scan->p += digits;
    add_code(name, code);
    return true;
}

/* A string as Python's repr prints it, in single or double quotes; false when it does not end. */
static bool scan_quoted(Scan *scan, Text *name)
{
    char quote = *scan->p++;
    while (scan->p < scan->end && *scan->p != quote) {
        if (*scan->p != '\\') {
            text_addc(name, *scan->p++);
            continue;
        }
        scan->p++;
        if (!scan_escape(scan, name)) return false;
    }
    return scan->p++ < scan->end;
}

/* A key as it stands; only \udcXX is decoded, which is how reports show a stray byte. */
static void add_plain(const char *p, const char *end, Text *name)
{
    while (p < end) {
        uint32_t code = *p == '\\' && end - p >= 6 && p[1] == 'u' ? read_hex(p + 2, end, 4) : 0;
        if (code >= 0xDC80 && code <= 0xDCFF) {
            add_code(name, code);
            p += 6;
        } else {
            const char *next = memchr(p + 1, '\\', (size_t)(end - p - 1));
            text_addn(name, p, (size_t)((next ? next : end) - p));
            p = next ? next : end;
        }
    }
}

/* Where a key that is glued to its shape ends ("fc.bias:torch.Size([2])"); else `end`. */
static const char *find_glued_shape(const char *p, const char *end)
{
    for (; (p = memchr(p, ':', (size_t)(end - p))); p++) {
        Scan rest = {p, end};
        if (take(&rest, ":(") || take(&rest, ":[") || take(&rest, ":torch.Size(")) return p;
    }
    return end;
}

/* An unquoted key: up to a tab, or else up to the first space. */
static bool scan_plain(Scan *scan, bool columns, Text *name)
{
    const char *start = scan->p, *end = start;
    while (end < scan->end && *end != '\t' && (columns || *end != ' ')) end++;
    if (!columns) end = find_glued_shape(start, end);
    scan->p = end;
    while (end > start && end[-1] == ' ') end--;
    if (end > start + 1 && end[-1] == ':') end--;
    add_plain(start, end, name);
    return end > start;
}

/* -- Shapes and dtypes ----------------------------------------------------------------- */

/* One size, added to the tensor's; false when there are no digits, or too many. */
static bool scan_size(Scan *scan, SchemaTensor *tensor)
{
    const char *start = scan->p;
    int64_t size = 0;
    for (; scan->p < scan->end && *scan->p >= '0' && *scan->p <= '9'; scan->p++)
        if (__builtin_mul_overflow(size, 10, &size) ||
            __builtin_add_overflow(size, *scan->p - '0', &size))
            return false;
    if (scan->p == start || tensor->rank == TENSOR_RANK_MAX) return false;
    tensor->dims[tensor->rank++] = size;
    return true;
}

/* Sizes and commas up to the closing bracket; a comma may stand before it, as in (3,). */
static bool scan_list(Scan *scan, const char *close, SchemaTensor *tensor)
{
    for (;;) {
        skip(scan, " ");
        if (take(scan, close)) return true;
        if (!scan_size(scan, tensor)) return false;
        skip(scan, " ");
        if (take(scan, close)) return true;
        if (!take(scan, ",")) return false;
    }
}

/* "200,2048", "200x2048" or "200×2048", up to white space. */
static bool scan_bare(Scan *scan, SchemaTensor *tensor)
{
    do {
        if (!scan_size(scan, tensor)) return false;
    } while (take(scan, ",") || take(scan, "x") || take(scan, "×"));
    return scan->p == scan->end || is_one_of(*scan->p, " \t");
}

/* `bare` says that numbers without brackets are a shape here. Moves only on success. */
static bool scan_shape(Scan *scan, bool bare, SchemaTensor *tensor)
{
    Scan try = *scan;
    tensor->rank = 0;
    tensor->has_shape = true;
    bool found = take(&try, "torch.Size([") ? scan_list(&try, "]", tensor) && take(&try, ")")
                 : take(&try, "(")          ? scan_list(&try, ")", tensor)
                 : take(&try, "[")          ? scan_list(&try, "]", tensor)
                                            : take(&try, "scalar");
    if (!found && bare) {
        try = *scan;
        tensor->rank = 0;
        found = scan_bare(&try, tensor);
    }
    if (!found) {
        tensor->has_shape = false;
        found = take(&try, "?") || take(&try, "None") || take(&try, "null");
    }
    if (found) *scan = try;
    return found;
}

/* A run of letters, digits and _ . : ? as a string; its length, which may be 0. */
static size_t scan_word(Scan *scan, char word[WORD_MAX])
{
    size_t n = 0;
    for (; scan->p + n < scan->end && n < WORD_MAX - 1; n++) {
        char c = scan->p[n];
        bool fine = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                    c == '_' || c == '.' || c == ':' || c == '?';
        if (!fine) break;
        word[n] = c;
    }
    word[n] = '\0';
    scan->p += n;
    return n;
}

/* A word that is a dtype. The whole word must be one: "float32x" is none. */
static bool scan_dtype(Scan *scan, SchemaTensor *tensor)
{
    char word[WORD_MAX];
    Scan try = *scan;
    if (!scan_word(&try, word) || !schema_dtype(word, &tensor->dtype)) return false;
    *scan = try;
    return true;
}

/* What else people print behind a shape: a device, requires_grad, numel. */
static bool scan_extra(Scan *scan)
{
    char word[WORD_MAX];
    Scan try = *scan;
    if (!scan_word(&try, word)) return false;
    if (strspn(word, "0123456789") != strlen(word) && strcmp(word, "True") != 0 &&
        strcmp(word, "False") != 0 && strcmp(word, "cpu") != 0 && !has_prefix(word, "cuda") &&
        strcmp(word, "meta") != 0 && strcmp(word, "mps") != 0)
        return false;
    *scan = try;
    return true;
}

/* Shape and dtype behind a key, in either order, up to a closing bracket or the next quoted
 * key. In columns the dtype stands first, an empty shape is a scalar, and columns behind the
 * two are ignored. */
static bool scan_items(Scan *scan, bool columns, SchemaTensor *tensor)
{
    bool shape = false, dtype = false;
    for (;;) {
        size_t skipped = skip(scan, " \t:,;|=");
        if (take(scan, "->")) continue;
        if (scan->p == scan->end || is_one_of(*scan->p, ")]}'\"")) break;
        if (shape && dtype && (skipped > 1 || scan->p[-1] == '\t')) {
            scan->p = scan->end;
            break;
        }
        bool dtype_first = columns && !dtype && *scan->p == '?';
        if (!shape && !dtype_first && scan_shape(scan, columns || dtype, tensor)) shape = true;
        else if (!dtype && scan_dtype(scan, tensor)) dtype = true;
        else if (!shape || !scan_extra(scan)) return false;
    }
    if (!shape && columns && dtype && scan->p[-1] == '\t') tensor->has_shape = shape = true;
    return shape;
}

/* Opening brackets and the name of what is printed (OrderedDict([( …), when a quoted key
 * follows; else nothing is moved. */
static bool scan_openers(Scan *scan)
{
    char word[WORD_MAX];
    Scan try = *scan;
    skip(&try, " \t");
    scan_word(&try, word);
    skip(&try, " \t=([{");
    if (try.p == try.end || !is_one_of(*try.p, "'\"")) return false;
    if (*word && !is_one_of(try.p[-1], "([{")) return false;
    *scan = try;
    return true;
}

/* One tensor; `name` is overwritten. False: this is none. */
static bool scan_entry(Scan *scan, SchemaTensor *tensor, Text *name, bool *quoted)
{
    *tensor = (SchemaTensor){.dtype = DT_UNKNOWN};
    text_clear(name);
    *quoted = scan_openers(scan);
    skip(scan, " ");
    bool columns = !*quoted && memchr(scan->p, '\t', (size_t)(scan->end - scan->p));
    if (!(*quoted ? scan_quoted(scan, name) : scan_plain(scan, columns, name))) return false;
    if (!scan_items(scan, columns, tensor)) return false;
    tensor->name = text_string(name);
    skip(scan, ")]}, ;\t");
    return true;
}

/* -- Lines ----------------------------------------------------------------------------- */

/* Blank, a comment, or brackets only. */
static bool is_empty_line(Scan line)
{
    skip(&line, " \t\f([{}]),;");
    return line.p == line.end || *line.p == '#';
}

/* The next line, without its end; false at the end of the text. */
static bool next_line(Scan *text, Scan *line)
{
    if (text->p == text->end) return false;
    const char *newline = memchr(text->p, '\n', (size_t)(text->end - text->p));
    line->p = text->p;
    line->end = newline ? newline : text->end;
    text->p = newline ? newline + 1 : text->end;
    while (line->end > line->p && is_one_of(line->end[-1], "\r ")) line->end--;
    return true;
}

/* Whether a line that is no tensor may be a title: it must not look like a damaged one. */
static bool is_title(Scan line)
{
    for (const char *p = line.p; p + 1 < line.end; p++)
        if (is_one_of(*p, "([") && p[1] >= '0' && p[1] <= '9') return false;
    return !memmem(line.p, (size_t)(line.end - line.p), "torch.Size", 10);
}

/* The file being read. */
typedef struct Listing {
    const char *file;        /* its name, for errors; borrowed */
    StateDict *dict;         /* what was found; owned */
    Text name;               /* of the tensor being read */
    Text titles;             /* what was skipped at the top, for a warning */
    size_t title_count, line;    /* titles skipped; number of the current line, from 1 */
} Listing;

/* Shows the line: most often it tells at once what the file is. Always false. */
static bool refuse_line(const Listing *listing, Scan line, Error *err)
{
    Text shown = {0};
    fault_quote(line.p, (size_t)(line.end - line.p), LINE_SHOWN, &shown);
    fault_file(err, ERR_FORMAT, listing->file,
               "neither a checkpoint nor a listing of tensors: line %zu is '%s'; %s",
               listing->line, text_string(&shown), advice);
    text_done(&shown);
    return false;
}

/* A line that is no tensor: a title, while no tensor was seen; else the file is refused. */
static bool skip_title(Listing *listing, Scan line, Error *err)
{
    if (dict_count(listing->dict) || listing->title_count == TITLES_MAX || !is_title(line))
        return refuse_line(listing, line, err);
    if (listing->title_count++) text_add(&listing->titles, ", ");
    text_addc(&listing->titles, '\'');
    fault_quote(line.p, (size_t)(line.end - line.p), LINE_SHOWN, &listing->titles);
    text_addc(&listing->titles, '\'');
    return true;
}

/* One or, from a printed dict, many tensors of a line. */
static bool read_line(Listing *listing, Scan line, Error *err)
{
    if (!utf8_valid(line.p, (size_t)(line.end - line.p)))
        return fault_file(err, ERR_FORMAT, listing->file, "line %zu is no UTF-8 text",
                          listing->line);
    Scan rest = line;
    do {
        SchemaTensor tensor;
        bool quoted;
        if (!scan_entry(&rest, &tensor, &listing->name, &quoted) ||
            (rest.p < rest.end && !(quoted && scan_openers(&rest))))
            return skip_title(listing, line, err);
        tensor.unit = "line";
        tensor.place = listing->line;
        if (!schema_add(listing->dict, &tensor, listing->file, err)) return false;
    } while (rest.p < rest.end);
    return true;
}

/* Line by line. When no tensor was found, the first line that is not empty is what to show. */
static bool read_listing(Listing *listing, const char *bytes, size_t n, Error *err)
{
    Scan text = {bytes + text_start((const unsigned char *)bytes, n), bytes + n}, line, first = {0};
    while (next_line(&text, &line)) {
        listing->line++;
        if (is_empty_line(line)) continue;
        if (!first.p) first = line;
        if (!read_line(listing, line, err)) return false;
    }
    if (dict_count(listing->dict)) return true;
    if (first.p) return refuse_line(listing, first, err);
    return fault_file(err, ERR_FORMAT, listing->file, "there is no tensor in it; %s", advice);
}

static Checkpoint *open_listing(OpenContext *context, ByteSource *source, Error *err)
{
    size_t n;
    char *bytes = source_slurp_limited(source, LIMIT_INDEX_BYTES, &n, err);
    if (!bytes) return NULL;
    Listing listing = {.file = source->name, .dict = dict_new()};
    Checkpoint *checkpoint = NULL;
    if (read_listing(&listing, bytes, n, err)) {
        checkpoint = schema_checkpoint(context, dict_ref(listing.dict));
        if (listing.title_count)
            checkpoint_find(checkpoint, FINDING_NOTE, "object", NULL, NULL,
                            "%zu line(s) at the top name no tensor and were skipped: %s",
                            listing.title_count, text_string(&listing.titles));
    }
    dict_unref(listing.dict);
    text_done(&listing.name);
    text_done(&listing.titles);
    free(bytes);
    return checkpoint;
}

/* Text in which one of the first lines is a tensor. Any other text may still be meant as a
 * listing; opening it says which line is not. A JSON object is none, though one of lists looks
 * like a printed dict. */
static Sniff sniff_listing(ByteSource *source, const unsigned char *head, size_t n)
{
    Error ignored;
    JsonKind kind = json_source_kind(source, head, n, NULL, &ignored);
    if (kind != JSON_NONE && kind != JSON_BROKEN) return SNIFF_NO;
    size_t start = text_start(head, n);
    for (size_t i = start; i < n; i++)
        if ((head[i] < 0x20 && !is_one_of((char)head[i], "\t\n\r\f")) || head[i] == 0x7F)
            return SNIFF_NO;
    const char *bytes = (const char *)head;
    if (start == n) return SNIFF_NO;
    Text name = {0};
    Scan text = {bytes + start, bytes + n}, line;
    bool found = false;
    for (unsigned left = TITLES_MAX + 1; !found && left && next_line(&text, &line);) {
        SchemaTensor tensor;
        bool quoted;
        if (is_empty_line(line)) continue;
        found = scan_entry(&line, &tensor, &name, &quoted);
        left--;
    }
    text_done(&name);
    return found ? SNIFF_YES : SNIFF_MAYBE;
}

const Format format_schema_text = {"schema", "schema (text)", sniff_listing, open_listing};
