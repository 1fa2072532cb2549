/* Headers of responses, the cache of blocks, and reads that are told to stop. */
#include "tests/unit/test.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "loader/core/job.h"
#include "loader/core/limits.h"
#include "loader/source/block_cache.h"
#include "loader/source/bucket.h"
#include "loader/source/http_head.h"
#include "loader/source/told_sum.h"
#include "loader/source/remote_open.h"

/* ---- headers ---- */

/* Lines up to a NULL. */
static HttpHead head_of(const char *const *lines)
{
    HttpHead head = {0};
    for (; *lines; lines++) http_head_line(&head, *lines, strlen(*lines));
    return head;
}

static void test_part(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "HTTP/1.1 206 Partial Content\r\n", "CONTENT-RANGE:  Bytes 5-9/100 \r\n",
        "Content-Length: 5\r\n", "eTag: \"x\"\r\n", "Location: /y\r\n", "no colon\r\n", NULL};
    HttpHead head = head_of(lines);
    assert_null(head.wrong);
    assert_int_equal(head.status, 206);
    assert_true(head.has_range && head.has_total && head.has_length && !head.unsatisfied);
    assert_int_equal(head.from, 5);
    assert_int_equal(head.to, 9);
    assert_int_equal(head.total, 100);
    assert_string_equal(head.etag, "\"x\"");
    assert_string_equal(head.location, "/y");
    http_head_done(&head);
}

/* Of several heads the last one counts. */
static void test_heads_in_a_row(void **state)
{
    (void)state;
    static const char *const lines[] = {"HTTP/1.1 100 Continue", "ETag: \"old\"", "",
                                        "HTTP/1.1 200 OK", "Content-Length: 7", NULL};
    HttpHead head = head_of(lines);
    assert_int_equal(head.status, 200);
    assert_null(head.etag);
    assert_int_equal(head.length, 7);
    http_head_done(&head);
}

static void test_ranges(void **state)
{
    (void)state;
    static const struct { const char *line; bool fine, total, unsatisfied; } rows[] = {
        {"Content-Range: bytes 0-0/1", true, true, false},
        {"Content-Range: bytes 0-9/*", true, false, false},
        {"Content-Range: bytes */77", true, true, true},
        {"Content-Range: bytes */*", false, false, true},
        {"Content-Range: bytes 9-0/10", false, false, false},
        {"Content-Range: bytes 0-10/10", false, false, false},
        {"Content-Range: bytes 0-9", false, false, false},
        {"Content-Range: bytes -9/10", false, false, false},
        {"Content-Range: bytes 0-18446744073709551616/9", false, false, false},
        {"Content-Range: rows 0-9/10", false, false, false},
        {"Content-Range: bytes 0-9/x", false, false, false},
        {"Content-Range:", false, false, false}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *const lines[] = {"HTTP/1.1 206 x", rows[i].line, NULL};
        HttpHead head = head_of(lines);
        if (!head.wrong != rows[i].fine) fail_msg("%s", rows[i].line);
        if (rows[i].fine) {
            assert_int_equal(head.has_total, rows[i].total);
            assert_int_equal(head.unsatisfied, rows[i].unsatisfied);
        }
        http_head_done(&head);
    }
}

static void test_what_is_not_believed(void **state)
{
    (void)state;
    static const char *const rows[][3] = {
        {"HTTP/1.1 200 OK", "Content-Length: 1", "Content-Length: 2"},
        {"HTTP/1.1 200 OK", "Content-Length: -1", ""},
        {"HTTP/1.1 200 OK", "Content-Length: 1,1", ""},
        {"HTTP/1.1 20 OK", "", ""},
        {"HTTP/1.1 999 OK", "", ""},
        {"HTTP/1.1", "", ""},
        {"HTTP/1.1 206 x", "Content-Range: bytes 0-1/2", "Content-Range: bytes 0-1/2"},
        {"HTTP/1.1 200 OK", "ETag: \"a\x01\"", ""}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *const lines[] = {rows[i][0], rows[i][1], rows[i][2], NULL};
        HttpHead head = head_of(lines);
        if (!head.wrong) fail_msg("%s, %s", rows[i][0], rows[i][1]);
        http_head_done(&head);
    }
    HttpHead head = {0};
    char line[1000];
    memset(line, 'x', sizeof line);
    for (int i = 0; i < 70; i++) http_head_line(&head, line, sizeof line);
    assert_string_equal(head.wrong, "its header is too long");
    http_head_done(&head);
}

/* A header that tells a checksum; NULL: it is told none. */
static void test_told_sums(void **state)
{
    (void)state;
    static const struct { const char *status, *line, *wanted; } rows[] = {
        {"200", "x-amz-checksum-crc32: y/Q5Jg==", "CRC-32 cbf43926"},
        {"200", "X-Amz-Checksum-CRC64NVME: rosUhgp5mIg=", "CRC-64/NVME ae8b14860a799888"},
        {"206", "x-amz-checksum-crc32: y/Q5Jg==", NULL},
        {"200", "x-amz-checksum-crc32: y/Q5Jg==-2", "CRC-32 cbf43926-2"},
        {"200", "x-amz-checksum-crc32: y/Q5Jg==-10000", "CRC-32 cbf43926-10000"},
        {"200", "x-amz-checksum-crc32: y/Q5Jg==-10001", NULL},
        {"200", "x-amz-checksum-crc32: y/Q5Jg==-0", NULL},
        {"200", "x-amz-checksum-crc32: y/Q5Jg==-", NULL},
        {"200", "x-amz-checksum-crc32: y/Q5Jg==-2-2", NULL},
        {"200", "x-amz-checksum-crc32: y/Q5Jg-2", NULL},
        {"200", "x-amz-checksum-crc64nvme: rosUhgp5mIg=-2", NULL},
        {"206", "x-amz-checksum-crc32: y/Q5Jg==-2", NULL},
        {"200", "x-amz-checksum-crc32: y/Q5Jh==", NULL},       /* a bit behind the fourth byte */
        {"200", "x-amz-checksum-crc32: y/Q5JgAA", NULL},
        {"200", "x-amz-checksum-crc32: y/Q5====", NULL},
        {"200", "x-amz-checksum-sha1: y/Q5Jg==", NULL},
        {"206", "x-oss-hash-crc64ecma: 11051210869376104954", "CRC-64 995dc9bbdf1939fa"},
        {"200", "x-oss-hash-crc64ecma: 18446744073709551616", NULL},
        {"200", "x-oss-hash-crc64ecma: ", NULL},
        {"206", "x-goog-hash: crc32c=4waSgw==", "CRC-32C e3069283"},
        {"200", "x-goog-hash: md5=, crc32c=4waSgw==", "CRC-32C e3069283"},
        {"200", "x-goog-hash: crc32c=4waSgw==,md5=JfnnlDI7RTiF9RgfG2JNCw==",
         "MD5 25f9e794323b453885f5181f1b624d0b"},
        {"200", "Content-MD5: JfnnlDI7RTiF9RgfG2JNCw==", "MD5 25f9e794323b453885f5181f1b624d0b"},
        {"206", "Content-MD5: JfnnlDI7RTiF9RgfG2JNCw==", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char status[40];
        Text line = {0};
        ToldSum told, again;
        snprintf(status, sizeof status, "HTTP/1.1 %s x", rows[i].status);
        const char *const lines[] = {status, rows[i].line, NULL};
        HttpHead head = head_of(lines);
        bool found = told_sum_find(&head, &told);
        if (found != (rows[i].wanted != NULL)) fail_msg("%s", rows[i].line);
        if (found) {
            told_sum_write(&told, &line);
            assert_string_equal(text_string(&line), rows[i].wanted);
            assert_true(told_sum_read(text_string(&line), line.length, &again));
            assert_string_equal(again.text, told.text);
            assert_int_equal(again.parts, told.parts);
        }
        text_done(&line);
        http_head_done(&head);
    }
    ToldSum told;
    static const char *const none[] = {"", "CRC-32", "CRC-32 ", "CRC-32 cbf4392", "CRC-32 cbf439260",
                                       "CRC-32 CBF43926", "CRC-32Ccbf43926", "CRC-99 cbf43926",
                                       "CRC-32 cbf43926-", "CRC-32 cbf43926-0"};
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++)
        assert_false(told_sum_read(none[i], strlen(none[i]), &told));
}

static void test_tags(void **state)
{
    (void)state;
    Arena *arena = arena_new();
    assert_string_equal(http_etag(arena, "W/\"a\""), "a");
    assert_string_equal(http_etag(arena, "\"a\""), "a");
    assert_string_equal(http_etag(arena, "a"), "a");
    assert_null(http_etag(arena, NULL));
    assert_true(http_etag_is_strong("\"a\""));
    assert_false(http_etag_is_strong("W/\"a\""));
    assert_false(http_etag_is_strong(NULL));
    arena_free(arena);
}

/* ---- the cache ---- */

static void put(uint64_t owner, uint64_t block)
{
    static unsigned char bytes[BLOCK_BYTES];
    memset(bytes, (int)(owner * 31 + block) & 0xFF, sizeof bytes);
    block_cache_put(owner, block, bytes, sizeof bytes);
}

static bool holds(uint64_t owner, uint64_t block)
{
    unsigned char bytes[16];
    bool there = block_cache_has(owner, block);
    assert_int_equal(block_cache_get(owner, block, BLOCK_BYTES - 16, bytes, 16), there);
    for (size_t i = 0; there && i < sizeof bytes; i++)
        assert_int_equal(bytes[i], (owner * 31 + block) & 0xFF);
    return there;
}

/* The limit was set to 64 blocks before the first one was kept. What was read last stays. */
static void test_blocks(void **state)
{
    (void)state;
    uint64_t a = block_cache_owner(), b = block_cache_owner();
    assert_int_not_equal(a, b);
    assert_false(holds(a, 0));
    for (uint64_t i = 0; i < 64; i++) put(a, i);
    for (uint64_t i = 0; i < 64; i++) assert_true(holds(a, i));
    assert_true(holds(a, 0));
    for (uint64_t i = 0; i < 10; i++) put(b, i);
    assert_true(holds(a, 0));
    for (uint64_t i = 1; i <= 10; i++) assert_false(holds(a, i));
    for (uint64_t i = 0; i < 10; i++) assert_true(holds(b, i));
    block_cache_drop(a);
    for (uint64_t i = 0; i < 64; i++) assert_false(holds(a, i));
    for (uint64_t i = 0; i < 10; i++) assert_true(holds(b, i));
    for (uint64_t i = 0; i < 54; i++) put(a, i);       /* what was freed is taken first */
    for (uint64_t i = 0; i < 10; i++) assert_true(holds(b, i));
    block_cache_drop(a);
    block_cache_drop(b);
}

/* ---- jobs ---- */

static bool open_url(Job *job, void *context, Error *err)
{
    (void)job;
    ByteSource *source = source_open(context, NULL, err);
    source_unref(source);
    return source != NULL;
}

static void *open_in_thread(void *context)
{
    Error err = {0};
    open_url(NULL, context, &err);
    return (void *)(uintptr_t)err.code;
}

/* The same by a thread that helps. */
static bool open_together(Job *job, void *context, Error *err)
{
    (void)job;
    pthread_t thread;
    void *code = NULL;
    if (!job_thread(&thread, open_in_thread, context)) return false;
    pthread_join(thread, &code);
    return error_set(err, (ErrorCode)(uintptr_t)code, "as the thread says");
}

/* A server that takes connections and never says a word. */
static void cancel_while(JobRun *run)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof address;
    int server = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(server, (struct sockaddr *)&address, n), 0);
    assert_int_equal(listen(server, 1), 0);
    assert_int_equal(getsockname(server, (struct sockaddr *)&address, &n), 0);
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%u/x", ntohs(address.sin_port));
    Error err = {0};
    assert_false(job_is_stopped());
    Job *job = job_start(run, url);
    int client = accept(server, NULL, NULL);            /* it is asked now */
    assert_false(job_poll(job, NULL, NULL));
    assert_false(job_free(job, &err));                  /* tells it to stop, and waits */
    assert_int_equal(err.code, ERR_CANCELLED);
    close(client);
    close(server);
}

/* ListObjectsV2: keys are encoded, folders are none, and what is no listing is refused. */
static void test_bucket_listings(void **state)
{
    (void)state;
    static const char good[] =
        "<?xml version=\"1.0\"?><ListBucketResult xmlns=\"x\"><IsTruncated>true</IsTruncated>"
        "<Contents><Key>p/a+b%2B&amp;</Key><ETag>&quot;e&quot;</ETag><Size>12</Size></Contents>"
        "<Contents><Size>0</Size><Key>p/dir/</Key></Contents>"
        "<NextContinuationToken>1&lt;&amp;amp;</NextContinuationToken></ListBucketResult>";
    static const struct { const char *text, *error; } bad[] = {
        {"", "no listing"},
        {"<html><Contents>", "no listing"},
        {"<ListBucketResult><IsTruncated>true</IsTruncated>", "how it goes on"},
        {"<ListBucketResult><Contents><Key>p/x</Key></Contents>", "without a name or a size"},
        {"<ListBucketResult><Contents></Contents><Key>p/x</Key><Size>1</Size>", "without a name"},
        {"<ListBucketResult><Contents><Key>q/x</Key><Size>1</Size></Contents>", "without a name"},
        {"<ListBucketResult><Contents><Key>p/%zz</Key><Size>1</Size></Contents>", "without a name"},
        {"<ListBucketResult><Contents><Key>p/x</Key><Size>-1</Size></Contents>", "without a name"},
    };
    Arena *arena = arena_new();
    BucketPage page = {0};
    Error err = {0};
    assert_true(bucket_read(arena, good, "p/", &page, &err));
    assert_int_equal(page.count, 1);
    assert_int_equal(page.seen, 2);
    assert_string_equal(page.files[0].name, "a b+&");
    assert_int_equal(page.files[0].size, 12);
    assert_string_equal(page.token, "1<&amp;");
    for (size_t i = 0; i < countof(bad); i++) {
        assert_false(bucket_read(arena, bad[i].text, "p/", &page, &err));
        assert_error_has(err, bad[i].error);
    }
    free(page.files);
    arena_free(arena);
}

static void test_cancelled(void **state)
{
    (void)state;
    cancel_while(open_url);
    cancel_while(open_together);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_part),   cmocka_unit_test(test_heads_in_a_row),
        cmocka_unit_test(test_ranges), cmocka_unit_test(test_what_is_not_believed),
        cmocka_unit_test(test_told_sums),
        cmocka_unit_test(test_tags),   cmocka_unit_test(test_blocks),
        cmocka_unit_test(test_bucket_listings), cmocka_unit_test(test_cancelled),
    };
    if (!limit_set("remote-cache=0", NULL)) return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
