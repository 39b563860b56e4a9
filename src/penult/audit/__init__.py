"""Which images are the same picture, and must therefore never be on both sides of a fold.

Comes in: digests (n, 32), features (n, d), the user's own groups.
Goes out: `Grouping`, one group number an image.
Must not know: files, labels, heads.
"""

from penult.audit.copies import Pairs, Rule, copy_groups, near_copies, near_pictures
from penult.audit.groups import Grouping, group

__all__ = ["Grouping", "Pairs", "Rule", "copy_groups", "group", "near_copies", "near_pictures"]
