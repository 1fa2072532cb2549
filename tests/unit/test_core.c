/* core: memory, maps, text and names. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "loader/core/crc_sliced.h"
#include "loader/core/map.h"
#include "loader/core/memory.h"
#include "loader/core/text.h"
#include "loader/core/value.h"
#include "tests/unit/test.h"

static void test_arena_alignment_and_growth(void **state)
{
    (void)state;
    Arena *arena = arena_new();
    for (size_t i = 1; i < 5000; i += 7) {
        unsigned char *p = arena_alloc(arena, i);
        assert_int_equal((uintptr_t)p % 8, 0);
        for (size_t k = 0; k < i; k++) assert_int_equal(p[k], 0);
        memset(p, 0xAA, i);
    }
    char *large = arena_alloc(arena, 3 << 20);
    large[(3 << 20) - 1] = 1;
    assert_string_equal(arena_printf(arena, "%s-%d", "x", 7), "x-7");
    arena_free(arena);
}

static void test_sums_do_not_wrap(void **state)
{
    (void)state;
    uint64_t out;
    assert_true(sum_add(1, 2, &out) && out == 3);
    assert_false(sum_add(UINT64_MAX, 1, &out));
    assert_false(sum_mul(UINT64_MAX / 2, 3, &out));
    assert_true(sum_mul(1u << 31, 1u << 31, &out));
}

/* The first maps of a process, made by two threads at once. */
static void *make_map(void *barrier)
{
    enum { COUNT = 200 };
    static const char *const found = "found", *const lost = NULL;
    char names[COUNT][16];
    bool all = true;
    NameMap map;
    map_init(&map);
    pthread_barrier_wait(barrier);
    for (uint32_t i = 0; i < COUNT; i++) {
        snprintf(names[i], sizeof names[i], "name %u", i);
        map_set(&map, names[i], i);
        all = all && map_get(&map, names[i / 2]) == i / 2;
    }
    map_done(&map);
    return (void *)(uintptr_t)(all ? found : lost);
}

static bool two_threads_find_all(void)
{
    pthread_barrier_t barrier;
    pthread_t thread;
    void *other = NULL;
    pthread_barrier_init(&barrier, NULL, 2);
    if (pthread_create(&thread, NULL, make_map, &barrier) != 0) return false;
    const bool own = make_map(&barrier) != NULL;
    pthread_join(thread, &other);
    return own && other;
}

/* Runs before any other test makes a map: each child is a process that has none yet. */
static void test_first_maps_of_two_threads_agree(void **state)
{
    (void)state;
    for (int i = 0; i < 300; i++) {
        const pid_t child = fork();
        if (!child) _exit(two_threads_find_all() ? 0 : 1);
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
    }
}

static void test_map_keeps_what_it_is_told(void **state)
{
    (void)state;
    enum { COUNT = 20000 };
    NameMap map;
    map_init(&map);
    Arena *arena = arena_new();
    assert_int_equal(map_get(&map, "nothing"), MAP_NONE);
    for (uint32_t i = 0; i < COUNT; i++)
        assert_int_equal(map_set(&map, arena_printf(arena, "layers.%u.weight", i), i), MAP_NONE);
    assert_int_equal(map_set(&map, "layers.5.weight", 77), 5);
    assert_false(map_add(&map, "layers.5.weight", 78));
    assert_int_equal(map_get(&map, "layers.5.weight"), 77);
    for (uint32_t i = 1; i < COUNT; i += 2)
        assert_true(map_remove(&map, arena_printf(arena, "layers.%u.weight", i)));
    assert_false(map_remove(&map, "layers.1.weight"));
    for (uint32_t i = 0; i < COUNT; i++) {
        uint32_t want = i % 2 ? MAP_NONE : i;
        assert_int_equal(map_get(&map, arena_printf(arena, "layers.%u.weight", i)), want);
    }
    assert_int_equal(map.count, COUNT / 2);
    const char *names[100];
    uint32_t numbers[100];
    for (uint32_t i = 0; i < 100; i++) names[i] = arena_printf(arena, "layers.%u.weight", i);
    map_get_many(&map, names, 100, numbers);
    for (uint32_t i = 0; i < 100; i++) assert_int_equal(numbers[i], map_get(&map, names[i]));
    map_reserve(&map, 3 * COUNT);
    const size_t room = map.room;
    for (uint32_t i = 0; i < COUNT; i++)
        assert_true(map_add(&map, arena_printf(arena, "blocks.%u", i), i));
    assert_false(map_add(&map, "blocks.4", 9));
    assert_int_equal(map_get(&map, "blocks.4"), 4);
    assert_int_equal(map.room, room);
    assert_int_equal(map_get(&map, "layers.6.weight"), 6);
    map_done(&map);
    map_get_many(&map, names, 2, numbers);
    assert_int_equal(numbers[1], MAP_NONE);
    arena_free(arena);
}

static void shows(const char *name, const char *want)
{
    Text out = {0};
    name_show(name, &out);
    assert_string_equal(text_string(&out), want);
    text_done(&out);
}

static void test_names_are_safe_on_a_terminal(void **state)
{
    (void)state;
    shows("layer.0.weight", "layer.0.weight");
    shows("é漢😀", "é漢😀");
    shows("a\033[31mb\a", "a\\x1b[31mb\\x07");
    /* what cannot be seen: two keys that differ in it would look the same */
    shows("a\u00adb\u061cc\ufe0fd\u200be\u3164f", "a\\xadb\\u061cc\\ufe0fd\\u200be\\u3164f");
    shows("a\U000e0041b", "a\\U000e0041b");
    shows("a\nb\tc", "a\\nb\\tc");
    shows("\xff" "abc", "\\udcffabc");
    shows("\xed\xa0\x80", "\\ud800");
    shows("a\xC0\x80" "b", "a\\x00b");
    shows("\xe2\x80\xae" "evil", "\\u202eevil");
    shows("\xc2\x9b" "31m", "\\x9b31m");
}

static void test_names_hold_any_bytes(void **state)
{
    (void)state;
    Arena *arena = arena_new();
    const char raw[] = "a\0b\0";
    const char *name = name_hold(arena, raw, 4);
    Text back = {0};
    name_bytes(name, &back);
    assert_int_equal(back.length, 4);
    assert_memory_equal(back.bytes, raw, 4);
    assert_true(name_is_text(name));
    assert_false(name_is_text("\xff"));
    assert_false(name_is_text("\xed\xb2\x80"));
    text_done(&back);
    arena_free(arena);
}

static void test_utf8_round_trip(void **state)
{
    (void)state;
    static const uint32_t codes[] = {1, 0x7F, 0x80, 0x7FF, 0x800, 0xD800, 0xDFFF, 0xFFFF, 0x10000,
                                     0x10FFFF};
    Text out = {0};
    for (size_t i = 0; i < countof(codes); i++) utf8_add(&out, codes[i]);
    const char *p = out.bytes, *end = p + out.length;
    for (size_t i = 0; i < countof(codes); i++) assert_int_equal(utf8_next(&p, end), codes[i]);
    assert_ptr_equal(p, end);
    text_done(&out);
}

static void test_overlong_and_cut_utf8_is_taken_byte_by_byte(void **state)
{
    (void)state;
    const char bytes[] = "\xe2\x82", overlong[] = "\xe0\x80\xaf";
    const char *p = bytes;
    assert_int_equal(utf8_next(&p, bytes + 2), 0xDCE2);
    assert_int_equal(p - bytes, 1);
    assert_false(utf8_valid(bytes, 2));
    assert_false(utf8_valid(overlong, 3));
    assert_true(utf8_valid("x\xc3\xa9", 3));
}

static void test_what_is_no_utf8_is_told_by_its_first_bad_byte(void **state)
{
    (void)state;
    static const struct { const char *text; size_t bad; } rows[] = {
        {"a\x80", 1}, {"\xc1\x80", 0}, {"\xf5\x80\x80\x80", 0},           /* no lead bytes */
        {"\xe0\x9f\x80", 1}, {"\xf0\x8f\x80\x80", 1},                     /* overlong */
        {"\xed\xa0\x80", 1}, {"\xf4\x90\x80\x80", 1},       /* a surrogate; above U+10FFFF */
        {"\xe2\x82z", 2}, {"x\xf1\x80\x80\xff", 4}, {"\xc3\xa9\xc3(", 3},  /* no tail bytes */
        {"\xc3", 1}, {"a\xe2\x82", 3}, {"\xf0\x9f\x98", 3},                 /* cut */
    };
    const char *valid = "\xed\x9f\xbf\xee\x80\x80\xf0\x90\x80\x80\xf4\x8f\xbf\xbf";
    size_t bad;
    for (size_t i = 0; i < countof(rows); i++) {
        assert_false(utf8_check(rows[i].text, strlen(rows[i].text), &bad));
        assert_int_equal(bad, rows[i].bad);
    }
    assert_true(utf8_check(valid, strlen(valid), &bad));
}

static void test_long_names_are_cut_between_characters(void **state)
{
    (void)state;
    static const struct { const char *name; size_t limit; const char *shown; } rows[] = {
        {"abc", 3, "abc"}, {"abcd", 3, "abc…"}, {"aé", 3, "aé"}, {"aéb", 2, "a…"}, {"é", 1, "…"},
        {"a\nb", 3, "a\\n…"},                    /* what is shown is counted, not what is held */
    };
    for (size_t i = 0; i < countof(rows); i++) {
        Text out = {0};
        show_short(rows[i].name, rows[i].limit, &out);
        assert_string_equal(text_string(&out), rows[i].shown);
        text_done(&out);
    }
}

static void test_sizes_and_counts_for_people(void **state)
{
    (void)state;
    char out[32];
    show_bytes(640, out);
    assert_string_equal(out, "640 B");
    show_bytes(95064632, out);
    assert_string_equal(out, "95.1 MB");
    show_bytes(999960, out);
    assert_string_equal(out, "1.0 MB");
    show_count(23561205, out);
    assert_string_equal(out, "23.6 M");
    show_count(9999, out);
    assert_string_equal(out, "9999");
}

static void test_natural_order(void **state)
{
    (void)state;
    assert_true(natural_compare("layer.2.w", "layer.10.w") < 0);
    assert_true(natural_compare("a", "b") < 0);
    assert_true(natural_compare("a.1", "a.1.b") < 0);
    assert_true(natural_compare("x07", "x7") != 0);
    assert_int_equal(natural_compare("same", "same"), 0);
    assert_int_equal(natural_compare_n("l.10", 3, "l.1", 3), 0);
    assert_true(natural_compare_n("l.10", 4, "l.9x", 3) > 0);
    assert_true(natural_compare_n("a0", 1, "a", 1) == 0);
    assert_true(natural_compare_n("", 0, "a", 1) < 0);
}

static void test_long_errors_end_whole(void **state)
{
    (void)state;
    Error err;
    char filler[2000];
    memset(filler, 'x', sizeof filler);
    filler[1021] = '\0';
    error_set(&err, ERR_FORMAT, "%s\xc3\xa9\xc3\xa9", filler);
    assert_true(utf8_valid(err.text, strlen(err.text)));
    error_prefix(&err, "a.pth");
    assert_int_equal(strncmp(err.text, "a.pth: xxx", 10), 0);
    assert_int_equal(err.code, ERR_FORMAT);
}

static void test_values(void **state)
{
    (void)state;
    Arena *arena = arena_new();
    Value *map = value_map(arena);
    for (int i = 0; i < 10; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%d", i);
        value_put(arena, map, key, value_int(arena, i));
    }
    value_put(arena, map, "name", value_string(arena, "net"));
    assert_int_equal(value_get_int(map, "k7", -1), 7);
    assert_string_equal(value_get_string(map, "name", ""), "net");
    assert_null(value_get(map, "k10"));
    assert_null(value_get(value_null(arena), "x"));
    arena_free(arena);
}

/* A bit at a time, as the definition has it. */
static uint64_t crc_by_bits(uint64_t polynomial, uint64_t ones, const unsigned char *bytes, size_t n)
{
    uint64_t crc = ones;
    for (size_t i = 0; i < n; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? polynomial : 0);
    }
    return crc ^ ones;
}

/* Against the definitions and the catalogue's check values, in two pieces cut at every byte. */
static void test_crcs(void **state)
{
    (void)state;
    static const struct { uint64_t polynomial, ones, check; } kinds[CRC_KIND_COUNT] = {
        [CRC_32C] = {0x82F63B78, UINT32_MAX, 0xE3069283},
        [CRC_64_NVME] = {0x9A6C9329AC4BC9B5, UINT64_MAX, 0xAE8B14860A799888},
        [CRC_64_XZ] = {0xC96C5795D7870F42, UINT64_MAX, 0x995DC9BBDF1939FA}};
    unsigned char bytes[83];
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (unsigned char)(i * 167 + 13);
    for (CrcKind kind = 0; kind < CRC_KIND_COUNT; kind++) {
        assert_true(crc_sliced_add(kind, 0, "123456789", 9) == kinds[kind].check);
        assert_true(crc_sliced_add(kind, 0, NULL, 0) == 0);
        uint64_t all = crc_by_bits(kinds[kind].polynomial, kinds[kind].ones, bytes, sizeof bytes);
        for (size_t i = 0; i <= sizeof bytes; i++) {
            uint64_t first = crc_sliced_add(kind, 0, bytes, i);
            assert_true(crc_sliced_add(kind, first, bytes + i, sizeof bytes - i) == all);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_maps_of_two_threads_agree),
        cmocka_unit_test(test_arena_alignment_and_growth),
        cmocka_unit_test(test_sums_do_not_wrap),
        cmocka_unit_test(test_map_keeps_what_it_is_told),
        cmocka_unit_test(test_names_are_safe_on_a_terminal),
        cmocka_unit_test(test_names_hold_any_bytes),
        cmocka_unit_test(test_utf8_round_trip),
        cmocka_unit_test(test_overlong_and_cut_utf8_is_taken_byte_by_byte),
        cmocka_unit_test(test_what_is_no_utf8_is_told_by_its_first_bad_byte),
        cmocka_unit_test(test_long_names_are_cut_between_characters),
        cmocka_unit_test(test_sizes_and_counts_for_people),
        cmocka_unit_test(test_natural_order),
        cmocka_unit_test(test_crcs),
        cmocka_unit_test(test_long_errors_end_whole),
        cmocka_unit_test(test_values)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
