"""What the ending of a name promises, held against what is written under it: before anything is computed.

In: a name that a user gave. Out: nothing, or one sentence.
"""

from __future__ import annotations

from pathlib import Path

from penult.errors import InputError
from penult.store.refusals import shown

CSV = (".csv", ".txt")
HDF5 = (".h5", ".hdf5")
_KINDS: dict[tuple[str, ...], str] = {CSV: "a CSV table", HDF5: "an HDF5 file"}
_OF_FILES = set(  # no folder is called so by somebody who wants a folder
    """
    .csv .tsv .txt .json .html .png .jpg .jpeg .svg .pdf .h5 .hdf5 .npy .npz .parquet .xlsx .zip .penult .onnx .pkl .pt .pth
    .keras .joblib
    """.split()  # noqa: SIM905 - a list of 25 lines says no more
)


def check_file(path: Path | str, endings: tuple[str, ...], option: str) -> None:
    """Raise `InputError` where a name ends otherwise than in one of `endings`, or in none, or is an address."""
    path_of, text = Path(path), str(path)
    if "://" in text:
        raise InputError(f"{option} {shown(text)} is an address; write a file on this machine, and copy it there.")
    if path_of.suffix.lower() not in {"", *endings}:
        cure = shown(path_of.with_suffix(endings[0]))
        raise InputError(
            f"{option} {shown(text)} would be written as {_KINDS[endings]}, whatever its ending; give a name that ends in "
            f"{' or '.join(endings)}, such as {cure}."
        )


def check_folder(path: Path | str, option: str) -> None:
    """Raise `InputError` where a folder is to be made under the name of a file."""
    path_of = Path(path)
    if path_of.suffix.lower() in _OF_FILES and not path_of.is_dir():
        raise InputError(
            f"{option} {shown(path_of)} is to be a folder, and its name is that of a file; name a folder, such as "
            f"{shown(path_of.with_suffix(''))}."
        )
