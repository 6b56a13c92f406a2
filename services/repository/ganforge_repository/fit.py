"""Whether weights fit a network: the same tensors, in names, types and shapes."""

from collections.abc import Mapping

from ganforge.errors import BadWeights

Signature = Mapping[str, tuple[str, tuple[int, ...]]]
"""Tensor name -> (dtype as safetensors spells it, shape)."""


def require_fit(network: str, found: Signature, expected: Signature) -> None:
    """Let only weights through whose tensors are exactly those of ``network``.

    Raises:
        BadWeights: ``tensors`` lists each tensor that does not fit, with the reason.
    """
    misfits = [
        {"name": name, "why": why}
        for name in sorted({*found, *expected})
        if (why := _why_not(found.get(name), expected.get(name)))
    ]
    if misfits:
        first, more = misfits[0], len(misfits) - 1
        others = f" (and {more} more)" if more else ""
        raise BadWeights(
            f"the weights do not fit {network}: tensor {first['name']} {first['why']}{others}",
            tensors=misfits[:20],
        )


def _why_not(
    found: tuple[str, tuple[int, ...]] | None, expected: tuple[str, tuple[int, ...]] | None
) -> str | None:
    if found is None:
        return "is missing"
    if expected is None:
        return "is not of this network"
    if tuple(found[1]) != tuple(expected[1]):
        return f"has the shape {list(found[1])}, not {list(expected[1])}"
    if found[0] != expected[0]:
        return f"has the dtype {found[0]}, not {expected[0]}"
    return None
