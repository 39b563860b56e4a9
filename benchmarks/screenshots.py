"""The pictures of the page in the docs: a run on drawn fruit, photographed in a Chromium without a window.

    python benchmarks/screenshots.py [--out docs] [--run FOLDER]

Writes report-light.png, report-dark.png and report-phone.png, each at most 150 kB. `--run` takes a run that is there already.
"""

from __future__ import annotations

import argparse
import io
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

MOST = 150_000  # bytes
LOOKS = {
    "report-light": {"width": 1180, "height": 1500},
    "report-dark": {"width": 1180, "height": 1240, "dark": True},
    "report-phone": {"width": 390, "height": 1500, "scale": 1.5},
}


def trained(base: Path) -> Path:
    """Draw the fruit, train on it, and return the run folder."""
    import fruit

    from penult.training import TrainOptions, train_images

    fruit.lay_out(base / "fruit")
    return train_images(str(base / "fruit"), None, TrainOptions(out=str(base / "run"))).folder


def photograph(run: Path, out: Path) -> None:
    from browser import Chromium

    with Chromium() as browser:
        for name, look in LOOKS.items():
            page = browser.open((run / "report.html").resolve().as_uri(), **look)
            if name == "report-dark":
                page.click("#map-wrong")
                page.run("document.getElementById('map').scrollIntoView({block: 'start', behavior: 'instant'})")
            page.settle()
            page.shot(out / f"{name}.png")
            shrink(out / f"{name}.png")
            print(name, (out / f"{name}.png").stat().st_size, page.complaints())


def shrink(path: Path) -> None:
    """Save the picture with as few colours as it needs to stay below the limit."""
    from PIL import Image

    with Image.open(path) as whole:
        picture = whole.convert("RGB")
    for colours in (256, 192, 128, 96, 64):
        file = io.BytesIO()
        picture.quantize(colours, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).save(file, "PNG", optimize=True)
        if file.tell() <= MOST:
            break
    path.write_bytes(file.getvalue())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", default=str(Path(__file__).resolve().parents[1] / "docs"))
    parser.add_argument("--run", help="a run that is there already, instead of one on drawn fruit")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run = Path(asked.run) if asked.run else trained(Path(folder))
        photograph(run, Path(asked.out))


if __name__ == "__main__":
    main()
