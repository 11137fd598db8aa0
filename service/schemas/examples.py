"""What requests look like: shown on /docs and in /openapi.json, and sent by the tests."""

from fastapi.openapi.models import Example

SEARCHES: dict[str, Example] = {
    "words": {
        "summary": "A sentence",
        "value": {"text": "a woman in a red jacket with a black backpack", "top_k": 5},
    },
    "filtered": {
        "summary": "A sentence, some cameras and a time",
        "value": {
            "text": "a man in a yellow t-shirt",
            "filter": {"cameras": ["gate", "shop"], "seen_from": "2026-05-01T12:00:00Z"},
            "group_by": "track",
        },
    },
    "weighted": {
        "summary": "Like row 1, but in a green coat and without a hat",
        "value": {
            "parts": [
                {"item": 1},
                {"text": "a person in a green coat", "weight": 0.7},
                {"text": "a person with a hat", "weight": -0.4},
            ]
        },
    },
    "page": {
        "summary": "The second page, nothing below a cosine of 0.2",
        "value": {"text": "a person with a suitcase", "top_k": 24, "offset": 24, "min_score": 0.2},
    },
}

BATCHES: dict[str, Example] = {
    "two": {
        "summary": "Two sentences",
        "value": {"searches": [{"text": "a man in a blue coat", "top_k": 3}, {"text": "a woman in white"}]},
    }
}

EXPORTS: dict[str, Example] = {
    "table": {
        "summary": "The best hundred as a table",
        "value": {"search": {"text": "a man in a blue coat", "top_k": 100}, "format": "csv"},
    }
}

EMBEDDINGS: dict[str, Example] = {
    "texts": {
        "summary": "Two texts",
        "value": {"input": ["a man in a blue coat", "a woman in white"], "model": "cskt"},
    }
}

_PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNoAAAAggCBd81ytgAAAABJRU5ErkJggg=="
UPLOADS: dict[str, Example] = {
    "one": {
        "summary": "One crop (here a single grey pixel)",
        "value": {
            "items": [
                {
                    "image": _PIXEL,
                    "camera": "gate",
                    "seen_at": "2026-05-01T12:00:00Z",
                    "attributes": {"shift": "night"},
                }
            ]
        },
    }
}
