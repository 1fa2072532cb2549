/* URLs: taken apart, joined, compared, shown; names of the hub; what goes over plain http. */
#include "tests/unit/test.h"

#include <stdlib.h>

#include "loader/source/hub_name.h"
#include "loader/source/remote_place.h"
#include "loader/source/torch_hub.h"

static Arena *arena;

static int set_up(void **state)
{
    (void)state;
    arena = arena_new();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_free(arena);
    return 0;
}

static Url parsed(const char *text)
{
    Url url;
    Error err = {0};
    if (!url_parse(arena, text, &url, &err)) fail_msg("%s: %s", text, err.text);
    return url;
}

static void test_parts(void **state)
{
    (void)state;
    Url url = parsed("HTTPS://me:pw@Example.ORG:8443/a%20b/c?x=1&y#frag");
    assert_string_equal(url.scheme, "https");
    assert_string_equal(url.user, "me:pw");
    assert_string_equal(url.host, "example.org");
    assert_int_equal(url.port, 8443);
    assert_string_equal(url.path, "/a%20b/c");
    assert_string_equal(url.query, "x=1&y");
    assert_string_equal(url_text(arena, &url), "https://me:pw@example.org:8443/a%20b/c?x=1&y");
    url = parsed("http://[::1]:80");
    assert_string_equal(url.host, "[::1]");
    assert_string_equal(url.path, "");
    assert_null(url.query);
    url = parsed("https://good.example@evil.example/");     /* whose host is what follows the '@' */
    assert_string_equal(url.host, "evil.example");
}

static void test_no_urls(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "", "a.pth", "://x", "1a://x", "http:/x", "http://h:0/", "http://h:65536/", "http://h:x/",
        "http://[::1/", "http://[::1]x/", "http://h/a b", "http://h/\n", "http://h/\x7f"};
    for (size_t i = 0; i < countof(wrong); i++) {
        Url url;
        Error err = {0};
        if (url_parse(arena, wrong[i], &url, &err)) fail_msg("'%s' was taken", wrong[i]);
        assert_int_equal(err.code, ERR_USAGE);
    }
    assert_false(url_is("net.pth"));
    assert_false(url_is("C:/net.pth"));
    assert_true(url_is("hf://a/b"));
    assert_true(url_has_scheme("HF://a/b", "hf"));
    assert_false(url_has_scheme("hfx://a/b", "hf"));
}

/* RFC 3986, 5.4.1, with the few that a redirect may be. */
static void test_joined(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"g", "http://a/b/c/g"},         {"./g", "http://a/b/c/g"},
        {"g/", "http://a/b/c/g/"},       {"/g", "http://a/g"},
        {"//g", "http://g"},             {"?y", "http://a/b/c/d;p?y"},
        {"g?y", "http://a/b/c/g?y"},     {"../g", "http://a/b/g"},
        {"../../g", "http://a/g"},       {"../../../g", "http://a/g"},
        {"..", "http://a/b/"},           {"https://x/y#z", "https://x/y#z"},
    };
    Url base = parsed("http://a/b/c/d;p?q");
    for (size_t i = 0; i < countof(pairs); i++)
        assert_string_equal(url_join(arena, &base, pairs[i][0], NULL), pairs[i][1]);
    assert_null(url_join(arena, &base, "", NULL));
    assert_null(url_join(arena, &base, "http://h:99999/", NULL));
}

static void test_origins(void **state)
{
    (void)state;
    Url a = parsed("https://h/x"), same = parsed("HTTPS://H:443/y"), port = parsed("https://h:444/");
    Url plain = parsed("http://h:443/"), other = parsed("https://h.evil/");
    assert_true(url_same_origin(&a, &same));
    assert_false(url_same_origin(&a, &port));
    assert_false(url_same_origin(&a, &plain));
    assert_false(url_same_origin(&a, &other));
}

static void test_loopback(void **state)
{
    (void)state;
    static const char *const here[] = {"http://localhost/", "http://127.0.0.1:1/",
                                       "http://127.8.9.10/", "http://[::1]/"};
    static const char *const away[] = {"http://127.evil.example/", "http://127.0.0.1.evil/",
                                       "http://localhost.evil/", "http://128.0.0.1/",
                                       "http://2130706433/", "http://127.1/", "http://[::2]/"};
    for (size_t i = 0; i < countof(here); i++) {
        Url url = parsed(here[i]);
        if (!url_is_loopback(&url)) fail_msg("%s", here[i]);
        assert_true(remote_place_check_url(&url, true, NULL));
    }
    for (size_t i = 0; i < countof(away); i++) {
        Url url = parsed(away[i]);
        Error err = {0};
        if (url_is_loopback(&url)) fail_msg("%s", away[i]);
        assert_false(remote_place_check_url(&url, false, &err));
        assert_error_has(err, "--allow-http");
    }
}

static void test_shown(void **state)
{
    (void)state;
    assert_string_equal(url_shown(arena, "https://u:p@h/x?sig=s#f"), "https://h/x");
    assert_string_equal(url_shown(arena, "https://u@x:p@h/x"), "https://h/x");
    assert_string_equal(url_shown(arena, "hf://org/repo@rev/x"), "hf://org/repo@rev/x");
    assert_string_equal(url_shown(arena, "dir/a?b@c"), "dir/a?b@c");
}

/* Texts that people typed, with URLs anywhere in them. */
static void test_hidden(void **state)
{
    (void)state;
    static const struct { const char *text, *hidden; } rows[] = {
        {"", ""},
        {"a://b", "a://b"},
        {"see https://h/x.", "see https://h/x."},
        {"open_source(\"https://h/x?X-Amz-Signature=S\")", "open_source(\"https://h/x\")"},
        {"'http://me:P@h:1/x?a'b https://h/y?t=S z", "'http://h:1/x'b https://h/y z"},
        {"[[https://h/x?s=(S)]] ?s", "[[https://h/x]] ?s"},
        {"-r=9+https://u:P@h#S", "-r=9+https://h"},
        {"hf://org/repo@rev/x s3://bucket/k", "hf://org/repo@rev/x s3://bucket/k"},
        {"://?S :// x", "://?S :// x"},
        {"https://h/\xC3\xA9?S\nx", "https://h/\xC3\xA9\nx"},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        Text out = {0};
        url_hide(rows[i].text, &out);
        assert_string_equal(text_string(&out), rows[i].hidden);
        text_done(&out);
    }
}

static void test_escapes(void **state)
{
    (void)state;
    Text text = {0};
    url_encode("a/b c+%\xC3\xA9~", true, &text);
    assert_string_equal(text_string(&text), "a/b%20c%2B%25%C3%A9~");
    text_clear(&text);
    url_encode("a/b", false, &text);
    assert_string_equal(text_string(&text), "a%2Fb");
    text_clear(&text);
    assert_true(url_decode("a%2fb%20c", &text));
    assert_string_equal(text_string(&text), "a/b c");
    assert_false(url_decode("%", &text));
    assert_false(url_decode("%2", &text));
    assert_false(url_decode("%zz", &text));
    assert_false(url_decode("%00", &text));
    text_done(&text);
}

static void test_hub_names(void **state)
{
    (void)state;
    HubName name;
    assert_true(hub_name_parse(arena, "hf://org/re.po@v1%2F2/a/b.bin", &name, NULL));
    assert_string_equal(name.repo, "org/re.po");
    assert_string_equal(name.revision, "v1/2");
    assert_string_equal(name.file, "a/b.bin");
    assert_string_equal(hub_spell(arena, &name), "hf://org/re.po@v1%2F2/a/b.bin");
    assert_true(hub_name_parse(arena, "hf://datasets/o/r@refs/convert/parquet/x", &name, NULL));
    assert_string_equal(name.kind, "datasets");
    assert_string_equal(name.revision, "refs/convert/parquet");
    assert_string_equal(name.file, "x");
    assert_true(hub_name_parse(arena, "hf://models/datasets/r/x", &name, NULL));
    assert_string_equal(name.repo, "datasets/r");
    assert_string_equal(hub_spell(arena, &name), "hf://models/datasets/r@main/x");
    static const char *const wrong[] = {
        "hf://", "hf://o", "hf://o/", "hf:///r", "hf://o/r@", "hf://o/r@/x", "hf://o/r@..%2F../x",
        "hf://o/r/../../x", "hf://o/r//../x", "hf://o/r/a\\b", "hf://o/r/a\x01", "hf://../r/x",
        "hf://o/-r/x", "hf://o/r@%zz/x", "hf://o/r/a/./b", "hf://o/r@refs//pr/1", "hf://o/r//x"};
    for (size_t i = 0; i < countof(wrong); i++)
        if (hub_name_parse(arena, wrong[i], &name, NULL)) fail_msg("'%s' was taken", wrong[i]);
}

static void test_hub_folders(void **state)
{
    (void)state;
    HubName name;
    assert_true(hub_name_parse(arena, "hf://org/repo/a/b.bin", &name, NULL));
    setenv("HF_HUB_CACHE", "/c", 1);
    assert_string_equal(hub_folder(arena, &name), "/c/models--org--repo");
    assert_string_equal(hub_snapshot(arena, &name, "abc"),
                        "/c/models--org--repo/snapshots/abc/a/b.bin");
    unsetenv("HF_HUB_CACHE");
    unsetenv("HUGGINGFACE_HUB_CACHE");
    setenv("HF_HOME", "/h", 1);
    assert_string_equal(hub_cache(arena), "/h/hub");
    setenv("HF_ENDPOINT", "https://mirror.example/", 1);
    assert_string_equal(hub_file_url(arena, &name),
                        "https://mirror.example/org/repo/resolve/main/a/b.bin");
    unsetenv("HF_ENDPOINT");
}

static void test_torch_hashes(void **state)
{
    (void)state;
    assert_string_equal(torch_hub_hash(arena, "resnet50-0676ba61.pth"), "0676ba61");
    assert_null(torch_hub_hash(arena, "resnet50-.pth"));
    assert_null(torch_hub_hash(arena, "net-123.pth"));
    assert_null(torch_hub_hash(arena, "resnet50.pth"));
    assert_null(torch_hub_hash(arena, "net-abc.d-0676ba61.pth"));    /* torch takes the first */
    assert_string_equal(torch_hub_file_name(arena, "https://h/a/b%20c.pth?x"), "b c.pth");
    assert_null(torch_hub_file_name(arena, "https://h/a/"));
    assert_null(torch_hub_file_name(arena, "https://h/a/%2e%2e"));
    assert_null(torch_hub_file_name(arena, "https://h/a/..%2Fx"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parts),       cmocka_unit_test(test_no_urls),
        cmocka_unit_test(test_joined),      cmocka_unit_test(test_origins),
        cmocka_unit_test(test_loopback),    cmocka_unit_test(test_shown),
        cmocka_unit_test(test_hidden),      cmocka_unit_test(test_escapes),
        cmocka_unit_test(test_hub_names),
        cmocka_unit_test(test_hub_folders), cmocka_unit_test(test_torch_hashes),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
