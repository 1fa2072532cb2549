"""How an alignment is scored (../shared/pairs/README.md): right, wrong, abstained, for every target tensor.

A pair is {"name", "source": {"tensors"}, "target": {"tensors"}, "truth": [[source, target]…], "ignore": […]},
"turned", when it is known: targets of square matrices that must be transposed (None: not known), and "ops", when they
are known: of targets that are a part of a tensor or made of several, what makes them.
"""
import json
import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TENON = os.path.abspath(os.environ.get("TENON", os.path.join(ROOT, "tenon")))
SHARED = os.environ.get("TENON_SHARED", os.path.join(ROOT, "..", "shared"))


class Score:
    """Counts over target tensors; adds up."""

    def __init__(self):
        self.right = self.wrong = self.abstained = self.wanted = self.pairs = self.full = 0
        self.ties = self.tied = self.misturned = 0
        self.asks = set()
        self.mistakes = []
        self.confident = []          # (confidence, right?) of what was found

    def __iadd__(self, other):
        for name in ("right", "wrong", "abstained", "wanted", "pairs", "full", "ties", "tied",
                     "misturned"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.asks |= other.asks
        self.mistakes += other.mistakes
        self.confident += other.confident
        return self

    @property
    def precision(self):
        return self.right / (self.right + self.wrong) if self.right + self.wrong else 1.0

    @property
    def recall(self):
        return self.right / self.wanted if self.wanted else 1.0

    def calibration(self):
        """The expected calibration error, over ten bins."""
        bins = [[] for _ in range(10)]
        for confidence, right in self.confident:
            bins[min(9, int(confidence * 10))].append((confidence, right))
        return sum(abs(sum(c for c, _ in b) - sum(r for _, r in b)) for b in bins) / max(1, len(self.confident))


def run(folder, pair, *options):
    """tenon's report of a pair, as JSON; its status must be the one that it says."""
    paths = []
    for side in ("source", "target"):
        path = os.path.join(folder, side + ".json")
        if isinstance(pair[side], str):
            path = pair[side]
        else:
            with open(path, "w", encoding="utf-8") as file:
                json.dump(pair[side], file)
        paths.append(path)
    environment = {**os.environ, "XDG_CONFIG_HOME": folder}      # no words of whoever runs the tests
    got = subprocess.run([TENON, "align", *paths, "--json", *(options or ("--auto",))], capture_output=True,
                         text=True, errors="surrogateescape", env=environment)
    if got.returncode not in (0, 1, 3):
        raise AssertionError(f"status {got.returncode}: {got.stderr.strip()[:300]}")
    report = json.loads(got.stdout)
    if report["exit"] != got.returncode:
        raise AssertionError(f"status {got.returncode}, and {report['exit']} in the report")
    open_ties = [tie for tie in report["ties"] if not tie["waived"]]
    ambiguous = report["summary"]["ambiguous"] > 0
    if bool(open_ties) != ambiguous or (got.returncode == 3) != ambiguous:
        raise AssertionError(f"status {got.returncode} with {len(open_ties)} open ties and "
                             f"{report['summary']['ambiguous']} ambiguous targets")
    return report


def has_turn(entry):
    """Whether the ops transpose."""
    return any(op.startswith(("T", "permute(1,0")) for op in entry["ops"])


def judge(pair, report):
    """The score of one report."""
    score, truth, shapes = Score(), {}, {}
    for source, target in pair["truth"]:
        truth.setdefault(target, set()).add(source)
    if not isinstance(pair["source"], str):
        shapes = {one["key"]: one["shape"] for one in pair["source"]["tensors"]}
    ignore, turned = set(pair.get("ignore", ())), pair.get("turned")
    for entry in report["entries"]:
        name = entry["target"]
        if name in ignore:
            continue
        wanted = truth.get(name, set())
        score.wanted += bool(wanted)
        if entry["status"] not in ("loaded", "tied"):
            score.abstained += bool(wanted)
            continue
        right = set(entry["sources"]) == wanted
        what = f"{name} <- {sorted(entry['sources'])[:3]} not {sorted(wanted)[:3]}"
        if right and turned is not None and len(entry["sources"]) == 1:
            shape = shapes.get(entry["sources"][0])
            if shape and len(shape) == 2 and shape[0] == shape[1] and entry["shape"] == shape:
                right = has_turn(entry) == (name in turned)
                what = f"{name} <- {entry['sources'][0]} {'is' if has_turn(entry) else 'is not'} transposed"
                score.misturned += not right
        made = pair.get("ops", {}).get(name)
        if right and made and entry["ops"] != made:
            right, what = False, f"{name} <- {entry['sources'][:1]} {entry['ops']} not {made}"
        score.right += right
        score.wrong += not right
        if entry["how"] == "auto":
            score.confident.append((entry["confidence"], right))
        if not right:
            score.mistakes.append(what)
    missing = set(truth) - {entry["target"] for entry in report["entries"]}
    if missing:
        raise AssertionError(f"the truth speaks of targets that are not there: {sorted(missing)[:3]}")
    score.pairs = 1
    score.full = int(score.wrong == 0 and score.abstained == 0)
    score.ties = len(report["ties"])
    score.tied = sum(tie["tensors"] for tie in report["ties"])
    score.asks = {(pair["name"], tie["ask"]) for tie in report["ties"]}
    return score


def load(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def complain(message):
    print("# " + message)
    sys.stdout.flush()
