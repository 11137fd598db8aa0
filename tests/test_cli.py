"""The root command: help without anything heavy, one sentence and exit 2 for what a user can mend."""

import argparse
import errno
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from model.errors import CsktError
from service import cli

HEAVY = (
    "torch",
    "open_clip",
    "faiss",
    "fastapi",
    "starlette",
    "uvicorn",
    "av",
    "openvino",
    "numpy",
    "pydantic",
)


def run_with(monkeypatch: pytest.MonkeyPatch, command: Callable[[argparse.Namespace], int | None]) -> int:
    """`main` with a command tree of one command that does this."""
    parser = argparse.ArgumentParser()
    parser.set_defaults(run=command, when_interrupted="nothing was kept.")
    monkeypatch.setattr(cli, "build_parser", lambda: parser)
    return cli.main([])


def test_help_and_the_command_tree_import_nothing_heavy() -> None:
    program = (
        "import sys; from service.cli import build_parser; text = build_parser().format_help();"
        f"print([name for name in {HEAVY} if name in sys.modules]); print(text)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded, _, text = done.stdout.partition("\n")
    assert loaded == "[]"
    for command in ("index", "search", "gallery", "serve", "demo", "train", "evaluate", "convert", "people"):
        assert command in text


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["index", "folder:x", "--gallery", "g"], "what was stored is kept, run the command again"),
        (["export", "out"], "nothing was written"),
        (["bench", "encode"], "nothing was measured"),
    ],
)
def test_after_ctrl_c_a_command_says_what_it_kept(monkeypatch, capsys, words, said) -> None:
    def interrupted(_: argparse.Namespace) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "recorded", interrupted)
    assert cli.main(words) == cli.EXIT_INTERRUPTED
    assert capsys.readouterr().err.startswith(f"cskt: interrupted; {said}")


def test_every_command_describes_itself(capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("serve", "demo"):
        with pytest.raises(SystemExit) as ended:
            cli.main([command, "--help"])
        assert ended.value.code == 0
        told = capsys.readouterr().out
        assert "--port" in told
        assert "until Ctrl-C" in told or "serve page and API" in told


@pytest.mark.parametrize("result", [None, 0, 3])
def test_the_exit_code_is_the_commands(monkeypatch: pytest.MonkeyPatch, result: int | None) -> None:
    assert run_with(monkeypatch, lambda _: result) == (result or 0)


def test_a_users_mistake_is_one_sentence_and_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_: argparse.Namespace) -> int:
        raise CsktError("There is no such gallery; name another.")

    assert run_with(monkeypatch, fail) == 2
    told = capsys.readouterr()
    assert (told.out, told.err) == ("", "cskt: There is no such gallery; name another.\n")


def test_ctrl_c_is_130_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(_: argparse.Namespace) -> int:
        raise KeyboardInterrupt

    assert run_with(monkeypatch, interrupt) == 130
    assert capsys.readouterr().err.count("\n") == 1


def test_a_programmers_mistake_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: argparse.Namespace) -> int:
        raise ValueError("misuse")

    with pytest.raises(ValueError, match="misuse"):
        run_with(monkeypatch, fail)


@pytest.mark.parametrize(
    "words", [["search", "x", "--gallery", "g", "--to", "2026-05-01"], ["gallery", "info", "--gal", "g"]]
)
def test_an_option_is_taken_by_its_whole_name_only(
    capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(words)
    assert ended.value.code == 2
    told = capsys.readouterr().err
    assert "--to" in told or "--gallery" in told
    assert "--top-k" not in told.rpartition("error:")[2]


def test_a_reader_that_goes_away_is_no_error() -> None:
    command = [sys.executable, "-m", "service", "--help"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert b"Traceback" not in process.stderr.read()


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            OSError(errno.ENOSPC, "No space left on device", "/data/g"),
            "the disk is full while writing /data/g",
        ),
        (OSError(errno.EACCES, "Permission denied", "/data/g"), "/data/g: Permission denied"),
        (OSError(errno.ENAMETOOLONG, "File name too long", "x" * 5), "xxxxx: File name too long"),
    ],
)
def test_what_the_system_refuses_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: OSError, said: str
) -> None:
    def fail(_: argparse.Namespace) -> int:
        raise error

    assert run_with(monkeypatch, fail) == 2
    told = capsys.readouterr().err
    assert said in told
    assert told.count("\n") == 1


def test_a_reader_that_goes_away_while_a_command_prints_is_no_error() -> None:
    program = (
        "import argparse, sys\n"
        "from service import cli\n"
        "parser = argparse.ArgumentParser()\n"
        "parser.set_defaults(run=lambda _: [print('x' * 100, flush=True) for _ in range(10000)] and 0)\n"
        "cli.build_parser = lambda: parser\n"
        "sys.exit(cli.main([]))\n"
    )
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 0


def test_nothing_or_nonsense_is_exit_2(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in ([], ["fly"], ["demo", "--people", "0"], ["serve", "--port", "http"]):
        with pytest.raises(SystemExit) as ended:
            cli.main(arguments)
        assert ended.value.code == 2
    assert "must be a whole number" in capsys.readouterr().err


@pytest.fixture
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)  # nothing is left in the folder of whoever runs the tests
    for name in [name for name in os.environ if name.startswith("CSKT_")]:
        monkeypatch.delenv(name)


@pytest.mark.usefixtures("bare_environment")
class TestServeRefuses:
    """One sentence and exit 2, before anything is loaded."""

    def test_without_a_gallery(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert cli.main(["serve"]) == 2
        assert "--gallery" in capsys.readouterr().err

    @pytest.mark.parametrize("command", [["serve", "--gallery", "g"], ["demo"]])
    def test_an_address_that_others_reach(
        self, command: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert cli.main([*command, "--host", "0.0.0.0"]) == 2
        told = capsys.readouterr().err
        assert "cskt key create" in told
        assert told.count("\n") == 1

    @pytest.mark.parametrize("command", [["serve", "--gallery", "g"], ["demo"]])
    def test_a_port_in_use(self, command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
        with socket.create_server(("127.0.0.1", 0)) as other:
            port = other.getsockname()[1]
            assert cli.main([*command, "--port", str(port)]) == 2
        told = capsys.readouterr().err
        assert f"Port {port}" in told
        assert "--port" in told
        assert told.count("\n") == 1

    def test_a_port_that_is_none(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert cli.main(["serve", "--gallery", "g", "--port", "70000"]) == 2
        assert "CSKT_PORT" in capsys.readouterr().err

    def test_an_address_of_nobody(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        gallery = str(tmp_path / "g")
        assert cli.main(["key", "create", "--name", "n", "--scopes", "search", "--gallery", gallery]) == 0
        assert cli.main(["serve", "--gallery", gallery, "--host", "no.such.host.invalid"]) == 2
        told = capsys.readouterr().err
        assert "Cannot listen at no.such.host.invalid" in told
        assert told.count("\n") == 1
