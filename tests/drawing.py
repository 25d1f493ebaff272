"""Digits as a mouse or a finger draws them: strokes of a round pen, not MNIST's pens and scanners.

Ten ways of strokes, bent at random in width, size, slant, turn and place: float32 [n, 28, 28], white ink on black,
centred by mass as MNIST's images are, and then moved.
"""

import numpy as np

SIDE = 28
TALL = 20.0  # pixels, as MNIST's digits


def _arc(x, y, width, height, start, end, points=24):
    """Part of an ellipse about (x, y), in degrees clockwise from the right, for y points down."""
    angles = np.radians(np.linspace(start, end, points))
    return np.stack([x + width / 2 * np.cos(angles), y + height / 2 * np.sin(angles)], axis=1)


# Strokes of each digit in a box of width and height 1, y down: lists of points joined by lines.
STROKES = {
    0: [_arc(0.5, 0.5, 0.62, 1.0, -90, 270, 40)],
    1: [np.array([[0.5, 0.0], [0.5, 1.0]])],
    2: [np.concatenate([_arc(0.5, 0.27, 0.62, 0.54, -170, 40), [[0.18, 1.0], [0.85, 1.0]]])],
    3: [np.concatenate([_arc(0.45, 0.25, 0.6, 0.5, -150, 90), _arc(0.45, 0.75, 0.68, 0.5, -90, 150)])],
    4: [np.array([[0.6, 0.0], [0.15, 0.65], [0.9, 0.65]]), np.array([[0.65, 0.35], [0.65, 1.0]])],
    5: [np.array([[0.8, 0.0], [0.25, 0.0], [0.22, 0.45]]), _arc(0.45, 0.7, 0.66, 0.6, -115, 145)],
    6: [
        np.concatenate(
            [_arc(0.8, 0.75, 1.16, 1.5, -95, -178), _arc(0.5, 0.72, 0.56, 0.56, 180, -180, 40)],
        )
    ],
    7: [np.array([[0.15, 0.0], [0.85, 0.0], [0.4, 1.0]])],
    8: [
        np.concatenate(
            [_arc(0.5, 0.25, 0.5, 0.5, 90, -270, 30), _arc(0.5, 0.75, 0.62, 0.5, -90, 270, 30)],
        )
    ],
    9: [np.concatenate([_arc(0.5, 0.28, 0.56, 0.56, 0, -360, 40), [[0.76, 0.4], [0.7, 1.0]]])],
}


def drawn(each, seed=0):
    """Draw each digit `each` times, by different hands: images float32 [10 * each, 28, 28] and labels."""
    random = np.random.default_rng(seed)
    labels = np.repeat(np.arange(10), each)
    return np.stack([_by_a_hand(int(label), random) for label in labels]), labels


def _by_a_hand(digit, random):
    size, stretch = random.uniform(0.7, 1.1), random.uniform(0.8, 1.2)
    turn, slant = np.radians(random.normal(0, 8)), random.normal(0, 0.2)
    pen = random.uniform(1.2, 4.4)  # pixels wide
    shape = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) @ [[stretch, -slant], [0, 1]]
    wobble = random.normal(0, 0.03, 2)
    strokes = [(points - 0.5 + wobble * np.sin(6 * points)) * TALL * size @ shape.T for points in STROKES[digit]]
    shift = random.uniform(-3, 3, 2)
    middle = (SIDE - 1) / 2
    ink = _inked([points + middle for points in strokes], pen)
    rows, columns = np.indices(ink.shape)
    mass = np.array([(ink * columns).sum(), (ink * rows).sum()]) / ink.sum()
    return _inked([points + middle + (middle - mass) + shift for points in strokes], pen)


def _inked(strokes, pen):
    """Ink by the distance to the nearest line, one pixel from full to none: float32 [28, 28]."""
    starts = np.concatenate([points[:-1] for points in strokes])[:, None, None]
    along = np.concatenate([np.diff(points, axis=0) for points in strokes])[:, None, None]
    from_start = np.indices((SIDE, SIDE)).transpose(1, 2, 0)[..., ::-1] - starts
    place = (from_start * along).sum(-1) / np.maximum((along**2).sum(-1), 1e-12)
    from_line = from_start - np.clip(place, 0, 1)[..., None] * along
    nearest = np.hypot(from_line[..., 0], from_line[..., 1]).min(axis=0)
    return np.clip(pen / 2 + 0.5 - nearest, 0, 1).astype(np.float32)
