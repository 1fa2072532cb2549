#!/usr/bin/env python3
"""Automatic alignment against pairs of real models whose truth is known: ../shared/pairs, where it is, and
tests/pairs/other, which is always there: families.py, and held_out.py, fresh.py, unseen.py, sealed.py, blind.py, locked.py,
later.py and apart.py, which were written later, each to be measured before anything was changed for it. Not one tensor may
be loaded wrongly; what is not found is reported. glued.py is what lies in one tensor, real_names.py what real libraries say;
--pair and --batch know them.

  run.py                 what `make check` runs: every pair, and each change of a pair on some of them
  run.py --all           every change on every pair, and what is left without order, lexicon, context
  run.py --pair NAME     one pair, with its mistakes and questions in full
  run.py --batch NAME    one of those files, in every order, with its names and without them, with gaps
  run.py --sweep N       N pairs of each kind of sweep.py made of every pair, where tensors are missing
  run.py --scores FILE   besides, the figures as lines of text
  run.py --selftest      deliberately wrong answers, which have to be found

Speaks TAP; needs nothing but Python's standard library.
"""
import argparse
import glob
import itertools
import os
import random
import sys
import tempfile

sys.path[:0] = [os.path.dirname(os.path.abspath(__file__)), os.path.join(os.path.dirname(os.path.abspath(__file__)), "other")]
import apart
import blind
import families
import fresh
import glued
import held_out
import later
import locked
import mutations
import real
import real_names
import scoring
import sealed
import sweep
import unseen

PRECISION = 0.999                # of everything that is loaded, at the default margin
LIKELY = 0.99                    # and of what is likely
FAMILY = 0.99                    # where parts are missing, of one family by itself
# Without one kind of evidence.
ABLATIONS = {"no order": "auto{order=false}", "no context": "auto{context=false}", "no lexicon": "auto{lexicon=false}"}


def turned(pair):
    """The square matrices that must be transposed: those of pairs that say so in their names."""
    if "turned" in pair:
        return pair
    squares = {one["key"] for one in pair["source"]["tensors"]
               if len(one["shape"]) == 2 and one["shape"][0] == one["shape"][1]}
    every = "_T" in pair["name"]
    pair["turned"] = {t for s, t in pair["truth"] if s in squares and (every or s == "text_projection")}
    return pair


def shared_pairs():
    return [turned(scoring.load(path)) for path in sorted(glob.glob(os.path.join(scoring.SHARED, "pairs", "*.json")))]


def other_pairs():
    return families.pairs()


def held_out_pairs():
    return held_out.pairs() + fresh.pairs()


class Tap:
    def __init__(self, scores):
        self.number = self.failures = 0
        self.scores = scores

    def test(self, name, problem=None):
        self.number += 1
        self.failures += problem is not None
        print(f"{'not ok' if problem else 'ok'} {self.number} - {name}")
        for line in (problem or "").splitlines():
            print("# " + line)
        sys.stdout.flush()

    def figures(self, text):
        print("# " + text)
        if self.scores:
            self.scores.write(text + "\n")
            self.scores.flush()


def show(score):
    return (f"precision {100 * score.precision:.2f} % ({score.wrong} wrong)  recall {100 * score.recall:.1f} % "
            f"({score.right} of {score.wanted})  ties {score.ties} ({len(score.asks)} questions)")


def attempt(tap, folder, name, pair, *options, strict=True):
    """One run, one line of TAP. Nothing may be wrong, where that is strict: else it is told."""
    try:
        score = scoring.judge(pair, scoring.run(folder, pair, *options))
    except AssertionError as problem:
        tap.test(name, str(problem))
        return None
    mistakes = "\n".join(score.mistakes[:8]) or None
    tap.test(f"{name}: {show(score)}", mistakes if strict else None)
    if mistakes and not strict:
        for line in mistakes.splitlines():
            print("# " + line)
    return score


def total(tap, what, score, gate=PRECISION):
    """The sum over pairs; the gate is on it as well."""
    tap.figures(f"{what}: {score.pairs} pairs, {score.full} fully right, {show(score)}, "
                f"calibration error {100 * score.calibration():.1f} %")
    if score.precision < gate:
        tap.test(f"{what}: precision", f"{100 * score.precision:.3f} % is below {100 * gate:.1f} %")


def show_calibration(tap, score):
    """Confidence as it is printed, and how much of that was right."""
    edges = (0, 0.5, 0.8, 0.9, 0.92, 0.94, 0.98, 0.99, 0.995, 0.999, 1.01)
    for low, high in zip(edges, edges[1:]):
        found = [(confidence, right) for confidence, right in score.confident if low <= confidence < high]
        if found:
            tap.figures(f"confidence {low:.3f} to {min(high, 1):.3f}: {len(found)} tensors, "
                        f"{100 * sum(c for c, _ in found) / len(found):.2f} % said, "
                        f"{100 * sum(right for _, right in found) / len(found):.2f} % right")


PLAIN = (("default", ("--auto",)), ("likely", ("--auto", "--accept", "likely")))
UNREAD = (("default", ("-e", "auto{values=false}")), ("likely", ("-e", 'auto{values=false, accept="likely"}')))


def run_plain(tap, folder, kind, pairs, ways=PLAIN):
    """Returns the sum of what is found when the likely is accepted."""
    for label, options in ways:
        whole = scoring.Score()
        for pair in pairs:
            score = attempt(tap, folder, f"{kind}, {label}: {pair['name']}", pair, *options,
                            strict=label == "default")
            if score:
                whole += score
        total(tap, f"{kind}, {label}", whole, PRECISION if label == "default" else LIKELY)
    return whole


def run_mutations(tap, folder, kind, pairs, everything):
    """Returns the sum of what is found; of everything, when the likely is accepted as well."""
    found = scoring.Score()
    for number, (label, change) in enumerate(mutations.MUTATIONS.items()):
        whole = scoring.Score()
        for index, pair in enumerate(pairs):
            if not everything and (index + number) % 5:
                continue
            changed = change(pair, random.Random(f"{label} {pair['name']}"))
            if changed is None:
                continue
            score = attempt(tap, folder, f"{kind}, {label}: {pair['name']}", changed, "--auto")
            if score:
                whole += score
            if score and everything:
                score = attempt(tap, folder, f"{kind}, {label}, likely: {pair['name']}", changed, *PLAIN[1][1], strict=False)
            if score:
                found += score
        total(tap, f"{kind}, {label}", whole)
    return found


BATCHES = {"families": families, "held_out": held_out, "fresh": fresh, "unseen": unseen, "sealed": sealed, "blind": blind,
           "locked": locked, "real_names": real_names, "glued": glued,
           "later": later, "apart": apart}


def run_batch(tap, folder, name):
    """The figures of one file: as it is, sorted, renamed, with a gap; and each with what is likely."""
    changes = {"": None, "sorted": mutations.sort, "renamed": mutations.rename, "block dropped": mutations.drop}
    for label, change in changes.items():
        pairs = [pair if not change else change(pair, random.Random(f"{label} {pair['name']}"))
                 for pair in BATCHES[name].pairs()]
        run_plain(tap, folder, f"{name}, {label}" if label else name, [pair for pair in pairs if pair])


def run_ablations(tap, folder, kind, pairs):
    for label, code in ABLATIONS.items():
        whole = scoring.Score()
        for pair in pairs:
            score = attempt(tap, folder, f"{kind}, {label}: {pair['name']}", pair, "-e", code)
            if score:
                whole += score
        total(tap, f"{kind}, {label}", whole)


def run_sweep(tap, folder, pairs, seeds, wanted=""):
    """Models of which parts are missing; without `seeds` a few of them. The gate is on the sum: that nothing of what
    is left can be told from what is gone happens, where a third of both sides is missing."""
    kinds, every, rest = {}, 6, scoring.Score()
    for index, pair in enumerate(pairs):
        if wanted not in pair["name"]:
            continue
        whole = scoring.Score()
        for number, (kind, label, changed) in enumerate(sweep.changes(pair, seeds or every)):
            if not seeds and (index + number) % (3 * every):
                continue
            score = scoring.judge(changed, scoring.run(folder, changed, "--auto"))
            score.mistakes = [f"{label}: {mistake}" for mistake in score.mistakes]
            kinds.setdefault(kind, scoring.Score())
            kinds[kind] += score
            whole += score
        tap.figures(f"missing, {whole.pairs} times: {pair['name']}: {show(whole)}")
        for mistake in whole.mistakes if wanted else whole.mistakes[:8]:
            print("#   " + mistake)
        if seeds and whole.precision < FAMILY:
            tap.test(f"missing: {pair['name']}", f"precision is below {100 * FAMILY:.1f} %")
    for kind, score in kinds.items():
        tap.figures(f"missing, {kind}: {score.pairs} runs, {show(score)}")
        rest += score
    tap.test(f"missing: {rest.pairs} runs, {show(rest)}",
             None if rest.precision >= PRECISION else f"precision is below {100 * PRECISION:.1f} %")


def run_one(folder, pair):
    for options in (("--auto",), ("--auto", "--accept", "likely")):
        report = scoring.run(folder, pair, *options)
        score = scoring.judge(pair, report)
        print(pair["name"], " ".join(options), show(score))
        for mistake in score.mistakes:
            print("   wrong", mistake)
        for tie in report["ties"]:
            print("   tie", tie["tensors"], tie["ask"], tie["sources"][:3], tie["targets"][:3])
        truth = {}
        for source, target in pair["truth"]:
            truth.setdefault(target, []).append(source)
        for entry in report["entries"]:
            if entry["status"] not in ("loaded", "tied") and entry["target"] in truth:
                print("   left", entry["status"], entry["target"], "<-", truth[entry["target"]][:2])


def selftest(tap, folder):
    """A checker that finds nothing wrong in wrong answers is worth nothing."""
    tensors = [{"key": f"layers.{i}.{n}.weight", "shape": [4, 4]} for i in range(3) for n in ("a", "b")]
    pair = {"name": "self", "source": {"tensors": tensors}, "target": {"tensors": tensors},
            "truth": [[one["key"], one["key"]] for one in tensors], "turned": set()}
    report = scoring.run(folder, pair, "--auto")
    good = scoring.judge(pair, report)
    tap.test("equal names are right", None if good.right == 6 and not good.wrong else show(good))
    swapped = {**pair, "truth": [[pair["truth"][(i + 2) % 6][0], t] for i, (_, t) in enumerate(pair["truth"])]}
    bad = scoring.judge(swapped, report)
    tap.test("all of them swapped are wrong", None if bad.wrong == 6 and bad.precision == 0 else show(bad))
    less = scoring.judge({**pair, "truth": pair["truth"][:-1]}, report)
    tap.test("what must stay empty and is loaded is wrong", None if less.wrong == 1 else show(less))
    turn = scoring.judge({**pair, "turned": {tensors[0]["key"]}}, report)
    tap.test("a square matrix that is not transposed is wrong", None if turn.wrong == 1 else show(turn))
    more = scoring.judge({**pair, "truth": pair["truth"] + [[tensors[1]["key"], tensors[0]["key"]]]}, report)
    tap.test("one source of two is wrong", None if more.wrong == 1 else show(more))
    made = scoring.judge({**pair, "ops": {tensors[0]["key"]: ["split(3)[1]"]}}, report)
    tap.test("another part of a source is wrong", None if made.wrong == 1 else show(made))
    probe = Tap(None)
    probe.test = lambda name, problem=None: setattr(probe, "failures", probe.failures + (problem is not None))
    attempt(probe, folder, "swapped", swapped, "--auto")
    total(probe, "swapped", bad)
    tap.test("the gates fail then", None if probe.failures == 2 else f"{probe.failures} of 2 failed")


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--all", action="store_true")
    arguments.add_argument("--pair")
    arguments.add_argument("--batch", choices=BATCHES)
    arguments.add_argument("--sweep", type=int)
    arguments.add_argument("--scores")
    arguments.add_argument("--selftest", action="store_true")
    given = arguments.parse_args()
    kinds = {"shared": shared_pairs(), "other": other_pairs(), "held out": held_out_pairs()}
    with tempfile.TemporaryDirectory() as folder:
        scores = open(given.scores, "a", encoding="utf-8") if given.scores else None
        tap, found = Tap(scores), scoring.Score()
        if given.sweep:
            run_sweep(tap, folder, list(itertools.chain(*kinds.values())), given.sweep, given.pair or "")
            print(f"1..{tap.number}")
            return tap.failures > 0
        if given.batch:
            run_batch(tap, folder, given.batch)
            print(f"1..{tap.number}")
            return tap.failures > 0
        if given.pair:
            late = [pair for batch in (unseen, sealed, blind, locked, later, apart, real_names, glued) for pair in batch.pairs()]
            for pair in [*itertools.chain(*kinds.values()), *late, *real.pairs()]:
                if given.pair in pair["name"]:
                    run_one(folder, pair)
            return 0
        selftest(tap, folder)
        for kind, pairs in kinds.items():
            if given.selftest:
                break
            if not pairs:
                tap.test("shared pairs # SKIP no ../shared/pairs beside this clone")
                continue
            found += run_plain(tap, folder, kind, pairs)
            found += run_mutations(tap, folder, kind, pairs, given.all)
            if given.all:
                run_ablations(tap, folder, kind, pairs)
        if not given.selftest:
            for kind, batch in (("unseen", unseen), ("sealed", sealed), ("blind", blind), ("locked", locked),
                                ("later", later), ("apart", apart), ("glued", glued), ("real names", real_names)):
                found += run_plain(tap, folder, kind, batch.pairs())
            run_sweep(tap, folder, list(itertools.chain(*kinds.values())), None)
        truth = [] if given.selftest else real.pairs()
        if truth:
            run_plain(tap, folder, "real files", truth)
            found += run_plain(tap, folder, "real files without their values", truth, UNREAD)
        show_calibration(tap, found)
        if scores:
            scores.close()
        print(f"1..{tap.number}")
        return tap.failures > 0


if __name__ == "__main__":
    sys.exit(main())
