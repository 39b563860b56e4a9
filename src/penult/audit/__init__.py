"""What is wrong with the data: near-duplicates, leaks, label errors, outliers; and the map of all photos.

In: digests (n, 32), features (n, d), thumbnails, quality, out-of-fold probabilities, the user's own groups. Out: `Grouping`,
one group number an image; `Finding`, the record of one problem; `PhotoMap`. It must not know files on disk, heads or engines.
"""

from penult.audit.finding import COLUMNS, KINDS, AuditData, AuditPart, Finding, FindingKind, counts, expected, ranked
from penult.audit.kinds import find_all
from penult.audit.map import LANDMARKS, PhotoMap, photo_map
from penult.audit.near_duplicates import Grouping, Photos, Pictures, copy_groups, group, leaks
from penult.audit.noise_model import LabelNoise, label_noise
from penult.audit.outside import copies_outside
from penult.audit.pairs import Pairs
from penult.audit.same_photo import Look, near_copies, near_pictures

__all__ = [
    "COLUMNS",
    "KINDS",
    "LANDMARKS",
    "AuditData",
    "AuditPart",
    "Finding",
    "FindingKind",
    "Grouping",
    "LabelNoise",
    "Look",
    "Pairs",
    "PhotoMap",
    "Photos",
    "Pictures",
    "copies_outside",
    "copy_groups",
    "counts",
    "expected",
    "find_all",
    "group",
    "label_noise",
    "leaks",
    "near_copies",
    "near_pictures",
    "photo_map",
    "ranked",
]
