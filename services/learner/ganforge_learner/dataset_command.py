"""``ganforge datasets add`` and ``check``: a data folder's datasets, on this machine."""

import json
import sys
from pathlib import Path

import click

from ganforge.cli.output import say, show_table
from ganforge.errors import BadInput, NotFound
from ganforge.wire.datasets import DatasetInfo
from ganforge_learner.dataset_files import catalog, conversion, remote
from ganforge_learner.dataset_files.descriptor import (
    Descriptor,
    DownloadDescriptor,
    HuggingFaceDescriptor,
    parse_descriptor,
)
from ganforge_learner.dataset_files.well_known import WELL_KNOWN

data_option = click.option(
    "--data",
    type=click.Path(path_type=Path),
    default=Path("ganforge-data"),
    envvar="GANFORGE_DATA",
    show_default=True,
    help="The data folder, with datasets/.",
)


@click.command()
@click.argument("name")
@data_option
@click.option(
    "--descriptor",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A JSON file that says where the dataset is.",
)
@click.option("--url", "urls", multiple=True, help="A file to fetch; may be given several times.")
@click.option("--sha256", "checksums", multiple=True, help="Its SHA-256; one for each --url.")
def add(
    name: str,
    data: Path,
    descriptor: Path | None,
    urls: tuple[str, ...],
    checksums: tuple[str, ...],
) -> None:
    """Fetch a dataset into a data folder, and read it once.

    MNIST, Fashion-MNIST and CIFAR-10 are known by name; anything else needs --descriptor, or
    --url and --sha256.
    """
    if not catalog.is_name(name) or name == catalog.DIGITS.name:
        raise BadInput(f"{name!r} is no name for a dataset: letters, digits, -, _ and .")
    told = _told(name, data, descriptor, urls, checksums)
    datasets = data / "datasets"
    datasets.mkdir(parents=True, exist_ok=True)
    fetch(name, told, datasets)
    if descriptor is not None:
        (datasets / f"{name}.json").write_bytes(descriptor.read_bytes())
    source = catalog.find_source(name, data)
    if source is None:
        raise BadInput(f"what was fetched to {datasets / name} holds no dataset")
    outline = conversion.read(source, data).outline
    shape = "x".join(map(str, outline.shape))
    say(f"{name}: {outline.size} samples of {shape} in {datasets}")


def fetch(name: str, told: Descriptor, datasets: Path) -> None:
    """Fetch what a descriptor names on other machines; nothing when it names nothing there.

    Raises:
        BadInput: it cannot be had, or is not what was meant.
    """
    quiet = not sys.stderr.isatty()
    match told:
        case DownloadDescriptor():
            remote.fetch_files(name, told, datasets, quiet=quiet)
        case HuggingFaceDescriptor():
            remote.fetch_split(name, told, datasets, quiet=quiet)


def _told(
    name: str,
    data: Path,
    descriptor: Path | None,
    urls: tuple[str, ...],
    checksums: tuple[str, ...],
) -> Descriptor:
    """Find out what is to be fetched."""
    if len(urls) != len(checksums):
        raise BadInput("give one --sha256 for each --url")
    present = data / "datasets" / f"{name}.json"
    if descriptor is not None:
        if urls:
            raise BadInput("give --descriptor or --url, not both")
        if present.exists() and present.read_bytes() != descriptor.read_bytes():
            raise BadInput(f"{present} is there already: move it away first")
        return catalog.read_descriptor(name, descriptor)
    if urls:
        files = [{"url": url, "sha256": told} for url, told in zip(urls, checksums, strict=True)]
        text = json.dumps({"type": "download", "files": files})
        return parse_descriptor(text, name=name, file="--url and --sha256")
    if present.exists():
        return catalog.read_descriptor(name, present)
    if name in WELL_KNOWN:
        return WELL_KNOWN[name]
    raise NotFound(
        f"{name!r} is not known by name, as {', '.join(WELL_KNOWN)} are: give --descriptor, or "
        "--url and --sha256"
    )


@click.command()
@click.argument("name", required=False)
@data_option
def check(name: str | None, data: Path) -> int:
    """Tell what a data folder's datasets are, or what is wrong with them."""
    told = catalog.survey(data)
    if name is not None and name not in told:
        raise catalog.unknown_dataset(name, data)
    chosen = told if name is None else {name: told[name]}
    rows: list[tuple[object, ...]] = [(each, _say(chosen[each])) for each in chosen]
    show_table(("DATASET", "WHAT"), rows)
    return int(any(isinstance(each, BadInput) for each in chosen.values()))


def _say(told: DatasetInfo | BadInput) -> str:
    if isinstance(told, BadInput):
        return f"broken: {told.detail}"
    shape = "x".join(map(str, told.input_shape))
    classes = "no classes" if told.classes is None else f"{told.classes} classes"
    return f"{told.size} samples of {shape}, {classes}"
