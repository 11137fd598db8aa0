"""A file system on a loop device whose power can be cut: what was not yet given to the disk is gone."""

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

FILE_SYSTEMS = {
    "ext4": (["mkfs.ext4", "-q", "-F"], "commit=1"),
    "ext4 without safe renames": (["mkfs.ext4", "-q", "-F"], "commit=1,noauto_da_alloc"),
    "xfs": (["mkfs.xfs", "-q", "-f"], "defaults"),
}
"""How each is made, and mounted. ext4 commits names every second, so that they come before their data."""

SIZE = 320 * 2**20
_SHUT_DOWN = 0x8004587D
"""The FS_IOC_SHUTDOWN call of ext4 and xfs, made for tests of power cuts."""

_WITHOUT_FLUSHING = 2
_PACKAGES = {"mkfs.ext4": "e2fsprogs", "mkfs.xfs": "xfsprogs"}


def missing(name):
    """What keeps this file system from being used here; empty if nothing does."""
    program = FILE_SYSTEMS[name][0][0]
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        return "run as root on Linux, to mount a loop device"
    if shutil.which(program) is None:
        return f"{program} is not there: apt-get install {_PACKAGES[program]}"
    try:
        with tempfile.TemporaryDirectory() as folder, LoopDisk(Path(folder), name) as disk, disk.mounted():
            pass
    except (subprocess.CalledProcessError, OSError) as error:
        detail = getattr(error, "stderr", None) or error
        return f"a loop device with {name} cannot be mounted ({str(detail).strip()}): loop devices are needed"
    return ""


class LoopDisk:
    """An image file and where it is mounted. As a context: unmounted at the end, whatever happened."""

    def __init__(self, folder, name):
        self.make, self.options = FILE_SYSTEMS[name]
        self.name, self.image, self.folder = name, folder / "disk.img", folder / "disk"

    def __enter__(self):
        self.folder.mkdir()
        with self.image.open("wb") as image:
            image.truncate(SIZE)
        _run(*self.make, self.image)
        return self

    def __exit__(self, *_):
        if self.folder.is_mount():
            subprocess.run(["umount", "-l", self.folder], capture_output=True)
        self.image.unlink()

    @contextmanager
    def mounted(self):
        """The folder, mounted; the file system mends itself from its journal first."""
        _run("mount", "-o", f"loop,{self.options}", self.image, self.folder)
        try:
            yield self.folder
        finally:
            _run("umount", self.folder)

    def cut_power(self):
        """From now on nothing reaches the disk, and what was waiting never will."""
        handle = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.ioctl(handle, _SHUT_DOWN, _WITHOUT_FLUSHING.to_bytes(4, sys.byteorder))
        finally:
            os.close(handle)


def _run(*command):
    subprocess.run(command, check=True, capture_output=True, text=True)
