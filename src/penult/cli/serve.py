"""`penult serve`: answer photos over HTTP."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from penult.cli import options
from penult.cli.parser import Commands, Parser, command


def add(commands: Commands) -> None:
    """Add the command and its options."""
    p = command(
        commands,
        "serve",
        run,
        "answer photos over HTTP, with a page to drop them on",
        "POST /predict takes a photo, or a form of several, and answers with what `penult predict --json` says. The page is\n"
        "at /, the Open Inference Protocol (KServe, Triton) below /v2, metrics at /metrics, OpenAPI at /openapi.json.\n\n"
        "A model file that changes is read again, tested and swapped; SIGHUP does it at once. Logs are JSON lines on\n"
        "standard error. Ctrl-C or SIGTERM lets what is in work finish; once more ends at once.",
        """
        penult serve run                                 at http://127.0.0.1:8000, for this machine only
        penult serve cats=run1 dogs=run2                 several models: /predict/cats, /predict/dogs
        PENULT_TOKEN=... penult serve run --host 0.0.0.0   for other machines: they must send the token
        """,
    )
    p.add_argument("models", nargs="+", metavar="MODEL", help="model.penult or run folder, or NAME=MODEL")
    server = p.group("Server")
    server.add_argument("--host", default="127.0.0.1", help="address to listen at (default: 127.0.0.1, this machine only)")
    server.add_argument("--port", type=int, default=8000, help="port to listen at; 0: any that is free (default: 8000)")
    server.add_argument(
        "--token",
        help="what clients must send as `Authorization: Bearer TOKEN`; better set in PENULT_TOKEN, since others see the "
        "options of running programs",
    )
    server.add_argument(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME",
        help="host name that the server answers to, beside localhost and addresses in numbers; repeat for several, * for any",
    )
    _add_limits(p)
    output = p.group("Output")
    output.add_argument(
        "--review", metavar="DIR", help="keep photos with a doubtful answer, or unlike the training photos, in DIR"
    )
    output.add_argument(
        "--review-level", type=float, default=0.9, metavar="P", help="what is less sure than P is doubtful (default: 0.9)"
    )
    output.add_argument("--review-photos", type=int, default=1000, metavar="N", help="most photos in DIR (default: 1000)")
    output.add_argument("--review-bytes", type=int, default=10**9, metavar="N", help="most bytes in DIR (default: 1000000000)")
    options.add_engine(p)


def _add_limits(p: Parser) -> None:
    limits: tuple[tuple[str, type, float, str, str], ...] = (
        ("--max-bytes", int, 20_000_000, "N", "most bytes of a request"),
        ("--max-photos", int, 32, "N", "most photos of a request"),
        ("--max-requests", int, 256, "N", "most requests in work at once"),
        ("--max-connections", int, 512, "N", "most connections that are open at once"),
        ("--max-queue", int, 64, "N", "most photos that wait for one model"),
        ("--queue-seconds", float, 10, "S", "how long a photo may wait"),
        ("--header-seconds", float, 10, "S", "how long the headers of a request may take"),
        ("--body-seconds", float, 30, "S", "how long the body of a request may take"),
        ("--deadline", float, 60, "S", "how long a request may take in all"),
        ("--grace", float, 30, "S", "how long requests in work may take when the server is to end"),
        ("--reload-seconds", float, 3, "S", "how often model files are looked at; 0: only at SIGHUP"),
    )
    for name, kind, usual, letter, what in limits:
        p.group("Limits").add_argument(name, type=kind, default=usual, metavar=letter, help=f"{what} (default: {usual})")


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
        output.announce(f"{', '.join(asked.models)} at {server.address} (Ctrl-C ends it)")
        server.run(lambda: output.announce("ready"))
