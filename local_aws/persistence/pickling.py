"""Pickling what moto and we keep in memory, without what belongs to a process: locks, threads, children.

A class of ours that holds a process, a socket or a thread says with ``__reduce__`` or ``__getstate__`` what
it is in the next life; here are the things of the standard library and of others' packages.
"""

from __future__ import annotations

import collections
import io
import logging
import pickle
import threading
import types
import weakref
from collections.abc import Callable
from typing import Any

from botocore.client import BaseClient
from cryptography.hazmat.primitives import serialization
from moto.core.base_backend import BackendDict
from moto.iam.models import AWSManagedPolicy
from moto.resourcegroupstaggingapi.models import ResourceGroupsTaggingAPIBackend

logger = logging.getLogger(__name__)

LOCK, RLOCK = type(threading.Lock()), type(threading.RLock())

Reduced = tuple[Any, ...]


class Unpicklable(pickle.PicklingError):
    """Something in the state can't be kept; names it."""


class Pickler(pickle.Pickler):
    """Pickles the state; ``reducers`` says how by type, for subclasses too."""

    reducers: dict[type, Callable[[Any], Reduced]] = {}  # noqa: RUF012 - one for all picklers, filled by register

    def reducer_override(self, value: Any) -> Any:
        kind = type(value)
        reducer = self.reducers.get(kind)
        if reducer is None:
            reducer = _inherited(kind)
            if reducer is _as_usual and not _is_picklable(value):
                # Better one thing that is missing in the next life than no state at all.
                logger.warning("No %s is kept: None will stand in its place", kind.__qualname__)
                reducer = _nothing
            self.reducers[kind] = reducer
        return reducer(value)


def _inherited(kind: type) -> Callable[[Any], Any]:
    for base in kind.__mro__:
        if base in REGISTERED:
            return REGISTERED[base]
    if issubclass(kind, collections.defaultdict):
        return _default_dict
    if hasattr(kind, "private_bytes"):
        return _private_key
    return _as_usual


def _is_picklable(value: Any) -> bool:
    if isinstance(value, type):
        return True
    try:
        value.__reduce_ex__(pickle.HIGHEST_PROTOCOL)
    except TypeError:
        return False
    except Exception:
        return True  # pickling it tells the cause
    return True


def _as_usual(_: Any) -> Any:
    return NotImplemented


def _nothing(_: Any) -> Reduced:
    return type(None), ()


def _event(event: threading.Event) -> Reduced:
    return _restored_event, (event.is_set(),)


def _restored_event(is_set: bool) -> threading.Event:
    event = threading.Event()
    if is_set:
        event.set()
    return event


def _weak_values(values: weakref.WeakValueDictionary[Any, Any]) -> Reduced:
    return weakref.WeakValueDictionary, (dict(values),)


def _private_key(key: Any) -> Reduced:
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return _restored_key, (pem,)


def _restored_key(pem: bytes) -> Any:
    return serialization.load_pem_private_key(pem, None)


def _default_dict(value: Any) -> Any:
    """Subclasses of defaultdict have constructors of their own, which the default way calls wrongly."""
    if type(value) is collections.defaultdict:
        return NotImplemented
    return _bare, (type(value),), (value.default_factory, value.__dict__), None, iter(value.items()), _fill


def _bare(kind: Any) -> Any:
    return kind.__new__(kind)


def _fill(value: Any, state: tuple[Any, dict[str, Any]]) -> None:
    value.default_factory = state[0]
    value.__dict__.update(state[1])


def _client(client: BaseClient) -> Reduced:
    """Our own clients are made anew; they are cached by service and Region."""
    from local_aws.internal import client as make

    return make, (client.meta.service_model.service_name, client.meta.region_name)


def _backend_dict(backends: Any) -> Reduced:
    return _module_backends, (backends.service_name,)


def _module_backends(service: str) -> Any:
    import moto.backends

    return moto.backends.get_backend(service)


def _managed_policy(policy: Any) -> Reduced:
    """AWS's own policies are 1,400 documents that never change."""
    return _restored_policy, (policy.account_id, policy.partition, policy.arn, policy.attachment_count)


def _restored_policy(account_id: str, partition: str, arn: str, attachment_count: int) -> Any:
    from local_aws.iam.managed_policies import of

    policy = of(account_id, partition)[arn]
    policy.attachment_count = attachment_count
    return policy


def _tagging(backend: Any) -> Reduced:
    """What it has begun to list is lost; AWS's tokens expire too, with the same error."""
    made, arguments, state, *rest = backend.__reduce_ex__(pickle.HIGHEST_PROTOCOL)
    return made, arguments, {**state, "_pages": {}}, *rest


def _function(function: Any) -> Any:
    """A lambda can't be found again by its name."""
    if "<" in function.__qualname__:
        raise Unpicklable(
            f"{function.__module__}.{function.__qualname__}, line {function.__code__.co_firstlineno}"
        )
    return NotImplemented


REGISTERED: dict[type, Callable[[Any], Any]] = {
    LOCK: lambda _: (threading.Lock, ()),
    RLOCK: lambda _: (threading.RLock, ()),
    threading.Condition: lambda _: (threading.Condition, ()),
    threading.Event: _event,
    threading.Thread: _nothing,
    weakref.WeakValueDictionary: _weak_values,
    BaseClient: _client,
    BackendDict: _backend_dict,
    AWSManagedPolicy: _managed_policy,
    ResourceGroupsTaggingAPIBackend: _tagging,
    types.FunctionType: _function,
}


def is_gone(kind: type) -> None:
    """In the next life there is None in place of objects of a type."""
    REGISTERED[kind] = _nothing


def register(kind: type, reducer: Callable[[Any], Any]) -> None:
    """How objects of a type, and of its subclasses, are pickled."""
    REGISTERED[kind] = reducer


def dumps(value: Any) -> bytes:
    """:raises Unpicklable: names what can't be kept."""
    buffer = io.BytesIO()
    Pickler(buffer, protocol=5).dump(value)
    return buffer.getvalue()


class Stream:
    """Reads one pickle after the other."""

    def __init__(self, content: bytes) -> None:
        self._buffer = io.BytesIO(content)

    def load(self) -> Any:
        """The next one."""
        return pickle.load(self._buffer)  # noqa: S301 - see loads


def loads(content: bytes) -> Any:
    """What ``dumps`` was given."""
    return pickle.loads(content)  # noqa: S301 - our own file, in a folder of the user's alone
