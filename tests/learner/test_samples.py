"""Grids show each sample where it belongs; a time-lapse shows each grid once."""

import io

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from ganforge_learner.samples import GAP_PIXELS, GAP_SHADE, TILE_PIXELS, draw_grid, timelapse


def pixels(png: bytes) -> npt.NDArray[np.uint8]:
    with Image.open(io.BytesIO(png)) as image:
        assert image.format == "PNG"
        return np.asarray(image)


@settings(deadline=None, max_examples=60)
@given(
    count=st.integers(1, 20),
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    channels=st.sampled_from([1, 3]),
    columns=st.integers(1, 8),
)
def test_every_tile_stands_where_it_belongs(
    count: int, height: int, width: int, channels: int, columns: int
) -> None:
    drawn = torch.Generator().manual_seed(count)
    shades = torch.randint(256, (count, channels, height, width), generator=drawn)
    grid = pixels(draw_grid(shades / 127.5 - 1, (-1.0, 1.0), columns=columns))
    factor = max(1, -(-TILE_PIXELS // min(height, width)))
    rows = -(-count // columns)
    step_y, step_x = height * factor + GAP_PIXELS, width * factor + GAP_PIXELS
    wanted_shape = (rows * step_y + GAP_PIXELS, columns * step_x + GAP_PIXELS)
    assert grid.shape == (wanted_shape if channels == 1 else (*wanted_shape, 3))
    rest = np.ones(wanted_shape, bool)
    for index in range(count):
        y = GAP_PIXELS + index // columns * step_y
        x = GAP_PIXELS + index % columns * step_x
        place = np.s_[y : y + height * factor, x : x + width * factor]
        tile = shades[index].permute(1, 2, 0).numpy().astype(np.uint8)
        enlarged = np.kron(tile, np.ones((factor, factor, 1), np.uint8))
        assert np.array_equal(grid[place], enlarged[:, :, 0] if channels == 1 else enlarged)
        rest[place] = False
    assert (grid[rest] == GAP_SHADE).all()


def test_values_outside_the_range_are_black_and_white() -> None:
    side = TILE_PIXELS
    values = torch.tensor([-9.0, 0.0, 0.5, 1.0, 9.0]).reshape(5, 1, 1, 1).expand(5, 1, side, side)
    grid = pixels(draw_grid(values, (0.0, 1.0), columns=5))
    middle = [int(grid[9, GAP_PIXELS + at * (side + GAP_PIXELS) + 9]) for at in range(5)]
    assert middle == [0, 0, 128, 255, 255]


def test_small_samples_are_enlarged_and_large_ones_kept() -> None:
    for side in (8, 28, 64, 200):
        shown = pixels(draw_grid(torch.zeros(1, 1, side, side), (-1, 1), columns=1)).shape
        tile = shown[0] - 2 * GAP_PIXELS
        assert shown == (tile + 2 * GAP_PIXELS,) * 2
        assert tile % side == 0
        assert tile == side or TILE_PIXELS <= tile < TILE_PIXELS + side


def test_gradients_and_half_precision_do_not_matter() -> None:
    images = torch.zeros(3, 1, 28, 28)
    wanted = draw_grid(images, (-1, 1))
    assert draw_grid(images.requires_grad_(), (-1, 1)) == wanted
    assert draw_grid(images.detach().half(), (-1, 1)) == wanted


@pytest.mark.parametrize("count", [1, 2, 9])
def test_a_timelapse_shows_every_grid_once_and_rests_on_the_last(count: int) -> None:
    grids = [draw_grid(torch.full((4, 1, 28, 28), -1 + 0.2 * i), (-1, 1)) for i in range(count)]
    animated = timelapse(grids, milliseconds=100)
    with Image.open(io.BytesIO(animated)) as image:
        assert image.format == "PNG"
        assert getattr(image, "n_frames", 1) == count
        durations = []
        for at, grid in enumerate(grids):
            image.seek(at)
            assert np.array_equal(np.asarray(image.convert("L")), pixels(grid))
            durations.append(image.info.get("duration"))
    assert animated.startswith(b"\x89PNG")
    if count > 1:
        assert b"acTL" in animated
        assert durations == [100.0] * (count - 1) + [2000.0]


def test_a_grid_that_stays_alike_stays_for_as_long_as_it_lasted() -> None:
    dark, bright = (draw_grid(torch.full((1, 1, 28, 28), v), (-1, 1)) for v in (-1.0, 1.0))
    with Image.open(io.BytesIO(timelapse([dark, dark, bright], milliseconds=100))) as image:
        assert image.n_frames == 2  # type: ignore[attr-defined]
        assert image.info["duration"] == 200.0
