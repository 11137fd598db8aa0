"""Settings: environment, overridden by flags; mistakes are one sentence that names the variable."""

import pytest

from model.errors import ConfigError
from service.settings import read_settings


def test_environment_is_read_and_flags_win(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CSKT_PORT", "9000")
    monkeypatch.setenv("CSKT_GALLERY", "from-environment")
    settings = read_settings({"gallery": "from-flag", "port": None})
    assert (settings.port, settings.gallery, settings.host) == (9000, "from-flag", "127.0.0.1")


def test_foreign_cskt_variables_do_no_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CSKT_PARITY_DIR", "somewhere")
    assert read_settings({}).port == 8000


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PORT", "70000"),
        ("PORT", "http"),
        ("MAX_BATCH", "0"),
        ("REFRESH_SECONDS", "0"),
        ("ALLOWED_HOSTS", "not json"),
    ],
)
def test_a_bad_variable_is_named_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(f"CSKT_{variable}", value)
    with pytest.raises(ConfigError) as caught:
        read_settings({})
    sentence = str(caught.value)
    assert variable.lower() in sentence.lower()
    assert "\n" not in sentence


@pytest.mark.parametrize(
    ("host", "loopback", "names"),
    [
        ("127.0.0.1", True, {"127.0.0.1", "localhost", "[::1]"}),
        ("::1", True, {"127.0.0.1", "localhost", "[::1]"}),
        ("localhost", True, {"127.0.0.1", "localhost", "[::1]"}),
        ("127.0.0.9", True, {"127.0.0.1", "localhost", "[::1]", "127.0.0.9"}),
        ("0.0.0.0", False, {"*"}),
        ("192.168.1.5", False, {"127.0.0.1", "localhost", "[::1]", "192.168.1.5"}),
        ("127.example.org", False, {"127.0.0.1", "localhost", "[::1]", "127.example.org"}),
    ],
)
def test_which_hosts_are_loopback_and_which_names_are_answered(
    host: str, loopback: bool, names: set[str]
) -> None:
    settings = read_settings({"host": host})
    assert settings.loopback is loopback
    assert set(settings.host_names) == names


def test_allowed_hosts_can_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CSKT_ALLOWED_HOSTS", '["search.example.org"]')
    assert read_settings({}).host_names == ("search.example.org",)
