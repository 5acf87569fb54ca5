"""The documentation: each markdown file in pages/ is a page.

GET /health
GET /          pages/index.md
GET /{name}    pages/NAME.md
"""

from html import escape
from pathlib import Path

from markdown_it import MarkdownIt
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse
from starlette.routing import Route

PAGES = Path(__file__).parent.parent / "pages"

# Raw HTML in a page is shown, not run.
markdown = MarkdownIt("commonmark", {"html": False})


def health(_: Request) -> JSONResponse:
    try:
        pages = find_pages()
    except OSError as error:
        return unavailable(f"cannot read {PAGES}: {error.strerror}")
    if not pages:
        return unavailable(f"no markdown file in {PAGES}")
    return JSONResponse({"status": "ok", "service": "docs", "pages": len(pages)})


def show_page(request: Request) -> HTMLResponse:
    name = request.path_params.get("name", "index")
    # Looked up among the files there are: a name can never lead out of the folder.
    pages = find_pages()
    if name not in pages:
        raise HTTPException(404, f"there is no page {name}")
    body = markdown.render(pages[name].read_text(encoding="utf-8"))
    return HTMLResponse(render_page(name, body, names=sorted(pages)))


def find_pages() -> dict[str, Path]:
    return {path.stem: path for path in PAGES.iterdir() if path.suffix == ".md"}


def render_page(name: str, body: str, *, names: list[str]) -> str:
    links = " · ".join(f'<a href="/{escape(other)}">{escape(other)}</a>' for other in names)
    return f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{escape(name)} - Control core</title>
<style>body {{ font: 1rem/1.6 system-ui; max-width: 42rem; margin: 2rem auto; padding: 0 1rem }}
pre {{ background: #8881; padding: 1rem; overflow-x: auto }}</style>
<nav>{links}</nav>
<main>
{body}</main>
</html>
"""


def unavailable(reason: str) -> JSONResponse:
    return JSONResponse({"status": "unavailable", "service": "docs", "reason": reason}, status_code=503)


app = Starlette(routes=[Route("/health", health), Route("/", show_page), Route("/{name}", show_page)])
