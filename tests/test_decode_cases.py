"""Every bad or odd picture ends in its right class, and a good one is what it was drawn as."""

import warnings

import pytest

from badimages import Case, cases, photo, save
from penult.pixels import REASONS, Failure, decode

CASES = cases()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_picture_is_decoded_rightly_or_gives_its_reason(case: Case) -> None:
    found = decode(case.data)
    if isinstance(found, Failure):
        assert found.reason in REASONS
        assert (found.reason, found.detail) == (case.expect, found.detail)
        assert "0x" not in found.detail  # the same file gives the same words in every run
    else:
        assert case.expect == "ok"
        assert found.dtype == "uint8"
        if case.check:
            case.check(found)


def test_there_are_at_least_sixty_kinds_and_every_decoding_reason_is_among_them() -> None:
    assert len(CASES) >= 60
    of_other_tests = {"unreadable file", "changed archive", "decoder crashed", "decoder hung"}
    assert {case.expect for case in CASES} == {"ok", *REASONS} - of_other_tests


def test_bad_pictures_leave_no_trace_in_the_good_ones_beside_them() -> None:
    good = save(photo(), "JPEG", quality=90)
    before = decode(good)
    for case in CASES:
        decode(case.data)
        after = decode(good)
        assert not isinstance(after, Failure)
        assert (after == before).all(), case.name


def test_oddities_are_not_told_as_warnings() -> None:
    """`exif cut short` makes Pillow warn; neither a warning nor, with `-W error`, an exception comes out."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for case in CASES:
            decode(case.data)
    assert told == []
