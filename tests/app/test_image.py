"""Numbers to images."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app import image

NUMBERS = st.lists(st.floats(0, 1), min_size=3, max_size=3).map(lambda values: (values * 262)[:784])


@given(NUMBERS)
def test_numbers_and_rows_give_the_same_image(numbers):
    rows = [numbers[start : start + 28] for start in range(0, 784, 28)]
    assert np.array_equal(image.from_numbers(numbers), image.from_rows(rows))


@given(NUMBERS)
def test_numbers_keep_their_order_and_value(numbers):
    made = image.from_numbers(numbers)
    assert (made.shape, made.dtype) == ((28, 28), np.float32)
    assert np.array_equal(made.ravel(), np.array(numbers, dtype=np.float32))


@given(st.floats().filter(lambda value: not 0 <= value <= 1), st.integers(0, 783))
def test_a_number_out_of_range_is_refused_by_place(value, place):
    numbers = [0.5] * 784
    numbers[place] = value
    with pytest.raises(image.InvalidImage, match=rf"`image\[{place}\]`"):
        image.from_numbers(numbers)


def test_bytes_are_scaled_to_0_1():
    made = image.from_bytes(np.array([[[0, 51, 255]]], dtype=np.uint8))
    assert made.dtype == np.float32
    assert made.ravel() == pytest.approx([0, 0.2, 1])


@given(st.lists(st.floats(0, 1, allow_subnormal=True), min_size=1, max_size=784))
@example([0.0, -0.0, 5e-324, 1e-45, 0.9999999701976776, 1.0])
def test_checked_numbers_are_the_same_image_bit_by_bit(numbers):
    numbers += [0.5] * (784 - len(numbers))
    assert image.from_checked(numbers).tobytes() == image.from_numbers(numbers).tobytes()
