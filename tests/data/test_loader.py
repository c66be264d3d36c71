from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
import torch

from maskwright.data.augmentation import A2U, MEMATTE
from maskwright.data.loader import BatchOrder, Compositions, make_loader
from maskwright.data.sources import ProceduralBackgrounds, ProceduralForegrounds
from maskwright.errors import UsageError

LENGTH, BATCH = 7, 6


def order(**settings):
    return BatchOrder(LENGTH, batch=BATCH, seed=5, **settings)


def dataset(plan=A2U):
    plan = replace(plan, crop_px=37, square_px=41, trimap_px=plan.trimap_px and 41)
    things = ProceduralForegrounds(3, (41, 43), kinds=["smoke", "soft"])
    return Compositions(things, ProceduralBackgrounds(LENGTH, (47, 53)), plan=plan, seed=2)


def test_every_epoch_holds_every_sample_once():
    keys = [key for batch in islice(order(), 7) for key in batch]  # 6 epochs of 7
    for epoch in range(6):
        assert sorted(index for e, index in keys if e == epoch) == list(range(LENGTH))
    assert keys[:7] != [(0, index) for _, index in keys[7:14]]


def test_a_resumed_order_goes_on_where_it_stopped():
    whole = list(order(stop=9))
    assert list(order(stop=4)) + list(order(start=4, stop=9)) == whole
    assert len(order(start=4, stop=9)) == 5


@pytest.mark.parametrize("processes", [2, 3, 6])
def test_processes_share_the_order_of_one(processes):
    shares = [list(order(stop=5, process=p, processes=processes)) for p in range(processes)]
    together = [sum(batches, []) for batches in zip(*shares, strict=True)]
    assert together == list(order(stop=5))


def test_another_seed_gives_another_order():
    other = BatchOrder(LENGTH, batch=BATCH, seed=6, stop=3)
    assert list(other) != list(order(stop=3))


def test_an_endless_order_has_no_length():
    with pytest.raises(TypeError, match="an endless order has no length"):
        len(order())


def test_a_batch_that_cannot_be_shared_is_refused():
    with pytest.raises(UsageError, match="got 6 samples and 4 processes"):
        order(processes=4)


def test_an_empty_epoch_is_refused():
    with pytest.raises(UsageError, match="must have samples, got 0 and 6"):
        BatchOrder(0, batch=BATCH)


def test_workers_make_the_same_batches_as_one_process():
    data = dataset()
    alone = list(make_loader(data, order(stop=2)))
    shared = list(make_loader(data, order(stop=2), workers=2))
    for one, other in zip(alone, shared, strict=True):
        assert one["image"].shape == (BATCH, 3, 37, 37)
        for key, value in one.items():
            torch.testing.assert_close(value, other[key], rtol=0, atol=0)


def test_a_sample_depends_on_epoch_index_and_seed_alone():
    data = dataset()
    torch.testing.assert_close(data[1, 3]["image"], data[1, 3]["image"], rtol=0, atol=0)
    assert not torch.equal(data[1, 3]["image"], data[2, 3]["image"])


def test_mematte_keeps_the_samples_own_background_and_a2u_draws_one():
    class Numbered:
        """Scenes whose brightness is their index."""

        def __len__(self):
            return LENGTH

        def __getitem__(self, index):
            return np.full((59, 61, 3), index, np.uint8)

    seen = {}
    for name, plan in (("mematte", MEMATTE), ("a2u", A2U)):
        data = dataset(plan)
        data.backgrounds = Numbered()
        seen[name] = [
            {round(float(data[epoch, index]["background"].max() * 255)) for epoch in range(6)}
            for index in range(LENGTH)
        ]
    assert seen["mematte"] == [{index} for index in range(LENGTH)]
    assert max(len(scenes) for scenes in seen["a2u"]) > 2


def test_the_epoch_is_as_long_as_the_longer_list():
    assert len(dataset()) == LENGTH
    few = Compositions(
        ProceduralForegrounds(11, (41, 43)), ProceduralBackgrounds(2, (41, 43)), plan=A2U
    )
    assert len(few) == 11


def test_accelerate_takes_an_order_that_is_sharded_already():
    accelerate = pytest.importorskip("accelerate")
    accelerator = accelerate.Accelerator(cpu=True)
    place = {"process": accelerator.process_index, "processes": accelerator.num_processes}
    loader = make_loader(dataset(), order(stop=2, **place))
    assert sum(len(batch["image"]) for batch in loader) == 2 * BATCH
