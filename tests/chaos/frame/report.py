"""The result as text: one line for each scenario, a table of what all have in common, a verdict."""

# Figures that have a column of the table, with its heading.
_COLUMNS = [("router_kills", "router kills"), ("broker_kills", "broker kills"),
            ("accepted", "accepted"), ("lost", "lost"), ("duplicates", "dupl."),
            ("reordered", "reord."), ("unaccounted", "unacc."), ("longest_stall_s", "stall s")]
_SUMMED = {"router_kills", "broker_kills", "accepted", "lost", "duplicates", "reordered",
           "unaccounted"}


def number(value):
    return f"{value:,}" if isinstance(value, int) else str(value)


def line(name, result):
    """One line with every figure."""
    verdict = "FAILED" if result["violations"] else "held"
    figures = ", ".join(f"{key} {number(value)}" for key, value in result["figures"].items())
    return f"{name}: {verdict} in {result['seconds']:.0f} s: {figures}"


def table(results):
    """What scenarios have in common, one row each, and a sum."""
    rows = [["scenario"] + [heading for _, heading in _COLUMNS] + ["verdict"]]
    total = dict.fromkeys(_SUMMED, 0)
    for name, result in results.items():
        figures = result["figures"]
        rows.append([name] + [number(figures.get(key, "-")) for key, _ in _COLUMNS]
                    + ["FAILED" if result["violations"] else "held"])
        for key in total:
            total[key] += figures.get(key, 0)
    rows.append(["all"] + [number(total[key]) if key in total else "" for key, _ in _COLUMNS]
                + [""])
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join("  ".join([row[0].ljust(widths[0])]
                               + [cell.rjust(width) for cell, width in zip(row[1:], widths[1:])])
                     for row in rows)


def verdict(results, seed, folders):
    """`all held`, or what did not, where its files are, and how to repeat it."""
    failed = {name: r for name, r in results.items() if r["violations"]}
    if not failed:
        return "all held"
    lines = []
    for name, result in failed.items():
        lines += [f"{name}: {text}" for text in result["violations"]]
        lines.append(f"{name}: logs and histories are in {folders[name]}")
        lines.append(f"{name}: repeat it with --seed {seed} --only {name}")
    lines.append(f"{len(failed)} of {len(results)} did not hold")
    return "\n".join(lines)
