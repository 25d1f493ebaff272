"""The few kinds of panel that the dashboards are made of. A panel's width is in the 24 columns of Grafana's grid.

Queries write `{*` for the chosen releases, as in `mnist_workers{*}` or `mnist_inputs_total{*, kind="rows"}`.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

from grafana_foundation_sdk.builders import barchart as barcharts
from grafana_foundation_sdk.builders import common as options
from grafana_foundation_sdk.builders import dashboard as dashboards
from grafana_foundation_sdk.builders import heatmap as heatmaps
from grafana_foundation_sdk.builders import prometheus
from grafana_foundation_sdk.builders import stat as stats
from grafana_foundation_sdk.builders import table as tables
from grafana_foundation_sdk.builders import timeseries as graphs
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common
from grafana_foundation_sdk.models.dashboard import (
    Dashboard,
    DashboardCursorSync,
    DashboardLinkType,
    DataSourceRef,
    DataTransformerConfig,
    DynamicConfigValue,
    Threshold,
    ThresholdsMode,
    VariableOption,
    VariableRefresh,
)
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

Panel: TypeAlias = barcharts.Panel | graphs.Panel | heatmaps.Panel | stats.Panel | tables.Panel
Rows: TypeAlias = Mapping[str, Sequence[Panel]]
SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
CHOSEN = 'namespace=~"$namespace", job=~"$job"'
TAG = "mnist-api"


def quantile(share: float, bucket: str, by: str = "le", window: str = "$__rate_interval") -> str:
    """The expression of the value below which this share of a histogram's observations lies."""
    return f"histogram_quantile({share}, sum by ({by}) (rate({bucket}[{window}])))"


def graph(
    title: str,
    description: str,
    unit: str,
    queries: Mapping[str, str],
    *,
    width: int = 12,
    limits: Mapping[float, str] | None = None,
    stacked: bool = False,
    minimum: float | None = 0,
) -> graphs.Panel:
    """Lines over time. `queries`: expression by the name of its lines; `limits`: colour by value, drawn as lines."""
    legend = options.VizLegendOptions().display_mode(common.LegendDisplayMode.LIST)
    legend.placement(common.LegendPlacement.BOTTOM).show_legend(True)
    tooltip = options.VizTooltipOptions().mode(common.TooltipDisplayMode.MULTI).sort(common.SortOrder.DESCENDING)
    panel = graphs.Panel().legend(legend).tooltip(tooltip).fill_opacity(10)
    if minimum is not None:
        panel.min(minimum)
    if stacked:
        panel.stacking(options.StackingConfig().mode(common.StackingMode.NORMAL).group("A"))
    if limits:
        panel.thresholds(_thresholds("transparent", limits))
        panel.thresholds_style(options.GraphThresholdsStyleConfig().mode(common.GraphThresholdsStyleMode.DASHED))
    for query in _queries(queries):
        panel.with_target(query.range())
    return panel.title(title).description(description).unit(unit).datasource(SOURCE).span(width).height(8)


def stat(
    title: str,
    description: str,
    unit: str,
    query: str,
    *,
    width: int = 4,
    base: str = "green",
    limits: Mapping[float, str] | None = None,
) -> stats.Panel:
    """One number, as it is at the end of the range that is shown. Coloured `base` below all limits."""
    panel = stats.Panel().graph_mode(common.BigValueGraphMode.NONE).color_mode(common.BigValueColorMode.VALUE)
    panel.reduce_options(options.ReduceDataOptions().calcs(["lastNotNull"]))
    panel.thresholds(_thresholds(base, limits or {})).no_value("no data")
    (target,) = _queries({"": query})
    panel.with_target(target.instant())
    return panel.title(title).description(description).unit(unit).datasource(SOURCE).span(width).height(4)


def heatmap(title: str, description: str, unit: str, bucket: str, *, width: int = 12) -> heatmaps.Panel:
    """Observations a second over time, by the buckets of a histogram. `unit`: of what is observed."""
    panel = heatmaps.Panel().y_axis(heatmaps.YAxisConfig().unit(unit)).unit("cps")
    (target,) = _queries({"{{le}}": f"sum by (le) (rate({bucket}[$__rate_interval]))"})
    panel.with_target(target.range().format(PromQueryFormat.HEATMAP))
    return panel.title(title).description(description).datasource(SOURCE).span(width).height(8)


def bars(
    title: str, description: str, unit: str, queries: Mapping[str, str], *, by: str, width: int = 12
) -> barcharts.Panel:
    """Bars for each value of the label `by`, as they are now; side by side, one for each query."""
    legend = options.VizLegendOptions().display_mode(common.LegendDisplayMode.LIST)
    legend.placement(common.LegendPlacement.BOTTOM).show_legend(True)
    panel = barcharts.Panel().x_field(by).legend(legend).min(0).show_value(common.VisibilityMode.NEVER)
    _columns(panel, queries, [by])
    panel.with_transformation(DataTransformerConfig(id_val="sortBy", options={"sort": [{"field": by}]}))
    return panel.title(title).description(description).unit(unit).datasource(SOURCE).span(width).height(8)


def table(
    title: str,
    description: str,
    columns: Mapping[str, str],
    *,
    by: Sequence[str],
    units: Mapping[str, str] | None = None,
    width: int = 12,
    height: int = 7,
) -> tables.Panel:
    """A row for each combination of the labels `by`, a column for each of them and for each query, named as it."""
    panel = tables.Panel()
    _columns(panel, columns, by)
    for column, unit in (units or {}).items():
        panel.override_by_name(column, [DynamicConfigValue("unit", unit)])
    return panel.title(title).description(description).unit("none").datasource(SOURCE).span(width).height(height)


def dashboard(uid: str, title: str, description: str, rows: Rows) -> str:
    """A dashboard as the JSON text that is committed: rows of panels, from left to right."""
    built = dashboards.Dashboard(title).uid(uid).description(description).tags([TAG]).readonly()
    built.time("now-6h", "now").refresh("30s").tooltip(DashboardCursorSync.CROSSHAIR)
    others = dashboards.DashboardLink(TAG).type(DashboardLinkType.DASHBOARDS).tags([TAG])
    built.link(others.include_vars(True).keep_time(True))
    built.with_variable(dashboards.DatasourceVariable("datasource").label("Data source").type("prometheus"))
    built.with_variable(_choice("namespace", "Namespace", "label_values(mnist_workers, namespace)"))
    built.with_variable(_choice("job", "Release", 'label_values(mnist_workers{namespace=~"$namespace"}, job)'))
    number = 0
    for name, panels in rows.items():
        built.with_row(dashboards.Row(name).id(number := number + 1))
        for panel in panels:
            built.with_panel(panel.id(number := number + 1))
    return _text(built.build())


def _text(built: Dashboard) -> str:
    return json.dumps(built, cls=JSONEncoder, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def _choice(name: str, label: str, query: str) -> dashboards.QueryVariable:
    """A choice of label values, all at first. Its `.*` takes series without the label, too."""
    variable = dashboards.QueryVariable(name).label(label).datasource(SOURCE).query(query)
    variable.refresh(VariableRefresh.ON_TIME_RANGE_CHANGED).multi(True).include_all(True).all_value(".*")
    return variable.current(VariableOption(selected=True, text=["All"], value=["$__all"]))


def _queries(queries: Mapping[str, str]) -> Iterable[prometheus.Dataquery]:
    for letter, (legend, expression) in zip("ABCDEFGH", queries.items(), strict=False):
        query = prometheus.Dataquery().ref_id(letter).expr(expression.replace("{*", "{" + CHOSEN))
        yield query.legend_format(legend)


def _columns(panel: barcharts.Panel | tables.Panel, queries: Mapping[str, str], by: Sequence[str]) -> None:
    """Give a panel one frame: the labels in this order, then a column for each query, named by its legend."""
    for query in _queries(queries):
        panel.with_target(query.instant().format(PromQueryFormat.TABLE))
    # Grafana names the columns of several queries after them, that of a single one just Value.
    letters = [f"Value #{letter}" for letter in "ABCDEFGH"] if len(queries) > 1 else ["Value"]
    names = dict(zip(letters, queries, strict=False))
    order = {column: index for index, column in enumerate([*by, *names])}
    panel.with_transformation(DataTransformerConfig(id_val="merge", options={}))
    panel.with_transformation(
        DataTransformerConfig(
            id_val="organize", options={"excludeByName": {"Time": True}, "indexByName": order, "renameByName": names}
        )
    )


def _thresholds(base: str, limits: Mapping[float, str]) -> dashboards.ThresholdsConfig:
    steps = [Threshold(None, base), *(Threshold(value, limits[value]) for value in sorted(limits))]
    return dashboards.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps)
