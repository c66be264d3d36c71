"""The routes of the app.

    GET    /healthz                                        is it alive; needs no token
    GET    /  /{file}  /static/{file}                      the page; /?token=T lets a browser in
    GET    /openapi.json  /docs                            these routes
    GET    /api/project                                    the photos and the networks
    POST   /api/upload?name=N                              one more photo
    GET    /api/photos/{photo}/thumbnail                   JPEG
    GET    /api/photos/{photo}/picture?side=S              JPEG
    GET    /api/photos/{photo}/tiles/{column}/{row}        JPEG
    POST   /api/photos/{photo}/open  /keep  /close         who works on it
    GET    /api/photos/{photo}/encoding                    how far it is
    POST   /api/photos/{photo}/actions  /undo  /redo       what is done to it
    GET    /api/photos/{photo}/subjects                    what is in it
    GET    /api/photos/{photo}/objects/{number}/trimap     PNG
    GET    /api/photos/{photo}/objects/{number}/alpha      PNG
    GET    /api/photos/{photo}/objects/{number}/cutout     PNG
    POST   /api/exports                                    files of photos
    GET    /api/exports/{job}                              how far they are
    GET    /api/exports/{job}/files/{index}                one of them
    DELETE /api/exports/{job}                              stop

`guards.py` stands before all of them, `payload.py` says what bodies may hold.
"""

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Annotated, Any, Literal

from fastapi import FastAPI, Query, Request
from fastapi import Path as InPath
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, Response
from pydantic import StringConstraints
from starlette.exceptions import HTTPException

import maskwright
from maskwright.app import payload
from maskwright.app.document import Json, Object
from maskwright.app.export import FORMATS, Options
from maskwright.app.gallery import THUMBNAIL_PX, Found
from maskwright.app.guards import Guard, Hosts
from maskwright.app.journal import REDO, UNDO
from maskwright.app.lane import LATER, NOW, SOON
from maskwright.app.previews import Previews
from maskwright.app.refusals import Refusal, status_of
from maskwright.app.replies import subjects_reply
from maskwright.app.statics import INDEX, page_file, routes_page
from maskwright.app.workplace import Workplace
from maskwright.errors import MaskwrightError
from maskwright.image.source import display_name

PhotoId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{12}$"), InPath()]
JobId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$"), InPath()]
Number = Annotated[int, InPath(ge=1, le=1_000_000)]
Index = Annotated[int, InPath(ge=0, le=100_000)]
PREVIEW_PX = 2048
Side = Annotated[int, Query(ge=16, le=16384)]

log = logging.getLogger(__name__)


def create_app(workplace: Workplace, *, token: str, hosts: Hosts) -> Guard:
    """Return the app as ASGI; closing it closes the workplace.

    Args:
        workplace: What it works on.
        token: That every request needs.
        hosts: Under which it may be asked.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        workplace.warm_up()
        yield
        workplace.close()

    api = FastAPI(
        title="Maskwright",
        version=maskwright.__version__,
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    _answer_errors(api)
    _add_project(api, workplace)
    _add_pictures(api, workplace)
    _add_work(api, workplace)
    _add_objects(api, workplace, Previews(workplace.networks))
    _add_exports(api, workplace)
    _add_page(api)
    return Guard(api, token=token, hosts=hosts)


def _add_project(api: FastAPI, workplace: Workplace) -> None:
    @api.get("/healthz", summary="Whether the server is alive")
    async def healthz() -> Json:
        return {"ok": True}

    @api.get("/api/project", summary="The photos and the networks")
    def project() -> Json:
        loaders = workplace.networks.loaders
        return {
            "id": workplace.gallery.id,
            "name": display_name(workplace.gallery.folder.name),
            "photos": workplace.cards(),
            "models": {
                "click": loaders.click,
                "segment": loaders.segment,
                "matte": list(loaders.matters),
            },
            "formats": list(FORMATS),
            "uploads": workplace.uploads,
            "version": maskwright.__version__,
        }

    @api.post("/api/upload", status_code=201, summary="Add a photo: its bytes are the body")
    async def upload(
        request: Request, name: Annotated[str, Query(min_length=1, max_length=200)]
    ) -> Json:
        if not workplace.uploads:
            raise Refusal(
                403, "this server takes no uploads; start it with --uploads to allow them"
            )
        content = await request.body()
        return await workplace.pictures.run(
            lambda: workplace.added(content, name), is_gone=request.is_disconnected
        )


def _add_pictures(api: FastAPI, workplace: Workplace) -> None:
    gallery = workplace.gallery

    async def jpeg(
        request: Request, photo: str, make: Callable[[Found], bytes], urgency: int = NOW
    ) -> Response:
        found = await workplace.find(photo)
        headers = {"etag": f'"{found.stamp}"', "cache-control": "private, no-cache"}
        if request.headers.get("if-none-match") == headers["etag"]:
            return Response(status_code=304, headers=headers)
        content = await workplace.pictures.run(
            lambda: make(found), urgency=urgency, is_gone=request.is_disconnected
        )
        return Response(content, media_type="image/jpeg", headers=headers)

    @api.get("/api/photos/{photo}/thumbnail", summary="JPEG of at most 256 pixels")
    async def thumbnail(request: Request, photo: PhotoId) -> Response:
        return await jpeg(request, photo, lambda found: gallery.picture(found, THUMBNAIL_PX), LATER)

    @api.get("/api/photos/{photo}/picture", summary="JPEG of the whole photo")
    async def picture(
        request: Request, photo: PhotoId, side: Literal["1024", "2048", "4096"] = "2048"
    ) -> Response:
        return await jpeg(request, photo, lambda found: gallery.picture(found, int(side)))

    @api.get("/api/photos/{photo}/tiles/{column}/{row}", summary="JPEG of 512 x 512 pixels")
    async def tile(request: Request, photo: PhotoId, column: Index, row: Index) -> Response:
        return await jpeg(request, photo, lambda found: gallery.tile(found, column, row), SOON)


def _add_work(api: FastAPI, workplace: Workplace) -> None:
    find = workplace.find

    @api.post("/api/photos/{photo}/open", summary="Work on a photo")
    async def open_photo(photo: PhotoId, body: payload.Opening) -> Json:
        return await workplace.open(await find(photo), body.client, take_over=body.take_over)

    @api.post("/api/photos/{photo}/keep", summary="Go on working on it")
    async def keep(photo: PhotoId, body: payload.Client) -> Json:
        return {"held": workplace.keep((await find(photo)).id, body.client)}

    @api.post("/api/photos/{photo}/close", summary="Let others work on it")
    async def close(photo: PhotoId, body: payload.Client) -> Json:
        workplace.leave((await find(photo)).id, body.client)
        return {"held": False}

    @api.get("/api/photos/{photo}/encoding", summary="How far a photo is; asks for it")
    async def encoding(photo: PhotoId) -> Json:
        found = await find(photo)
        now = workplace.networks.encoding(found)
        if now.state == "waiting":
            workplace.networks.encode_ahead(found, urgency=SOON)
        error = {} if now.error is None else {"error": now.error}
        return {"state": now.state, "seconds": round(now.seconds, 2)} | error

    @api.post("/api/photos/{photo}/actions", summary="Do something to a photo")
    async def act(request: Request, photo: PhotoId, body: payload.Act) -> Json:
        return await workplace.act(await find(photo), body, request.is_disconnected)

    @api.post("/api/photos/{photo}/undo", summary="Take the last action back")
    async def undo(photo: PhotoId, body: payload.Step) -> Json:
        return await workplace.step(await find(photo), UNDO, body)

    @api.post("/api/photos/{photo}/redo", summary="Do again what was taken back last")
    async def redo(photo: PhotoId, body: payload.Step) -> Json:
        return await workplace.step(await find(photo), REDO, body)

    @api.get("/api/photos/{photo}/subjects", summary="What is in a photo")
    async def subjects(request: Request, photo: PhotoId) -> Json:
        found = await find(photo)
        subjects = await workplace.lane.run(
            lambda: workplace.networks.subjects(found),
            urgency=LATER,
            is_gone=request.is_disconnected,
        )
        return subjects_reply(subjects)


def _add_objects(api: FastAPI, workplace: Workplace, previews: Previews) -> None:
    async def made(
        request: Request, photo: str, number: int, make: Callable[[Found, Object], Any]
    ) -> Any:
        found = await workplace.find(photo)
        one = await workplace.object(found, number)
        return await workplace.lane.run(
            lambda: make(found, one), urgency=SOON, is_gone=request.is_disconnected
        )

    @api.get("/api/photos/{photo}/objects/{number}/trimap", summary="PNG of 0, 128 and 255")
    async def trimap(
        request: Request, photo: PhotoId, number: Number, side: Side | None = None
    ) -> Response:
        png = await made(request, photo, number, lambda x, one: previews.trimap(x, one, side))
        return Response(png, media_type="image/png")

    @api.get("/api/photos/{photo}/objects/{number}/alpha", summary="Grey PNG")
    async def alpha(
        request: Request, photo: PhotoId, number: Number, side: Side = PREVIEW_PX
    ) -> Response:
        png, seconds = await made(
            request, photo, number, lambda x, one: previews.alpha(x, one, side)
        )
        headers = {"x-maskwright-seconds": f"{seconds:.3f}"}
        return Response(png, media_type="image/png", headers=headers)

    @api.get("/api/photos/{photo}/objects/{number}/cutout", summary="PNG with straight alpha")
    async def cutout(
        request: Request,
        photo: PhotoId,
        number: Number,
        side: Side = PREVIEW_PX,
        decontaminate: Annotated[float, Query(ge=0, le=1, allow_inf_nan=False)] = 1.0,
    ) -> Response:
        png = await made(
            request, photo, number, lambda x, one: previews.cutout(x, one, side, decontaminate)
        )
        return Response(png, media_type="image/png")


def _add_exports(api: FastAPI, workplace: Workplace) -> None:
    exports = workplace.exports

    @api.post("/api/exports", status_code=202, summary="Write files of photos")
    def start(body: payload.Export) -> Json:
        options = Options(body.format, body.bit_depth, body.background, body.decontaminate)
        photos = None if body.photos == "all" else body.photos
        return {"job": exports.start(photos, options)}

    @api.get("/api/exports/{job}", summary="How far an export is")
    async def status(job: JobId) -> Json:
        return exports.status(job)

    @api.get("/api/exports/{job}/files/{index}", summary="A file of an export")
    async def file(job: JobId, index: Index) -> FileResponse:
        path = exports.file(job, index)
        return FileResponse(path, media_type="application/octet-stream", filename=path.name)

    @api.delete("/api/exports/{job}", summary="Stop an export")
    async def stop(job: JobId) -> Json:
        exports.stop(job)
        return exports.status(job)


def _add_page(api: FastAPI) -> None:
    @api.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return HTMLResponse(routes_page(api.openapi()))

    @api.get("/", include_in_schema=False)
    async def index() -> Response:
        return _page_response(INDEX)

    @api.get("/static/{name:path}", include_in_schema=False)
    async def static(name: str) -> Response:
        return _page_response(name)

    @api.get("/{name:path}", include_in_schema=False)
    async def file(name: str) -> Response:
        return _page_response(name)


def _page_response(name: str) -> Response:
    content, kind = page_file(name)
    return Response(content, headers={"content-type": kind})


def _answer_errors(api: FastAPI) -> None:
    """Answer every error with its status and one line."""

    async def problem(request: Request, error: Exception) -> JSONResponse:
        if isinstance(error, RequestValidationError):
            return _error(request, 422, payload.problem_of(list(error.errors())))
        if isinstance(error, HTTPException) and not isinstance(error.__cause__, Refusal):
            return _error(request, error.status_code, str(error.detail), error.headers)
        cause = error.__cause__ if isinstance(error, HTTPException) else error
        assert isinstance(cause, Exception)
        status = status_of(cause)
        if status == 500:
            log.exception("a fault of ours", exc_info=cause)
            return _error(
                request, 500, f"a fault of ours, {type(cause).__name__}; please report it"
            )
        is_held = isinstance(cause, Refusal) and cause.is_held
        return _error(request, status, " ".join(str(cause).split()), is_held=is_held)

    for kind in (RequestValidationError, HTTPException, MaskwrightError, MemoryError, Exception):
        api.add_exception_handler(kind, problem)


def _error(
    request: Request,
    status: int,
    message: str,
    headers: Any = None,
    *,
    is_held: bool = False,
) -> JSONResponse:
    request.scope["state"]["reason"] = message[:300]
    content: Json = {"error": message}
    if is_held:
        content["holder"] = True
    return JSONResponse(content, status_code=status, headers=headers)
