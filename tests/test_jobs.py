"""Index jobs as onlookers see them: while they run, how they ended, also when nobody could say so."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from PIL import Image

from indexer.indexing import IndexReport
from indexer.jobs import FILE, KEPT, read_jobs, told_job
from service import cli


def pictures(folder: Path, count: int) -> Path:
    folder.mkdir()
    for number in range(count):
        Image.new("RGB", (40, 80), (number % 255, 90, 120)).save(folder / f"{number:03}.jpg")
    (folder / "broken.jpg").write_bytes(b"no picture")
    return folder


def test_a_run_leaves_what_it_did(tmp_path: Path) -> None:
    source = pictures(tmp_path / "shots", 5)
    gallery = tmp_path / "g"
    run = ["index", f"folder:{source}", "--gallery", str(gallery), "--encoder", "demo", "--workers", "1"]
    assert cli.main(run) == 0
    (job,) = read_jobs(gallery)
    assert (job.source, job.state) == ("folder:shots", "finished")
    assert (job.done, job.new, job.known, job.rejected) == (6, 5, 0, 1)
    assert job.started <= job.updated
    assert str(tmp_path) not in (gallery / FILE).read_text()
    assert (gallery / FILE).stat().st_mode & 0o077 == 0
    assert cli.main(run) == 0
    again, first = read_jobs(gallery)
    assert (again.known, again.new, first.new) == (5, 0, 5)


def test_a_killed_run_was_interrupted(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from indexer.jobs import told_job\n"
        "from indexer.indexing import IndexReport\n"
        "report = IndexReport('folder:/x/shots', new=3)\n"
        "with told_job(Path(sys.argv[1]), report.source, 9, report) as job:\n"
        "    job._told = 0; job.update(report); print('running', flush=True); time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code, tmp_path], stdout=subprocess.PIPE) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == b"running\n"
        (job,) = read_jobs(tmp_path)
        assert (job.state, job.done, job.total) == ("running", 3, 9)
        os.kill(run.pid, signal.SIGKILL)
    (job,) = read_jobs(tmp_path)
    assert (job.state, job.new) == ("interrupted", 3)
    with told_job(tmp_path, "folder:/x/more", None, IndexReport("")):
        assert [job.state for job in read_jobs(tmp_path)] == ["running", "interrupted"]


@pytest.mark.parametrize(
    ("error", "state"), [(KeyboardInterrupt, "interrupted"), (ValueError, "failed"), (None, "finished")]
)
def test_how_it_ended_is_told(tmp_path: Path, error: type[BaseException] | None, state: str) -> None:
    try:
        with told_job(tmp_path, "folder:/x", None, IndexReport("")):
            if error is not None:
                raise error("why")
    except (KeyboardInterrupt, ValueError):
        pass
    assert [job.state for job in read_jobs(tmp_path)] == [state]


def test_a_disk_that_refuses_does_not_stop_a_job(tmp_path: Path) -> None:
    report, gone = IndexReport("", new=1), tmp_path / "not there"
    with told_job(gone, "folder:/x", None, report) as job:
        job._told = 0
        job.update(report)
    assert not gone.exists()
    assert read_jobs(gone) == []


@pytest.mark.parametrize("damage", [b"", b"{", b"[1]", b'[{"source": "a"}]', b"\xff"])
def test_a_damaged_file_is_no_file(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / FILE).write_bytes(damage)
    assert read_jobs(tmp_path) == []
    with told_job(tmp_path, "folder:/x", None, IndexReport("")):
        assert len(read_jobs(tmp_path)) == 1


def test_the_last_few_are_remembered(tmp_path: Path) -> None:
    for number in range(KEPT + 3):
        with told_job(tmp_path, f"folder:/x/{number}", None, IndexReport("")):
            pass
    assert [job.source for job in read_jobs(tmp_path)] == [
        f"folder:{number}" for number in range(KEPT + 2, 2, -1)
    ]


def test_no_onlooker_sees_half_a_file(tmp_path: Path) -> None:
    report, ended, seen = IndexReport(""), threading.Event(), []

    def look() -> None:
        while not ended.is_set():
            seen.append(json.loads((tmp_path / FILE).read_bytes())[0]["new"])

    with told_job(tmp_path, "folder:/x", None, report) as job:
        onlooker = threading.Thread(target=look)
        onlooker.start()
        for report.new in range(500):
            job._told = 0
            job.update(report)
            time.sleep(0)
        ended.set()
        onlooker.join()
    assert seen
    assert seen == sorted(seen)


def test_erasing_a_picture_erases_what_jobs_were_called(tmp_path: Path) -> None:
    source, gallery = pictures(tmp_path / "one-person", 2), tmp_path / "g"
    (source / "broken.jpg").unlink()  # the name of a rejected file stays, as it may be mended
    assert cli.main(["index", f"folder:{source}", "--gallery", str(gallery), "--encoder", "demo"]) == 0
    assert read_jobs(gallery)
    remove = ["remove", "--gallery", str(gallery), "--source", f"folder:{source}", "--erase", "--yes"]
    assert cli.main(remove) == 0
    assert read_jobs(gallery) == []
    assert b"one-person" not in b"".join(path.read_bytes() for path in gallery.rglob("*") if path.is_file())
