import mmap

import pytest

from maskwright.errors import UsageError
from maskwright.inference.memory import in_gibibytes, parse_bytes, resident_bytes, reused_memory


@pytest.mark.parametrize(
    ("text", "count"),
    [("4G", 4 * 2**30), ("1.5g", 3 * 2**29), ("512M", 2**29), ("2 GiB", 2**31), (4096, 4096)],
)
def test_amounts_are_powers_of_1024(text, count):
    assert parse_bytes(text) == count


@pytest.mark.parametrize("text", ["", "much", "-1G", "0", "4X", "G"])
def test_other_texts_are_refused(text):
    with pytest.raises(UsageError, match="expected an amount of memory such as 4G"):
        parse_bytes(text)


def test_memory_in_use_grows_with_what_is_used():
    before = resident_bytes()
    with mmap.mmap(
        -1, 2**26
    ) as pages:  # a plain allocation may get pages that are resident already
        for start in range(0, len(pages), mmap.PAGESIZE):
            pages[start] = 1
        assert resident_bytes() - before > 0.9 * len(pages)


@pytest.mark.parametrize("count", [1, 2**30, 2**30 + 1, 123456789012])
def test_a_named_budget_is_enough_but_hardly_more(count):
    assert count <= parse_bytes(in_gibibytes(count)) <= count + 2**30 / 9


def test_reused_memory_is_given_back():
    before = resident_bytes()
    with reused_memory():
        for _ in range(3):
            block = bytearray(b"x") * 2**30
            del block
    assert resident_bytes() - before < 2**26
