"""A folder of small photos, tiny networks, and a client that speaks like the page."""

import secrets
import sys
from functools import cache
from pathlib import Path

import numpy as np
import torch

TESTS = Path(__file__).parents[1]
sys.path += [str(TESTS / "models" / "interformer"), str(TESTS / "inference")]
from clicking import MOBILE, small_clicker  # noqa: E402
from test_segment import SMALL, network  # noqa: E402

from maskwright.app.networks import Loaders  # noqa: E402
from maskwright.image.write import write_image  # noqa: E402
from maskwright.inference.matte import PLANNERS, Matter  # noqa: E402
from maskwright.inference.segment import Segmenter  # noqa: E402
from maskwright.models import a2u  # noqa: E402
from maskwright.models.a2u.config import MINI  # noqa: E402

TOKEN = "t" * 43
HEIGHT, WIDTH = 139, 211


@cache
def clicker():
    return small_clicker(MOBILE)


@cache
def matter():
    torch.manual_seed(0)
    return Matter(a2u.build(MINI), PLANNERS["a2u"](MINI), device="cpu")


@cache
def segmenter():
    return Segmenter(network(SMALL), SMALL, device="cpu")


def loaders(**changed):
    made = {
        "clicker": clicker,
        "segmenter": segmenter,
        "matters": {"small": matter, "other": matter},
        "click": "small",
        "segment": "small",
    }
    return Loaders(**(made | changed))


def pixels(seed=0, size=(HEIGHT, WIDTH)):
    """Return a bright ellipse on a dark ground, with noise."""
    height, width = size
    y, x = np.ogrid[:height, :width]
    inside = ((y / height - 0.5) / 0.3) ** 2 + ((x / width - 0.5) / 0.3) ** 2 < 1
    noise = np.random.default_rng(seed).integers(0, 60, (height, width, 3))
    return (noise + np.where(inside, 180, 20)[..., None]).astype(np.uint8)


def fill(folder):
    """Write three photos, one of them in a folder."""
    write_image(folder / "a.png", pixels(0))
    write_image(folder / "b.jpg", pixels(1))
    (folder / "more").mkdir()
    write_image(folder / "more" / "c d.png", pixels(2, (64, 48)))
    return folder


class Page:
    """Does what the page does with one photo.

    Args:
        client: Of the app.
        photo: Its id.
        name: Of the window.
    """

    def __init__(self, client, photo, name=None):
        self.client, self.photo = client, photo
        self.name = name or secrets.token_hex(4)
        self.revision = 0

    def post(self, what, **body):
        return self.client.post(f"/api/photos/{self.photo}/{what}", json=body)

    def open(self, **more):
        answer = self.post("open", client=self.name, **more)
        if answer.status_code == 200:
            self.revision = answer.json()["revision"]
        return answer

    def step(self, what, **more):
        said = {"client": self.name, "revision": self.revision, "key": secrets.token_hex(8)}
        answer = self.post(what, **(said | more))
        if answer.status_code == 200:
            self.revision = answer.json()["revision"]
        return answer

    def act(self, type, *, key=None, **action):
        more = {} if key is None else {"key": key}
        return self.step("actions", action={"type": type} | action, **more)

    def done(self, type, **action):
        """Return the change of an action that must not fail."""
        answer = self.act(type, **action)
        assert answer.status_code == 200, answer.text
        return answer.json()
