"""All rows, in the order of the table."""

from suite import throughput


def all_rows():
    return {row.name: row for row in throughput.ROWS}
