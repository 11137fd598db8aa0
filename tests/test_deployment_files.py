"""The files of docker/: what they name exists, and nothing of the hardening has been left out."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

from service.settings import Settings

ROOT = Path(__file__).parents[1]
DOCKER = ROOT / "docker"
COMPOSE = yaml.safe_load((DOCKER / "compose.yaml").read_text())
SERVICES = COMPOSE["services"]


def settings_of(lines: str) -> dict[str, str]:
    """Names and values of an env file."""
    pairs = [line.partition("=") for line in lines.splitlines() if line and not line.startswith("#")]
    return {name: value for name, _, value in pairs}


def test_every_variable_is_explained_with_the_default_it_has() -> None:
    text = "".join((DOCKER / name).read_text() for name in ("compose.yaml", "compose.gpu.yaml"))
    used = dict(re.findall(r"\$\{(\w+):-([^}]*)\}", text))
    assert set(re.findall(r"\$\{(\w+)", text)) == set(used)  # none without a default
    assert settings_of((DOCKER / "env.example").read_text()) == used


def test_settings_of_the_service_are_settings() -> None:
    known = {f"CSKT_{name.upper()}" for name in Settings.model_fields}
    for name in ("service", "indexer"):
        given = {key for key in SERVICES[name]["environment"] if key.startswith("CSKT_")}
        assert given <= known
    defaults = {name: value.default for name, value in Settings.model_fields.items()}
    environment = SERVICES["service"]["environment"]
    said = {name: re.fullmatch(r"\$\{\w+:-(.*)\}", value) for name, value in environment.items()}
    open_to_change = {name: value[1] for name, value in said.items() if value}
    assert {"CSKT_PROFILE", "CSKT_PEOPLE_PER_DAY", "CSKT_DEADLINE_MS"} <= set(open_to_change)
    for name, value in open_to_change.items():
        assert value == str(defaults[name.removeprefix("CSKT_").lower()]).lower()


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_every_container_is_hardened(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "memory" in service["deploy"]["resources"]["limits"]
    assert service["deploy"]["resources"]["limits"]["pids"] <= 512
    assert not service.get("privileged")
    assert set(service.get("cap_add", [])) <= {"NET_BIND_SERVICE"}


def test_the_service_is_reached_over_the_proxy_alone() -> None:
    assert COMPOSE["networks"]["inside"]["internal"] is True
    assert SERVICES["service"]["networks"] == ["inside"]
    assert "ports" not in SERVICES["service"]
    assert SERVICES["indexer"]["network_mode"] == "none"
    for name, service in SERVICES.items():
        for port in service.get("ports", []):
            address = port.split(":")[0] if not port.startswith("${BIND") else "127.0.0.1"
            assert address == "127.0.0.1", name


def test_secrets_are_files_that_the_first_start_makes_and_git_ignores() -> None:
    script = (DOCKER / "first-start.sh").read_text()
    for name, secret in COMPOSE["secrets"].items():
        assert secret == {"file": f"./secrets/{name}"}
        assert f"| keep {name}" in script
    assert "secrets/" in (DOCKER / ".gitignore").read_text().splitlines()
    used = {secret for service in SERVICES.values() for secret in service.get("secrets", [])}
    assert used == set(COMPOSE["secrets"])


def test_what_is_mounted_is_there() -> None:
    for service in SERVICES.values():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            if source.startswith("./"):
                assert (DOCKER / source).exists(), source
            elif not source.startswith("${"):
                assert source in COMPOSE["volumes"]


def test_the_image_copies_what_the_package_needs() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    copied = {
        source
        for line in re.findall(r"^COPY (?!--from)(.*)$", dockerfile, re.MULTILINE)
        for source in line.split()[:-1]
    }
    assert {"model", "indexer", "service", "pyproject.toml", "docker/install.sh"} <= copied
    for source in copied:
        assert (ROOT / source).exists()
        assert f"!{source.split('/')[0]}" in ignored
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    said = re.findall(r'image\.version="(.*?)"', dockerfile)
    assert said == [version, version]
    for target in ("cpu", "gpu"):
        stage = dockerfile.split(f" AS {target}\n")[1].split("\nFROM ")[0]
        for line in ("USER 10001", "HEALTHCHECK", 'ENTRYPOINT ["cskt"]', f"COPY --from=build-{target} "):
            assert line in stage


def test_the_proxy_sends_to_the_service_and_hides_its_metrics() -> None:
    caddyfile = (DOCKER / "proxy" / "Caddyfile").read_text()
    assert "dynamic a service 8000" in caddyfile
    assert "respond @metrics 404" in caddyfile
    for limit in ("read_header", "read_body", "max_header_size", "max_size"):
        assert limit in caddyfile
    largest = int(re.search(r"max_size (\d+)MB", caddyfile)[1])
    assert largest * 1_000_000 > 15 * 1_048_576  # what the service itself takes where a picture may come


def test_prometheus_and_grafana_find_each_other() -> None:
    scraped = yaml.safe_load((DOCKER / "prometheus" / "prometheus.yml").read_text())
    assert scraped["rule_files"] == ["/etc/prometheus/alerts.yml"]
    (job,) = scraped["scrape_configs"]
    assert job["dns_sd_configs"][0] == {"names": ["service"], "type": "A", "port": 8000}
    assert job["authorization"]["credentials_file"] == "/run/secrets/metrics_key"
    provisioning = DOCKER / "grafana" / "provisioning"
    source = yaml.safe_load((provisioning / "datasources" / "prometheus.yaml").read_text())["datasources"][0]
    assert (source["type"], source["url"]) == ("prometheus", "http://prometheus:9090")
