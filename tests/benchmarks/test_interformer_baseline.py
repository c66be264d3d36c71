import sys
from pathlib import Path

import pytest
import torch

from benchmarks import interformer_baseline as baseline
from maskwright.models import interformer
from maskwright.structures.box import Box

MODELS = Path(__file__).parents[1] / "models" / "interformer"
sys.path.append(str(MODELS))
from small_networks import official_checkpoint, photo, reference  # noqa: E402


@pytest.mark.parametrize("size", [(96, 160), (512, 512)])
def test_the_straightforward_form_answers_as_the_network(size):
    official = official_checkpoint()
    model = interformer.build(interformer.infer_config(official)).eval()
    model.load_state_dict(interformer.convert(official))
    x, states, corners = photo(*size), reference(*size), (32, 0, 96, 64)
    with torch.no_grad():
        maps, expected = baseline.encode(official, x), model.encode(x)
        for found, each in zip(maps, expected, strict=True):
            torch.testing.assert_close(found, each, rtol=0, atol=1e-4)
        for region, regions in ((None, None), (corners, [Box(*corners)])):
            logits = model.decode(expected, states, regions=regions)
            found = baseline.decode(official, maps, states, region=region)
            torch.testing.assert_close(found, logits, rtol=0, atol=1e-4)
            mask = baseline.click(official, maps, states, region=region)
            assert mask.dtype == torch.bool and 0 < mask.float().mean() < 1
