"""A server that can be killed, and what a person does with its page."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
from PIL import Image
from playwright.sync_api import expect

PATIENCE_S = 300  # other programs may run on this machine; nothing waits longer than needed


class Server:
    """`maskwright serve` of a folder in a process of its own, which can be killed."""

    def __init__(self, folder, home, port=0):
        self.folder, self.home, self.port = folder, home, port
        self.start()

    def start(self):
        command = [sys.executable, "-m", "maskwright", "serve", str(self.folder)]
        self.process = subprocess.Popen(
            [*command, "--port", str(self.port), "--uploads"],
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"MASKWRIGHT_HOME": str(self.home), "OMP_NUM_THREADS": "1"},
        )
        self.url = self.process.stdout.readline().strip()
        assert "?token=" in self.url, f"no address, exit code {self.process.poll()}"
        self.origin = self.url.partition("/?")[0]
        self.port = int(self.origin.rpartition(":")[2])

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process.stdout.close()

    def restart(self):
        self.kill()
        self.start()


class Desk:
    """What a person does with a page, by photo pixels."""

    def __init__(self, page):
        self.page = page
        self.canvas = page.get_by_test_id("canvas")

    def open(self, server):
        self.page.goto(server.url)
        self.ready()
        return self

    def until(self, claim):
        """Wait until a claim holds; what the page does meanwhile is noticed."""
        end = time.monotonic() + PATIENCE_S
        while not claim():
            assert time.monotonic() < end, "it never came true"
            self.page.wait_for_timeout(50)

    def ready(self):
        expect(self.page.get_by_test_id("status")).to_have_text("ready")

    def choose(self, name):
        self.page.get_by_role("option", name=name).click()
        expect(self.page.locator("#photo-info")).to_contain_text(name)
        self.ready()

    def place(self, x, y):
        """Return where a photo pixel is on the screen, for a photo that is wholly shown."""
        box, size = self.canvas.bounding_box(), self.size
        margin = 20 if box["width"] < 600 else 64
        zoom = min((box["width"] - margin) / size[0], (box["height"] - margin) / size[1], 32)
        left = box["x"] + (box["width"] - size[0] * zoom) / 2
        top = box["y"] + (box["height"] - size[1] * zoom) / 2
        return left + x * zoom, top + y * zoom

    @property
    def size(self):
        text = self.page.locator("#photo-info").text_content().rpartition(" · ")[2]
        width, height = text.split(" × ")
        return int(width), int(height)

    def click(self, x, y, **options):
        with self.page.expect_response(lambda answer: answer.url.endswith("/actions")):
            self.page.mouse.click(*self.place(x, y), **options)
        self.ready()

    def drag(self, points):
        self.page.mouse.move(*self.place(*points[0]))
        self.page.mouse.down()
        for point in points[1:]:
            self.page.mouse.move(*self.place(*point), steps=4)
        self.page.mouse.up()

    def colour(self, x, y, *, of="picture"):
        """Return the colour of a canvas at a photo pixel, as (r, g, b, alpha).

        `picture` is the painted photo, `canvas` what moves above it.
        """
        left, top = self.place(x, y)
        box = self.canvas.bounding_box()
        return tuple(
            self.page.evaluate(
                """([x, y, of]) => {
                    const context = document.getElementById(of).getContext('2d');
                    const place = [x, y].map((each) => each * devicePixelRatio);
                    return [...context.getImageData(...place, 1, 1).data];
                }""",
                [left - box["x"], top - box["y"], of],
            )
        )

    def area(self):
        """Return how many pixels the objects have together, as the list says."""
        texts = self.page.locator("#objects .pick .dim").all_text_contents()
        numbers = [text.partition(" ")[0].replace(",", "") for text in texts]
        return sum(float(number) for number in numbers if number != "empty")


class Gate:
    """Requests of a page that wait here until they are let through."""

    def __init__(self, desk, pattern):
        self.desk, self.held, self.is_open = desk, [], False
        desk.page.route(pattern, self.take)

    def take(self, route):
        if self.is_open:
            route.continue_()
        else:
            self.held.append(route)

    def wait(self):
        """Wait until a request does."""
        self.desk.until(lambda: self.held)

    def let_one(self):
        self.wait()
        self.held.pop(0).continue_()

    def open(self):
        self.is_open = True
        for route in self.held:
            route.continue_()


def alpha_of(path):
    """Return the alpha of a cut-out, 0 to 255."""
    with Image.open(path) as image:
        assert image.mode == "RGBA"
        return np.array(image)[..., 3]
