"""Archives that somebody made, unpacked by any Python that the project supports."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from local_aws.sagemaker.s3_objects import unpack


@pytest.fixture(params=["with extraction filters", "before extraction filters"])
def python(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "before extraction filters":
        monkeypatch.delattr(tarfile, "data_filter", raising=False)


def archive(folder: Path, name: str, **attributes: object) -> Path:
    """An archive of one member."""
    member = tarfile.TarInfo(name)
    member.size = len(b"content")
    for attribute, value in attributes.items():
        setattr(member, attribute, value)
    path = folder / "archive.tar.gz"
    with tarfile.open(path, "w:gz") as packed:
        packed.addfile(member, io.BytesIO(b"content"))
    return path


@pytest.mark.usefixtures("python")
def test_files_are_unpacked_where_they_were(tmp_path: Path) -> None:
    unpack(archive(tmp_path, "code/inference.py"), tmp_path / "unpacked")
    assert (tmp_path / "unpacked" / "code" / "inference.py").read_bytes() == b"content"


@pytest.mark.usefixtures("python")
@pytest.mark.parametrize(
    ("name", "attributes"),
    [
        ("../outside", {}),
        ("link", {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd", "size": 0}),
        ("device", {"type": tarfile.CHRTYPE, "size": 0}),
    ],
)
def test_what_leads_outside_or_is_no_file_is_refused(
    tmp_path: Path, name: str, attributes: dict[str, object]
) -> None:
    with pytest.raises(tarfile.TarError):
        unpack(archive(tmp_path, name, **attributes), tmp_path / "unpacked")
    assert not (tmp_path / "outside").exists()


def test_what_is_no_archive_is_told(tmp_path: Path) -> None:
    (tmp_path / "archive.tar.gz").write_bytes(b"not an archive")
    with pytest.raises(tarfile.TarError):
        unpack(tmp_path / "archive.tar.gz", tmp_path / "unpacked")
