"""What a row of the table is, and the usual kind: pairs of a router and a reference."""

import dataclasses

from suite.sample import median, median_cores, number

# A client that uses so much of one core may be what limits the figure.
CLIENT_NEAR_LIMIT = 0.95


@dataclasses.dataclass
class Target:
    """What a figure has to be. `text` is how the table shows it."""
    text: str
    least: float = None
    most: float = None
    router_least: float = None  # Of the router's own median.

    def holds(self, figure, router):
        return ((self.least is None or figure >= self.least)
                and (self.most is None or figure <= self.most)
                and (self.router_least is None or router >= self.router_least))


@dataclasses.dataclass
class Line:
    """A line of the table.

    router, reference: samples, pair by pair; no reference where there is none. figures: one for each
    pair, compared with the target. unit: of the samples' values; figure_unit: of the figures.
    """
    name: str
    title: str
    reference_title: str
    router: list
    reference: list
    figures: list
    target: Target = None  # None: for information.
    unit: str = "/s"
    figure_unit: str = ""
    router_text: str = ""  # In the place of median and spread.
    notes: list = dataclasses.field(default_factory=list)
    details: dict = dataclasses.field(default_factory=dict)

    @property
    def figure(self):
        return median(self.figures)

    @property
    def verdict(self):
        if self.target is None:
            return ""
        router = median([s.value for s in self.router])
        return "ok" if self.target.holds(self.figure, router) else "below"

    @property
    def client_near_limit(self):
        return any((median_cores(samples, "client") or 0) >= CLIENT_NEAR_LIMIT
                   for samples in (self.router, self.reference))

    def as_dict(self):
        return {
            "name": self.name, "title": self.title, "reference": self.reference_title,
            "unit": self.unit, "figure_unit": self.figure_unit,
            "router": self.router_text, "router_median": median([s.value for s in self.router]),
            "reference_median": median([s.value for s in self.reference]) if self.reference
                                else None,
            "figure": self.figure, "figures": self.figures,
            "target": self.target.text if self.target else None, "verdict": self.verdict,
            "client_near_limit": self.client_near_limit,
            "router_samples": [s.as_dict() for s in self.router],
            "reference_samples": [s.as_dict() for s in self.reference],
            "notes": self.notes, "details": self.details}


class Row:
    """Something that is measured. Has a `name`, as in --only, and a `title`. `run` returns its lines;
    `progress(text)` says how far it is."""

    def run(self, stand, progress):
        raise NotImplementedError


@dataclasses.dataclass
class PairedRow(Row):
    """Router and reference in turn, the one that comes first changing with each pair. The figure is
    the router's value divided by the reference's."""
    name: str
    title: str
    reference_title: str
    target: Target
    router: callable      # Of the stand: a Sample.
    reference: callable
    unit: str = "/s"
    notes: callable = lambda stand: []

    def run(self, stand, progress):
        samples = run_pairs(stand, progress, self.router, self.reference)
        line = Line(self.name, self.title, self.reference_title, *samples,
                    [a.value / b.value for a, b in zip(*samples)], self.target, self.unit,
                    notes=self.notes(stand) + _others(samples[1]))
        return [line]


def _others(samples):
    """A note with the medians of what was measured beside the samples."""
    others = {name: median([s.others[name] for s in samples]) for name in samples[0].others}
    text = ", ".join(f"{name} {number(value)}" for name, value in others.items())
    return [f"bare servers: {text}"] if others else []


def run_pairs(stand, progress, router, reference):
    """Samples of both."""
    ours, theirs = [], []
    for pair in range(stand.options.pairs):
        for samples, take in ([(ours, router), (theirs, reference)][::-1 if pair % 2 else 1]):
            samples.append(take(stand))
        progress(f"pair {pair + 1} of {stand.options.pairs}: "
                 f"{number(ours[-1].value)} and {number(theirs[-1].value)}")
    return ours, theirs
