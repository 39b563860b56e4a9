"""The model card of an exported model: a README.md with front matter, as model hubs read it (Mitchell et al. 2019).

In: the model, and the metrics of its run where they are known. Out: Markdown with the measured numbers and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from penult.bundle import Bundle, decision_of
from penult.export.parity import Parity
from penult.texts import percent

SHARES = ("accuracy", "balanced_accuracy", "mAP", "micro_f1", "macro_f1", "exact_match")  # scores that are shares

_USE = """\
## Use

`model.onnx` takes one photo as `image`: uint8, (height, width, 3), RGB, upright, of any size. Resizing and normalisation
are in the file. It returns `probabilities` and `logits` (one a class, in the order of `classes.json`), `features`, and
`novelty`.

```python
import json
import numpy as np
import onnxruntime
from PIL import Image, ImageOps

session = onnxruntime.InferenceSession("model.onnx")
classes = json.load(open("classes.json"))["classes"]
photo = np.asarray(ImageOps.exif_transpose(Image.open("sample_0.png")).convert("RGB"))
probabilities, novelty = session.run(["probabilities", "novelty"], {"image": photo})
print(classes[probabilities.argmax()], probabilities.max(), novelty)
```

Above 1, `novelty` says that a photo is more unlike the training photos than nearly all of those were to each other: the
answer is then not to be relied on. The drawn pictures `sample_*.png` come with the probabilities that they gave where the
model was trained."""

_INTENDED = """\
## Intended use and limits

The model tells the classes below apart in photos like those that it was trained on. It gives one of them to every photo,
also to one that shows none of them. The scores hold for photos drawn as the training photos were; on photos from another
source, camera or time, measure again (`penult evaluate`)."""


_GIVEN = """\
print(classes[given], probabilities[given], novelty)
```"""

_COST_USE = f"""\
costs = 1 - np.eye(len(classes))  # the true class by row
for label, called, cost in json.load(open("classes.json"))["decision"]["costs"]:
    costs[classes.index(label), classes.index(called)] = cost
given = (probabilities @ costs).argmin()
{_GIVEN}"""

_TARGET_USE = f"""\
decision = json.load(open("classes.json"))["decision"]
chosen = classes.index(decision["class"])
others = np.where(np.arange(len(classes)) == chosen, -1, probabilities)
given = chosen if probabilities[chosen] >= decision["threshold"] else others.argmax()
{_GIVEN}"""

_LABEL_USE = """\
thresholds = json.load(open("classes.json"))["thresholds"]
print([name for name, p in zip(classes, probabilities) if p >= thresholds[name]], novelty)
```"""

_LABEL_INTENDED = """\
## Intended use and limits

The model tells which of the labels below a photo like those that it was trained on has: each label has a probability and a
threshold of its own, and a photo may get several labels, or none. The scores hold for photos drawn as the training photos
were; on photos from another source, camera or time, measure again (`penult evaluate`)."""


def text(model: Bundle, version: str, metrics: Mapping[str, Any], checked: Sequence[Parity]) -> str:
    """Return the card."""
    title = f"# Image classifier: {_joined(model.classes, 6)}"
    use, intended, last = _USE, _INTENDED, "print(classes[probabilities.argmax()], probabilities.max(), novelty)\n```"
    if model.task == "labels":
        use, intended = use.replace(last, _LABEL_USE).replace("one a class", "one a label"), _LABEL_INTENDED
    elif (kind := decision_of(model)[0].kind) != "argmax":
        use = use.replace(last, _COST_USE if kind == "cost" else _TARGET_USE)
    parts = [_front_matter(model), title, *_verdict(metrics), intended, *_classes(model, metrics), *_scores(metrics), use]
    return "\n\n".join([*parts, *_decision(model), *_networks(model), *_data(metrics), _origin(model, version, checked)])


def _decision(model: Bundle) -> Iterator[str]:
    """Yield how a class is chosen where it is not the most probable one, and what prediction sets hold."""
    rule, sets = decision_of(model)
    if rule.kind != "argmax":
        yield f"## Decision\n\nA photo is given {_escaped(rule.describe(model.classes))} (`decision` in `classes.json`)."
    if sets is not None:
        yield (
            "## Prediction sets\n\nA class is in the set of a photo where its probability reaches its threshold (`conformal` "
            f"in `classes.json`); the most probable one always is. For {percent(sets.level, 0)} of the photos of each class "
            "the set holds the right one."
        )


def _front_matter(model: Bundle) -> str:
    licenses = sorted({backbone.license for backbone in model.backbones})
    license = licenses[0].lower() if len(licenses) == 1 and licenses[0] == "Apache-2.0" else "other"
    lines = [
        "pipeline_tag: image-classification",
        "library_name: onnx",
        f"license: {license}",
        "tags: [penult, transfer-learning]",
    ]
    return "\n".join(["---", *lines, "---"])


def _joined(names: Sequence[str], most: int) -> str:
    shown = [_escaped(name) for name in names[:most]]
    return ", ".join(shown) + (f" and {len(names) - most} more" if len(names) > most else "")


def _escaped(name: str) -> str:
    """Return a name that Markdown shows as it is."""
    flat = " ".join(name.split())
    return "".join(f"\\{c}" if c in r"\`*_{}[]()<>#+-.!|" else c for c in flat)


def _verdict(metrics: Mapping[str, Any]) -> Iterator[str]:
    if isinstance(metrics.get("verdict"), str):
        yield metrics["verdict"]


def _classes(model: Bundle, metrics: Mapping[str, Any]) -> Iterator[str]:
    counts = metrics.get("classes") or {}
    rows = [(_escaped(name), str(counts.get(name, ""))) for name in model.classes]
    if model.thresholds is None:
        yield _table("## Classes", ("class", "training photos"), rows)
        return
    limits = [(*row, f"{limit:.4g}") for row, limit in zip(rows, model.thresholds.tolist(), strict=True)]
    yield _table("## Labels", ("label", "training photos", "threshold"), limits)


def _scores(metrics: Mapping[str, Any]) -> Iterator[str]:
    """Yield the scores with their intervals: out of fold, and on the test photos where they had labels."""
    for part, what in (("scores", "photos that the scoring model had not seen"), ("test", "the test photos")):
        evaluation = metrics.get(part)
        if not isinstance(evaluation, Mapping) or not isinstance(evaluation.get("scores"), Mapping):
            continue
        scores = [(name.replace("_", " "), *_interval(name, value)) for name, value in evaluation["scores"].items() if value]
        count = evaluation.get("measured", evaluation.get("images", ""))
        yield _table(f"## Scores on {count} {what}", ("score", "value", "95% interval"), scores)


def _interval(score: str, value: Mapping[str, float]) -> tuple[str, str]:
    def shown(number: float | None) -> str:
        if number is None:
            return ""
        return percent(number) if score in SHARES else f"{number:.3f}"

    low, high = value.get("low"), value.get("high")
    return shown(value.get("value")), "" if low is None or high is None else f"{shown(low)} to {shown(high)}"


def _networks(model: Bundle) -> Iterator[str]:
    rows = [(_escaped(b.name), _escaped(b.license), _escaped(b.source), f"`{b.weights[:16]}`") for b in model.backbones]
    yield _table("## Pretrained networks", ("network", "license of the weights", "source", "sha256 of the weights"), rows)


def _data(metrics: Mapping[str, Any]) -> Iterator[str]:
    digests = metrics.get("digests")
    if isinstance(digests, Mapping) and digests:
        rows = [(part, f"`{digest}`") for part, digest in digests.items()]
        yield _table("## Data", ("part", "sha256 over the digests of its photos"), rows)


def _origin(model: Bundle, version: str, checked: Sequence[Parity]) -> str:
    from penult import __version__

    rows = [(one.runtime, one.version, str(one.photos), f"{one.difference:.1e}") for one in checked]
    method = model.head.facts.get("head", model.head.kind)
    head = f"## Origin\n\nExported by penult {__version__}; model version `{version}`; head: `{method}`."
    return f"{head}\n\n" + _table(
        "Largest difference of a probability beside `penult predict --precision f32`:",
        ("runtime", "version", "photos", "difference"),
        rows,
    )


def _table(title: str, names: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(names)} |", f"|{'---|' * len(names)}", *(f"| {' | '.join(row)} |" for row in rows)]
    return f"{title}\n\n" + "\n".join(lines)
