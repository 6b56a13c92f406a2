"""``/v1/networks/{network}/tags``: the lines of versions."""

from fastapi import APIRouter

from ganforge.wire.weights import Promotion, TagPage, Version
from ganforge_chassis import problems
from ganforge_repository import catalog
from ganforge_repository.api.deps import Db, NetworkName, TagName, reads, submits
from ganforge_repository.api.paging import PageSize, PageToken, key_of, page

router = APIRouter(tags=["weights"], responses=problems.RESPONSES)


@router.get("/v1/networks/{network}/tags", operation_id="listTags", dependencies=[reads])
def list_tags(
    database: Db, network: NetworkName, page_size: PageSize = 100, page_token: PageToken = None
) -> TagPage:
    """List the tags of a network by name."""
    after = key_of(page_token, str)
    with database.read() as connection:
        rows = catalog.tag_listing(connection, network, after=after, limit=page_size + 1)
    items, token = page(rows, page_size, lambda row: row.tag)
    return TagPage(items=list(items), next_page_token=token)


@router.put("/v1/networks/{network}/tags/{tag}", operation_id="promote", dependencies=[submits])
def promote(database: Db, network: NetworkName, tag: TagName, promotion: Promotion) -> Version:
    """Point a tag at an existing version; no bytes are copied.

    The tag gets a new version with the same weights. Promoting the same version twice in a row
    changes nothing.
    """
    with database.write() as connection:
        return catalog.promote(connection, network, tag, promotion)
