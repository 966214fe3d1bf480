"""As much of PromQL as it takes to see which series an expression reads."""

import re

_TOKEN = re.compile(r'''
    (?P<matchers>\{(?:[^{}"]|"(?:[^"\\]|\\.)*")*\})
  | (?:\w+\s+)?\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)
  | \[[^\]]*\]                                  # A range.
  | (?P<name>[a-zA-Z_:][\w:]*)(?P<call>\s*\()?
  | [\d.]+\w*                                   # A number, or a duration.
  | .''', re.VERBOSE | re.DOTALL)
_KEYWORDS = {"and", "or", "unless", "offset", "bool", "by", "without", "Inf", "NaN"}


def selectors(expression):
    """The selectors in it, `name` or `name{matchers}`, in order."""
    found = []
    for token in _TOKEN.finditer(expression):
        if token["matchers"] and found:
            found[-1] += token["matchers"]
        elif token["name"] and not token["call"] and token["name"] not in _KEYWORDS:
            found.append(token["name"])
    return found


def metric_names(expression):
    return [selector.split("{")[0] for selector in selectors(expression)]


def with_variables(expression, rate_interval):
    """The expression as Grafana would send it when all of everything is chosen."""
    return re.sub(r"\$\{?\w+\}?", ".*", expression.replace("$__rate_interval", rate_interval))
