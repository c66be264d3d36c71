import cv2
import numpy as np
import pytest
import torch

from maskwright.data.benchmark_trimaps import standard_trimap
from maskwright.errors import DataError, MemoryBudgetError, UsageError
from maskwright.evaluation.run import Item, pair_files, published_items, score_items
from maskwright.inference.matte import Matter
from maskwright.metrics.matting import connectivity_error, gradient_error, mad, mse, sad
from maskwright.models import a2u
from maskwright.models.a2u.config import MINI
from maskwright.structures.matte import Matte
from maskwright.weights.load import save_model

HEIGHT, WIDTH = 17, 23
NAMES = ["ape", "bee", "cat"]


@pytest.fixture
def folders(tmp_path):
    """Return a folder of folders: photos, predictions, alphas and trimaps of three images."""
    rng = np.random.default_rng(0)
    for index, name in enumerate(NAMES):
        height = HEIGHT + index  # images of several sizes
        alpha = np.tile(np.linspace(0, 255, WIDTH).round().astype(np.uint8), (height, 1))
        trimap = np.full_like(alpha, 128)
        trimap[:, :5], trimap[:, -3:] = 0, 255
        noise = rng.integers(-20, 21, alpha.shape)
        write(tmp_path / "alpha" / f"{name}.png", alpha)
        write(tmp_path / "trimap" / f"{name}.png", trimap)
        write(tmp_path / "prediction" / f"{name}.png", np.clip(alpha + noise, 0, 255))
        write(tmp_path / "photo" / f"{name}.jpg", rng.integers(0, 256, (height, WIDTH, 3)))
    return tmp_path


def write(path, pixels):
    path.parent.mkdir(exist_ok=True)
    assert cv2.imwrite(str(path), pixels.astype(np.uint8))


def read(path):
    return cv2.imread(str(path), cv2.IMREAD_UNCHANGED)


def items_of(folders, source="prediction", trimap="trimap"):
    return pair_files(folders / source, folders / "alpha", trimap and folders / trimap)


def test_files_of_one_stem_belong_together(folders):
    items = items_of(folders, source="photo")
    assert [item.name for item in items] == NAMES
    assert items[1] == Item(
        name="bee",
        source=folders / "photo/bee.jpg",
        alpha=folders / "alpha/bee.png",
        trimap=folders / "trimap/bee.png",
    )
    assert items_of(folders, trimap=None)[0].trimap is None


def test_notes_and_hidden_files_beside_the_images_do_not_count(folders):
    (folders / "alpha/readme.txt").touch()
    (folders / "alpha/.ape.png").touch()
    assert len(items_of(folders)) == 3


@pytest.mark.parametrize("folder", ["prediction", "alpha", "trimap"])
def test_a_missing_file_is_named_with_its_folder(folders, folder):
    (folders / folder / "bee.png").unlink()
    with pytest.raises(DataError, match=f"{folder} has none for bee; add them"):
        items_of(folders)


def test_of_many_missing_files_five_are_named(folders):
    for index in range(7):
        (folders / "prediction" / f"dog{index}.png").touch()
    with pytest.raises(DataError, match="alpha has none for dog0, .*, dog4 and 2 more; add"):
        items_of(folders)


def test_two_files_of_one_stem_are_refused(folders):
    (folders / "trimap/cat.jpg").touch()
    with pytest.raises(DataError, match=r"trimap must hold one file .* got cat.jpg and cat.png"):
        items_of(folders)


def test_a_folder_that_is_missing_or_empty_is_refused(folders, tmp_path):
    with pytest.raises(DataError, match="expected a folder of images, there is none at .*nowhere"):
        items_of(folders, source="nowhere")
    (tmp_path / "void").mkdir()
    with pytest.raises(DataError, match="void must hold images, got none"):
        items_of(folders, source="void")


@pytest.mark.parametrize("whole_image", [False, True])
def test_predictions_get_the_scores_of_the_metrics(folders, whole_image):
    rows = list(score_items(items_of(folders), whole_image=whole_image))
    assert [row.name for row in rows] == NAMES
    for row in rows:
        prediction, alpha = (
            read(folders / kind / f"{row.name}.png") / 255 for kind in ("prediction", "alpha")
        )
        trimap = None if whole_image else read(folders / "trimap" / f"{row.name}.png")
        assert row.scores == {
            "sad": pytest.approx(sad(prediction, alpha, trimap)),
            "mse": pytest.approx(mse(prediction, alpha, trimap)),
            "mad": pytest.approx(mad(prediction, alpha, trimap)),
            "grad": pytest.approx(gradient_error(prediction, alpha, trimap), rel=1e-4),
            "conn": pytest.approx(connectivity_error(prediction, alpha, trimap)),
        }


def test_over_the_whole_image_predictions_need_no_trimap(folders):
    items = items_of(folders, trimap=None)
    assert all(row.scores for row in score_items(items, whole_image=True))
    with pytest.raises(UsageError, match="a trimap is needed to make mattes"):
        score_items(items)
    with pytest.raises(UsageError, match="a trimap is needed to make mattes"):
        score_items(items, matte=half, whole_image=True)


def half(photo, trimap):
    """Return a matte of 0.5 where the trimap is open."""
    values = trimap.values
    return Matte(np.where(values == 128, 0.5, values / 255).astype(np.float32))


def test_a_model_is_given_photo_and_trimap_and_scored_in_8_bits(folders):
    asked = []

    def matte(photo, trimap):
        asked.append((photo.name, trimap.size))
        return half(photo, trimap)

    rows = list(score_items(items_of(folders, source="photo"), matte=matte))
    assert asked == [("ape.jpg", (17, 23)), ("bee.jpg", (18, 23)), ("cat.jpg", (19, 23))]
    alpha, trimap = read(folders / "alpha/ape.png") / 255, read(folders / "trimap/ape.png")
    prediction = np.where(trimap == 128, 128 / 255, trimap / 255)  # 127.5 is rounded to even
    assert rows[0].scores["sad"] == pytest.approx(sad(prediction, alpha, trimap))


def test_a_network_gets_the_scores_of_the_mattes_it_gives_its_users(folders):
    torch.manual_seed(0)
    weights = folders / "untrained.safetensors"
    save_model(weights, a2u.build(MINI).state_dict(), paper="a2u", config=MINI, source="a test")
    matter = Matter.load(weights, device="cpu")
    for row in score_items(items_of(folders, source="photo"), matte=matter.matte):
        trimap = read(folders / f"trimap/{row.name}.png")
        matte = matter.matte(folders / f"photo/{row.name}.jpg", trimap)
        prediction = np.rint(matte.alpha * 255) / 255
        alpha = read(folders / f"alpha/{row.name}.png") / 255
        assert row.scores["sad"] == pytest.approx(sad(prediction, alpha, trimap))
        assert row.scores["sad"] > 0


def test_a_set_without_trimaps_is_scored_with_the_standard_ones(folders):
    for kind, published in (("photo", "image"), ("alpha", "matte"), ("trimap", "mine")):
        (folders / kind).rename(folders / published)
    asked = {}

    def matte(photo, trimap):
        asked[photo.stem] = trimap.values
        return half(photo, trimap)

    items = published_items(folders, layout="ppm-100")
    rows = list(score_items(items, matte=matte))
    assert [row.name for row in rows] == NAMES and all(row.scores for row in rows)
    alpha = read(folders / "matte/bee.png")
    np.testing.assert_array_equal(asked["bee"], standard_trimap(alpha))
    prediction = np.where(asked["bee"] == 128, 128 / 255, asked["bee"] / 255)
    assert rows[1].scores["sad"] == pytest.approx(sad(prediction, alpha / 255, asked["bee"]))
    with pytest.raises(DataError, match="must hold a folder trimap or trimaps"):
        published_items(folders, layout="plain")


def test_16_bit_predictions_are_scored_as_they_are(folders):
    alpha = read(folders / "alpha/ape.png").astype(np.uint16)
    assert cv2.imwrite(str(folders / "prediction/ape.png"), alpha * 257)
    assert next(score_items(items_of(folders))).scores["sad"] == pytest.approx(0, abs=1e-6)


def test_a_bad_item_is_a_row_that_says_why(folders):
    (folders / "prediction/ape.png").write_bytes(b"no picture")
    write(folders / "prediction/bee.png", np.zeros((HEIGHT, WIDTH)))
    rows = list(score_items(items_of(folders)))
    assert [row.scores is None for row in rows] == [True, True, False]
    assert "ape.png" in rows[0].error
    assert "one size, got (17, 23) and (18, 23)" in rows[1].error


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (MemoryBudgetError("4G are needed"), "4G are needed"),
        (MemoryError("no more"), "MemoryError: no more"),
    ],
)
def test_a_model_that_fails_on_one_image_goes_on_with_the_next(folders, error, said):
    def matte(photo, trimap):
        if photo.name == "bee.jpg":
            raise error
        return half(photo, trimap)

    rows = list(score_items(items_of(folders, source="photo"), matte=matte))
    assert [row.error for row in rows] == ["", said, ""]


def test_rows_come_one_by_one(folders):
    rows = score_items(items_of(folders))
    assert next(rows).name == "ape"
    (folders / "alpha/bee.png").unlink()
    assert next(rows).scores is None
