import pytest
import torch

from maskwright.layers.conv import folded
from maskwright.models.a2u.compact import BLOCKS, CompactMatting, _wider
from maskwright.models.a2u.config import MINI


def photo(height=144, width=176, *, batch=1):
    torch.manual_seed(0)
    x = torch.randn(batch, 4, height, width)
    x[:, 3] = 0
    x[:, 3, height // 3 :, : width // 2] = 1
    x[:, 3, height // 3 - 5 : height // 3 + 7, : width // 2 + 3] = 128 / 255
    return x


def trained():
    """Fresh weights whose norms have met pictures."""
    torch.manual_seed(0)
    model = CompactMatting(MINI)
    model(photo(64, 80, batch=2))
    return model.eval()


@pytest.mark.parametrize("form", [lambda model: model, folded], ids=["plain", "folded"])
@pytest.mark.parametrize("size", [(144, 176), (48, 304), (64, 64)])
def test_unknown_blocks_get_the_alpha_of_the_whole_image(form, size):
    model, x = form(trained()), photo(*size, batch=2)
    with torch.no_grad():
        coarse = model.coarse(x)
        whole = model.fine(x, coarse.features, _wider(coarse.near))
        alpha = model(x)
    unknown = x[:, 3:] == 128 / 255
    torch.testing.assert_close(alpha[unknown], whole[unknown], rtol=0, atol=1e-5)
    assert not torch.equal(alpha, whole)


def test_blocks_without_unknown_pixels_return_the_trimap():
    x = photo()
    with torch.no_grad():
        alpha = trained()(x)
    rows = slice(-BLOCKS.side_px // 2, None)
    assert torch.equal(alpha[:, :, rows], x[:, 3:, rows])


def test_in_training_every_pixel_is_computed():
    x = photo()
    assert not torch.equal(trained().train()(x)[:, :, -8:], x[:, 3:, -8:])


def test_a_photo_smaller_than_a_block_is_computed_whole():
    assert trained()(photo(32, 16)).shape == (1, 1, 32, 16)
