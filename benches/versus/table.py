"""Results as lines of JSON, and the Markdown table of them.

A line is one of

    {"versions": {TOOL: TEXT, …}, "scale": 1.0, "conditional": false}
    {"scenario", "tool", "run", "measure", "unit", "more_is_better", "value"}
    {"scenario", "tool", "run", "failed": REASON}
"""

import json
from collections import defaultdict
from pathlib import Path
from statistics import median
from typing import Any

TOOLS = ("waloy", "Litestream 0.5", "Litestream 0.3")


def number(value: float) -> str:
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


class Table:
    def __init__(self) -> None:
        self.values: dict[tuple[str, str, str], list[float]] = defaultdict(list)  # by scenario, measure, tool
        self.measures: dict[str, dict[str, tuple[str, bool]]] = defaultdict(dict)  # unit and direction
        self.failures: dict[tuple[str, str], list[int]] = defaultdict(list)  # numbers of notes, by scenario and tool
        self.notes: list[str] = []
        self.versions: dict[str, str] = {}
        self.settings: set[tuple[float, bool]] = set()  # scale, and whether the store was conditional
        self.runs: set[int] = set()

    def add(self, line: dict[str, Any]) -> None:
        if "versions" in line:
            self.versions |= line["versions"]
            self.settings.add((line["scale"], line["conditional"]))
            return
        scenario, tool = line["scenario"], line["tool"]
        self.runs.add(line["run"])
        self.measures[scenario]  # a scenario is in the table even if all of it failed
        if "failed" in line:
            self.notes.append(f"{scenario}, {tool}, run {line['run'] + 1}: {line['failed']}")
            self.failures[scenario, tool].append(len(self.notes))
            return
        self.measures[scenario][line["measure"]] = (line["unit"], line["more_is_better"])
        self.values[scenario, line["measure"], tool].append(line["value"])

    def cell(self, scenario: str, measure: str, tool: str, unit: str) -> str:
        notes = "".join(f" [{number}]" for number in self.failures[scenario, tool])
        if values := self.values[scenario, measure, tool]:
            return ("yes" if unit == "yes" else number(median(values))) + notes
        return "failed" + notes if notes else "–"

    def ratio(self, scenario: str, measure: str, unit: str, more_is_better: bool) -> str:
        """waloy's median to that of the better Litestream."""
        ours, *theirs = (self.values[scenario, measure, tool] for tool in TOOLS)
        medians = [median(values) for values in theirs if values]
        if unit == "yes" or not ours or not medians:
            return "–"
        best = max(medians) if more_is_better else min(medians)
        return number(median(ours) / best) if best else "–"

    def markdown(self) -> str:
        lines = [f"{', '.join(self.versions.values())}. Medians of up to {len(self.runs)} runs.", ""]
        if any(conditional for _, conditional in self.settings):
            lines[0] += " The store refused to replace what is there if told so (`--conditional`)."
        if any(scale != 1 for scale, _ in self.settings):
            lines[0] += " Not at full scale: figures to try the program with, no results."
        lines += [f"| scenario | measure | {' | '.join(TOOLS)} | ratio to the better |", "|---|---|--:|--:|--:|--:|"]
        for scenario, measures in self.measures.items():
            for measure, (unit, more_is_better) in (measures or {"–": ("", False)}).items():
                title = f"{measure}, {unit}" if unit not in ("", "yes", "×") else measure
                cells = [self.cell(scenario, measure, tool, unit) for tool in TOOLS]
                lines.append(f"| {scenario} | {title} | {' | '.join(cells)} | "
                             f"{self.ratio(scenario, measure, unit, more_is_better)} |")
        lines += ["", *(f"[{index}] {note}  " for index, note in enumerate(self.notes, 1))]
        return "\n".join(lines).rstrip()


def table_of(results: Path) -> str:
    table = Table()
    for line in results.read_text().splitlines():
        table.add(json.loads(line))
    return table.markdown()
