"""Serves the files in crmd/web/static: the dashboard at `/`, and under `/static/` what it and front ends load."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from importlib.resources.abc import Traversable

MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".json": "application/json",
    ".ts": "text/plain; charset=utf-8",
}
"""What is served; a file of any other kind is not."""

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
"""A page loads nothing from another host, runs and styles nothing that stands in itself, and makes no HTML of text."""


@dataclass(frozen=True, slots=True)
class File:
    """A file, as it is sent.

    Attributes:
        content: Its bytes.
        headers: Its kind, its tag, and that it is asked for anew each time: its name does not change with its content.
    """

    content: bytes
    headers: Mapping[str, str]

    @property
    def tag(self) -> str:
        """Changes with the content."""
        return self.headers["ETag"]


def serve_files(app: web.Application, root: Traversable | None = None) -> None:
    """Add the pages to an application. They are read now, so that no address can lead to another file."""
    files = dict(found(root or resources.files("crmd").joinpath("web", "static")))

    async def serve(request: web.Request) -> web.Response:
        """A file, or that it has not changed."""
        if (file := files.get(request.match_info.get("name", "index.html"))) is None:
            raise web.HTTPNotFound
        if any(one.value in {file.tag.strip('"'), "*"} for one in request.if_none_match or ()):
            return web.Response(status=304, headers={**file.headers})
        return web.Response(body=file.content, headers={**file.headers})

    app.router.add_get("/", serve)
    app.router.add_get("/static/{name:.+}", serve)


def found(folder: Traversable, prefix: str = "") -> Iterator[tuple[str, File]]:
    """Each file below a folder that is served, by its name from there."""
    if not folder.is_dir():
        return
    for entry in folder.iterdir():
        name = prefix + entry.name
        if entry.is_dir():
            yield from found(entry, f"{name}/")
        elif (kind := MEDIA_TYPES.get(f".{name.rpartition('.')[2]}")) is not None:
            yield name, _file(entry.read_bytes(), kind)


def _file(content: bytes, media_type: str) -> File:
    headers = {
        "Content-Type": media_type,
        "ETag": f'"{hashlib.sha256(content).hexdigest()[:32]}"',
        "Cache-Control": "no-cache",
        "Content-Security-Policy": POLICY,
    }
    return File(content, headers)
