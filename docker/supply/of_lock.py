"""A bill of materials from a lock, for an image that was not at hand: python of_lock.py < SBOM > SBOM.

Reads what `cyclonedx-py requirements` makes of a lock, and takes out what docker/install.sh takes out of the
image and where packages were looked up. Names and versions stay; hashes stand in the lock.
"""

import json
import sys

BUILDING = {"hatchling", "pathspec", "pip", "pluggy", "trove-classifiers"}


def told(sbom: dict[str, object]) -> dict[str, object]:
    """The same with what the image holds only."""
    components = sbom["components"]
    assert isinstance(components, list)
    kept = [one for one in components if one["name"] not in BUILDING]
    for one in kept:
        one.pop("externalReferences", None)
        one.pop("description", None)
    references = {one["bom-ref"] for one in kept}
    links = sbom.pop("dependencies", [])
    assert isinstance(links, list)
    return {**sbom, "components": kept, "dependencies": [one for one in links if one["ref"] in references]}


if __name__ == "__main__":
    print(json.dumps(told(json.load(sys.stdin)), indent=2))
