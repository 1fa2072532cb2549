"""JSON as tenon reads it, against Python's json: documents made at random and damaged at random are taken
or refused alike, with the same events in the same order. Speaks TAP.

Python's reader is laxer in three things, which are made strict here: NaN and Infinity are refused, and so
are bytes that are no UTF-8. Lone surrogates it keeps, as held names do (\\udc80 to \\udcff as the byte).
"""
import json
import os
import random
import struct
import subprocess
import sys
import tempfile

EVENTS = os.path.join(os.environ.get("O", "build"), "tests", "json_events")
DOCUMENTS = 30000
DEPTH = 128                                  # JSON_DEPTH

PIECES = ['"', "\\", "\\u", "d800", "\\udc00", "{", "}", "[", "]", ",", ":", "0", "-", "1", ".", "e", "E",
          "+", " ", "\n", "\t", "\r", "true", "false", "null", "NaN", "tru", "a", "é", "€", "\U0001F600",
          "\x00", "\x1f", "\x7f", "//", "'", "\\n", "\\/", "\\x", '"a":', '""', "-0", "01", "1e5", "Infinity"]


def value(rng, depth):
    """Any value, smaller the deeper it lies."""
    kind = rng.randrange(9 if depth < 5 else 6)
    if kind == 0:
        return rng.choice([None, True, False])
    if kind == 1:
        return rng.choice([0, 1, -1, 7, 10 ** 18, 2 ** 64, 10 ** 30, -10 ** 18])
    if kind == 2:
        return rng.choice([0.5, -2.25, 1e300, 1e-7, 123456.75, -0.0])
    if kind < 6:
        return text(rng)
    if kind == 6:
        return [value(rng, depth + 1) for _ in range(rng.randrange(5))]
    return {text(rng): value(rng, depth + 1) for _ in range(rng.randrange(5))}


def text(rng):
    alphabet = rng.choice(["abc.weight_0", 'a"\\/\b\f\n\r\t\x00\x1f', "é€\U0001F600a", "\ud800\udc00\udcffx\udbff"])
    return "".join(rng.choice(alphabet) for _ in range(rng.choice([0, 1, 3, 8, 17, 40])))


def spell(rng, made):
    """One of the many ways to write a value."""
    spaces = rng.choice([(",", ":"), (", ", ": "), (" ,\n", "\t:\r ")])
    ascii_only = rng.random() < 0.5
    said = json.dumps(made, ensure_ascii=ascii_only, separators=spaces,
                      indent=rng.choice([None, None, 1]))
    return said.encode("utf-8", "surrogatepass")


def damage(rng, document):
    """A few changes anywhere."""
    for _ in range(rng.choice([1, 1, 1, 2, 4])):
        at, to = sorted(rng.randrange(len(document) + 1) for _ in range(2))
        kind = rng.randrange(5)
        if kind == 0:
            document = document[:at] + document[at + 1:]
        elif kind == 1:
            document = document[:at] + rng.choice(PIECES).encode() + document[at:]
        elif kind == 2:
            document = document[:at] + bytes([rng.randrange(256)]) + document[at + 1:]
        elif kind == 3:
            document = document[:at] + document[min(to, at + 6):]
        else:
            document = document[:to] + document[at:]
    return document


def documents():
    rng = random.Random(20261129)
    for n in (DEPTH, DEPTH + 1):
        yield b"[" * n + b"]" * n
    for _ in range(DOCUMENTS):
        document = spell(rng, value(rng, 0))
        yield document if rng.random() < 0.3 else damage(rng, document)


class Number(str):
    """A number keeps its text."""


def refuse(word):
    raise ValueError(word)


def held(string):
    """The bytes of a held name: strays as they are, NUL in two bytes, other surrogates in three."""
    out = bytearray()
    for c in string:
        code = ord(c)
        out += (b"\xc0\x80" if not code else bytes([code - 0xDC00]) if 0xDC80 <= code <= 0xDCFF
                else c.encode("utf-8", "surrogatepass"))
    return out.hex()


def say(made, lines, depth=0):
    if isinstance(made, Pairs) or isinstance(made, list):
        if depth == DEPTH:
            raise ValueError("depth")
        lines.append("{" if isinstance(made, Pairs) else "[")
        for item in made.items if isinstance(made, Pairs) else made:
            if isinstance(made, Pairs):
                lines.append("key " + held(item[0]))
                item = item[1]
            say(item, lines, depth + 1)
        lines.append("}" if isinstance(made, Pairs) else "]")
    elif isinstance(made, Number):
        lines.append("number " + made.encode().hex())
    elif isinstance(made, str):
        lines.append("string " + held(made))
    else:
        lines.append({None: "null", True: "true", False: "false"}[made])


class Pairs:
    """An object, its keys in order and as often as they stand there."""

    def __init__(self, items):
        self.items = items


def expected(document):
    """The events, or None where Python refuses it."""
    try:
        made = json.loads(document.decode("utf-8"), parse_int=Number, parse_float=Number,
                          parse_constant=refuse, object_pairs_hook=Pairs)
        lines = []
        say(made, lines)
        return lines
    except (ValueError, UnicodeDecodeError, RecursionError):
        return None


def compare(program, made, pack, expected, words):
    """What the program says of all that was made, packed into one file, is what is expected of each: lines, or
    None where it is refused. Of either there are many. Tells it, and gives the exit status."""
    with tempfile.NamedTemporaryFile() as file:
        for one in made:
            file.write(pack(one))
        file.flush()
        said = subprocess.run([program, file.name], stdout=subprocess.PIPE, check=True).stdout
    wrong, taken, refused, lines = [], 0, 0, []
    rest = iter(made)
    for line in said.decode("utf-8", "replace").split("\n")[:-1]:
        if line != "fine" and not line.startswith("refused: "):
            lines.append(line)
            continue
        one = next(rest)
        wanted = expected(one)
        taken += line == "fine"
        refused += line != "fine"
        if (lines if line == "fine" else None) != wanted:
            wrong.append(f"# {one!r}: {line}\n#   wanted {wanted}\n#   read   {lines}")
        lines = []
    whole = taken + refused == len(made) and min(taken, refused) > len(made) // 4
    print(f"{'ok' if whole and not wrong else 'not ok'} 1 - {words.format(len(made), taken, refused)}")
    print("\n".join(wrong[:20] + ["1..1"]))
    return 1 if wrong or not whole else 0


def main():
    return compare(EVENTS, list(documents()), lambda one: struct.pack("<I", len(one)) + one, expected,
                   "{} documents: {} read with the same events, {} refused, as Python's json does")


if __name__ == "__main__":
    sys.exit(main())
