"""The model card of an exported model: a README.md with front matter, as model hubs read it (Mitchell et al. 2019).

In: the model, and the metrics of its run where they are known. Out: Markdown with the measured numbers and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from penult.bundle import Bundle, decision_of
from penult.evaluate import verdict_of
from penult.export.parity import Parity
from penult.i18n import N_, _
from penult.texts import percent

SHARES = ("accuracy", "balanced_accuracy", "mAP", "micro_f1", "macro_f1", "exact_match")  # scores that are shares

_TAKES = N_(
    "`model.onnx` takes one photo as `image`: uint8, (height, width, 3), RGB, upright, of any size. Resizing and "
    "normalisation\nare in the file. It returns `probabilities` and `logits` (one a class, in the order of "
    "`classes.json`), `features`, and\n`novelty`."
)
_LABELS_TAKES = N_(
    "`model.onnx` takes one photo as `image`: uint8, (height, width, 3), RGB, upright, of any size. Resizing and "
    "normalisation\nare in the file. It returns `probabilities` and `logits` (one a label, in the order of "
    "`classes.json`), `features`, and\n`novelty`."
)
_NOVELTY = N_(
    "Above 1, `novelty` says that a photo is more unlike the training photos than nearly all of those were to each "
    "other: the\nanswer is then not to be relied on. The drawn pictures `sample_*.png` come with the probabilities "
    "that they gave where the\nmodel was trained."
)
_INTENDED = N_(
    "The model tells the classes below apart in photos like those that it was trained on. It gives one of them to "
    "every photo,\nalso to one that shows none of them. The scores hold for photos drawn as the training photos were; "
    "on photos from another\nsource, camera or time, measure again (`penult evaluate`)."
)
_LABEL_INTENDED = N_(
    "The model tells which of the labels below a photo like those that it was trained on has: each label has a "
    "probability and a\nthreshold of its own, and a photo may get several labels, or none. The scores hold for photos "
    "drawn as the training photos\nwere; on photos from another source, camera or time, measure again (`penult "
    "evaluate`)."
)

_CODE = """\
```python
import json
import numpy as np
import onnxruntime
from PIL import Image, ImageOps

session = onnxruntime.InferenceSession("model.onnx")
classes = json.load(open("classes.json"))["classes"]
photo = np.asarray(ImageOps.exif_transpose(Image.open("sample_0.png")).convert("RGB"))
probabilities, novelty = session.run(["probabilities", "novelty"], {"image": photo})
"""

_ARGMAX = "print(classes[probabilities.argmax()], probabilities.max(), novelty)\n```"
_GIVEN = "print(classes[given], probabilities[given], novelty)\n```"

_COSTS = f"""\
costs = 1 - np.eye(len(classes))  # the true class by row
for label, called, cost in json.load(open("classes.json"))["decision"]["costs"]:
    costs[classes.index(label), classes.index(called)] = cost
given = (probabilities @ costs).argmin()
{_GIVEN}"""

_TARGET = f"""\
decision = json.load(open("classes.json"))["decision"]
chosen = classes.index(decision["class"])
others = np.where(np.arange(len(classes)) == chosen, -1, probabilities)
given = chosen if probabilities[chosen] >= decision["threshold"] else others.argmax()
{_GIVEN}"""

_LABELS = """\
thresholds = json.load(open("classes.json"))["thresholds"]
print([name for name, p in zip(classes, probabilities) if p >= thresholds[name]], novelty)
```"""
_LAST = {"argmax": _ARGMAX, "cost": _COSTS, "target": _TARGET}  # lines of the code, by decision


def text(model: Bundle, version: str, metrics: Mapping[str, Any], checked: Sequence[Parity]) -> str:
    """Return the card."""
    several = model.task == "labels"
    title = _("# Image classifier: {classes}", classes=_joined(model.classes, 6))
    last = _LABELS if several else _LAST[decision_of(model)[0].kind]
    use = "\n\n".join([_("## Use"), _(_LABELS_TAKES if several else _TAKES), _CODE + last, _(_NOVELTY)])
    intended = f"{_('## Intended use and limits')}\n\n{_(_LABEL_INTENDED if several else _INTENDED)}"
    parts = [_front_matter(model), title, *_verdict(metrics), intended, *_classes(model, metrics), *_scores(metrics), use]
    return "\n\n".join([*parts, *_decision(model), *_networks(model), *_data(metrics), _origin(model, version, checked)])


def _decision(model: Bundle) -> Iterator[str]:
    """Yield how a class is chosen where it is not the most probable one, and what prediction sets hold."""
    rule, sets = decision_of(model)
    if rule.kind != "argmax":
        told = _("A photo is given {what} (`decision` in `classes.json`).", what=_escaped(rule.describe(model.classes)))
        yield f"{_('## Decision')}\n\n{told}"
    if sets is not None:
        told = _(
            "A class is in the set of a photo where its probability reaches its threshold (`conformal` in `classes.json`); "
            "the most probable one always is. For {level} of the photos of each class the set holds the right one.",
            level=percent(sets.level, 0),
        )
        yield f"{_('## Prediction sets')}\n\n{told}"


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
    told = ", ".join(shown)
    return _("{names} and {more:,} more", names=told, more=len(names) - most) if len(names) > most else told


def _escaped(name: str) -> str:
    """Return a name that Markdown shows as it is."""
    flat = " ".join(name.split())
    return "".join(f"\\{c}" if c in r"\`*_{}[]()<>#+-.!|" else c for c in flat)


def _verdict(metrics: Mapping[str, Any]) -> Iterator[str]:
    if said := verdict_of(metrics):
        yield said


def _classes(model: Bundle, metrics: Mapping[str, Any]) -> Iterator[str]:
    counts = metrics.get("classes") or {}
    rows = [(_escaped(name), str(counts.get(name, ""))) for name in model.classes]
    if model.thresholds is None:
        yield _table(_("## Classes"), (_("class"), _("training photos")), rows)
        return
    limits = [(*row, f"{limit:.4g}") for row, limit in zip(rows, model.thresholds.tolist(), strict=True)]
    yield _table(_("## Labels"), (_("label"), _("training photos"), _("threshold")), limits)


def _scores(metrics: Mapping[str, Any]) -> Iterator[str]:
    """Yield the scores with their intervals: out of fold, and on the test photos where they had labels."""
    parts = {
        "scores": N_("## Scores on {n} photos that the scoring model had not seen"),
        "test": N_("## Scores on {n} the test photos"),
    }
    for part, title in parts.items():
        evaluation = metrics.get(part)
        if not isinstance(evaluation, Mapping) or not isinstance(evaluation.get("scores"), Mapping):
            continue
        scores = [(name.replace("_", " "), *_interval(name, value)) for name, value in evaluation["scores"].items() if value]
        count = evaluation.get("measured", evaluation.get("images", ""))
        yield _table(_(title, n=count), (_("score"), _("value"), _("95% interval")), scores)


def _interval(score: str, value: Mapping[str, float]) -> tuple[str, str]:
    def shown(number: float | None) -> str:
        if number is None:
            return ""
        return percent(number) if score in SHARES else f"{number:.3f}"

    low, high = value.get("low"), value.get("high")
    return shown(value.get("value")), "" if low is None or high is None else _(
        "{low} to {high}", low=shown(low), high=shown(high)
    )


def _networks(model: Bundle) -> Iterator[str]:
    rows = [(_escaped(b.name), _escaped(b.license), _escaped(b.source), f"`{b.weights[:16]}`") for b in model.backbones]
    yield _table(
        _("## Pretrained networks"),
        (_("network"), _("license of the weights"), _("source"), _("sha256 of the weights")),
        rows,
    )


def _data(metrics: Mapping[str, Any]) -> Iterator[str]:
    digests = metrics.get("digests")
    if isinstance(digests, Mapping) and digests:
        rows = [(part, f"`{digest}`") for part, digest in digests.items()]
        yield _table(_("## Data"), (_("part"), _("sha256 over the digests of its photos")), rows)


def _origin(model: Bundle, version: str, checked: Sequence[Parity]) -> str:
    from penult import __version__

    rows = [(one.runtime, one.version, str(one.photos), f"{one.difference:.1e}") for one in checked]
    method = model.head.facts.get("head", model.head.kind)
    told = N_("Exported by penult {penult}; model version `{version}`; head: `{head}`.")
    head = f"{_('## Origin')}\n\n{_(told, penult=__version__, version=version, head=method)}"
    return f"{head}\n\n" + _table(
        _("Largest difference of a probability beside `penult predict --precision f32`:"),
        (_("runtime"), _("version"), _("photos"), _("difference")),
        rows,
    )


def _table(title: str, names: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(names)} |", f"|{'---|' * len(names)}", *(f"| {' | '.join(row)} |" for row in rows)]
    return f"{title}\n\n" + "\n".join(lines)
