"""Training: from MNIST files to a Bundle. Shares with the service how Bundles, images and pictures are read."""


class TrainingError(Exception):
    """A run cannot go on. The message says why and what to do; the command line prints it as its one line."""
