/* zip_verify, torch_verify: one test for each way in which a zip of PyTorch can be wrong and still
 * be read, and that a sound one is silent. The zips are assembled byte by byte. */
#include <stdlib.h>

#include <zlib.h>

#include "tests/unit/check_maker.h"
#include "tests/unit/torch_maker.h"

/* What a member says, where it is not what it should be. */
typedef struct Piece {
    const char *name, *local_name;   /* in the directory; in its local header, if another */
    const void *bytes;
    size_t n;
    uint32_t crc_xor;            /* what is wrong with the CRC */
    bool no_crc;                 /* 0 instead */
    unsigned local_flags, local_method, local_size_xor;
    bool descriptor, bare, wide; /* sizes behind the data; without a signature; in 64 bits */
    unsigned descriptor_xor;     /* what is wrong with it */
    bool align;                  /* pads with PyTorch's field to 64 bytes */
    size_t gap;                  /* bytes before the local header that belong to nobody */
} Piece;

static void put_extra(Text *file, const Piece *piece, size_t name)
{
    size_t start = file->length + name + 4, pad = piece->align ? (64 - start % 64) % 64 : 0;
    if (!piece->align) return;
    text_add(file, piece->local_name ? piece->local_name : piece->name);
    text_add(file, "FB");
    put(file, pad, 2);
    while (pad--) text_addc(file, 'Z');
}

static size_t extra_size(size_t header, const Piece *piece, size_t name)
{
    size_t start = header + 30 + name + 4;
    return piece->align ? 4 + (64 - start % 64) % 64 : 0;
}

static void put_piece(Text *file, Text *directory, const Piece *piece)
{
    const char *name = piece->local_name ? piece->local_name : piece->name;
    uint32_t crc = (uint32_t)crc32(0, piece->bytes, (unsigned)piece->n) ^ piece->crc_xor;
    unsigned flags = piece->descriptor ? 8 : 0;
    for (size_t i = 0; i < piece->gap; i++) text_addc(file, '?');
    size_t header = file->length, extra = extra_size(header, piece, strlen(name));
    if (piece->no_crc) crc = 0;
    put(file, 0x04034b50, 4);
    put(file, 0, 2);
    put(file, flags | piece->local_flags, 2);
    put(file, piece->local_method, 2);
    put(file, 0, 4);
    put(file, flags ? 0 : crc, 4);
    put(file, flags ? 0 : piece->n ^ piece->local_size_xor, 4);
    put(file, flags ? 0 : piece->n ^ piece->local_size_xor, 4);
    put(file, strlen(name), 2);
    put(file, extra, 2);
    if (piece->align) put_extra(file, piece, strlen(name));
    else text_add(file, name);
    text_addn(file, piece->bytes, piece->n);
    if (piece->descriptor && !piece->bare) put(file, 0x08074b50, 4);
    if (piece->descriptor) {
        put(file, crc ^ piece->descriptor_xor, 4);
        put(file, piece->n, piece->wide ? 8 : 4);
        put(file, piece->n, piece->wide ? 8 : 4);
    }
    put(directory, 0x02014b50, 4);
    put(directory, 0, 4);
    put(directory, flags, 2);
    put(directory, 0, 6);
    put(directory, crc, 4);
    put(directory, piece->n, 4);
    put(directory, piece->n, 4);
    put(directory, strlen(piece->name), 2);
    put(directory, 0, 12);
    put(directory, header, 4);
    text_add(directory, piece->name);
}

/* The pieces as a zip, `hole` bytes before and behind the directory, `tail` behind the end. */
static void make_file(Text *file, const Piece *pieces, size_t count, size_t before, size_t behind,
                      size_t tail)
{
    Text directory = {0};
    for (size_t i = 0; i < count; i++) put_piece(file, &directory, &pieces[i]);
    while (before--) text_addc(file, '?');
    uint64_t start = file->length;
    text_addn(file, directory.bytes, directory.length);
    while (behind--) text_addc(file, '?');
    put_end_record(file, count, directory.length, start);
    while (tail--) text_addc(file, '?');
    text_done(&directory);
}

static void finds_in(const Text *file, const char *expected)
{
    Error err = {0};
    Checkpoint *checkpoint = open_bytes(file, &err);
    if (!checkpoint) fail_msg("%s", err.text);
    finds_in_checkpoint(checkpoint, "x.pth", expected);
}

/* A sound file of torch.save: two storages, one of which two tensors share in parts. */
enum { PICKLE, VERSION, FIRST, SECOND, FORMAT, PIECES };

typedef struct Sound {
    Text pickle;
    float first[20], second[6];
    Piece pieces[PIECES];
} Sound;

static void begin(Sound *sound)
{
    *sound = (Sound){0};
    Text *p = &sound->pickle;
    text_add(p, "\x80\x02}(");
    put_text(p, "a");
    put_tensor(p, &(Made){.key = "0", .numel = 20, .dims = {8}, .strides = {1}, .rank = 1});
    put_text(p, "b");
    put_tensor(p, &(Made){.key = "0", .numel = 20, .offset = 10, .dims = {10}, .strides = {1},
                          .rank = 1});
    put_text(p, "c");
    put_floats(p, "1", 6);
    text_add(p, "u.");
    for (size_t i = 0; i < countof(sound->first); i++) sound->first[i] = (float)i * 0.37F - 2;
    for (size_t i = 0; i < countof(sound->second); i++) sound->second[i] = (float)i * 0.11F + 1;
    const Piece pieces[PIECES] = {
        [PICKLE] = {.name = "a/data.pkl", .bytes = p->bytes, .n = p->length},
        [VERSION] = {.name = "a/version", .bytes = "3\n", .n = 2},
        [FIRST] = {.name = "a/data/0", .bytes = sound->first, .n = sizeof sound->first},
        [SECOND] = {.name = "a/data/1", .bytes = sound->second, .n = sizeof sound->second},
        [FORMAT] = {.name = "a/.format_version", .bytes = "1", .n = 1}};
    memcpy(sound->pieces, pieces, sizeof pieces);
    for (size_t i = 0; i < PIECES; i++) sound->pieces[i].align = sound->pieces[i].descriptor = true;
}

static void sound_finds(Sound *sound, const char *expected)
{
    Text file = {0};
    make_file(&file, sound->pieces, PIECES, 0, 0, 0);
    finds_in(&file, expected);
    text_done(&file);
    text_done(&sound->pickle);
}

static void test_sound(void **state)
{
    (void)state;
    Sound sound;
    begin(&sound);
    sound_finds(&sound, "");
}

/* Other zip tools: no descriptors, or without signature, or in 64 bits. */
static void test_descriptors_of_every_kind(void **state)
{
    (void)state;
    for (int kind = 0; kind < 8; kind++) {
        Sound sound;
        begin(&sound);
        for (size_t i = 0; i < PIECES; i++) {
            sound.pieces[i].descriptor = kind & 1;
            sound.pieces[i].bare = kind & 2;
            sound.pieces[i].wide = kind & 4;
        }
        /* only PyTorch's own kind keeps the promised layout; the file makes none here */
        sound.pieces[FORMAT].bytes = "0";
        sound_finds(&sound, "");
    }
}

static void test_wrong_crc(void **state)
{
    (void)state;
    for (size_t i = 0; i < PIECES; i++) {
        static const char *const expected[PIECES] = {
            "error crc: a/data.pkl", "error crc: a/version", "error crc: a/data/0",
            "error crc: a/data/1", "error crc: a/.format_version"};
        Sound sound;
        begin(&sound);
        sound.pieces[i].crc_xor = 0x100;
        sound_finds(&sound, expected[i]);
    }
}

static void test_no_crc(void **state)
{
    (void)state;
    Sound sound;
    begin(&sound);
    for (size_t i = 0; i < PIECES; i++) sound.pieces[i].no_crc = true;
    sound_finds(&sound, "note crc-absent: -");
    begin(&sound);
    sound.pieces[SECOND].no_crc = true;
    sound_finds(&sound, "warning crc-absent: -");
}

static void test_local_name(void **state)
{
    (void)state;
    Sound sound;
    begin(&sound);
    sound.pieces[FIRST].local_name = "a/data/X";
    sound_finds(&sound, "error local-header: a/data/0");
}

static void test_local_method(void **state)
{
    (void)state;
    Sound sound;
    begin(&sound);
    sound.pieces[FIRST].local_method = 8;
    sound_finds(&sound, "error local-header: a/data/0");
}

static void test_local_size(void **state)
{
    (void)state;
    Sound sound;
    begin(&sound);
    sound.pieces[FORMAT].bytes = "0";
    sound.pieces[FIRST].descriptor = false;
    sound.pieces[FIRST].local_size_xor = 4;
    sound_finds(&sound, "error local-header: a/data/0");
}

static void test_encrypted_locally(void **state)
{
    (void)state;
    Sound sound;
    begin(&sound);
    sound.pieces[SECOND].local_flags = 1;
    sound_finds(&sound, "error local-header: a/data/1");
}

static void test_descriptor_that_differs(void **state)
{
    (void)state;
    Sound sound;
    begin(&sound);
    sound.pieces[SECOND].descriptor_xor = 1;
    sound_finds(&sound, "error local-header: a/data/1");
}

static void test_descriptor_that_is_not_there(void **state)
{
    (void)state;
    Sound sound;
    begin(&sound);
    sound.pieces[FORMAT].bytes = "0";
    sound.pieces[SECOND].descriptor = false;
    sound.pieces[SECOND].local_flags = 8;
    sound_finds(&sound, "error local-header: a/data/1");
}

/* A sound file with one member more. */
static Text make_with(Sound *sound, const Piece *piece)
{
    Text file = {0};
    Piece pieces[PIECES + 1];
    begin(sound);
    memcpy(pieces, sound->pieces, sizeof sound->pieces);
    pieces[PIECES] = *piece;
    make_file(&file, pieces, countof(pieces), 0, 0, 0);
    return file;
}

/* A member that opening does not look into; its local header, from byte `at` on, says otherwise. */
static void note_finds(size_t at, const char *bytes, size_t n, const char *expected)
{
    Sound sound;
    Text file = make_with(&sound, &(Piece){.name = "a/note", .bytes = "x", .n = 1});
    char *name = memmem(file.bytes, file.length, "a/note", 6);
    memcpy(name - 30 + at, bytes, n);
    finds_in(&file, expected);
    text_done(&file);
    text_done(&sound.pickle);
}

static void test_no_local_header(void **state)
{
    (void)state;
    note_finds(0, "PKxx", 4, "error local-header: a/note | error unreadable: a/note | "
                             "warning hole: -");
}

static void test_data_beyond_the_file(void **state)
{
    (void)state;
    note_finds(28, "\xFF\xFF", 2, "error local-header: a/note | error unreadable: a/note | "
                              "warning hole: -");
}

/* Opening takes a CRC of 0 for one that was not computed; a stream's reader would not. */
static void test_no_local_crc(void **state)
{
    (void)state;
    note_finds(14, "\0\0\0\0", 4, "error local-header: a/note");
}

/* The pickle comes first, as torch.load wants a local header at the start of the file. */
static void test_holes(void **state)
{
    (void)state;
    Sound sound;
    begin(&sound);
    sound.pieces[VERSION].gap = 9;
    sound_finds(&sound, "warning hole: -");
    begin(&sound);
    Text file = {0};
    make_file(&file, sound.pieces, PIECES, 5, 0, 0);
    finds_in(&file, "warning hole: -");
    text_clear(&file);
    make_file(&file, sound.pieces, PIECES, 0, 5, 0);
    finds_in(&file, "warning hole: -");
    text_clear(&file);
    make_file(&file, sound.pieces, PIECES, 0, 0, 5);
    finds_in(&file, "warning trailing: -");
    text_done(&file);
    text_done(&sound.pickle);
}

/* The directory is checked with the least extent of a member; its local header may reach on. */
static void test_overlap(void **state)
{
    (void)state;
    Sound sound;
    begin(&sound);
    Text file = {0};
    make_file(&file, sound.pieces, PIECES, 0, 0, 0);
    char *local = memmem(file.bytes, file.length, "a/version", 9);
    local[-2] = (char)(local[-2] + 100);     /* a longer extra field: the data move on */
    Error err = {0};
    Checkpoint *checkpoint = open_bytes(&file, &err);
    if (checkpoint) checkpoint_unref(checkpoint);
    assert_null(checkpoint);                 /* the version is no number any more */
    text_clear(&file);
    sound.pieces[FORMAT].bytes = "0";
    make_file(&file, sound.pieces, PIECES, 0, 0, 0);
    local = memmem(file.bytes, file.length, "a/.format_version", 17);
    local[-2] = (char)(local[-2] + 40);
    finds_in(&file, "error local-header: a/.format_version | error overlap: a/.format_version | "
                    "error crc: a/.format_version");
    text_done(&file);
    text_done(&sound.pickle);
}

static void test_names_that_differ_in_case(void **state)
{
    (void)state;
    Sound sound;
    Text file = make_with(&sound, &(Piece){.name = "a/DATA.pkl", .bytes = "x", .n = 1});
    finds_in(&file, "error case: a/DATA.pkl");
    text_done(&file);
    text_done(&sound.pickle);
}

static void test_storage_that_nothing_refers_to(void **state)
{
    (void)state;
    Sound sound;
    Text file = make_with(&sound, &(Piece){.name = "a/data/7", .bytes = "xyz", .n = 3});
    finds_in(&file, "warning unreferenced: a/data/7");
    text_done(&file);
    text_done(&sound.pickle);
}

static void test_alignment(void **state)
{
    (void)state;
    Sound sound;
    begin(&sound);
    sound.pieces[FORMAT].bytes = "0";
    sound.pieces[SECOND].align = false;
    sound.pieces[SECOND].gap = 1;
    sound_finds(&sound, "warning hole: - | warning unaligned: a/data/1");
}

static void test_layout_that_is_not_kept(void **state)
{
    (void)state;
    Sound sound;
    begin(&sound);
    const Piece second = sound.pieces[SECOND];   /* the storages in the other order */
    sound.pieces[SECOND] = sound.pieces[FIRST];
    sound.pieces[FIRST] = second;
    sound_finds(&sound, "error layout: a/data/1");
    begin(&sound);
    sound.pieces[SECOND].gap = 128;              /* still aligned */
    sound_finds(&sound, "error layout: a/data/1 | warning hole: -");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sound),
        cmocka_unit_test(test_descriptors_of_every_kind),
        cmocka_unit_test(test_wrong_crc),
        cmocka_unit_test(test_no_crc),
        cmocka_unit_test(test_local_name),
        cmocka_unit_test(test_local_method),
        cmocka_unit_test(test_local_size),
        cmocka_unit_test(test_encrypted_locally),
        cmocka_unit_test(test_descriptor_that_differs),
        cmocka_unit_test(test_descriptor_that_is_not_there),
        cmocka_unit_test(test_no_local_header),
        cmocka_unit_test(test_data_beyond_the_file),
        cmocka_unit_test(test_no_local_crc),
        cmocka_unit_test(test_holes),
        cmocka_unit_test(test_overlap),
        cmocka_unit_test(test_names_that_differ_in_case),
        cmocka_unit_test(test_storage_that_nothing_refers_to),
        cmocka_unit_test(test_alignment),
        cmocka_unit_test(test_layout_that_is_not_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
