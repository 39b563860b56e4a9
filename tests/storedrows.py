"""Rows in a file that give slices, in whatever process asks."""

from __future__ import annotations

import numpy as np


class StoredRows:
    """Rows (n, d) of a .npy file; it pickles as the file's name."""

    def __init__(self, path, chunk=100):
        self.path, self.chunk = str(path), chunk
        self._rows = np.load(self.path, mmap_mode="r")
        self.shape, self.dtype, self.ndim = self._rows.shape, self._rows.dtype, 2
        self.chunks = (chunk, self.shape[1])

    def __reduce__(self):
        return StoredRows, (self.path, self.chunk)

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, rows):
        return np.array(self._rows[rows])
