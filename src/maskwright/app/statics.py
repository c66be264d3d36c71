"""The files of the page, and the page that lists the routes; both work offline."""

from html import escape
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

from maskwright.app.refusals import Refusal

FOLDER = "static"
INDEX = "index.html"
_KINDS = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".ico": "image/vnd.microsoft.icon",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
}


def page_file(name: str) -> tuple[bytes, str]:
    """Return a file of the page and its content type.

    Args:
        name: As listed below the folder of the page, with "/" between its parts.

    Raises:
        Refusal: If there is none of this name.
    """
    found = _listed(files("maskwright.app").joinpath(FOLDER)).get(name)
    kind = _KINDS.get(name[name.rfind(".") :])
    if found is None or kind is None:
        raise Refusal(404, "expected a file of the page or a route of /openapi.json, got another")
    return found.read_bytes(), kind


def routes_page(schema: dict[str, Any]) -> str:
    """Return a page that lists the routes of an OpenAPI schema."""
    rows = [
        f"<tr><td>{method.upper()}<td><code>{escape(path)}</code><td>{escape(row['summary'])}"
        for path, methods in schema["paths"].items()
        for method, row in methods.items()
    ]
    title = escape(f"{schema['info']['title']} {schema['info']['version']}")
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title>"
        f"<h1>{title}</h1><p>The whole description: <a href=/openapi.json>/openapi.json</a>"
        f"<table>{''.join(rows)}</table>"
    )


def _listed(folder: Traversable, above: str = "") -> dict[str, Traversable]:
    """Return the files of a folder by name: what is not in this list does not exist."""
    if not folder.is_dir():
        return {}
    listed: dict[str, Traversable] = {}
    for entry in folder.iterdir():
        if entry.is_dir():
            listed |= _listed(entry, f"{above}{entry.name}/")
        else:
            listed[above + entry.name] = entry
    return listed
