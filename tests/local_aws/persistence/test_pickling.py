"""What can't be pickled costs the next life that thing alone."""

from __future__ import annotations

import logging
from types import SimpleNamespace

import pytest

from local_aws.persistence import pickling
from local_aws.sagemaker.studio_backend import _Presigned


def test_what_can_not_be_kept_is_named_and_none_stands_in_its_place(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        kept = pickling.loads(
            pickling.dumps(SimpleNamespace(name="kept", listing=(n for n in range(3)), kind=SimpleNamespace))
        )
    assert kept == SimpleNamespace(name="kept", listing=None, kind=SimpleNamespace)
    assert "No generator is kept" in caplog.text


def test_the_token_of_a_presigned_url_is_not_kept() -> None:
    presigned = _Presigned(token=(None, 0.0))
    assert b"token" not in pickling.dumps(SimpleNamespace(presigned=presigned))
    assert pickling.loads(pickling.dumps(presigned)) == {}


def test_a_lambda_is_refused_by_its_place() -> None:
    with pytest.raises(pickling.Unpicklable, match="test_pickling"):
        pickling.dumps(SimpleNamespace(call=lambda: None))
