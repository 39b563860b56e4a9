"""Any command in any surroundings ends in a documented way; see `situations.py`, of which `make fuzz` runs a thousand."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

import situations

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="forks, and reads /proc")

SEEDS = range(60)


@pytest.fixture(scope="module")
def world() -> Iterator[situations.World]:
    with situations.world(cheap=True) as made:
        yield made


@pytest.mark.parametrize("part", range(6))
def test_commands_in_odd_surroundings_end_as_documented(part: int, world: situations.World) -> None:
    """No traceback, a documented exit code, one line for a refusal, whole files, and success where nothing is in the way."""
    wrong = []
    for seed in SEEDS[part::6]:
        situation = world.draw(seed, cheap=True)
        code, out, err = world.run(situation, seed)
        if found := situations.judge(situation, code, out, err, world.root / str(seed)):
            wrong.append(f"{seed}: {situation}: {'; '.join(found)}\n{out}{err}")
        world.tidy(seed)
    assert not wrong, "\n\n".join(wrong)


def test_what_goes_wrong_is_seen(world: situations.World) -> None:
    """The judge of the situations finds tracebacks, internal errors, odd codes, silence and missing or half files."""
    usual = {name: values[0] for name, values in situations.SURROUNDINGS.items()}
    fine = situations.Situation("predict", ("predict",), usual, True, ("made.csv",))
    folder = world.root / "judged"
    folder.mkdir()
    assert situations.judge(fine, 0, "", "", folder) == ["made.csv was not written"]
    (folder / "made.csv").write_text("x", encoding="ascii")
    assert situations.judge(fine, 0, "", "", folder) == []
    assert "a traceback" in situations.judge(fine, 0, "", "Traceback (most recent call last):\n", folder)
    assert "an internal error" in situations.judge(fine, 1, "", "penult: internal error: x\n", folder)
    assert "exit code 120" in situations.judge(fine, 120, "", "", folder)
    assert "0 lines say why it was refused" in situations.judge(fine, 1, "", "", folder)
    assert "exit code 1 where nothing is in the way" in situations.judge(fine, 1, "", "penult: no\n", folder)
    (folder / ".tmp-x").write_text("x", encoding="ascii")
    assert any("half-written" in one for one in situations.judge(fine, 0, "", "", folder))


def test_the_drawn_situations_cover_commands_and_surroundings(world: situations.World) -> None:
    """A thousand draws have every command and every odd surrounding; the same seed draws the same."""
    drawn = [world.draw(seed) for seed in range(1000)]
    assert {one.command for one in drawn} >= {
        "train", "predict", "evaluate", "audit", "compare", "embed", "explain", "similar", "report", "cache", "doctor",
        "backbones", "demo", "help",
    }  # fmt: skip
    for name, values in situations.SURROUNDINGS.items():
        assert {one.around[name] for one in drawn} == set(values), name
    assert str(world.draw(7)) == str(drawn[7])
