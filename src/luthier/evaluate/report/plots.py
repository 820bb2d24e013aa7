"""Plots as inline SVG: widths in percent so that text keeps its size on any screen, colours from the page's style."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

ROW = 46
TOP = 6
AXIS = 34


@dataclass(frozen=True, slots=True)
class Bar:
    """A value with its interval. `kind` names the colour: base, tuned, gain, good, bad, open."""

    label: str
    shown: str
    value: float
    low: float | None
    high: float | None
    kind: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A vertical line with a name, at a value that matters."""

    value: float
    label: str
    kind: str = "mark"


@dataclass(frozen=True, slots=True)
class Zone:
    """A stretch of the scale with a meaning; `kind` names its colour."""

    low: float
    high: float
    kind: str
    label: str


@dataclass(frozen=True, slots=True)
class Scale:
    """Values from `low` to `high` across the plot's width, with ticks and their texts."""

    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]

    def at(self, value: float) -> float:
        """Place in percent of the width, kept inside."""
        share = (value - self.low) / (self.high - self.low)
        return round(2 + 96 * min(max(share, 0.0), 1.0), 3)


def scale_around(values: Sequence[float], *, unit: float, suffix: str) -> Scale:
    """A scale with round ticks that holds all values; `unit` is what one shown unit is worth (0.01: points)."""
    low, high = min(values), max(values)
    spread = max(high - low, 1e-6)
    step = _round_step(spread / 4)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    first, last = (first - 1, last + 1) if first == last else (first, last)  # nothing changed at all
    digits = max(0, -math.floor(math.log10(step / unit) + 1e-9))
    ticks = tuple((place * step, f"{place * step / unit:.{digits}f}{suffix}") for place in range(first, last + 1))
    return Scale(low=first * step, high=last * step, ticks=ticks)


def share_scale() -> Scale:
    """0 to 100 %."""
    return Scale(0.0, 1.0, tuple((tick / 100, f"{tick} %") for tick in (0, 25, 50, 75, 100)))


def intervals(bars: Sequence[Bar], *, scale: Scale, title: str, marks: Sequence[Mark] = ()) -> Markup:
    """One row per bar: name and value above, interval as a line and value as a dot below; marks cross all rows."""
    head = 20 * len(marks)
    bottom = TOP + head + ROW * len(bars)
    parts = [_axis(scale, top=TOP + head, bottom=bottom)]
    for place, mark in enumerate(marks):
        parts.append(_mark(mark, scale, y=TOP + 12 + 20 * place, bottom=bottom))
    for row, bar in enumerate(bars):
        parts.append(_bar(bar, scale, y=TOP + head + ROW * row))
    about = "; ".join([*(f"{bar.label}: {bar.shown}" for bar in bars), *(mark.label for mark in marks)])
    return _svg(parts, height=bottom + AXIS, title=title, about=about)


def ruler(bar: Bar, zones: Sequence[Zone], *, scale: Scale, title: str) -> Markup:
    """Zones of a scale side by side, and a value with its interval on them."""
    parts = []
    for zone in zones:
        left, right = scale.at(zone.low), scale.at(zone.high)
        rect = Markup('<rect class="fill {}" x="{}%" y="4" width="{}%" height="30"/>')
        parts.append(rect.format(zone.kind, left, round(max(0.0, right - left), 3)))
    parts.append(_axis(scale, top=4, bottom=34))
    if bar.low is not None and bar.high is not None:
        line = Markup('<line class="interval {}" x1="{}%" x2="{}%" y1="19" y2="19"/>')
        parts.append(line.format(bar.kind, scale.at(bar.low), scale.at(bar.high)))
    parts.append(Markup('<circle class="fill {}" cx="{}%" cy="19" r="6"/>').format(bar.kind, scale.at(bar.value)))
    about = "; ".join([*(zone.label for zone in zones), bar.shown])
    return _svg(parts, height=34 + AXIS, title=title, about=about)


def stacked(shares: Sequence[tuple[str, int, str]], *, title: str) -> Markup:
    """One bar made of (label, count, kind)."""
    total = sum(count for _, count, _ in shares) or 1
    parts, left = [], 0.0
    for _, count, kind in shares:
        width = 100 * count / total
        parts.append(
            Markup('<rect class="fill {}" x="{}%" y="4" width="{}%" height="30"/>').format(
                kind, round(left, 3), round(width, 3)
            )
        )
        left += width
    about = "; ".join(f"{label}: {count:,}" for label, count, _ in shares)
    return _svg(parts, height=38, title=title, about=about)


def curves(
    lines: Sequence[tuple[str, str, Sequence[tuple[float, float]]]],
    *,
    title: str,
    across: str,
    marks: Sequence[Mark] = (),
) -> Markup:
    """Lines (label, kind, points) over a common horizontal axis named `across`; marks stand across the plot.

    Positive values that fall to a tenth or less are drawn by their logarithms: else the end of the lines is flat.
    """
    points = [point for _, _, line in lines for point in line]
    heights = [y for _, y in points]
    is_steep = min(heights) > 0 and max(heights) > 10 * min(heights)
    vertical = _log_scale(heights) if is_steep else scale_around([0.0, *heights], unit=1, suffix="")
    last = max(x for x, _ in points) or 1.0
    plot, head = 200, 16
    top = head + 20 * len(marks)
    parts = []
    for place, mark in enumerate(marks):
        parts.append(_cross(mark, x=round(12 + 86 * mark.value / last, 3), y=head + 12 + 20 * place, bottom=top + plot))
    for value, text in vertical.ticks:
        y = top + plot * (1 - (value - vertical.low) / (vertical.high - vertical.low))
        parts.append(Markup('<line class="grid" x1="0" x2="100%" y1="{0}" y2="{0}"/>').format(round(y, 2)))
        parts.append(Markup('<text class="tick" x="0" y="{}">{}</text>').format(round(y - 4, 2), text))
    parts.append(
        Markup(
            '<svg x="12%" y="{}" width="86%" height="{}" viewBox="0 0 1000 1000" preserveAspectRatio="none">'
        ).format(top, plot)
    )
    for _, kind, line in lines:
        drawn = [(x, math.log10(y)) for x, y in line] if is_steep else line
        parts.append(Markup('<path class="curve {}" d="{}"/>').format(kind, _path(drawn, last, vertical)))
    parts.append(Markup("</svg>"))
    parts.append(Markup('<text class="tick" x="12%" y="{}">0</text>').format(top + plot + 18))
    end = Markup('<text class="tick" x="98%" y="{}" text-anchor="end">{}</text>')
    parts.append(end.format(top + plot + 18, f"{across} {last:,.0f}"))
    told = (f"{label}: from {line[0][1]:.3f} to {line[-1][1]:.3f}" for label, _, line in lines)
    about = "; ".join([*told, *(mark.label for mark in marks)])
    return _svg(parts, height=top + plot + 26, title=title, about=about)


def spark(base: float, tuned: float, *, title: str) -> Markup:
    """A row of a table: base and tuned as two dots on 0 to 100 %."""
    scale = share_scale()
    start, end = scale.at(base), scale.at(tuned)
    parts = [
        Markup('<line class="grid" x1="2%" x2="98%" y1="10" y2="10"/>'),
        Markup('<line class="link {}" x1="{}%" x2="{}%" y1="10" y2="10"/>').format(
            "good" if tuned >= base else "bad", start, end
        ),
        Markup('<circle class="fill base" cx="{}%" cy="10" r="5"/>').format(start),
        Markup('<circle class="fill tuned" cx="{}%" cy="10" r="5"/>').format(end),
    ]
    return _svg(parts, height=20, title=title, about="on a line from 0 to 100 %")


def share(part: float, *, kind: str) -> Markup:
    """A row of a table: a bar that is this share of the width."""
    bar = Markup('<rect class="fill {}" x="2%" y="5" width="{}%" height="10" rx="2"/>').format(
        kind, round(96 * part, 3)
    )
    return _svg([bar], height=20, title=f"{part:.0%} of the most", about="a bar that grows with the number")


def _svg(parts: Sequence[Markup], *, height: int, title: str, about: str) -> Markup:
    head = Markup('<svg class="plot" role="img" width="100%" height="{}"><title>{}</title><desc>{}</desc>')
    return head.format(height, title, about) + Markup("").join(parts) + Markup("</svg>")


def _axis(scale: Scale, *, top: int, bottom: int) -> Markup:
    parts = []
    for value, text in scale.ticks:
        x = scale.at(value)
        parts.append(Markup('<line class="grid" x1="{0}%" x2="{0}%" y1="{1}" y2="{2}"/>').format(x, top, bottom))
        tick = Markup('<text class="tick" x="{}%" y="{}" text-anchor="{}">{}</text>')
        parts.append(tick.format(x, bottom + 18, _anchor(x), text))
    return Markup("").join(parts)


def _mark(mark: Mark, scale: Scale, *, y: int, bottom: int) -> Markup:
    return _cross(mark, x=scale.at(mark.value), y=y, bottom=bottom)


def _cross(mark: Mark, *, x: float, y: int, bottom: int) -> Markup:
    line = Markup('<line class="mark {3}" x1="{0}%" x2="{0}%" y1="{1}" y2="{2}"/>').format(x, y + 4, bottom, mark.kind)
    text = Markup('<text class="note" x="{}%" y="{}" text-anchor="{}">{}</text>')
    # A label takes up to 58 % of a phone's width.
    return line + text.format(x, y, _anchor(x, wide=42), mark.label)


def _bar(bar: Bar, scale: Scale, *, y: int) -> Markup:
    middle = y + 34
    parts = [
        Markup('<text x="0" y="{}"><tspan class="name">{}</tspan>  {}</text>').format(y + 18, bar.label, bar.shown)
    ]
    if bar.low is not None and bar.high is not None:
        line = Markup('<line class="interval {}" x1="{}%" x2="{}%" y1="{}" y2="{}"/>')
        parts.append(line.format(bar.kind, scale.at(bar.low), scale.at(bar.high), middle, middle))
    dot = Markup('<circle class="fill {}" cx="{}%" cy="{}" r="6"/>').format(bar.kind, scale.at(bar.value), middle)
    return Markup("").join([*parts, dot])


def _path(line: Sequence[tuple[float, float]], last: float, vertical: Scale) -> str:
    def place(x: float, y: float) -> str:
        return f"{1000 * x / last:.1f} {1000 * (1 - (y - vertical.low) / (vertical.high - vertical.low)):.1f}"

    return "M " + " L ".join(place(x, y) for x, y in line)


def _anchor(x: float, *, wide: float = 8) -> str:
    return "start" if x < wide else "end" if x > 100 - wide else "middle"


def _log_scale(values: Sequence[float]) -> Scale:
    """Logarithms (base 10) of positive values, with ticks at 1, 2 and 5 times powers of ten."""
    least, most = (math.floor(math.log10(value)) for value in (min(values), max(values)))
    round_values = [factor * 10.0**power for power in range(least, most + 2) for factor in (1, 2, 5)]
    low = max(value for value in round_values if value <= min(values) * (1 + 1e-9))
    high = min(value for value in round_values if value >= max(values) * (1 - 1e-9))
    shown = [value for value in round_values if low <= value <= high]
    return Scale(math.log10(low), math.log10(high), tuple((math.log10(value), f"{value:g}") for value in shown))


def _round_step(rough: float) -> float:
    power = 10.0 ** math.floor(math.log10(rough))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * (1 - 1e-9))
