"""What stands on disk: files that are whole or absent, the feature cache, HDF5 feature files, the run folder.

In: arrays, digests, names. Out: files, and the same arrays again, checked. The only user of h5py.
It must not know images, networks or heads.
"""

from penult.store.cache import Cache, Key, default_cache
from penult.store.features import Features, read_features
from penult.store.files import whole, write_json, write_text
from penult.store.h5read import FeatureFile, read_h5
from penult.store.h5write import H5File, H5Job, RowBlocks, Written, start_h5, write_h5
from penult.store.leftovers import sweep
from penult.store.refusals import shown
from penult.store.run import open_run
from penult.store.slugs import slug, slugs

__all__ = [
    "Cache",
    "FeatureFile",
    "Features",
    "H5File",
    "H5Job",
    "Key",
    "RowBlocks",
    "Written",
    "default_cache",
    "open_run",
    "read_features",
    "read_h5",
    "shown",
    "slug",
    "slugs",
    "start_h5",
    "sweep",
    "whole",
    "write_h5",
    "write_json",
    "write_text",
]
