"""What the page asks for beside labels: the map, a training, exports, and what changed between two trainings.

In: the body of a request. Out: plain values. Long work becomes a job; what is written is where the user finds it again.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penult import runs
from penult.errors import InputError
from penult.i18n import _
from penult.studio import exports
from penult.studio.project import Project
from penult.studio.workspace import Workspace
from penult.training import TrainOptions, compare_runs

if TYPE_CHECKING:
    from penult.studio.session import Session

WHAT = ("labels", "folders", "page", "model", "report")
HOW = ("copy", "link")
MODEL, REPORT = "model.penult", "report.html"


class Tasks:
    """The tasks of one workspace whose project is open; any thread may ask."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace

    @property
    def _open(self) -> tuple[Project, Session]:
        workspace = self.workspace
        if workspace.project is None or workspace.session is None:
            raise InputError(_("the photos are still being prepared; ask again soon."))
        return workspace.project, workspace.session

    def map(self) -> dict[str, Any]:
        """Return where each photo lies, 0..1, with four digits; nothing as long as the map is being made."""
        project, _ = self._open
        if project.places is None:
            return {"numbers": [], "x": [], "y": []}
        x, y = (project.places[:, axis].round(4).tolist() for axis in (0, 1))
        return {"numbers": list(range(len(project))), "x": x, "y": y}

    def train(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Begin to train on the labels. Raises `InputError` where they are too few, or an option is not known."""
        project, session = self._open
        strange = set(asked) - {"id", "backbones", "head"}
        if strange:
            raise InputError(
                _("unknown fields: {strange}; `backbones` and `head` may be given.", strange=", ".join(sorted(strange))[:200])
            )
        options = self.workspace.options
        names = asked.get("backbones", list(options.backbones))
        head = asked.get("head", "blend")
        if not isinstance(head, str) or not isinstance(names, list) or not names:
            raise InputError(_("`backbones` is a list of names, and `head` a name; leave them out for the usual ones."))
        if not all(isinstance(name, str) and ("/" not in name and "\\" not in name and "@" not in name) for name in names):
            raise InputError(
                _("`backbones` has something else than names of networks; give files with -b when penult is started.")
            )
        view, exam = session.view(), session.questions.exam
        training, test = exports.training_sets(project, view, exam.reserved, exam.sample(view), _names(session))
        how = TrainOptions(str(self.workspace.run), tuple(names), head=head, seed=options.seed, settings=options.settings)
        return {"job": self.workspace.jobs.start("train", {"train": training, "test": test, "options": how})}

    def export(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Write labels, class folders or the web page, or say where model and report are."""
        what, how = asked.get("what"), asked.get("how", "copy")
        if what not in WHAT or how not in HOW or set(asked) - {"id", "what", "how"}:
            raise InputError(
                _("`what` is one of {what}, and `how` copy or link; nothing else is known.", what=", ".join(WHAT))
            )
        project, session = self._open
        if what == "labels":
            return {"path": str(session.write_table())}
        if what == "folders":
            files = self._labelled(project, session)
            asked = {"files": files, "out": str(project.folder / exports.FOLDERS), "how": how}
            return {"job": self.workspace.jobs.start("folders", asked)}
        self._trained()
        if what == "page":
            asked = {"run": str(self.workspace.run), "out": str(free_path(project.folder / exports.PAGE))}
            return {"job": self.workspace.jobs.start("page", asked)}
        name = MODEL if what == "model" else REPORT
        return {"path": str(self.workspace.run / name), "address": f"/run/{name}"}

    def _trained(self) -> None:
        if runs.read_finished(self.workspace.run) is None:
            raise InputError(_("this project has no finished training yet; train first."))

    @staticmethod
    def _labelled(project: Project, session: Session) -> list[tuple[str, str]]:
        """Return path and class of every file with a label. Raises `InputError` where there is none."""
        view, names = session.view(), _names(session)
        found = [(path, names[view.labels[n]]) for n in view.labelled.nonzero()[0].tolist() for path in project.paths[n]]
        if not found:
            raise InputError(_("no photo has a label yet; label some first."))
        return found

    def cancel(self) -> dict[str, Any]:
        """End the job that is at work."""
        return {"cancelled": self.workspace.jobs.cancel(), "job": self.workspace.jobs.state()}

    def differences(self) -> dict[str, Any]:
        """Return what changed from the last training but one to the last, with the numbers of photos; `former` may be None."""
        project, _ = self._open
        earlier = [path for path in runs.former_runs(self.workspace.run) if runs.read_finished(path) is not None]
        if not earlier or runs.read_finished(self.workspace.run) is None:
            return {"former": None, "present": None}
        found = compare_runs(earlier[-1], self.workspace.run).to_dict()
        for part in (found, found["test"] or {}):
            for one in (*part.get("right", ()), *part.get("wrong", ())):
                one["n"] = project.number(one["file"])
        return found


def free_path(wanted: Path) -> Path:
    """Return a path where nothing is: `model.html`, else `model-2.html` and so on."""
    every = chain([wanted], (wanted.with_stem(f"{wanted.stem}-{number}") for number in count(2)))
    return next(path for path in every if not os.path.lexists(path))


def _names(session: Session) -> list[str]:
    return [one.name for one in session.store.classes]
