"""What a disk holds after a power cut: made from the journal of preload/disk_faults.c.

A file's data are durable once the file was synced, an entry of the folder once the folder was. Of what
was not synced when the power failed, any part may be there: pages and sectors in any mixture of their
versions, and changes of the folder up to any one of them. After a sync that failed, its pages count
as clean, as they do in Linux: they may be on the disk or not, until they are written and synced again.
"""

import os
import struct

_ENTRY = struct.Struct("=IIQqQq")
_CREATE, _WRITE, _TRUNCATE, _SYNC, _SYNC_FAILED, _RENAME, _UNLINK, _LINK = range(1, 9)
_PAGE = 4096
_SECTOR = 512
_VERSIONS_MAX = 4  # Of a page that are remembered.

# What is left of what was not synced.
NOTHING, EVERYTHING, PAGES, SECTORS = "nothing", "everything", "pages", "sectors"
REMAINS = (NOTHING, EVERYTHING, PAGES, SECTORS)


class Entry:
    """One thing that was done to the folder. `end`: its place in the journal."""

    __slots__ = ("kind", "names", "inode", "offset", "data", "time_ns", "end")

    def __init__(self, kind, names, inode, offset, data, time_ns, end):
        self.kind = kind
        self.names = names
        self.inode = inode
        self.offset = offset
        self.data = data
        self.time_ns = time_ns
        self.end = end

    @property
    def is_failed_sync(self):
        return self.kind == _SYNC_FAILED


def read_journal(path):
    """All entries. The last one may be torn by a kill, and is left out then."""
    with open(path, "rb") as f:
        text = f.read()
    entries = []
    at = 0
    while at + _ENTRY.size <= len(text):
        kind, name_size, inode, offset, data_size, time_ns = _ENTRY.unpack_from(text, at)
        begin = at + _ENTRY.size
        at = begin + name_size + data_size
        if at > len(text):
            break
        names = text[begin:begin + name_size].decode().split("/")
        entries.append(Entry(kind, names, inode, offset, text[begin + name_size:at], time_ns, at))
    return entries


class _File:
    """One file: what is on the disk, what the system says it holds, and the pages that differ."""

    def __init__(self, content=b""):
        self.durable = bytearray(content)
        self.cached = bytearray(content)
        self.shortest = len(content)  # Since it was last synced.
        self.dirty = {}      # Page → its versions since it was last synced.
        self.doubtful = {}   # Likewise, for pages whose sync has failed.

    def write(self, offset, data):
        end = offset + len(data)
        if end > len(self.cached):
            self.cached.extend(bytes(end - len(self.cached)))
        self.cached[offset:end] = data
        for page in range(offset // _PAGE, (end - 1) // _PAGE + 1):
            self._touch(page)

    def truncate(self, size):
        if size > len(self.cached):
            self.cached.extend(bytes(size - len(self.cached)))
            return
        del self.cached[size:]
        self.shortest = min(self.shortest, size)
        for pages in (self.dirty, self.doubtful):
            for page in [p for p in pages if p * _PAGE >= size]:
                del pages[page]
        if size % _PAGE:
            self._touch(size // _PAGE)

    def _touch(self, page):
        versions = self.dirty.setdefault(page, self.doubtful.pop(page, []))
        versions.append(self._page_of(self.cached, page))
        del versions[:-_VERSIONS_MAX]

    @staticmethod
    def _page_of(content, page):
        found = bytes(content[page * _PAGE:(page + 1) * _PAGE])
        return found + bytes(_PAGE - len(found))

    def sync(self):
        del self.durable[self.shortest:]
        self._resize(self.durable, len(self.cached))
        self.shortest = len(self.cached)
        for page in self.dirty:
            begin = page * _PAGE
            end = min(begin + _PAGE, len(self.cached))
            self.durable[begin:end] = self.cached[begin:end]
        self.dirty.clear()

    def fail_sync(self):
        self.doubtful.update(self.dirty)
        self.dirty.clear()

    def left(self, remains, random):
        """The content after a power cut."""
        if remains == EVERYTHING:
            return self.cached
        if remains == NOTHING:
            return self.durable
        content = bytearray(self.durable)
        if len(self.cached) != len(self.durable):
            self._resize(content, random.choice(
                (len(self.cached), len(self.durable),
                 random.randint(*sorted((len(self.cached), len(self.durable)))))))
        unit = _PAGE if remains == PAGES else _SECTOR
        for pages in (self.dirty, self.doubtful):
            for page, versions in pages.items():
                for at in range(0, _PAGE, unit):
                    version = random.randrange(len(versions) + 1)
                    begin = page * _PAGE + at
                    end = min(begin + unit, len(content))
                    if version < len(versions) and begin < end:
                        content[begin:end] = versions[version][at:at + end - begin]
        return content

    @staticmethod
    def _resize(content, size):
        del content[size:]
        content.extend(bytes(size - len(content)))


def snapshot(folder):
    """Name → inode and content, of all files of a folder."""
    found = {}
    for name in sorted(os.listdir(folder)):
        with open(os.path.join(folder, name), "rb") as f:
            found[name] = os.fstat(f.fileno()).st_ino, f.read()
    return found


class Disk:
    """The files of one folder, as entries of a journal are applied to them."""

    def __init__(self, start=None, believes=lambda name: True):
        """`start`: a `snapshot` of what is there at first. `believes`: whether the disk really
        syncs a file of this name; one that says so and does not is what a test must find."""
        self._believes = believes
        self._open = {}      # Inode → file.
        self._durable = {}   # Name → file.
        self._changes = []   # Of the folder, not synced: (entry, file that it creates).
        for name, (inode, content) in (start or {}).items():
            self._durable[name] = self._open.setdefault(inode, _File(content))
        self._names = dict(self._durable)

    def apply(self, entry):
        kind = entry.kind
        if kind == _WRITE:
            self._open[entry.inode].write(entry.offset, entry.data)
        elif kind == _TRUNCATE:
            self._open[entry.inode].truncate(entry.offset)
        elif kind == _SYNC:
            self._sync(entry.inode)
        elif kind == _SYNC_FAILED:
            if entry.inode:
                self._open[entry.inode].fail_sync()
        else:
            created = None
            if kind == _CREATE:
                created = self._open[entry.inode] = _File()
            self._changes.append((entry, created))
            self._change(self._names, entry, created)

    def _sync(self, inode):
        if inode:
            file = self._open[inode]
            if all(self._believes(name) for name, other in self._names.items() if other is file):
                file.sync()
        elif self._believes(""):
            self._durable = dict(self._names)
            self._changes.clear()

    @staticmethod
    def _change(names, entry, created):
        if entry.kind == _CREATE:
            names[entry.names[0]] = created
        elif entry.kind == _UNLINK:
            del names[entry.names[0]]
        elif entry.kind == _RENAME:
            names[entry.names[1]] = names.pop(entry.names[0])
        elif entry.kind == _LINK:
            names[entry.names[1]] = names[entry.names[0]]

    def write_to(self, folder, remains, random):
        """Leaves in an empty folder what is on the disk when the power is cut now."""
        names = dict(self._durable)
        count = {NOTHING: 0, EVERYTHING: len(self._changes)}.get(
            remains, random.randint(0, len(self._changes)))
        for entry, created in self._changes[:count]:
            self._change(names, entry, created)
        os.makedirs(folder, mode=0o700)
        written = {}
        for name, file in names.items():
            path = os.path.join(folder, name)
            if file in written:
                os.link(written[file], path)
                continue
            written[file] = path
            with open(path, "wb") as f:
                f.write(file.left(remains, random))

    def differences(self, folder):
        """Names of files that are not as the journal says: then it is not complete."""
        wrong = set(os.listdir(folder)) ^ set(self._names)
        for name in set(self._names) - wrong:
            with open(os.path.join(folder, name), "rb") as f:
                if f.read() != self._names[name].cached:
                    wrong.add(name)
        return sorted(wrong)
