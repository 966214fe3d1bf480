"""Lines as a table, as Markdown and as JSON."""

import json

from suite.sample import median, median_cores, number

_HEADINGS = ["row", "router", "reference", "is", "figure", "target", "", "client", "router CPU",
             "server CPU"]


def spread(samples, unit):
    """Median, and least and largest."""
    if not samples:
        return ""
    values = [s.value for s in samples]
    return (f"{number(median(values))} ({number(min(values))}–{number(max(values))})"
            f"{' ' + unit if unit else ''}")


def _cores(line, who):
    """Of the router's runs and of the reference's."""
    used = [median_cores(samples, who) for samples in (line.router, line.reference)]
    return " / ".join("–" if u is None else f"{u:.2f}" for u in used[:2 if line.reference else 1])


def cells(line):
    figure = f"{number(line.figure, line.figure_unit)}"
    if len(line.figures) > 1:
        figure += f" ({number(min(line.figures))}–{number(max(line.figures))})"
    return [line.title, line.router_text or spread(line.router, line.unit), spread(line.reference, line.unit),
            line.reference_title, figure, line.target.text if line.target else "", line.verdict,
            _cores(line, "client") + ("*" if line.client_near_limit else ""),
            _cores(line, "router"), _cores(line, "broker")]


def _notes(lines):
    notes = [f"{line.title}: {note}" for line in lines for note in line.notes]
    if any(line.client_near_limit for line in lines):
        notes.append("* the client uses a whole core: it may be what limits the figure")
    return notes


def table(lines):
    rows = [_HEADINGS] + [cells(line) for line in lines]
    widths = [max(len(row[i]) for row in rows) for i in range(len(_HEADINGS))]
    text = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip()
            for row in rows]
    return "\n".join(text + [""] + explanation() + _notes(lines))


def markdown(lines):
    rows = [_HEADINGS, ["---"] * len(_HEADINGS)] + [cells(line) for line in lines]
    text = ["| " + " | ".join(cell or " " for cell in row) + " |" for row in rows]
    return "\n".join(text + [""] + [f"- {n}" for n in explanation() + _notes(lines)])


def explanation():
    return ["median (least–most) of the pairs; the figure is the median over the pairs of router / "
            "reference",
            "client: cores that the load client used, in the router's runs / in the reference's "
            "(there the raw publisher)",
            "router CPU: cores of the router / of the bare server in its place; server CPU: cores of "
            "nats-server"]


def as_json(lines, machine, options):
    return json.dumps({"machine": machine, "options": options,
                       "rows": [line.as_dict() for line in lines]}, indent=1)
