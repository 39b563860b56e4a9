"""What a conversion is held to: every number near torch's, and the whole; nothing small or of another shape slips through."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from penult.errors import InputError
from penult.zoo.convert import check_close

TRUE = np.random.default_rng(0).normal(0, 1, (2, 64)).astype(np.float32)


def wrong(factor: float = 1.0, **one: float) -> np.ndarray:
    values = TRUE * np.float32(factor)
    if one:
        values[0, 0] += one["off"]
    return values


def test_rounding_is_no_difference() -> None:
    check_close("net", "features", wrong(1 + 5e-4), TRUE)
    check_close("net", "features", wrong(off=9e-5), TRUE)
    check_close("net", "features", 1e6 * wrong(off=5e-5), 1e6 * TRUE)  # in units of their size


@pytest.mark.parametrize(
    ("got", "wanted"),
    [
        (wrong(off=0.01), TRUE),
        (wrong(1.002), TRUE),
        (1e-6 * TRUE[::-1], 1e-6 * TRUE),  # all below the absolute tolerance, and quite another
        (np.full_like(TRUE, np.nan), TRUE),
    ],
)
def test_another_answer_is_refused(got: Any, wanted: Any) -> None:
    with pytest.raises(InputError, match="net: its features as ONNX differ from torch's by"):
        check_close("net", "features", got, wanted)


def test_another_shape_and_numbers_without_end_are_refused() -> None:
    with pytest.raises(InputError, match=r"its maps as ONNX are \(2, 63\) where torch's are \(2, 64\)"):
        check_close("net", "maps", TRUE[:, :63], TRUE)
    with pytest.raises(InputError, match="not finite"):
        check_close("net", "features", TRUE, np.full_like(TRUE, np.inf))
