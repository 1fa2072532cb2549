"""Writes checkpoints for sessions.sh: the key sets of tests/data/rules with values, as safetensors.

    python tests/screens/sessions.py RULES FOLDER NAME...

FOLDER/NAME.source.safetensors and FOLDER/NAME.target.safetensors get the names of a real model and
a sixteenth of its sizes. Values depend on side and name alone.
"""
import array
import json
import os
import random
import struct
import sys


def shrink(size):
    return size if size < 64 else size // 16


def write(path, side, tensors):
    header, data = {}, bytearray()
    for tensor in tensors:
        shape = [shrink(size) for size in tensor["shape"]]
        count = 1
        for size in shape:
            count *= size
        numbers = random.Random(side + tensor["key"])
        begin = len(data)
        values = array.array("f", [numbers.random() - 0.5 for _ in range(count)])
        if sys.byteorder == "big":
            values.byteswap()
        data += values.tobytes()
        header[tensor["key"]] = {"dtype": "F32", "shape": shape,
                                 "data_offsets": [begin, len(data)]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)


def main(rules, folder, names):
    for name in names:
        with open(os.path.join(rules, name + ".json")) as file:
            model = json.load(file)
        for side in "source", "target":
            write(os.path.join(folder, f"{name}.{side}.safetensors"), side,
                  model[side]["tensors"])


main(sys.argv[1], sys.argv[2], sys.argv[3:])
