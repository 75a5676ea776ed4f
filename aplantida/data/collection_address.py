"""Where a collection is: the address of its server, which may hold a password, and what may be said of it."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from urllib.parse import unquote_plus

URI_VARIABLE = "MONGO_URI"
FROM_HEAD_VARIABLE = "APLANTIDA_MONGO_URI_OF_HEAD"  # set for a submitted job: its head's environment has the URI
DEFAULT_URI = "mongodb://localhost:27017"
ENCODE = (
    "user name and password must be percent-encoded (@ is %40, / is %2F, : is %3A, ? is %3F, # is %23, % is %25), but "
    "not the @ before the host"
)
_SECRET_OPTION = re.compile(r"([?&;][^=&;]*(?:password|token|secret|properties)[^=&;]*=)([^&;]+)", re.IGNORECASE)
_LONE_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_OPTION = re.compile(r"\w+=[^=]*", re.ASCII)
_NO_DATABASE = re.compile(r'[/ "$]')
_NOT_IN_DATABASE = re.compile(r'[/\\. "$\0]')
_NOT_IN_COLLECTION = re.compile(r"[$\0]|^\.|\.\.|\.$|^system\.")
_LONGEST_DATABASE, _LONGEST_BOTH = 63, 255  # bytes of a database's name; of both with the dot between
_BETWEEN = re.compile(r"[@:/?&;=,#]")


class CollectionError(Exception):
    """The collection cannot be read as asked; the message never holds credentials."""


@dataclass(frozen=True, slots=True)
class CollectionAddress:
    """Which collection. Its ``repr`` hides the URI, which may hold a password.

    Raises:
        CollectionError: for names that MongoDB has no database or collection by.
    """

    uri: str
    db_name: str
    collection: str

    def __post_init__(self) -> None:
        """Look at the names."""
        if (problem := misnamed(self.db_name, self.collection)) is not None:
            raise CollectionError(problem)

    def __repr__(self) -> str:
        return f"CollectionAddress({self.db_name}.{self.collection})"

    @classmethod
    def find(cls, uri: str | None, db_name: str, collection: str) -> CollectionAddress:
        """From a config: ``uri``, else ``MONGO_URI``, else a server on this machine.

        Raises:
            CollectionError: when ``uri`` holds credentials; these come from the environment only. When a job was
                submitted by somebody whose ``MONGO_URI`` holds some, and Ray's head has none. For names that are none.
        """
        if uri is not None and holds_credentials(uri):
            raise CollectionError(
                f"mongo_uri in a config must not hold credentials (configs are recorded): leave it null and set "
                f"{URI_VARIABLE} in the environment"
            )
        if not uri and not os.environ.get(URI_VARIABLE) and FROM_HEAD_VARIABLE in os.environ:
            raise CollectionError(
                f"{URI_VARIABLE} is not set where this job runs, and was not handed on because it holds credentials: "
                "set it in the environment of Ray's head and start that again"
            )
        return cls((uri or os.environ.get(URI_VARIABLE) or DEFAULT_URI).strip(), db_name, collection)


@dataclass(frozen=True, slots=True)
class _Parts:
    """What stands before the first ``?`` is parted at the first ``/``, as pymongo does it."""

    scheme: str
    authority: str
    path: str
    options: str

    @classmethod
    def of(cls, uri: str) -> _Parts:
        scheme, _, rest = uri.partition("://") if "://" in uri else ("", "", uri)
        before, _, options = rest.partition("?")
        authority, _, path = before.partition("/")
        return cls(scheme, authority, path, options)


def misnamed(db_name: str, collection: str) -> str | None:
    """What is wrong with the name of a database or a collection, by their keys; None where nothing is."""
    database_bytes, bytes_of_both = (len(text.encode()) for text in (db_name, f"{db_name}.{collection}"))
    if not db_name or _NOT_IN_DATABASE.search(db_name) or database_bytes > _LONGEST_DATABASE:
        return (
            f"db_name = {db_name!r} is no name of a database: want 1 to {_LONGEST_DATABASE} bytes without any of "
            f'/ \\ . " $, spaces and NUL, e.g. aplantida_db'
        )
    if not collection or _NOT_IN_COLLECTION.search(collection) or bytes_of_both > _LONGEST_BOTH:
        return (
            f"collection = {collection!r} is no name of a collection: want at least a letter, no $ and no NUL, no dot "
            f"at an end or beside another, nothing that begins with system., and {_LONGEST_BOTH} bytes at most with "
            "the database's name, e.g. plants"
        )
    return None


def holds_credentials(uri: str) -> bool:
    """Whether a user, a password or a token stands in an address; so it does wherever an ``@`` stands."""
    return "@" in uri or "%40" in _Parts.of(uri).authority or _SECRET_OPTION.search(uri) is not None


def malformed(uri: str) -> str | None:
    """What is wrong with user name and password in an address, without showing them; None where nothing is seen.

    A password with an ``@``, ``/``, ``:`` or ``%`` of its own makes a part of it a host, which would be asked for and
    shown.
    """
    parts = _Parts.of(uri)
    if not parts.scheme:
        return "it must begin with mongodb:// or mongodb+srv://" if {"@", "%"} & {*uri} else None
    user_info, at, hosts = parts.authority.rpartition("@")
    if "@" in parts.path or "@" in user_info or user_info.count(":") > 1 or _LONE_PERCENT.search(user_info):
        return ENCODE
    if at and not hosts:
        return f"no host stands behind the @; {ENCODE}"
    if not at and "@" in parts.options and _is_no_port(parts.authority):
        return ENCODE
    if any("%" in host and not host.endswith(".sock") and not host.startswith("[") for host in hosts.split(",")):
        return f"a host holds a %; {ENCODE}"
    if _NO_DATABASE.search(unquote_plus(parts.path).partition(".")[0]):
        return f"what stands behind the host and a / is no name of a database; {ENCODE}"
    if parts.options and not all(_OPTION.fullmatch(text) for text in re.split("[&;]", parts.options)):
        return f"what stands behind the ? is not name=value, with & between; {ENCODE}"
    return None


def _is_no_port(authority: str) -> bool:
    """Whether what stands behind the ``:`` of a single host is no number."""
    _host, colon, port = authority.partition(":")
    return bool(colon) and not authority.startswith("[") and "," not in authority and not port.isdigit()


def without_secrets(uri: str, message: str) -> str:
    """A message in one line without what of the address is nobody's business.

    The driver writes hosts and options in small letters: secrets are found in any case. Where an ``@`` stands behind
    the ``?`` it may be that of a password with a ``?``: nothing of the address is shown.
    """
    message, parts = " ".join(message.split()), _Parts.of(uri)
    if uri:
        message = re.sub(re.escape(uri), "(the URI)", message, flags=re.IGNORECASE)
    user_info = parts.authority.rpartition("@")[0]
    values = [match[2] for match in _SECRET_OPTION.finditer(uri)]
    secrets = [user_info, *user_info.split(":"), *values, *(part for value in values for part in _BETWEEN.split(value))]
    is_unclear = "@" in parts.options
    if is_unclear:
        secrets += _BETWEEN.split(f"{parts.authority}/{parts.path}?{parts.options}")
    both = {*secrets, *map(unquote_plus, secrets)} - {""}
    for secret in sorted(both, key=lambda text: (-len(text), text)):
        message = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", "***", message, flags=re.IGNORECASE)
    return f"{message}. If the @ behind the ? is not of an option: {ENCODE}" if is_unclear else message
