import numpy as np
from scipy.ndimage import distance_transform_edt

from maskwright.image.distance import edge_distance


def placed(mask, offset):
    """The same mask, so many bytes into a buffer."""
    buffer = np.zeros(mask.size + 64, np.bool_)
    buffer[offset : offset + mask.size] = mask.ravel()
    return buffer[offset : offset + mask.size].reshape(mask.shape)


def test_distances_are_exact():
    mask = np.random.default_rng(0).random((137, 91)) < 0.99
    np.testing.assert_allclose(edge_distance(mask), distance_transform_edt(mask), rtol=1e-7)


def test_distances_do_not_depend_on_the_place_in_memory():
    mask = np.ones((300, 420), np.bool_)
    mask[7, 9] = mask[250, 400] = False
    first = edge_distance(mask)
    for offset in range(64):
        np.testing.assert_array_equal(edge_distance(placed(mask, offset)), first)


def test_squares_of_distances_are_whole():
    mask = np.ones((1200, 1500), np.bool_)
    mask[0, 0] = False
    squares = edge_distance(mask).astype(np.float64) ** 2
    rows, columns = np.indices(mask.shape)
    np.testing.assert_array_equal(np.rint(squares), rows**2 + columns**2)
