"""Parquet files by pyarrow, its only user: written with page checksums, read with them verified.

In: columns as lists or arrays, kinds of columns as short words (`KINDS`, and `float16[512]` for vectors). Out: files that
pyarrow, polars, DuckDB and pandas read, and the columns again. It must not know what they mean.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import IO, Any, Self

import numpy as np
from numpy.typing import NDArray

from penult.errors import DamagedFile, MissingExtra
from penult.i18n import _
from penult.texts import printable

KINDS = ("string", "bool", "int32", "int64", "float32", "float64", "binary", "binary[32]", "list<float32>")
GROUP_ROWS = 1024  # rows of vectors in a row group, the least that is read at once
_VECTOR = re.compile(r"(float16|float32)\[(\d+)\]")
_BUFFER = 1 << 20  # bytes of a column that are read at once where it is read page by page
_OWN = b"ARROW:schema"


@cache
def _library() -> tuple[Any, Any]:
    """Return pyarrow and its module for Parquet. Raises `MissingExtra`."""
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise MissingExtra(_("Parquet files need pyarrow, which is not installed; pip install 'penult[cloud]'.")) from error
    return pa, pq


def check_installed() -> None:
    """Raise `MissingExtra` where there is no pyarrow."""
    _library()


class ParquetWriter:
    """Writes one file; each call of `write` makes row groups of `group_rows` rows at most (None: one).

    `kinds` gives the columns, in order; everything is packed with zstd, vectors of float32 are split by bytes before
    (BYTE_STREAM_SPLIT). Those of float16 are not: it would save 2% to 6%, and DuckDB could not read them. The same columns
    give the same bytes. As a `with` block it is finished at the end.
    """

    def __init__(self, file: IO[bytes], kinds: Mapping[str, str], metadata: Mapping[str, str] | None = None) -> None:
        pa, pq = _library()
        self._schema = pa.schema([pa.field(name, _type_of(kind)) for name, kind in kinds.items()], metadata or None)
        found = {name: vector[1] for name, kind in kinds.items() if (vector := _VECTOR.fullmatch(kind))}
        split = [f"{name}.list.element" for name, number in found.items() if number == "float32"]
        self._writer = pq.ParquetWriter(
            file,
            self._schema,
            compression="zstd",
            use_dictionary=[name for name, kind in kinds.items() if kind == "string"],
            column_encoding=dict.fromkeys(split, "BYTE_STREAM_SPLIT") or None,
            write_statistics=[name for name in kinds if name not in found],
            write_page_checksum=True,
            store_schema=True,
        )
        self._gathered: list[Any] = []

    def write(self, columns: Mapping[str, Any], group_rows: int | None = None) -> None:
        """Append rows: for each column a sequence or array (n,), of vectors an array (n, d), where masked rows are null."""
        table = self._table(columns)
        self._writer.write_table(table, row_group_size=group_rows or max(1, len(table)))

    def append_to_group(self, columns: Mapping[str, Any], group_rows: int) -> None:
        """Append rows to a row group that further calls may fill up to `group_rows` rows; rows of one call stay together."""
        table = self._table(columns)
        if len(table) + sum(map(len, self._gathered)) > group_rows:
            self.end_group()
        self._gathered.append(table)

    def end_group(self) -> None:
        """Write the rows that were gathered as one row group."""
        pa, _io = _library()
        if self._gathered:
            table = pa.concat_tables(self._gathered)
            self._gathered = []
            self._writer.write_table(table, row_group_size=len(table))

    def copy(self, reader: ParquetReader, group: int) -> None:
        """Append a row group of a file with the same columns as it is."""
        table = reader.table(group).replace_schema_metadata(self._schema.metadata)
        self._writer.write_table(table, row_group_size=len(table))

    def _table(self, columns: Mapping[str, Any]) -> Any:
        pa, _io = _library()
        arrays = [_array(columns[field.name], field.type) for field in self._schema]
        return pa.Table.from_arrays(arrays, schema=self._schema)

    def add_metadata(self, metadata: Mapping[str, str]) -> None:
        """Add what is known only at the end."""
        self._writer.add_key_value_metadata(dict(metadata))

    def close(self) -> None:
        """Write the end of the file; the file itself stays open."""
        self.end_group()
        self._writer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: object) -> None:
        if kind is None:
            self.close()
            return
        with suppress(Exception):  # the file is given up: what is left to write need not be written
            self.close()
        self._writer.is_open = False


def to_parquet(
    columns: Mapping[str, Any], kinds: Mapping[str, str], metadata: Mapping[str, str], group_rows: int | None = GROUP_ROWS
) -> bytes:
    """Return a whole file with these columns."""
    file = io.BytesIO()
    with ParquetWriter(file, kinds, metadata) as writer:
        writer.write(columns, group_rows)
    return file.getvalue()


class ParquetReader:
    """One file, read by columns and row groups; what was damaged is found (`DamagedFile`), never returned.

    `name` is what messages call it. With `by_page` row groups are read page by page: those of others may be large.
    """

    def __init__(self, source: str | Path | bytes | IO[bytes], name: str = "", by_page: bool = False) -> None:
        pa, pq = _library()
        self.name = name or (str(source) if isinstance(source, str | Path) else "a Parquet file")
        opened = pa.BufferReader(source) if isinstance(source, bytes) else source
        how = {"buffer_size": _BUFFER, "pre_buffer": False} if by_page else {}
        with self._checked():
            self._file = pq.ParquetFile(opened, page_checksum_verification=True, **how)
            about = self._file.metadata
            self.group_rows = [about.row_group(i).num_rows for i in range(about.num_row_groups)]
            self._kept: tuple[int, Any] = (-1, None)
            told = (about.metadata or {}).items()
            self.metadata = {k.decode(errors="replace"): v.decode(errors="replace") for k, v in told if k != _OWN}

    @property
    def rows(self) -> int:
        """The number of rows."""
        return sum(self.group_rows)

    @property
    def columns(self) -> list[tuple[str, str]]:
        """Each leaf by its dotted path (`image.bytes`), with the arrow type in arrow's words (`binary`, `string`, ...)."""
        pa, _io = _library()
        with self._checked():
            return [leaf for field in self._file.schema_arrow for leaf in _leaves(pa, field, "")]

    def batches(self, columns: Sequence[str], group: int, rows: int = 64) -> Iterator[dict[str, list[Any]]]:
        """Yield some rows at a time of one row group: for each leaf its Python values."""
        with self._checked():
            for batch in self._file.iter_batches(rows, row_groups=[group], columns=list(columns)):
                yield {name: _leaf(batch, name).to_pylist() for name in columns}

    def sizes(self, column: str, group: int) -> tuple[int, int, bool]:
        """Return how many bytes a leaf has in a row group, packed and unpacked, and whether repeated values stand there once.

        That is what the file says of itself.
        """
        with self._checked():
            about = self._file.metadata.row_group(group)
            leaves = (about.column(i) for i in range(about.num_columns))
            leaf = {leaf.path_in_schema: leaf for leaf in leaves}[column]
            return leaf.total_compressed_size, leaf.total_uncompressed_size, leaf.has_dictionary_page

    def read(self, columns: Sequence[str], groups: Sequence[int] | None = None) -> dict[str, list[Any]]:
        """Return columns of row groups (default: all) as lists of Python values."""
        return {name: column.to_pylist() for name, column in self._table(columns, groups).items()}

    def table(self, group: int) -> Any:
        """Return a row group as an Arrow table; the last one is kept."""
        if self._kept[0] != group:
            with self._checked():
                self._kept = (group, self._file.read_row_group(group, use_threads=False))
        return self._kept[1]

    def slice_rows(self, columns: Sequence[str], group: int, start: int, stop: int) -> dict[str, list[Any]]:
        """Return the rows `start` to `stop` of a row group as lists of Python values; the group is kept for the next call."""
        table = self.table(group).slice(start, stop - start)
        return {name: table.column(name).to_pylist() for name in columns}

    def digests(self, column: str, groups: Sequence[int] | None = None) -> NDArray[np.uint8]:
        """Return a column of 32 bytes each as (n, 32); zeros where there is none."""
        values = self._table([column], groups)[column].to_pylist()
        return np.frombuffer(b"".join(value or bytes(32) for value in values), np.uint8).reshape(-1, 32)

    def vectors(self, column: str, groups: Sequence[int] | None = None) -> NDArray[np.floating]:
        """Return a column of vectors without its null rows: (m, d), float16 or float32 as it is stored."""
        found = self._table([column], groups)[column]
        flat = found.combine_chunks().flatten()  # leaves null rows out
        return np.asarray(flat.to_numpy(zero_copy_only=False)).reshape(-1, found.type.list_size)

    def present(self, column: str, groups: Sequence[int] | None = None) -> NDArray[np.bool_]:
        """Return which rows of a column are not null, (n,)."""
        return np.asarray(self._table([column], groups)[column].is_valid().to_numpy(zero_copy_only=False), bool)

    def _table(self, columns: Sequence[str], groups: Sequence[int] | None) -> dict[str, Any]:
        groups = range(len(self.group_rows)) if groups is None else groups
        with self._checked():
            table = self._file.read_row_groups(list(groups), columns=list(columns), use_threads=False)
            return {name: table.column(name) for name in columns}

    @contextmanager
    def _checked(self) -> Iterator[None]:
        """Raise `DamagedFile` for what pyarrow raises; a file that is gone or closed to this user stays an `OSError`."""
        pa, _io = _library()
        try:
            yield
        except (FileNotFoundError, PermissionError):
            raise
        except (OSError, pa.ArrowException, KeyError, UnicodeDecodeError) as error:
            said = printable(str(error).split("\n", 1)[0][:200].rstrip("."))
            raise DamagedFile(
                _(
                    "{name} is no Parquet file as it was written: {said}; copy it again from where it was made, or make "
                    "it again.",
                    name=printable(self.name),
                    said=said,
                )
            ) from error


def _type_of(kind: str) -> Any:
    pa, _io = _library()
    if vector := _VECTOR.fullmatch(kind):
        return pa.list_(getattr(pa, vector[1])(), int(vector[2]))
    if kind not in KINDS:
        raise ValueError(f"no kind of column is called {kind!r}")
    if kind == "list<float32>":
        return pa.list_(pa.float32())
    return pa.binary(32) if kind == "binary[32]" else getattr(pa, kind)()


def _array(values: Any, kind: Any) -> Any:
    """Return a column; vectors come as an array (n, d), masked where rows are null, and are not copied."""
    pa, _io = _library()
    if not pa.types.is_fixed_size_list(kind):
        return pa.array(values, kind)
    rows = np.ascontiguousarray(np.ma.getdata(values), kind.value_type.to_pandas_dtype())  # (n, d)
    mask = np.ma.getmaskarray(values)[:, 0] if np.ma.is_masked(values) else None  # (n,)
    flat = pa.array(rows.reshape(-1), kind.value_type)
    return pa.FixedSizeListArray.from_arrays(flat, type=kind, mask=None if mask is None else pa.array(mask))


def _leaves(pa: Any, field: Any, prefix: str) -> Iterator[tuple[str, str]]:
    if pa.types.is_struct(field.type):
        for inner in field.type:
            yield from _leaves(pa, inner, f"{prefix}{field.name}.")
    else:
        yield f"{prefix}{field.name}", str(field.type)


def _leaf(batch: Any, path: str) -> Any:
    pa, _io = _library()
    names = path.split(".")
    for taken in range(len(names), 0, -1):  # a name may have dots in it
        name = ".".join(names[:taken])
        if name in batch.schema.names:
            found = batch.column(name)
            for inner in names[taken:]:
                found = pa.compute.struct_field(found, inner) if pa.types.is_struct(found.type) else found.field(inner)
            return found
    raise KeyError(path)
