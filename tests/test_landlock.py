"""What a process has given up it cannot do any more; tried in a child, as there is no way back."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from indexer.landlock import give_up_everything

ROOT = Path(__file__).parent.parent
TRIES = {
    "delete": "os.unlink({file!r})",
    "rename": "os.rename({file!r}, {file!r} + '2')",
    "read": "open({file!r}).read()",
    "write": "open({file!r}, 'a').write('x')",
    "list": "os.listdir({folder!r})",
    "make": "os.mkdir({folder!r} + '/new')",
    "signal": "os.kill(os.getppid(), 0)",
    "run": "os.execv('/bin/true', ['true'])",
}


def child(program: str) -> str:
    """What a new Python prints."""
    answer = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    return answer.stdout.strip()


@pytest.fixture(scope="module")
def landlock() -> None:
    if child("from indexer.landlock import give_up_everything as g; print(g())") != "True":
        pytest.skip("this kernel has no Landlock (Linux 5.13 and later have it, where it is switched on)")


@pytest.mark.usefixtures("landlock")
@pytest.mark.parametrize("what", TRIES)
@pytest.mark.parametrize("confined", [False, True])
def test_what_is_given_up_is_refused(tmp_path: Path, what: str, confined: bool) -> None:
    """And without giving it up it is possible."""
    file = tmp_path / "file"
    file.write_text("kept")
    attempt = TRIES[what].format(file=str(file), folder=str(tmp_path))
    told = child(
        "import os\n"
        "from indexer.landlock import give_up_everything\n"
        f"{'give_up_everything()' if confined else ''}\n"
        "try:\n"
        f"    {attempt}\n"
        "    print('done')\n"
        "except PermissionError:\n"
        "    print('refused')\n"
    )
    if not confined and what == "run":
        assert told == ""  # it became another program
    else:
        assert told == ("refused" if confined else "done")
    if confined:
        assert file.read_text() == "kept"
        assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.usefixtures("landlock")
def test_what_is_open_stays_open(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("kept")
    told = child(
        f"file = open({str(file)!r}, 'r+')\n"
        "from indexer.landlock import give_up_everything\n"
        "print(give_up_everything(), file.read())\n"
    )
    assert told == "True kept"


def test_a_kernel_without_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    class Kernel:
        def syscall(self, *_: object) -> int:
            return -1

    monkeypatch.setattr("indexer.landlock.ctypes.CDLL", lambda *_, **__: Kernel())
    assert give_up_everything() is False
