"""Where encoded images lie: folders, tar and zip files, Parquet with images in it, object stores.

In: a path or an address. Out: the members in a fixed order, each with a name, and their bytes. It decodes nothing.
"""

from penult.sources.member import MAX_BYTES, FileContent, Member
from penult.sources.reading import read_ahead
from penult.sources.scan import SourceKind, kind_of, members

__all__ = ["MAX_BYTES", "FileContent", "Member", "SourceKind", "kind_of", "members", "read_ahead"]
