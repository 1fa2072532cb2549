"""Checksums that stores tell: of S3, OSS and Google's, verified by tenon fetch."""
import base64
import hashlib
import os
import time
import zlib

import sigv4
from cases_fetch import cut, leftovers, read
from cases_stores import KEYS, OWN
from run import case, check, numbers, path, refuses, safetensors, serve, tenon
from server import etag_of, file, first, whole

MODEL = safetensors({"a": numbers(40000, 1), "b": numbers(400, 2)})
HALF = len(MODEL) // 2


def reflected(polynomial, bits, data):
    """A CRC a bit at a time, as its definition has it."""
    crc = ones = (1 << bits) - 1
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (polynomial if crc & 1 else 0)
    return crc ^ ones


def base64_of(number, size):
    return base64.b64encode(number.to_bytes(size, "big")).decode()


CRC32C = reflected(0x82F63B78, 32, MODEL)
NVME = reflected(0x9A6C9329AC4BC9B5, 64, MODEL)
XZ = reflected(0xC96C5795D7870F42, 64, MODEL)
assert reflected(0x82F63B78, 32, b"123456789") == 0xE3069283
assert reflected(0x9A6C9329AC4BC9B5, 64, b"123456789") == 0xAE8B14860A799888
assert reflected(0xC96C5795D7870F42, 64, b"123456789") == 0x995DC9BBDF1939FA
SHA256 = base64.b64encode(hashlib.sha256(MODEL).digest()).decode()
SHA1 = base64.b64encode(hashlib.sha1(MODEL).digest()).decode()
AMZ = "x-amz-checksum-"
# header, what is right, what is wrong, how it is called
TOLD = ((AMZ + "crc32", base64_of(zlib.crc32(MODEL), 4), base64_of(7, 4), "CRC-32"),
        (AMZ + "crc32c", base64_of(CRC32C, 4), base64_of(7, 4), "CRC-32C"),
        (AMZ + "crc64nvme", base64_of(NVME, 8), base64_of(7, 8), "CRC-64/NVME"),
        (AMZ + "sha256", SHA256, base64_of(7, 32), "SHA-256"),
        (AMZ + "sha1", SHA1, base64_of(7, 20), "SHA-1"),
        ("x-oss-hash-crc64ecma", str(XZ), "7", "CRC-64"),
        ("x-goog-hash", "crc32c=" + base64_of(CRC32C, 4), "crc32c=" + base64_of(7, 4), "CRC-32C"))


def names(header):
    """The URL of the store that has such a header, and the setting that brings it here."""
    if header.startswith(AMZ):
        return "s3://bucket/m.bin", "AWS_ENDPOINT_URL"
    if header.startswith("x-oss"):
        return "oss://bucket/m.bin", "OSS_ENDPOINT"
    return "gs://bucket/m.bin", "STORAGE_EMULATOR_HOST"


def fetch(headers, route=whole):
    url, setting = names(headers[0][0])
    s = serve({"/bucket/m.bin": route(MODEL, headers), "/m.bin": route(MODEL, headers)})
    return s, tenon("fetch", url, "-o", "m.bin", "--force", env={setting: s.url})


def expect(headers, says, route=whole):
    """Verified by that; "": not at all."""
    _, r = fetch(headers, route)
    check(r.status == 0 and read("m.bin") == MODEL, headers, r)
    check(("as says the server's " + says + "\n" if says else "\n") in r.out, headers, r)
    check(("as says" in r.out) == bool(says) and not leftovers(), headers, r)
    os.unlink(path("m.bin"))


@case
def sum_told():
    """every checksum that a store tells of the whole is that of what came, or nothing of it is kept"""
    for header, right, wrong, word in TOLD:
        for route in (whole, file):                      # with an ETag, too
            expect([(header, right)], word, route)
            _, r = fetch([(header, wrong)], route)
            refuses(r, f"what came has the {word} ", "nothing of it is kept")
            check(not os.path.exists(path("m.bin")) and not leftovers(), header)


@case
def sum_unusable():
    """what is no checksum of the whole is not compared: of parts, cut short, in no base 64, of nothing"""
    for header, right, wrong, _ in TOLD:
        if header.startswith(AMZ):
            expect([(header, wrong), (AMZ + "type", "COMPOSITE")], "")
            expect([(header, wrong + "-3")], "")
            expect([(header, wrong[:-4])], "")
            expect([(header, "!" + wrong[1:])], "")
            expect([(header, right), (AMZ + "type", "FULL_OBJECT")], dict((t[0], t[3]) for t in TOLD)[header])
    for value in ("", "-1", "18446744073709551616", "0x7", "7 7"):
        expect([("x-oss-hash-crc64ecma", value)], "")
    for value in ("crc32c=", "crc32c=AAAAAA", "xcrc32c=AAAAAA==", "md5=AAAA", ",,", "crc32c"):
        expect([("x-goog-hash", value)], "")
    expect([("x-goog-hash", "crc32c=" + base64_of(7, 4)), ("x-goog-stored-content-encoding", "gzip")], "")
    expect([(AMZ + "crc32", base64_of(7, 4)[:-1] + "B")], "")    # a bit more than four bytes


@case
def sum_best():
    """of several the strongest counts"""
    expect([(t[0], t[1 if t[3] == "SHA-256" else 2]) for t in TOLD if t[0].startswith(AMZ)], "SHA-256")
    md5 = base64.b64encode(hashlib.md5(MODEL).digest()).decode()
    expect([("x-goog-hash", f"crc32c={base64_of(7, 4)},md5={md5}")], "MD5")


@case
def sum_of_range():
    """of a part S3 tells what is of that part: it is no checksum of the file; OSS tells the whole's"""
    for header, right, wrong, word in TOLD:
        url, setting = names(header)
        of_all = header.startswith("x-oss") or header.startswith("x-goog")
        for then in (right, wrong):
            def rest(x):
                first_byte, last = x.wanted(len(MODEL))
                x.say(206, MODEL[first_byte:], [("ETag", etag_of(MODEL)), (header, then),
                                                ("Content-Range", f"bytes {first_byte}-{last}/{len(MODEL)}")])
            route = first(cut(MODEL, HALF), rest)        # the first part says nothing
            s = serve({"/bucket/m.bin": route, "/m.bin": route})
            r = tenon("fetch", url, "-o", "m.bin", "--force", env={setting: s.url})
            if of_all and then == wrong:
                refuses(r, "what came has the " + word)
            else:
                check(r.status == 0 and ("as says" in r.out) == of_all, header, r)


def composite(kind, cuts):
    """What S3 tells of an upload in these parts."""
    digest = {"sha256": lambda part: hashlib.sha256(part).digest(), "sha1": lambda part: hashlib.sha1(part).digest(),
              "crc32": lambda part: zlib.crc32(part).to_bytes(4, "big"),
              "crc32c": lambda part: reflected(0x82F63B78, 32, part).to_bytes(4, "big")}[kind]
    ends = [*cuts[1:], len(MODEL)]
    parts = b"".join(digest(MODEL[a:b]) for a, b in zip(cuts, ends))
    return base64.b64encode(digest(parts)).decode() + f"-{len(cuts)}"


def uploaded(cuts, told, says_all=True, body=MODEL):
    """A file that was uploaded in parts that begin there; tells a part's size to who asks by its number."""
    ends = [*cuts[1:], len(body)]

    def route(x):
        number = x.path.partition("partNumber=")[2]
        if not number:
            return x.say(200, body, [("ETag", etag_of(MODEL)), *told])
        i = int(number) - 1
        if i and not says_all:
            return x.say(501)
        x.head(206, [("Content-Length", str(ends[i] - cuts[i])), ("ETag", etag_of(MODEL)),
                     ("Content-Range", f"bytes {cuts[i]}-{ends[i] - 1}/{len(body)}")])
    return route


@case
def sum_of_parts():
    """S3's checksum of the parts' checksums: one more request where all are as large as the first"""
    third = -(-len(MODEL) // 3)
    even, odd = [0, third, 2 * third], [0, 1000, 20000]
    damaged = MODEL[:-9] + bytes(9)
    for kind, word in (("sha256", "SHA-256"), ("sha1", "SHA-1"), ("crc32", "CRC-32"), ("crc32c", "CRC-32C")):
        for cuts, asked in (([0], 1), (even, 1), (odd, 3)):
            told = [(AMZ + kind, composite(kind, cuts)), (AMZ + "type", "COMPOSITE")]
            for headers in (told, told[:1]):
                s = serve({"/bucket/m.bin": uploaded(cuts, headers)})
                r = tenon("fetch", "s3://bucket/m.bin", "-o", "m.bin", "--force", env={"AWS_ENDPOINT_URL": s.url})
                check(r.status == 0 and f"as says the server's {word} of its parts\n" in r.out, kind, cuts, r)
                check([x.command for x in s.asked] == ["GET"] + ["HEAD"] * asked, [x.path for x in s.asked])
                os.unlink(path("m.bin"))
            s = serve({"/bucket/m.bin": uploaded(cuts, told, body=damaged)})
            r = tenon("fetch", "s3://bucket/m.bin", "-o", "m.bin", env={"AWS_ENDPOINT_URL": s.url})
            refuses(r, f"what came has the {word} of {len(cuts)} parts ", "nothing of it is kept")
            check(not os.path.exists(path("m.bin")) and not leftovers(), kind, cuts)


@case
def sum_of_parts_unknown():
    """where the server does not say how large all parts were, nothing is known of them"""
    told = [(AMZ + "sha256", composite("sha256", [0, 1000, 20000]))]
    s = serve({"/bucket/m.bin": uploaded([0, 1000, 20000], told, says_all=False)})
    args = ("--limit", "remote-tries=1")
    r = tenon("fetch", "s3://bucket/m.bin", "-o", "m.bin", *args, env={"AWS_ENDPOINT_URL": s.url})
    check(r.status == 0 and read("m.bin") == MODEL and "as says" not in r.out, r)


@case
def sum_of_parts_signed():
    """the question for a part is signed as any other"""
    told = [(AMZ + "sha256", composite("sha256", [0, 15000, 30000]))]

    def guarded(x):
        fault = sigv4.fault(x, KEYS, time.time())
        return x.say(403, b"", [("X-Fault", fault)]) if fault else uploaded([0, 15000, 30000], told)(x)
    s = serve({"/bucket/m.bin": guarded})
    r = tenon("fetch", "s3://bucket/m.bin", env={**OWN, "AWS_ENDPOINT_URL": s.url})
    check(r.status == 0 and "as says the server's SHA-256 of its parts" in r.out, r, [x.path for x in s.asked])


@case
def sum_goes_on():
    """what the first answer told is kept with the part: in one command, and from one to the next"""
    for header, right, wrong, word in TOLD[:5]:
        for told in (right, wrong):
            for retried in (True, False):
                begin = cut(MODEL, HALF, [(header, told)])
                route = first(begin, file(MODEL))
                s = serve({"/bucket/m.bin": route})
                args = ("fetch", "s3://bucket/m.bin", "-o", "m.bin", "--force")
                tries = ("--limit", f"remote-tries={1 + retried}")
                env = {"AWS_ENDPOINT_URL": s.url}
                r = tenon(*args, *tries, env=env)
                if not retried:
                    refuses(r, "the same command goes on from byte")
                    r = tenon(*args, *tries, env=env)
                check(len(s.asked) == 2 and s.asked[1].headers["Range"] == f"bytes={HALF}-", s.asked)
                if told == wrong:
                    refuses(r, "what came has the " + word)
                    check(not leftovers(), leftovers())
                else:
                    check(r.status == 0 and f"as says the server's {word}\n" in r.out, header, r)


@case
def sum_of_another_version():
    """what was told of a version that is no longer there says nothing of the next one"""
    other = MODEL[::-1]
    s = serve({"/bucket/m.bin": first(cut(MODEL, HALF, [(AMZ + "sha256", SHA256)]), file(other))})
    r = tenon("fetch", "s3://bucket/m.bin", "-o", "m.bin", env={"AWS_ENDPOINT_URL": s.url})
    check(r.status == 0 and read("m.bin") == other and "as says" not in r.out, r)


@case
def sum_is_asked_for():
    """S3 tells it to those that ask, with a header that is signed; others are not asked"""
    def guarded(x):
        fault = sigv4.fault(x, KEYS, time.time())
        if fault or x.headers["x-amz-checksum-mode"] != "ENABLED":
            return x.say(403, b"", [("X-Fault", fault or "not asked")])
        return x.say(200, MODEL, [(AMZ + "crc64nvme", base64_of(NVME, 8)), (AMZ + "type", "FULL_OBJECT")])
    s = serve({"/bucket/m.bin": guarded, "/m.bin": file(MODEL)})
    r = tenon("fetch", "s3://bucket/m.bin", env={**OWN, "AWS_ENDPOINT_URL": s.url})
    check(r.status == 0 and "as says the server's CRC-64/NVME" in r.out, r)
    for url, env in ((s.url + "/m.bin", {}), ("oss://bucket/m.bin", {"OSS_ENDPOINT": s.url})):
        s.asked.clear()
        tenon("fetch", url, "-o", "other", "--force", env=env)
        check(s.asked and not any("x-amz-checksum-mode" in x.headers for x in s.asked), url)


@case
def sum_of_a_folder():
    """each file of a folder by its own"""
    listing = ("<ListBucketResult><IsTruncated>false</IsTruncated>"
               f"<Contents><Key>p/model.safetensors</Key><Size>{len(MODEL)}</Size></Contents></ListBucketResult>")
    s = serve({"/bucket": whole(listing.encode()), "/bucket/": whole(listing.encode()),
               "/bucket/p/model.safetensors": whole(MODEL, [(AMZ + "crc32", base64_of(zlib.crc32(MODEL), 4))])})
    r = tenon("fetch", "s3://bucket/p/", "-o", "out", env={"AWS_ENDPOINT_URL": s.url})
    check(r.status == 0 and "as says the server's CRC-32\n" in r.out, r, [x.path for x in s.asked])
