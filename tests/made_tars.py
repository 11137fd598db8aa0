"""Pictures and tars for tests, written by the standard library and, where it refuses, by hand."""

import io
import tarfile

from PIL import Image


def jpeg(shade: int = 200) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (20, 40), (shade % 256, 30, 30)).save(file, "JPEG")
    return file.getvalue()


def member(
    name: str, data: bytes = b"", kind: bytes = tarfile.REGTYPE, link: str = "", size: int | None = None
):
    """One header, with the data it announces or not."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    info.size = len(data) if size is None else size
    header = info.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")
    return header + data + b"\0" * (-len(data) % 512)


def tar(files: dict[str, bytes], form: int = tarfile.GNU_FORMAT, mode: str = "w") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode, format=form) as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


END = b"\0" * 1024
