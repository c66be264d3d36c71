import copy

import numpy as np
import pytest
import torch

from maskwright.data.reference import BACKGROUND, MAYBE_OBJECT, OBJECT, UNKNOWN
from maskwright.models import interformer
from maskwright.models.interformer.config import MINI
from maskwright.training import clicking
from maskwright.training.clicking import ClickLosses, ClickTraining, SimulatedDialogue, network_of

SIZE = 64
losses = ClickLosses()


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    label = torch.zeros(2, SIZE, SIZE, dtype=torch.uint8)
    label[0, 10:50, 10:40], label[1, 30:, :30] = 1, 1
    label[1, :4] = 255
    return {"image": torch.rand(2, 3, SIZE, SIZE, generator=generator), "label": label}


@pytest.fixture
def network():
    torch.manual_seed(0)
    return interformer.build(MINI)


def sources():
    return [np.random.default_rng(seed) for seed in (0, 1)]


def fixed_clicks(monkeypatch, count):
    monkeypatch.setattr(clicking, "draw_more_clicks", lambda rng: count)


def test_the_first_click_is_inside_the_object_and_nothing_else_is_known(batch):
    dialogue = SimulatedDialogue(batch["label"].numpy(), sources())
    maps = dialogue.references().numpy()[:, 0]
    for reference, truth in zip(maps, batch["label"].numpy() == 1, strict=True):
        assert set(np.unique(reference)) == {UNKNOWN, OBJECT}
        rows, columns = np.nonzero(reference == OBJECT)
        assert truth[int(rows.mean()), int(columns.mean())]


def test_a_box_comes_instead_of_the_first_click(batch):
    labels = batch["label"].numpy()
    dialogue = SimulatedDialogue(labels, sources(), box_probability=1.0)
    for clicks, reference, truth in zip(
        dialogue.clicks, dialogue.references()[:, 0].numpy(), dialogue.truths, strict=True
    ):
        assert [click.positive for click in clicks][:2] == [True, False]
        assert not truth[reference == BACKGROUND].any()  # its clicks lie beside the object
        inside = (reference == MAYBE_OBJECT) | (reference == OBJECT)
        assert (inside & truth).sum() > 0.6 * truth.sum()  # an ellipse about as large


def test_an_object_that_is_not_there_gets_no_box(batch):
    labels = np.zeros_like(batch["label"].numpy())
    dialogue = SimulatedDialogue(labels, sources(), box_probability=1.0)
    assert dialogue.clicks == [[], []]


def test_a_wrong_answer_is_corrected_and_remembered(batch):
    dialogue = SimulatedDialogue(batch["label"].numpy(), sources())
    everything = np.ones((2, SIZE, SIZE), np.bool_)
    dialogue.go_on(everything)
    for clicks, reference, truth in zip(
        dialogue.clicks, dialogue.references()[:, 0].numpy(), dialogue.truths, strict=True
    ):
        last = clicks[-1]
        row, column = last.pixel(truth.shape)
        assert not last.positive and not truth[row, column]
        assert reference[row, column] == BACKGROUND
        assert (reference == UNKNOWN).sum() == 0  # the answer has moved all that was not sure


def test_a_right_answer_is_not_clicked_on(batch):
    label = batch["label"].clone()
    label[label == 255] = 0
    dialogue = SimulatedDialogue(label.numpy(), sources())
    dialogue.go_on(label.numpy() == 1)
    assert [len(clicks) for clicks in dialogue.clicks] == [1, 1]


@pytest.mark.parametrize("encode_once", [False, True])
def test_all_parts_learn(network, batch, encode_once, monkeypatch):
    fixed_clicks(monkeypatch, 2)
    model = ClickTraining(network, encode_once=encode_once).train()
    found = losses(model, batch)
    assert found.keys() == {"focal", "auxiliary"}
    sum(found.values()).backward()
    silent = [n for n, p in network.named_parameters() if p.grad is None]
    assert silent == [] and model.training and network.neck.training and network.head.training
    assert network_of(model) is network


def test_encoding_once_keeps_the_encoder_as_in_use(network, batch, monkeypatch):
    fixed_clicks(monkeypatch, 1)
    model = ClickTraining(network, encode_once=True).train()
    before = network.encoder.backbone.stem.norm.running_mean.clone()
    losses(model, batch)
    assert not network.encoder.training
    assert torch.equal(network.encoder.backbone.stem.norm.running_mean, before)
    again = ClickTraining(network).train()
    losses(again, batch)
    assert not torch.equal(network.encoder.backbone.stem.norm.running_mean, before)


def test_clicks_of_the_network_itself_are_corrected(network, batch, monkeypatch):
    seen = []
    fixed_clicks(monkeypatch, 3)
    monkeypatch.setattr(
        network, "decode", lambda maps, reference: seen.append(reference) or answer(reference)
    )

    def answer(reference):
        logits = torch.zeros(2, 2, SIZE, SIZE)
        logits[:, 1] = 1  # all of it
        return logits

    losses(ClickTraining(network, encode_once=True).train(), batch)
    sure = [int(((r == OBJECT) | (r == BACKGROUND)).sum()) for r in seen]
    assert len(seen) == 3 and sure[0] < sure[1] < sure[2]
    assert not (seen[0] == BACKGROUND).any() and (seen[1] == BACKGROUND).any()


def test_the_same_seed_gives_the_same_losses(network, batch):
    found = []
    for seed in (5, 5, 6):
        model = ClickTraining(copy.deepcopy(network), encode_once=True).train()
        torch.manual_seed(seed)
        found.append(losses(model, batch)["focal"].item())
    assert found[0] == found[1] != found[2]
