"""Pictures: a grid of samples as PNG, the grids of many versions as one animated PNG."""

import io
from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image

TILE_PIXELS = 48
"""Smaller samples are enlarged, by a whole factor, until a side has so many pixels."""

GAP_PIXELS = 2
GAP_SHADE = 96


def columns_for(classes: int) -> int:
    """Give the columns of a grid that cycles through classes, so that each has its own columns.

    Eight at most where they are few, and for more than 16 classes, which go through the rows.
    """
    return 8 if classes > 16 else max(classes, 8 // max(1, classes) * classes) or 8


def draw_grid(
    images_NCHW: torch.Tensor, value_range: tuple[float, float], *, columns: int = 8
) -> bytes:
    """Draw samples side by side.

    Args:
        images_NCHW: grey (C = 1) or colour (C = 3), on any device.
        value_range: the values that become black and white.
        columns: how many samples a row has.

    Returns:
        A PNG.
    """
    low, high = value_range
    shades = (images_NCHW.detach().float().cpu() - low) * (255.0 / (high - low))
    tiles_NHWC = shades.clamp(0, 255).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
    count, height, width, channels = tiles_NHWC.shape
    factor = max(1, -(-TILE_PIXELS // min(height, width)))
    tiles_NHWC = tiles_NHWC.repeat(factor, axis=1).repeat(factor, axis=2)
    step_y, step_x = height * factor + GAP_PIXELS, width * factor + GAP_PIXELS
    rows = -(-count // columns)
    canvas_shape = (rows * step_y + GAP_PIXELS, columns * step_x + GAP_PIXELS, channels)
    canvas = np.full(canvas_shape, GAP_SHADE, np.uint8)
    for index, tile in enumerate(tiles_NHWC):
        y, x = GAP_PIXELS + index // columns * step_y, GAP_PIXELS + index % columns * step_x
        canvas[y : y + tile.shape[0], x : x + tile.shape[1]] = tile
    return _png(Image.fromarray(canvas[:, :, 0] if channels == 1 else canvas))


def timelapse(frames: Sequence[bytes], *, milliseconds: int = 150) -> bytes:
    """Put pictures of one size into one animated PNG that rests on the last.

    Args:
        frames: PNGs, the first first; at least one.
        milliseconds: how long each is shown.

    Returns:
        An animated PNG (APNG, W3C PNG third edition).
    """
    first, *rest = [Image.open(io.BytesIO(frame)) for frame in frames]
    durations = [milliseconds] * len(rest) + [2000]
    return _png(first, save_all=True, append_images=rest, duration=durations, loop=0)


def _png(image: Image.Image, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG", **options)
    return out.getvalue()
