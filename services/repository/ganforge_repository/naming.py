"""What to say of a name nobody knows: the nearest known one."""

import difflib
from collections.abc import Collection


def unknown(what: str, name: str, known: Collection[str]) -> str:
    """Say that there is no ``what`` called ``name``, and what may have been meant."""
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    if near:
        return f"there is no {what} {name}: did you mean {near[0]}?"
    if not known:
        return f"there is no {what} {name}: there are none yet"
    shown = ", ".join(sorted(known)[:10]) + (", ..." if len(known) > 10 else "")
    return f"there is no {what} {name}: there are {shown}"
