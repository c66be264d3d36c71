import numpy as np
import torch

from maskwright.inference.matte import network_input
from maskwright.training.inputs import matting_input


def test_networks_read_in_training_what_they_read_when_used():
    rng = np.random.default_rng(0)
    image = rng.random((32, 48, 3), dtype=np.float32)  # multiples of 16, so that nothing is padded
    trimap = rng.choice(np.array([0, 128, 255], np.uint8), (32, 48))
    found = matting_input(
        torch.from_numpy(image).permute(2, 0, 1)[None],
        torch.from_numpy(trimap.astype(np.float32) / 255)[None, None],
    )
    torch.testing.assert_close(found, torch.from_numpy(network_input(image, trimap)))
