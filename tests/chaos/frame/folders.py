"""Folders of scenarios that may have been killed, and so may still have a disk mounted in them."""

import os
import re
import shutil
import subprocess


def unmount_all(folder):
    """Unmounts whatever a scenario has mounted in its folder."""
    inside = os.fsencode(os.path.realpath(folder)) + b"/"
    with open("/proc/self/mounts", "rb") as f:
        mounted = [line.split()[1] for line in f]
    for path in reversed(mounted):
        # A blank in a name stands there as \040, and so on.
        path = re.sub(rb"\\([0-7]{3})", lambda found: bytes([int(found[1], 8)]), path)
        if path.startswith(inside):
            subprocess.run(["umount", "-l", path], capture_output=True, check=False)


def remove(folder):
    """Removes it with all that is in it, if it is there."""
    unmount_all(folder)
    shutil.rmtree(folder, ignore_errors=True)


def make_empty(folder):
    """Raises OSError where something is in it that cannot be removed."""
    remove(folder)
    os.makedirs(folder)
