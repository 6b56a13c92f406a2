"""What lies on other machines: files by URL and checksum, and splits on Hugging Face."""

import json
import logging
import os
import re
import shutil
import tarfile
import uuid
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

from ganforge.errors import BadInput
from ganforge_learner.dataset_files.descriptor import (
    Download,
    DownloadDescriptor,
    HuggingFaceDescriptor,
)

MAX_UNPACKED_BYTES = 1 << 38

_FETCHED = ".fetched.json"
_TAR = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
# Parquet as repositories hold it, and as Hugging Face converts what they hold.
_CONVERTED = "refs/convert/parquet"


def fetch_files(name: str, descriptor: DownloadDescriptor, datasets: Path, *, quiet: bool) -> None:
    """Fetch a dataset's files into its folder, all or none; archives are unpacked.

    Raises:
        BadInput: a file cannot be had or is another than its checksum says, or something else
            lies in the folder.
    """
    place = datasets / name
    if is_fetched(place, descriptor):
        return
    if place.exists():
        raise BadInput(f"{place} is there already: move it away first")
    with _aside(datasets) as aside:
        for file in descriptor.files:
            _unpack(_fetch(file, aside, quiet=quiet))
        (aside / _FETCHED).write_text(json.dumps(_told(descriptor)))
        aside.rename(place)


def is_fetched(place: Path, descriptor: DownloadDescriptor | HuggingFaceDescriptor) -> bool:
    """Tell whether all that a descriptor names was fetched to a folder."""
    try:
        told = json.loads((place / _FETCHED).read_text())
    except (OSError, ValueError):
        return False
    return bool(told == _told(descriptor))


def _told(descriptor: DownloadDescriptor | HuggingFaceDescriptor) -> object:
    """Tell what was fetched; how it is read is no part of that."""
    return descriptor.model_dump(
        mode="json", include={"files", "repo", "revision", "config", "split"}
    )


def _fetch(file: Download, folder: Path, *, quiet: bool) -> Path:
    pooch = _pooch()
    wanted = f"sha256:{file.sha256.lower()}"
    try:
        pooch.retrieve(file.url, wanted, fname=file.file_name, path=folder, progressbar=not quiet)
    except Exception as error:  # requests' errors, and pooch's: a ValueError for a wrong checksum
        if isinstance(error, ValueError) and "hash" in str(error):
            raise BadInput(
                f"{file.url} is not the file that was meant: its SHA-256 is not {file.sha256}"
            ) from error
        raise BadInput(f"{file.url} cannot be fetched: {error}") from error
    return folder / file.file_name


def _pooch() -> Any:
    try:
        import pooch
    except ModuleNotFoundError as error:
        raise BadInput("fetching needs pooch: pip install 'ganforge[learner]'") from error
    pooch.get_logger().setLevel(logging.WARNING)
    return pooch


def _unpack(file: Path) -> None:
    """Unpack an archive beside itself and remove it; leave any other file as it is."""
    try:
        if file.name.endswith(_TAR):
            with tarfile.open(file) as tar:
                _refuse_bomb(file, sum(member.size for member in tar.getmembers()))
                tar.extractall(file.parent, filter="data")
        elif file.name.endswith(".zip"):
            with zipfile.ZipFile(file) as archive:
                _refuse_bomb(file, sum(member.file_size for member in archive.infolist()))
                archive.extractall(file.parent)
        else:
            return
    except (tarfile.TarError, zipfile.BadZipFile, OSError, EOFError) as error:
        raise BadInput(f"{file.name} cannot be unpacked: {error}") from error
    file.unlink()


def _refuse_bomb(file: Path, size: int) -> None:
    if size > MAX_UNPACKED_BYTES:
        raise BadInput(f"{file.name} would unpack to {size} bytes")


@contextmanager
def _aside(datasets: Path) -> Iterator[Path]:
    """Give a folder that is gone afterwards, unless it was moved."""
    aside = datasets / ".cache" / f"{uuid.uuid4().hex}.part"
    aside.mkdir(parents=True)
    try:
        yield aside
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def split_folder(name: str, descriptor: HuggingFaceDescriptor, datasets: Path) -> Path:
    """Tell where a split's files are kept."""
    told = sha256(json.dumps(_told(descriptor)).encode()).hexdigest()[:16]
    return datasets / ".cache" / "huggingface" / f"{name}-{told}"


def fetch_split(
    name: str, descriptor: HuggingFaceDescriptor, datasets: Path, *, quiet: bool
) -> None:
    """Fetch a split's Parquet files, all or none.

    Raises:
        BadInput: there is no such dataset or split, or it cannot be had.
    """
    place = split_folder(name, descriptor, datasets)
    if is_fetched(place, descriptor):
        return
    hub = _hub()
    hub.utils.disable_progress_bars() if quiet else hub.utils.enable_progress_bars()
    # Read here and not by the library, which keeps what it found when it was imported.
    endpoint = os.environ.get("HF_ENDPOINT") or None
    try:
        revision, files = _find_split(hub.HfApi(endpoint=endpoint), descriptor)
        with _aside(datasets) as aside:
            for at, file in enumerate(files):
                path = hub.hf_hub_download(
                    descriptor.repo,
                    file,
                    repo_type="dataset",
                    revision=revision,
                    endpoint=endpoint,
                    local_dir=aside / "files",
                )
                Path(path).rename(aside / f"{at:05d}.parquet")
            shutil.rmtree(aside / "files")
            (aside / _FETCHED).write_text(json.dumps(_told(descriptor)))
            place.parent.mkdir(parents=True, exist_ok=True)
            aside.rename(place)
    except BadInput:
        raise
    except Exception as error:  # the library's, and those of what it fetches with
        words = str(error).strip().splitlines() or [type(error).__name__]
        raise BadInput(f"{descriptor.repo} cannot be fetched: {words[0]}") from error


def _find_split(api: Any, descriptor: HuggingFaceDescriptor) -> tuple[str | None, list[str]]:
    """Find a split's files where the repository has them, else where they were converted to."""
    held = api.list_repo_files(descriptor.repo, repo_type="dataset", revision=descriptor.revision)
    files = _of_split(held, descriptor)
    if files or descriptor.revision:
        revision = descriptor.revision
    else:
        revision = _CONVERTED
        held = api.list_repo_files(descriptor.repo, repo_type="dataset", revision=revision)
        files = _of_split(held, descriptor)
    if not files:
        raise BadInput(
            f"{descriptor.repo} has no Parquet files of split {descriptor.split!r}"
            + (f" of config {descriptor.config!r}" if descriptor.config else "")
        )
    folders = sorted({file.rpartition("/")[0] for file in files})
    if len(folders) > 1:
        raise BadInput(
            f"{descriptor.repo} has split {descriptor.split!r} in {', '.join(folders)}: say which "
            "as config"
        )
    return revision, files


def _of_split(held: list[str], descriptor: HuggingFaceDescriptor) -> list[str]:
    """Choose a split's files: ``.../train-00000-of-00002.parquet``, ``.../train/0000.parquet``."""
    split = re.escape(descriptor.split)
    pattern = re.compile(rf"(.*/)?{split}(-[^/]*\.parquet|\.parquet|/[^/]*\.parquet)")
    files = [file for file in sorted(held) if pattern.fullmatch(file)]
    if descriptor.config:
        files = [file for file in files if descriptor.config in file.split("/")[:-1]]
    return files


def _hub() -> Any:
    try:
        import huggingface_hub
        import huggingface_hub.utils
    except ModuleNotFoundError as error:
        raise BadInput(
            "Hugging Face's datasets need huggingface_hub: pip install 'ganforge[data]'"
        ) from error
    return huggingface_hub
