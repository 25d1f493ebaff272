"""Augmentation: digits as other hands and pens would write them, and as cameras would see them.

Each image is changed its own way at each epoch. Of the hand, slant, size, place and turn vary by affine maps, the width
of strokes by morphology, and on demand each part of the image moves a little otherwise than the next; of the camera,
the background's brightness, from side to side too, contrast and noise.
"""

import math

import tensorflow as tf

from app.image import SIDE

ROTATION_SD_DEGREES = 7.0
SCALE_SD = 0.07  # of the logarithm of the size
STRETCH_SD = 0.035  # of the logarithm of width over height
SHEAR_SD = 0.07  # the slant, as a tangent
SHIFT_PIXELS = 2.0  # at most, in each direction
WIDTH_SD = 0.3  # of the way to strokes two pixels wider or thinner
THINNEST, WIDEST = -0.6, 1.0  # at most; strokes of MNIST are two to four pixels wide, and must not vanish
WARP_SD_PIXELS = 1.0  # by which a point of the coarse grid moves, in each direction
WARP_POINTS = 5  # of that grid, on each side of the image: five to six pixels apart
UNTOUCHED = 0.5  # share of images that no camera changes: the service is sent clean ones first of all
BRIGHTEST = 0.6  # of the background, in ink
STEEPEST = 0.4  # difference in the background's brightness from one side to the other, in ink
FAINTEST = 0.4  # contrast
NOISIEST = 0.2  # standard deviation of the noise, in ink


def handwritten(images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Write each image its own way. float32 [n, 28, 28] -> the same; the same seed, int [2], gives the same images."""
    return _pens(_bent(images, seed), seed + 2)


def warped(images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Write each image its own way and by an unsteady hand. Shapes and seed as in `handwritten`.

    The elastic distortions of P. Simard et al., "Best practices for convolutional neural networks applied to visual
    document analysis", 2003, with a coarse random grid in place of noise that is smoothed.
    """
    n = tf.shape(images)[0]
    grid = tf.random.stateless_normal([n, WARP_POINTS, WARP_POINTS, 2], seed + 5) * WARP_SD_PIXELS
    moved = tf.image.resize(grid, [SIDE, SIDE], "bicubic")
    pixels = tf.range(SIDE, dtype=tf.float32)
    places = tf.stack(tf.meshgrid(pixels, pixels, indexing="ij"), axis=-1) + moved
    return _at(handwritten(images, seed), places)


def _at(images: tf.Tensor, places: tf.Tensor) -> tf.Tensor:
    """What images show at places between their pixels, bilinear: [n, 28, 28] at [n, 28, 28, (row, column)]."""
    places = tf.clip_by_value(places, 0.0, SIDE - 1.001)
    corner = tf.floor(places)
    down, right = tf.unstack(places - corner, axis=-1)
    index = tf.cast(corner[..., 0] * SIDE + corner[..., 1], tf.int32)
    flat = tf.reshape(images, [-1, SIDE * SIDE])
    here, beside, below, across = (tf.gather(flat, index + step, batch_dims=1) for step in (0, 1, SIDE, SIDE + 1))
    above = here + right * (beside - here)
    return above + down * (below + right * (across - below) - above)


def photographed(images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """See half of the images through a bad camera each. Shapes and seed as in `handwritten`."""
    shape = tf.shape(images)
    chance = tf.random.stateless_uniform([6, shape[0], 1, 1], seed + 3)
    angle, level, slope = chance[0] * 2 * math.pi, chance[1] * BRIGHTEST, chance[2] * STEEPEST
    side = tf.linspace(-0.5, 0.5, SIDE)
    plane = tf.cos(angle) * side[tf.newaxis, :, tf.newaxis] + tf.sin(angle) * side
    background = tf.clip_by_value(level + slope * plane, 0.0, 1.0)
    seen = background + (1 - background) * images * (FAINTEST + (1 - FAINTEST) * chance[3])
    noise = tf.random.stateless_normal(shape, seed + 4) * chance[4] * NOISIEST
    return tf.where(chance[5] < UNTOUCHED, images, tf.clip_by_value(seen + noise, 0.0, 1.0))


def _bent(images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    transforms = _output_to_input(tf.shape(images)[0], seed)
    bent = tf.raw_ops.ImageProjectiveTransformV3(
        images=images[..., tf.newaxis],
        transforms=transforms,
        output_shape=[SIDE, SIDE],
        fill_value=0.0,
        fill_mode="CONSTANT",
        interpolation="BILINEAR",
    )
    return bent[..., 0]


def _output_to_input(n: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Random maps about the middle of the image, in the eight numbers that ImageProjectiveTransform takes: [n, 8]."""
    normal = tf.random.stateless_normal([4, n], seed)
    angle = normal[0] * (ROTATION_SD_DEGREES * math.pi / 180)
    size, stretch, shear = tf.exp(normal[1] * SCALE_SD), tf.exp(normal[2] * STRETCH_SD), normal[3] * SHEAR_SD
    shift = tf.random.stateless_uniform([2, n], seed + 1, -SHIFT_PIXELS, SHIFT_PIXELS)
    cos, sin = tf.cos(angle), tf.sin(angle)
    xx, xy = cos * stretch / size, (cos * shear - sin) / stretch / size
    yx, yy = sin * stretch / size, (sin * shear + cos) / stretch / size
    middle = (SIDE - 1) / 2
    x = middle + shift[0] - (xx + xy) * middle
    y = middle + shift[1] - (yx + yy) * middle
    zero = tf.zeros_like(x)
    return tf.stack([xx, xy, x, yx, yy, y, zero, zero], axis=1)


def _pens(images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Widen or thin the strokes: part of the way to the brightest, or the darkest, of each pixel's neighbours."""
    ink = images[..., tf.newaxis]
    wide = tf.nn.max_pool2d(ink, 3, 1, "SAME")
    thin = -tf.nn.max_pool2d(-ink, 3, 1, "SAME")
    width = tf.random.stateless_normal([tf.shape(images)[0], 1, 1, 1], seed) * WIDTH_SD
    width = tf.clip_by_value(width, THINNEST, WIDEST)
    return (ink + tf.maximum(width, 0.0) * (wide - ink) + tf.maximum(-width, 0.0) * (thin - ink))[..., 0]
