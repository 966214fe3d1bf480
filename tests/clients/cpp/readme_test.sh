#!/bin/sh
# Every line of the examples stands in the README, so that what is shown there compiles.
set -eu
readme=$1
shift
for example in "$@"; do
  python3 - "$readme" "$example" <<'PYTHON'
import sys

readme, example = (open(path, encoding="utf-8").read() for path in sys.argv[1:])
if "```cpp\n" + example + "```" not in readme:
    sys.exit(f"{sys.argv[1]} does not show {sys.argv[2]} as it is")
PYTHON
done
