import numpy as np
from PIL import Image

from maskwright.image.io import read_header, read_photo


def test_a_photo_is_read_from_path_bytes_pillow_and_array(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3)).astype(np.uint8)
    path = tmp_path / "photo.png"
    Image.fromarray(pixels).save(path)
    for source in [path, str(path), path.read_bytes(), Image.open(path), pixels]:
        photo = read_photo(source)
        assert (photo.pixels == pixels).all()
        assert photo.alpha is None
        assert photo.size == read_header(source).size == (5, 7)
    assert read_photo(photo) is photo
