"""How many times as much programs with sanitizers take of what tests bound."""

import os

_IS_SANITIZED = bool(os.environ.get("TEST_IS_SANITIZED"))
TIME = 4 if _IS_SANITIZED else 1
MEMORY = 8 if _IS_SANITIZED else 1
