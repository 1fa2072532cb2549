"""Python's re.sub for test_resub.c: a line "PATTERN REPLACEMENT COUNT NAME" in, all but the count
in hexadecimal; the result in hexadecimal out, or "error"."""
import re
import sys
import warnings

warnings.simplefilter("ignore")


def text(word):
    return bytes.fromhex(word[1:]).decode()


for line in sys.stdin:
    pattern, replacement, count, name = line.split()
    try:
        made = re.sub(text(pattern), text(replacement), text(name), count=int(count))
        print("x" + made.encode("utf-8", "surrogatepass").hex())
    except (re.error, IndexError):
        print("error")
