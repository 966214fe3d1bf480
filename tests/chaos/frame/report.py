"""The result as text: one line for each scenario, a table of what all have in common, a verdict."""

# Figures that have a column of the table, with its heading.
_COLUMNS = [("router_kills", "router kills"), ("broker_kills", "broker kills"),
            ("accepted", "accepted"), ("lost", "lost"), ("duplicates", "dupl."),
            ("reordered", "reord."), ("unaccounted", "unacc."), ("longest_stall_s", "stall s")]
_SUMMED = {"router_kills", "broker_kills", "accepted", "lost", "duplicates", "reordered",
           "unaccounted"}

# What a run of all scenarios has to come to, or it shows little.
_NEEDED = {"router_kills": 200, "broker_kills": 50, "accepted": 1_000_000}
_NEEDED_IN_MINUTES = 10


def number(value):
    return f"{value:,}" if isinstance(value, int) else str(value)


def line(name, result):
    """One line with every figure."""
    figures = ", ".join(f"{key} {number(value)}" for key, value in result["figures"].items())
    return f"{name}: {_word(result)} in {result['seconds']:.0f} s: {figures or result['skipped']}"


def _word(result):
    return "FAILED" if result["violations"] else "skipped" if result["skipped"] else "held"


def table(results):
    """What scenarios have in common, one row each, and a sum."""
    rows = [["scenario"] + [heading for _, heading in _COLUMNS] + ["verdict"]]
    total = dict.fromkeys(_SUMMED, 0)
    for name, result in results.items():
        figures = result["figures"]
        rows.append([name] + [number(figures.get(key, "-")) for key, _ in _COLUMNS]
                    + [_word(result)])
        for key in _SUMMED:
            total[key] += figures.get(key, 0)
    rows.append(["all"] + [number(total[key]) if key in total else "" for key, _ in _COLUMNS]
                + [""])
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join("  ".join([row[0].ljust(widths[0])]
                               + [cell.rjust(width) for cell, width in zip(row[1:], widths[1:])])
                     for row in rows)


def shortfalls(results, minutes):
    """What all scenarios together were to do in so many minutes, and have not done."""
    if minutes < _NEEDED_IN_MINUTES:
        return []
    total = {key: sum(r["figures"].get(key, 0) for r in results.values()) for key in _NEEDED}
    return [f"too little was tested: {key} {number(total[key])}, not {number(needed)}"
            for key, needed in _NEEDED.items() if total[key] < needed]


def verdict(results, seed, folders, few=()):
    """`all held`, or what did not, where its files are, and how to repeat it. `few`: shortfalls."""
    failed = {name: r for name, r in results.items() if r["violations"]}
    lines = [f"{name}: skipped: {r['skipped']}" for name, r in results.items() if r["skipped"]]
    if not failed:
        return "\n".join(lines + (list(few) or ["all held"]))
    for name, result in failed.items():
        lines += [f"{name}: {text}" for text in result["violations"]]
        lines.append(f"{name}: logs and histories are in {folders[name]}")
        lines.append(f"{name}: repeat it with --seed {seed} --only {name}")
    lines += few
    lines.append(f"{len(failed)} of {len(results)} did not hold")
    return "\n".join(lines)
