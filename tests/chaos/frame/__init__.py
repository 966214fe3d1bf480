"""The frame of the chaos suite: load, oracle, watch and report. Scenarios are in `scenarios`."""
