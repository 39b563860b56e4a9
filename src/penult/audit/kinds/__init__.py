"""The kinds of findings: each file here declares one or several, and finds them. To add a kind, add a file.

A file has `KINDS`, a tuple of `FindingKind`, and `find(data: AuditData)`, which yields the findings. All else (findings.csv,
metrics.json, the report, the command line) reads from that.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from penult.audit.finding import KINDS, AuditData, Finding, FindingKind, ranked

_MODULES = [import_module(f"{__name__}.{module.name}") for module in iter_modules(__path__)]
_FOUND: list[FindingKind] = [kind for module in _MODULES for kind in module.KINDS]
KINDS.update({kind.name: kind for kind in sorted(_FOUND, key=lambda kind: kind.rank)})


def find_all(data: AuditData) -> list[Finding]:
    """Return all findings, the gravest kinds first."""
    return ranked(finding for module in _MODULES for finding in module.find(data))
