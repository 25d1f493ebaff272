"""The README's offline training commands, run as they stand in a copy of the repository."""

import re
import shutil
import subprocess

from app import model
from tests.training.conftest import ROOT, RUN_TIMEOUT_S, training_environment


def test_training_commands_work(tmp_path):
    for name in ("app", "training", "requirements", "Makefile", "pyproject.toml"):
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tmp_path / name)
        else:
            shutil.copy2(ROOT / name, tmp_path / name)
    for name in (".venv", ".venv-train"):
        (tmp_path / name).symlink_to(ROOT / name)
    readme = (ROOT / "README.md").read_text()
    (block,) = (text for text in re.findall(r"^```bash\n(.*?)^```$", readme, re.M | re.S) if "--dataset digits" in text)
    environment = training_environment(tmp_path)
    subprocess.run(["bash", "-ec", block], cwd=tmp_path, env=environment, check=True, timeout=RUN_TIMEOUT_S)
    bundles = sorted(tmp_path.glob("runs/*/bundle"))
    assert len(bundles) == block.count("make ")
    for folder in bundles:
        assert model.load(folder).bundle.manifest.dataset == "digits"
