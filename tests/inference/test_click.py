from concurrent.futures import ThreadPoolExecutor

import numpy as np
import psutil
import pytest
import torch
from clicking import HEIGHT, MOBILE, SMALL, WIDTH, network, photo, small_clicker
from PIL import Image

from maskwright.data.reference import unknown_map, with_clicks, with_prediction
from maskwright.errors import TrimapError, UsageError, WeightsError
from maskwright.inference.click import Answer, Clicker, Prompt
from maskwright.inference.device import computes_bf16
from maskwright.models import a2u
from maskwright.models.a2u.config import MINI
from maskwright.structures import rle
from maskwright.structures.box import Box
from maskwright.structures.click import Click
from maskwright.structures.scribble import Scribble
from maskwright.weights.load import save_model

FIRST, SECOND = Click(100.5, 60.5), Click(31.2, 17.9, positive=False)


@pytest.fixture(scope="module")
def clicker():
    return small_clicker(dtype="fp32")


@pytest.fixture(scope="module")
def features(clicker):
    return clicker.encode(photo())


def official(clicks, config=SMALL):
    """The dialogue as the paper's code holds it: whole maps, one click after the other."""
    from maskwright.image.photo import Photo
    from maskwright.inference.scale import Scale

    model, scale = network(config), Scale((HEIGHT, WIDTH), (HEIGHT, WIDTH))
    reference = unknown_map(scale.padded)
    with torch.no_grad():
        maps = model.encode(scale.image(Photo(photo())))
        for click in clicks:
            reference = with_clicks(reference, [click])
            logits = model.decode(maps, torch.from_numpy(reference)[None, None])[0]
            mask = (logits.argmax(0) == 1).numpy()
            reference = with_prediction(reference, mask)
    return mask[:HEIGHT, :WIDTH], torch.softmax(logits, 0)[1, :HEIGHT, :WIDTH].numpy(), reference


def test_a_dialogue_is_the_papers(clicker, features):
    answer = clicker.answer(features, [SECOND], clicker.answer(features, [FIRST]))
    mask, probability, reference = official([FIRST, SECOND])
    assert 0 < answer.area < HEIGHT * WIDTH
    np.testing.assert_allclose(answer.probability, probability, atol=2e-3)  # fp16 features
    assert (answer.mask == mask).mean() > 0.999 and answer.mask.dtype == bool
    assert (answer.reference == reference).mean() > 0.999


def test_an_answer_tells_its_mask_in_every_form(clicker, features):
    answer = clicker.answer(features, [FIRST])
    np.testing.assert_array_equal(rle.decode(answer.rle), answer.mask)
    np.testing.assert_array_equal(answer.probability > 0.5, answer.mask)
    assert answer.probability.dtype == np.float32 and answer.size == (HEIGHT, WIDTH)
    assert answer.area == answer.mask.sum() and answer.milliseconds > 0


def test_an_earlier_answer_undoes(clicker, features):
    first = clicker.answer(features, [FIRST])
    before = first.reference.copy()
    one = clicker.answer(features, [SECOND], first)
    clicker.answer(features, [Click(7, 130)], one)
    np.testing.assert_array_equal(first.reference, before)
    np.testing.assert_array_equal(clicker.answer(features, [SECOND], first).margin, one.margin)


def test_several_objects_are_answered_as_each_alone(clicker, features):
    earlier = clicker.answer(features, [FIRST])
    prompts = [Prompt([FIRST]), Prompt([SECOND], earlier), Prompt(box=Box(20, 30, 90, 100))]
    together = clicker.answer_many(features, prompts)
    assert clicker.answer_many(features, []) == []
    alone = [clicker.answer(features, p.clicks, p.previous, box=p.box) for p in prompts]
    for one, other in zip(together, alone, strict=True):
        np.testing.assert_allclose(one.margin, other.margin, atol=1e-5)
    assert not np.allclose(together[0].margin, together[2].margin)


def test_boxes_and_scribbles_become_clicks(clicker, features):
    box = clicker.answer(features, box=Box(40, 30, 160, 110))
    assert box.reference[70, 100] == 4 and box.reference[70, 40 - 6] == 0
    line = clicker.answer(features, scribbles=[Scribble([(30, 20), (80, 20)], positive=False)])
    assert (line.reference[20, 30:81] == 0).all()
    both = clicker.answer(features, [Click(55, 20)], scribbles=[Scribble([(30, 20), (80, 20)])])
    assert (both.reference[20, 30:81] == 4).all()


def test_a_mask_from_elsewhere_is_a_start(clicker, features):
    given = np.zeros((HEIGHT, WIDTH), bool)
    given[20:70, 30:90] = True
    start = clicker.start(features, given)
    np.testing.assert_array_equal(start.mask, given)
    np.testing.assert_array_equal(start.reference[:HEIGHT, :WIDTH], np.where(given, 3, 1))
    assert (start.reference[HEIGHT:] == 1).all() and start.area == given.sum()
    after, anew = (clicker.answer(features, [FIRST], before) for before in (start, None))
    assert after.given is None and not np.allclose(after.margin, anew.margin)
    with pytest.raises(TrimapError, match="as large as its photo, 211 x 139"):
        clicker.start(features, given[1:])


def test_large_photos_are_seen_smaller_and_answered_at_their_size():
    clicker = small_clicker(MOBILE, most_px=128 * 160)
    features = clicker.encode(photo(301, 307))
    assert features.scale.seen == (142, 145)
    answer = clicker.answer(features, [Click(306.9, 300.9)])
    assert answer.mask.shape == (301, 307) and answer.reference[141, 144] == 4


@pytest.mark.parametrize("config", [SMALL, MOBILE])
@pytest.mark.parametrize("size", [(1, 1), (1, 700), (3, 2), (100, 20000)])
def test_photos_of_every_shape_are_answered(config, size):
    clicker = small_clicker(config, most_px=128 * 160)
    features = clicker.encode(photo(*size))
    middle = Click(size[1] / 2, size[0] / 2)
    answer = clicker.answer(features, [middle])
    assert answer.mask.shape == size and np.isfinite(answer.probability).all()
    assert answer.rle["size"] == list(size)


def test_in_an_icon_clicked_pixels_are_what_was_said(clicker):
    features = clicker.encode(photo(1, 1))
    on, beside = (clicker.answer(features, [Click(0.3, 0.9, sign)]) for sign in (True, False))
    assert on.mask.all() and (on.probability == 1).all()
    assert not beside.mask.any() and (beside.probability == 0).all()


def test_what_cannot_be_answered_is_one_clear_line(clicker, features):
    with pytest.raises(UsageError, match="0 <= x < 211 and 0 <= y < 139, got"):
        clicker.answer(features, [Click(211, 5)])
    with pytest.raises(UsageError, match="two finite coordinates, got"):
        clicker.answer(features, [Click(float("nan"), 5)])
    with pytest.raises(UsageError, match="0 <= x < 211"):
        clicker.answer(features, scribbles=[Scribble([(5, 5), (5, 139)])])
    with pytest.raises(UsageError, match="needs a click, a box or a scribble, got none"):
        clicker.answer(features, [])
    other = clicker.answer(clicker.encode(photo(seed=1)), [FIRST])
    with pytest.raises(UsageError, match="got one about another photo"):
        clicker.answer(features, [FIRST], other)
    with pytest.raises(UsageError, match="a scribble needs one point or more"):
        Scribble([])
    with pytest.raises(UsageError, match="1 pixel or more to see, got 0"):
        small_clicker(most_px=0)


def test_load_takes_files_of_this_network_only(tmp_path, features):
    path = save_model(
        tmp_path / "m.safetensors",
        network(SMALL).state_dict(),
        paper="interformer",
        config=SMALL,
        source="random",
    )
    loaded = Clicker.load(path, device="cpu")
    assert loaded.answer(features, [FIRST]).area > 0
    state = a2u.build(MINI).state_dict()
    save_model(tmp_path / "a.safetensors", state, paper="a2u", config=MINI, source="random")
    with pytest.raises(WeightsError, match="of a clicking network, .*a.safetensors holds a2u"):
        Clicker.load(tmp_path / "a.safetensors")


def test_transformers_encode_in_bf16_where_the_cpu_has_it():
    wanted = torch.bfloat16 if computes_bf16() else torch.float32
    assert small_clicker().dtype == wanted and small_clicker(MOBILE).dtype == torch.float32
    exact, quick = (small_clicker(dtype=d).encode(photo()) for d in ("fp32", "bf16"))
    for a, b in zip(exact.maps, quick.maps, strict=True):
        assert (a.float() - b.float()).norm() < 0.05 * a.float().norm()


def test_threads_at_two_photos_get_each_its_own_answers():
    clicker = small_clicker(MOBILE)
    photos = [clicker.encode(photo(seed=seed)) for seed in (0, 1)]
    expected = [clicker.answer(one, [FIRST]).margin for one in photos]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda i: clicker.answer(photos[i % 2], [FIRST]), range(40)))
    for index, answer in enumerate(answers):
        np.testing.assert_allclose(answer.margin, expected[index % 2], atol=1e-5)


def test_a_file_a_pillow_image_and_an_array_are_one_photo(clicker, features, tmp_path):
    Image.fromarray(photo()).save(tmp_path / "photo.png")
    assert clicker.encode(tmp_path / "photo.png").image == features.image
    assert clicker.encode(Image.fromarray(photo())).image == features.image


def test_clicks_do_not_grow_memory():
    clicker = small_clicker(MOBILE)
    features = clicker.encode(photo(300, 400))
    rng, answer, used = np.random.default_rng(0), None, []
    for _ in range(30):
        click = Click(rng.uniform(0, 400), rng.uniform(0, 300), bool(rng.integers(2)))
        answer = clicker.answer(features, [click], answer)
        assert answer.mask.shape == (300, 400)
        used.append(psutil.Process().memory_info().rss)
    assert isinstance(answer, Answer) and used[-1] - used[9] < 2**23
