"""Training: from MNIST files to a Bundle. Imports app.bundle, app.image and app.model, never the service."""


class TrainingError(Exception):
    """A run cannot go on. The message says why and what to do; the command line prints it as its one line."""
