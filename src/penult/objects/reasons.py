"""What is wrong with an object store, by what obstore raises: of one object an `OSError`, of all an error for the user.

In: the exception, and the store it came from. Out: another exception, in three parts. It asks the store nothing.
"""

from __future__ import annotations

import errno
import os
import re
from typing import NoReturn

from penult.errors import InputError, OutputError, PenultError
from penult.i18n import N_, _
from penult.texts import printable

_STATUS, _CODE = re.compile(r"status code: (\d{3})"), re.compile(r"<Code>(\w+)</Code>")
_NO_PATH = re.compile(r'invalid path: .*?Path "(.*?)"(?: |:)')  # a//b, a/../b, or a control character
NO_ANSWER = "HTTP error"  # what obstore says where no answer came, or not all of it
_NO_STORE = ("NoSuchBucket", "ContainerNotFound", "InvalidBucketName", "The specified bucket does not exist")
# What is asked for credentials where none are given.
_NO_CREDENTIALS = ("169.254.169.254", "metadata.google.internal", "169.254.170.2", "Account must be specified")
_FULL = ("QuotaExceeded", "InsufficientStorage", "XMinioStorageFull", "status code: 507")
_CREDENTIALS = {
    "s3": N_(
        'set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (`eval "$(aws configure export-credentials --format env)"`), '
        "or AWS_SKIP_SIGNATURE=true for a public bucket"
    ),
    "gs": N_(
        "set GOOGLE_APPLICATION_CREDENTIALS to a key file (`gcloud auth application-default login` makes one), "
        "or GOOGLE_SKIP_SIGNATURE=true for a public bucket"
    ),
    "az": N_("set AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY (or AZURE_STORAGE_SAS_KEY)"),
}


class NoRanges(OSError):
    """The server does not send parts of an object."""


class Explained:
    """Turns what obstore raises into what the user can act on."""

    def __init__(self, bucket: str, address: str, writing: bool = False) -> None:
        self._bucket = bucket  # s3://NAME
        self._address = address
        self._writing = writing

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Exception) and not isinstance(error, PenultError):
            self._raise(error)

    def _raise(self, error: Exception) -> NoReturn:
        address, text = self._address, str(error)
        status, code = (found.group(1) if (found := pattern.search(text)) else "" for pattern in (_STATUS, _CODE))
        if "NotPartial" in text:
            raise NoRanges(errno.ENOTSUP, _("the server sends no parts of objects"), address) from error
        if code == "InvalidObjectState":
            raise OSError(errno.EACCES, _("it is archived, and has to be restored first"), address) from error
        if isinstance(error, FileNotFoundError) and not self._writing and not any(sign in text for sign in _NO_STORE):
            raise FileNotFoundError(errno.ENOENT, _("there is no such object"), address) from error
        said = _(" ({code})", code=code or status) if code or status else ""
        why, cure = _reason(text, status, said, self._bucket)
        if self._writing:
            raise OutputError(
                _("'{path}' cannot be written: {why}; {cure}", path=printable(address), why=why, cure=cure)
            ) from error
        raise InputError(_("'{path}' cannot be read: {why}; {cure}", path=printable(address), why=why, cure=cure)) from error


def _reason(text: str, status: str, said: str, bucket: str) -> tuple[str, str]:
    """Return what is wrong with all requests like this one, and what to do: the first that applies."""
    scheme = bucket.partition(":")[0]
    server = printable(endpoint(scheme))
    odd = _NO_PATH.search(text)
    for applies, why, cure in (
        (
            any(sign in text for sign in _NO_STORE),
            _("there is no bucket '{name}'", name=printable(bucket)),
            _("check its name, and whether {server!r} is its server", server=server) if server else _("check its name"),
        ),
        (any(sign in text for sign in _NO_CREDENTIALS), _("no credentials were found"), _(_CREDENTIALS[scheme])),
        (any(sign in text for sign in _FULL), _("the store is full{said}", said=said), _("make room, and run it again")),
        (status in ("401", "403"), _("the store refuses these credentials{said}", said=said), _(_CREDENTIALS[scheme])),
        (
            scheme == "s3" and "redirect" in text.lower(),
            _("the bucket is in another region"),
            _("set AWS_REGION to its region"),
        ),
        (
            status,
            _("the store answers with an error{said}, also after several tries", said=said),
            _("run it again later"),
        ),
        (
            odd,
            _("it has an object whose key is no path, '{key}'", key=printable(odd[1]) if odd else ""),
            _("rename or remove that object"),
        ),
        (
            NO_ANSWER in text,
            _("no answer from {server!r}", server=server) if server else _("no answer from the store"),
            _("check the network and the address, and run it again"),
        ),
    ):
        if applies:
            return why, cure
    return printable(text.split("\n", 1)[0][:200]), _("check the address and the environment variables of the store")


def is_busy(error: Exception) -> bool:
    """Tell whether a server answered that it cannot at this time."""
    status = _STATUS.search(str(error))
    return status is not None and (status[1] == "429" or status[1].startswith("5"))


def endpoint(scheme: str) -> str:
    """Return the address of a server that is not the provider's own, where the environment names one."""
    names = {
        "s3": ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"),
        "az": ("AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT"),
        "gs": ("GOOGLE_BASE_URL",),
    }[scheme]
    return next((os.environ[name] for name in names if os.environ.get(name)), "")
