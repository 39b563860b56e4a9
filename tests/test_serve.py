"""The server as clients see it: answers, refusals, limits. A stand-in for the networks decides how long photos take."""

from __future__ import annotations

import base64
import json
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from penult.bundle import Bundle, save_bundle
from penult.errors import DamagedFile, InputError
from penult.serve import Queue, ReviewOptions, ServeOptions, parse_models
from penult.serve.metrics import route
from penult.web import HttpLimits
from serving import MADE, NEEDED, Answer, Client, SlowPredictor, running
from test_export import model
from test_web_limits import form

pytestmark = NEEDED

TOKEN = "a-token-of-enough-letters"
LIMITS = HttpLimits(max_bytes=50_000, header_seconds=0.4, body_seconds=0.4, deadline=20, drain_bytes=500_000)
TOO_DEEP = "nested too deeply" if sys.version_info < (3, 14) else "no JSON that can be read"  # 3.14: by the stack


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "colors.penult"
    save_bundle(path, model())
    return path


@pytest.fixture(scope="module")
def client(file: Path) -> Iterator[Client]:
    """A server of one model that answers at once."""
    with running({"colors": file}, quick, limits=LIMITS, queue=Queue(photos=9, most=4)) as asked:
        yield asked


def quick(bundle: Bundle, settings: Any) -> SlowPredictor:
    made = SlowPredictor(bundle, settings)
    made.go.set()
    return made


def infer(client: Client, asked: Any, *binary: bytes, path: str = "/v2/models/colors/infer") -> Answer:
    text = json.dumps(asked).encode()
    headers = {"inference-header-content-length": str(len(text))} if binary else {}
    return client.ask(path, text + b"".join(binary), headers=headers)


def tensor(*photos: bytes, **more: Any) -> dict[str, Any]:
    data = [base64.b64encode(photo).decode() for photo in photos]
    return {"name": "image", "datatype": "BYTES", "shape": [len(photos)], "data": data, **more}


def test_a_photo_and_a_form_of_photos_are_answered(client: Client) -> None:
    one = client.ask("/predict", b"12345", headers={"X-Request-Id": "mine-1"})
    assert one.status == 200 and one.headers["x-request-id"] == "mine-1"
    version = client.ask("/models").json()["models"][0]["model_version"]
    proba = {"red": 0.8, "green": pytest.approx(0.1), "other": pytest.approx(0.1)}
    answer = {"label": "red", "confidence": 0.8, "probabilities": proba, "novelty": 5.0}
    assert one.json() == {"model": "colors", "model_version": version, "predictions": [answer]}
    kind = {"Content-Type": "multipart/form-data; boundary=xyz"}
    many = client.ask("/predict?model=colors", form(("a.jpg", b"1"), ("b.jpg", b"bad")), headers=kind)
    first, second = many.json()["predictions"]
    assert many.status == 200 and (first["file"], first["novelty"]) == ("a.jpg", 1.0)
    assert (second["file"], second["novelty"]) == ("b.jpg", None) and second["unreadable"].startswith("truncated")


@pytest.mark.parametrize(
    ("path", "body", "headers", "status", "said"),
    [
        ("/predict", b"", {}, 400, "no photo in the body"),
        ("/predict", b"bad", {}, 422, "the photo cannot be read: truncated"),
        ("/predict", b"1", {"Content-Type": "text/html"}, 415, "text/html is no photo"),
        ("/predict", b"1", {"Content-Encoding": "gzip"}, 415, "packed"),
        ("/predict/dogs", b"1", {}, 404, "no model 'dogs'"),
        ("/predict", None, {}, 405, "use POST"),
        ("/nowhere", None, {}, 404, "nothing at this path"),
        ("/predict", b"1", {"Host": "evil.example"}, 403, "evil.example"),
        ("/predict", b"1", {"Origin": "http://evil.example"}, 403, "another origin"),
        ("/predict", form(*[("a", b"1")] * 5), {"Content-Type": "multipart/form-data; boundary=xyz"}, 413, "more than 4"),
        ("/v2/models/colors/versions/1/infer", b"1", {}, 404, "version '1'"),
        ("/v2/models/colors/infer", b"[" * 40_000, {}, 400, TOO_DEEP),
        ("/v2/models/colors/infer", b'{"inputs": ["\xff"]}', {}, 400, "no JSON"),
        ("/v2/models/colors/infer", b"{}", {"Inference-Header-Content-Length": "3"}, 400, "no number of bytes"),
    ],
)  # fmt: skip
def test_what_is_not_done_is_a_status_and_a_sentence(
    client: Client, path: str, body: bytes | None, headers: dict[str, str], status: int, said: str
) -> None:
    answer = client.ask(path, body, headers=headers)
    assert answer.status == status and said in answer.json()["error"]
    assert answer.headers["x-content-type-options"] == "nosniff" and "access-control-allow-origin" not in answer.headers


def test_a_body_that_is_too_large_is_told_so_and_not_cut_off(client: Client) -> None:
    chunks: Any = [b"x" * 100_000] * 4  # of a length that is not told before
    for body, headers in ((b"x" * 400_000, {}), (b"x" * 400_000, {"Connection": "close"}), (chunks, {})):
        answer = client.ask("/predict", body, headers=headers)
        assert answer.status == 413 and "50,000 bytes" in answer.json()["error"], headers
    asked = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 90000\r\n\r\n"
    told = client.raw(asked)
    assert told.startswith(b"HTTP/1.1 413") and b"connection: close" in told  # at once, and nothing of the body is asked for
    endless = asked.replace(b"Expect: 100-continue\r\n", b"").replace(b"90000", b"9000000") + b"x" * 1_000_000
    try:
        client.raw(endless, b"x" * 8_000_000)
    except ConnectionError:
        return  # more than the server reads of what it refuses
    pytest.fail("an endless body was read")


def test_headers_and_bodies_that_do_not_come_are_not_waited_for(client: Client) -> None:
    head = b"POST /predict HTTP/1.1\r\nHost: localhost\r\n"
    began = time.monotonic()
    with ThreadPoolExecutor(5) as at_once:
        begun = b"GET / HTTP/1.1\r\nHost: lo"
        cases = (b"\r\n", begun, head + b"Content-Length: 9\r\n\r\n12", b"", head + b"X: " + b"y" * 70_000)
        empty_line, slow, half, silent, endless = at_once.map(lambda data: client.raw(data, wait=5), cases)
    assert time.monotonic() - began < 4
    assert b" 408 " in slow and b"headers took longer" in slow
    assert b" 408 " in half and b"body took longer" in half
    assert silent == empty_line == b"" and b" 431 " in endless
    assert b" 400 " in client.raw(b"\x16\x03\x01\x02\r\n\r\n")
    assert client.ask("/v2/health/live").status == 200


def test_the_inference_protocol_in_json_and_in_binary(client: Client) -> None:
    known = client.ask("/v2/models/colors").json()
    assert [one["name"] for one in known["outputs"]] == ["label", "confidence", "probabilities"]  # this model has no novelty
    assert known["outputs"][2]["parameters"]["labels"] == ["red", "green", "other"]
    path = f"/v2/models/colors/versions/{known['versions'][0]}/infer"
    said = infer(client, {"id": "7", "inputs": [tensor(b"12", b"3")]}, path=path).json()
    assert (said["id"], said["model_version"]) == ("7", known["versions"][0])
    assert [(one["shape"], len(one["data"])) for one in said["outputs"]] == [([2], 2), ([2], 2), ([2, 3], 6)]
    photos = b"".join(len(photo).to_bytes(4, "little") + photo for photo in (b"12", b"345"))
    asked = {"name": "image", "datatype": "BYTES", "shape": [2], "parameters": {"binary_data_size": len(photos)}}
    wanted = [{"name": "label", "parameters": {"binary_data": True}}, {"name": "confidence"}]
    answer = infer(client, {"inputs": [asked], "outputs": wanted}, photos)
    split = int(answer.headers["inference-header-content-length"])
    label, confidence = json.loads(answer.body[:split])["outputs"]
    assert answer.body[split:] == b"\3\0\0\0red" * 2 and label["parameters"]["binary_data_size"] == 14
    assert confidence["data"] == [0.8, 0.8]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"inputs": []}, "one input"),
        ({"inputs": [tensor(b"1", name="x")]}, "one input"),
        ({"inputs": [tensor(b"1", datatype="FP32")]}, "datatype BYTES"),
        ({"inputs": [tensor(b"1", shape=[2])]}, "says 2 photos"),
        ({"inputs": [tensor(b"1", shape=[-1])]}, "list of whole numbers"),
        ({"inputs": [tensor(b"1", data=["???"])]}, "not base64"),
        ({"inputs": [tensor(b"1", parameters={"binary_data_size": 3})]}, "0 bytes stand behind"),
        ({"id": 7}, "`id`"),
        ({"outputs": [{"name": "logits"}]}, "names something else"),
        ({"outputs": [{"name": "label", "parameters": {"classification": 2}}]}, "classification"),
    ],
)
def test_an_inference_request_that_is_wrong_is_told_where(client: Client, change: dict[str, Any], said: str) -> None:
    answer = infer(client, {"inputs": [tensor(b"1")], **change})
    assert answer.status == 400 and said in answer.json()["error"]


def test_a_photo_that_cannot_be_read_has_no_place_in_a_tensor(client: Client) -> None:
    answer = infer(client, {"id": "7", "inputs": [tensor(b"1", b"bad")]})
    assert answer.status == 422 and answer.json()["id"] == "7" and "photo 2 of 2 cannot be read" in answer.json()["error"]


def test_metrics_count_what_happened(client: Client) -> None:
    client.ask("/predict", b"1")
    client.ask("/predict/no-such-model", b"1")
    text = client.ask("/metrics").body.decode()
    for line in ('penult_requests_total{path="/predict/{model}",status="404"}', 'penult_photos_waiting{model="colors"} 0.0'):
        assert line in text
    assert 'penult_photos_total{model="colors",result="ok"}' in text and "no-such-model" not in text
    paths = ("*", "", "/", "/predict/a", "/predict/a/b", "/v2/models/a/infer", "/v2/health/live", "/v2")
    assert [route(path) for path in paths] == [
        "other",
        "other",
        "/",
        "/predict/{model}",
        "other",
        "/v2/infer",
        "/v2/health",
        "/v2",
    ]


def test_a_full_queue_refuses_at_once_and_a_photo_does_not_wait_for_ever(file: Path) -> None:
    with running({"colors": file}, SlowPredictor, queue=Queue(photos=3, seconds=0.5)) as client, ThreadPoolExecutor(9) as many:
        first = many.submit(client.ask, "/predict", b"1")
        until(lambda: MADE[-1].running == 1)
        others = [many.submit(client.ask, "/predict", b"22") for _ in range(3)]
        until(lambda: MADE[-1].waiting == 3)
        began = time.monotonic()
        full = client.ask("/predict", b"333")
        assert full.status == 503 and full.headers["retry-after"] == "1" and time.monotonic() - began < 0.4
        assert [one.result().status for one in others] == [503] * 3 and "waited longer than 0.5 s" in others[
            0
        ].result().json()["error"]
        assert MADE[-1].waiting == 0
        MADE[-1].go.set()
        assert first.result().status == 200  # it was in work, so only the deadline counts


def until(condition: Any) -> None:
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < 10
        time.sleep(0.01)


def test_a_client_that_leaves_takes_its_photo_with_it(file: Path) -> None:
    with running({"colors": file}, SlowPredictor) as client, ThreadPoolExecutor(1) as one:
        first = one.submit(client.ask, "/predict", b"1")
        until(lambda: MADE[-1].running == 1)
        client.raw(b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n22", wait=0.2)
        until(lambda: MADE[-1].waiting == 0)
        MADE[-1].go.set()
        assert first.result().status == 200


def test_the_end_waits_for_what_is_in_work_and_a_second_signal_does_not(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    codes: list[int] = []
    monkeypatch.setattr("penult.web.server.os._exit", codes.append)
    with running({"colors": file}, SlowPredictor) as client, ThreadPoolExecutor(1) as one:
        first = one.submit(client.ask, "/predict", b"1")
        until(lambda: MADE[-1].running == 1)
        loop = client.server.loop
        assert loop is not None
        loop.call_soon_threadsafe(client.server.web.end, "SIGTERM")
        time.sleep(0.3)
        assert not first.done() and codes == []
        with pytest.raises(OSError):  # nothing new is taken
            client.ask("/v2/health/live")
        loop.call_soon_threadsafe(client.server.web.end, "SIGTERM")
        until(lambda: codes == [143])
        MADE[-1].go.set()
        assert first.result().status == 200


def test_a_token_is_needed_beyond_this_machine_and_asked_for(file: Path) -> None:
    models = {"colors": file}
    with pytest.raises(InputError, match="no token"):
        ServeOptions(models, host="0.0.0.0")
    with pytest.raises(InputError, match="16 or more"):
        ServeOptions(models, token="short")
    with running(models, quick, token=TOKEN, allow_hosts=("photos.example",)) as client:
        assert [client.ask(path).status for path in ("/", "/v2/health/ready", "/models", "/metrics")] == [200, 200, 401, 401]
        refused = client.ask("/predict", b"1")
        assert refused.status == 401 and refused.headers["www-authenticate"] == "Bearer"
        given = {"Authorization": f"Bearer {TOKEN}", "Host": "photos.example"}
        assert client.ask("/predict", b"1", headers=given).status == 200


def test_a_changed_model_is_tested_and_swapped_and_a_broken_one_is_not(tmp_path: Path) -> None:
    path, made = tmp_path / "m.penult", model()
    save_bundle(path, made)
    with running({"m": path}, quick) as client:
        models = client.server.models

        def versions() -> str:
            return str(client.ask("/predict", b"1").json()["model_version"])

        def reload() -> None:
            done = threading.Event()

            async def again() -> None:
                await models.reload(changed_only=True)
                done.set()

            client.run(again())
            assert done.wait(20)

        first = versions()
        reload()
        assert models.reloads == {}
        save_bundle(path, replace(made, facts={"broken": True}))
        reload()
        assert versions() == first and models.reloads == {("m", False): 1}
        reload()  # it is not tried again and again
        path.write_bytes(b"half a file")
        reload()
        assert versions() == first and models.reloads == {("m", False): 2}
        save_bundle(path, replace(made, classes=("a", "b", "c")))
        reload()
        assert versions() != first and models.reloads[("m", True)] == 1
        assert client.ask("/predict", b"1").json()["predictions"][0]["label"] == "a"


def test_a_model_that_fails_its_self_test_is_never_served(tmp_path: Path) -> None:
    save_bundle(tmp_path / "m.penult", replace(model(), facts={"broken": True}))
    with pytest.raises(DamagedFile, match="self-test"), running({"m": tmp_path / "m.penult"}, quick):
        pass


def test_several_models_are_told_apart_by_name(file: Path) -> None:
    with running({"one": file, "two": file}, quick) as client:
        assert [client.ask(path, b"1").json().get("model") for path in ("/predict/one", "/predict?model=two")] == [
            "one",
            "two",
        ]
        unnamed = client.ask("/predict", b"1")
        assert unnamed.status == 400 and "one, two" in unnamed.json()["error"]
    named = parse_models(["cats=runs/a", "runs/b", "runs/c/model.penult", "d e.penult"])
    assert {name: path.as_posix() for name, path in named.items()} == {
        "cats": "runs/a", "b": "runs/b", "c": "runs/c/model.penult", "d-e": "d e.penult",
    }  # fmt: skip
    with pytest.raises(InputError, match="two models are called a"):
        parse_models(["a", "x/a"])


def test_doubtful_photos_are_kept_for_review_within_limits(file: Path, tmp_path: Path) -> None:
    review = ReviewOptions(tmp_path / "review", level=0.85, photos=2)
    photos = [b"\xff\xd8\xff one", b"\xff\xd8\xff one", b"bad", b"RIFF....WEBP", b"a third"]
    with running({"colors": file}, quick, review=review) as client:
        for photo in photos:
            client.ask("/predict", photo)
    kept = sorted((tmp_path / "review").iterdir())
    assert sorted(path.suffix for path in kept) == [".jpg", ".json", ".json", ".webp"]
    jpeg = next(path for path in kept if path.suffix == ".jpg")
    about = json.loads(jpeg.with_suffix(".json").read_text())
    assert jpeg.read_bytes() == photos[0] and (about["label"], about["confidence"], about["novelty"]) == ("red", 0.8, 11.0 - 4)
    assert about["reason"] == "unlike the training photos; unsure"


def test_the_description_has_every_path_and_nothing_else(client: Client) -> None:
    described = client.ask("/openapi.json").json()
    models, versions = "/v2/models/{name}", "/v2/models/{name}/versions/{version}"
    assert set(described["paths"]) == {
        "/predict", "/predict/{name}", "/models", "/metrics", "/v2", "/v2/health/live", "/v2/health/ready",
        *(model + end for model in (models, versions) for end in ("", "/ready", "/infer")),
    }  # fmt: skip
    for path, operations in described["paths"].items():
        filled = path.replace("{name}", "colors").replace("{version}", client.ask("/v2/models/colors").json()["versions"][0])
        for method, operation in operations.items():
            answer = client.ask(filled, b"1" if method == "post" else None)
            assert str(answer.status) in operation["responses"] and answer.status not in (404, 405), path
    assert described["openapi"] == "3.1.0"
