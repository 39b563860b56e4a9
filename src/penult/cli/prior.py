"""The option --prior: class shares of the place of use, given or estimated from the photos that are answered."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from penult.cli import sources, stored
from penult.cli.parser import Parser
from penult.i18n import _

if TYPE_CHECKING:
    from penult.predict import Predictor

ESTIMATE = "estimate"


def add_prior(p: Parser, estimate: bool = False) -> None:
    """Add the option; `estimate`: whether there are photos that shares can be estimated from."""
    given = _(
        "how frequent the classes are where the model is used, such as 'defective=0.02' (classes without a share divide "
        "the rest): probabilities then hold there (default: as frequent as in training)"
    )
    estimated = _(
        "how frequent the classes are where the model is used, such as 'defective=0.02' (classes without a share divide "
        "the rest): probabilities then hold there (default: as frequent as in training); estimate: from these photos, which "
        "are answered once more for it (EM, checked by BBSE)"
    )
    p.group("Decisions").add_argument(
        "--prior",
        metavar="SHARES",
        help=estimated if estimate else given,
    )


def use_prior(args: argparse.Namespace, predictor: Predictor, answer: Callable[[], Any]) -> dict[str, Any] | None:
    """Have a predictor answer for the class shares that were asked for, and return the estimate, if there is one.

    `answer` answers the photos, for the shares to be estimated from that.
    """
    if args.prior is None:
        return None
    from penult import bundle
    from penult.cli import output
    from penult.heads.prior import parse_prior

    classes = predictor.bundle.classes
    if args.prior != ESTIMATE:
        predictor.use_prior(parse_prior(args.prior, classes, bundle.training_prior(predictor.bundle)))
        return None
    predictor.watch_drift()
    answer()
    found = predictor.estimate_prior()
    output.note(_("note: {classes}", classes=found.describe(classes)))
    for doubt in found.doubts:
        output.note(_("note: the estimate may be wrong: {doubt}", doubt=doubt))
    if found.differs:
        predictor.use_prior(found.shares)
    else:
        output.note(_("note: this may as well be the mix of classes that the model answers for, which is kept"))
    return found.to_dict()


def answer_all(args: argparse.Namespace, predictor: Predictor) -> None:
    """Answer what `penult predict` was given, and keep nothing."""
    from penult import images, shards
    from penult.cli import output
    from penult.predict.stored import predict_stored

    if args.features and stored.is_shards(args.features):
        for _ in predict_stored(predictor, shards.open_features(args.features[0])):
            pass
    elif args.features:
        predictor.predict_features(args.features)
    else:
        source, table = sources.to_scan(args, args.images)
        found = images.stream_unlabelled(source, predictor.bundle.classes, table)
        for _ in output.predict_parts(predictor, found, args.quiet):
            pass
