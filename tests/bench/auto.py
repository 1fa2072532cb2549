#!/usr/bin/env python3
"""Automatic alignment by the number of tensors: time and peak memory of `tenon align --auto`, and of what it
costs beyond reading two lists of equal names. Names are generated: a mixture-of-experts model
in two layouts. Prints a curve and asserts nothing.

  auto.py [TENSORS…]      1000 10000 94000 1000000
"""
import os
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TENON = os.path.abspath(os.environ.get("TENON", os.path.join(ROOT, "tenon")))
LAYERS = 61


def names(count):
    """(source, target, shape) of a model with so many tensors: experts fill it up."""
    made = [("model.embed_tokens.weight", "tok_embeddings.weight", (1000, 512)),
            ("model.norm.weight", "norm.weight", (512,))]
    layers = max(2, min(LAYERS, count // 16))
    for i in range(layers):
        a, b = f"model.layers.{i}", f"layers.{i}"
        for s, t, shape in (("self_attn.q_proj", "attention.wq", (512, 512)), ("self_attn.k_proj", "attention.wk", (128, 512)),
                            ("self_attn.v_proj", "attention.wv", (128, 512)), ("self_attn.o_proj", "attention.wo", (512, 512)),
                            ("input_layernorm", "attention_norm", (512,)), ("post_attention_layernorm", "ffn_norm", (512,)),
                            ("mlp.gate", "feed_forward.gate", (64, 512))):
            made.append((f"{a}.{s}.weight", f"{b}.{t}.weight", shape))
        experts = (count - 2 - 7 * layers) // (3 * layers)
        for e in range(experts):
            for s, t, shape in (("gate_proj", "w1", (256, 512)), ("down_proj", "w2", (512, 256)), ("up_proj", "w3", (256, 512))):
                made.append((f"{a}.mlp.experts.{e}.{s}.weight", f"{b}.feed_forward.experts.{e}.{t}.weight", shape))
    return made


def write(path, side, made):
    with open(path, "w", encoding="utf-8") as file:
        for one in made:
            file.write(f"{one[side]} ({', '.join(map(str, one[2]))}{',' if len(one[2]) == 1 else ''})\n")


def measure(*args):
    """Seconds, MB at most, and the first line of numbers that it printed."""
    read, write_end = os.pipe()
    begin = time.monotonic()
    pid = os.fork()
    if not pid:
        os.dup2(write_end, 1)
        os.execv(TENON, [TENON, *args])
    os.close(write_end)
    with os.fdopen(read, encoding="utf-8", errors="replace") as pipe:
        text = pipe.read()
    _, _, usage = os.wait4(pid, 0)
    loaded = next((line.strip() for line in text.splitlines() if "tensors loaded" in line), "?")
    return time.monotonic() - begin, usage.ru_maxrss / 1024, loaded


def main():
    sizes = [int(word) for word in sys.argv[1:]] or [1000, 10000, 94000, 1000000]
    print("automatic alignment      all of it          equal names         --auto alone    a tensor")
    with tempfile.TemporaryDirectory() as folder:
        source, target = os.path.join(folder, "source.txt"), os.path.join(folder, "target.txt")
        for size in sizes:
            made = names(size)
            write(source, 0, made)
            write(target, 1, made)
            plain = measure("diff", target, target)
            full = measure("align", source, target, "--auto")
            alone = full[0] - plain[0]
            print(f"{len(made):>9} tensors   {full[0]:7.3f} s {full[1]:6.0f} MB   {plain[0]:7.3f} s {plain[1]:6.0f} MB"
                  f"   {alone:7.3f} s     {1e6 * alone / len(made):6.2f} us   {full[2]}")
            sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
