/* Attributes as libhdf5 reads them: texts, which are what Keras says of its layers, and numbers. As
 * all that calls the library it runs in a child process and may crash: it frees little. */
#include "loader/format/hdf5_child.h"

#ifdef HAVE_HDF5

#include "loader/format/hdf5_child_parts.h"

#include <stdlib.h>
#include <string.h>

#include "loader/core/limits.h"

/* Bytes of the longest text; numbers of an attribute that are sent. */
enum { TEXT_BYTES = 1 << 30, NUMBERS_SENT = 64 };

void hdf5_add_little(Text *text, uint64_t value, unsigned width)
{
    for (unsigned i = 0; i < width; i++) text_addc(text, (char)(value >> 8 * i & 0xFF));
}

bool hdf5_is_bool(hid_t type)
{
    char first[16] = "", second[16] = "";
    if (H5Tget_nmembers(type) != 2 || H5Tget_size(type) != 1) return false;
    char zero = 0, one = 1;
    return H5Tenum_nameof(type, &zero, first, sizeof first) >= 0 && strcmp(first, "FALSE") == 0 &&
           H5Tenum_nameof(type, &one, second, sizeof second) >= 0 && strcmp(second, "TRUE") == 0;
}

/* Fixed texts end at a NUL or at their length, blanks at the end aside where they fill it. */
static size_t text_length(const char *text, size_t room, bool blanks)
{
    size_t n = strnlen(text, room);
    while (blanks && n && text[n - 1] == ' ') n--;
    return n;
}

/* Texts. Of an attribute that the parent could not take it is told the name. */
static void send_texts(hid_t attribute, hid_t type, const char *name, hssize_t count)
{
    const uint64_t index = limit(LIMIT_INDEX_BYTES);
    const size_t most = index < TEXT_BYTES ? (size_t)index : TEXT_BYTES;
    bool variable = H5Tis_variable_str(type) > 0;
    size_t width = variable ? sizeof(char *) : H5Tget_size(type);
    if (!width) return;
    bool fits = (uint64_t)count <= most / width;
    char *values = fits ? calloc(count ? (size_t)count : 1, width) : NULL;
    if (fits && (!values || (count && H5Aread(attribute, type, values) < 0))) return;
    Text record = {0};
    hdf5_add_little(&record, strlen(name), 2);
    text_add(&record, name);
    hdf5_add_little(&record, (uint64_t)count, 4);
    for (hssize_t i = 0; fits && i < count; i++) {
        const char *one =
            variable ? ((char *const *)(void *)values)[i] : values + (size_t)i * width;
        bool blanks = !variable && H5Tget_strpad(type) == H5T_STR_SPACEPAD;
        size_t n = one ? text_length(one, variable ? most : width, blanks) : 0;
        hdf5_add_little(&record, n, 4);
        if (n) text_addn(&record, one, n);
        fits = record.length <= most;
    }
    if (!fits) record.length = strlen(name);
    if (!fits) memcpy(record.bytes, name, record.length);
    hdf5_send(fits ? 'A' : 'L', &record);
    text_done(&record);
    free(values);
}

/* The type in memory that the library is to convert to, and the word for it; -1 for what is no
 * number of 64 bits. */
static hid_t memory_type(hid_t type, char *word)
{
    H5T_class_t class = H5Tget_class(type);
    bool whole = class == H5T_INTEGER, wide = H5Tget_size(type) > 4;
    if ((whole || class == H5T_FLOAT) && H5Tget_size(type) > 8) return -1;
    if (whole && H5Tget_sign(type) == H5T_SGN_NONE) return *word = 'u', H5T_NATIVE_ULLONG;
    if (whole) return *word = 'i', H5T_NATIVE_LLONG;
    if (class == H5T_FLOAT) return *word = wide ? 'd' : 'f', H5T_NATIVE_DOUBLE;
    if (class == H5T_ENUM && hdf5_is_bool(type)) return *word = 'b', type;
    return -1;
}

/* Numbers, the first ones of many; all are read, since the library reads no part. */
static void send_numbers(hid_t attribute, hid_t type, const char *name, hssize_t count, bool list)
{
    char word = 0;
    hid_t memory = memory_type(type, &word);
    if (memory < 0 || (uint64_t)count > limit(LIMIT_INDEX_BYTES) / 8) return;
    unsigned char *values = calloc(count ? (size_t)count : 1, 8);
    if (!values || (count && H5Aread(attribute, memory, values) < 0)) return;
    Text record = {0};
    size_t width = word == 'b' ? 1 : 8, sent = count < NUMBERS_SENT ? (size_t)count : NUMBERS_SENT;
    hdf5_add_little(&record, strlen(name), 2);
    text_add(&record, name);
    text_addc(&record, word);
    text_addc(&record, list);
    hdf5_add_little(&record, (uint64_t)count, 8);
    for (size_t i = 0; i < sent; i++) {
        uint64_t bits = 0;
        memcpy(&bits, values + i * width, width);
        hdf5_add_little(&record, bits, 8);
    }
    hdf5_send('N', &record);
    text_done(&record);
    free(values);
}

/* What is neither text nor numbers is left out; a name of a kilobyte is nobody's. */
static void send_attribute(hid_t attribute)
{
    char name[1024];
    hid_t type = H5Aget_type(attribute), space = H5Aget_space(attribute);
    if (type < 0 || space < 0) return;
    hssize_t count = H5Sget_simple_extent_npoints(space);
    ssize_t named = H5Aget_name(attribute, sizeof name, name);
    if (count < 0 || named < 0 || (size_t)named >= sizeof name) return;
    if (H5Tget_class(type) == H5T_STRING) send_texts(attribute, type, name, count);
    else
        send_numbers(attribute, type, name, count,
                     H5Sget_simple_extent_type(space) == H5S_SIMPLE);
}

herr_t hdf5_send_attribute(hid_t object, const char *name, const H5A_info_t *info, void *context)
{
    (void)info, (void)context;
    hid_t attribute = H5Aopen(object, name, H5P_DEFAULT);
    if (attribute < 0) return 0;
    send_attribute(attribute);
    H5Aclose(attribute);
    return 0;
}

#endif
