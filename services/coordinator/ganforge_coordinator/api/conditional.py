"""Conditional requests: If-None-Match (RFC 9110, section 13.1.2), as a pure rule."""

import re

_ETAG = re.compile(r'(?:W/)?("[^"]*")')


def is_named(etag: str, header: str | None) -> bool:
    """Tell whether an If-None-Match names the entity tag, by weak comparison.

    Args:
        etag: the entity tag, in its quotes.
        header: the header's value: ``*``, or a list of entity tags; None when not sent.
    """
    if header is None:
        return False
    return header.strip() == "*" or etag in _ETAG.findall(header)
