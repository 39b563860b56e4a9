"""`penult studio`: label photos in the browser."""

from __future__ import annotations

import argparse
from pathlib import Path

from penult.cli import options, sources
from penult.cli.parser import Commands, command
from penult.i18n import _


def add(commands: Commands) -> None:
    """Add the command and its options."""
    p = command(
        commands,
        "studio",
        run,
        _("label photos in the browser, and train on the labels"),
        _(
            "SOURCE is a folder of photos (without labels, half labelled, in class folders), a CSV, a finished run whose "
            "labels\n"
            "are to be mended, or a project of the studio. Everything stays on this machine.\n\n"
            "The project folder has labels.csv (what `penult train` takes), labels.db, and later run/ with the model. "
            "Nothing is\n"
            "written beside the photos. Ctrl-C ends it; the labels are kept, and the same command goes on."
        ),
        _("""
        penult studio photos/                            opens the browser
        penult studio run                                mend the labels of a run, train again, see what changed
        penult studio --review review/                   what `penult serve --review` put aside
        """),
    )
    p.add_argument("source", nargs="?", metavar="SOURCE", help=_("folder of photos, CSV, run folder or project"))
    p.group("Data").add_argument("--review", metavar="DIR", help=_("folder in which `penult serve --review` put photos aside"))
    options.add_out(p, "PROJECT", _("project folder (default: NAME-studio in this folder)"))
    server = p.group("Server")
    server.add_argument(
        "--port", type=int, metavar="N", help=_("port to listen at; 0: any that is free (default: 8017, or any)")
    )
    server.add_argument("--no-browser", action="store_true", help=_("only print the address"))
    p.group("Data").add_argument(
        "--unlabelled", action="store_true", help=_("take no labels from folders, file names or a CSV")
    )
    p.group("Model").add_argument(
        "-b",
        "--backbone",
        action="append",
        metavar="NAME",
        help=_("a network by whose features photos are told apart; repeat for several (default: see `penult backbones`)"),
    )
    options.add_seed(p, _("random seed of what is drawn by lot (default: 0)"))
    sources.add_tables(p, labels=False)
    options.add_engine(p)


def run(args: argparse.Namespace) -> None:
    """Open the studio until it is told to end."""
    if args.source is None and args.review is None:
        args.usage_error(_("give SOURCE or --review DIR"))
    import logging

    from penult.cli import output
    from penult.images import TableOptions
    from penult.studio import StudioOptions, StudioServer
    from penult.zoo import DEFAULT

    asked = StudioOptions(
        None if args.source is None else Path(args.source),
        None if args.review is None else Path(args.review),
        None if args.out is None else Path(args.out),
        args.port,
        tuple(args.backbone) if args.backbone else DEFAULT,
        TableOptions(**sources.columns(args)),
        args.unlabelled,
        args.seed,
        options.embed_options(args),
    )
    logging.getLogger("uvicorn").setLevel(logging.ERROR)  # what it warns of is answered by penult itself
    studio = StudioServer(asked)

    def ready() -> None:
        output.announce(_("penult studio: {address} (Ctrl-C ends it)", address=studio.address()))
        if not args.no_browser:
            _open_browser(studio.address())

    studio.run(ready)
    output.announce(_("labels: {folder}", folder=output.printable(str(studio.workspace.found.folder / "labels.csv"))))


def _open_browser(address: str) -> None:
    """Open the browser, in a thread, since some are slow; where there is none with windows the printed address is enough."""
    import threading
    import webbrowser
    from contextlib import suppress

    def attempt() -> None:
        with suppress(Exception):  # whatever goes wrong there
            browser = webbrowser.get()
            if type(browser) is not webbrowser.GenericBrowser:  # one of the terminal, which would take it over
                browser.open(address)

    threading.Thread(target=attempt, daemon=True).start()
