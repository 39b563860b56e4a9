"""The ten nearest of many rows: seconds, memory, and how many planted near copies are found.

    python benchmarks/cluster.py neighbors                        100,000 rows of 512 columns; a minute
    python benchmarks/cluster.py neighbors --rows 1000000         the whole: 15 minutes and 3 GB at most, on two cores
    python benchmarks/cluster.py neighbors --graphs               beside HNSW graphs of faiss-cpu and usearch, if installed
    python benchmarks/cluster.py neighbors --features A.npz ...   on features of photos: arrays X of one width each

Rows are made up: clusters, with the spectrum of features, so that directions and cells are learnt with some error. Near
copies are at most 0.4 times as far from their originals as these are from their tenth neighbors (the rule of `penult
audit`), at a cosine of 0.8 or more. Of less than a million rows the bound of time is one of CPU seconds, which grow with
n^1.5. Memory is the private memory of the process at its height, the rows in it.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import time
from pathlib import Path

import numpy as np

from cluster.bounds import Bounds
from cluster.processes import MemoryWatch
from penult import neighbors
from penult.arrays import row_chunks, unit_rows
from penult.audit.pairs import directions

COLUMNS = 512
COPIES = 2000
ASKED = 1000  # rows whose neighbors are compared with all others, to know the truth
SECONDS, BYTES, MILLION = 900.0, 3e9, 1e6


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--graphs", action="store_true", help="measure faiss-cpu and usearch, too")
    parser.add_argument("--features", nargs="+", type=Path, help="npz files with features X of photos")


def run(args: argparse.Namespace) -> int:
    bounds = Bounds()
    if args.features:
        Z, pairs = directions(np.concatenate([np.load(path)["X"] for path in args.features])), np.zeros((0, 2), np.intp)
    else:
        Z, pairs = made(args.rows)
    asked = np.sort(np.random.default_rng(1).permutation(len(Z))[:ASKED])
    truth = _exact(Z, asked)
    watch = MemoryWatch(os.getpid())
    began, cpu = time.perf_counter(), time.process_time()
    near, alike = neighbors.nearest_neighbors(Z, 10)
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    print(f"{len(Z):,} x {Z.shape[1]}: {seconds:.0f} s, {cpu:.0f} CPU s on {os.cpu_count()} cores")
    if len(Z) >= MILLION:
        bounds.most("seconds", seconds, SECONDS, "s")
    else:
        bounds.most("CPU seconds", cpu, 2 * SECONDS * (len(Z) / MILLION) ** 1.5, "s")
    bounds.most("private memory at its height, the rows in it", watch.end(), BYTES / 1e6, "MB")
    told(near, truth, asked, pairs, bounds)
    exact = np.einsum("nd,nkd->nk", Z[asked], Z[near[asked]])
    bounds.most("greatest error of a cosine", float(np.abs(exact - alike[asked]).max()), 1e-5)
    if len(Z) <= 100_000:
        threads, neighbors.in_threads = neighbors.in_threads, lambda function, parts: [function(part) for part in parts]
        again = neighbors.nearest_neighbors(Z, 10)
        neighbors.in_threads = threads
        same = (again[0] == near).all() and (again[1] == alike).all()
        bounds.least("the same to the last bit on one thread", float(same), 1)
    if args.graphs:
        graphs(Z, truth, asked, pairs)
    return bounds.code


def made(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return unit vectors (n, 512), and pairs (m, 2) of an original and its near copy."""
    rng = np.random.default_rng(0)
    spectrum = (1 / np.arange(1, COLUMNS + 1) ** 0.5).astype(np.float32)
    centers = rng.standard_normal((max(100, 2 * int(n**0.5)), COLUMNS), np.float32) * spectrum
    Z = np.empty((n, COLUMNS), np.float32)
    for rows in row_chunks(n, 1 << 14):
        noise = rng.standard_normal((rows.stop - rows.start, COLUMNS), np.float32) * spectrum
        Z[rows] = unit_rows(centers[rng.integers(len(centers), size=len(noise))] + 0.8 * noise)
    copies = min(COPIES, n // 10)
    first, second = rng.permutation(n)[: 2 * copies].reshape(2, copies)
    far = 1 - _exact(Z, first, cosines=True)[:, -1]  # of the tenth neighbor
    cosine = (1 - np.minimum(0.2, 0.4 * far) * rng.uniform(0.02, 1, copies)).astype(np.float32)[:, None]
    side = rng.standard_normal((copies, COLUMNS), np.float32) * spectrum
    side = unit_rows(side - (side * Z[first]).sum(axis=1, keepdims=True) * Z[first])
    Z[second] = unit_rows(cosine * Z[first] + np.sqrt(1 - cosine**2) * side)
    return Z, np.column_stack([first, second])


def _exact(Z: np.ndarray, asked: np.ndarray, cosines: bool = False) -> np.ndarray:
    """Return the ten nearest of the rows that are asked for, or their cosines, (m, 10), compared with all rows."""
    out = []
    for some in row_chunks(len(asked), 100):
        cosine = Z[asked[some]] @ Z.T
        cosine[np.arange(len(cosine)), asked[some]] = -2
        near = np.argpartition(cosine, len(Z) - 10, axis=1)[:, -10:]
        near = np.take_along_axis(near, np.argsort(-np.take_along_axis(cosine, near, axis=1), axis=1), axis=1)
        out.append(np.take_along_axis(cosine, near, axis=1) if cosines else near)
    return np.concatenate(out)


def told(near: np.ndarray, truth: np.ndarray, asked: np.ndarray, pairs: np.ndarray, bounds: Bounds) -> None:
    """Take what share of the true neighbors and of the planted copies was found; there is a bound for the copies."""
    found = (near[asked][:, :, None] == truth[:, None, :]).any(axis=1)
    print(f"found of the 10 nearest {found.mean():.4f}, of the nearest {found[:, 0].mean():.4f}")
    if len(pairs):
        hit = (near[pairs[:, 1]] == pairs[:, :1]).any(axis=1) | (near[pairs[:, 0]] == pairs[:, 1:]).any(axis=1)
        bounds.least(f"planted near copies found, of {len(pairs):,}", float(hit.mean()), 0.999)


def graphs(Z: np.ndarray, truth: np.ndarray, asked: np.ndarray, pairs: np.ndarray) -> None:
    """Print the same of HNSW graphs (Malkov & Yashunin 2018); no bound is theirs."""
    if importlib.util.find_spec("faiss"):
        import faiss

        index = faiss.IndexHNSWSQ(Z.shape[1], faiss.ScalarQuantizer.QT_fp16, 16, faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efConstruction, index.hnsw.efSearch = 40, 64
        cpu = time.process_time()
        index.train(Z[:1000])
        index.add(Z)
        near = index.search(Z, 11)[1]
        print(f"faiss {faiss.__version__}, HNSW of float16, M 16, ef 40 and 64: {time.process_time() - cpu:.0f} CPU s")
        told(near, truth, asked, pairs, Bounds())
    if importlib.util.find_spec("usearch"):
        import usearch
        from usearch.index import Index

        cpu = time.process_time()
        graph = Index(ndim=Z.shape[1], metric="ip", dtype="f16", connectivity=16, expansion_add=128, expansion_search=64)
        graph.add(np.arange(len(Z)), Z)
        near = graph.search(Z, 11).keys.astype(np.intp)
        print(f"usearch {usearch.__version__}, HNSW of float16, M 16, ef 128 and 64: {time.process_time() - cpu:.0f} CPU s")
        told(near, truth, asked, pairs, Bounds())
