"""Files that somebody else wrote: opened without waiting, read without believing a word of them.

In: a path or bytes. Out: bytes, rows of text, JSON values, an array, the members of a zip; or an `OSError` or `ValueError`
whose text says what is wrong, for the caller to put its file's name and a cure to. It must not know what the content means.
Nothing is unpickled, evaluated or unpacked, and nothing large is asked of the memory because a header says so.
"""

from penult.untrusted.jsons import MANY, loads
from penult.untrusted.jsons import MOST_BYTES as MOST_JSON
from penult.untrusted.npy import array
from penult.untrusted.opening import content, opened, sha256
from penult.untrusted.rows import UTF8, WRONG_ROWS, encoding_of, rows
from penult.untrusted.stored_zip import WRONG_ZIP, StoredZip, directory

__all__ = [
    "MANY", "MOST_JSON", "UTF8", "WRONG_ROWS", "WRONG_ZIP", "StoredZip", "array", "content", "directory", "encoding_of",
    "loads", "opened", "rows", "sha256",
]  # fmt: skip
