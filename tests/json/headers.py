"""Headers of safetensors files as tenon reads them, against Python's json and the format's rules: headers
made and damaged at random are taken or refused alike, with the same tensors. Speaks TAP.

What is asked of a header (safetensors' README and crate, and where tenon is stricter than those): fields and
names stand once, sizes and offsets are digits alone, tensors lie one behind the other from the first byte to the
last and have as many bytes as shape and dtype say.
"""
import json
import os
import random
import re
import struct
import sys

import oracle

HEADERS = os.path.join(os.environ.get("O", "build"), "tests", "json_headers")
FILES = 20000
RANK = 32                                    # TENSOR_RANK_MAX
DTYPE_BYTES = 23                             # of a name of a dtype, at most
BITS = {"F64": 64, "F32": 32, "F16": 16, "BF16": 16, "F8_E4M3": 8, "F8_E5M2": 8, "F8_E4M3FNUZ": 8,
        "F8_E5M2FNUZ": 8, "F8_E8M0": 8, "F6_E2M3": 6, "F6_E3M2": 6, "F4": 4, "I64": 64, "I32": 32, "I16": 16,
        "I8": 8, "U64": 64, "U32": 32, "U16": 16, "U8": 8, "BOOL": 8, "C64": 64}
DTYPES = list(BITS) + ["F128", "f32", ""]
FIELDS = ("dtype", "shape", "data_offsets")


class Raw(str):
    """JSON as it stands."""


def spell(rng, made):
    """Lists of pairs are objects, whose keys may repeat."""
    if isinstance(made, Raw):
        return made
    if isinstance(made, dict):
        made = list(made.items())
    if isinstance(made, list) and made and isinstance(made[0], tuple):
        return "{" + ",".join(spell(rng, key) + ":" + spell(rng, item) for key, item in made) + "}"
    if isinstance(made, list):
        return "[" + ",".join(spell(rng, item) for item in made) + "]"
    if isinstance(made, str) and made and rng.random() < 0.05:
        return '"' + "".join(f"\\u{ord(c):04x}" if ord(c) < 0x10000 else c for c in made) + '"'
    return json.dumps(made, ensure_ascii=rng.random() < 0.5)


def name(rng):
    return rng.choice(["w", "b", "a.weight", "a.bias", "", "é", "__metadata", "x" * 20]) + rng.choice(["", ".0", ".1"])


def make(rng):
    """A header as pairs, and how many bytes follow it."""
    tensors, at = [], 0
    for _ in range(rng.choice([0, 1, 1, 2, 3, 5])):
        dtype = rng.choice(DTYPES[:-3] if rng.random() < 0.95 else DTYPES)
        shape = [rng.choice([0, 1, 2, 3, 4, 8]) for _ in range(rng.randrange(4))]
        count = BITS.get(dtype, 8)
        for size in shape:
            count *= size
        tensors.append((name(rng), [("dtype", dtype), ("shape", shape), ("data_offsets", [at, at + count // 8])]))
        at += count // 8
    if rng.random() < 0.3:
        rng.shuffle(tensors)
    if rng.random() < 0.3:
        pairs = [(name(rng), oracle.text(rng)) for _ in range(rng.randrange(3))]
        tensors.insert(rng.randrange(len(tensors) + 1), ("__metadata__", pairs or Raw("{}")))
    return tensors, at


NUMBERS = ["0", "1", "-1", "-0", "1.0", "1e3", "9223372036854775807", "9223372036854775808", "4294967296",
           "18446744073709551615", "18446744073709551616", "null", "true", '"1"', "[]", "{}", "00"]


def change(rng, tensors):
    """Something of an entry that is no damage to the JSON."""
    kind = rng.randrange(7)
    if not tensors or kind == 0:
        tensors.append((rng.choice(["__metadata__", name(rng)]), Raw(rng.choice(NUMBERS + ['{"a":"b"}', '{"a":1}']))))
        return
    at = rng.randrange(len(tensors))
    key, entry = tensors[at]
    if not isinstance(entry, list) or not entry:
        return
    if kind == 1:
        tensors.append(tensors[at])
    elif kind == 2:
        entry.append(rng.choice(entry))
    elif kind == 3:
        entry.pop(rng.randrange(len(entry)))
    elif kind == 4:
        entry.insert(rng.randrange(len(entry) + 1), ("more", Raw(rng.choice(NUMBERS + ['{"a":{"a":[1]},"a":2}']))))
    else:
        place = rng.randrange(len(entry))
        field, old = entry[place]
        if isinstance(old, list) and old and kind == 5:
            old[rng.randrange(len(old))] = Raw(rng.choice(NUMBERS))
        elif isinstance(old, list) and old and rng.random() < 0.5:
            old.pop()
        elif isinstance(old, list):
            old.insert(rng.randrange(len(old) + 1), Raw(rng.choice(NUMBERS[:2])))
        else:
            entry[place] = (field, rng.choice([rng.choice(DTYPES), Raw(rng.choice(NUMBERS)), "x" * 23, "x" * 24, "\0"]))


def files():
    rng = random.Random(20261130)
    for _ in range(FILES):
        tensors, size = make(rng)
        kind = rng.randrange(5)
        if kind == 1:
            change(rng, tensors)
        header = spell(rng, tensors or Raw("{}")).encode("utf-8", "surrogatepass")
        if kind == 2:
            header = oracle.damage(rng, header)
        if kind == 3:
            header += rng.choice([b" ", b"   ", b"\n", b"\0", b"}", b"//"])
        if kind == 4 and rng.random() < 0.3:
            size += rng.choice([1, 8, -1])
        yield header, max(size, 0)


def digits(said, most):
    """The number that digits alone are."""
    if not isinstance(said, oracle.Number) or not re.fullmatch("0|[1-9][0-9]*", said) or int(said) > most:
        raise ValueError("no number")
    return int(said)


def listed(said):
    if not isinstance(said, list):
        raise ValueError("no list")
    return said


def count_bytes(dtype, shape, given):
    """Counted as tenon does, which refuses what is beyond 64 bits on the way."""
    bits, size = 1, max(BITS.get(dtype, 32) // 8, 1) if BITS.get(dtype, 32) >= 8 else 4
    for n in shape:
        bits *= n
        size *= n or 1
        if bits >= 2 ** 64 and dtype in BITS or size >= 2 ** 63:
            raise ValueError("too many")
    if dtype in BITS and (bits * BITS[dtype] >= 2 ** 64 or bits * BITS[dtype] != 8 * given):
        raise ValueError("bytes")


def read_entry(key, entry):
    if not isinstance(entry, oracle.Pairs):
        raise ValueError("no entry")
    fields = {}
    for field, said in entry.items:
        if field in FIELDS and field in fields:
            raise ValueError("twice")
        fields[field] = said
    dtype, shape, offsets = (fields[field] for field in FIELDS)
    if not isinstance(dtype, str) or isinstance(dtype, oracle.Number):
        raise ValueError("no dtype")
    if not 1 <= len(bytes.fromhex(oracle.held(dtype))) <= DTYPE_BYTES:
        raise ValueError("no dtype")
    shape = [digits(n, 2 ** 63 - 1) for n in listed(shape)]
    begin, end = (digits(n, 2 ** 64 - 1) for n in listed(offsets))
    if len(shape) > RANK or end < begin:
        raise ValueError("rank or order")
    count_bytes(dtype, shape, end - begin)
    return oracle.held(key), dtype, shape, begin, end


def read_metadata(said):
    if said is None:
        return []
    if not isinstance(said, oracle.Pairs):
        raise ValueError("no metadata")
    pairs = [(oracle.held(key), item) for key, item in said.items]
    if len(dict(pairs)) < len(pairs):
        raise ValueError("twice")
    if any(not isinstance(item, str) or isinstance(item, oracle.Number) for _, item in pairs):
        raise ValueError("no text")
    return [f"= {key} {oracle.held(item)}" for key, item in pairs]


def read(header, size):
    """The lines that are to come; raises what the reader refuses with."""
    made = json.loads(header.decode("utf-8"), parse_int=oracle.Number, parse_float=oracle.Number,
                      parse_constant=oracle.refuse, object_pairs_hook=oracle.Pairs)
    if header[:1] != b"{":
        raise ValueError("no object")
    oracle.say(made, [])
    keys = [key for key, _ in made.items]
    if len(set(map(oracle.held, keys))) < len(keys):
        raise ValueError("twice")
    tensors = [read_entry(key, entry) for key, entry in made.items if key != "__metadata__"]
    at = 0
    for begin, end in sorted(tensor[3:] for tensor in tensors):
        if begin != at:
            raise ValueError("a hole")
        at = end
    if at != size:
        raise ValueError("size")
    short = {"F4": "f4_e2m1"}
    lines = [f"{key} {short.get(dtype, dtype.lower()) if dtype in BITS else '?'}"
             f"{' ' + ','.join(map(str, shape)) if shape else ''} at {begin}+{end - begin}"
             for key, dtype, shape, begin, end in tensors]
    return lines + [line for key, said in made.items if key == "__metadata__" for line in read_metadata(said)]


def expected(made):
    try:
        return read(*made)
    except (ValueError, KeyError, RecursionError):
        return None


def pack(made):
    header, size = made
    return struct.pack("<II", len(header), size) + header


def main():
    return oracle.compare(HEADERS, list(files()), pack, expected,
                          "{} headers: {} with the same tensors, {} refused, as their JSON and the format's rules have it")


if __name__ == "__main__":
    sys.exit(main())
