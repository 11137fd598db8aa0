"""The files themselves, before anything runs: hadolint, and the schema of the Compose Specification."""

import subprocess

import pytest
from engine import ROOT


def check(tools, program: str, *arguments: object) -> str:
    done = subprocess.run([tools / "bin" / program, *arguments], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_hadolint_finds_nothing(tools):
    check(tools, "hadolint", "Dockerfile")


@pytest.mark.parametrize("name", ["compose.yaml", "compose.gpu.yaml"])
def test_the_compose_files_follow_the_specification(tools, name):
    assert "ok" in check(tools, "check-jsonschema", "--builtin-schema", "vendor.compose-spec", f"docker/{name}")


def test_the_check_sees_what_is_wrong(tools, tmp_path):
    wrong = tmp_path / "compose.yaml"
    wrong.write_text((ROOT / "docker/compose.yaml").read_text().replace("read_only: true", "read_onyl: true"))
    command = [tools / "bin/check-jsonschema", "--builtin-schema", "vendor.compose-spec", wrong]
    assert subprocess.run(command, capture_output=True).returncode == 1
