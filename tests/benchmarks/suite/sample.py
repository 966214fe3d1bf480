"""One measurement."""

import statistics


class Sample:
    """`value` is what the row compares, by default messages per second. `cores` is what was used of
    the CPU by `client`, `router` (or the bare server in its place) and `broker`."""

    def __init__(self, value, cores=None, measured=None):
        self.value = value
        self.cores = dict(cores or {})
        self.measured = measured or {}
        self.others = {}  # What else was measured beside it, by name.

    @classmethod
    def of(cls, measured):
        return cls(measured["per_second"], measured["cores"], measured)

    @property
    def per_second(self):
        return self.measured["per_second"]

    def as_dict(self):
        return {"value": self.value, "cores": self.cores, "measured": self.measured,
                **({"others": self.others} if self.others else {})}


def median(values):
    return statistics.median(values)


def median_cores(samples, who):
    """None where it was not measured."""
    used = [s.cores[who] for s in samples if who in s.cores]
    return median(used) if used else None


def number(value, unit=""):
    """With as many digits as one wants to read."""
    if value is None:
        return ""
    if abs(value) >= 1000:
        return f"{value:,.0f}{unit}"
    if abs(value) >= 100:
        return f"{value:.0f}{unit}"
    return f"{value:.3g}{unit}" if abs(value) < 0.1 else f"{value:.2f}{unit}"
