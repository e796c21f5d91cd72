"""S3's keys and uploads, each kept in a row of its own when it changes.

Everything else of S3 (buckets, their settings, tags) is in the picture of the world, where the keys of a
bucket are left out.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Iterable, Iterator
from typing import Any

from moto.s3 import models as moto_models
from moto.s3.utils import _VersionedKeyStore

from local_aws.persistence import pickling
from local_aws.persistence.store import INLINE_BYTES, Row, Store

KEYS_ONLY = frozenset(
    {
        "AbortMultipartUpload",
        "CompleteMultipartUpload",
        "CreateMultipartUpload",
        "DeleteObject",
        "DeleteObjects",
        "PutObject",
        "UploadPart",
        "UploadPartCopy",
    }
)
"""Operations that change nothing but keys and uploads, unless the request brings tags."""


class _Changes(threading.local):
    """What a thread has changed since it last kept its changes."""

    def __init__(self) -> None:
        self.of: dict[tuple[str, str, str], Keys | Uploads] = {}


_changes = _Changes()


class Keys(_VersionedKeyStore):
    """The keys of a bucket, whose listings see them as they were when they began.

    moto's listing copies the keys and looks up each: it fails where one is deleted meanwhile.
    """

    kind = "key"

    def __init__(self, owner: str) -> None:
        super().__init__()
        self.owner = owner

    def __setitem__(self, key: str, value: Any) -> None:
        super().__setitem__(key, value)
        self._note(key)

    def setlist(self, key: Any, list_: Any) -> Any:
        super().setlist(key, list_)
        self._note(key)

    def pop(self, key: str) -> None:
        super().pop(key)
        self._note(key)

    def __delitem__(self, key: str) -> None:
        super().__delitem__(key)
        self._note(key)

    def _iteritems(self) -> Iterator[tuple[str, Any]]:
        return ((key, versions[-1]) for key, versions in self._self_iterable().items() if versions)

    def _itervalues(self) -> Iterator[Any]:
        return (newest for _, newest in self._iteritems())

    def _iterlists(self) -> Iterator[tuple[str, list[Any]]]:
        return iter(self._self_iterable().items())

    items = iteritems = _iteritems
    values = itervalues = _itervalues
    lists = iterlists = _iterlists

    def _note(self, key: str) -> None:
        _changes.of["key", self.owner, key] = self
        self._lead_home(self.getlist(key, []))

    def _lead_home(self, versions: Iterable[Any]) -> None:
        """Let keys note their own changes here; delete markers have none."""
        for version in versions:
            if isinstance(version, moto_models.FakeKey):
                version.__dict__["_home"] = self

    def kept(self, key: str) -> Any | None:
        """What is pickled for a key: its versions."""
        return self.getlist(key)

    def fill(self, key: str, versions: Any) -> None:
        """Put back what was pickled."""
        dict.__setitem__(self, key, versions)
        self._lead_home(versions)


class Uploads(moto_models.MultipartDict):
    """The multipart uploads of a bucket."""

    def __init__(self, owner: str) -> None:
        super().__init__()
        self.owner = owner

    def __setitem__(self, key: str, value: Any) -> None:
        super().__setitem__(key, value)
        self._note(key)

    def __getitem__(self, key: str) -> Any:
        # moto looks an upload up to add a part to it.
        self._note(key)
        return super().__getitem__(key)

    def __delitem__(self, key: str) -> None:
        super().__delitem__(key)
        self._note(key)

    def _note(self, key: str) -> None:
        _changes.of["upload", self.owner, key] = self

    def kept(self, key: str) -> Any | None:
        """What is pickled for an upload: itself."""
        return self.get(key)

    def fill(self, key: str, upload: Any) -> None:
        """Put back what was pickled."""
        dict.__setitem__(self, key, upload)


class Kept:
    """Keeps S3's keys and uploads in a store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._order = threading.Lock()

    def keep_changes(self) -> bool:
        """Queue the rows of what this thread has changed; whether there was anything."""
        changes, _changes.of = _changes.of, {}
        if not changes:
            return False
        # In this order, whatever is queued later shows a later state of the same key.
        with self._order:
            self._store.queue([self._row(*key, where) for key, where in changes.items()])
        return True

    def _row(self, kind: str, owner: str, name: str, where: Keys | Uploads) -> Row:
        value = where.kept(name)
        return Row(kind, owner, name, None if value is None else pickling.dumps(value))

    def restore(self, buckets: Iterable[Any]) -> int:
        """Put every key and upload back into its bucket, and drop the rest; how many keys."""
        homes = {_owner(bucket): bucket for bucket in buckets}
        gone, keys = [], 0
        for row in self._store.rows():
            bucket = homes.get(row.owner)
            if bucket is None:
                gone.append(Row(row.kind, row.owner, row.name, None))
                continue
            home = bucket.keys if row.kind == "key" else bucket.multiparts
            home.fill(row.name, pickling.loads(row.value or b""))
            keys += row.kind == "key"
        self._store.queue(gone)
        self._store.flush()
        self._store.drop_bodies(_needed(homes.values()))
        return keys


def _needed(buckets: Iterable[Any]) -> set[str]:
    """The bodies in files that some key or part has."""
    keys = [
        key
        for bucket in buckets
        for key in (
            *(version for versions in dict.values(bucket.keys) for version in versions),
            *(part for upload in dict.values(bucket.multiparts) for part in upload.parts.values()),
        )
    ]
    keys += [part for key in keys if getattr(key, "multipart", None) for part in key.multipart.parts.values()]
    return {body.digest for key in keys if (body := key.__dict__.get("_body")) is not None}


def _owner(bucket: Any) -> str:
    return f"{bucket.account_id}/{bucket.partition}/{bucket.name}"


class Body:
    """The body of a key of a former life, read when it is first asked for: what moto uses of a file."""

    def __init__(self, digest: str) -> None:
        self.digest = digest
        self._file: io.BytesIO | None = None

    def _opened(self) -> io.BytesIO:
        if self._file is None:
            assert _store is not None  # noqa: S101 - whoever restored it has a store
            self._file = io.BytesIO(_store.body(self.digest))
        return self._file

    def seek(self, *arguments: int) -> int:
        """As of a file."""
        return self._opened().seek(*arguments)

    def read(self, *arguments: int) -> bytes:
        """As of a file."""
        return self._opened().read(*arguments)

    def truncate(self) -> int:
        """As of a file."""
        return self._opened().truncate()

    def write(self, content: bytes) -> int:
        """As of a file."""
        return self._opened().write(content)

    def close(self) -> None:
        """As of a file; the store keeps it while something needs it."""
        self._file = io.BytesIO()


_store: Store | None = None


def use(store: Store) -> Kept:
    """Keep bodies there from now on."""
    global _store
    _store = store
    return Kept(store)


# moto's classes, made to tell what changes


def _reduced_key(key: Any) -> Any:
    state = {name: value for name, value in key.__dict__.items() if name not in LEFT_OUT}
    return _restored_key, (type(key), state, _kept_body(key))


LEFT_OUT = ("_value_buffer", "lock", "_home", "_body")


def _kept_body(key: Any) -> bytes | str:
    """A short body itself, the name of a long one."""
    known = key.__dict__.get("_body")
    if known is not None:
        return str(known.digest)
    try:
        content = bytes(key.value)
    except ValueError:
        return b""  # its file is closed: it was deleted
    if len(content) <= INLINE_BYTES or _store is None:
        return content
    digest = _store.keep_body(content)
    key.__dict__["_body"] = Body(digest)
    return digest


def _restored_key(kind: Any, state: dict[str, Any], body: bytes | str) -> Any:
    key = kind.__new__(kind)
    key.__dict__.update(state, lock=threading.Lock())
    if isinstance(body, str):
        key.__dict__["_body"] = key.__dict__["_value_buffer"] = Body(body)
    else:
        key.__dict__["_value_buffer"] = io.BytesIO(body)
    return key


def _noting_set(key: Any, name: str, value: Any) -> None:
    if name == "value":
        key.__dict__.pop("_body", None)
    object.__setattr__(key, name, value)
    home = key.__dict__.get("_home")
    if home is not None:
        home._note(key.name)


def install() -> None:
    """Let moto's S3 use what is here."""
    initialize = moto_models.FakeBucket.__init__

    def with_noted_keys(bucket: Any, *arguments: Any, **named: Any) -> None:
        initialize(bucket, *arguments, **named)
        bucket.keys, bucket.multiparts = Keys(_owner(bucket)), Uploads(_owner(bucket))

    moto_models.FakeBucket.__init__ = with_noted_keys
    moto_models.FakeKey.__setattr__ = _noting_set
    pickling.register(moto_models.FakeKey, _reduced_key)
    pickling.register(Keys, lambda keys: (Keys, (keys.owner,)))
    pickling.register(Uploads, lambda uploads: (Uploads, (uploads.owner,)))
