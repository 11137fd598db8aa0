"""Facets are those of who is there, however many were removed before."""

from gallery_makers import make_items, writer

from service.facets import count_facets


def test_a_gallery_whose_older_half_has_expired_still_has_facets(tmp_path):
    gallery, entries = writer(tmp_path / "g"), make_items(0, 120)
    gallery.add(entries)
    gallery.remove([entry.item.key for entry in entries[:90]])
    found = {facet.name: dict(facet.values) for facet in count_facets(gallery)}
    coats = [entry.item.attributes["coat"] for entry in entries[90:]]
    assert found["coat"] == {colour: coats.count(colour) for colour in ("red", "blue")}
    gallery.close()
