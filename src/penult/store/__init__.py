"""What stands on disk: files that are whole or absent, the feature cache, HDF5 feature files, labels that somebody gives.

In: arrays, digests, names. Out: files, and the same arrays again, checked. The only user of h5py and sqlite3.
It must not know images, networks or heads.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from penult.store import inventory
from penult.store.atomic import (
    atomic_write,
    atomic_write_text,
    drop,
    is_empty,
    is_temporary,
    link_file,
    make_folder,
    sweep,
    write_json,
    write_text,
)
from penult.store.blobs import BlobCache
from penult.store.cache import FeatureCache, check_finite
from penult.store.cache_folder import (
    CURE,
    cache_root,
    cache_was_chosen,
    can_be_written,
    default_cache,
    is_permanent,
    user_cache,
    warn_not_cached,
)
from penult.store.class_folders import folded, folder_names, lay_file
from penult.store.disk import FolderLock
from penult.store.entry import CacheEntry, entries
from penult.store.paths import (
    CSV,
    HDF5,
    HTML,
    ONNX,
    check_output_file,
    check_output_folder,
    is_file,
    is_folder,
    is_taken,
    slug,
    slugs,
)

if TYPE_CHECKING:
    from penult.store.features import Features, read_features, row_digests
    from penult.store.h5read import FeatureFile, RowReader, read_h5
    from penult.store.h5write import H5Writer, RowBlocks, WrittenFile, write_h5
    from penult.store.label_acts import Act, Applied, Change, ClassName
    from penult.store.labels import LabelStore

_HOMES = {  # of HDF5 files and SQLite, which a prediction has nothing to do with: imported when they are first used
    **dict.fromkeys(("Features", "read_features", "row_digests"), "penult.store.features"),
    **dict.fromkeys(("FeatureFile", "RowReader", "read_h5"), "penult.store.h5read"),
    **dict.fromkeys(("H5Writer", "RowBlocks", "WrittenFile", "write_h5"), "penult.store.h5write"),
    **dict.fromkeys(("Act", "Applied", "Change", "ClassName"), "penult.store.label_acts"),
    "LabelStore": "penult.store.labels",
}

__all__ = [
    "CSV",
    "CURE",
    "HDF5",
    "HTML",
    "ONNX",
    "Act",
    "Applied",
    "BlobCache",
    "CacheEntry",
    "Change",
    "ClassName",
    "FeatureCache",
    "FeatureFile",
    "Features",
    "FolderLock",
    "H5Writer",
    "LabelStore",
    "RowBlocks",
    "RowReader",
    "WrittenFile",
    "atomic_write",
    "atomic_write_text",
    "cache_root",
    "cache_was_chosen",
    "can_be_written",
    "check_finite",
    "check_output_file",
    "check_output_folder",
    "default_cache",
    "drop",
    "entries",
    "folded",
    "folder_names",
    "inventory",
    "is_empty",
    "is_file",
    "is_folder",
    "is_permanent",
    "is_taken",
    "is_temporary",
    "lay_file",
    "link_file",
    "make_folder",
    "read_features",
    "read_h5",
    "row_digests",
    "slug",
    "slugs",
    "sweep",
    "user_cache",
    "warn_not_cached",
    "write_h5",
    "write_json",
    "write_text",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'penult.store' has no attribute {name!r}")
