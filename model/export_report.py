"""What `cskt export` prints of a form: a table for people, or one JSON object."""

import argparse
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from model.export import Found


def export_report(
    arguments: argparse.Namespace,
    fingerprint: str,
    precision: str,
    found: "Found",
    short: str | None,
    written: bool,
) -> str:
    """`short` is what the form falls short of, `written` whether OUT holds it now."""
    if not arguments.json:
        return "\n".join([*_lines(precision, found), _verdict(found, short, written)])
    facts = {
        "encoder": arguments.encoder,
        "fingerprint": fingerprint,
        "precision": precision,
        "out": str(arguments.out),
        "exactness": found.exact and json.loads(found.exact.model_dump_json()),  # null for what is no number
        "parity": found.parity and found.parity.model_dump(mode="json", exclude={"forced"}),
        "left_in_float": list(found.in_float),
        "falls_short": short,
        "written": written,
    }
    return json.dumps(facts, indent=2)


def _verdict(found: "Found", short: str | None, written: bool) -> str:
    if short is None:
        return "Good enough." if written else "Good enough, but not written."
    return f"Falls short: {short}." + (" Written all the same; used only by name." if written else "")


def _lines(precision: str, found: "Found") -> list[str]:
    if found.exact is not None:
        exact = found.exact
        return [
            "float32 needs no proof. Its largest relative difference to the training form is "
            f"{exact.images:.1e} among {exact.pictures} pictures and {exact.texts:.1e} among "
            f"{exact.captions} captions."
        ]
    from model.inference.parity_table import parity_table

    assert found.parity is not None
    lines = parity_table(precision, found.parity)
    if found.in_float:
        lines.append(f"Left in float, since bytes err too much there: {', '.join(found.in_float)}.")
    return lines
