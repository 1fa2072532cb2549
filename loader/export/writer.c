/* Which writer there is for a name, and what writers say when they refuse. */
#include "loader/export/writer.h"

#include <string.h>

static const Writer *const writers[] = {&torch_writer, &safetensors_writer, &npz_writer};

/* Whether a word stands in a list that is separated by spaces. */
static bool has_word(const char *words, const char *word, size_t n)
{
    for (const char *at = words; *at;) {
        size_t length = strcspn(at, " ");
        if (length == n && strncmp(at, word, n) == 0) return true;
        at += length + strspn(at + length, " ");
    }
    return false;
}

bool writer_has_suffix(const Writer *writer, const char *suffix)
{
    return has_word(writer->suffixes, suffix, strlen(suffix));
}

const Writer *writer_by_suffix(const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    for (size_t i = 0; i < countof(writers); i++)
        for (const char *dot = strchr(name, '.'); dot; dot = strchr(dot + 1, '.'))
            if (writer_has_suffix(writers[i], dot)) return writers[i];
    return NULL;
}

/* --to takes a writer's name, or one of its suffixes without the dot. */
static const Writer *find_by_name(const char *name)
{
    Text suffix = {0};
    const Writer *found = NULL;
    text_addf(&suffix, ".%s", name);
    for (size_t i = 0; i < countof(writers) && !found; i++)
        if (strcmp(writers[i]->name, name) == 0 || strcmp(writers[i]->format, name) == 0 ||
            has_word(writers[i]->suffixes, suffix.bytes, suffix.length))
            found = writers[i];
    text_done(&suffix);
    return found;
}

const Writer *writer_choose(const char *path, const ExportOptions *options, Error *err)
{
    const Writer *writer = options->format ? find_by_name(options->format) : writer_by_suffix(path);
    if (writer) return writer;
    if (options->format)
        error_set(err, ERR_USAGE, "%s: no writer for format '%s'; there are pth, safetensors "
                  "and npz",
                  path, options->format);
    else
        error_set(err, ERR_USAGE, "%s: the suffix says no format that can be written (.pth .pt "
                  ".bin .ckpt .safetensors .npz); name one of them, or say --to pth", path);
    return NULL;
}

/* The closest dtype that every format holds; NULL where nothing converts. */
static const char *plain_dtype(DType dtype)
{
    switch (dtype_info(dtype)->kind) {
    case CLASS_COMPLEX: return "c64";
    case CLASS_INT: return "i64";
    case CLASS_UINT: return "u8";
    case CLASS_FLOAT: return "f32";
    case CLASS_QUANT: return dtype_of_values(dtype) == DT_F32 ? "f16" : NULL;
    default: return NULL;
    }
}

bool writer_refuse_dtype(const PlanEntry *entry, const char *format, const char *other, Error *err)
{
    const char *plain = plain_dtype(entry->dtype);
    Text remedy = {0};
    if (plain) text_addf(&remedy, "cast it in a rule (|> cast(\"%s\"))", plain);
    if (plain && dtype_info(entry->dtype)->kind == CLASS_QUANT)
        text_addf(&remedy, ", or all that are quantized: -e 'each(function(k, t) if t.quantized "
                  "then return k, t:cast(\"%s\") end end)'", plain);
    if (plain && other) text_add(&remedy, ", or ");
    if (other) text_addf(&remedy, "write %s", other);
    if (!plain && !other) text_add(&remedy, "drop it with a rule");
    /* PyTorch's own quantized types would fit into its files: that they are not written is ours */
    const char *name = dtype_name(entry->dtype);
    if (dtype_info(entry->dtype)->torch && strcmp(format, ".pth") == 0)
        error_set(err, ERR_UNSUPPORTED, "tenon writes no %s; %s", name, remedy.bytes);
    else
        error_set(err, ERR_UNSUPPORTED, "%s cannot hold %s; %s", format, name, remedy.bytes);
    text_done(&remedy);
    return plan_entry_prefix(entry, err);
}
