"""Checks AWS Signature Version 4 of a request, from Amazon's description of it alone."""
import calendar
import hashlib
import hmac
import time
import urllib.parse


def sha256(text):
    return hashlib.sha256(text.encode()).hexdigest()


def mac(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def fault(request, secrets, now):
    """What is wrong with a request's signature; None if it is right. `secrets` is {id: secret}."""
    headers = {name.lower(): " ".join(value.split()) for name, value in request.headers.items()}
    given = headers.get("authorization", "")
    if not given.startswith("AWS4-HMAC-SHA256 "):
        return "no signature"
    fields = dict(part.strip().split("=", 1) for part in given.split(" ", 1)[1].split(","))
    key_id, date, region, service, ending = fields["Credential"].split("/")
    if key_id not in secrets:
        return "unknown key"
    stamp = headers.get("x-amz-date", "")
    if stamp[:8] != date or ending != "aws4_request":
        return "scope"
    if abs(now - calendar.timegm(time.strptime(stamp, "%Y%m%dT%H%M%SZ"))) > 900:
        return "time"
    names = fields["SignedHeaders"].split(";")
    if names != sorted(names) or "host" not in names:
        return "signed headers"
    for name in headers:
        if name.startswith("x-amz-") and name not in names:
            return f"{name} is not signed"
    path, _, query = request.path.partition("?")
    pairs = sorted(urllib.parse.parse_qsl(query, keep_blank_values=True))
    canonical = "\n".join([
        request.command,
        urllib.parse.quote(urllib.parse.unquote(path), safe="/-_.~"),
        "&".join(f"{urllib.parse.quote(k, safe='-_.~')}={urllib.parse.quote(v, safe='-_.~')}"
                 for k, v in pairs),
        "".join(f"{name}:{headers[name]}\n" for name in names),
        ";".join(names),
        headers["x-amz-content-sha256"],
    ])
    scope = f"{date}/{region}/{service}/aws4_request"
    text = "\n".join(["AWS4-HMAC-SHA256", stamp, scope, sha256(canonical)])
    key = ("AWS4" + secrets[key_id]).encode()
    for part in (date, region, service, "aws4_request"):
        key = mac(key, part)
    expected = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    return None if hmac.compare_digest(expected, fields["Signature"]) else "signature"
