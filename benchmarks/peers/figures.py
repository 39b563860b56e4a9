"""Medians of what the contestants told.

In: the runs of a record. Out: one number for each question. Runs in which others took more than a little of the machine
count only where there are no quiet ones.
"""

from __future__ import annotations

import statistics
from typing import Any

from peers.arena import NOISY


class Figures:
    """What the runs showed, by the name of the contestant ("contest/name")."""

    def __init__(self, runs: dict[str, list[dict[str, Any]]]) -> None:
        self._runs = runs

    def names(self, start: str) -> list[str]:
        """Return the contestants whose names begin so, in the order in which they ran."""
        return [name for name in self._runs if name.startswith(start)]

    def all(self, name: str, what: str) -> list[float]:
        """Return what a contestant told in each run that counts."""
        told = [run for run in self._runs.get(name, []) if isinstance(run.get(what), int | float)]
        return [float(run[what]) for run in ([run for run in told if run["noise"] <= NOISY] or told)]

    def median(self, name: str, what: str) -> float | None:
        """Return the median of it; None where it was not measured."""
        found = self.all(name, what)
        return statistics.median(found) if found else None

    def noisy(self, name: str) -> bool:
        """Say whether a contestant ran and no run of it was quiet; one that could not run made no noise."""
        noise = [run["noise"] for run in self._runs.get(name, []) if "noise" in run]
        return bool(noise) and min(noise) > NOISY

    def error(self, name: str) -> str | None:
        """Return why a contestant did not run; None where it did."""
        errors = [run["error"] for run in self._runs[name] if "error" in run]
        return errors[-1] if len(errors) == len(self._runs[name]) else None

    def share(self, name: str) -> float | None:
        """Return the rate of the extraction over that of the engine alone, both of one process, the median of the runs."""
        pairs = zip(self.all(name, "rate"), self.all(name, "engine"), strict=True)
        shares = [rate / engine for rate, engine in pairs] if self.all(name, "engine") else []
        return statistics.median(shares) if shares else None

    def gflops(self, precision: str, library: str | None = None) -> float | None:
        """Return the GFLOP/s of a large matrix product: the better library's, or that of one."""
        told = [run for run in self._runs.get("ceiling", []) if "error" not in run]
        told = [run for run in told if run["noise"] <= NOISY] or told
        values = [run["ways"][precision].get(library) if library else run["gflops"][precision] for run in told]
        known = [value for value in values if value]
        return statistics.median(known) if known else None

    def versions(self) -> dict[str, str]:
        """Return the version of everything that ran."""
        return {k: v for runs in self._runs.values() for run in runs for k, v in run.get("versions", {}).items()}

    def loud(self) -> tuple[int, int]:
        """Return how many runs were not quiet, and how many there were."""
        noise = [run["noise"] for runs in self._runs.values() for run in runs if "noise" in run]
        return sum(n > NOISY for n in noise), len(noise)


def over(a: float | None, b: float | None) -> float | None:
    """Return a / b; None where either is unknown."""
    return a / b if a is not None and b else None
