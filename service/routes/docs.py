"""GET /docs: the API page, written from /openapi.json on the server, without scripts."""

import json
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, JSONResponse

from service.access import GuardedRoute

router = APIRouter(route_class=GuardedRoute, include_in_schema=False)

HEAD = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>cskt API</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="stylesheet" href="/static/docs.css">
</head><body><main>"""
EXAMPLE = """curl -s http://HOST/v1/search -H 'Content-Type: application/json' \\
  -d '{"text": "a woman in a red jacket with a black backpack", "top_k": 5}'"""


@router.get("/docs", response_class=HTMLResponse)
async def docs(request: Request) -> HTMLResponse:
    """Every address with its parameters, body and answers, and the data types they use."""
    description = request.app.openapi()
    host = request.headers.get("host", "127.0.0.1:8000")
    return HTMLResponse("\n".join(_page(description, host)))


@router.get("/openapi.json")
async def openapi(request: Request) -> JSONResponse:
    """The description of the API for programs."""
    return JSONResponse(request.app.openapi())


def _page(description: Mapping[str, Any], host: str) -> Iterator[str]:
    info = description["info"]
    yield f"{HEAD}<h1>{escape(info['title'])} {escape(info['version'])}</h1><p>{escape(info['summary'])}</p>"
    yield '<p>For programs: <a href="/openapi.json">/openapi.json</a>. By hand: <a href="/">the page</a>.</p>'
    yield "<p>Where a key is asked for, show it: <code>-H 'Authorization: Bearer KEY'</code>.</p>"
    yield f"<pre>{escape(EXAMPLE.replace('HOST', host))}</pre>"
    for path, operations in description["paths"].items():
        for method, operation in operations.items():
            yield from _operation(f"{method.upper()} {path}", operation)
    yield "<h2>Data types</h2>"
    for name, schema in description["components"]["schemas"].items():
        told = escape(schema.get("description", ""))
        yield f'<section id="{escape(name)}"><h3>{escape(name)}</h3><p>{told}</p>'
        yield f"<pre>{escape(json.dumps(schema.get('properties', schema), indent=2))}</pre></section>"
    yield "</main></body></html>"


def _operation(title: str, operation: Mapping[str, Any]) -> Iterator[str]:
    told = escape(operation.get("description", ""))
    yield f"<section><h2><code>{escape(title)}</code></h2><p>{told}</p><dl>"
    for parameter in operation.get("parameters", ()):
        told = escape(parameter.get("description", ""))
        yield f"<dt>{escape(parameter['name'])} ({escape(parameter['in'])})</dt><dd>{told}</dd>"
    if "requestBody" in operation:
        yield f"<dt>body</dt><dd>{_content(operation['requestBody'])}</dd>"
    for status, answer in operation["responses"].items():
        yield f"<dt>{escape(status)}</dt><dd>{escape(answer['description'])} {_content(answer)}</dd>"
    yield "</dl></section>"


def _content(holder: Mapping[str, Any]) -> str:
    """Media types with their data type, linked when it has a name."""
    parts = []
    for media, content in holder.get("content", {}).items():
        schema = content.get("schema", {})
        name = str(schema.get("$ref", "")).rpartition("/")[2]
        kind = f'<a href="#{escape(name)}">{escape(name)}</a>' if name else escape(schema.get("title", ""))
        parts.append(f"{escape(media)} {kind}")
    return ", ".join(parts)
