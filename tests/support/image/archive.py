"""What is in an image's file, as `docker save` and `buildah push` write it."""

import gzip
import io
import json
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

_FIRST_STEP: Final = "ARG REVISION"


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer's size in bytes."""

    unpacked: int
    compressed: int


@dataclass(frozen=True, slots=True)
class Archive:
    """An image's file."""

    path: Path

    def config(self) -> dict[str, Any]:
        """Return the image's configuration: what a container of it starts with."""
        with tarfile.open(self.path) as image:
            found: dict[str, Any] = _json(image, self._manifest(image)["Config"])
        return found

    def layers(self) -> list[Layer]:
        """Return the layers' sizes, the base's first; compressed as a registry does."""
        return [Layer(len(tar), len(gzip.compress(tar, 6))) for tar in self._tars()]

    def own_layers(self) -> list[Layer]:
        """Return the sizes of what the Dockerfile adds to its base, which is the first.

        A base of several layers has an entry in the history for each of them.
        """
        return self.layers()[self._base_layers() :]

    def unpack(self, folder: Path) -> Path:
        """Write all files into a folder, with their owners; returns it."""
        for tar in self._tars():
            with tarfile.open(fileobj=io.BytesIO(tar)) as files:
                # We have just built it ourselves.
                files.extractall(  # noqa: S202
                    folder, numeric_owner=True, filter="fully_trusted"
                )
        return folder

    def _base_layers(self) -> int:
        """Count the layers before the first step of the Dockerfile's last stage."""
        count = 0
        for step in self.config()["history"]:
            if _FIRST_STEP in step.get("created_by", ""):
                return count
            count += not step.get("empty_layer", False)
        raise ValueError(f"the image has no step {_FIRST_STEP!r}")

    def _tars(self) -> Iterator[bytes]:
        with tarfile.open(self.path) as image:
            for name in self._manifest(image)["Layers"]:
                data = _read(image, name)
                yield gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data

    @staticmethod
    def _manifest(image: tarfile.TarFile) -> Any:
        [found] = _json(image, "manifest.json")
        return found


def _read(image: tarfile.TarFile, name: str) -> bytes:
    file = image.extractfile(name)
    assert file is not None, f"{name} is no file"
    return file.read()


def _json(image: tarfile.TarFile, name: str) -> Any:
    return json.loads(_read(image, name))
