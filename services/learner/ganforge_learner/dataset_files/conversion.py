"""Conversions: what is slow to read is read once, and kept as plain bytes to be mapped."""

import json
import logging
import os
import shutil
import time
import uuid
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from ganforge.errors import BadInput
from ganforge_learner.dataset_files.source import Arrays, Outline, Source, Stamp, fill

logger = logging.getLogger(__name__)

VERSION = 1
"""Part of every conversion's name: raise it when the same files would give other samples."""

STALE_SECONDS = 24 * 3600.0

_IMAGES, _CLASSES, _ABOUT = "images.npy", "classes.npy", "about.json"


def read(source: Source, data: Path, *, mapped: bool = False) -> Arrays:
    """Read a dataset, by way of its conversion when it has or wants one.

    Args:
        source: the dataset.
        data: the data folder.
        mapped: whether it is too large for memory, so that it is to be mapped from a file.

    Raises:
        BadInput: it is broken, or must be mapped and the data folder cannot be written to.
    """
    if not (source.is_slow or mapped):
        return source.read()
    stamp = source.stamp()
    found = _open(source, stamp, data)
    if found is not None:
        return found
    try:
        _convert(source, stamp, data)
    except OSError as error:
        if mapped:
            raise BadInput(
                f"{source.name} is larger than memory and cannot be converted: {error}"
            ) from error
        logger.warning(
            "a conversion cannot be kept: make the data folder's datasets/.cache writable",
            extra={"dataset": source.name, "why": str(error)},
        )
        return source.read()
    found = _open(source, stamp, data)
    if found is None:
        raise BadInput(f"{source.name}'s conversion is gone again: try again")
    return found


def known_outline(source: Source, stamp: Stamp, data: Path) -> tuple[Outline, str] | None:
    """Tell what a conversion is like, and the digest of its samples; None when there is none.

    Raises:
        BadInput: the files were found broken when they were converted.
    """
    place = _place(source, stamp, data)
    if (broken := place.with_suffix(".broken")).exists():
        raise BadInput(broken.read_text())
    try:
        about = json.loads((place / _ABOUT).read_text())
        classes = np.load(place / _CLASSES) if about["hasClasses"] else None
    except (OSError, ValueError, KeyError):
        return None
    channels, height, width = about["shape"]
    names = tuple(about["classNames"])
    outline = Outline((channels, height, width), about["size"], classes, names, about["highest"])
    return outline, about["digest"]


def _open(source: Source, stamp: Stamp, data: Path) -> Arrays | None:
    known = known_outline(source, stamp, data)
    if known is None:
        return None
    # Copy on write: nobody writes, but torch warns of what cannot be written to.
    images = np.load(_place(source, stamp, data) / _IMAGES, mmap_mode="c")
    return Arrays(known[0], images)


def _convert(source: Source, stamp: Stamp, data: Path) -> None:
    """Write a conversion aside, and put it in place in one move.

    Raises:
        BadInput: the source is broken, which is noted.
        OSError: the folder cannot be written to.
    """
    place = _place(source, stamp, data)
    place.parent.mkdir(parents=True, exist_ok=True)
    _drop_stale(place.parent)
    aside = place.with_name(f"{place.name}.{uuid.uuid4().hex}.part")
    aside.mkdir()
    try:
        logger.info("converting a dataset", extra={"dataset": source.name})
        _write(source, aside)
        _move(aside, place)
    except BadInput as error:
        place.with_suffix(".broken").write_text(error.detail)
        raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    _drop_older(source.name, place)


def _write(source: Source, aside: Path) -> None:
    outline = source.outline()
    shape = (outline.size, *outline.shape)
    images = np.lib.format.open_memmap(aside / _IMAGES, "w+", np.uint8, shape)
    fill(images, source)
    images.flush()
    if outline.classes is not None:
        np.save(aside / _CLASSES, outline.classes)
    about: dict[str, Any] = {
        "name": source.name,
        "shape": outline.shape,
        "size": outline.size,
        "hasClasses": outline.classes is not None,
        "classNames": outline.class_names,
        "highest": outline.highest,
        "digest": digest_of(Arrays(outline, images)),
    }
    (aside / _ABOUT).write_text(json.dumps(about))


def _move(aside: Path, place: Path) -> None:
    try:
        aside.rename(place)
    except OSError:
        if not (place / _ABOUT).exists():  # else another process was faster
            raise


def _drop_older(name: str, place: Path) -> None:
    """Remove the conversions of what the dataset's files were before."""
    for about in place.parent.glob(f"*/{_ABOUT}"):
        try:
            is_older = about.parent != place and json.loads(about.read_text())["name"] == name
        except (OSError, ValueError, KeyError):
            continue
        if is_older:
            shutil.rmtree(about.parent, ignore_errors=True)


def _drop_stale(folder: Path) -> None:
    """Remove what processes left behind that died while they converted."""
    for aside in folder.glob("*.part"):
        if time.time() - os.stat(aside).st_mtime > STALE_SECONDS:
            shutil.rmtree(aside, ignore_errors=True)


def _place(source: Source, stamp: Stamp, data: Path) -> Path:
    told = repr((VERSION, source, stamp)).encode()
    return data / "datasets" / ".cache" / sha256(told).hexdigest()[:32]


def digest_of(arrays: Arrays) -> str:
    """Name a dataset by its samples: the images' bytes, then each class as a byte or more."""
    hashed = sha256(np.ascontiguousarray(arrays.images).data)
    if arrays.outline.classes is not None:
        hashed.update(_smallest(arrays.outline.classes).tobytes())
    return f"sha256:{hashed.hexdigest()}"


def _smallest(classes: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
    return classes.astype(np.uint8 if classes.max() < 256 else np.int64)
