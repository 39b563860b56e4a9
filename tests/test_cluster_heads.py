"""Heads over rows in Ray actors: the same bits as in one process, also when an actor is killed meanwhile."""

from __future__ import annotations

import os
import pickle
import signal
from contextlib import nullcontext, suppress

import numpy as np
import pytest

pytest.importorskip("ray", reason="needs the extra `ray`")

from sklearn.linear_model import LogisticRegression

from penult import bundle, cluster, heads, shards, training, zoo
from penult.cli import main, summary
from penult.cli import stored as stored_options
from penult.cluster import ActorResources, heads_on
from penult.cluster import heads as cluster_heads
from penult.embed import EmbedOptions
from penult.errors import InputError
from penult.heads import sampling
from penult.solver import LEARNT, RowScaling, partition, placement
from penult.solver import rows as solver_rows
from storedrows import StoredRows

pytestmark = [pytest.mark.xdist_group("ray"), pytest.mark.filterwarnings("ignore::DeprecationWarning:ray")]

N, D, MEMORY = 12_000, 32, 1_200_000
TWO = ActorResources(most=2)


@pytest.fixture
def stored(tmp_path, monkeypatch):
    """Return rows float32 that float16 holds, as shards have them, in six partitions; and their classes."""
    monkeypatch.setattr(solver_rows, "PARTITION_ENTRIES", 2000 * D)
    rng = np.random.default_rng(0)
    y = np.arange(N) % 2
    X = rng.standard_normal((2, D))[y] * 0.35 + rng.standard_normal((N, D)) * np.linspace(2, 0.3, D) + 0.5
    np.save(tmp_path / "rows.npy", X.astype(np.float16).astype(np.float32))
    return StoredRows(tmp_path / "rows.npy"), y


def fitted(X, y, **params):
    return heads.Logistic(C=0.05, calibrate=False, clip=None, memory=MEMORY, **params).fit(X, y)


def same(one, other):
    a, b = one.to_arrays().arrays, other.to_arrays().arrays
    return a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a)


class Killing(cluster_heads.ActorRows):
    """Kills an actor in the middle of two passes."""

    killed = 0

    def _ask(self, number, method, args):
        asked = super()._ask(number, method, args)
        if self.passes in (2, 5) and number == len(self.partitions) - 1 and method == "losses":
            import ray

            home = self._homes[0 if self.passes == 2 else -1]
            os.kill(ray.get(home.__ray_call__.remote(lambda _: os.getpid())), signal.SIGKILL)
            Killing.killed += 1
        return asked


def test_a_killed_actor_changes_no_bit_and_the_optimum_is_scikit_learns(on_ray, stored, monkeypatch):
    X, y = stored
    alone = fitted(X, y, scaling="none")
    with heads_on("ray", TWO):
        undisturbed = fitted(X, y, scaling="none")
        monkeypatch.setattr(cluster_heads, "ActorRows", Killing)
        disturbed = fitted(X, y, scaling="none")
    assert Killing.killed == 2
    assert same(undisturbed, disturbed)
    assert same(undisturbed, alone)

    rows = X[:].astype(float)
    peer = LogisticRegression(C=0.05, tol=1e-10, max_iter=5000).fit(rows, y)

    def objective(proba, coef):
        return -0.05 * np.log(proba[np.arange(N), y]).sum() + (coef**2).sum() / 2

    own = objective(disturbed.predict_proba(rows), disturbed.to_arrays().arrays["weights"].astype(float))
    assert own <= objective(peer.predict_proba(rows), peer.coef_) * (1 + 1e-6)


def test_the_default_head_is_that_of_one_process(on_ray, stored):
    X, y = stored
    alone = heads.Blend(memory=MEMORY, blocks=(12, 20)).fit(X, y)
    with heads_on("ray", TWO):
        assert same(heads.Blend(memory=MEMORY, blocks=(12, 20)).fit(X, y), alone)


def test_rows_that_a_machine_cannot_reach_are_said(on_ray, stored):
    X, y = stored
    os.remove(X.path)
    with heads_on("ray", TWO), pytest.raises(InputError, match="cannot read rows to learn from"):
        fitted(X, y)


def test_actors_keep_rows_as_float16_where_that_loses_nothing(stored):
    X, y = stored
    (first, *_) = partition(X, y.astype(np.int8), np.full(N, LEARNT, np.int8), RowScaling(), 32 * 300)
    half = cluster_heads.rows_of(first)
    assert half.dtype == np.float16
    np.testing.assert_array_equal(half, X[: len(half)])
    other = np.load(X.path)
    other[7, 3] = 1e-3
    np.save(X.path, other)
    (first, *_) = partition(StoredRows(X.path), y.astype(np.int8), np.full(N, LEARNT, np.int8), RowScaling(), 32 * 300)
    assert cluster_heads.rows_of(first).dtype == np.float32


class Nobody:
    """An actor that takes nothing."""

    def __getattr__(self, name):
        return self

    def __call__(self, *_):
        return None

    remote = __call__


def test_of_an_array_or_a_memory_map_each_partition_sends_its_own_rows(stored):
    X, y = stored
    mapped = np.load(X.path, mmap_mode="r")
    parts = cluster_heads.ActorRows(partition(mapped, y, np.full(N, LEARNT, np.int8), RowScaling(), 32 * 300), [Nobody()])
    assert sum(len(pickle.dumps(one.source)) for one in parts.partitions) < 1.1 * mapped.nbytes
    np.testing.assert_array_equal(np.concatenate([one.load().source for one in parts.partitions]), X[:])


def test_placement_lasts_as_long_as_its_block(stored):
    X, y = stored
    seen = []

    def place(partitions):
        seen.append(len(partitions))
        return solver_rows.PartitionedRows(partitions)

    with placement(place):
        fitted(X, y)
    times = len(seen)
    fitted(X, y)
    assert times > 0
    assert len(seen) == times
    assert set(seen) == {6}


def test_a_training_from_shards_on_ray_learns_every_row(on_ray, photos, quick_disk, tmp_path, capsys, monkeypatch):
    source, out = photos("many", warm=200, cold=200, green=200), tmp_path / "shards"
    shards.make_ready(str(source), str(out), [zoo.find_backbone("colour_histogram")], EmbedOptions(), rows=50)
    assert shards.run_shards(str(out), workers=0).manifest is not None
    width = shards.open_features(out).shape[1]
    monkeypatch.setattr(sampling, "FEWEST", 100)
    monkeypatch.setattr(solver_rows, "PARTITION_ENTRIES", 100 * width)
    memory = f"{2 * 16 * 130 * width}B"
    sent = []

    class Weighed(cluster_heads.ActorRows):
        def __init__(self, partitions, actors):
            super().__init__(partitions, actors)
            sent.append([len(pickle.dumps(one.source)) for one in self.partitions])

    monkeypatch.setattr(cluster_heads, "ActorRows", Weighed)
    told = ["train", str(out), "--memory", memory, "--head", "logistic", "--out", str(tmp_path / "run"), "--on", "ray"]
    assert main(told) == 0
    assert "all rows fit" not in capsys.readouterr().err
    model = bundle.load_bundle(tmp_path / "run")
    assert model.facts["trained_on"] == 600
    assert len(sent[0]) == 6
    assert max(max(one) for one in sent) < 1000  # where the shards are, and no row of them
    assert model.head.arrays["weights"].any()


def test_what_ray_has_no_part_in_is_said(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(stored_options, "is_shards", lambda paths: "shards" in paths)
    monkeypatch.setattr(training, "train_source", lambda *_: None)
    monkeypatch.setattr(summary, "show_run", lambda *_: None)
    monkeypatch.setattr(cluster, "heads_on", lambda *_: nullcontext(cluster_heads.RowActors([])))
    assert main(["train", "shards", "--on", "ray"]) == 0
    assert "all rows fit the memory" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["train", "photos", "--on", "ray"])
    assert "--on keeps rows of shards" in capsys.readouterr().err
    for words, said in (
        (["shards", "--actor", "memory=8GB"], "nothing runs on Ray; give --on ray"),
        (["shards", "--on", "ray", "--actor", "cpus=2"], "give memory=8GB or max=10"),
        (["--features", "shards", "--files", "names.txt"], "shards have names"),
        (["--features", "f.h5", "--labels", "names.csv"], "--labels goes with shards"),
        (["shards", "--memory", "0GB"], "--memory is 0"),
    ):
        with suppress(SystemExit):
            assert main(["train", *words]) == 1
        assert said in capsys.readouterr().err
