"""What others' tools say of the server: schemathesis of its OpenAPI, tritonclient of its protocol, axe-core of its page."""

from __future__ import annotations

import argparse
import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from http_load import Server, model_of, served, verdict

LOOKS: dict[str, dict[str, Any]] = {"light": {}, "dark": {"dark": True}, "phone": {"width": 390, "height": 1100}}


def measure(args: argparse.Namespace, base: Path, paths: list[Path]) -> bool:
    model = model_of(paths, args.backbone, base / "model.penult")
    with served(f"m={model}", "-q", log=base / "log") as server:
        fine = triton(server, model, paths[:: max(1, len(paths) // 20)])
        fine &= schema(server)
        if args.axe is not None:
            fine &= axe(server, args.axe, paths)
    return fine


def triton(server: Server, model: Path, paths: list[Path]) -> bool:
    """Hold what NVIDIA's client for Triton gets, in binary and in JSON, against `predict`."""
    import tritonclient.http as client

    import penult

    wanted = penult.load_model(model, cache_dir=False).predict([str(path) for path in paths])
    asked = client.InferenceServerClient(f"127.0.0.1:{server.port}")
    fine = all((asked.is_server_live(), asked.is_server_ready(), asked.is_model_ready("m")))
    about = asked.get_model_metadata("m")
    labels = next(one for one in about["outputs"] if one["name"] == "probabilities")["parameters"]["labels"]
    fine &= asked.get_server_metadata()["name"] == "penult" and labels == list(wanted.classes)
    given = client.InferInput("image", [len(paths)], "BYTES")
    given.set_data_from_numpy(np.array([path.read_bytes() for path in paths], object), binary_data=True)
    off, names = 0.0, True
    some = [
        client.InferRequestedOutput("probabilities", binary_data=True),
        client.InferRequestedOutput("label", binary_data=False),
    ]
    for outputs in (None, some):
        got = asked.infer("m", [given], outputs=outputs, request_id="42", model_version=about["versions"][0])
        off = max(off, float(np.abs(got.as_numpy("probabilities") - wanted.proba).max()))
        told = [label.decode() if isinstance(label, bytes) else label for label in got.as_numpy("label").tolist()]
        names &= got.get_response()["id"] == "42" and told == [one.label for one in wanted]
    told = verdict("tritonclient: health, metadata, ids and labels", float(fine and names), ">=", 1)
    # `predict` multiplies all rows at once, the server one by one: the last bit of a sum may differ
    return told & verdict("tritonclient: largest difference of a probability beside predict", off, "<=", 1e-14)


def schema(server: Server) -> bool:
    """Let schemathesis make requests of the description, good and bad, and judge the answers."""
    if importlib.util.find_spec("schemathesis") is None:
        return verdict("schemathesis is installed", 0, ">=", 1)
    address = f"http://127.0.0.1:{server.port}/openapi.json"
    # Photos are drawn as random bytes, which none is: that they are refused is no fault of the data's description
    left_out = "positive_data_acceptance"
    command = ["run", address, "--checks", "all", "--exclude-checks", left_out, "--max-examples", "60", "--no-color"]
    code = "import sys; from schemathesis.cli import schemathesis; sys.exit(schemathesis())"
    done = subprocess.run([sys.executable, "-c", code, *command], capture_output=True, text=True, check=False, cwd="/tmp")
    print(done.stdout[-3500:], done.stderr[-1500:])
    return verdict("schemathesis: exit code", done.returncode, "<=", 0)


def axe(server: Server, script: Path, paths: list[Path]) -> bool:
    """Return whether axe-core finds nothing, with and without answers on the page."""
    from accessibility import FOUND

    from browser import Chromium

    findings = 0
    with Chromium() as browser:
        for name, look in LOOKS.items():
            tab = browser.open(f"http://127.0.0.1:{server.port}/", **look)
            tab.call("Page.setBypassCSP", enabled=True)
            wait(tab, "document.body.dataset.ready")
            answer(tab, paths[:5])
            tab.run(f"{script.read_text(encoding='utf-8')};1")
            found = tab.run(FOUND)
            print(f"{name}: {len(found)} findings", *found, *tab.complaints(), sep="\n  ")
            findings += len(found)
    return verdict("axe-core: findings", findings, "<=", 0)


def wait(tab: Any, condition: str) -> None:
    from test_export_page import until

    tab.run(until(condition))


def answer(tab: Any, paths: list[Path]) -> None:
    """Choose photos on the page, and wait for their answers."""
    root = tab.call("DOM.getDocument")["root"]["nodeId"]
    chosen = tab.call("DOM.querySelector", nodeId=root, selector="#files")["nodeId"]
    tab.call("DOM.setFileInputFiles", files=[str(path) for path in paths], nodeId=chosen)
    wait(tab, "/answered/.test(document.getElementById('status').textContent)")
    tab.settle()


def photograph(args: argparse.Namespace, base: Path, paths: list[Path]) -> bool:
    """Write the picture of the page in the docs."""
    from screenshots import shrink

    from browser import Chromium

    model = model_of(paths, args.backbone, base / "model.penult")
    with served(f"fruit={model}", "-q", log=base / "log") as server, Chromium() as browser:
        tab = browser.open(f"http://127.0.0.1:{server.port}/", width=1180, height=880)
        wait(tab, "document.body.dataset.ready")
        answer(tab, paths[:: max(1, len(paths) // 8)][:8])
        tab.shot(args.out / "serve.png")
        shrink(args.out / "serve.png")
    print(args.out / "serve.png", (args.out / "serve.png").stat().st_size)
    return True
