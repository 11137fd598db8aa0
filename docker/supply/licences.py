"""The licences of what an image holds, as a table: python docker/supply/licences.py SBOM > LICENCES.md."""

import json
import sys
from pathlib import Path

NOT_DECLARED = {"protobuf": "BSD-3-Clause", "torchvision": "BSD-3-Clause"}
"""As their projects say; their packages do not."""

LONG = {
    "License :: OSI Approved :: Apache Software License": "Apache-2.0",
    "License :: OSI Approved :: BSD License": "BSD-3-Clause",
    "License :: OSI Approved :: Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
}


def licence(component: dict[str, object]) -> str:
    """Its licence as an SPDX expression. KeyError where nobody says."""
    name, told = str(component["name"]), component.get("licenses") or []
    assert isinstance(told, list)
    found = []
    for one in told:
        short = one.get("expression") or one["license"].get("id") or one["license"]["name"]
        found.append(LONG.get(short, short))
    return " OR ".join(dict.fromkeys(found)) if found else NOT_DECLARED[name]


def table(sbom: Path) -> str:
    """A row for each component, by name."""
    components = json.loads(sbom.read_text())["components"]
    rows = [f"| {one['name']} | {one['version']} | {licence(one)} |" for one in components]
    head = [
        "# Licences of the packages in the image (cpu)",
        "",
        f"Written by `make supply` from `{sbom.name}`. What cskt itself ships stands in `NOTICE`.",
        "",
        "| package | version | licence |",
        "|---|---|---|",
    ]
    return "\n".join([*head, *sorted(rows, key=str.lower), ""])


if __name__ == "__main__":
    print(table(Path(sys.argv[1])), end="")
