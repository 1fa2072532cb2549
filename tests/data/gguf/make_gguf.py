"""Writes the fixtures beside it with the gguf package (0.17 or later): what llama.cpp's converters write.

types.gguf   a tensor of every type that the package knows, two rows each
types.crc    NAME CRC-32 of its numbers as gguf.quants.dequantize has them (f32, little-endian)
keys.gguf    a key of every type, no tensors
big.gguf     the same kinds of numbers, big-endian (gguf_convert_endian.py swaps blocks alike)
split/       a model in three parts, as gguf-split cuts it
"""
import os
import zlib

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Type

HERE = os.path.dirname(os.path.abspath(__file__))
# Where the half floats of a block stand: the rest may be any bytes.
HALVES = {
    "Q2_K": (80, 82), "Q3_K": (108,), "Q4_K": (0, 2), "Q5_K": (0, 2), "Q6_K": (208,),
    "TQ1_0": (52,), "TQ2_0": (64,), "MXFP4": (), "NVFP4": (), "Q4_1": (0, 2), "Q5_1": (0, 2),
}
PLAIN = {"F32": np.float32, "F16": np.float16, "F64": np.float64, "I8": np.int8, "I16": np.int16,
         "I32": np.int32, "I64": np.int64}


def blocks_of(kind, rng):
    """Two rows of two blocks (of one, if a block is long) with sane scales."""
    elements, size = gguf.GGML_QUANT_SIZES[kind]
    count = 2 if elements < 256 else 1
    raw = rng.integers(0, 256, (2, count, size), dtype=np.uint8)
    for at in HALVES.get(kind.name, (0,)):
        scale = rng.uniform(0.001, 0.1, (2, count, 1)).astype(np.float16)
        raw[..., at:at + 2] = scale.view(np.uint8)
    if kind == Type.MXFP4:
        raw[..., 0] = rng.integers(118, 126, (2, count))
    if kind == Type.IQ1_M:     # a half float in the upper nibbles of four numbers
        raw[..., 49] = raw[..., 49] & 15 | 0x20
        raw[..., 51] = raw[..., 51] & 15 | 0x30
        raw[..., 53] = raw[..., 53] & 15 | 0x10
        raw[..., 55] = raw[..., 55] & 15 | 0x20
    return raw.reshape(2, -1)


def write(writer):
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def write_types():
    rng = np.random.default_rng(1)
    writer = gguf.GGUFWriter(os.path.join(HERE, "types.gguf"), "llama")
    lines = []
    for kind in Type:
        name = kind.name.lower()
        if kind in (Type.Q8_1, Type.Q8_K) or kind.name == "Q1_0":
            continue          # the package has no numbers for them
        if kind.name in PLAIN:
            values = (rng.standard_normal((2, 3)) * 50).astype(PLAIN[kind.name])
            writer.add_tensor(name, values)
            numbers = values
        else:
            raw = blocks_of(kind, rng) if kind != Type.BF16 else \
                gguf.quants.quantize(rng.standard_normal((2, 4)).astype(np.float32), kind)
            writer.add_tensor(name, raw, raw_dtype=kind)
            numbers = gguf.quants.dequantize(raw, kind)
        assert np.isfinite(numbers).all(), name
        lines.append(f"{name} {zlib.crc32(numbers.astype('<f4').tobytes()):08x}\n")
    write(writer)
    with open(os.path.join(HERE, "types.crc"), "w", encoding="ascii") as file:
        file.writelines(lines)


def write_keys():
    writer = gguf.GGUFWriter(os.path.join(HERE, "keys.gguf"), "llama")
    writer.add_uint8("a.u8", 200)
    writer.add_int8("a.i8", -100)
    writer.add_uint16("a.u16", 60000)
    writer.add_int16("a.i16", -30000)
    writer.add_uint32("a.u32", 4000000000)
    writer.add_int32("a.i32", -2000000000)
    writer.add_uint64("a.u64", 2**64 - 1)
    writer.add_int64("a.i64", -2**63)
    writer.add_float32("a.f32", 1e-5)
    writer.add_float64("a.f64", 0.1)
    writer.add_bool("a.yes", True)
    writer.add_bool("a.no", False)
    writer.add_string("a.text", "häß\nlich")
    writer.add_array("a.few", [1, 2, 3])
    writer.add_array("a.words", ["eins", "zwei"])
    writer.add_array("tokenizer.ggml.tokens", [f"t{i}" for i in range(500)])
    writer.add_array("tokenizer.ggml.scores", [float(i) for i in range(100)])
    write(writer)


def write_big():
    rng = np.random.default_rng(2)
    writer = gguf.GGUFWriter(os.path.join(HERE, "big.gguf"), "llama",
                             endianess=gguf.GGUFEndian.BIG)
    for name, kind in PLAIN.items():
        writer.add_tensor(name.lower(), np.arange(6).reshape(2, 3).astype(kind) - 2)
    for kind in (Type.Q8_0, Type.Q4_0, Type.Q4_K):
        raw = blocks_of(kind, rng)
        size = gguf.GGML_QUANT_SIZES[kind][1]
        swapped = raw.reshape(-1, size).copy()
        for at in HALVES.get(kind.name, (0,)):
            swapped[:, [at, at + 1]] = swapped[:, [at + 1, at]]
        writer.add_tensor(kind.name.lower(), swapped.reshape(raw.shape), raw_dtype=kind)
        numbers = gguf.quants.dequantize(raw, kind)
        print(f"big.gguf {kind.name.lower()} {zlib.crc32(numbers.tobytes()):08x}")
    write(writer)


def write_split():
    folder = os.path.join(HERE, "split")
    os.makedirs(folder, exist_ok=True)
    writer = gguf.GGUFWriter(os.path.join(folder, "model.gguf"), "llama", split_max_tensors=2)
    writer.add_name("in three parts")
    for i in range(5):
        writer.add_tensor(f"blk.{i}.weight", np.arange(4, dtype=np.float32) + 10 * i)
    write(writer)


write_types()
write_keys()
write_big()
write_split()
