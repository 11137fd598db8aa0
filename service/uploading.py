"""What is asked for by an upload, and what became of it."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from indexer.items import GalleryItem
from service.errors import BadQuery
from service.pictures import picture_bytes
from service.schemas.uploads import Upload, Uploaded
from service.scopes import Caller
from service.visible import may_see

SOURCE = "api:"


@dataclass(frozen=True)
class Asked:
    """One crop of a request: its facts as a row, or why it cannot be one."""

    key: str
    item: GalleryItem | None
    image: str
    reason: str | None = None


def read_uploads(uploads: Sequence[Upload], caller: Caller) -> list[Asked]:
    """The crops of a request, in order. Of one key there can be one picture."""
    digests: dict[str, str] = {}
    asked = []
    for upload in uploads:
        try:
            digest = hashlib.sha256(picture_bytes(upload.image)).hexdigest()
        except BadQuery as error:
            asked.append(Asked(upload.key or "", None, upload.image, str(error)))
            continue
        key = upload.key or f"sha256:{digest}"
        if digests.setdefault(key, digest) == digest:
            asked.append(Asked(key, _item(key, upload, caller), upload.image))
        else:
            asked.append(Asked(key, None, upload.image, "Another picture of this request has that key."))
    return asked


def outcome(
    one: Asked,
    row: tuple[int, GalleryItem] | None,
    known: bool,
    reasons: Mapping[str, str],
    caller: Caller,
) -> Uploaded:
    """What became of a crop. `row`: who has its key now; `known`: it could not be added, before this request.

    Who may see some cameras only is not told whether another one's row has that key or it was removed.
    """
    reason = one.reason or reasons.get(one.key)
    if reason is not None:
        return Uploaded(key=one.key, status="rejected", id=None, reason=reason)
    seen = row is not None and may_see(row[1], caller)
    if known and row is None and caller.cameras is None:
        reason = "was removed for good"
    return Uploaded(
        key=one.key, status="known" if known else "stored", id=row[0] if row and seen else None, reason=reason
    )


def _item(key: str, upload: Upload, caller: Caller) -> GalleryItem:
    return GalleryItem(
        key=key,
        uri=key,
        source=f"{SOURCE}{caller.name}",
        camera=upload.camera,
        seen_at=upload.seen_at,
        track=upload.track,
        attributes=dict(upload.attributes),
    )
