"""What stands on disk: files that are whole or absent, the feature cache, HDF5 feature files.

In: arrays, digests, names. Out: files, and the same arrays again, checked. The only user of h5py.
It must not know images, networks or heads.
"""

from penult.store import endings, fallback, inventory
from penult.store.cache import Cache, default_cache
from penult.store.entry import CURE, CacheEntry, entries
from penult.store.fallback import FallbackCache
from penult.store.features import Features, read_features, row_digests
from penult.store.files import atomic_write, atomic_write_text, drop, make_folder, write_json, write_text
from penult.store.h5read import FeatureFile, RowReader, read_h5
from penult.store.h5write import H5Writer, RowBlocks, WrittenFile, write_h5
from penult.store.leftovers import is_empty, is_temporary, sweep
from penult.store.locks import Claim
from penult.store.memory import MemoryCache, Rows
from penult.store.refusals import is_file, is_folder, shown
from penult.store.slugs import slug, slugs

__all__ = [
    "CURE",
    "Cache",
    "CacheEntry",
    "Claim",
    "FallbackCache",
    "FeatureFile",
    "Features",
    "H5Writer",
    "MemoryCache",
    "RowBlocks",
    "RowReader",
    "Rows",
    "WrittenFile",
    "atomic_write",
    "atomic_write_text",
    "default_cache",
    "drop",
    "endings",
    "entries",
    "fallback",
    "inventory",
    "is_empty",
    "is_file",
    "is_folder",
    "is_temporary",
    "make_folder",
    "read_features",
    "read_h5",
    "row_digests",
    "shown",
    "slug",
    "slugs",
    "sweep",
    "write_h5",
    "write_json",
    "write_text",
]
