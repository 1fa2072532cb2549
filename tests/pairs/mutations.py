"""Changes of a pair that must not mislead. Each gives a new pair with its own truth, or None where it
cannot be made. Everything random comes from the generator that is handed in.
"""
import re

PARTS = (("q", "k", "v"), ("query", "key", "value"), ("q_proj", "k_proj", "v_proj"), ("wq", "wk", "wv"),
         ("to_q", "to_k", "to_v"))
FUSED = ("qkv", "in_proj_weight", "in_proj_bias", "c_attn", "Wqkv", "query_key_value")


def copy(pair, source=None, target=None, truth=None, **more):
    out = {**pair, "source": {"tensors": source or pair["source"]["tensors"]},
           "target": {"tensors": target or pair["target"]["tensors"]}, "truth": truth or pair["truth"], **more}
    return out


def shuffle(pair, random):
    """The source in random order."""
    tensors = list(pair["source"]["tensors"])
    random.shuffle(tensors)
    return copy(pair, source=tensors)


def sort(pair, _random):
    """Both sides in the order of the alphabet."""
    return copy(pair, *(sorted(pair[side]["tensors"], key=lambda one: one["key"]) for side in ("source", "target")))


def rename(pair, random):
    """Every word of the source becomes a random one, the same word the same one."""
    words, used = {}, set()

    def word(match):
        text = match.group(0)
        while text not in words:
            new = "".join(random.choice("bcdfghjklmnpqrstvwxz") + random.choice("aeiouy") for _ in range(3))
            if new not in used:
                used.add(new)
                words[text] = new
        return words[text]

    names = {one["key"]: re.sub(r"[A-Za-z]+", word, one["key"]) for one in pair["source"]["tensors"]}
    tensors = [{**one, "key": names[one["key"]]} for one in pair["source"]["tensors"]]
    return copy(pair, source=tensors, truth=[[names[s], t] for s, t in pair["truth"]])


def blocks(tensors):
    """{(prefix, behind): {number: [keys]}}: the runs of numbered blocks of the outermost kind."""
    out = {}
    for one in tensors:
        match = re.match(r"(.*?(?:^|[./_]))(\d+)([./].*)$", one["key"])
        if match:
            out.setdefault(match.group(1), {}).setdefault(int(match.group(2)), []).append((match.group(3), one))
    return out


def equal_blocks(pair):
    """The longest run of blocks that have the same keys and shapes: (prefix, {number: members})."""
    best = None
    for prefix, run in blocks(pair["source"]["tensors"]).items():
        kinds = {}
        for number, members in run.items():
            kind = tuple(sorted((rest, tuple(one["shape"])) for rest, one in members))
            kinds.setdefault(kind, {})[number] = members
        for same in kinds.values():
            if len(same) >= 3 and (best is None or len(same) > len(best[1])):
                best = (prefix, same)
    return best


def drop(pair, random):
    """One repeated block is missing from the source, and its number with it."""
    found = equal_blocks(pair)
    if not found:
        return None
    gone = {one["key"] for _, one in found[1][random.choice(sorted(found[1])[1:-1])]}
    lost = {t for s, t in pair["truth"] if s in gone}
    return copy(pair, source=[one for one in pair["source"]["tensors"] if one["key"] not in gone],
                truth=[[s, t] for s, t in pair["truth"] if t not in lost])


def drop_any(pair, random):
    """Whatever stands under a name that ends in a number is missing from one of the sides: the first block of a
    row, a stage, half of a decoder."""
    side = random.choice(("source", "target"))
    keys = [one["key"] for one in pair[side]["tensors"]]
    counts = {}
    for key in keys:
        match = re.match(r"(.*?\d[./])", key)
        if match:
            counts[match.group(1)] = counts.get(match.group(1), 0) + 1
    prefixes = sorted(prefix for prefix, n in counts.items() if 2 <= n and n * 2 < len(keys))
    if not prefixes:
        return None
    prefix = random.choice(prefixes)
    gone = {key for key in keys if key.startswith(prefix)}
    lost = {t for s, t in pair["truth"] if (s if side == "source" else t) in gone}
    return copy(pair, truth=[[s, t] for s, t in pair["truth"] if t not in lost],
                **{side: [one for one in pair[side]["tensors"] if one["key"] not in gone]})


def insert(pair, _random):
    """One more block at the end of a run of equal ones; nothing may take it."""
    found = equal_blocks(pair)
    if not found or max(found[1]) + 1 in blocks(pair["source"]["tensors"])[found[0]]:
        return None
    prefix, run = found
    last = max(run)
    new = [{**one, "key": f"{prefix}{last + 1}{rest}"} for rest, one in run[last]]
    tensors = list(pair["source"]["tensors"])
    at = 1 + max(i for i, one in enumerate(tensors) if any(one is other for _, other in run[last]))
    return copy(pair, source=tensors[:at] + new + tensors[at:])


def merge(pair, _random):
    """q, k and v of the source become one tensor."""
    keys = {one["key"]: one for one in pair["source"]["tensors"]}
    joined, truth, gone, made = {}, list(pair["truth"]), {}, []
    for one in pair["source"]["tensors"]:
        for parts in PARTS:
            match = re.match(rf"(.*(?:^|[./])){parts[0]}(|[./].*)$", one["key"])
            if not match:
                continue
            names = [f"{match.group(1)}{part}{match.group(2)}" for part in parts]
            if all(name in keys for name in names) and len({tuple(keys[n]["shape"][1:]) for n in names}) == 1:
                joined[one["key"]] = (f"{match.group(1)}qkv{match.group(2)}", names)
    if not joined:
        return None
    for name, names in joined.values():
        gone.update({old: name for old in names})
    for one in pair["source"]["tensors"]:
        if one["key"] in joined:
            name, names = joined[one["key"]]
            shape = [sum(keys[n]["shape"][0] for n in names)] + keys[names[0]]["shape"][1:]
            made.append({**one, "key": name, "shape": shape})
        elif one["key"] not in gone:
            made.append(one)
    return copy(pair, source=made, truth=[[gone.get(s, s), t] for s, t in truth], turned=None)


def part_of(target):
    """Which of q, k and v the target's name says; None where it says none."""
    for word in reversed(re.split(r"[._/]", target)):
        if word in ("q", "k", "v", "query", "key", "value"):
            return "qkv".index(word[0])
    return None


def split(pair, _random):
    """Fused q, k, v of the source become three tensors, where the target has them fused or in parts."""
    made, names, order = [], {}, ("q", "k", "v")
    targets = {}
    for source, target in pair["truth"]:
        targets.setdefault(source, []).append(target)
    for one in pair["source"]["tensors"]:
        word = next((w for w in FUSED if re.search(rf"(^|[./]){w}($|[./])", one["key"])), None)
        if not word or not one["shape"] or one["shape"][0] % 3:
            made.append(one)
            continue
        shape = [one["shape"][0] // 3] + one["shape"][1:]
        tail = {"in_proj_weight": ".weight", "in_proj_bias": ".bias"}.get(word, "")
        parts = [re.sub(rf"(^|[./]){word}($|[./])", rf"\g<1>{p}_proj{tail}\g<2>", one["key"]) for p in order]
        names[one["key"]] = parts
        made += [{**one, "key": part, "shape": shape} for part in parts]
    if not names:
        return None
    truth = []
    for source, target in pair["truth"]:
        if source not in names:
            truth.append([source, target])
        elif len(targets[source]) == 1:
            truth += [[part, target] for part in names[source]]
        elif part_of(target) is None:
            return None
        else:                       # each part to the target that has its letter
            truth.append([names[source][part_of(target)], target])
    return copy(pair, source=made, truth=truth, turned=None)


def transpose(pair, _random):
    """All matrices of the source lie the other way."""
    tensors = [{**one, "shape": one["shape"][::-1]} if len(one["shape"]) == 2 else one
               for one in pair["source"]["tensors"]]
    turned = None
    if pair.get("turned") is not None:
        square = {one["key"] for one in pair["source"]["tensors"]
                  if len(one["shape"]) == 2 and one["shape"][0] == one["shape"][1]}
        turned = {t for s, t in pair["truth"] if s in square} - set(pair["turned"])
    return copy(pair, source=tensors, turned=turned)


def classes(pair, _random):
    """The target's classifier has another number of classes: it must not be loaded."""
    keys = {one["key"]: one for one in pair["target"]["tensors"]}
    truth = {t: s for s, t in pair["truth"]}
    for one in reversed(pair["target"]["tensors"]):
        parent, _, leaf = one["key"].rpartition(".")
        word = re.split(r"[./]", parent)[-1]
        if len(one["shape"]) != 2 or one["key"] not in truth or \
                word not in ("head", "fc", "classifier", "linear", "lm_head", "output", "cls_score"):
            continue
        changed = {one["key"], f"{parent}.bias"} & set(keys)
        if any(keys[key]["shape"][0] != one["shape"][0] for key in changed):
            continue
        tensors = [{**t, "shape": [t["shape"][0] + 7] + t["shape"][1:]} if t["key"] in changed else t
                   for t in pair["target"]["tensors"]]
        return copy(pair, target=tensors, truth=[[s, t] for s, t in pair["truth"] if t not in changed])
    return None


def corrupt(pair, random):
    """One tensor of the source has a size that is wrong."""
    counts = {}
    for source, target in pair["truth"]:
        counts[source] = counts.get(source, 0) + 1
    several = {t for t in (t for _, t in pair["truth"]) if sum(1 for _, u in pair["truth"] if u == t) > 1} \
        if len(pair["truth"]) < 2000 else set()
    choices = [one for one in pair["source"]["tensors"]
               if one["shape"] and one["key"] in counts]
    bad = random.choice(choices)
    tensors = [{**one, "shape": [one["shape"][0] + 1] + one["shape"][1:]} if one is bad else one
               for one in pair["source"]["tensors"]]
    lost = {t for s, t in pair["truth"] if s == bad["key"]}
    return copy(pair, source=tensors,
                truth=[[s, t] for s, t in pair["truth"] if t not in lost], several=sorted(several))


MUTATIONS = {"shuffled": shuffle, "sorted": sort, "renamed": rename, "block dropped": drop, "anything dropped": drop_any,
             "block inserted": insert, "qkv merged": merge, "qkv split": split, "transposed": transpose,
             "wrong classes": classes, "shape corrupted": corrupt}
