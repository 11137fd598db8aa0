"""One person image as answers show it."""

from service.schemas.contract import Contract


class Item(Contract):
    """One person image: its facts and where its picture is."""

    id: int
    camera: str | None
    seen_at: str | None
    track: str | None
    source: str
    attributes: dict[str, str | bool | int | float]
    image_url: str
