import hashlib

import pytest

from maskwright.errors import UsageError, WeightsError
from maskwright.weights.catalog import find_weight
from maskwright.weights.identity import identity


def test_the_hash_is_that_of_the_files_in_their_order(tmp_path):
    for name in ("a", "b"):
        (tmp_path / f"{name}.safetensors").write_bytes(name.encode())
    a, b = (str(tmp_path / f"{name}.safetensors") for name in ("a", "b"))
    sums = [hashlib.sha256(content).hexdigest() for content in (b"a", b"b")]
    assert identity([a, b]) == hashlib.sha256(" ".join(sums).encode()).hexdigest()
    assert identity([a, b]) != identity([b, a])


def test_weights_of_the_catalogue_need_not_be_read():
    expected = hashlib.sha256(find_weight("a2u-mini").sha256.encode()).hexdigest()
    assert identity(["a2u-mini"]) == expected


def test_weights_that_cannot_be_had_are_an_error(tmp_path):
    with pytest.raises(WeightsError, match="cannot be read"):
        identity([str(tmp_path / "none.safetensors")])
    with pytest.raises(UsageError, match="expected a model's name"):
        identity(["nix"])
