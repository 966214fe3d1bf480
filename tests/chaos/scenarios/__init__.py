"""One file, one scenario: a subclass of `frame.scenario.Scenario`."""
