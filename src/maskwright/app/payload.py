"""What requests may say: every body as a type, with the limits of its numbers, lists and texts.

What a type cannot know (whether a point lies in the photo, whether an object exists) is checked
where it is used. Nothing is converted: a number is no text, and neither is true.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

MOST_BODY_BYTES = 256 * 1024
MOST_POINTS = 2000
MOST_OBJECTS = 64
MOST_NAME = 80
MOST_SETTINGS = 32
_FAR = 1_000_000.0  # pixels; longer sides cannot be photos

Key = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
Name = Annotated[str, StringConstraints(min_length=1, max_length=MOST_NAME)]
Colour = Annotated[str, StringConstraints(pattern=r"^#[0-9a-fA-F]{6}$")]
Number = Annotated[int, Field(ge=1, le=1_000_000)]
Coordinate = Annotated[float, Field(ge=-_FAR, le=_FAR)]
Point = Annotated[list[Coordinate], Field(min_length=2, max_length=2)]
PointList = Annotated[list[Point], Field(min_length=1, max_length=MOST_POINTS)]
Radius = Annotated[float, Field(gt=0, le=2000)]
Setting = Annotated[str, StringConstraints(max_length=200)] | float | bool | None


def _as_whole(value: Any) -> Any:
    """Refuse false and 128.0, which equal whole numbers."""
    if type(value) is not int:
        raise ValueError("a whole number is expected")
    return value


class Payload(BaseModel):
    """A JSON object of known keys, whose values have exactly these types."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, frozen=True)


class Client(Payload):
    """Who asks: an identity that each window of the page makes up for itself."""

    client: Key


class Opening(Client):
    """Open a photo; with `take_over` even if another window holds it."""

    take_over: bool = False


class Step(Client):
    """Undo or redo, on top of the revision that the page knows."""

    revision: Annotated[int, Field(ge=0, le=2**53)]
    key: Key


class About(Payload):
    """Something about one object."""

    object: Number


class Add(Payload):
    """A new object."""

    type: Literal["add"]
    name: Name | None = None
    colour: Colour | None = None


class Remove(About):
    """An object goes."""

    type: Literal["remove"]


class Rename(About):
    """Another name."""

    type: Literal["rename"]
    name: Name


class Recolour(About):
    """Another colour."""

    type: Literal["recolour"]
    colour: Colour


class Show(About):
    """The object is shown and exported, or left out of pictures."""

    type: Literal["show"]
    visible: bool


class Reorder(Payload):
    """All objects in another order, the lowest first."""

    type: Literal["reorder"]
    objects: Annotated[list[Number], Field(max_length=MOST_OBJECTS)]


class ClickAt(About):
    """A point on the object, or beside it; the network answers."""

    type: Literal["click"]
    x: Coordinate
    y: Coordinate
    positive: bool = True


class BoxAround(About):
    """A box around the object, its edges x0, y0, x1, y1; the network answers."""

    type: Literal["box"]
    box: Annotated[list[Coordinate], Field(min_length=4, max_length=4)]


class ScribbleOn(About):
    """A line on the object, or beside it; the network answers."""

    type: Literal["scribble"]
    points: PointList
    positive: bool = True


class Lasso(About):
    """A polygon that is added to the mask or cut from it as it is."""

    type: Literal["lasso"]
    points: PointList
    positive: bool = True


class Brush(About):
    """A brush stroke that is added to the mask, or an eraser's."""

    type: Literal["brush"]
    points: PointList
    radius: Radius
    positive: bool = True


class Take(About):
    """A subject that was found becomes the mask."""

    type: Literal["take"]
    subject: Number


class Rle(Payload):
    """A mask in COCO's compressed run-length code."""

    size: Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=2, max_length=2)]
    counts: str


class Mask(About):
    """A mask from elsewhere."""

    type: Literal["mask"]
    rle: Rle


class RefineEdge(About):
    """Matting is switched on, or set otherwise."""

    type: Literal["refine"]
    band: Literal["auto"] | Annotated[int, Field(ge=1, le=1000)] = "auto"
    model: Annotated[str, StringConstraints(max_length=200)] | None = None


class PaintTrimap(About):
    """A brush stroke in the trimap."""

    type: Literal["paint_trimap"]
    points: PointList
    radius: Radius
    value: Annotated[Literal[0, 128, 255], BeforeValidator(_as_whole)]


class Unrefine(About):
    """Matting is switched off."""

    type: Literal["unrefine"]


class Reset(About):
    """The object begins anew."""

    type: Literal["reset"]


class Settings(Payload):
    """What the page keeps about the photo."""

    type: Literal["settings"]
    values: Annotated[
        dict[Annotated[str, StringConstraints(min_length=1, max_length=40)], Setting],
        Field(max_length=MOST_SETTINGS),
    ]


class Mark(Payload):
    """The photo is done, or again in work."""

    type: Literal["mark"]
    state: Literal["done", "in work"]


Action = Annotated[
    Add
    | Remove
    | Rename
    | Recolour
    | Show
    | Reorder
    | ClickAt
    | BoxAround
    | ScribbleOn
    | Lasso
    | Brush
    | Take
    | Mask
    | RefineEdge
    | PaintTrimap
    | Unrefine
    | Reset
    | Settings
    | Mark,
    Field(discriminator="type"),
]


class Act(Step):
    """An action on a photo, on top of the revision that the page knows."""

    action: Action


class Export(Payload):
    """Files of several photos."""

    photos: (
        Literal["all"]
        | Annotated[
            list[Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{12}$")]],
            Field(min_length=1, max_length=100_000),
        ]
    )
    format: Annotated[str, StringConstraints(max_length=40)]
    bit_depth: Literal[8, 16] | None = None
    background: Annotated[str, StringConstraints(max_length=40)] | None = None
    decontaminate: Annotated[float, Field(ge=0, le=1)] = 1.0


def problem_of(errors: list[Any]) -> str:
    """Return one line on the first thing that is wrong with a request.

    Args:
        errors: As pydantic lists them.
    """
    first = errors[0] if errors else {"loc": (), "msg": "something else"}
    where = ".".join(str(part) for part in first["loc"] if part != "body") or "the body"
    more = f" ({len(errors) - 1} more)" if len(errors) > 1 else ""
    message = " ".join(str(first["msg"]).split())
    return f"expected a request as in /openapi.json, got {where[:120]}: {message[:200]}{more}"
