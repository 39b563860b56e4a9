"""Build the documentation site in site/, for a web server or to open from the disk; `make docs` runs it.

The pages are docs/*.md as they are read on GitHub, too. This program lays them out for each language (build/docs/LANGUAGE),
runs MkDocs on each, and checks every link, anchor and picture of the result. MkDocs itself loads this file as its hooks.
"""

from __future__ import annotations

import os
import posixpath
import re
import shutil
import subprocess
import sys
import time
import tomllib
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit
from urllib.request import Request, urlopen

ROOT = Path(__file__).resolve().parents[1]
ROOT_PAGES = {"CHANGELOG.md": "changelog.md", "CONTRIBUTING.md": "contributing.md", "SECURITY.md": "security.md"}
SITE, STAGE, BUILT = ROOT / "site", ROOT / "build" / "docs", ROOT / "build" / "site"
LINK = re.compile(r"(?<!\\)\]\(([^)\s]+)\)")
# What leads to a page in the other language on GitHub; on the site the header does.
SWITCH = re.compile(r"(?m)^English: \[.*?\]\(.*?\)[.。]?\n|\s*中文(?:说明)?[:：] ?\[.*?\]\(.*?\.zh\.md\)")
OTHER = "#other-language"  # stands in mkdocs.yml for the address
JOIN = re.compile(r"(?<=[\u3000-\u9fff\uff00-\uffef])\n(?=[\u3000-\u9fff\uff00-\uffef])")
PIPE = re.compile(r"`[^`\n]*\\\|[^`\n]*`")  # GitHub's tables want a bar in code escaped, Python's take it as it is
ENGLISH_ONLY = "\n> 本页暂时只有英文版。\n"


# --- lay out ------------------------------------------------------------------------------------------------------


def lay_out(language: str) -> None:
    """Write the Markdown pages of one language, and what they show, into build/docs/LANGUAGE."""
    out = STAGE / language
    shutil.rmtree(out, ignore_errors=True)
    shutil.copytree(ROOT / "docs", out, ignore=shutil.ignore_patterns("*.md"))
    for source, page in sources(language).items():
        text = SWITCH.sub("", source.read_text(encoding="utf-8"))
        text = LINK.sub(lambda found, source=source, page=page: f"]({target(found[1], source, page)})", text)  # type: ignore[misc]
        text = PIPE.sub(lambda found: found[0].replace("\\|", "|"), text)
        if language != "en" and not source.name.endswith(f".{language}.md"):
            text = re.sub(r"(\A# .*\n)", lambda found: found[1] + ENGLISH_ONLY, text, count=1)
        parts = re.split(r"(?ms)(^```.*?^```)", text)  # a line that ends in Chinese is no end of a word
        text = "".join(part if part.startswith("```") else JOIN.sub("", part) for part in parts)
        (out / page).parent.mkdir(parents=True, exist_ok=True)
        (out / page).write_text(text, encoding="utf-8")


def sources(language: str) -> dict[Path, str]:
    """Return for each page of a language the file that it is made of, with the page's path in the site."""
    files = {path.relative_to(ROOT / "docs").as_posix(): path for path in sorted((ROOT / "docs").rglob("*.md"))}
    files |= {page: ROOT / name for name, page in ROOT_PAGES.items()}
    return {files.get(f"{page[:-3]}.{language}.md", path): page for page, path in files.items() if not page.endswith(".zh.md")}


def target(link: str, source: Path, page: str) -> str:
    """Return where a link of a page in the repository leads on the site."""
    path, mark, anchor = link.partition("#")
    if "://" in link or not path or path.startswith("mailto:"):
        return link
    there = posixpath.normpath(posixpath.join(source.parent.relative_to(ROOT).as_posix(), path))
    inside = ROOT_PAGES.get(there) or (there.removeprefix("docs/") if there.startswith("docs/") else None)
    if inside is None:  # code: on the repository's own pages
        return f"{repository()}/blob/main/{there}{mark}{anchor}"
    return posixpath.relpath(inside.replace(".zh.md", ".md"), posixpath.dirname(page) or ".") + mark + anchor


def repository() -> str:
    """Return the address of the repository, as pyproject.toml has it."""
    address: str = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]["Repository"]
    return address


# --- hooks of MkDocs ----------------------------------------------------------------------------------------------


def on_config(config: Any) -> Any:
    """Spell out `folder/*.md` in the navigation, translate the titles of its parts, and name the repository."""
    named: list[str] = re.findall(r"[\w/-]+\.md", str(config.nav))
    config.nav = _spelt_out(config.nav, Path(config.docs_dir), named, config.extra.get("sections", {}))
    # not as repo_url, with which every page asks GitHub for its number of stars
    config.extra["social"] = [{"icon": "fontawesome/brands/github", "link": repository(), "name": repository()}]
    return config


def _spelt_out(nav: list[Any], folder: Path, named: list[str], titles: dict[str, str]) -> list[Any]:
    found: list[Any] = []
    for one in nav:
        if isinstance(one, dict):
            found += [{titles.get(title, title): _spelt_out(part, folder, named, titles)} for title, part in one.items()]
        elif "*" in one:
            found += [page for page in sorted(p.relative_to(folder).as_posix() for p in folder.glob(one)) if page not in named]
        else:
            found.append(one)
    return [one for one in found if not isinstance(one, dict) or all(one.values())]  # a part without pages is left out


def on_post_page(output: str, page: Any, config: Any) -> str:
    """Let the language switch lead to the same page of the other language, by a relative address."""
    here, there = posixpath.dirname(page.file.dest_uri) or ".", config.extra["other_root"] + page.file.dest_uri
    # the theme's script would ask for a sitemap at what the head has as an alternate, which a page from the disk may not
    output = re.sub(r'<link rel="?alternate"?[^>]*hreflang[^>]*>\s*', "", output)
    return output.replace(f'href="{OTHER}"', f'href="{posixpath.relpath(there, here)}"')


# --- check --------------------------------------------------------------------------------------------------------


class Page(HTMLParser):
    """What a page links to and shows, and the places in it that others can link to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.places: set[str] = set()
        self.unset: list[str] = []
        self._tags: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note links and places."""
        at = {name: value or "" for name, value in attrs}
        self.places |= {at[name] for name in ("id", "name") if name in at}
        if tag == "a" and "href" in at:
            self.links.append(at["href"])
        if tag == "link" and at.get("rel") in ("stylesheet", "icon", "preload", "preconnect"):
            self.loaded.append(at["href"])
        self.loaded += [at[name] for name in ("src", "poster") if name in at]
        if tag not in ("br", "img", "meta", "link", "input", "hr"):
            self._tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Leave a tag."""
        while tag in self._tags and self._tags.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        """Note Markdown that was not understood: a list without an empty line before it, a table, a link, a directive."""
        if self._tags[-1:] == ["p"] and re.search(r"\n[-*] \S|\n\|.*\||\]\([\w/.#]+\)|^:::|^```", data):
            self.unset.append(data.strip()[:60])


def problems(site: Path) -> list[str]:
    """Return links inside the site that lead nowhere, what is loaded from elsewhere, and Markdown that was left as it was."""
    pages = {path: Page(path.read_text(encoding="utf-8")) for path in sorted(site.rglob("*.html"))}
    found = []
    for path, page in pages.items():
        name = path.relative_to(site).as_posix()
        found += [f"{name}: loaded from elsewhere: {one}" for one in page.loaded if urlsplit(one).netloc]
        found += [f"{name}: Markdown left as it was: {one}" for one in page.unset]
        for link in (*page.links, *(one for one in page.loaded if not urlsplit(one).netloc)):
            wrong = _broken(link, path, pages)
            found += [f"{name}: {wrong}: {link}"] if wrong else []
    return found


def _broken(link: str, path: Path, pages: dict[Path, Page]) -> str:
    """Return what is wrong with a link of a page, or nothing."""
    parts = urlsplit(link)
    if parts.scheme in ("data", "mailto") or parts.hostname in ("127.0.0.1", "localhost"):  # a server of the reader's
        return ""
    if parts.scheme or parts.netloc:
        return "" if parts.scheme == "https" and "." in parts.netloc and " " not in link else "not an https address"
    there = (path.parent / unquote(parts.path)).resolve() if parts.path else path
    if there.is_dir():
        there /= "index.html"
    if path.name == "404.html":  # made for a server, with addresses from its root
        return ""
    if not there.is_file():
        return "no such file"
    anchor = unquote(parts.fragment)
    return f"no such place in {there.name}" if anchor and there in pages and anchor not in pages[there].places else ""


def ask(site: Path) -> list[str]:
    """Return every address outside the site that does not answer."""
    pages = [Page(path.read_text(encoding="utf-8")) for path in site.rglob("*.html")]
    addresses = {link for page in pages for link in page.links if "://" in link}
    found = []
    for address in sorted(one for one in addresses if not one.startswith(repository())):
        try:
            urlopen(Request(address, method="HEAD", headers={"User-Agent": "Mozilla/5.0"}), timeout=20).close()  # noqa: S310  https
        except OSError as error:
            found.append(f"{address}: {error}")
    return found


def build() -> int:
    """Build both languages side by side and check the result."""
    began = time.monotonic()
    running, quiet = [], {**os.environ, "NO_MKDOCS_2_WARNING": "1"}  # an advertisement of the generator's successor
    for language, config in (("en", "mkdocs.yml"), ("zh", "mkdocs.zh.yml")):
        lay_out(language)
        command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--config-file", str(ROOT / config)]
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        running.append(subprocess.Popen(command, cwd=ROOT, env=quiet, **pipes))
    said = [process.communicate()[0] for process in running]
    if any(process.returncode for process in running) or any("WARNING" in text for text in said):
        print(*(line for line in "".join(said).splitlines() if not line.startswith("INFO")), sep="\n", file=sys.stderr)
        return 1
    shutil.rmtree(SITE, ignore_errors=True)
    shutil.copytree(BUILT / "en", SITE)
    shutil.copytree(BUILT / "zh", SITE / "zh")
    wrong = problems(SITE)
    print(*wrong, sep="\n", file=sys.stderr)
    count = len(list(SITE.rglob("*.html")))
    print(f"site/index.html: {count} pages in {time.monotonic() - began:.0f} s, {len(wrong)} problems")
    return 1 if wrong else 0


if __name__ == "__main__":
    if "--ask" in sys.argv:
        raise SystemExit("\n".join(ask(SITE)) or 0)
    raise SystemExit(build())
