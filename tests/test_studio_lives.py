"""Random acts, tabs, repeats, undo and redo, restarts and kills leave the state that a dict says: see `studio_lives`."""

from __future__ import annotations

from hypothesis import settings

from studio_lives import Lives

TestLives = Lives.TestCase
TestLives.settings = settings(max_examples=4, stateful_step_count=25, deadline=None, derandomize=True)
