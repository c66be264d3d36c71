from maskwright.app.kept import Kept


def test_what_was_not_asked_for_the_longest_goes_first():
    kept = Kept(10)
    kept.put("a", 1, 4)
    kept.put("b", 2, 4)
    assert kept.get("a") == 1
    kept.put("c", 3, 4)
    assert (kept.get("a"), kept.get("b"), kept.get("c")) == (1, None, 3)


def test_the_newest_is_kept_whatever_it_takes():
    kept = Kept(10)
    kept.put("a", 1, 4)
    kept.put("b", 2, 400)
    assert (kept.get("a"), kept.get("b")) == (None, 2)
    kept.put("b", 3, 1)
    kept.put("c", 4, 9)
    assert (kept.get("b"), kept.get("c")) == (3, 4)
    kept.drop("b")
    assert kept.get("b") is None
