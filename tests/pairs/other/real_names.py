"""Pairs of real libraries whose truth is known by value: one model was given elements of which no two are equal, the
library's own conversion carried them over, and every tensor of the other model was looked for in the first. Only names,
shapes and their order are kept, in real_names/*.txt; models are small: where two widths are equal there, they may be in
large ones (both towers of SigLIP). Versions the names come from:

  transformers 4.46.3 (its convert_*.py)  openclip_hf_clip, openai_hf_whisper, org_hf_ast, org_hf_depth_anything,
                                          rwkv_hf, sam_hf, t5x_hf_t5, timm_hf_resnet18
  transformers 5.24.0 (what save_pretrained writes, and its modules)  hf5_exaone, hf5_hrm_text, hf5_hy_v4, hf5_olmo_hybrid
  timm 1.0.31 (checkpoint_filter_fn)      fb_timm_convnext, ms_timm_swin, whai_timm_pvt_v2
  torchvision 0.28.0, timm 1.0.31         tv_timm_mobilenetv3 (in order; both give the same outputs)
  open_clip 3.3.0, openai-whisper 20250625

A line of a file is a tensor of the source; behind "--" one of the target: NAME SHAPE [< SOURCE[+SOURCE…][|OP]]. Below
"0-3:" lines stand for each of these numbers, # on the first level, @ on the second; #[-1] is one less. {weight,bias}
stands for two lines, on both sides of "<".
"""
import glob
import os
import re

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "real_names")
LEVELS = "#@%"


def numbered(text, level, number):
    """A line for one number of its level."""
    text = re.sub(re.escape(LEVELS[level]) + r"\[([+-]\d+)\]", lambda m: str(number + int(m[1])), text)
    return text.replace(LEVELS[level], str(number))


def lines_of(lines, level=0):
    """Flat lines of a block: those that are indented below a range are repeated."""
    at = 0
    while at < len(lines):
        line = lines[at]
        at += 1
        if not line.endswith(":"):
            yield line
            continue
        end = at
        while end < len(lines) and lines[end].startswith("  "):
            end += 1
        low, high = line[:-1].split("-")
        body = [inner[2:] for inner in lines[at:end]]
        for number in range(int(low), int(high) + 1):
            for inner in lines_of(body, level + 1):
                yield numbered(inner, level, number)
        at = end


def spread(line):
    """A line for each word between braces."""
    words = re.search(r"\{([^}]*)\}", line)
    for word in words[1].split(",") if words else [None]:
        yield line if word is None else re.sub(r"\{[^}]*\}", word, line)


def tensors(text):
    """(name, shape, sources, op) in order."""
    for folded in lines_of(text.splitlines()):
        for line in spread(folded):
            left, _, right = line.partition(" < ")
            name, shape = left.split(" ")
            sources, _, op = right.partition("|")
            yield name, [int(n) for n in shape.split("x")] if shape != "()" else [], sources, op


def pair(name, text):
    source, target = text.split("--\n")
    made = {"name": "real_" + name, "truth": [], "ops": {}, "turned": set()}
    made["source"] = {"tensors": [{"key": key, "shape": shape} for key, shape, _, _ in tensors(source)]}
    made["target"] = {"tensors": []}
    for key, shape, sources, op in tensors(target):
        made["target"]["tensors"].append({"key": key, "shape": shape})
        made["truth"] += [[one, key] for one in sources.split("+") if one]
        if op == "T":
            made["turned"].add(key)
        elif op:
            made["ops"][key] = [op]
    return made


def pairs():
    made = []
    for path in sorted(glob.glob(os.path.join(FOLDER, "*.txt"))):
        with open(path, encoding="utf-8") as file:
            made.append(pair(os.path.basename(path)[:-4], file.read()))
    return made
