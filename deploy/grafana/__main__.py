"""Write the dashboards into the chart: `make dashboards`."""

from pathlib import Path

from deploy.grafana import model, service

DASHBOARDS = Path("helm/mnist-api/files/dashboards")


def main() -> None:
    for path, text in built().items():
        path.write_text(text)


def built() -> dict[Path, str]:
    """The JSON text of each dashboard, by the file in which it is committed."""
    return {DASHBOARDS / "service.json": service.build(), DASHBOARDS / "model.json": model.build()}


if __name__ == "__main__":
    main()
