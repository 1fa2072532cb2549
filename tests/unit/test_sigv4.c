/* Signatures: Amazon's published examples. Profiles: what the AWS tools read. */
#include "tests/unit/test.h"

#include "loader/source/aws_keys.h"

static const AwsKeys example = {"AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
                                NULL, "us-east-1"};

enum { MAY_24_2013 = 1369353600 };   /* 00:00:00 UTC */

/* The last header: the signature of a GET at that moment. */
static const char *authorization(Arena *arena, const char *text, const char *line,
                                 const AwsKeys *keys)
{
    Url url;
    const char *headers[SIGV4_LINES];
    assert_true(url_parse(arena, text, &url, NULL));
    SigV4 request = {.keys = keys, .service = "s3", .method = "GET", .url = &url,
                     .now = MAY_24_2013, .lines = &line, .line_count = line ? 1 : 0};
    size_t n = sigv4_sign(arena, &request, headers);
    assert_string_equal(headers[1], "x-amz-date:20130524T000000Z");
    return headers[n - 1];
}

/* Amazon S3 API Reference, "Examples: Signature Calculations": GET Object, GET Bucket Lifecycle,
 * GET Bucket (List Objects). */
static void test_published(void **state)
{
    (void)state;
    Arena *arena = arena_new();
    assert_string_equal(
        authorization(arena, "https://examplebucket.s3.amazonaws.com/test.txt",
                      "range:bytes=0-9", &example),
        "Authorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/"
        "aws4_request,SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,Signature="
        "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
    assert_non_null(strstr(
        authorization(arena, "https://examplebucket.s3.amazonaws.com/?lifecycle", NULL, &example),
        "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"));
    assert_non_null(strstr(
        authorization(arena, "https://examplebucket.s3.amazonaws.com/?prefix=J&max-keys=2", NULL,
                      &example),
        "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"));
    arena_free(arena);
}

/* A token and a port are part of what is signed. */
static void test_token_and_port(void **state)
{
    (void)state;
    Arena *arena = arena_new();
    AwsKeys lent = example;
    lent.session = "token";
    const char *line = authorization(arena, "http://127.0.0.1:9000/b/k", NULL, &lent);
    assert_non_null(strstr(line, "SignedHeaders=host;x-amz-content-sha256;x-amz-date;"
                                 "x-amz-security-token,"));
    const char *other = authorization(arena, "http://127.0.0.1:9001/b/k", NULL, &lent);
    assert_string_not_equal(line, other);
    assert_string_equal(authorization(arena, "http://127.0.0.1:80/b/k", NULL, &lent),
                        authorization(arena, "http://127.0.0.1/b/k", NULL, &lent));
    assert_null(strstr(line, example.secret));
    arena_free(arena);
}

static void test_profiles(void **state)
{
    (void)state;
    static const char text[] =
        "; a comment\n[default]\nregion = eu-west-1\n\n[profile  work ]\r\n"
        "aws_access_key_id=AB/C=\r\n  region = nested\nregion\t=\tus-west-2 ; far\n"
        "endpoint_url = http://h:1/#x\n[profile working]\nregion = x\n";
    Arena *arena = arena_new();
    assert_string_equal(aws_profile_value(arena, text, "default", "region"), "eu-west-1");
    assert_string_equal(aws_profile_value(arena, text, "work", "aws_access_key_id"), "AB/C=");
    assert_string_equal(aws_profile_value(arena, text, "work", "region"), "us-west-2");
    assert_string_equal(aws_profile_value(arena, text, "work", "endpoint_url"), "http://h:1/#x");
    assert_null(aws_profile_value(arena, text, "work", "output"));
    assert_null(aws_profile_value(arena, text, "wor", "region"));
    assert_non_null(aws_profile_value(arena, text, "work", NULL));
    assert_null(aws_profile_value(arena, text, "nobody", NULL));
    assert_null(aws_profile_value(arena, "[", "x", "y"));
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_published),
        cmocka_unit_test(test_token_and_port),
        cmocka_unit_test(test_profiles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
