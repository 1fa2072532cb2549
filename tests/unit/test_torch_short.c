/* Tensors that are read in short are those that the opcodes' own handlers make: checkpoints whose
 * pickles were damaged anywhere are read twice, as they are and with the function renamed to that of
 * another module of torch, whose tensors are never in short. What comes of both is the same to the
 * last word, or the same error. */
#include <stdlib.h>

#include "loader/source/zip.h"
#include "tests/unit/torch_maker.h"

enum { DAMAGED = 2500, RECORDS_MAX = 64, PICKLE_MAX = 1 << 14 };

/* A checkpoint taken apart. */
typedef struct Parts {
    Record records[RECORDS_MAX];     /* bytes are owned */
    size_t count, pickle;            /* which of them is the pickle */
} Parts;

static uint64_t random_state = 0x9E3779B97F4A7C15u;

static size_t random_below(size_t n)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (size_t)(random_state % n);
}

static void take_apart(const char *path, Arena *arena, Parts *parts)
{
    Error err = {0};
    ByteSource *file = source_open_file(path, &err);
    Zip *zip = file ? zip_open_archive(file, &err) : NULL;
    if (!zip) fail_msg("%s", err.text);
    assert_in_range(zip_count(zip), 1, RECORDS_MAX);
    *parts = (Parts){.count = zip_count(zip), .pickle = SIZE_MAX};
    for (size_t i = 0; i < parts->count; i++) {
        const ZipMember *member = zip_member(zip, i);
        ByteSource *source = zip_open_member(zip, member, &err);
        char *bytes = arena_alloc(arena, (size_t)member->size + 1);
        assert_true(source && source_read(source, 0, bytes, (size_t)member->size, &err));
        parts->records[i] = (Record){arena_strdup(arena, member->name), bytes,
                                     (size_t)member->size};
        if (has_suffix(member->name, "/data.pkl")) parts->pickle = i;
        source_unref(source);
    }
    assert_true(parts->pickle < parts->count && parts->records[parts->pickle].n < PICKLE_MAX / 2);
    zip_unref(zip);
    source_unref(file);
}

/* ---- what is said of a checkpoint ---- */

static void say_numbers(Text *out, const char *what, const int64_t *numbers, unsigned count)
{
    text_addf(out, " %s", numbers ? what : "-");
    for (unsigned i = 0; numbers && i < count; i++) text_addf(out, " %" PRId64, numbers[i]);
}

/* `met`: the identities so far, of which one is said by its place. */
static void say_tensor(Text *out, const Tensor *t, const void **met, size_t *met_count)
{
    const Storage *s = t->storage;
    const Encoding *e = t->encoding;
    size_t same = 0;
    while (same < *met_count && met[same] != t->identity) same++;
    if (same == *met_count) met[(*met_count)++] = t->identity;
    text_addf(out, "%s %s at %" PRIu64 " id %zu%s", t->name, dtype_name(t->dtype), t->offset, same,
              t->parameter ? " parameter" : "");
    say_numbers(out, "dims", t->dims, t->rank);
    say_numbers(out, "strides", t->strides, t->rank);
    if (s)
        text_addf(out, " storage %u %s %" PRIu64 " +%" PRIu64 " %s", s->index,
                  dtype_name(s->dtype), s->offset, s->bytes, s->source ? "read" : "");
    if (e)
        text_addf(out, " encoding %d%d%d%d %s", e->big_endian, e->conjugate, e->negate, e->opaque,
                  e->note ? e->note : "");
    text_addc(out, '\n');
}

static void say_checkpoint(Text *out, const Checkpoint *c)
{
    size_t tensors = 0, met_count = 0;
    for (size_t i = 0; i < checkpoint_container_count(c); i++)
        tensors += dict_count(checkpoint_container(c, i)->dict);
    const void **met = mem_alloc(tensors * sizeof *met);
    checkpoint_show_root(c, out);
    for (size_t i = 0; i < checkpoint_container_count(c); i++) {
        const Container *one = checkpoint_container(c, i);
        text_addf(out, "\n[%s] others %zu%s\n", one->path, one->others,
                  one->optimizer ? " optimizer" : "");
        for (size_t k = 0; k < dict_count(one->dict); k++)
            say_tensor(out, dict_at(one->dict, k), met, &met_count);
    }
    for (size_t i = 0; i < checkpoint_finding_count(c); i++) {
        const Finding *f = checkpoint_finding(c, i);
        text_addf(out, "%d %s %s: %s\n", f->level, f->kind, f->tensor ? f->tensor : "-", f->what);
    }
    free(met);
}

/* ---- the two ways ---- */

static const char function[] = "torch._utils\n_rebuild_tensor_v2";
static const char renamed[] = "torch._utilz\n_rebuild_tensor_v2";

/* Puts one for the other, of the same length, wherever it stands. */
static void replace(char *bytes, size_t n, const char *from, const char *to, size_t length)
{
    for (size_t i = 0; i + length <= n; i++)
        if (memcmp(bytes + i, from, length) == 0) memcpy(bytes + i, to, length);
}

/* Opens it with such a pickle; whether that was possible, and in *bare how many tensors of the first
 * container have no call: those that were in short, and copies. */
static bool open_with(const Parts *parts, const char *pickle, size_t n, Text *said, size_t *bare)
{
    Error err = {0};
    Parts own = *parts;
    own.records[parts->pickle].bytes = pickle;
    own.records[parts->pickle].n = n;
    Checkpoint *c = open_records(own.records, own.count, &err);
    text_clear(said);
    *bare = 0;
    if (!c) text_addf(said, "%d %s", err.code, err.text);
    if (!c) return false;
    say_checkpoint(said, c);
    const StateDict *first =
        checkpoint_container_count(c) ? checkpoint_container(c, 0)->dict : NULL;
    for (size_t i = 0; first && i < dict_count(first); i++) {
        const Object *node = dict_at(first, i)->identity;
        *bare += node && node->kind == OBJ_TENSOR && !node->call;
    }
    checkpoint_unref(c);
    return true;
}

/* Whether it could be opened, and had tensors in short. */
static bool same_both_ways(const Parts *parts, const char *pickle, size_t n, bool *opened)
{
    Text in_short = {0}, in_full = {0};
    char other[PICKLE_MAX];
    size_t brief, none;
    memcpy(other, pickle, n);
    replace(other, n, function, renamed, sizeof function - 1);
    *opened = open_with(parts, pickle, n, &in_short, &brief);
    open_with(parts, other, n, &in_full, &none);
    replace(in_full.bytes, in_full.length, "utilz", "utils", strlen("utils"));
    if (strcmp(in_short.bytes, in_full.bytes) != 0)
        fail_msg("in short:\n%s\nin full:\n%s\n", in_short.bytes, in_full.bytes);
    text_done(&in_short);
    text_done(&in_full);
    return brief > none;
}

/* ---- damage ---- */

/* The next place from a random one on of an opcode of the list; n where there is none. */
static size_t find_opcode(const char *bytes, size_t n, const char *opcodes)
{
    size_t at = random_below(n);
    while (at < n && (!bytes[at] || !strchr(opcodes, bytes[at]))) at++;
    return at;
}

/* `length` bytes more at a place. */
static size_t insert(char *bytes, size_t n, size_t at, const char *new, size_t length)
{
    memmove(bytes + at + length, bytes + at, n - at);
    memcpy(bytes + at, new, length);
    return n + length;
}

/* A number of one byte becomes another. */
static size_t change_number(char *bytes, size_t n)
{
    const size_t at = find_opcode(bytes, n, "hqKh") + 1;
    const char near = (char)(random_below(7) - 3);
    if (at < n) bytes[at] = random_below(3) ? (char)(bytes[at] + near) : (char)random_below(64);
    return n;
}

/* A tensor becomes one that requires a gradient. */
static size_t change_truth(char *bytes, size_t n)
{
    const size_t at = find_opcode(bytes, n, "\x88\x89");
    if (at < n) bytes[at] = (char)(bytes[at] ^ 1);
    return n;
}

/* Behind a tensor that was numbered stands one more entry: what the file has said so far. */
static size_t add_entry(char *bytes, size_t n)
{
    size_t at = find_opcode(bytes, n, "R");
    while (at + 1 < n && !(bytes[at] == 'R' && bytes[at + 1] == 'q')) at++;
    if (at + 3 > n) return n;
    const unsigned char number = (unsigned char)bytes[at + 2];
    const char entry[] = {'h', (char)random_below(number + 1u), 'h',
                          (char)(number - random_below(number < 8 ? number + 1u : 8))};
    return insert(bytes, n, at + 3, entry, sizeof entry);
}

/* A piece that is cut out, taken from elsewhere, or doubled. */
static size_t move_piece(char *bytes, size_t n)
{
    size_t at = random_below(n), from = random_below(n), length = 1 + random_below(12);
    char piece[12];
    if (length > n - at) length = n - at;
    if (length > n - from) length = n - from;
    memcpy(piece, bytes + from, length);
    switch (random_below(3)) {
    case 0: memmove(bytes + at, bytes + at + length, n - at - length); return n - length;
    case 1: memcpy(bytes + at, piece, length); return n;
    default: return insert(bytes, n, at, piece, length);
    }
}

static size_t damage(char *bytes, size_t n)
{
    static const char opcodes[] = "hjqr(tQRXKMJ)\x85\x86\x87\x88\x89]}usebN0.2aV";
    const size_t kind = random_below(13);
    if (kind < 4) return change_number(bytes, n);
    if (kind < 8) return add_entry(bytes, n);
    if (kind == 8) return move_piece(bytes, n);
    if (kind == 9) return change_truth(bytes, n);
    char *at = bytes + random_below(n);
    if (kind == 10) *at = (char)random_below(256);
    else if (kind == 11) *at = opcodes[random_below(sizeof opcodes - 1)];
    else *at = (char)(*at ^ 1 << random_below(8));
    return n;
}

static void test_damaged(void **state)
{
    (void)state;
    static const char *const paths[] = {
        "tests/data/golden/views.pth",  "tests/data/golden/names.pth",
        "tests/data/golden/tied.pth",   "tests/data/golden/parameters.pth",
        "tests/data/golden/module.pth", "tests/data/kinds/zip.pth"};
    size_t opened = 0, in_short = 0;
    for (size_t i = 0; i < countof(paths); i++) {
        Arena *arena = arena_new();
        Parts parts;
        bool fine;
        take_apart(paths[i], arena, &parts);
        const Record *pickle = &parts.records[parts.pickle];
        if (!same_both_ways(&parts, pickle->bytes, pickle->n, &fine) || !fine)
            fail_msg("%s: has no tensor in short", paths[i]);
        for (size_t k = 0; k < DAMAGED; k++) {
            char bytes[PICKLE_MAX];
            size_t n = pickle->n;
            memcpy(bytes, pickle->bytes, n);
            for (size_t changes = 1 + random_below(3); changes && n > 1; changes--)
                n = damage(bytes, n);
            in_short += same_both_ways(&parts, bytes, n, &fine);
            opened += fine;
        }
        arena_free(arena);
    }
    print_message("%zu opened, %zu with tensors in short\n", opened, in_short);
    assert_true(in_short > countof(paths) * DAMAGED / 10);
    assert_true(opened < countof(paths) * DAMAGED * 9 / 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_damaged)};
    return cmocka_run_group_tests_name("torch_short", tests, NULL, NULL);
}
