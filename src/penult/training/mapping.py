"""Write the embedding map of a run: a place and the nearest photos for each training photo.

In: the material. Out: `map.csv`.
"""

from __future__ import annotations

from penult import audit
from penult.training.job import Job
from penult.training.material import TrainingData


def write_map(job: Job, material: TrainingData) -> None:
    """Write `map.csv`: `file,label,x,y,near`, where `near` are the row numbers (from 0) of the most alike, nearest first."""
    drawn = audit.photo_map(material.train.X, material.blocks, job.options.seed)
    labels = [material.classes[y] for y in material.train.ok_y]
    rows = (
        [file, label, f"{x:.5f}", f"{y:.5f}", " ".join(map(str, near))]
        for file, label, (x, y), near in zip(material.train.ok_files, labels, drawn.places, drawn.near.tolist(), strict=True)
    )
    job.run.write_table("map.csv", ["file", "label", "x", "y", "near"], rows)
