"""Descriptors: JSON files that say where a dataset is and how to read it."""

from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError, model_validator
from pydantic.functional_validators import AfterValidator

from ganforge.errors import BadInput
from ganforge.wire.jobs import Name
from ganforge.wire.model import WireModel

Side = Annotated[int, Field(ge=1, le=1024)]


def _inside(path: str) -> str:
    parts = PurePosixPath(path).parts
    if not parts or ".." in parts or path.startswith("/") or "\\" in path or "\0" in path:
        raise ValueError("give a path below datasets/, with no .. in it")
    return path


InnerPath = Annotated[str, Field(min_length=1, max_length=500), AfterValidator(_inside)]
"""A file or folder below ``datasets/``."""

FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,200}$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-fA-F]{64}$")]
Channels = Literal[1, 3]
Column = Annotated[str, Field(min_length=1, max_length=200)]


class Described(WireModel):
    """What every descriptor may say."""

    name: str | None = Field(None, description="the dataset's name, when it is to be said again")


class Pictures(Described):
    """How pictures become samples."""

    size: Side | tuple[Side, Side] | None = Field(
        None, description="a sample's side, or height and width"
    )
    channels: Channels | None = Field(None, description="1: grey, 3: colour")

    @property
    def height(self) -> int | None:
        """A sample's height."""
        return self.size[0] if isinstance(self.size, tuple) else self.size

    @property
    def width(self) -> int | None:
        """A sample's width."""
        return self.size[1] if isinstance(self.size, tuple) else self.size


class ImagesDescriptor(Pictures):
    """A folder of pictures."""

    type: Literal["images"]
    path: InnerPath | None = Field(None, description="the folder; the dataset's own when absent")


class NpzDescriptor(Described):
    """An .npz file."""

    type: Literal["npz"]
    path: InnerPath
    images: Column | None = None
    labels: Column | None = None
    value_range: tuple[float, float] | None = Field(
        None, description="what black and white are, when the images are floats"
    )

    @model_validator(mode="after")
    def _range_rises(self) -> "NpzDescriptor":
        if self.value_range and not self.value_range[0] < self.value_range[1]:
            raise ValueError("valueRange must rise")
        return self


class ParquetDescriptor(Pictures):
    """Parquet files."""

    type: Literal["parquet"]
    path: InnerPath = Field(description="a file, or a folder of files")
    image_column: Column | None = None
    label_column: Column | None = None


class HuggingFaceDescriptor(Pictures):
    """A split of a dataset on Hugging Face."""

    type: Literal["huggingface"]
    repo: str = Field(pattern=r"^[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?$", max_length=200)
    revision: str | None = Field(None, min_length=1, max_length=200)
    config: str | None = Field(None, pattern=r"^[\w][\w.-]*$", max_length=200)
    split: str = Field("train", pattern=r"^[A-Za-z0-9]\w*$", max_length=100)
    image_column: Column | None = None
    label_column: Column | None = None


class Download(WireModel):
    """A file to fetch."""

    url: str = Field(pattern=r"^https?://[^\s]+$", max_length=2000)
    sha256: Sha256
    name: FileName | None = Field(None, description="what to call it; the URL's last part")

    @property
    def file_name(self) -> str:
        """What to call the file."""
        return self.name or self.url.split("?")[0].rstrip("/").rsplit("/", 1)[-1]


class DownloadDescriptor(Described):
    """Files to fetch into the dataset's own folder, where they are read like any."""

    type: Literal["download"]
    files: tuple[Download, ...] = Field(min_length=1, max_length=1000)

    @model_validator(mode="after")
    def _names_are_names(self) -> "DownloadDescriptor":
        names = [file.file_name for file in self.files]
        if len(set(names)) < len(names):
            raise ValueError("two files have the same name")
        TypeAdapter(list[FileName]).validate_python(names)
        return self


class AdapterDescriptor(Described):
    """Another dataset, adapted; the options are DIANNE's, and pad."""

    type: Literal["adapter"]
    of: Name
    range: tuple[Annotated[int, Field(ge=0)], ...] = ()
    labels: tuple[int | str, ...] = Field((), max_length=1000)
    other: bool = False
    frame: tuple[Side, Side] | tuple[Channels, Side, Side] | None = None
    pad: int = Field(0, ge=0, le=512)
    binarize: float | None = Field(None, ge=0, le=1)


Descriptor = (
    ImagesDescriptor
    | NpzDescriptor
    | ParquetDescriptor
    | HuggingFaceDescriptor
    | DownloadDescriptor
    | AdapterDescriptor
)
_DESCRIPTOR: TypeAdapter[Descriptor] = TypeAdapter(
    Annotated[Descriptor, Field(discriminator="type")]
)

_TAKEN = ("RangeAdapter", "LabelAdapter", "FrameAdapter", "BinarizeAdapter")
_RANDOM = ("RandomFlipAdapter", "RandomRotationAdapter", "RandomCropAdapter")


def parse_descriptor(text: str | bytes, *, name: str, file: str) -> Descriptor:
    """Read a descriptor; one of DIANNE's for an adapter will do as well.

    Args:
        text: the JSON.
        name: the dataset's name, by the file's.
        file: what to call the file in errors.

    Raises:
        BadInput: it is no descriptor; the words say which key is wrong.
    """
    try:
        told = _from_dianne(TypeAdapter(dict[str, Any]).validate_json(text), file)
        descriptor = _DESCRIPTOR.validate_python(told)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"][1:])
        raise BadInput(f"{file}: {where + ': ' if where else ''}{first['msg']}") from error
    if descriptor.name not in (None, name):
        raise BadInput(f"{file} calls itself {descriptor.name!r}: a dataset is called as its file")
    return descriptor


def _from_dianne(told: dict[str, Any], file: str) -> dict[str, Any]:
    """Give DIANNE's keys of an adapter as ours."""
    if "adapter" not in told:
        return told
    adapter = str(told["adapter"]).rsplit(".", 1)[-1]
    if adapter in _RANDOM:
        raise BadInput(f"{file}: {adapter} is not taken: use the config key augment")
    if adapter not in _TAKEN:
        raise BadInput(f"{file}: {adapter} is not taken; taken are {', '.join(_TAKEN)}")
    rest = {key: value for key, value in told.items() if key not in ("adapter", "dataset")}
    if adapter == "BinarizeAdapter":
        rest.setdefault("binarize", 0.5)
    if isinstance(rest.get("range"), int | str):
        rest["range"] = [rest["range"]]
    return {"type": "adapter", "of": told.get("dataset"), **rest}
