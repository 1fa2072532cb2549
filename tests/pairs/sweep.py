"""Models of which parts are missing: tensors, layers, blocks, stages, an end, from one side or from both, with the
numbers behind the gap closed up or not, and in any order. Each change gives a pair with its own truth, as those of
mutations.py do.
"""
import collections
import random
import re

import mutations

SIDES = ("source", "target")


def keys_of(pair, side):
    return [one["key"] for one in pair[side]["tensors"]]


def without(pair, side, gone):
    """A side without the keys `gone`; a target that lost one of its sources has none."""
    gone = set(gone)
    lost = {t for s, t in pair["truth"] if (s if side == "source" else t) in gone}
    return mutations.copy(pair, truth=[[s, t] for s, t in pair["truth"] if t not in lost],
                          **{side: [one for one in pair[side]["tensors"] if one["key"] not in gone]})


def prefixes(keys, low, high):
    """The paths under which at least `low` and at most `high` of the keys lie."""
    counts = collections.Counter()
    for key in keys:
        for match in re.finditer(r"[./]|\d(?=[_./])", key):
            counts[key[:match.end()]] += 1
    return sorted(prefix for prefix, n in counts.items() if low <= n <= high)


def drop_under(pair, side, dice, low, high, wanted=""):
    """What lies under one path that matches `wanted`."""
    keys = keys_of(pair, side)
    found = [prefix for prefix in prefixes(keys, low, high) if re.search(wanted, prefix)]
    if not found:
        return None
    prefix = dice.choice(found)
    return without(pair, side, [key for key in keys if key.startswith(prefix)])


def tensors(pair, side, dice):
    keys = keys_of(pair, side)
    return without(pair, side, dice.sample(keys, min(len(keys) - 1, dice.choice((1, 1, 2, 3)))))


def layer(pair, side, dice):
    return drop_under(pair, side, dice, 1, 4)


def block(pair, side, dice):
    return drop_under(pair, side, dice, 2, len(keys_of(pair, side)) // 2, r"\d[./_]?$")


def stage(pair, side, dice):
    n = len(keys_of(pair, side))
    return drop_under(pair, side, dice, max(2, n // 12), n * 2 // 3)


def ends(pair, side, dice):
    """What stands first or last: a stem, a head."""
    keys, n = keys_of(pair, side), dice.randint(1, 5)
    if len(keys) <= 2 * n:
        return None
    return without(pair, side, dice.choice((keys[:n], keys[-n:])))


def some(pair, side, dice):
    """Each tensor with the same chance."""
    share = dice.choice((0.03, 0.1, 0.3))
    return without(pair, side, [key for key in keys_of(pair, side) if dice.random() < share])


def closed_up(pair, side, dice):
    """A block is missing, and those behind it have moved up. Where every block fits in the place of the one before
    it, on either side, nobody can tell; such a row is not touched."""
    rows = mutations.blocks(pair[side]["tensors"])
    across, homes = {}, {}
    for source, target in pair["truth"]:
        own, other = (source, target) if side == "source" else (target, source)
        across.setdefault(own, []).append(other)
    for other in mutations.blocks(pair[SIDES[side == "source"]]["tensors"]).items():
        for number, members in other[1].items():
            homes.update({one["key"]: (other[0], number, tuple(one["shape"])) for _, one in members})
    choices = []
    for prefix, row in sorted(rows.items()):
        for number in sorted(row):
            behind = [n for n in row if n >= number and n + 1 in row]
            if any(look(row[n]) != look(row[n + 1]) and
                   beyond(row[n], across, homes) != beyond(row[n + 1], across, homes) for n in behind):
                choices.append((prefix, number))
    return move_up(pair, side, rows, *dice.choice(choices)) if choices else None


def alike(pair, side, dice):
    """The same in any row: where its blocks look alike nobody can tell which one is missing, and that has to be asked.
    Only where most of it has the same names in both files these are believed, as every loader does."""
    rows = mutations.blocks(pair[side]["tensors"])
    choices = []
    for prefix, row in sorted(rows.items()):
        keys = {one["key"] for members in row.values() for _, one in members}
        moved = {t: s for s, t in pair["truth"] if (s if side == "source" else t) in keys}
        named = sum(s.endswith(t) or t.endswith(s) for t, s in moved.items())
        if named * 2 < len(moved):
            choices += [(prefix, number) for number in sorted(row) if number + 1 in row]
    return move_up(pair, side, rows, *dice.choice(choices)) if choices else None


def move_up(pair, side, rows, prefix, gone):
    """Without one block, those behind it counted on from the one before."""
    behind, names = set(rows[prefix]), {}
    for number in sorted(behind):
        if number > gone and all(n in behind for n in range(gone, number)):
            for rest, one in rows[prefix][number]:
                names[one["key"]] = f"{prefix}{number - 1}{rest}"
    changed = without(pair, side, [one["key"] for _, one in rows[prefix][gone]])
    renamed = [{**one, "key": names.get(one["key"], one["key"])} for one in changed[side]["tensors"]]
    truth = [[names.get(s, s), t] if side == "source" else [s, names.get(t, t)] for s, t in changed["truth"]]
    more = {}
    if pair.get("turned") is not None and side == "target":
        more["turned"] = {names.get(t, t) for t in pair["turned"]}
    return mutations.copy(changed, truth=truth, **{side: renamed}, **more)


def look(members):
    return sorted((rest, tuple(one["shape"])) for rest, one in members)


def beyond(members, across, homes):
    """The shapes of the other side that lie in the block where most of these tensors belong."""
    found = collections.Counter()
    blocks = {}
    for _, one in members:
        for other in across.get(one["key"], ()):
            if other in homes:
                prefix, number, shape = homes[other]
                found[prefix, number] += 1
                blocks.setdefault((prefix, number), []).append(shape)
    return sorted(blocks[found.most_common(1)[0][0]]) if found else []


KINDS = {"tensors": tensors, "a layer": layer, "a block": block, "a stage": stage, "an end": ends,
         "some": some, "closed up": closed_up}
ALONE = {"closed up, any row": alike}    # on both sides it leaves nothing that shows it
ORDERS = {"": None, ", shuffled": mutations.shuffle, ", sorted": mutations.sort}


def changes(pair, seeds):
    """(kind, label, pair): one side or both, in the order of definition or not."""
    for kind, change in [*KINDS.items(), *ALONE.items()]:
        for seed in range(seeds):
            dice = random.Random(f"{pair['name']} {kind} {seed}")
            side = SIDES[seed % 2]
            changed, label = change(pair, side, dice), f"{kind} of the {side}"
            if changed and seed % 3 == 2 and kind in KINDS:
                other = SIDES[side == "source"]
                more = dice.choice(sorted(KINDS))
                again = KINDS[more](changed, other, dice)
                if again:
                    changed, label = again, f"{label}, {more} of the {other}"
            if not changed or not changed["truth"]:
                continue
            order = list(ORDERS)[(seed // 2) % len(ORDERS)]
            if ORDERS[order]:
                changed = ORDERS[order](changed, dice)
            yield kind, f"{label}{order} ({seed})", changed
