"""Person search as it is usually put together: FastAPI, infinity for the embeddings, a flat FAISS index.

    python usual_service.py MODEL_FOLDER VECTORS.npy PORT

Run by the rival's Python, which needs infinity-emb, transformers < 5, faiss-cpu, fastapi and uvicorn.
It has no keys, no audit, no deadlines, no filters: it does less.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import faiss
import numpy as np
import uvicorn
from fastapi import FastAPI
from infinity_emb import AsyncEmbeddingEngine, EngineArgs
from pydantic import BaseModel


class Query(BaseModel):
    """A sentence, and how many rows are wanted."""

    text: str
    top_k: int = 24


def create_app(model: str, vectors: str) -> FastAPI:
    """The service over one array of unit vectors (rows, dimension)."""
    engine = AsyncEmbeddingEngine.from_args(
        EngineArgs(model_name_or_path=model, engine="torch", device="cpu", model_warmup=False)
    )
    rows = np.load(vectors)
    index = faiss.IndexFlatIP(rows.shape[1])
    index.add(rows)
    facts = [{"camera": f"camera {row % 4}", "source": "bench"} for row in range(len(rows))]

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with engine:
            yield

    app = FastAPI(lifespan=lifespan)

    @app.get("/readyz")
    async def ready() -> dict[str, str]:
        return {"status": "ready"}

    @app.post("/v1/search")
    async def search(query: Query) -> dict[str, object]:
        embeddings, _ = await engine.embed(sentences=[query.text])
        vector = np.asarray(embeddings, dtype=np.float32)
        vector /= np.linalg.norm(vector)
        scores, ids = await asyncio.to_thread(index.search, vector, query.top_k)
        hits = [
            {"id": int(row), "score": float(score), **facts[row]}
            for score, row in zip(scores[0], ids[0], strict=True)
        ]
        return {"hits": hits}

    return app


if __name__ == "__main__":
    uvicorn.run(
        create_app(sys.argv[1], sys.argv[2]), port=int(sys.argv[3]), log_level="warning", access_log=False
    )
