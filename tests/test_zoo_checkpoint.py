"""The names of a checkpoint's tensors: a beginning that all share is found, and refusals list a few of thousands."""

from __future__ import annotations

import pytest

from penult.errors import listed, unknown
from penult.zoo.checkpoint import misfit, shared_prefix

WANTED = ["conv1.weight", "layer1.0.conv1.weight", "layer1.0.bn1.bias", "fc.weight"]


@pytest.mark.parametrize(
    "prefix", ["model.", "net.", "backbone.", "encoder.", "module.", "_orig_mod.", "model._orig_mod.", "a.b.c."]
)
def test_a_beginning_that_all_names_share_is_found(prefix: str) -> None:
    """Whatever wrapped the network, also twice, and with another last layer or none of the wanted ones left over."""
    assert shared_prefix([prefix + name for name in WANTED], WANTED) == prefix
    assert shared_prefix([prefix + name for name in [*WANTED[:3], "head.0.weight"]], WANTED) == prefix


@pytest.mark.parametrize(
    "names",
    [
        [],
        WANTED,
        ["model." + WANTED[0], *WANTED[1:]],
        ["model." + name for name in ("x.weight", "y.weight")],
        ["weight"],
    ],
    ids=["none", "the network's own", "not all", "another network", "no dots"],
)
def test_what_not_all_names_share_stays(names: list[str]) -> None:
    assert shared_prefix(names, WANTED) == ""


def test_a_beginning_that_is_the_networks_own_stays() -> None:
    """A network may call all its layers `features.`; a wrapper around it may, too."""
    own = [f"features.{i}.weight" for i in range(4)]
    assert shared_prefix(own, own) == ""
    assert shared_prefix([f"features.{name}" for name in own], own) == "features."


@pytest.mark.parametrize("lists", [1, 2, 3])
@pytest.mark.parametrize("length", [12, 60, 400])
def test_a_refusal_has_a_thousand_letters_at_most(lists: int, length: int) -> None:
    """However many names there are and however long, the first ones and the count are told."""
    names = [f"{i:03d}" + "x" * (length - 3) for i in range(500)]
    text = misfit(dict(list({"missing": names, "unknown": names, "of another shape": names}.items())[:lists]), counted=True)
    assert len(text) <= 1060
    assert text.startswith("500 missing: 000")
    assert f"and {500 - (10 if lists == 1 else 5)} more" in text


def test_short_lists_are_told_whole() -> None:
    assert misfit({"missing": ["a", "b"], "unknown": []}) == "missing: a, b"
    assert listed(["a", "b", "c"], most=2) == "a, b and 1 more"
    assert listed([]) == ""


def test_an_unknown_name_is_answered_in_a_thousand_letters() -> None:
    text = str(unknown("tensor", "?" * 5000, [f"a rather long name of a tensor, number {i}" for i in range(999)]))
    assert len(text) < 1200
    assert "and 975 more" in text
