import numpy as np
import pytest

from maskwright.errors import UsageError
from maskwright.evaluation.plot import HEIGHT_PX, WIDTH_PX, draw_curves

LEGEND_PX = 30  # above the plot
BLUE, ORANGE = (0, 96, 170), (214, 96, 0)


def heights(picture, colour, *, columns):
    """Return the mean row of a colour's pixels in some columns; 0 is the top."""
    rows = np.nonzero((picture[LEGEND_PX:] == colour).all(axis=-1)[:, columns])[0]
    return rows.mean() + LEGEND_PX if len(rows) else None


def test_a_curve_runs_from_its_first_value_to_its_last_at_the_right_edge():
    picture = draw_curves({"m": [0.5, 0.5, 1.0]})
    assert picture.shape == (HEIGHT_PX, WIDTH_PX, 3) and picture.dtype == np.uint8
    blue = (picture[LEGEND_PX:] == BLUE).all(axis=-1)
    rows, columns = np.nonzero(blue)
    assert abs(columns.min() - 61) < 2 and abs(columns.max() - (WIDTH_PX - 24 + 3)) < 2
    first = heights(picture, BLUE, columns=slice(62, 67))
    assert abs(first - heights(picture, BLUE, columns=slice(200, 300))) < 2  # as after two clicks
    # The axis begins at 50 %, where the curve does: it spans the whole height of the plot.
    assert abs(first - (HEIGHT_PX - 56)) < 2 and abs(rows.min() + LEGEND_PX + 3 - 40) < 3


def test_the_better_curve_is_higher_and_each_has_a_colour():
    picture = draw_curves({"better": [0.7, 0.8], "worse": [0.4, 0.6]})
    middle = slice(300, 400)
    assert heights(picture, BLUE, columns=middle) < heights(picture, ORANGE, columns=middle)
    legend = picture[:LEGEND_PX]
    places = [np.nonzero((legend == c).all(axis=-1))[1].mean() for c in (BLUE, ORANGE)]
    assert places[0] < places[1]


@pytest.mark.parametrize("curve", [[0.97], [0.0] * 20, [0.2 + n / 300 for n in range(150)]])
def test_any_number_of_clicks_is_drawn(curve):
    assert heights(draw_curves({"m": curve}), BLUE, columns=slice(60, 70)) is not None


@pytest.mark.parametrize("curves", [{}, {"m": []}, {str(n): [0.5] for n in range(6)}])
def test_what_cannot_be_drawn_is_refused(curves):
    with pytest.raises(UsageError, match=r"a plot takes one to 5 curves of one click or more"):
        draw_curves(curves)
