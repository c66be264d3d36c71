import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent))
import numpy as np
import pytest
import torch
from clicking import HEIGHT, MOBILE, SMALL, WIDTH, network, photo, small_clicker

from maskwright.data.reference import unknown_map, with_clicks, zoom_region
from maskwright.inference.click import Prompt
from maskwright.inference.scale import Scale
from maskwright.inference.session import Session
from maskwright.inference.zoom import region_for
from maskwright.models.interformer.head import resize
from maskwright.structures.box import Box
from maskwright.structures.click import Click

CLICKS = [Click(30.5, 20.5), Click(41.2, 37.9, False), Click(22, 44), Click(50, 15, False)]
SCALE = Scale((HEIGHT, WIDTH), (HEIGHT, WIDTH))


@pytest.fixture(scope="module")
def clicker():
    return small_clicker(dtype="fp32")  # with refining blocks


@pytest.fixture(scope="module")
def features(clicker):
    return clicker.encode(photo())


def margins(features, reference, region):
    """The plain decoder's, on the features as they were kept."""
    with torch.no_grad():
        maps = [x.float() for x in features.maps]
        states = torch.from_numpy(reference)[None, None]
        logits = network(SMALL).decode(maps, states, regions=region and [region])[0]
    return (logits[1] - logits[0]).numpy()


@pytest.mark.parametrize("count", [2, 3, 4])
def test_from_the_third_click_on_refinement_is_confined(clicker, features, count):
    given = np.zeros((HEIGHT, WIDTH), bool)
    given[28:40, 32:60] = True
    start = clicker.start(features, given)
    answer = clicker.answer(features, CLICKS[:count], start)
    reference = start.reference
    for click in CLICKS[:count]:
        reference = with_clicks(reference, [click])
    region = zoom_region(reference, start.seen_mask)
    assert region == Box(0, 0, 96, 64)
    whole, confined = (margins(features, reference, each) for each in (None, region))
    assert np.abs(whole - confined).max() > 0.1
    found = resize(torch.from_numpy(answer.margin)[None, None], SCALE.padded)[0, 0]
    np.testing.assert_allclose(found, confined if count > 2 else whole, atol=2e-3)
    assert answer.clicks == count


def test_clicks_of_earlier_answers_count(clicker, features):
    first = clicker.answer(features, CLICKS[:2])
    second = clicker.answer(features, CLICKS[2:3], first)
    reference = with_clicks(first.reference, CLICKS[2:3])
    region = zoom_region(reference, first.seen_mask)
    found = resize(torch.from_numpy(second.margin)[None, None], SCALE.padded)[0, 0]
    np.testing.assert_allclose(found, margins(features, reference, region), atol=2e-3)
    assert second.clicks == 3


def test_networks_without_refining_blocks_see_no_region(monkeypatch):
    clicker, seen = small_clicker(MOBILE), []
    features = clicker.encode(photo())
    margin = clicker._decoder.margin
    monkeypatch.setattr(
        clicker._decoder,
        "margin",
        lambda *args, regions: seen.append(regions) or margin(*args, regions=regions),
    )
    clicker.answer(features, CLICKS)
    assert seen == [None]


def test_objects_answered_together_have_each_its_region(clicker, features):
    prompts = [Prompt(CLICKS), Prompt(CLICKS[:1]), Prompt(box=Box(120, 60, 190, 130))]
    together = clicker.answer_many(features, prompts)
    assert [answer.clicks for answer in together] == [4, 1, 5]
    for prompt, answer in zip(prompts, together, strict=True):
        alone = clicker.answer(features, prompt.clicks, box=prompt.box)
        np.testing.assert_allclose(answer.margin, alone.margin, atol=1e-5)


def test_few_clicks_leave_everything_in_sight():
    reference = with_clicks(unknown_map((96, 160)), [Click(80, 48)])
    nothing = np.zeros((96, 160), bool)
    assert region_for(reference, nothing, clicks=2) == Box(0, 0, 160, 96)
    assert region_for(reference, nothing, clicks=3) == Box(64, 32, 128, 96)


def test_the_mask_as_it_was_seen_is_the_answers_or_the_given_one(clicker, features):
    given = np.zeros((HEIGHT, WIDTH), bool)
    given[5:9, 6:17] = True
    start = clicker.start(features, given)
    assert start.seen_mask.shape == SCALE.padded and start.seen_mask.sum() == given.sum()
    assert not Session(clicker, features).answer(1).seen_mask.any()
    answer = clicker.answer(features, CLICKS[:1])
    np.testing.assert_array_equal(answer.seen_mask[:HEIGHT, :WIDTH], answer.mask)
