"""Which facts of a row may leave the service."""

from typing import Any

from indexer.items import GalleryItem
from indexer.labels import source_label
from service.schemas.items import Item


def item_facts(id: int, item: GalleryItem) -> Item:
    """What of a row may leave the service: no key, no uri."""
    return Item(**shown_facts(id, item))


def shown_facts(id: int, item: GalleryItem) -> dict[str, Any]:
    """The same as fields."""
    return {
        "id": id,
        "camera": item.camera,
        "seen_at": item.seen_at,
        "track": item.track,
        "source": source_label(item.source),
        "attributes": dict(item.attributes),
        "image_url": f"/v1/images/{id}",
    }
