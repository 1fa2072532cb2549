/* What people give to tenon that it does not read, each with the way out. Asked only when no
 * format is sure of the file, from the most certain signs to the least: magic numbers, text that
 * says what it is, JSON, a tail, and last what only looks like something. */
#include "loader/format/refusal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "loader/format/fault.h"
#include "loader/format/json_source.h"
#include "loader/format/refusal_proto.h"

enum { BYTES_SHOWN = 16 };   /* of a file that nobody knows */

/* -- What a fixed place in the file tells ---------------------------------------------- */

/* Fixed bytes at a fixed place. */
typedef struct Magic {
    unsigned offset, length;
    const char *bytes;       /* [length], which may hold NULs */
    const char *text;        /* what it is and what to do; ERR_UNSUPPORTED */
} Magic;

/* The way out that several errors share. */
static const char download[] = "delete it and download the file again";

/* The first byte is always this one, the second tells the level. */
static const char zlib_text[] =
    "compressed with zlib (joblib?); in Python: save the arrays of joblib.load(FILE) as .npz";

static const char tar_text[] =
    "a tar of PyTorch 0.1 of which members are missing: it was cut short or is damaged; fetch it "
    "again";

static const char ggml_text[] =
    "an old ggml file (from before GGUF); convert the model again, or this file with llama.cpp's "
    "convert_llama_ggml_to_gguf.py";

/* What the libraries and specifications of these formats put at that place. Several bytes, so that
 * hardly a file has two of them by chance. */
static const Magic magics[] = {
    {0, 4, "lmgg", ggml_text},
    {0, 4, "fmgg", ggml_text},
    {0, 4, "tjgg", ggml_text},
    {0, 4, "algg", "an old ggml adapter file (from before GGUF); convert the adapter itself with "
                   "llama.cpp's convert_lora_to_gguf.py"},
    {0, 8, "PYTORCH1", "an archive of the PyTorch 1.0 preview; load it there and save it anew"},
    {4, 4, "ORTM", "an ONNX Runtime file (.ort); open the .onnx it was made from"},
    {4, 4, "TFL3", "a TensorFlow Lite file (.tflite); open the checkpoint it was made from"},
    {4, 4, "PTMF", "a PyTorch Lite file (.ptl); open the checkpoint it was made from"},
    {0, 2, "\x1f\x8b", "compressed with gzip; unpack it first: gunzip FILE"},
    {0, 6, "\xFD" "7zXZ\0", "compressed with xz; unpack it first: unxz FILE"},
    {0, 4, "\x28\xB5\x2F\xFD", "compressed with Zstandard; unpack it first: unzstd FILE"},
    {0, 3, "BZh", "compressed with bzip2; unpack it first: bunzip2 FILE"},
    {0, 4, "\x04\x22\x4D\x18", "compressed with LZ4; unpack it first: unlz4 FILE"},
    {0, 2, "\x78\x01", zlib_text},
    {0, 2, "\x78\x5e", zlib_text},
    {0, 2, "\x78\x9c", zlib_text},
    {0, 2, "\x78\xda", zlib_text},
    {0, 6, "7z\xBC\xAF\x27\x1C", "a 7-Zip archive; unpack it first: 7z x FILE"},
    {0, 6, "Rar!\x1a\x07", "a RAR archive; unpack it first: unrar x FILE"},
    {0, 4, "PK\5\6", "an empty zip archive; nothing was saved in it"},
    {0, 4, "PK\7\x8", "one part of a split zip archive; join the parts first"},
    {0, 9, "sys_info\0", tar_text},
    {0, 9, "storages\0", tar_text},
    {0, 8, "tensors\0", tar_text},
    {257, 5, "ustar", "a tar archive; unpack it first: tar xf FILE"},
    {0, 2, "\xFF\xFE", "UTF-16 text; save a listing as UTF-8"},
    {0, 2, "\xFE\xFF", "UTF-16 text; save a listing as UTF-8"},
};

/* All explain_… alike: true, and the error set, when the file is what they know. */
static bool explain_magic(ByteSource *source, const unsigned char *head, size_t n, Error *err)
{
    for (size_t i = 0; i < countof(magics); i++) {
        const Magic *magic = &magics[i];
        if (n < magic->offset + magic->length ||
            memcmp(head + magic->offset, magic->bytes, magic->length) != 0)
            continue;
        fault_file(err, ERR_UNSUPPORTED, source->name, "%s", magic->text);
        return true;
    }
    return false;
}

/* -- Binary formats without a magic number --------------------------------------------- */

/* ASCII without control characters. */
static bool is_printable(const unsigned char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p[i] < 0x20 || p[i] > 0x7E) return false;
    return true;
}

/* A file whose space was set aside before its bytes came. */
static bool explain_zeros(ByteSource *source, const unsigned char *head, size_t n, Error *err)
{
    for (size_t i = 0; i < n; i++)
        if (head[i]) return false;
    char size[32];
    show_bytes(n, size);
    fault_file(err, ERR_FORMAT, source->name,
               "its first %s are all zero: a download or copy that never finished; %s", size,
               download);
    return true;
}

/* -- Text ------------------------------------------------------------------------------ */

/* Case does not count, in markup as in servers' messages. The text need not end in a NUL. */
static bool begins(const char *text, size_t n, const char *word)
{
    return n >= strlen(word) && strncasecmp(text, word, strlen(word)) == 0;
}

/* Only `size N` of a pointer is of interest: how much is missing. */
static bool explain_lfs(ByteSource *source, const char *text, size_t n, Error *err)
{
    if (!begins(text, n, "version https://git-lfs.github.com/spec/")) return false;
    const char *line = memmem(text, n, "\nsize ", 6);
    char size[32] = "its size is not given";
    if (line) show_bytes(strtoull(line + 6, NULL, 10), size);
    fault_file(err, ERR_FORMAT, source->name,
               "a Git-LFS pointer, not the file itself (%s); run `git lfs pull` in its repository, "
               "or download the file", size);
    return true;
}

/* What a hub or a login page answers when a download was not allowed. */
static bool explain_page(ByteSource *source, const char *text, size_t n, Error *err)
{
    static const char *const pages[] = {"<!doctype", "<html", "<?xml", "<head", "<error"};
    static const char *const answers[] = {"Entry not found", "Repository not found",
                                          "Invalid username or password", "Access to model",
                                          "Access denied", "404: Not Found", "Not Found"};
    for (size_t i = 0; i < countof(pages); i++)
        if (begins(text, n, pages[i])) {
            fault_file(err, ERR_FORMAT, source->name,
                       "a web page (HTML or XML) that was saved under this name; %s (a login or a "
                       "direct link may be needed)", download);
            return true;
        }
    for (size_t i = 0; i < countof(answers); i++)
        if (begins(text, n, answers[i])) {
            fault_file(err, ERR_FORMAT, source->name,
                       "a server's error message ('%s'), not a file; %s", answers[i], download);
            return true;
        }
    return false;
}

/* A git symbolic link that was checked out as text: one line, a path, nothing else. */
static bool explain_link(ByteSource *source, const char *text, size_t n, Error *err)
{
    size_t length = n && text[n - 1] == '\n' ? n - 1 : n;
    if (source->size != n || n > 1024 || !memchr(text, '/', length) ||
        !is_printable((const unsigned char *)text, length) || memchr(text, ' ', length) ||
        strchr("{[(<\"'", text[0]))
        return false;
    Text shown = {0};
    fault_quote(text, length, 200, &shown);
    fault_file(err, ERR_FORMAT, source->name,
               "only a path ('%s'): a symbolic link that git or a copy wrote as text; open what it "
               "names", text_string(&shown));
    text_done(&shown);
    return true;
}

/* An object without a key that tells, or one that cannot be parsed: then why it cannot. */
static bool explain_json(ByteSource *source, const unsigned char *head, size_t n, Error *err)
{
    Text keys = {0};
    Error reason = {0};
    JsonKind kind = json_source_kind(source, head, n, &keys, &reason);
    if (kind == JSON_OTHER) {
        const char *list = text_string(&keys);
        if (has_prefix(list, "error") || has_prefix(list, "message") || has_prefix(list, "detail"))
            fault_file(err, ERR_FORMAT, source->name,
                       "a server's error message in JSON, not a file; %s", download);
        else
            fault_file(err, ERR_FORMAT, source->name,
                       "JSON, but neither a schema (it has no \"tensors\") nor the index of a "
                       "sharded model (no \"weight_map\"); its keys: %s", list);
    } else if (kind == JSON_BROKEN && err) {
        *err = reason;
    }
    text_done(&keys);
    return kind == JSON_OTHER || kind == JSON_BROKEN;
}

bool refusal_explain(ByteSource *source, const unsigned char *head, size_t n, Error *err)
{
    const char *text = (const char *)head;
    size_t blank = text_start(head, n);
    while (blank < n && head[blank] && strchr(" \t\r\n", head[blank])) blank++;
    return explain_magic(source, head, n, err) ||
           explain_lfs(source, text, n, err) ||
           explain_page(source, text + blank, n - blank, err) ||
           explain_link(source, text, n, err) || explain_json(source, head, n, err) ||
           refusal_explain_text_proto(source, head, n, err) ||
           explain_zeros(source, head, n, err) || refusal_explain_proto(source, err);
}

/* "P.data-00000-of-00001" has no magic number: only the name tells that it is a shard. */
static bool explain_shard(ByteSource *source, Error *err)
{
    static const char shape[] = ".data-#####-of-#####";
    size_t n = strlen(source->name), m = sizeof shape - 1;
    if (n < m) return false;
    for (size_t i = 0; i < m; i++) {
        char c = source->name[n - m + i];
        if (shape[i] == '#' ? !is_digit(c) : c != shape[i]) return false;
    }
    fault_file(err, ERR_UNSUPPORTED, source->name,
               "the values of a TensorFlow checkpoint, without their names; open its .index");
    return true;
}

/* The bytes in hexadecimal and as text: enough to ask somebody what the file is. */
bool refusal_unknown(ByteSource *source, const unsigned char *head, size_t n, Error *err)
{
    if (explain_shard(source, err)) return false;
    Text hex = {0}, plain = {0};
    size_t shown = n < BYTES_SHOWN ? n : BYTES_SHOWN;
    for (size_t i = 0; i < shown; i++) {
        text_addf(&hex, "%s%02x", i ? " " : "", head[i]);
        text_addc(&plain, head[i] >= 0x20 && head[i] < 0x7F ? (char)head[i] : '.');
    }
    fault_file(err, ERR_FORMAT, source->name,
               "no format that tenon knows; it begins with %s  |%s|", text_string(&hex),
               text_string(&plain));
    text_done(&hex);
    text_done(&plain);
    return false;
}
