/* Pickles that torch.save could have written but for one byte, or a few: read with tensors in short
 * they are what they are without, wherever the bytes are, and whatever they are. */
#include "tests/unit/pickle_pairs.h"
#include "tests/unit/test.h"

/* A string literal as bytes and length, without its closing NUL. */
#define BYTES(literal) (literal), sizeof(literal) - 1

enum { ROOM = 1024 };

typedef struct Pickle {
    const char *bytes;
    size_t n, from;          /* the byte from which on it is changed: names before it */
} Pickle;

/* A list of three tensors: one that writes what the others ask for, and two of one storage … */
#define NAMED(function, class)                                                            \
    "\x80\x02](c" function "\nq\x02((X\x07\0\0\0storageq\x03" "c" class "\nq\x04"           \
    "X\x01\0\0\0" "0q\x05X\x03\0\0\0cpuq\x06K\x08tq\x07QK\0K\x02\x85q\x08K\x01\x85q\x09\x89" \
    "ccollections\nOrderedDict\nq\x0a)Rq\x0b"
#define V2 NAMED("torch._utils\n_rebuild_tensor_v2", "torch\nFloatStorage") "tq\x0cRq\x0d"
#define V3 NAMED("torch._utils\n_rebuild_tensor_v3", "torch.storage\nUntypedStorage") \
    "ctorch\nuint16\nq\x0ctq\x0dRq\x0e"

static const char v2_more[] =
    "h\x02((h\x03h\x04X\x02\0\0\0" "17q\x0eh\x06K\x08tq\x0fQK\0K\x02K\x03\x86q\x10K\x03K\x01\x86q\x11"
    "\x89h\x0a)Rq\x12tq\x13Rq\x14"
    "h\x02((h\x03h\x04h\x0eh\x06K\x08tq\x15QK\x01))\x88h\x0a)Rq\x16tq\x17Rq\x18"
    "e.";
/* … and what it has said is asked for, part by part. */
static const char v2_asked[] =
    "h\x02((h\x03h\x04X\x02\0\0\0" "17q\x0eh\x06K\x08tq\x0fQK\0K\x02\x85q\x10K\x01\x85q\x11"
    "\x89h\x0a)Rq\x12tq\x13Rq\x14h\x14h\x0eh\x10h\x12h\x13h\x0d" "e.";
static const char v3_more[] =
    "h\x02((h\x03h\x04X\x02\0\0\0" "17q\x0fh\x06K\x08tq\x10QK\0(K\x01K\x01K\x02K\x02tq\x11"
    "(K\x04K\x04K\x02K\x01tq\x12\x89h\x0a)Rq\x13h\x0ctq\x14Rq\x15"
    "h\x02((h\x03h\x04h\x0fh\x06K\x08tq\x16QK\x01))\x88h\x0a)Rq\x17h\x0ctq\x18Rq\x19" "e.";

/* Makes the whole of the two parts. */
static Pickle join(const char *head, size_t n, const char *more, size_t m, char room[ROOM])
{
    assert_true(n + m <= ROOM);
    memcpy(room, head, n);
    memcpy(room + n, more, m);
    return (Pickle){room, n + m, n};
}

/* Whether something in it was in short. */
static bool is_same(const void *bytes, size_t n)
{
    Error err = {0};
    Arena *full = arena_new(), *brief = arena_new();
    Object *in_short, *root = pickle_read_pair(full, brief, bytes, n, &in_short, &err);
    bool some = false;
    if (root) pickle_compare(root, in_short);
    for (size_t i = 0; root && root->kind == OBJ_LIST && i < root->list.count; i++)
        some |= pickle_tensor(in_short->list.items[i]) != NULL;
    arena_free(full);
    arena_free(brief);
    return some;
}

/* The pickle with `gone` bytes at a place given way to others. */
static bool is_same_with(const Pickle *pickle, size_t at, size_t gone, const void *new, size_t n)
{
    char bytes[ROOM + 16];
    assert_true(at + gone <= pickle->n && n <= 16);
    memcpy(bytes, pickle->bytes, at);
    memcpy(bytes + at, new, n);
    memcpy(bytes + at + n, pickle->bytes + at + gone, pickle->n - at - gone);
    return is_same(bytes, pickle->n - gone + n);
}

/* Every byte becomes every other, and goes, with those behind it; every byte, and pieces that may
 * stand there, come in between. How many of these pickles had tensors in short. */
static size_t change_everywhere(const Pickle *pickle)
{
    static const struct { const char *bytes; size_t n; } pieces[] = {
        {BYTES("K\x05")}, {BYTES("M\0\x01")}, {BYTES("J\x05\0\0\0")}, {BYTES("J\xff\xff\xff\xff")},
        {BYTES("X\x01\0\0\0" "5")}, {BYTES("X\x01\0\0\0" "x")}, {BYTES("X\0\0\0\0")},
        {BYTES("h\x03")}, {BYTES("h\x0e")}, {BYTES("h\x0f")}, {BYTES("h\x14")},
        {BYTES("j\x0e\0\0\0")}, {BYTES("q\x0e")}, {BYTES("q\x30")}, {BYTES("r\x0f\0\0\0")},
        {BYTES("((t")}, {BYTES("(0")}, {BYTES("N0")}, {BYTES("\x85")}, {BYTES("}b")}};
    size_t in_short = 0;
    for (size_t at = pickle->from; at < pickle->n; at++) {
        for (unsigned byte = 0; byte < 256; byte++) {
            in_short += is_same_with(pickle, at, 1, &(char){(char)byte}, 1);
            in_short += is_same_with(pickle, at, 0, &(char){(char)byte}, 1);
        }
        for (size_t i = 0; i < countof(pieces); i++)
            in_short += is_same_with(pickle, at, 0, pieces[i].bytes, pieces[i].n);
        for (size_t gone = 1; gone <= 16 && at + gone <= pickle->n; gone++)
            in_short += is_same_with(pickle, at, gone, "", 0);
    }
    return in_short;
}

static void test_v2(void **state)
{
    (void)state;
    char room[ROOM];
    const Pickle pickle = join(BYTES(V2), v2_more, sizeof v2_more - 1, room);
    assert_true(is_same(pickle.bytes, pickle.n));
    assert_true(change_everywhere(&pickle) > 1000);
}

/* All is written out, but where what asks is changed. */
static void test_asked(void **state)
{
    (void)state;
    char room[ROOM];
    const Pickle pickle = join(BYTES(V2), v2_asked, sizeof v2_asked - 1, room);
    assert_false(is_same(pickle.bytes, pickle.n));
    change_everywhere(&pickle);
}

static void test_v3(void **state)
{
    (void)state;
    char room[ROOM];
    const Pickle pickle = join(BYTES(V3), v3_more, sizeof v3_more - 1, room);
    assert_true(is_same(pickle.bytes, pickle.n));
    assert_true(change_everywhere(&pickle) > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_v2), cmocka_unit_test(test_v3),
                                       cmocka_unit_test(test_asked)};
    return cmocka_run_group_tests_name("pickle_pairs", tests, NULL, NULL);
}
