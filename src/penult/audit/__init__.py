"""What is wrong with the data: copies, leaks, doubtful labels, photos that stand out.

Comes in: digests (n, 32), features (n, d), thumbnails, quality, out-of-fold probabilities, the user's own groups.
Goes out: `Grouping`, one group number an image; rows with scores; `Finding`, the record of one problem.
Must not know: files on disk, heads, engines.
"""

from penult.audit.copies import Rule, Sides, copy_groups, leaks, near_copies, near_pictures
from penult.audit.finding import COLUMNS, KINDS, Finding, counts, ranked
from penult.audit.groups import Grouping, group
from penult.audit.labels import Doubts, doubts
from penult.audit.map import LANDMARKS, PhotoMap, photo_map
from penult.audit.neighbors import Pairs
from penult.audit.oddities import conditions, outliers

__all__ = [
    "COLUMNS",
    "KINDS",
    "LANDMARKS",
    "Doubts",
    "Finding",
    "Grouping",
    "Pairs",
    "PhotoMap",
    "Rule",
    "Sides",
    "conditions",
    "copy_groups",
    "counts",
    "doubts",
    "group",
    "leaks",
    "near_copies",
    "near_pictures",
    "outliers",
    "photo_map",
    "ranked",
]
