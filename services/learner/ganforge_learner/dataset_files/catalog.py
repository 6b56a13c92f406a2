"""The catalog: which datasets a data folder holds, and what is wrong with the others."""

import logging
import re
from collections.abc import Callable
from dataclasses import replace
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path

from ganforge.errors import BadInput, UnknownName
from ganforge.wire.datasets import DatasetInfo
from ganforge_learner.dataset_files import conversion, remote
from ganforge_learner.dataset_files.adapter import Adapter
from ganforge_learner.dataset_files.cifar import find_cifar
from ganforge_learner.dataset_files.descriptor import (
    AdapterDescriptor,
    Descriptor,
    DownloadDescriptor,
    HuggingFaceDescriptor,
    ImagesDescriptor,
    NpzDescriptor,
    ParquetDescriptor,
    parse_descriptor,
)
from ganforge_learner.dataset_files.digits import DigitsSource
from ganforge_learner.dataset_files.idx import find_idx
from ganforge_learner.dataset_files.image_folder import find_image_folder
from ganforge_learner.dataset_files.npz import NpzSource, find_npz
from ganforge_learner.dataset_files.parquet import ParquetSource, find_parquet
from ganforge_learner.dataset_files.source import Outline, Source, Stamp

logger = logging.getLogger(__name__)

VALUE_RANGE = (-1.0, 1.0)
"""What pixels are scaled to, as a generator that ends in Tanh makes them."""

DIGITS = DigitsSource()

MAX_DESCRIPTOR_BYTES = 1 << 20
MAX_ADAPTERS = 20

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")
_FILES = (".json", ".npz", ".parquet")
_FINDERS: tuple[Callable[[str, Path], Source | None], ...] = (
    find_idx,
    find_cifar,
    find_npz,
    find_parquet,
    find_image_folder,
)


def find_datasets(data: Path) -> dict[str, DatasetInfo]:
    """Tell what the data folder holds; ``digits`` is always there.

    What is broken is left out and logged.
    """
    return readable(survey(data))


def readable(told: dict[str, DatasetInfo | BadInput]) -> dict[str, DatasetInfo]:
    """Choose, of what ``survey`` told, what can be read."""
    return {name: info for name, info in told.items() if isinstance(info, DatasetInfo)}


@lru_cache(maxsize=1024)
def _warn(words: str, data: Path) -> None:
    """Log once: a learner looks again and again."""
    logger.warning("%s", words, extra={"data": str(data)})


def survey(data: Path) -> dict[str, DatasetInfo | BadInput]:
    """Tell of every dataset in the data folder, or what is wrong with it, which is logged too."""
    found: dict[str, DatasetInfo | BadInput] = {}
    for name in (DIGITS.name, *_names(data / "datasets")):
        if not is_name(name):
            _warn(f"a folder's name is no dataset's, so it is left out: {name}", data)
        elif name in found:
            _warn(f"a folder has a built-in dataset's name: rename {name}", data)
        else:
            try:
                source = find_source(name, data)
                if source is not None:
                    found[name] = describe(source, data)
            except BadInput as error:
                found[name] = error
                _warn(f"a dataset is broken, so it is left out: {error.detail}", data)
    return found


def is_name(text: str) -> bool:
    """Tell whether a dataset may be called so."""
    return _NAME.fullmatch(text) is not None


def _names(datasets: Path) -> list[str]:
    """List what could be datasets: folders that hold anything, descriptors, and single files."""
    names = {
        path.stem if path.suffix in _FILES and path.is_file() else path.name
        for path in datasets.glob("*")
        if path.is_dir() or path.suffix in _FILES
    }
    return sorted(names - {".cache"})


def find_source(name: str, data: Path, *, asked_by: tuple[str, ...] = ()) -> Source | None:
    """Find where a dataset comes from; None when there is none of this name.

    Args:
        name: the dataset's.
        data: the data folder.
        asked_by: the adapters that led here, outermost first.

    Raises:
        BadInput: its descriptor or its folder is broken.
    """
    if name == DIGITS.name:
        return DIGITS
    if not is_name(name):
        return None
    datasets = data / "datasets"
    folder = datasets / name
    for path in (datasets / f"{name}.json", folder / "dataset.json"):
        if path.is_file():
            return _described(read_descriptor(name, path), name, data, asked_by=asked_by)
    if folder.is_dir():
        return _in_folder(name, folder)
    if (path := datasets / f"{name}.npz").is_file():
        return NpzSource(name, path)
    if (path := datasets / f"{name}.parquet").is_file():
        return ParquetSource(name, (path,))
    return None


def read_descriptor(name: str, path: Path) -> Descriptor:
    """Read a descriptor's file.

    Raises:
        BadInput: it cannot be read, or is no descriptor.
    """
    try:
        with path.open("rb") as file:
            text = file.read(MAX_DESCRIPTOR_BYTES + 1)
    except OSError as error:
        raise BadInput(f"{path.name} cannot be read: {error.strerror}") from error
    if len(text) > MAX_DESCRIPTOR_BYTES:
        raise BadInput(f"{path.name} is too large for a descriptor")
    return parse_descriptor(text, name=name, file=f"{path.parent.name}/{path.name}")


def _in_folder(name: str, folder: Path) -> Source | None:
    for find in _FINDERS:
        source = find(name, folder)
        if source is not None:
            return source
    return None


def _described(told: Descriptor, name: str, data: Path, *, asked_by: tuple[str, ...]) -> Source:
    """Find the source that a descriptor means.

    Raises:
        BadInput: there is nothing where it points.
    """
    datasets = data / "datasets"
    match told:
        case ImagesDescriptor():
            return _images(told, name, datasets)
        case NpzDescriptor():
            path = _there(datasets / told.path, name)
            return NpzSource(name, path, told.images, told.labels, told.value_range)
        case ParquetDescriptor():
            path = _there(datasets / told.path, name)
            return _parquet(told, name, path)
        case HuggingFaceDescriptor():
            place = remote.split_folder(name, told, datasets)
            _refuse_unfetched(remote.is_fetched(place, told), name)
            return _parquet(told, name, place)
        case DownloadDescriptor():
            _refuse_unfetched(remote.is_fetched(datasets / name, told), name)
            source = _in_folder(name, datasets / name)
            if source is None:
                raise BadInput(f"{name}'s files are fetched but hold no dataset")
            return source
        case AdapterDescriptor():
            return _adapter(told, name, data, asked_by=asked_by)


def _images(told: ImagesDescriptor, name: str, datasets: Path) -> Source:
    place = _there(datasets / (told.path or name), name)
    source = find_image_folder(name, place)
    if source is None:
        raise BadInput(f"{name} holds no images")
    return replace(source, height=told.height, width=told.width, channels=told.channels)


def _parquet(
    told: ParquetDescriptor | HuggingFaceDescriptor, name: str, path: Path
) -> ParquetSource:
    source = find_parquet(name, path) if path.is_dir() else ParquetSource(name, (path,))
    if source is None:
        raise BadInput(f"{name} holds no Parquet files")
    return replace(
        source,
        image_column=told.image_column,
        label_column=told.label_column,
        height=told.height,
        width=told.width,
        channels=told.channels,
    )


def _adapter(
    told: AdapterDescriptor, name: str, data: Path, *, asked_by: tuple[str, ...]
) -> Adapter:
    asked_by = (*asked_by, name)
    if told.of in asked_by:
        raise BadInput(f"{told.of} adapts itself: {' of '.join((*asked_by, told.of))}")
    if len(asked_by) > MAX_ADAPTERS:
        raise BadInput(f"{asked_by[0]} adapts adapters more than {MAX_ADAPTERS} deep")
    of = find_source(told.of, data, asked_by=asked_by)
    if of is None:
        raise BadInput(f"{name} adapts {told.of}, which is not there")
    return Adapter(
        name=name,
        of=of,
        folder=data,
        range_=told.range,
        labels=told.labels,
        other=told.other,
        frame=told.frame or (),
        pad=told.pad,
        binarize=told.binarize,
    )


def _there(path: Path, name: str) -> Path:
    if not path.exists():
        raise BadInput(f"{name}'s descriptor points to {path.name}, which is not there")
    return path


def _refuse_unfetched(is_fetched: bool, name: str) -> None:
    if not is_fetched:
        raise BadInput(f"{name} is not fetched yet: ganforge datasets add {name}")


def describe(source: Source, data: Path) -> DatasetInfo:
    """Tell of a dataset; looks into its files again only when one has changed.

    Raises:
        BadInput: it is broken.
    """
    stamp = source.stamp()
    known = conversion.known_outline(source, stamp, data) if source.is_slow else None
    told = _info(source.name, *known) if known else _look(source, stamp)
    if isinstance(told, BadInput):
        raise told
    return told


@lru_cache(maxsize=256)
def _look(source: Source, stamp: Stamp) -> DatasetInfo | BadInput:
    try:
        if source.is_slow:
            return _info(source.name, source.outline(), None)
        arrays = source.read()
        return _info(source.name, arrays.outline, conversion.digest_of(arrays))
    except BadInput as error:
        return error


def _info(name: str, outline: Outline, digest: str | None) -> DatasetInfo:
    return DatasetInfo(
        name=name,
        input_shape=outline.shape,
        size=outline.size,
        classes=outline.class_count,
        digest=digest,
        value_range=VALUE_RANGE,
    )


def unknown_dataset(name: str, data: Path) -> UnknownName:
    """Say that there is no dataset ``name``, and which was probably meant."""
    known = sorted(find_datasets(data))
    near = get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"
    return UnknownName(f"there is no dataset {name!r} in {data / 'datasets'}; {hint}", known=known)
