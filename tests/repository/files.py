"""Safetensors files and pictures, made by hand."""

import json
import struct
import zlib
from typing import Any

import numpy as np

from ganforge.networks import BUILTIN, infer

DEFINITIONS = {definition.name: definition for definition in BUILTIN}

_NUMPY = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "U8": "u1"}


def raw_file(header: bytes, data: bytes = b"") -> bytes:
    """A file with this very header."""
    return struct.pack("<Q", len(header)) + header + data


def padded(text: str) -> bytes:
    """A header of a length that aligns the data."""
    raw = text.encode()
    return raw + b" " * (-len(raw) % 8)


def file_of(header: Any, data: bytes = b"") -> bytes:
    """A file with this header as JSON, padded."""
    return raw_file(padded(json.dumps(header)), data)


def file_with(tensors: dict[str, "np.ndarray[Any, Any]"], dtypes: dict[str, str]) -> bytes:
    """A file with these tensors."""
    header, data = {}, b""
    for name, values in tensors.items():
        raw = values.tobytes()
        header[name] = {
            "dtype": dtypes[name],
            "shape": list(values.shape),
            "data_offsets": [len(data), len(data) + len(raw)],
        }
        data += raw
    return file_of(header, data)


def weights_of(network: str, seed: int = 0) -> bytes:
    """Weights that fit a built-in network, random but for integers."""
    generator = np.random.default_rng(seed)
    signature = infer(DEFINITIONS[network]).tensors
    tensors = {
        name: generator.normal(size=shape).astype(_NUMPY[str(dtype)])
        for name, (dtype, shape) in signature.items()
    }
    return file_with(tensors, {name: str(dtype) for name, (dtype, _) in signature.items()})


def large_file(size: int) -> bytes:
    """A file with so many bytes of data."""
    header = {"w": {"dtype": "U8", "shape": [size], "data_offsets": [0, size]}}
    return file_of(header, bytes(size))


def state_of(seed: int = 0) -> bytes:
    """A training state: any tensors."""
    values = np.random.default_rng(seed).normal(size=7)
    return file_with({"momentum": values}, {"momentum": "F64"})


def picture(grey: int = 0) -> bytes:
    """A PNG of one pixel."""
    header = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(bytes([0, grey]))), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    checksum = zlib.crc32(kind + data)
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)
