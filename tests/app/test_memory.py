"""Memory stays flat, however often the same is asked; `benchmarks/app_load.py` asks more."""

import psutil
from PIL import Image
from small_app import Page, pixels

BATCH = 30
MOST_GROWTH = 20 * 2**20  # a mask or alpha kept of each click would be twice that


def test_memory_is_flat_over_many_requests(serve, folder):

    Image.fromarray(pixels(3, (1000, 1400))).save(folder / "large.png")
    client = serve()
    cards = {card["name"]: card["id"] for card in client.get("/api/project").json()["photos"]}
    page = Page(client, cards["large.png"])
    page.open()
    page.done("add")

    def batch():
        for number in range(BATCH):
            page.done("click", object=1, x=number * 40 + 1, y=number * 30 + 1, positive=number > 5)
            if number % 6 == 0:
                page.step("undo")
                page.done("brush", object=1, points=[[500, 500]], radius=100)
                client.get(f"/api/photos/{page.photo}/objects/1/alpha?side=512")
                client.get(f"/api/photos/{page.photo}/picture?side=1024")
        return psutil.Process().memory_info().rss

    batch()
    before, after = batch(), batch()
    assert after - before < MOST_GROWTH, f"{(after - before) / 2**20:.1f} MiB more"
