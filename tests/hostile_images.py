"""A folder of images that mean no good, the same each time: names, links, bombs, broken and mutated files.

`write_hostile(folder)` returns how many entries a source must account for.
"""

import io
import os
import random
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, PngImagePlugin

MUTANTS = 160
CUTS = 24


def write_hostile(folder: Path) -> int:
    """Fill a folder; the number of images in it, those below it included."""
    folder.mkdir(parents=True, exist_ok=True)
    written = 0
    for name, data in [*_bombs(), *_liars(), *_odd_but_sound(), *_cut(), *_mutated()]:
        (folder / name).write_bytes(data)
        written += 1
    return written + _odd_names(folder) + _no_files(folder)


def picture(seed: int = 0, mode: str = "RGB") -> Image.Image:
    """Coarse noise, 64 x 128."""
    pixels = np.random.default_rng(seed).integers(0, 255, (16, 8, 3), dtype=np.uint8)
    return Image.fromarray(pixels).resize((64, 128), Image.Resampling.BICUBIC).convert(mode)


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    """One PNG chunk with its checksum."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, *chunks: bytes, depth: int = 8, colour: int = 2) -> bytes:
    """A PNG whose header says what it likes."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + chunk(b"IEND", b"")


def _bombs() -> Iterator[tuple[str, bytes]]:
    """Small files that become large: in pixels, in text, in colour profiles, in frames, in declared sizes."""
    jpeg, plain = encoded(picture(), "JPEG"), encoded(picture(), "PNG")
    for side in (5_001, 20_000, 65_535, 2**31 - 1):
        rows = zlib.compress(bytes(1_000_000), 9)
        yield f"bomb-{side}.png", png(side, side, chunk(b"IDAT", rows), depth=1, colour=0)
    inflating = zlib.compress(b"a" * 60_000_000, 9)
    body = plain[33:]
    for kind in (b"zTXt", b"iCCP"):
        yield f"bomb-{kind.decode()}.png", plain[:33] + chunk(kind, b"k\0\0" + inflating) + body
    yield "bomb-iTXt.png", plain[:33] + chunk(b"iTXt", b"k\0\1\0\0\0" + inflating) + body
    yield "bomb-rows.png", png(16, 16, chunk(b"IDAT", inflating))
    start = jpeg.index(b"\xff\xc0") + 5
    yield "bomb-sides.jpg", jpeg[:start] + struct.pack(">HH", 65_500, 65_500) + jpeg[start + 4 :]
    canvas = b"VP8X" + struct.pack("<I", 10) + b"\x02\0\0\0" + b"\xff\x3f\0" * 2
    yield "bomb-canvas.webp", b"RIFF" + struct.pack("<I", 4 + len(canvas)) + b"WEBP" + canvas
    yield "bomb-length.webp", b"RIFF\xff\xff\xff\xffWEBPVP8 \xff\xff\xff\xff" + bytes(64)
    yield "bomb-chunk.png", plain[:33] + struct.pack(">I", 2**31 - 1) + b"IDAT" + bytes(64)
    yield "bomb-comments.jpg", jpeg[:2] + (b"\xff\xfe\xff\xff" + bytes(65_533)) * 60 + jpeg[2:]
    yield "bomb-scans.jpg", many_scans(picture(), 200)


def many_scans(image: Image.Image, scans: int) -> bytes:
    """A progressive JPEG that refines the same picture again and again."""
    data = encoded(image, "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    return data[:last] + data[last:-2] * scans + b"\xff\xd9"


def _liars() -> Iterator[tuple[str, bytes]]:
    """Files that are something else than they are called, or nothing."""
    yield "empty.jpg", b""
    yield "one-byte.jpg", b"\xff"
    yield "zeros.png", bytes(5000)
    yield "text.jpeg", b"not a picture\n" * 50
    yield "page.png", b"<html><script>alert(1)</script></html>"
    yield "drawing.webp", b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>'
    yield "print.jpg", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\n(x) print\n"
    yield "document.png", b"%PDF-1.4\n1 0 obj<<>>endobj trailer<</Root 1 0 R>>"
    for kind in ("GIF", "BMP", "TIFF", "PPM", "ICO"):
        yield f"really-{kind.lower()}.png", encoded(picture(), kind)
    for name, width, height in (("no-width", 0, 5), ("no-height", 5, 0), ("none", 0, 0)):
        yield f"{name}.png", png(width, height, chunk(b"IDAT", zlib.compress(b"")))
    yield "depth.png", png(16, 16, chunk(b"IDAT", zlib.compress(bytes(400))), depth=77)
    yield "headers-only.jpg", b"\xff\xd8\xff\xe0" + b"\xff\xd8\xff\xe0" * 500
    yield "no-data.png", png(64, 64)
    yield "endless-exif.jpg", _with_looping_exif()


def _with_looping_exif() -> bytes:
    """EXIF whose directory names itself as the next."""
    block = b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<HHHIII", 1, 0x8769, 4, 1, 8, 8)
    jpeg = encoded(picture(), "JPEG")
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block + jpeg[2:]


def _odd_but_sound() -> Iterator[tuple[str, bytes]]:
    """Unusual pictures that are to be taken as they are."""
    image = picture(1)
    yield "cmyk.jpg", encoded(image.convert("CMYK"), "JPEG")
    for mode in ("1", "L", "LA", "P", "RGBA", "I;16"):
        made = Image.new(mode, (64, 128), 30_000) if mode.startswith("I") else image.convert(mode)
        yield f"mode-{mode.replace(';', '-')}.png", encoded(made, "PNG")
    for turn in (3, 6, 8, 99):
        exif = Image.Exif()
        exif[0x0112] = turn
        yield f"turned-{turn}.jpg", encoded(image, "JPEG", exif=exif)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    yield "profile.jpg", encoded(image, "JPEG", icc_profile=profile)
    yield "broken-profile.png", encoded(image, "PNG", icc_profile=b"no profile" * 9)
    others = [picture(seed) for seed in range(2, 8)]
    for kind in ("WEBP", "PNG"):
        animated = encoded(image, kind, save_all=True, append_images=others, duration=40)
        yield f"animated.{kind.lower()}", animated
    text = PngImagePlugin.PngInfo()
    text.add_itxt("XML:com.adobe.xmp", "<x:xmpmeta>\ud7ff" * 100)
    yield "talkative.png", encoded(image, "PNG", pnginfo=text)
    yield "thin.jpg", encoded(Image.new("RGB", (1, 4000)), "JPEG")
    yield "long.png", encoded(Image.new("RGB", (20_000, 9), "white"), "PNG")
    yield "wrong-name.png", encoded(image, "JPEG")


def _cut() -> Iterator[tuple[str, bytes]]:
    for kind in ("JPEG", "PNG", "WEBP"):
        data = encoded(picture(3), kind)
        for part in range(CUTS):
            yield f"cut-{part:02d}.{kind.lower()}", data[: len(data) * part // CUTS]


def _mutated() -> Iterator[tuple[str, bytes]]:
    """Sound files of every kind with up to 20 bytes changed, or a piece left out or doubled."""
    chance = random.Random(7)
    seeds = [data for _, data in _odd_but_sound()] + [encoded(picture(4), "WEBP", lossless=True)]
    seeds = [data for data in seeds if len(data) < 40_000]
    for number in range(MUTANTS):
        data = bytearray(chance.choice(seeds))
        for _ in range(chance.randint(1, 20)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        at, length = chance.randrange(len(data)), chance.randrange(64)
        if number % 4 == 0:
            del data[at : at + length]
        elif number % 4 == 1:
            data[at:at] = data[at : at + length]
        yield f"mutant-{number:03d}.jpg", bytes(data)


def _odd_names(folder: Path) -> int:
    """Sound pictures under names that break what prints, quotes or decodes them."""
    names = [
        b"not-utf8-\xff\xfe.jpg",
        b'"><img src=x onerror=alert(1)>.jpg',
        b"new\nline.jpg",
        b"\x1b[31mred\x1b[0m.jpg",
        b"up..%2f..%2fetc.jpg",
        "\u202egpj.exe.jpg".encode(),
        b"a" * 251 + b".jpg",
        b"'; DROP TABLE item; --.jpg",
        b"-rf.jpg",
        b" .jpg",
    ]
    sound, broken = encoded(picture(5), "JPEG"), b"broken"
    for number, name in enumerate(names):
        with open(os.path.join(os.fsencode(folder), name), "wb") as file:  # noqa: PTH118, PTH123
            file.write(broken if number % 2 else sound)
    return len(names)


def _no_files(folder: Path) -> int:
    """Links that loop or lead nowhere or out, a pipe that nobody writes to, folders called like pictures."""
    links = {
        "loop-1.jpg": "loop-2.jpg",
        "loop-2.jpg": "loop-1.jpg",
        "self.png": "self.png",
        "nowhere.jpg": "no/such/file",
        "passwords.jpg": "/etc/passwd",
        "zeros.jpg": "/dev/zero",
    }
    for name, target in links.items():
        (folder / name).symlink_to(target)
    os.mkfifo(folder / "pipe.jpg")
    deep = folder / "folder.jpg" / "deeper.png"
    deep.mkdir(parents=True)
    (deep / "up").symlink_to(folder, target_is_directory=True)
    (deep / "inside.webp").write_bytes(encoded(picture(6), "WEBP"))
    return len(links) + 2
