"""All rows, in the order of the table."""

from suite import backlog, cost, hostile, queueing, throughput


def all_rows():
    rows = (throughput.ROWS + queueing.ROWS + cost.ROWS + backlog.ROWS + cost.CONNECTION_ROWS
            + hostile.ROWS + throughput.INFORMATION_ROWS + hostile.FLOOD_ROWS)
    return {row.name: row for row in rows}
