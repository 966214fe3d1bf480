"""Folders for what is measured. They have to be on a disk: a sync costs nothing in memory."""

import os
import shutil
import subprocess

_IN_MEMORY = {"tmpfs", "ramfs", "devtmpfs"}


def remove(path):
    shutil.rmtree(path, ignore_errors=True)


def make_empty(path):
    remove(path)
    os.makedirs(path)


def file_system(path):
    """Its type, such as ext4."""
    return subprocess.run(["stat", "--file-system", "--format=%T", path], check=True,
                          capture_output=True, text=True).stdout.strip()


def is_in_memory(path):
    return file_system(path) in _IN_MEMORY
