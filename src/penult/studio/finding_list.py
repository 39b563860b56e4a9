"""What may be wrong with photos and labels, for the page to be worked through: the project's findings and labels in doubt.

In: the project's findings, the whole head's newest answers, decisions so far. Out: plain values, ready for JSON. An id stays
the same over restarts, and one that was shown can be decided on although the newest answers do not have it any more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from penult.audit import KINDS
from penult.i18n import _, language
from penult.stored_texts import retranslated
from penult.studio.photo_list import Snapshot
from penult.studio.view import LabelledPhotos
from penult.texts import percent, printable

LABEL = "label"  # the kind of finding of a label that is more probably wrong than right


class FindingList:
    """The findings of a project."""

    def __init__(self, project: LabelledPhotos) -> None:
        self._digests = project.digests
        self._given = [dict(one) for one in project.findings]
        self._texts: dict[str, list[dict[str, Any]]] = {}  # the same by language
        self.photos: dict[str, int] = {str(one["id"]): int(one["n"]) for one in self._given}  # of every finding ever shown

    def every(self, now: Snapshot, decisions: Mapping[str, str]) -> dict[str, Any]:
        """Return all findings with what was decided, and of labels in doubt how many are expected to be wrong."""
        guess, p = now.guessed
        found = [*self._said(language()), *self._doubted(now)]
        excluded = now.view.select("excluded")
        self.photos |= {one["id"]: one["n"] for one in found}
        listed = []
        for one in sorted(found, key=lambda one: KINDS[one["kind"]].rank):
            n, decision = one["n"], decisions.get(one["id"])
            if decision in (None, "exclude"):  # photos are excluded, and included again, elsewhere, too
                decision = "exclude" if excluded[n] else None
            state = {
                "label": int(now.view.labels[n]),
                "guess": int(guess[n]),
                "p": round(float(p[n]), 4),
                "decision": decision,
            }
            listed.append(one | state)
        return {"findings": listed, "expected": _expected(listed)}

    def _said(self, language: str) -> list[dict[str, Any]]:
        """Return the findings of the project with their texts in a language."""
        if language not in self._texts:
            self._texts[language] = [
                one | {name: retranslated(text) for name, text in one.items() if name in ("title", "reason", "suggestion")}
                for one in self._given
            ]
        return self._texts[language]

    def _doubted(self, now: Snapshot) -> list[dict[str, Any]]:
        """Return the labels that the whole head, which had not seen them, takes for wrong, and that were not changed since."""
        if now.result is None:
            return []
        given = {one["n"] for one in self._given if one["kind"] == LABEL}
        kind, made = KINDS[LABEL], []
        for n, own, wrong, other in now.result.doubted:
            if n in given or own != now.view.labels[n] or other >= len(now.names) or now.names[other].removed:
                continue
            name, seems = printable(now.names[own].name), printable(now.names[other].name)
            made.append({
                "id": f"{LABEL}-{self._digests[n][:16]}-{own}",
                "kind": LABEL,
                "title": _(kind.one),
                "n": n,
                "related": None,
                "score": round(wrong, 4),
                "reason": _(
                    "labelled {name}, looks like {seems}; the label is wrong with a probability of {share}",
                    name=name,
                    seems=seems,
                    share=percent(wrong, 0),
                ),
                "suggestion": _("look at it; if it is {seems}, correct the label", seems=seems),
                "other": other,
            })  # fmt: skip
        return made


def _expected(listed: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Return how many of the open findings of a kind are expected to be true: the sum of what is a probability."""
    open_ = [
        one["score"] for one in listed if one["kind"] == LABEL and one["decision"] is None and one.get("score") is not None
    ]
    return {LABEL: round(sum(open_), 1)} if open_ else {}
