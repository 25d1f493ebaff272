"""Tracking without its server. tests/tracking has one."""

from training.__main__ import main


def test_server_that_is_down_stops_the_run_before_it_trains(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    assert main(["--dataset", "digits", "--out", str(tmp_path / "out")]) == 1
    output = capsys.readouterr()
    assert output.err.startswith("error: the MLflow server at http://127.0.0.1:1 does not answer")
    assert "Epoch" not in output.out
    assert not list(tmp_path.iterdir())
