"""``/v1/networks/{network}/tags``: the lines of versions."""

from ganforge.wire.weights import Promotion, TagPage, Version
from ganforge_chassis.api_route import api_router
from ganforge_chassis.paging import PagesOf100
from ganforge_repository import catalog
from ganforge_repository.api.deps import Db, NetworkName, TagName, reads, submits

router = api_router("weights")


@router.get("/v1/networks/{network}/tags", operation_id="listTags", dependencies=[reads])
def list_tags(database: Db, network: NetworkName, pages: PagesOf100) -> TagPage:
    """List the tags of a network by name."""
    with database.read() as connection:
        rows = catalog.tag_listing(connection, network, after=pages.after(), limit=pages.limit)
    items, token = pages.cut(rows, lambda row: row.tag)
    return TagPage(items=list(items), next_page_token=token)


@router.put("/v1/networks/{network}/tags/{tag}", operation_id="promote", dependencies=[submits])
def promote(database: Db, network: NetworkName, tag: TagName, promotion: Promotion) -> Version:
    """Point a tag at an existing version; no bytes are copied.

    The tag gets a new version with the same weights. Promoting the same version twice in a row
    changes nothing.
    """
    with database.write() as connection:
        return catalog.promote(connection, network, tag, promotion)
