"""Prints ratios with their targets, and writes them as JSON."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True, slots=True)
class Ratio:
    """A measured figure beside its target.

    Args:
        name: what was compared.
        value: the ratio, or a figure in the unit that `name` gives.
        target: the bound.
        at_least: whether the value must be at least the target; otherwise at most.
        parts: the figures that it was made from.
    """

    name: str
    value: float
    target: float
    at_least: bool
    parts: dict[str, float]

    @property
    def met(self) -> bool:
        """Whether the target is met."""
        return self.value >= self.target if self.at_least else self.value <= self.target


def publish(name: str, ratios: list[Ratio]) -> None:
    """Prints the ratios and writes `results/NAME.json`."""
    for ratio in ratios:
        sign = "≥" if ratio.at_least else "≤"
        mark = "met" if ratio.met else "MISSED"
        print(f"{ratio.name}: {ratio.value:.2f} (target {sign} {ratio.target}) {mark}")
        for part, value in ratio.parts.items():
            print(f"    {part}: {value:,.3f}")
    RESULTS.mkdir(exist_ok=True)
    document = [{**asdict(ratio), "met": ratio.met} for ratio in ratios]
    (RESULTS / f"{name}.json").write_text(json.dumps(document, indent=2) + "\n")
