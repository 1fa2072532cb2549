/* Folding: what lines look like, and that they never say more or less than the names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "loader/core/fold.h"
#include "loader/core/map.h"

enum { NAMES_MAX = 4096 };

typedef struct Names {
    Arena *arena;
    const char *items[NAMES_MAX];
    size_t count;
} Names;

static void add_name(Names *names, const char *name)
{
    assert_true(names->count < NAMES_MAX);
    names->items[names->count++] = arena_strdup(names->arena, name);
}

/* Folds the space-separated names and compares the lines, joined by a space. */
static void assert_folds(const char *input, const char *expected)
{
    Names names = {.arena = arena_new()};
    char *copy = mem_strdup(input), *rest = copy, *name;
    while ((name = strsep(&rest, " "))) add_name(&names, name);
    Folded *folded;
    size_t n = fold_names(names.arena, names.items, NULL, names.count, &folded);
    Text lines = {0};
    for (size_t i = 0; i < n; i++) text_addf(&lines, "%s%s", i ? " " : "", folded[i].text);
    assert_string_equal(text_string(&lines), expected);
    text_done(&lines);
    free(copy);
    arena_free(names.arena);
}

static void test_lines(void **state)
{
    (void)state;
    assert_folds("a", "a");
    assert_folds("fc.weight fc.bias", "fc.{bias,weight}");
    assert_folds("x.0 x.1 x.2 x.10", "x.{0-2,10}");
    assert_folds("bn1.w bn2.w bn3.w", "bn{1-3}.w");
    assert_folds("l.0.k.w l.0.q.w l.0.v.w l.1.k.w l.1.q.w l.1.v.w", "l.{0-1}.{k,q,v}.w");
    assert_folds("a.q_proj a.k_proj a.v_proj", "a.{k,q,v}_proj");
    assert_folds("a.weight_g a.weight_v", "a.weight_{g,v}");
    assert_folds("a.input_layernorm a.post_attention_layernorm",
                 "a.{input,post_attention}_layernorm");
    assert_folds("a.weight a.width", "a.{weight,width}");
    assert_folds("layer_00.w layer_01.w", "layer_{00,01}.w");
    assert_folds("scope/a/w scope/b/w", "scope/{a,b}/w");
    assert_folds("w b.w", "w b.w");
    assert_folds("a a.b", "a a.b");
}

/* A product with a corner missing is two lines, not one that lies. */
static void test_partial_products(void **state)
{
    (void)state;
    assert_folds("a.0.x a.0.y a.1.x", "a.0.{x,y} a.1.x");
    assert_folds("layer1.0.bn1 layer1.0.bn2 layer1.1.bn1 layer1.1.bn2 layer2.0.bn1 layer2.0.bn2",
                 "layer1.{0-1}.bn{1-2} layer2.0.bn{1-2}");
}

static void test_literal_braces(void **state)
{
    (void)state;
    assert_folds("a.{x}.0 a.{x}.1", "a.\\{x\\}.{0-1}");
    assert_folds("a.b,c a.d", "a.{b\\,c,d}");
    assert_folds("a.b\\c", "a.b\\\\c");
    assert_folds("a.1-a a.2-a", "a.{1-2}-a");
}

static void test_classes_stay_apart(void **state)
{
    (void)state;
    Arena *arena = arena_new();
    const char *names[] = {"x.0", "x.1", "x.2", "x.3"};
    const uint32_t classes[] = {7, 9, 7, 9};
    Folded *folded;
    assert_int_equal(fold_names(arena, names, classes, 4, &folded), 2);
    assert_string_equal(folded[0].text, "x.{0,2}");
    assert_string_equal(folded[1].text, "x.{1,3}");
    assert_int_equal(folded[1].members[0], 1);
    assert_int_equal(folded[1].members[1], 3);
    assert_string_equal(folded[0].counter, "×2");
    arena_free(arena);
}

static void test_none(void **state)
{
    (void)state;
    Arena *arena = arena_new();
    Folded *folded;
    assert_int_equal(fold_names(arena, NULL, NULL, 0, &folded), 0);
    arena_free(arena);
}

/* Every name is named once by the lines, every member index stands once, and class by class. */
static void assert_exact(const Names *names, const uint32_t *classes)
{
    Arena *arena = arena_new();
    Folded *folded;
    size_t lines = fold_names(arena, names->items, classes, names->count, &folded);
    unsigned char *seen = mem_alloc(names->count + 1);
    size_t total = 0;
    for (size_t i = 0; i < lines; i++) {
        const char **expanded;
        size_t n = fold_expand(arena, folded[i].text, UINT64_MAX, &expanded);
        assert_int_equal(n, folded[i].count);
        total += n;
        NameMap map;
        map_init(&map);
        for (size_t j = 0; j < n; j++) map_set(&map, expanded[j], 1);
        assert_int_equal(map.count, n);
        for (size_t j = 0; j < n; j++) {
            uint32_t member = folded[i].members[j];
            assert_int_equal(seen[member]++, 0);
            assert_int_equal(map_get(&map, names->items[member]), 1);
            if (classes) assert_int_equal(classes[member], classes[folded[i].members[0]]);
        }
        map_done(&map);
    }
    assert_int_equal(total, names->count);
    free(seen);
    arena_free(arena);
}

static uint32_t next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33);
}

static void random_name(uint64_t *random, Text *name)
{
    static const char *const pieces[] = {"layer", "a", "b", "weight", "bias", "q_proj", "k_proj",
        "0", "1", "2", "10", "007", "-", "1-2", "{", "}", ",", "\\", "x,y", ".", "/", "_", "é",
        ".."};
    size_t n = 1 + next_random(random) % 5;
    text_clear(name);
    for (size_t i = 0; i < n; i++) {
        if (i) text_addc(name, '.');
        text_add(name, pieces[next_random(random) % countof(pieces)]);
        if (next_random(random) % 3 == 0)
            text_add(name, pieces[next_random(random) % countof(pieces)]);
    }
}

static void test_random_names(void **state)
{
    (void)state;
    uint64_t random = 42;
    for (int round = 0; round < 300; round++) {
        Names names = {.arena = arena_new()};
        NameMap known;
        map_init(&known);
        Text name = {0};
        uint32_t classes[NAMES_MAX];
        size_t want = 1 + next_random(&random) % 400;
        for (size_t i = 0; i < want; i++) {
            random_name(&random, &name);
            if (map_get(&known, text_string(&name)) != MAP_NONE) continue;
            classes[names.count] = next_random(&random) % 2;
            add_name(&names, text_string(&name));
            map_set(&known, names.items[names.count - 1], 1);
        }
        assert_exact(&names, round % 2 ? classes : NULL);
        text_done(&name);
        map_done(&known);
        arena_free(names.arena);
    }
}

/* Products with holes: what models with uneven blocks look like. */
static void test_random_products(void **state)
{
    (void)state;
    uint64_t random = 7;
    for (int round = 0; round < 100; round++) {
        Names names = {.arena = arena_new()};
        for (uint32_t i = 0; i < 4; i++)
            for (uint32_t j = 0; j < 6; j++)
                for (uint32_t k = 0; k < 3; k++) {
                    if (next_random(&random) % 8 == 0) continue;
                    add_name(&names,
                             arena_printf(names.arena, "layer%u.%u.conv%u.weight", i, j, k));
                    add_name(&names, arena_printf(names.arena, "layer%u.%u.bn%u.bias", i, j, k));
                }
        assert_exact(&names, NULL);
        arena_free(names.arena);
    }
}

/* A ResNet-50's keys, whose layers have 3, 4, 6 and 3 blocks. */
static void test_resnet(void **state)
{
    (void)state;
    static const uint32_t blocks[] = {3, 4, 6, 3};
    Names names = {.arena = arena_new()};
    for (uint32_t layer = 0; layer < 4; layer++)
        for (uint32_t block = 0; block < blocks[layer]; block++)
            for (uint32_t k = 1; k <= 3; k++)
                add_name(&names, arena_printf(names.arena, "layer%u.%u.bn%u.num_batches_tracked",
                                              layer + 1, block, k));
    Folded *folded;
    assert_int_equal(fold_names(names.arena, names.items, NULL, names.count, &folded), 3);
    assert_string_equal(folded[0].text, "layer{1,4}.{0-2}.bn{1-3}.num_batches_tracked");
    assert_string_equal(folded[1].text, "layer2.{0-3}.bn{1-3}.num_batches_tracked");
    assert_string_equal(folded[2].text, "layer3.{0-5}.bn{1-3}.num_batches_tracked");
    assert_exact(&names, NULL);
    arena_free(names.arena);
}

static void test_odd_names(void **state)
{
    (void)state;
    Names names = {.arena = arena_new()};
    Text name = {0};
    add_name(&names, "");
    add_name(&names, ".");
    add_name(&names, "99999999999999999999.w");
    add_name(&names, "123456789012345678.w");
    add_name(&names, "\xff\x01");
    for (size_t i = 0; i < 5000; i++) text_add(&name, "1.");
    add_name(&names, text_string(&name));
    text_add(&name, "2");
    add_name(&names, text_string(&name));
    for (size_t i = 0; i < 5000; i++) text_add(&name, "..");
    add_name(&names, text_string(&name));
    assert_exact(&names, NULL);
    text_done(&name);
    arena_free(names.arena);
}

static void test_expand(void **state)
{
    (void)state;
    Arena *arena = arena_new();
    const char **names;
    assert_int_equal(fold_expand(arena, "a.{0-2,7}.{x,y}", UINT64_MAX, &names), 8);
    assert_string_equal(names[0], "a.0.x");
    assert_string_equal(names[7], "a.7.y");
    assert_int_equal(fold_expand(arena, "a.{1\\-2,z}", UINT64_MAX, &names), 2);
    assert_string_equal(names[0], "a.1-2");
    assert_int_equal(fold_expand(arena, "a.{0-2", UINT64_MAX, &names), 0);
    assert_int_equal(fold_expand(arena, "{0-999999999999999999}", UINT64_MAX, &names), 0);
    assert_int_equal(fold_expand(arena, "{0-9999}{0-9999}", UINT64_MAX, &names), 0);
    assert_int_equal(fold_expand(arena, "a.{0-9}.{x,y}", 20 * 14, &names), 20);
    assert_int_equal(fold_expand(arena, "a.{0-9}.{x,y}", 20 * 14 - 1, &names), 0);
    assert_int_equal(fold_expand(arena, "{0-9}", 9 * 6, &names), 0);
    assert_int_equal(fold_expand(arena, "a", 1, &names), 0);
    arena_free(arena);
}

/* Key lists of real models: files of JSON with "key":"…" in tests/data/rules, or in the folder
 * that $TENON_KEY_LISTS names. */
static void test_key_lists(void **state)
{
    (void)state;
    const char *folder = getenv("TENON_KEY_LISTS");
    if (!folder) folder = "tests/data/rules";
    char *command = mem_alloc(strlen(folder) + 128);
    sprintf(command, "for f in '%s'/*.json; do grep -o '\"key\": *\"[^\"]*\"' \"$f\" | "
            "cut -d'\"' -f4 | sort -u; echo; done", folder);
    FILE *list = popen(command, "r");
    assert_non_null(list);
    char line[1024];
    Names names = {.arena = arena_new()};
    size_t lists = 0;
    while (fgets(line, sizeof line, list)) {
        line[strcspn(line, "\n")] = 0;
        if (*line) {
            add_name(&names, line);
            continue;
        }
        assert_exact(&names, NULL);
        lists += names.count > 0;
        names.count = 0;
    }
    pclose(list);
    assert_true(lists > 0);
    free(command);
    arena_free(names.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),          cmocka_unit_test(test_partial_products),
        cmocka_unit_test(test_literal_braces), cmocka_unit_test(test_classes_stay_apart),
        cmocka_unit_test(test_none),           cmocka_unit_test(test_random_names),
        cmocka_unit_test(test_random_products), cmocka_unit_test(test_resnet),
        cmocka_unit_test(test_odd_names),      cmocka_unit_test(test_expand),
        cmocka_unit_test(test_key_lists),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
