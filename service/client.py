"""A small client for programs in Python: `Client("http://127.0.0.1:8000", key).search("a red coat")`.

Answers are the models of `service.schemas`; refusals are `Refused` with the service's own sentence. It needs
pydantic and nothing else. One client is for one thread.
"""

import base64
import http.client
import json
import select
import time
from collections.abc import Sequence
from contextlib import suppress
from types import TracebackType
from typing import TypeVar
from urllib.parse import urlencode, urlsplit

from pydantic import BaseModel, ValidationError

from model.errors import CsktError
from service.schemas.encoder import EmbeddingsRequest, EmbeddingsResponse, EncoderResponse
from service.schemas.gallery import GalleryResponse, JobsResponse, RejectedResponse
from service.schemas.items import Item
from service.schemas.problem import Problem
from service.schemas.search import BatchRequest, BatchResponse, SearchRequest, SearchResponse
from service.schemas.uploads import NeighboursResponse, Upload, UploadRequest, UploadResponse

SECONDS = 60.0
MOST_TRIES, LONGEST_WAIT = 5, 60
"""How often a patient client asks, and how many seconds it waits at most in between."""

Answer = TypeVar("Answer", bound=BaseModel)


class ClientError(CsktError):
    """A request was not answered."""


class Unreachable(ClientError):
    """Nobody answered, or not in HTTP."""


class Refused(ClientError):
    """The service said why not: `problem`; `retry_after` in seconds where it named a time."""

    def __init__(self, problem: Problem, retry_after: int | None) -> None:
        super().__init__(problem.detail)
        self.problem, self.retry_after = problem, retry_after


class Client:
    """Talks to the service at `url` over one kept connection.

    `patient`: where the service is busy, wait as long as it says, a few times; not for hours, as until the
    next day's budget. Methods raise Refused and Unreachable.
    """

    def __init__(
        self,
        url: str,
        key: str | None = None,
        *,
        case: str = "",
        purpose: str = "",
        seconds: float = SECONDS,
        patient: bool = False,
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or parts.hostname is None:
            raise ValueError(f"{url} is no address of a service: http://HOST:PORT")
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._connection = kind(parts.hostname, parts.port, timeout=seconds)
        self._prefix, self._patient = parts.path.rstrip("/"), patient
        self._headers = {"Content-Type": "application/json"}
        given = {"Authorization": key and f"Bearer {key}", "Cskt-Case": case, "Cskt-Purpose": purpose}
        self._headers |= {name: value for name, value in given.items() if value}

    def __enter__(self) -> "Client":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Hang up."""
        self._connection.close()

    def search(self, text: str | None = None, **more: object) -> SearchResponse:
        """Rank people by words, or whatever else a SearchRequest holds (`image`, `parts`, `filter`, ...)."""
        request = SearchRequest.model_validate({"text": text, **more})
        return self._ask("POST", "/v1/search", SearchResponse, request)

    def search_batch(self, searches: Sequence[SearchRequest]) -> BatchResponse:
        """Several searches at once."""
        return self._ask("POST", "/v1/search/batch", BatchResponse, BatchRequest(searches=tuple(searches)))

    def item(self, id: int) -> Item:
        """The facts of a row."""
        return self._ask("GET", f"/v1/items/{id}", Item)

    def neighbours(self, id: int, kind: str = "track", **more: int) -> NeighboursResponse:
        """What stands beside a row: kind is track, time (`minutes`) or similar."""
        query = urlencode({"kind": kind, **more})
        return self._ask("GET", f"/v1/items/{id}/neighbours?{query}", NeighboursResponse)

    def image(self, id: int) -> bytes:
        """The picture of a row, a JPEG."""
        return self._send("GET", f"/v1/images/{id}", None)

    def upload(self, items: Sequence[Upload]) -> UploadResponse:
        """Index crops; `picture` below makes their images."""
        return self._ask("POST", "/v1/items", UploadResponse, UploadRequest(items=tuple(items)))

    def remove(self, id: int, *, erase: bool = False) -> None:
        """Remove a row for good."""
        self._send("DELETE", f"/v1/items/{id}?erase={str(erase).lower()}", None)

    def gallery(self) -> GalleryResponse:
        """What can be searched."""
        return self._ask("GET", "/v1/gallery", GalleryResponse)

    def jobs(self) -> JobsResponse:
        """What is being indexed, and was lately."""
        return self._ask("GET", "/v1/gallery/jobs", JobsResponse)

    def rejected(self, limit: int = 100) -> RejectedResponse:
        """The latest files that could not be used."""
        return self._ask("GET", f"/v1/gallery/rejected?{urlencode({'limit': limit})}", RejectedResponse)

    def encoder(self) -> EncoderResponse:
        """What encodes."""
        return self._ask("GET", "/v1/encoder", EncoderResponse)

    def embeddings(self, inputs: Sequence[str]) -> EmbeddingsResponse:
        """Unit vectors of texts, or of pictures as data URIs."""
        request = EmbeddingsRequest(input=tuple(inputs))
        return self._ask("POST", "/v1/embeddings", EmbeddingsResponse, request)

    def _ask(self, method: str, path: str, kind: type[Answer], body: BaseModel | None = None) -> Answer:
        content = None if body is None else body.model_dump_json(exclude_none=True).encode()
        answer = self._send(method, path, content)
        try:
            return kind.model_validate_json(answer)
        except ValidationError as error:
            raise Unreachable(f"The answer to {path} is none of this version of cskt.") from error

    def _send(self, method: str, path: str, body: bytes | None) -> bytes:
        for attempt in range(1, MOST_TRIES + 1):
            try:
                return self._send_once(method, path, body)
            except Refused as refusal:
                wait = refusal.retry_after
                busy = refusal.problem.status in (429, 503) and wait is not None and wait <= LONGEST_WAIT
                if not self._patient or not busy or attempt == MOST_TRIES:
                    raise
                time.sleep(wait or 0)
        raise AssertionError("every try returns or raises")

    def _send_once(self, method: str, path: str, body: bytes | None) -> bytes:
        try:
            if self._hung_up():
                self._connection.close()
            self._connection.request(method, self._prefix + path, body, self._headers)
            response = self._connection.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            raise Unreachable(f"The service does not answer ({type(error).__name__}).") from error
        if response.status >= 400:
            raise _refusal(response.headers, content, response.status)
        return content

    def _hung_up(self) -> bool:
        """Whether the service closed the connection while nothing was asked."""
        connected = self._connection.sock
        return connected is not None and bool(select.select([connected], [], [], 0)[0])


def picture(data: bytes) -> str:
    """The file of a picture as requests take it."""
    return base64.b64encode(data).decode()


def _refusal(headers: http.client.HTTPMessage, content: bytes, status: int) -> ClientError:
    after = headers.get("retry-after", "")
    with suppress(ValueError):
        return Refused(Problem.model_validate(json.loads(content)), int(after) if after.isdecimal() else None)
    return Unreachable(f"Something that is not cskt answered with status {status}.")
