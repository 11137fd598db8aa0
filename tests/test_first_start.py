"""docker/first-start.sh with a stand-in for compose: what it makes, what it keeps, what it refuses."""

import shutil
import subprocess
from pathlib import Path

import pytest

DOCKER = Path(__file__).parents[1] / "docker"
COMPOSE = """#!/bin/sh
# keys are the lines of a file, as the state folder would hold them
case "$*" in
    *"key list"*)
        if [ ! -f "$0.built" ]; then # as compose does, before the job runs
            echo "#12 Collecting prometheus-client==0.24.1"
            seq 20000
            touch "$0.built"
        fi
        cat "$0.keys"
        ;;
    *"key create"*)
        for word; do
            case $before in --name) named=$word ;; --scopes) scopes=$word ;; esac
            before=$word
        done
        echo "0123456789ab  good  $scopes  all cameras  no end  $named" >>"$0.keys"
        echo "cskt_0123_secret$(wc -l <"$0.keys")"
        ;;
esac
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("first-start.sh", "env.example"):
        shutil.copy(DOCKER / name, tmp_path)
    compose = tmp_path / "compose"
    compose.write_text(COMPOSE)
    compose.chmod(0o755)
    (tmp_path / "compose.keys").touch()
    return tmp_path


def start(folder: Path) -> subprocess.CompletedProcess[str]:
    told = {"PATH": "/usr/bin:/bin", "COMPOSE": str(folder / "compose")}
    return subprocess.run(
        ["sh", "first-start.sh"], cwd=folder, env=told, capture_output=True, text=True, check=False
    )


def secrets(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in (folder / "secrets").iterdir()}


def test_secrets_and_three_keys_are_made_once(folder: Path) -> None:
    first = start(folder)
    assert (first.returncode, first.stderr) == (0, "")
    assert first.stdout.count("cskt_0123_secret") == 2  # the key of Prometheus is not shown
    made = secrets(folder)
    assert made["metrics_key"] == "cskt_0123_secret1\n"
    assert len(made["audit_key"]) == 64
    assert (folder / "secrets").stat().st_mode & 0o777 == 0o700
    again = start(folder)
    assert again.returncode == 0
    assert "there already" in again.stdout
    assert secrets(folder) == made
    assert len((folder / "compose.keys").read_text().splitlines()) == 3


def test_keys_that_were_lost_with_their_volume_are_made_again(folder: Path) -> None:
    start(folder)
    audit_key = secrets(folder)["audit_key"]
    (folder / "compose.keys").write_text("")
    assert "first key for searching" in start(folder).stdout
    assert secrets(folder)["metrics_key"] == "cskt_0123_secret1\n"
    assert secrets(folder)["audit_key"] == audit_key
    assert len((folder / "compose.keys").read_text().splitlines()) == 3


def test_a_lost_audit_key_is_not_replaced(folder: Path) -> None:
    start(folder)
    (folder / "secrets" / "audit_key").unlink()
    refused = start(folder)
    assert refused.returncode == 1
    assert "audit_key is gone" in refused.stderr
    assert "audit_key" not in secrets(folder)


def test_a_misspelt_setting_is_refused(folder: Path) -> None:
    shutil.copy(folder / "env.example", folder / ".env")
    with (folder / ".env").open("a") as file:
        file.write("CSKT_PROFIL=casework\n")
        file.write("COMPOSE_FILE=compose.yaml:compose.gpu.yaml\nhttps_proxy=http://proxy:3128\n")
    refused = start(folder)
    assert refused.returncode == 1
    assert refused.stderr.endswith(" of it: CSKT_PROFIL= \n")
    assert not (folder / "secrets").exists()


def test_where_no_key_can_be_made_it_says_so(folder: Path) -> None:
    (folder / "compose").write_text("#!/bin/sh\necho no engine >&2\nexit 1\n")
    refused = start(folder)
    assert refused.returncode == 1
    assert "no engine" in refused.stderr
    assert "the keys could not be read" in refused.stderr
    assert set(secrets(folder)) == {"audit_key", "grafana_password", "metrics_key"}
