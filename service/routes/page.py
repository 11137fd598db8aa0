"""GET /: the search page, with its files under /static/. Everything comes from this package."""

from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import FileResponse
from starlette.exceptions import HTTPException

from service.access import GuardedRoute

WEB = Path(__file__).resolve().parent.parent / "web"
FILES = {path.name: path for path in WEB.iterdir() if path.suffix in (".js", ".css", ".svg")}

router = APIRouter(route_class=GuardedRoute, include_in_schema=False)


@router.get("/")
async def page() -> FileResponse:
    """The page."""
    return FileResponse(WEB / "index.html")


@router.get("/static/{name}")
async def page_file(name: str) -> FileResponse:
    """Its scripts and styles: those that lay in the package when the service started, nothing else."""
    if name not in FILES:
        raise HTTPException(404)
    return FileResponse(FILES[name])
