"""Numbers as dashboards show them."""

import math


def _steps(value, base, names):
    for name in names:
        if abs(value) < base or name == names[-1]:
            return f"{value:.3g} {name}".rstrip()
        value /= base


def formatted(value, unit):
    """For example `12.5 ms`, `98.4 %`, `1.2 K/s`."""
    if math.isinf(value):
        return "∞"
    if unit == "percentunit":
        return f"{value * 100:.3g} %"
    if unit == "s":
        if 0 < abs(value) < 1:
            return _steps(value * 1e6, 1000, ["µs", "ms"])
        return _steps(value, 60, ["s", "min", "h"]) if value else "0 s"
    if unit == "bytes":
        return _steps(value, 1024, ["B", "KiB", "MiB", "GiB", "TiB"])
    if unit in ("ops", "reqps"):
        return _steps(value, 1000, ["", "K", "M"]) + "/s"
    return _steps(value, 1000, ["", "K", "M", "G"])


def axis(value, unit):
    """The round number at which an axis ends that has to show `value`, and into how many parts it is
    divided."""
    if value <= 0:
        return 1, 1
    base = 1
    if unit == "bytes":
        base = 1024 ** int(math.log(max(value, 1), 1024))
    elif unit == "s" and value > 60:
        base = 3600 if value > 3600 else 60
    magnitude = 10 ** math.floor(math.log10(value / base))
    step = next(m for m in (1, 2, 2.5, 5, 10) if m * magnitude * base >= value * 0.999)
    return step * magnitude * base, 4 if step == 2 else 5
