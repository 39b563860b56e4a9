"""A head that was saved scores bit for bit as the one that was measured, with numpy alone."""

from __future__ import annotations

import io
import json
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from penult import heads
from penult.errors import DamagedFile, InputError, UnknownName

SAVABLE = [name for name in heads.head_names() if name != "auto"]


def little(k=2, n=40, d=16, seed=0):
    rng = np.random.default_rng(seed)
    y = np.arange(n) % k
    return (rng.random((n, d)) + np.eye(max(k, d))[y][:, :d]).astype(np.float32), y


def through_bytes(state):
    """Return the state after arrays became .npy bytes and facts JSON."""
    arrays = {}
    for name, array in state.arrays.items():
        buffer = io.BytesIO()
        np.save(buffer, array, allow_pickle=False)
        buffer.seek(0)
        arrays[name] = np.load(buffer, allow_pickle=False)
    return state.kind, arrays, json.loads(json.dumps(state.facts))


@given(
    st.sampled_from(SAVABLE),
    st.sampled_from(["unit", "standard", "block", "none"]),
    st.integers(2, 4),
    st.integers(0, 10**6),
)
@settings(max_examples=25, deadline=None)
def test_save_is_load(name, scaling, k, seed):
    X, y = little(k, seed=seed)
    head = heads.make_head(name, scaling=scaling, blocks=(10, 6), folds=2).fit(X, y)
    score = heads.scorer(*through_bytes(head.to_arrays()))
    new = np.random.default_rng(seed + 1).random((9, 16)).astype(np.float32)
    assert (score(new) == head.predict_proba(new)).all()


@given(st.lists(st.integers(0, 29), min_size=1, max_size=30))
@settings(max_examples=20, deadline=None)
def test_order_and_batch_do_not_matter(rows):
    X, _ = little(3, n=60)
    for head in fitted_once():
        whole = head.predict_proba(X)
        np.testing.assert_allclose(head.predict_proba(X[rows]), whole[rows], atol=1e-12)


def fitted_once(cache=[]):  # noqa: B006 - fitted once for all examples
    if not cache:
        X, y = little(3, n=60)
        cache += [heads.make_head(name, folds=2).fit(X, y) for name in SAVABLE]
    return cache


def test_auto_saves_the_head_that_it_chose():
    X, y = little()
    head = heads.make_head("auto", folds=2).fit(X, y)
    state = head.to_arrays()
    assert state.facts["head"] == head.choice_["head"]
    assert (heads.scorer(*through_bytes(state))(X) == head.predict_proba(X)).all()


def test_a_wrapped_estimator_says_that_it_cannot_be_saved_and_what_can():
    X, y = little()
    head = heads.wrap(LogisticRegression()).fit(X, y)
    with pytest.raises(InputError, match=r"wrapped LogisticRegression .* cannot be saved.*logistic, svm"):
        head.to_arrays()


class TestDamage:
    """What comes from a file is checked before it is used, and all that is wrong is said at once."""

    @pytest.fixture
    def state(self):
        X, y = little()
        return heads.make_head("knn", scaling="standard", folds=2).fit(X, y).to_arrays()

    @pytest.mark.parametrize("name", ["rows", "codes", "votes", "shift", "factor"])
    def test_a_missing_array(self, state, name):
        arrays = {key: value for key, value in state.arrays.items() if key != name}
        with pytest.raises(DamagedFile, match=f"{name} is missing"):
            heads.scorer(state.kind, arrays, state.facts)

    @pytest.mark.parametrize("name", ["rows", "votes", "shift"])
    def test_a_number_that_is_none(self, state, name):
        broken = state.arrays[name].copy()
        broken.flat[0] = np.nan
        with pytest.raises(DamagedFile, match=f"{name} has entries that are not finite"):
            heads.scorer(state.kind, {**state.arrays, name: broken}, state.facts)

    @pytest.mark.parametrize(
        ("name", "wrong"),
        [
            ("rows", np.zeros((3, 5))),
            ("rows", np.zeros(16)),
            ("rows", np.array([["a"]])),
            ("votes", np.ones(3)),
            ("codes", np.full(40, 2)),
            ("codes", np.zeros(40)),
        ],
    )
    def test_an_array_that_does_not_fit(self, state, name, wrong):
        with pytest.raises(DamagedFile, match=name):
            heads.scorer(state.kind, {**state.arrays, name: wrong}, state.facts)

    @pytest.mark.parametrize(
        ("name", "wrong"),
        [
            ("scaling", "magic"),
            ("temperature", 0),
            ("temperature", float("nan")),
            ("temperature", "warm"),
            ("clip", 0.9),
            ("classes", 1),
            ("blocks", [16, 0]),
            ("k", 0),
        ],
    )
    def test_a_fact_that_cannot_be(self, state, name, wrong):
        with pytest.raises(DamagedFile, match=name):
            heads.scorer(state.kind, state.arrays, {**state.facts, name: wrong})

    def test_a_missing_fact(self, state):
        facts = {key: value for key, value in state.facts.items() if key not in ("clip", "k")}
        with pytest.raises(DamagedFile, match="clip is missing; k is missing"):
            heads.scorer(state.kind, state.arrays, facts)

    def test_an_unknown_kind(self, state):
        with pytest.raises(DamagedFile, match="unknown kind 'oracle'"):
            heads.scorer("oracle", state.arrays, state.facts)


class TestLightness:
    """Prediction loads neither scikit-learn nor scipy."""

    def test_importing_heads_and_scoring_needs_numpy_alone(self):
        code = (
            "import sys, numpy as np; from penult import heads; import penult.heads.scoring;"
            "facts = dict(scaling='unit', blocks=[9], classes=2, temperature=1.0, clip=0.01);"
            "arrays = dict(weights=np.ones((1, 9)), intercepts=np.zeros(1));"
            "assert heads.scorer('linear', arrays, facts)(np.ones((3, 9))).shape == (3, 2);"
            "assert heads.head_names()[0] == 'blend'; heads.check_head('svm');"
            "bad = [m for m in sys.modules if m.split('.')[0] in ('sklearn', 'scipy', 'torch')];"
            "sys.exit(str(bad) if bad else 0)"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    def test_no_rows_give_no_probabilities(self):
        facts = {"scaling": "none", "blocks": [4], "classes": 3, "temperature": 1.0, "clip": 0.0}
        score = heads.scorer("linear", {"weights": np.ones((3, 4)), "intercepts": np.zeros(3)}, facts)
        assert score(np.zeros((0, 4))).shape == (0, 3)


class TestNames:
    """Heads go by name, and a wrong name gets the nearest one."""

    def test_a_wrong_name(self):
        with pytest.raises(UnknownName, match="unknown head 'logistics'; did you mean logistic"):
            heads.make_head("logistics")

    def test_classes_load_by_attribute(self):
        assert type(heads.make_head("lda")) is heads.LDA
        assert heads.Wrapped.__name__ == "Wrapped"
        with pytest.raises(AttributeError, match="Nonsense"):
            _ = heads.Nonsense

    def test_wrap_leaves_heads_alone_and_refuses_what_is_no_estimator(self):
        head = heads.make_head("knn")
        assert heads.wrap(head) is head
        with pytest.raises(InputError, match="is not a scikit-learn classifier"):
            heads.wrap("forest")
