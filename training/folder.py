"""The names in a run's folder, which are those of its artifacts in MLflow too."""

BUNDLE = "bundle"
REPORT = "report"  # for people: Markdown, HTML and pictures
RESULTS = "report.json"  # the same as numbers
CONFIG = "config.json"
