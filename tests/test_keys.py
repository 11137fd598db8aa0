"""Keys: what is kept of them, what they open, and how soon a change is felt."""

import hashlib
import re
import sqlite3
import stat
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from keyed_service import headers, keyed, make

from service import cli
from service.key_command import end_of
from service.keys import KeyProblem, KeyStore
from service.scopes import Scope


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_key_is_known_by_its_hash_only(tmp_path: Path) -> None:
    store = KeyStore(tmp_path)
    key, text = store.create("me", [Scope.SEARCH], ["gate"])
    secret = text.removeprefix(f"cskt_{key.id}_")
    assert len(secret) == 43  # 256 bits in base64
    kept = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert secret.encode() not in kept
    assert hashlib.sha256(secret.encode()).digest() in kept
    assert stat.S_IMODE((tmp_path / "keys.db").stat().st_mode) == 0o600
    caller = store.caller(text)
    assert caller is not None
    assert (caller.key, caller.name, caller.scopes, caller.cameras) == (
        key.id,
        "me",
        {Scope.SEARCH},
        {"gate"},
    )
    assert len({store.create("me", [Scope.SEARCH])[1] for _ in range(50)}) == 50


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t[:-1],
        lambda t: t + "a",
        lambda t: t.replace("cskt_", "tksc_"),
        lambda t: "",
        lambda t: "cskt",
        lambda t: "cskt__",
        lambda t: t.upper(),
    ],
    ids=["shorter", "longer", "prefix", "nothing", "word", "empty parts", "upper case"],
)
def test_what_is_nearly_a_key_opens_nothing(tmp_path: Path, change) -> None:
    store = KeyStore(tmp_path)
    _, text = store.create("me", [Scope.SEARCH])
    assert store.caller(change(text)) is None


def test_an_end_and_a_revocation_by_another_process_are_felt_without_a_restart(tmp_path: Path) -> None:
    clock = Clock()
    service, command = KeyStore(tmp_path, clock), KeyStore(tmp_path)
    assert not service.any()
    key, text = command.create("me", [Scope.SEARCH])
    _, over = command.create("me", [Scope.SEARCH], expires="2026-01-01T00:00:00.000Z")
    assert service.caller(text) is None  # it does not look for changes at every request
    clock.now += 0.6
    assert service.caller(text) is not None
    assert service.caller(over) is None
    command.revoke(key.id)
    clock.now += 0.6
    assert service.caller(text) is None
    assert service.any()  # a key that was revoked does not open the house again
    assert [one.revoked is None for one in command.all()] == [False, True]


def test_casework_keeps_scopes_apart(tmp_path: Path) -> None:
    store = KeyStore(tmp_path)
    for pair in ([Scope.ADMIN, Scope.SEARCH], [Scope.SEARCH, Scope.ERASE]):
        with pytest.raises(KeyProblem, match="in casework no key has both"):
            store.create("me", pair, casework=True)
        store.create("me", pair)
    store.create("me", [Scope.ADMIN, Scope.ERASE], casework=True)


def test_a_file_that_is_no_key_store_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "keys.db").write_bytes(b"no database" * 500)
    with pytest.raises(KeyProblem, match=r"cannot be used: .*CSKT_STATE"):
        KeyStore(tmp_path)


def test_the_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = ["--gallery", str(tmp_path / "g")]
    create = ["key", "create", "--name", "Eve\x1b[2J", "--scopes", "search, index", *place]
    assert cli.main([*create, "--cameras", "gate,shop", "--expires", "30d"]) == 0
    told = capsys.readouterr().out
    text = told.splitlines()[0]
    store = KeyStore(tmp_path / "g.state")
    caller = store.caller(text)
    assert caller is not None
    assert (caller.scopes, caller.cameras) == ({Scope.SEARCH, Scope.INDEX}, {"gate", "shop"})
    assert cli.main(["key", "list", *place]) == 0
    listed = capsys.readouterr().out
    assert caller.key in listed
    assert text not in listed
    assert "\x1b" not in listed
    assert cli.main(["key", "revoke", caller.key, *place]) == 0
    assert KeyStore(tmp_path / "g.state").caller(text) is None
    assert cli.main(["key", "revoke", "nobody", *place]) == 2
    assert "there is no key nobody" in capsys.readouterr().err
    log = subprocess.run(
        [sys.executable, "-m", "service", "audit", "show", *place], capture_output=True, text=True, check=True
    ).stdout
    assert "key create" in log
    assert "key revoke" in log
    assert text not in log


@pytest.mark.parametrize(
    ("given", "seconds"), [("10s", 10), ("30m", 1800), ("12h", 43_200), ("90d", 7_776_000)]
)
def test_an_end_is_so_far_from_now(given: str, seconds: int) -> None:
    end = datetime.fromisoformat(end_of(given))
    assert abs((end - datetime.now(UTC)).total_seconds() - seconds) < 5


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--scopes", "all"], "choose of search"),
        (["--scopes", ","], "needs scopes"),
        (["--scopes", "search", "--expires", "soon"], "write 90d"),
        (["--scopes", "audit", "--cameras", "gate"], "about all cameras"),
    ],
)
def test_bad_wishes_are_one_sentence(tmp_path: Path, capsys, options: list[str], says: str) -> None:
    assert cli.main(["key", "create", "--name", "n", "--state", str(tmp_path), *options]) == 2
    told = capsys.readouterr().err
    assert says in told
    assert told.count("\n") == 1


def test_a_damaged_row_is_one_sentence(tmp_path: Path) -> None:
    store = KeyStore(tmp_path)
    store.create("me", [Scope.SEARCH])
    with sqlite3.connect(tmp_path / "keys.db") as connection:
        connection.execute("UPDATE key SET scopes = '[\"everything\"]'")
    connection.close()
    with pytest.raises(KeyProblem, match="cannot be used"):
        store.all()


def test_keys_are_asked_for_once_there_are_some(tmp_path: Path) -> None:
    with keyed(tmp_path) as (client, store):
        assert client.get("/v1/gallery").status_code == 200
        text = make(store, Scope.SEARCH)
        while client.get("/v1/gallery").status_code == 200:
            pass
        assert client.get("/v1/gallery", headers=headers(text)).status_code == 200
        assert client.get("/v1/gallery", headers={"Api-Key": text}).status_code == 200
        assert client.get("/v1/gallery", headers={"Authorization": f"Basic {text}"}).status_code == 401
        assert re.match("Bearer", client.get("/v1/gallery").headers["www-authenticate"])
