"""URLs are read strictly, and what may be secret in them is never shown."""

from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.sources.urls import PROTOCOLS, UrlError, is_url, read_origin, read_url

SECRET = "s3cr3t"


@pytest.mark.parametrize(
    ("text", "shown", "origin"),
    [
        ("https://Host.example/a/b.jpg", "https://host.example/a/b.jpg", "https://host.example"),
        ("HTTPS://host:443/a", "https://host/a", "https://host"),
        ("http://host:8080/a", "http://host:8080/a", "http://host:8080"),
        ("https://[2001:db8::1]:8443/a", "https://[2001:db8::1]:8443/a", "https://[2001:db8::1]:8443"),
        (f"https://me:{SECRET}@host/a.csv?X-Amz-Signature={SECRET}#x", "https://host/a.csv", "https://host"),
        (f"https://host?token={SECRET}", "https://host", "https://host"),
        ("s3://Bucket/a b/c?d#e.jpg", "s3://bucket/a b/c?d#e.jpg", "s3://bucket"),
        (f"s3://key:{SECRET}@bucket/a", "s3://bucket/a", "s3://bucket"),
        ("gs://bucket", "gs://bucket", "gs://bucket"),
        ("memory://people/a.jpg", "memory://people/a.jpg", "memory://people"),
    ],
)
def test_what_is_shown_and_who_answers(text: str, shown: str, origin: str) -> None:
    url = read_url(text)
    assert (url.shown, url.origin) == (shown, origin)
    assert SECRET not in repr(url)


@pytest.mark.parametrize(
    "text",
    [
        "file:///etc/passwd",
        "ftp://host/a",
        "ssh://host/a",
        "github://me:repo@/a",
        "data://x",
        "https:///a",
        "https://a@b@c/x",
        "https://allowed.example\\@169.254.169.254/",
        "https://allowed.example\t.evil/",
        "https://ho st/a",
        "https://%31%32%37.0.0.1/",
        "https://host:99999999/",
        "https://ⓔxample.com/",
        "s3://bucket/x::https://169.254.169.254/",
        "https://host/x::file:///etc/passwd",
        "s3://bucket/a\nb",
        f"https://user:{SECRET}@/a",
        f"zip://{SECRET}::https://host/a.zip",
    ],
)
def test_whatever_two_readers_could_read_differently_is_refused(text: str) -> None:
    assert is_url(text)
    with pytest.raises(UrlError) as caught:
        read_url(text)
    assert SECRET not in str(caught.value)


@given(st.text(st.sampled_from("abAB01.-_:/@?#[]%\\ \t:"), max_size=30), st.sampled_from(["https", "http"]))
def test_what_is_accepted_has_the_host_that_pythons_own_parser_sees(rest: str, protocol: str) -> None:
    try:
        url = read_url(f"{protocol}://{rest}")
    except UrlError:
        return
    truth = urlsplit(f"{protocol}://{rest}")  # raises where the host is malformed
    assert url.host.partition(":")[0] == truth.hostname or url.host.startswith(f"[{truth.hostname}]")
    assert urlsplit(url.full).hostname == truth.hostname
    assert "@" not in url.origin


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    ("named", "path"),
    [
        ("b.jpg", "/lists/b.jpg"),
        ("../b.jpg", "/b.jpg"),
        ("../../../etc/b.jpg", "/etc/b.jpg"),
        ("/b.jpg", "/b.jpg"),
        ("//evil.example/b.jpg", "/evil.example/b.jpg"),
        ("./x/./b.jpg", "/lists/x/b.jpg"),
    ],
)
def test_a_path_in_a_manifest_stays_at_its_origin(protocol: str, named: str, path: str) -> None:
    url = read_url(f"{protocol}://me:pw@place/lists/m.csv").beside(named)
    assert url.shown == f"{protocol}://place{path}"
    assert read_url(url.full) == url


def test_signs_that_mean_something_in_a_web_address_stay_part_of_the_name() -> None:
    assert read_url("https://h/m.csv").beside("a b?c#d.jpg").full == "https://h/a%20b%3Fc%23d.jpg"
    assert read_url("s3://b/m.csv").beside("a b?c#d.jpg").full == "s3://b/a b?c#d.jpg"
    for named in ("a\0b", "a::b", "a\\b"):
        with pytest.raises(UrlError, match="is no path"):
            read_url("https://h/m.csv").beside(named)


def test_paths_are_no_urls() -> None:
    assert not any(map(is_url, ["a.jpg", "/a://b", "C:\\x", "s3:bucket", "zip::s3://x", "", "://x"]))


def test_an_allowed_place_is_a_host_or_bucket_and_nothing_more() -> None:
    assert read_origin("https://CDN.example/") == "https://cdn.example"
    assert read_origin("s3://bucket") == "s3://bucket"
    for text in ("https://host/a", "https://host?x", "https://me@host", "file:///", "host"):
        with pytest.raises(UrlError):
            read_origin(text)
