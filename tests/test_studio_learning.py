"""The learning inside the studio: quick model, questions, exam, quality, the whole head in the background."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from penult import heads
from penult.arrays import unit_blocks
from penult.store.labels import EXAM, EXCLUDED, NONE_OF_THESE, SKIPPED
from penult.studio import background
from penult.studio.background import BackgroundHead, whole_head
from penult.studio.exam import ENOUGH, Exam, agreement
from penult.studio.quality import Quality
from penult.studio.questions import AGAIN_AFTER, AGAIN_EVERY, EXAM_EVERY, Questions
from penult.studio.quick_model import QuickModel, project
from penult.studio.view import LabelView
from penult.worker import Crashed

Array = Any


def drawn(n: int = 240, k: int = 3, r: int = 12, apart: float = 1.6, seed: int = 0) -> tuple[Array, Array]:
    """Return photos of k Gaussian classes (n, r), and their classes."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % k
    Z = apart * rng.standard_normal((k, r))[y] + rng.standard_normal((n, r))
    return (Z - Z.mean(axis=0)).astype(np.float32), y


def view_of(labels: Array, classes: int = 3, **more: Any) -> LabelView:
    status = more.pop("status", np.zeros(len(labels), np.uint8))
    return LabelView(np.asarray(labels, np.int32), status, classes, **more)


def labelled(y: Array, rows: Array) -> Array:
    labels = np.full(len(y), -1, np.int32)
    labels[rows] = y[rows]
    return labels


def fitted(Z: Array, labels: Array, classes: int = 3, **more: Any) -> QuickModel:
    model = QuickModel(Z, more.pop("families", np.arange(len(Z))))
    model.update(labels, labels >= 0, classes, **more)
    return model


def test_the_directions_keep_what_the_heads_scaling_makes_of_the_features() -> None:
    X = np.random.default_rng(0).standard_normal((60, 40)).astype(np.float32) * np.linspace(1, 9, 40, dtype=np.float32)
    Z = project(lambda: iter([X[:7], X[7:50], X[50:]]), len(X), (16, 24))
    scaled = unit_blocks(X, (16, 24))
    scaled -= scaled.mean(axis=0)
    assert Z.shape[1] <= 40
    np.testing.assert_allclose(Z @ Z.T, scaled @ scaled.T, atol=1e-4)
    assert (np.diff(Z.var(axis=0)) < 1e-6).all()  # the first varies most


def test_photos_that_are_all_alike_or_alone_are_no_trouble() -> None:
    for n in (1, 6):
        Z = project(lambda n=n: [np.ones((n, 40), np.float32)], n, (16, 24))  # type: ignore[misc]
        assert Z.shape == (n, 1)
        labels = (np.arange(n) % 2).astype(np.int32)
        model = fitted(Z, labels, 2)
        assert model.ready == (n > 1) and np.allclose(model.proba, 0.5, atol=0.01)
        assert Questions(model, np.arange(n)).next("doubt", view_of(np.full(n, -1)), 3)


def test_the_quick_model_is_as_right_as_the_default_head() -> None:
    Z, y = drawn(600, apart=0.9)
    rows = np.random.default_rng(1).permutation(600)[:90]
    model = fitted(Z, labelled(y, rows))
    others = np.setdiff1d(np.arange(600), rows)
    head = heads.make_head("blend", scaling="none").fit(Z[rows], y[rows])
    quick, whole = ((p.argmax(axis=1) == y[others]).mean() for p in (model.proba[others], head.predict_proba(Z[others])))
    assert quick >= whole - 0.02
    assert abs(model.proba[others].max(axis=1).mean() - quick) < 0.08  # as sure as it is right


def test_a_model_that_kept_up_with_each_label_is_the_one_that_saw_them_at_once() -> None:
    Z, y = drawn()
    rows = np.random.default_rng(2).permutation(240)[:60]
    model, labels = QuickModel(Z, np.arange(240)), np.full(240, -1, np.int32)
    for count in range(1, 61):
        labels[rows[:count]] = y[rows[:count]]
        model.update(labels, labels >= 0, 3)
    labels[rows[50:]] = -1  # taken back, and given again
    model.update(labels, labels >= 0, 3)
    labels[rows[50:]] = y[rows[50:]]
    model.update(labels, labels >= 0, 3)
    at_once = fitted(Z, labels)
    assert model.version == 62
    np.testing.assert_allclose(model.proba, at_once.proba, atol=0.08)  # settings are chosen at a tenth more labels


def test_few_labels_make_no_model_sure() -> None:
    Z = np.random.default_rng(3).standard_normal((300, 12)).astype(np.float32)  # nothing to be learnt
    right, sure = [], []
    for seed in range(12):
        rows = np.random.default_rng(seed).permutation(300)
        y = np.random.default_rng(100 + seed).integers(2, size=300)
        y[rows[:5]] = 0, 1, 0, 1, 0
        model = fitted(Z, labelled(y, rows[:5]), 2)
        right.append((model.proba[rows[5:]].argmax(axis=1) == y[rows[5:]]).mean())
        sure.append(model.proba[rows[5:]].max(axis=1).mean())
    assert np.mean(sure) < np.mean(right) + 0.12


def test_one_label_a_class_gives_guesses_and_no_certainty() -> None:
    Z, y = drawn(apart=3.0)
    model = fitted(Z, labelled(y, np.array([0, 1, 2])))
    assert model.ready
    assert (model.proba.argmax(axis=1) == y).mean() > 0.8
    assert model.proba.max(axis=1).mean() < 0.9
    alone = fitted(Z, labelled(y, np.array([0, 3])))
    assert not alone.ready and (alone.proba == np.float32(1 / 3)).all()


def test_near_copies_count_once() -> None:
    Z, y = drawn(200, apart=0.8)
    copied = np.vstack([Z, np.repeat(Z[:1], 60, axis=0)])
    families = np.concatenate([np.arange(200), np.zeros(60, int)])
    rows = np.arange(50)
    labels = np.full(260, -1, np.int32)
    labels[rows] = y[rows]
    once = fitted(copied, labels, families=families)
    labels[200:] = y[0]
    assert np.array_equal(fitted(copied, labels, families=families).proba, once.proba)


def test_photos_drawn_by_lot_only_say_how_sure_the_model_may_be() -> None:
    Z, y = drawn(400, apart=0.7)
    labels, exam = labelled(y, np.arange(120)), np.zeros(400, bool)
    exam[80:120] = True
    model, other = QuickModel(Z, np.arange(400)), QuickModel(Z, np.arange(400))
    model.update(labels, ~exam & (labels >= 0), 3, exam)
    wrong = np.where(exam, (labels + 1) % 3, labels)
    other.update(wrong, ~exam & (labels >= 0), 3, exam)
    assert np.array_equal(model.proba.argmax(axis=1), other.proba.argmax(axis=1))
    assert other.proba.max(axis=1).mean() < model.proba.max(axis=1).mean() - 0.1


@pytest.mark.parametrize("seed", range(4))
def test_the_exams_answers_change_no_answer_of_the_model(seed: int) -> None:
    Z, y = drawn(3000, k=4, apart=0.5, seed=seed)
    labels = labelled(y, np.random.default_rng(seed).permutation(3000)[:120])
    exam = (labels >= 0) & (np.random.default_rng(seed).permuted(np.cumsum(labels >= 0)) > 20)
    model = QuickModel(Z, np.arange(len(Z)))
    model.update(labels, (labels >= 0) & ~exam, 4)
    without = model.proba
    model = QuickModel(Z, np.arange(len(Z)))
    model.update(labels, (labels >= 0) & ~exam, 4, exam=exam)
    assert np.abs(model.proba - without).max() > 0.01  # but how sure it is
    assert (model.proba.argmax(axis=1) == without.argmax(axis=1)).all()


def test_look_alikes_are_the_nearest_by_cosine_one_of_each_family() -> None:
    Z, _ = drawn(120)
    families = np.arange(120) // 2
    numbers, alike = QuickModel(Z, families).near([4, 31], 10)
    unit = Z / np.linalg.norm(Z, axis=1, keepdims=True)
    cosine = (unit @ unit[[4, 31]].T).max(axis=1)
    cosine[np.isin(families, families[[4, 31]])] = -2
    best = {f: cosine[families == f].max() for f in range(60)}
    np.testing.assert_allclose(alike, sorted(best.values(), reverse=True)[:10], atol=1e-5)
    assert len(set(families[numbers])) == 10
    assert len(QuickModel(Z, families).near(range(120), 10)[0]) == 0


def asked(Z: Array, y: Array, acts: int, answer: Callable[[Any, Any], None] | None = None, **more: Any) -> list[Any]:
    """Return the questions of a life in which every one is answered."""
    families = more.get("families", np.arange(len(Z)))
    model = QuickModel(Z, families)
    questions = Questions(model, families, seed=5)
    labels, status, again, found = np.full(len(Z), -1, np.int32), np.zeros(len(Z), np.uint8), {}, []
    at = np.zeros(len(Z), np.int64)
    for act in range(acts):
        age = np.where(labels >= 0, act - at, 0)
        view = view_of(labels, 3, status=status, acts=act, asked_again=dict(again), age=age)
        if not (next_ := questions.next("doubt", view, 1)):
            break
        one = next_[0]
        found.append(one)
        if one.kind == "again":
            again[one.number] = True
        else:
            status[families == families[one.number]] |= EXAM if one.kind == "exam" else 0
            labels[families == families[one.number]] = y[one.number]
            at[families == families[one.number]] = act
        view = view_of(labels, 3, status=status)
        model.update(labels, questions.exam.learnable(view), 3, view.labelled & questions.exam.reserved)
    return found


def test_questions_ask_each_family_once_and_the_exam_in_its_turn() -> None:
    Z, y = drawn(180)
    families = np.arange(180) // 2
    y = y[families * 2]
    life = asked(Z, y, 200, families=families)
    first = [q for q in life if q.kind != "again"]
    assert len(first) == len({families[q.number] for q in first}) == 90  # all of them, none twice
    assert {y[q.number] for q in life[:12]} == {0, 1, 2}  # every class soon
    assert [i for i, q in enumerate(life[:40]) if q.kind == "exam"] == list(range(EXAM_EVERY - 1, 40, EXAM_EVERY))
    assert all(q.guesses == () for q in life if q.kind in ("exam", "again"))
    again = [q for q in life if q.kind == "again"]
    assert [life.index(q) for q in again] == list(range(AGAIN_EVERY - 5, len(life), AGAIN_EVERY))
    for q in again:  # other questions lay between
        earlier = [i for i, other in enumerate(life) if families[other.number] == families[q.number]]
        assert life.index(q) - earlier[0] >= AGAIN_AFTER
    doubt = [q for q in life if q.kind == "doubt"]
    assert all(len(q.guesses) in (2, 3) and q.guesses[0][1] >= q.guesses[1][1] for q in doubt[5:40])
    assert [q.id for q in life] == [q.id for q in asked(Z, y, 200, families=families)]  # the same again


def test_what_is_decided_shown_or_struck_is_not_asked() -> None:
    Z, y = drawn(150)
    labels, status = labelled(y, np.arange(30)), np.zeros(150, np.uint8)
    status[30:60], status[60:90], status[90:100] = EXCLUDED, NONE_OF_THESE, SKIPPED
    model = fitted(Z, labels)
    questions = Questions(model, np.arange(150))
    view = view_of(labels, 3, status=status, acts=1, shown=frozenset(range(100, 120)))
    found = [q.number for q in questions.next("doubt", view, 100)]
    ordinary = [n for n in found if not questions.exam.reserved[n]]
    assert set(ordinary) - set(range(120, 150)) <= set(range(90, 100))  # skipped ones come last
    assert set(range(120, 150)) <= set(found) | set(np.flatnonzero(questions.exam.reserved).tolist())
    page = questions.page(1, replace(view, rejected={1: np.arange(150) >= 130}), 24)
    assert set(page.numbers) <= set(range(120, 130))


def test_a_skipped_copy_of_an_exam_photo_is_never_shown_with_a_guess() -> None:
    Z, y = drawn(120)
    families = np.arange(120) // 2
    questions = Questions(fitted(Z, labelled(y, np.arange(120)), families=families), families)
    copy = int(np.flatnonzero(questions.exam.reserved)[1])
    status = np.zeros(120, np.uint8)
    status[copy] = SKIPPED
    labels = np.where(questions.exam.reserved, -1, y)
    view = view_of(labels, status=status)
    asked = questions.next("doubt", view, 30)
    assert {one.kind for one in asked} == {"exam"} and all(not one.guesses for one in asked)


def test_of_copies_the_one_that_is_kept_is_asked() -> None:
    Z, y = drawn(60)
    Z, families, status = np.repeat(Z[:30], 2, axis=0), np.arange(60) // 2, np.zeros(60, np.uint8)
    labels = np.full(60, -1, np.int32)
    labels[:6] = y[[0, 0, 1, 1, 2, 2]]
    questions = Questions(fitted(Z, labels, families=families), families, seed=2)
    first = questions.exam.order[~np.isin(questions.exam.order, range(6))]
    gone = np.arange(6, 60, 2)
    gone[np.isin(gone + 1, first)] += 1  # those that stand for their family in the lot
    status[gone], status[gone[:3] ^ 1] = EXCLUDED, SKIPPED
    assert set(questions.page(0, view_of(labels, status=status)).numbers) - set(gone.tolist())
    asked = []
    while next_ := questions.next("doubt", view_of(labels, status=status, acts=len(asked)), 1):
        asked.append(next_[0])
        labels[families == families[asked[-1].number]] = 0
    assert {one.number for one in asked} == set(range(6, 60)) - set(gone.tolist())
    assert all((one.kind == "exam") == questions.exam.reserved[one.number] for one in asked)


def test_a_page_has_the_surest_first_and_says_how_many_will_be_wrong() -> None:
    Z, y = drawn(1500, apart=0.85, seed=4)
    rows = np.random.default_rng(0).permutation(1500)[:200]
    model = fitted(Z, labelled(y, rows))
    questions = Questions(model, np.arange(1500))
    view = view_of(labelled(y, rows))
    pages = [questions.page(c, view, 48) for c in range(3)]
    assert all(list(page.p) == sorted(page.p, reverse=True) for page in pages)
    wide = [questions.page(c, view, 1500) for c in range(3)]
    expected = sum(page.expected_wrong for page in wide)
    wrong = sum(int((y[list(page.numbers)] != page.label).sum()) for page in wide)
    assert wrong / 2 < expected < 2 * wrong
    assert questions.page(1, view_of(np.full(1500, -1)), 24).numbers != ()  # of the model, whatever is labelled
    assert Questions(QuickModel(Z, np.arange(1500)), np.arange(1500)).page(1, view, 24).numbers == ()  # no model yet


def test_the_lot_does_not_depend_on_the_order_of_the_photos() -> None:
    digests = [f"{i:064x}" for i in range(300)]
    families = np.arange(300) // 3
    one = Exam(families, 7, digests)
    turn = np.random.default_rng(0).permutation(300)
    other = Exam(families[turn], 7, [digests[i] for i in turn])
    assert turn[other.order].tolist() == one.order.tolist()
    assert one.reserved.sum() == 3 * one.planned == 60
    assert Exam(families, 8, digests).order.tolist() != one.order.tolist()
    assert Exam(np.arange(8)).planned == 1


def test_only_the_lots_turn_decides_what_counts_for_the_score() -> None:
    y = np.arange(600) % 3
    exam = Exam(np.arange(600), 1)
    labels = labelled(y, exam.order[:25])
    view = view_of(labels)
    assert exam.sample(view).tolist() == exam.order[:25].tolist()
    labels[exam.order[30:]] = y[exam.order[30:]]  # labelled in another way, before their turn
    assert len(exam.sample(view_of(labels))) == 25
    status = np.zeros(600, np.uint8)
    status[exam.order[25]], status[exam.order[26]], status[exam.order[27:30]] = SKIPPED, EXCLUDED, NONE_OF_THESE
    assert len(exam.sample(view_of(labels, status=status))) == exam.planned - 5
    assert exam.waiting(view_of(labels, status=status)) == [exam.order[25]]
    assert not (exam.learnable(view_of(labels)) & exam.reserved).any()
    proba = np.eye(3, dtype=np.float32)[y]
    assert exam.score(view, proba).score == 1 and exam.score(view, proba).low < 0.9
    assert exam.score_of(ENOUGH - 1, ENOUGH - 1).score is None
    told = agreement(view_of(labels, asked_again=dict(zip(exam.order[:4].tolist(), (True, True, True, False), strict=True))))
    assert (told.asked, told.same) == (4, 3)


def test_quality_follows_the_exam_and_stops_only_where_answers_have_settled() -> None:
    Z, y = drawn(900, apart=2.0)
    model = QuickModel(Z, np.arange(900))
    questions = Questions(model, np.arange(900))
    quality, order = Quality(questions.exam), questions.exam.order
    free = np.flatnonzero(~questions.exam.reserved)
    for count in (12, 30, 60, 120, 240):
        labels = labelled(y, free[:count])
        if count >= 60:
            labels[order[: count // 3]] = y[order[: count // 3]]
        view = view_of(labels)
        model.update(labels, questions.exam.learnable(view), 3, view.labelled & questions.exam.reserved)
        assert quality.watch(view, model) and not quality.watch(view, model)
        stop = quality.stop(view, model).key
        assert stop == "early" or count > 30
    curve = quality.curve(view)
    assert [point["labels"] for point in curve] == [12, 30, 60, 120, 240]
    assert all(point["low"] <= point["accuracy"] <= point["high"] for point in curve)
    assert stop == "settled" and quality.stop(view, model).values["changed"] <= 0.02
    assert Quality(questions.exam, quality.to_list()).curve(view) == curve
    told = quality.summary(view, model, None)
    assert told["exam"]["asked"] == 80 and told["background"] is None
    assert [one["labelled"] for one in told["classes"]] == np.bincount(y[view.labelled]).tolist()
    Z, y = drawn(900, apart=0.15)  # hardly to be told apart: answers go on changing
    noisy, doubtful = QuickModel(Z, np.arange(900)), Quality(questions.exam)
    for count in (30, 60, 120):
        labels = labelled(y, np.concatenate([free[:count], order]))
        view = view_of(labels)
        noisy.update(labels, questions.exam.learnable(view), 3, view.labelled & questions.exam.reserved)
        doubtful.watch(view, noisy)
    assert doubtful.stop(view, noisy).key == "go_on"
    everything = view_of(drawn(900)[1])
    assert quality.stop(everything, model).key == "all" and quality.help(everything, model) == []


def test_what_would_help_are_doubtful_photos_of_the_doubtful_classes() -> None:
    Z, y = drawn(900, apart=0.6)
    labels = labelled(y, np.arange(60))
    model = fitted(Z, labels)
    quality = Quality(Exam(np.arange(900)))
    found = quality.help(view_of(labels), model)
    assert found and found[0]["doubt"] == max(one["doubt"] for one in found)
    for one in found:
        numbers = np.array(one["numbers"])
        assert len(numbers) == 20 and (labels[numbers] < 0).all() and not quality.exam.reserved[numbers].any()
        assert (model.proba[numbers].argmax(axis=1) == one["class"]).all()
        assert model.proba[numbers].max(axis=1).mean() < model.proba.max(axis=1).mean()


def test_the_whole_head_measures_out_of_fold_and_finds_wrong_labels() -> None:
    Z, y = drawn(300, apart=2.5)
    given, rows = y.copy(), np.arange(150)
    given[[10, 20, 30]] = (y[[10, 20, 30]] + 1) % 3
    result = whole_head(Z, rows, given[rows], np.arange(300)[rows])
    assert result.labels == 150 and result.proba.shape == (300, 3)
    assert (result.proba[150:].argmax(axis=1) == y[150:]).mean() > 0.9
    assert result.accuracy.value is not None and 0.9 < result.accuracy.value < 1
    assert {photo for photo, *_ in result.doubted} == {10, 20, 30}
    assert all((own, other) == (given[photo], y[photo]) for photo, own, _, other in result.doubted)
    assert result.novelty is not None and (result.novelty > 1).mean() < 0.2
    single = np.append(given[rows], 3)  # a class of one photo cannot be held out
    assert whole_head(Z, np.arange(151), single, np.arange(151)).classes.tolist() == [0, 1, 2]
    assert "fewer than two classes" in whole_head(Z, np.arange(2), np.array([0, 1]), np.arange(2)).note


def wait(head: BackgroundHead) -> None:
    end = time.monotonic() + 60
    while head.running and time.monotonic() < end:
        time.sleep(0.01)


def test_the_background_works_in_a_child_and_only_when_labels_have_grown() -> None:
    Z, y = drawn(120)
    told: list[int] = []
    head = BackgroundHead(Z, np.arange(120), lambda: told.append(1))
    few, labels = labelled(y, np.arange(10)), labelled(y, np.arange(40))
    assert not head.offer(few, few >= 0)
    start = time.monotonic()
    assert head.offer(labels, labels >= 0)
    assert time.monotonic() - start < 0.5
    wait(head)
    result = head.result()
    assert result is not None and result.labels == 40 and told == [1]
    assert not head.offer(labels, labels >= 0, pause=True)  # nothing is new
    labels[41] = y[41]
    assert not head.offer(labels, labels >= 0)
    assert head.offer(labels, labels >= 0, pause=True)
    head.close()
    assert not head.running and not head.offer(labelled(y, np.arange(100)), np.ones(120, bool))


def test_a_crash_in_the_background_costs_nothing_and_is_said_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Dying:
        def __init__(self, _work: str) -> None: ...
        def __enter__(self) -> Any:
            return self

        def __exit__(self, *_: object) -> None: ...
        def send(self, _thing: Any) -> None: ...
        def answer(self) -> Any:
            raise Crashed("exit code -9")

    monkeypatch.setattr(background, "Worker", Dying)
    Z, y = drawn(120)
    head = BackgroundHead(Z, np.arange(120))
    with caplog.at_level(logging.WARNING):
        for count in (30, 60, 90):
            labels = labelled(y, np.arange(count))
            assert head.offer(labels, labels >= 0)
            wait(head)
    assert head.result() is None
    assert len([r for r in caplog.records if "could not be fitted in the background" in r.message]) == 1
