"""The serving image and nothing else: it never imports tensorflow, mlflow or training.

This file stays empty of code, so that `import app.bundle` does not import Flask.
"""
