"""Prepare a release, and check what belongs together: version, changelog, citation, tag.

    make release VERSION=0.3.0                     # all checks, then one commit that makes this tree the release
    python packaging/release.py --check            # version, changelog and citation agree
    python packaging/release.py --check tag v0.3.0   # and with a tag
    python packaging/release.py --notes v0.3.0     # what the changelog says of it

`make release` changes three files: `__version__`, the date under "Unreleased" in CHANGELOG.md, and CITATION.cff. It pushes
nothing: the two lines to type then are printed.
"""

from __future__ import annotations

import argparse
import datetime
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE, CHANGES, CITATION = ROOT / "src/penult/__init__.py", ROOT / "CHANGELOG.md", ROOT / "CITATION.cff"
VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)(?:(a|b|rc)(\d+))?")
KINDS = ("Added", "Changed", "Deprecated", "Removed", "Fixed", "Security")  # of Keep a Changelog
TARGETS = ("check", "demo", "docs", "tutorials", "wheels", "test-wheel", "test-extras", "lint-workflows")


class Refused(SystemExit):
    """A release cannot be made; the text says why and what to do."""


def found(pattern: str, path: Path) -> str:
    """Return the first group of a pattern in a file."""
    match = re.search(pattern, path.read_text(encoding="utf-8"), re.MULTILINE)
    if match is None:
        raise Refused(f"{path.name} has nothing like {pattern}")
    return match[1]


def version() -> str:
    """Return the version of this tree."""
    return found(r'^__version__ = "(.+)"', PACKAGE)


def order(text: str) -> tuple[int, int, int, str, int]:
    """Return a version as what sorts: 1.0.0rc1 before 1.0.0."""
    match = VERSION.fullmatch(text)
    if match is None:
        raise Refused(f"{text!r} is not a version like 0.3.0 or 0.3.0rc1")
    return int(match[1]), int(match[2]), int(match[3]), match[4] or "z", int(match[5] or 0)


def notes(name: str) -> str:
    """Return what the changelog says of a version ("Unreleased" or 0.3.0), without its heading."""
    text = CHANGES.read_text(encoding="utf-8")
    match = re.search(
        rf"^## \[?{re.escape(name)}\]?(?: - \d{{4}}-\d\d-\d\d)?\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL
    )
    if match is None or not match[1].strip():
        raise Refused(f"CHANGELOG.md says nothing of {name}; write under '## {name}' what changed for users")
    return match[1].strip() + "\n"


def problems(tag: str | None = None) -> list[str]:
    """Return what does not agree in this tree; with a tag it must be that of the version."""
    now, said = version(), []
    order(now)
    if tag is not None and tag != f"v{now}":
        said.append(f"the tag is {tag} and the version {now}: tag v{now}, or first `make release VERSION={tag[1:]}`")
    changes = CHANGES.read_text(encoding="utf-8")
    dates = dict(re.findall(r"^## \[?([0-9][^\]\s]*)\]? - (\d{4}-\d\d-\d\d)$", changes, re.MULTILINE))
    if now not in dates:
        said.append(f"CHANGELOG.md has no heading '## {now} - YEAR-MONTH-DAY'")
    if list(dates) != sorted(dates, key=order, reverse=True):
        said.append("CHANGELOG.md does not begin with the newest version")
    for kind in re.findall(r"^### (.+)$", changes, re.MULTILINE):
        if kind not in KINDS:
            said.append(f"CHANGELOG.md has a section {kind!r}; sections are {', '.join(KINDS)}")
    cited = found(r"^version: (.+)$", CITATION), found(r"^date-released: '?([0-9-]+)'?$", CITATION)
    if cited != (now, dates.get(now, cited[1])):
        said.append(f"CITATION.cff cites {cited[0]} of {cited[1]}; this is {now} of {dates.get(now)}")
    return said


def replace(path: Path, pattern: str, new: str) -> None:
    """Replace what a pattern finds, which must be there once."""
    text, count = re.subn(pattern, new, path.read_text(encoding="utf-8"), count=1, flags=re.MULTILINE)
    if not count:
        raise Refused(f"{path.name} has nothing like {pattern}")
    path.write_text(text, encoding="utf-8")


def git(*words: str) -> str:
    """Run git here and return what it says."""
    return subprocess.run(["git", *words], cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()


def prepare(new: str, targets: tuple[str, ...]) -> None:
    """Check the tree, make it the release `new`, check that, and commit it."""
    if git("status", "--porcelain"):
        raise Refused("there are changes that are not committed: commit or stash them, then try again")
    if order(new) <= order(version()):
        raise Refused(f"{new} is not newer than {version()}, the version of this tree")
    if f"v{new}" in git("tag", "--list").splitlines():
        raise Refused(f"the tag v{new} exists: choose a newer version")
    notes("Unreleased")
    today = datetime.date.today().isoformat()
    before = git("rev-parse", "HEAD")
    try:
        replace(PACKAGE, r'^__version__ = ".+"', f'__version__ = "{new}"')
        replace(CHANGES, r"^## Unreleased$", f"## Unreleased\n\n## {new} - {today}")
        replace(CITATION, r"^version: .+$", f"version: {new}")
        replace(CITATION, r"^date-released: .+$", f"date-released: '{today}'")
        wrong = problems()
        if wrong:
            raise Refused("\n".join(wrong))
        for target in targets:
            print(f"make {target}", flush=True)
            if subprocess.run(["make", target], cwd=ROOT, check=False).returncode:
                raise Refused(f"`make {target}` failed: nothing was committed")
    except BaseException:
        git("checkout", before, "--", *(str(path.relative_to(ROOT)) for path in (PACKAGE, CHANGES, CITATION)))
        raise
    git("commit", "--all", "--message", f"penult {new}")
    print(f"\nThis tree is penult {new}. To publish it:\n\n    git tag v{new}\n    git push origin HEAD v{new}")


def main() -> None:
    """Read the options and do what they say."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--prepare", metavar="VERSION", help="make this tree that release")
    what.add_argument("--check", nargs="*", metavar="KIND NAME", help="check what belongs together; `tag v0.3.0` with a tag")
    what.add_argument("--notes", metavar="TAG", help="print what the changelog says of a release")
    parser.add_argument("--targets", nargs="*", default=TARGETS, help="the make targets that must pass first (default: all)")
    args = parser.parse_args()
    if args.prepare:
        prepare(args.prepare, tuple(args.targets))
    elif args.notes:
        print(notes(args.notes.removeprefix("v")), end="")
    else:
        kind, name = (*args.check, "", "")[:2]
        if kind == "tag" and not name:
            parser.error("--check tag needs the name of the tag")
        wrong = problems(name if kind == "tag" else None)
        if wrong:
            raise Refused("\n".join(wrong))
        print(f"version {version()}: changelog and citation agree")


if __name__ == "__main__":
    sys.exit(main())
