"""The page that a run makes.

In: the record of a run. Out: Markdown.
"""

from __future__ import annotations

import platform
from typing import Any

from peers.figures import Figures, over
from peers.markdown import lines, number, spread
from peers.targets import GFLOP, targets

NOTE = """\
What counts: from the call of the extraction, with the network loaded, to the array with the features of all photos; the
first batch with its warming up is in it. penult also digests every file and writes its cache, as it does for everybody.
"Second half" is the rate over the second half of the photos, "first out" is from the start of the process to the first
features. In brackets: least and most of the runs. "penult is" says by how much penult bf16 is faster than that line. †
others took more than 6% of the machine in every run of that line. The weights are random but for EfficientNet-Lite0's in
penult; they cost the same time."""


def machine() -> str:
    """Return the processor, its cores, the memory and the system."""
    import psutil

    from penult.engines import cpu_name as processor

    return f"{processor()}, {psutil.virtual_memory().total / 1e9:.0f} GB, {platform.system()} {platform.release()}"


def render(record: dict[str, Any]) -> str:
    """Return the whole section."""
    f = Figures(record["runs"])
    loud, runs = f.loud()
    words = {"usual": "make bench", "full": "make bench BENCH=full", "quick": "make bench BENCH=quick"}[record["scale"]]
    versions = ", ".join(f"{name} {version}" for name, version in sorted(f.versions().items(), key=lambda x: x[0].lower()))
    about = (
        f"{record['machine']}. {versions}. {record['date']}, {record['minutes']:.0f} minutes, {record['repeats']} runs of "
        f"each in turn, medians; {loud} of {runs} processes were disturbed. Photos: {record['photos']}."
    )
    if record["scale"] == "quick":
        about += "\n\n**Quick: it shows that all contestants work. So few photos say nothing about their speeds.**"
    contests = dict.fromkeys(name.split("/")[0] for name in f.names("") if "/" in name and not name.startswith("head "))
    parts = ["## Beside the peers", f"    {words}", about, NOTE, *(contest(f, name) for name in contests)]
    parts += [ceilings(f), heads(f), starts(f), wanted(f)]
    return "\n\n".join(part for part in parts if part) + "\n"


def contest(f: Figures, name: str) -> str:
    """Return the table of one contest."""
    ours, rows = f.median(f"{name}/penult bf16", "rate"), []
    for full in f.names(f"{name}/"):
        short = full.partition("/")[2] + (" †" if f.noisy(full) else "")
        if error := f.error(full):
            rows.append([short, f"not run: {error[:150]}".replace("|", "/"), "", "", "", ""])
            continue
        share, engine = f.share(full), f.median(full, "engine")
        alone = f"{number(engine)} ({share:.0%})" if share else ""
        ratio = over(ours, f.median(full, "rate"))
        faster = "" if "/penult" in full or not ratio else f"{ratio:.2f} x"
        first = number(f.median(full, "first_s"))
        rows.append([short, spread(f.all(full, "rate")), number(f.median(full, "steady")), first, alone, faster])
    photos = next((int(n) for full in f.names(f"{name}/") for n in f.all(full, "images")), 0)
    return f"### {name}: {photos} photos\n\n" + lines("|photos/s|second half|first out, s|engine alone|penult is", rows)


def ceilings(f: Figures) -> str:
    """Return the table of matrix products, and what ResNet50 makes of them."""
    rows = []
    for precision in ("bf16", "int8", "f32"):
        best, rate = f.gflops(precision), f.median(f"ResNet50, 224 pixels/penult {precision}", "rate")
        share = over(rate * GFLOP if rate else None, best)
        ways = [number(f.gflops(precision, library)) for library in ("torch", "openvino")]
        rows.append([precision, *ways, f"{share:.0%}" if share else ""])
    head = f"precision|torch, GFLOP/s|OpenVINO, GFLOP/s|penult's ResNet50, photos/s x {GFLOP} GFLOP, of the better"
    return "### The ceiling: a product of two matrices\n\n" + lines(head, rows) if f.gflops("f32") else ""


def heads(f: Figures) -> str:
    """Return the table of the heads' problems."""
    names = {
        "sklearn": "LogisticRegressionCV",
        "penult": "penult, the same ten C",
        "own": "penult, its own search and calibration",
    }
    rows = []
    for full in f.names("head "):
        problem, _, way = full.partition("/")
        cells = [problem.removeprefix("head "), names[way] + (" †" if f.noisy(full) else "")]
        if error := f.error(full):
            rows.append([*cells, f"not run: {error[:150]}".replace("|", "/"), "", "", ""])
            continue
        ratio = over(f.median(f"{problem}/sklearn", "seconds"), f.median(full, "seconds"))
        loss, size = f.median(full, "log_loss") or 0.0, f.median(full, "times_x")
        memory = number(size) if problem.startswith("head 25000") else ""
        cells += [
            spread(f.all(full, "seconds")),
            f"{loss:.5f}",
            memory,
            f"{ratio:.1f} x" if ratio and way != "sklearn" else "",
        ]
        rows.append(cells)
    table = lines("rows x columns|how|s|held-out log loss|peak memory, of X|penult is", rows)
    return "### Choosing the regularisation of a logistic regression\n\n" + table if rows else ""


def starts(f: Figures) -> str:
    """Return the table of first signs of life."""
    what = {"help": "`penult --help`", "predict, cache empty": "`penult predict`, one photo, Lite0, cache empty"}
    what["predict, cache of an earlier one"] = "the same, another photo, with the cache of the first"
    rows = [[words, spread(f.all("start", key))] for key, words in what.items() if f.all("start", key)]
    return "### Start\n\n" + lines("|s", rows) if rows else ""


def wanted(f: Figures) -> str:
    """Return the table of targets."""
    met = {True: "met", False: "**not met**", None: "not measured"}
    return "### Targets\n\n" + lines(
        "what|wanted|measured|", [[t.what, t.wanted, number(t.value, 3), met[t.met]] for t in targets(f)]
    )


def brief(facts: dict[str, Any]) -> str:
    """Return one run in a line, for whoever waits."""
    if "error" in facts:
        return f"not run: {facts['error']}"
    told = [f"{key} {number(facts[key])}" for key in ("rate", "steady", "engine", "seconds", "first_s") if facts.get(key)]
    told += [f"{p} {g:.0f} GFLOP/s" for p, g in facts.get("gflops", {}).items() if g]
    return ", ".join(told) + f", others took {facts['noise']:.0%}"
