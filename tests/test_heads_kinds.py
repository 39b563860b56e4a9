"""Each kind of head does what its name says, checked against scikit-learn where it has the same thing."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.neighbors import KNeighborsClassifier, NearestCentroid
from sklearn.svm import SVC, LinearSVC

from penult import heads
from penult.errors import InputError, UnknownName
from penult.heads import spaces


def clouds(n=120, d=30, k=3, seed=0, apart=1.0):
    rng = np.random.default_rng(seed)
    y = np.arange(n) % k
    return 2 + apart * rng.standard_normal((k, d))[y] + rng.standard_normal((n, d)), y


PLAIN = {"scaling": "none", "calibrate": False, "clip": None}


class TestLDA:
    """Shrunk discriminants without a (d, d) matrix are those with one."""

    @pytest.mark.parametrize("shape", [(40, 100), (120, 30), (700, 750)], ids=["wide", "tall", "many"])
    @pytest.mark.parametrize("k", [2, 4])
    @pytest.mark.parametrize("shrinkage", [0.03, 0.5, 1.0])
    def test_it_equals_scikit_learns(self, shape, k, shrinkage):
        X, y = clouds(*shape, k=k, apart=0.2)
        head = heads.LDA(shrinkage, **PLAIN).fit(X, y)
        peer = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=shrinkage).fit(X, y)
        np.testing.assert_allclose(head.predict_proba(X), peer.predict_proba(X), atol=2e-3)

    def test_the_shrinkage_is_chosen_by_held_out_log_loss(self):
        X, y = clouds(60, 100, apart=0.3)
        head = heads.LDA().fit(X, y)
        assert head.choice_["shrinkage"] in head.path_["shrinkage"]
        losses = dict(zip(head.path_["shrinkage"], head.path_["log_loss"], strict=True))
        assert losses[head.choice_["shrinkage"]] <= min(losses.values()) * 1.05


class TestSVM:
    """One squared-hinge machine, linear or with a Gaussian kernel."""

    def test_the_linear_one_equals_liblinears(self):
        X, y = clouds(k=2, apart=0.3)
        head = heads.SVM("linear", C=0.1, **PLAIN).fit(X, y)
        # a large intercept_scaling leaves liblinear's intercept as good as unpenalised
        peer = LinearSVC(C=0.1, intercept_scaling=100, tol=1e-8, max_iter=200_000, dual=False).fit(X, y)
        np.testing.assert_allclose(head.decision_function(X), peer.decision_function(X), atol=5e-3)

    def test_more_classes_are_one_against_the_rest(self):
        X, y = clouds(k=4, apart=0.3)
        head = heads.SVM("linear", C=0.1, **PLAIN).fit(X, y)
        peer = LinearSVC(C=0.1, intercept_scaling=100, tol=1e-8, max_iter=200_000, dual=False).fit(X, y)
        np.testing.assert_allclose(head.decision_function(X), peer.decision_function(X), atol=5e-3)

    def test_a_kernel_separates_what_no_plane_does(self):
        rng = np.random.default_rng(0)
        X = rng.standard_normal((300, 2))
        y = (np.linalg.norm(X, axis=1) > 1.1).astype(int)
        head = heads.SVM(scaling="standard").fit(X, y)
        assert head.choice_["kernel"] == "rbf"
        new = rng.standard_normal((300, 2))
        truth = (np.linalg.norm(new, axis=1) > 1.1).astype(int)
        assert head.score(new, truth) >= SVC(C=10).fit(X, y).score(new, truth) - 0.02

    def test_few_landmarks_come_close_to_all(self, monkeypatch):
        X, y = clouds(400, 8, k=2, apart=0.5)
        whole = heads.SVM("rbf").fit(X[:200], y[:200])
        monkeypatch.setattr(spaces, "LANDMARKS", 80)
        some = heads.SVM("rbf").fit(X[:200], y[:200])
        assert len(some.to_arrays().arrays["rows"]) == 80
        losses = [log_loss(y[200:], head.predict_proba(X[200:])) for head in (whole, some)]
        assert losses[1] == pytest.approx(losses[0], rel=0.15)

    def test_an_unknown_kernel(self):
        X, y = clouds()
        with pytest.raises(UnknownName, match="unknown kernel 'rfb'; did you mean rbf"):
            heads.SVM("rfb").fit(X, y)


class TestKNN:
    """Votes of the nearest rows by cosine."""

    @pytest.mark.parametrize("k", [1, 7])
    def test_its_neighbours_are_scikit_learns(self, k):
        X, y = clouds(apart=0.4)
        new, _ = clouds(seed=1)
        head = heads.KNN(k, scaling="none").fit(X, y)
        peer = KNeighborsClassifier(k, metric="cosine", weights=lambda d: 1 - d / 2).fit(X, y)
        best = np.sort(peer.predict_proba(new), axis=1)
        clear = best[:, -1] > best[:, -2] + 1e-6
        assert (head.predict(new) == peer.predict(new))[clear].all()

    def test_more_neighbours_than_rows_are_all_rows(self):
        X, y = clouds(6, k=2)
        assert heads.KNN(50).fit(X, y).choice_["k"] <= 6

    def test_rows_are_looked_at_in_chunks(self, monkeypatch):
        from penult.heads import scoring
        from penult.heads.methods import knn

        X, y = clouds()
        whole = heads.KNN().fit(X, y)
        monkeypatch.setattr(knn, "CHUNK", 7)
        monkeypatch.setattr(scoring, "CHUNK", 100)
        parts = heads.KNN().fit(X, y)
        np.testing.assert_allclose(parts.cv_proba_, whole.cv_proba_)
        np.testing.assert_allclose(parts.predict_proba(X), whole.predict_proba(X))


def test_the_centroid_head_chooses_the_nearest_mean():
    X, y = clouds(apart=0.3)
    head = heads.Centroid(scaling="none").fit(X, y)
    assert (head.predict(X) == NearestCentroid().fit(X, y).predict(X)).all()


class TestDense:
    """The seed's layer, with its curves."""

    def test_losses_fall_over_eight_epochs(self):
        X, y = clouds(1500, 1500, k=2, apart=0.5)
        X = np.maximum(X - 2, 0)  # like pooled activations
        curves = heads.Dense().fit(X, y).history_
        assert curves["epoch"] == list(range(1, 9))
        assert curves["loss"][-1] < curves["loss"][0]
        assert curves["val_loss"][-1] < curves["val_loss"][0]
        assert curves["val_accuracy"][-1] > 0.9
        assert set(curves) == {"epoch", "loss", "accuracy", "val_loss", "val_accuracy"}

    def test_one_step_of_adadelta_is_zeilers(self):
        from penult.heads.methods.dense import Layer

        layer = Layer(np.zeros((1, 1)), np.zeros(1), [np.zeros((1, 1))] * 2, [np.zeros((1, 1))] * 2)
        layer._step(0, layer.W, np.array([[2.0]]))
        first = 2 * np.sqrt(1e-8) / np.sqrt(0.05 * 4 + 1e-8)
        assert layer.W[0, 0] == pytest.approx(-first)
        layer._step(0, layer.W, np.array([[2.0]]))
        second = 2 * np.sqrt(0.05 * first**2 + 1e-8) / np.sqrt(0.95 * 0.2 + 0.2 + 1e-8)
        assert layer.W[0, 0] == pytest.approx(-first - second)

    def test_the_same_seed_gives_the_same_layer_and_another_one_another(self):
        X, y = clouds()
        one, same, other = (heads.Dense(random_state=seed).fit(X, y).history_["loss"] for seed in (0, 0, 1))
        assert one == same != other

    def test_other_heads_have_no_history(self):
        X, y = clouds()
        assert heads.KNN().fit(X, y).history_ is None


class TestAuto:
    """The best of the heads on the same inner folds."""

    def test_it_keeps_the_head_with_the_least_held_out_loss(self):
        X, y = clouds(apart=0.25)
        head = heads.Auto().fit(X, y)
        tried = dict(zip(head.path_["head"], head.path_["log_loss"], strict=True))
        assert list(tried) == heads.CANDIDATES
        assert tried[head.choice_["head"]] <= min(tried.values()) * 1.02
        alone = heads.make_head(head.choice_["head"]).fit(X, y)
        assert alone.choice_ == head.choice_
        assert (alone.predict_proba(X) == head.predict_proba(X)).all()

    def test_the_candidates_can_be_named_and_are_not_auto_itself(self):
        X, y = clouds()
        assert heads.Auto(("knn", "dense")).fit(X, y).path_["head"] == ["knn", "dense"]
        with pytest.raises(InputError, match="auto cannot compare"):
            heads.Auto(("auto",)).fit(X, y)
        with pytest.raises(UnknownName, match="did you mean centroid"):
            heads.Auto(("centroids",)).fit(X, y)


class TestWrapped:
    """Any scikit-learn classifier, scaled, calibrated and clipped like our own."""

    def test_probabilities_are_the_estimators_when_left_alone(self):
        X, y = clouds(apart=0.3)
        X -= 2
        head = heads.wrap(LogisticRegression(), calibrate=False, clip=None).fit(X, y)
        np.testing.assert_allclose(head.predict_proba(X), LogisticRegression().fit(X, y).predict_proba(X))

    @pytest.mark.parametrize("k", [2, 3])
    def test_scores_without_probabilities_are_calibrated(self, k):
        X, y = clouds(300, k=k, apart=0.6)
        head = heads.wrap(LinearSVC(), scaling="standard").fit(X, y)
        assert head.cv_log_loss_ < np.log(k) / 2
        assert head.estimator_.coef_.shape[1] == 30

    def test_what_gives_no_scores_is_refused(self):
        X, y = clouds()
        with pytest.raises(InputError, match="neither predict_proba nor decision_function"):
            heads.wrap(SilentClassifier()).fit(X, y)

    def test_class_weights_need_sample_weights(self):
        X, y = clouds()
        with pytest.raises(InputError, match="takes no sample weights"):
            heads.wrap(KNeighborsClassifier(), class_weight="balanced").fit(X, y)


class SilentClassifier(NearestCentroid):
    """A classifier with labels only."""

    predict_proba = property()
    decision_function = property()
