"""S3, against a server of its own on this machine: folders, shards, manifests, and what it refuses."""

import os

import boto3
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from made_tars import jpeg, tar
from moto.server import ThreadedMotoServer

from indexer.errors import SourceError
from indexer.items import RawImage
from indexer.sources import open_source


@pytest.fixture(scope="module")
def bucket():
    before = dict(os.environ)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    os.environ |= {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
    }
    client = boto3.client("s3", endpoint_url=os.environ["AWS_ENDPOINT_URL"])
    client.create_bucket(Bucket="people")
    yield lambda key, data: client.put_object(Bucket="people", Key=key, Body=data)
    client.close()
    server.stop()
    os.environ.clear()
    os.environ.update(before)


def test_folders_shards_and_manifests_in_a_bucket(bucket, tmp_path) -> None:
    for number, key in enumerate(["crops/b/2.jpg", "crops/a?#.jpg", "crops/c d.jpg"]):
        bucket(key, jpeg(number))
    found = list(open_source("s3://people/crops"))
    assert [(entry.item.key, entry.data) for entry in found] == [
        ("s3://people/crops/a?#.jpg", jpeg(1)),
        ("s3://people/crops/b/2.jpg", jpeg(0)),
        ("s3://people/crops/c d.jpg", jpeg(2)),
    ]
    bucket("s-0.tar", tar({"1.jpg": jpeg(5)}))
    broken, missing = [], []
    for entry in open_source("s3://people/s-{0..1}.tar"):
        (broken if isinstance(entry, RawImage) else missing).append(entry)
    assert [entry.item.key for entry in broken] == ["s3://people/s-0.tar#1.jpg"]
    assert [entry.key for entry in missing] == ["s3://people/s-1.tar"]
    bucket("m.csv", b"path\ncrops/b/2.jpg\ns3://other/x.jpg\n/none.jpg\n")
    image, other, none = open_source("s3://people/m.csv")
    assert image.item.key == "s3://people/crops/b/2.jpg"
    assert other.reason.startswith("column path: names s3://other, which")
    assert (none.key, none.reason) == ("s3://people/none.jpg", "was not found.")
    pq.write_table(pa.table({"image": pa.array([jpeg(1)])}), tmp_path / "m.parquet")
    bucket("m.parquet", (tmp_path / "m.parquet").read_bytes())
    assert [entry.data for entry in open_source("s3://people/m.parquet")] == [jpeg(1)]


def test_a_bucket_that_is_not_there_is_one_sentence(bucket) -> None:
    for uri in ("s3://nowhere/crops", "s3://nowhere/m.csv", "s3://nowhere/s.tar"):
        with pytest.raises(SourceError, match="s3://nowhere/") as caught:
            open_source(uri)
        assert "\n" not in str(caught.value)
