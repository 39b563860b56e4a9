"""`penult serve`: answer photos over HTTP."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from penult.cli import options
from penult.cli.parser import Commands, Parser, command
from penult.i18n import _


def add(commands: Commands) -> None:
    """Add the command and its options."""
    p = command(
        commands,
        "serve",
        run,
        _("answer photos over HTTP, with a page to drop them on"),
        _(
            "POST /predict takes a photo, or a form of several, and answers with what `penult predict --json` says. The "
            "page is\n"
            "at /, the Open Inference Protocol (KServe, Triton) below /v2, metrics at /metrics, OpenAPI at /openapi.json.\n\n"
            "A model file that changes is read again, tested and swapped; SIGHUP does it at once. Logs are JSON lines on\n"
            "standard error. Ctrl-C or SIGTERM lets what is in work finish; once more ends at once."
        ),
        _("""
        penult serve run                                 at http://127.0.0.1:8000, for this machine only
        penult serve cats=run1 dogs=run2                 several models: /predict/cats, /predict/dogs
        PENULT_TOKEN=... penult serve run --host 0.0.0.0   for other machines: they must send the token
        """),
    )
    p.add_argument("models", nargs="+", metavar="MODEL", help=_("model.penult or run folder, or NAME=MODEL"))
    server = p.group("Server")
    server.add_argument("--host", default="127.0.0.1", help=_("address to listen at (default: 127.0.0.1, this machine only)"))
    server.add_argument("--port", type=int, default=8000, help=_("port to listen at; 0: any that is free (default: 8000)"))
    server.add_argument(
        "--token",
        help=_(
            "what clients must send as `Authorization: Bearer TOKEN`; better set in PENULT_TOKEN, since others see the "
            "options of running programs"
        ),
    )
    server.add_argument(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME",
        help=_(
            "host name that the server answers to, beside localhost and addresses in numbers; repeat for several, * for any"
        ),
    )
    _add_limits(p)
    output = p.group("Output")
    output.add_argument(
        "--review", metavar="DIR", help=_("keep photos with a doubtful answer, or unlike the training photos, in DIR")
    )
    output.add_argument(
        "--review-level", type=float, default=0.9, metavar="P", help=_("what is less sure than P is doubtful (default: 0.9)")
    )
    output.add_argument("--review-photos", type=int, default=1000, metavar="N", help=_("most photos in DIR (default: 1000)"))
    output.add_argument(
        "--review-bytes", type=int, default=10**9, metavar="N", help=_("most bytes in DIR (default: 1000000000)")
    )
    options.add_engine(p)


def _add_limits(p: Parser) -> None:
    limits: tuple[tuple[str, type, float, str, str], ...] = (
        ("--max-bytes", int, 20_000_000, "N", _("most bytes of a request (default: {usual})")),
        ("--max-photos", int, 32, "N", _("most photos of a request (default: {usual})")),
        ("--max-requests", int, 256, "N", _("most requests in work at once (default: {usual})")),
        ("--max-connections", int, 512, "N", _("most connections that are open at once (default: {usual})")),
        ("--max-queue", int, 64, "N", _("most photos that wait for one model (default: {usual})")),
        ("--queue-seconds", float, 10, "S", _("how long a photo may wait (default: {usual})")),
        ("--header-seconds", float, 10, "S", _("how long the headers of a request may take (default: {usual})")),
        ("--body-seconds", float, 30, "S", _("how long the body of a request may take (default: {usual})")),
        ("--deadline", float, 60, "S", _("how long a request may take in all (default: {usual})")),
        ("--grace", float, 30, "S", _("how long requests in work may take when the server is to end (default: {usual})")),
        ("--reload-seconds", float, 3, "S", _("how often model files are looked at; 0: only at SIGHUP (default: {usual})")),
    )
    for name, kind, usual, letter, what in limits:
        p.group("Limits").add_argument(name, type=kind, default=usual, metavar=letter, help=what.format(usual=usual))


def run(args: argparse.Namespace) -> None:
    """Serve until it is told to end."""
    from penult.cli import output
    from penult.serve import TOKEN, ModelServer, Queue, ReviewOptions, ServeOptions, parse_models
    from penult.web import HttpLimits, json_logs

    review = None
    if args.review is not None:
        review = ReviewOptions(Path(args.review), args.review_level, args.review_photos, args.review_bytes)
    asked = ServeOptions(
        parse_models(args.models),
        args.host,
        args.port,
        args.token or os.environ.get(TOKEN) or None,
        tuple(args.allow_host),
        HttpLimits(
            args.max_bytes,
            max_requests=args.max_requests,
            max_connections=args.max_connections,
            header_seconds=args.header_seconds,
            body_seconds=args.body_seconds,
            deadline=args.deadline,
        ),
        Queue(args.max_queue, args.queue_seconds, args.max_photos),
        args.grace,
        args.reload_seconds,
        review,
        options.embed_options(args),
    )
    with json_logs("WARNING" if args.quiet else "INFO"):
        server = ModelServer(asked)
        output.announce(_("{models} at {address} (Ctrl-C ends it)", models=", ".join(asked.models), address=server.address))
        server.run(lambda: output.announce(_("ready")))
