"""Speed: botocore reads SageMaker's model (megabytes) once for all tests, not once for each client."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from botocore import loaders, session


@pytest.fixture(scope="session", autouse=True)
def one_botocore_loader() -> Iterator[None]:
    loader = loaders.create_loader()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(session, "create_loader", lambda search_path_string=None: loader)
        yield
