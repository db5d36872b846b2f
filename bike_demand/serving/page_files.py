"""The page: static files from the folder `page`, read once, and what the page has to know."""

from pathlib import Path
from typing import Final

from fastapi import APIRouter, Request, Response
from starlette.exceptions import HTTPException

from bike_demand.serving import answers
from bike_demand.serving.city import dumps
from bike_demand.serving.problems import documented
from bike_demand.serving.ready import Ready
from bike_demand.serving.state import Nothing, read, serving_of

FOLDER: Final = Path(__file__).parent / "page"
INDEX: Final = "index.html"
MEDIA: Final = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".json": "application/json",
    ".txt": "text/plain; charset=utf-8",
    ".woff2": "font/woff2",
}
CHECKED: Final = "no-cache"
"""Asked for again each time, and not sent again: page and API are always of one version."""


def router(folder: Path = FOLDER) -> APIRouter:
    """The routes of the page.

    Args:
        folder: Its files.
    """
    files = {
        path.name: Ready(path.read_bytes(), MEDIA[path.suffix])
        for path in sorted(folder.glob("*"))
        if path.suffix in MEDIA
    }
    routes = APIRouter(include_in_schema=False)

    def file(request: Request, name: str) -> Response:
        if name not in files:
            raise HTTPException(404, "Not Found")
        return files[name].response(request, CHECKED)

    @routes.get("/")
    async def index(request: Request) -> Response:
        return file(request, INDEX)

    @routes.get("/page/{name}")
    async def named(request: Request, name: str) -> Response:
        return file(request, name)

    return routes


settings_router = APIRouter(tags=["operation"])


@settings_router.get(
    "/page/settings.json",
    response_model=answers.PageSettings,
    summary="What the page has to know",
    responses=documented("invalid-request", "too-many-requests"),
)
async def page_settings(request: Request) -> Response:
    """Whose map tiles to show, if any."""
    read(request, Nothing)
    configured = serving_of(request).configured
    told_of = {
        "tiles_url": configured.tiles_url,
        "tiles_attribution": configured.tiles_attribution,
    }
    return Ready(dumps(told_of)).response(request, CHECKED)
