"""Names told over HTTP hold no folder, and filters by them still reach the right sources."""

import pytest

from indexer.items import Rejected
from indexer.labels import file_label, source_label
from service.labels import encoder_label, label_counts, reason_label, sources_of


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("folder:/data/gate", "folder:gate"),
        ("manifest:/data/people.csv", "manifest:people.csv"),
        ("folder:gate", "folder:gate"),
        ("/data/gate", "gate"),
    ],
)
def test_source_label(name: str, label: str) -> None:
    assert source_label(name) == label


@pytest.mark.parametrize(
    ("uri", "label"),
    [("/data/gate/7.jpg", "7.jpg"), ("tar:/data/a.tar/b/c.png", "c.png"), ("7.jpg", "7.jpg"), ("", "")],
)
def test_file_label(uri: str, label: str) -> None:
    assert file_label(uri) == label


@pytest.mark.parametrize(
    ("encoder", "label"),
    [
        ("demo", "demo"),
        ("openclip:ViT-B-16/laion2b", "openclip:ViT-B-16/laion2b"),
        ("openclip:ViT-B-16//home/someone/w.safetensors", "openclip:ViT-B-16/w.safetensors"),
        ("/data/runs/best", "best"),
    ],
)
def test_encoder_label(encoder: str, label: str) -> None:
    assert encoder_label(encoder) == label


def test_sources_of_one_label_are_counted_and_found_together() -> None:
    sources = {"folder:/a/gate": 2, "folder:/b/gate": 3, "video:/a/x.mp4": 4}
    assert label_counts(sources) == {"folder:gate": 5, "video:x.mp4": 4}
    assert sources_of(["folder:gate"], sources) == ("folder:/a/gate", "folder:/b/gate")
    assert sources_of(["folder:nowhere"], sources) == ()


def test_a_full_name_is_no_label() -> None:
    """Else whoever asks could try out which folders this machine has."""
    assert sources_of(["folder:/a/gate"], ["folder:/a/gate"]) == ()


@pytest.mark.parametrize(
    ("uri", "reason", "label"),
    [
        ("/a/7.jpg", "cannot be opened: Permission denied.", "cannot be opened: Permission denied."),
        ("/a/7.jpg", "cannot be opened: Input/output error.", "cannot be opened: Input/output error."),
        ("/data/x", "cannot open /data/Anna Müller/7.jpg", "cannot open 7.jpg"),
        ("/data/x", "torn: /data/Anna M/7.jpg: Input/output error", "torn: 7.jpg: Input/output error"),
        ("/my own/7.jpg", "/my own/7.jpg is torn.", "7.jpg is torn."),
        ("/a/7.jpg", "[Errno 2] No such file: '/my own/secret/7.jpg'", "[Errno 2] No such file: '7.jpg'"),
        ("/a/7.jpg", "found /my own/secret/7.jpg there.", "found 7.jpg there."),
        ("/a/7.jpg", "found my/own secret/7.jpg, not /a/9.jpg.", "found 7.jpg, not 9.jpg."),
        ("/a/s.tar#my own/7.jpg", "my own/7.json beside it is no JSON.", "7.json beside it is no JSON."),
        ("/a/p.csv#3", "column path: 'my own/\\x00' is no path.", "column path: '\\x00' is no path."),
        ("a/7.jpg", "/data/7.jpg is torn.", "7.jpg is torn."),
        (
            "/a/p.csv#3",
            "names https://x.example, which may not be opened; add --allow-urls https://x.example.",
            "names x.example, which may not be opened; add --allow-urls x.example.",
        ),
        ("/a/p.csv#3", "s3://my/own/7.jpg does not answer.", "7.jpg does not answer."),
    ],
)  # fmt: skip
def test_reasons_lose_the_folders_they_name(uri: str, reason: str, label: str) -> None:
    assert reason_label(Rejected(uri, uri, "folder:/a", reason)) == label
