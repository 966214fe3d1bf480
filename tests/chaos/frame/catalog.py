"""All scenarios, by name."""

import importlib
import inspect
import pkgutil

import scenarios
from frame.scenario import Scenario


def all_scenarios():
    """Name → class, in the order of the names of their files."""
    found = {}
    for module in sorted(pkgutil.iter_modules(scenarios.__path__), key=lambda m: m.name):
        loaded = importlib.import_module(f"scenarios.{module.name}")
        for _, member in inspect.getmembers(loaded, inspect.isclass):
            if issubclass(member, Scenario) and member.__module__ == loaded.__name__:
                assert member.name == module.name, f"{module.name}.py holds {member.name}"
                found[member.name] = member
    return found
