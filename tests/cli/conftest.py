import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def weights(tmp_path_factory):
    """A file of random weights: what comes out is nonsense, but known pixels stay known."""
    import torch

    from maskwright.models import a2u
    from maskwright.models.a2u.config import MINI
    from maskwright.weights.load import save_model

    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "random.safetensors"
    state = a2u.build(MINI).state_dict()
    return save_model(path, state, paper="a2u", config=MINI, source="random")


@pytest.fixture(scope="session")
def routed_weights(tmp_path_factory):
    """A file of random weights of a small MEMatte with two routers."""
    from maskwright.weights.load import save_model

    sys.path.append(str(Path(__file__).parents[1] / "models" / "mematte"))
    from tiny_networks import TINY, network

    path = tmp_path_factory.mktemp("weights") / "routed.safetensors"
    state = network(TINY).state_dict()
    return save_model(path, state, paper="mematte", config=TINY, source="random")


@pytest.fixture(scope="session")
def click_weights(tmp_path_factory):
    """A file of random weights of a small InterFormer."""
    from maskwright.weights.load import save_model

    sys.path.append(str(Path(__file__).parents[1] / "models" / "interformer"))
    from small_networks import MOBILE, network

    path = tmp_path_factory.mktemp("weights") / "clicks.safetensors"
    state = network(MOBILE).state_dict()
    return save_model(path, state, paper="interformer", config=MOBILE, source="random")


@pytest.fixture(scope="session")
def segment_weights(tmp_path_factory):
    """A file of weights of a small Mask2Former that surely finds persons."""
    from maskwright.weights.load import save_model

    sys.path.append(str(Path(__file__).parents[1] / "models" / "mask2former"))
    from query_networks import CERTAIN, certain_network

    path = tmp_path_factory.mktemp("weights") / "things.safetensors"
    state = certain_network().state_dict()
    return save_model(path, state, paper="mask2former", config=CERTAIN, source="random")
