/* Tensors that are read in short are those that the opcodes' own handlers make: checkpoints whose
 * pickles were damaged anywhere are read twice, as they are and with the function renamed to that of
 * another module of torch, whose tensors are never in short. What comes of both is the same to the
 * last word, or the same error. */
#include <stdio.h>
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

/* ---- checkpoints as torch.save writes them ---- */

enum { TYPES = 5 };

/* What the pickler keeps: the number that is next, and those of what it has written once. */
typedef struct Pickler {
    Text *out;
    const char *const *types;        /* [TYPES] of the tensors; NULL: the class has it */
    uint32_t next, function, tag, class, location, hooks, key, type[TYPES];
} Pickler;

/* Types that no class of storages has: one has less than a byte an element, one is none. */
static const char *const types[TYPES] = {"torch\nfloat8_e4m3fn", "torch\nuint16", "torch\nuint64",
                                         "torch\nint4", "torch\nno_type"};

static uint32_t put_number(Pickler *p)
{
    text_addc(p->out, p->next < 256 ? 'q' : 'r');
    put(p->out, p->next, p->next < 256 ? 1 : 4);
    return p->next++;
}

/* Asks for what has a number; false: it is to be written now. */
static bool ask(Pickler *p, uint32_t number)
{
    if (!number) return false;
    text_addc(p->out, number < 256 ? 'h' : 'j');
    put(p->out, number, number < 256 ? 1 : 4);
    return true;
}

static void put_global(Pickler *p, uint32_t *number, const char *name)
{
    if (ask(p, *number)) return;
    text_addf(p->out, "c%s\n", name);
    *number = put_number(p);
}

static void put_word(Pickler *p, uint32_t *number, const char *word)
{
    if (ask(p, *number)) return;
    put_text(p->out, word);
    *number = put_number(p);
}

static void put_size(Pickler *p, uint64_t size)
{
    const int bytes = size < 256 ? 1 : size < 65536 ? 2 : 4;
    text_addc(p->out, bytes == 1 ? 'K' : bytes == 2 ? 'M' : 'J');
    put(p->out, size, bytes);
}

/* Sizes of 2 all, or their strides. */
static void put_sizes(Pickler *p, unsigned rank, bool strides)
{
    if (rank > 3) text_addc(p->out, '(');
    for (unsigned i = 0; i < rank; i++) put_size(p, strides ? 1u << (rank - 1 - i) : 2);
    if (!rank) text_addc(p->out, ')');
    else text_addc(p->out, rank > 3 ? 't' : (char)(0x84 + rank));
    if (rank) put_number(p);
}

/* Tensor i: of rank i % 6, every third of the storage of the one before. */
static void pickle_tensor_number(Pickler *p, unsigned i)
{
    char key[16];
    snprintf(key, sizeof key, "%u", i - (i % 3 == 2));
    if (i % 3 != 2) p->key = 0;
    put_global(p, &p->function, p->types ? "torch._utils\n_rebuild_tensor_v3"
                                         : "torch._utils\n_rebuild_tensor_v2");
    text_add(p->out, "((");
    put_word(p, &p->tag, "storage");
    put_global(p, &p->class, p->types ? "torch.storage\nUntypedStorage" : "torch\nFloatStorage");
    put_word(p, &p->key, key);
    put_word(p, &p->location, "cpu");
    put_size(p, p->types ? 128 : 32);
    text_addc(p->out, 't');
    put_number(p);
    text_addc(p->out, 'Q');
    put_size(p, i % 2 ? 0 : i % 4);
    put_sizes(p, i % 6, false);
    put_sizes(p, i % 6, true);
    text_addc(p->out, i % 5 ? '\x89' : '\x88');
    put_global(p, &p->hooks, "collections\nOrderedDict");
    text_add(p->out, ")R");
    put_number(p);
    if (p->types) put_global(p, &p->type[i % TYPES], p->types[i % TYPES]);
    text_addc(p->out, 't');
    put_number(p);
    text_addc(p->out, 'R');
    put_number(p);
}

/* A dict of so many tensors, in whose pickle that many numbers were given away before. */
static void make_parts(size_t tensors, uint32_t first, bool typed, Arena *arena, Parts *parts)
{
    static const float zeros[32];
    Text pickle = {0};
    Pickler pickler = {.out = &pickle, .types = typed ? types : NULL, .next = first};
    text_addn(&pickle, "\x80\x02}", 3);
    put_number(&pickler);
    text_addc(&pickle, '(');
    *parts = (Parts){.count = tensors + 2, .pickle = tensors};
    for (unsigned i = 0; i < tensors; i++) {
        char name[32];
        snprintf(name, sizeof name, "%u.weight", i);
        put_text(&pickle, name);
        put_number(&pickler);
        pickle_tensor_number(&pickler, i);
        parts->records[i] = (Record){arena_printf(arena, "a/data/%u", i), zeros, sizeof zeros};
    }
    text_add(&pickle, "u.");
    parts->records[tensors] = (Record){"a/data.pkl",
                                       arena_copy(arena, pickle.bytes, pickle.length),
                                       pickle.length};
    parts->records[tensors + 1] = (Record){"a/version", "3\n", 2};
    text_done(&pickle);
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

static const char function[] = "torch._utils\n_rebuild_tensor_v";
static const char renamed[] = "torch._utilz\n_rebuild_tensor_v";

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

/* The low byte of a number becomes another. */
static size_t change_number(char *bytes, size_t n)
{
    const size_t at = find_opcode(bytes, n, "hqKhjr") + 1;
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

/* One of the other records becomes shorter, or goes. */
static void cut_record(Parts *parts)
{
    const size_t at = random_below(parts->count);
    if (at == parts->pickle) return;
    if (random_below(2)) parts->records[at].n = random_below(parts->records[at].n + 1);
    else parts->records[at].name = "archive/gone";
}

/* Damages the pickle again and again; counts what could be opened, and had tensors in short. */
static void damage_all(const Parts *parts, size_t times, size_t *opened, size_t *in_short)
{
    const Record *pickle = &parts->records[parts->pickle];
    bool fine;
    if (!same_both_ways(parts, pickle->bytes, pickle->n, &fine) || !fine)
        fail_msg("%s: has no tensor in short", pickle->name);
    for (size_t k = 0; k < times; k++) {
        char bytes[PICKLE_MAX];
        Parts own = *parts;
        size_t n = pickle->n;
        memcpy(bytes, pickle->bytes, n);
        for (size_t changes = random_below(4); changes && n > 1; changes--)
            n = damage(bytes, n);
        if (!random_below(4)) cut_record(&own);
        *in_short += same_both_ways(&own, bytes, n, &fine);
        *opened += fine;
    }
}

/* Much of it is lost on what cannot be opened; a share must not be. */
static void were_enough(size_t times, size_t opened, size_t in_short)
{
    print_message("%zu pickles: %zu opened, %zu with tensors in short\n", times, opened, in_short);
    assert_true(in_short > times / 10);
    assert_true(opened < times * 9 / 10);
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
        take_apart(paths[i], arena, &parts);
        damage_all(&parts, DAMAGED, &opened, &in_short);
        arena_free(arena);
    }
    were_enough(countof(paths) * DAMAGED, opened, in_short);
}

/* Numbers of one byte, of four, and of both. */
static void test_made_and_damaged(void **state)
{
    (void)state;
    static const struct { size_t tensors; uint32_t first; bool typed; } makes[] = {
        {7, 1, false}, {13, 200, false}, {6, 300, false}, {8, 1, true}, {11, 240, true}};
    size_t opened = 0, in_short = 0;
    for (size_t i = 0; i < countof(makes); i++) {
        Arena *arena = arena_new();
        Parts parts;
        make_parts(makes[i].tensors, makes[i].first, makes[i].typed, arena, &parts);
        damage_all(&parts, DAMAGED, &opened, &in_short);
        arena_free(arena);
    }
    were_enough(countof(makes) * DAMAGED, opened, in_short);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_damaged),
                                       cmocka_unit_test(test_made_and_damaged)};
    return cmocka_run_group_tests_name("torch_short", tests, NULL, NULL);
}
