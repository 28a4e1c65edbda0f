"""Where bytes come from: files, pipes, folders and URLs, compressed or not, in any encoding."""

from __future__ import annotations

import codecs
import errno
import lzma
import os
import posixpath
import re
import stat
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from shutil import copyfileobj
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import unquote, urlsplit

from fastloss.tables.base import TableError, naming, one_line

MAGIC = {  # how compressed files begin
    "gzip": rb"\x1f\x8b",
    "zstd": rb"\x28\xb5\x2f\xfd",
    "bz2": rb"BZh[1-9](1AY&SY|\x17rE8P\x90)",
    "xz": rb"\xfd7zXZ\x00",
}
MAGIC_BYTES = 10
COMPRESSED = (".gz", ".zst", ".bz2", ".xz")
MARKS = {  # how texts begin that say how they are encoded; UTF-8 needs no change
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
COPIED = 1 << 20  # bytes at a time
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
MOST = 1 << 30  # bytes that a stream is asked for
NO_VALUE = "__HIVE_DEFAULT_PARTITION__"  # how Hive and Spark name the folder of a missing key


@dataclass(frozen=True)
class Options:
    """How text is read where a file does not say so itself.

    Parameters
    ----------
    sep : str, optional
        What stands between the columns of a delimited file; by default what its first rows show.
    decimal : str, optional
        The decimal point of a delimited file, "." or ","; by default what its first rows show.
    encoding : str, optional
        The encoding of texts; by default UTF-8, or what a byte order mark says.
    """

    sep: str | None = None
    decimal: str | None = None
    encoding: str | None = None


@dataclass
class Source:
    """One file or pipe.

    Parameters
    ----------
    name : str
        What the user calls it.
    path : str
        What the file system calls it.
    options : Options
    keys : dict
        Columns that the names of its folders hold, as in ``date=2026-01-01``; None is missing.
    filesystem : pyarrow.fs.FileSystem, optional
        Where it is; by default this machine.
    """

    name: str
    path: str
    options: Options = field(default_factory=Options)
    keys: Mapping[str, str | None] = field(default_factory=dict)
    filesystem: Any = None
    size: int = 0  # of a pipe not known
    pipe: Any = None
    kind: Any = None
    _raw: Any = None
    _ahead: bytes = b""  # of a pipe, what has been read of it and not been handed on
    _rest: Any = None  # and what comes then, decompressed
    _folder: TemporaryDirectory[str] | None = None

    @property
    def again(self) -> bool:
        """Whether it can be read more than once."""
        return self.pipe is None

    @property
    def share(self) -> float:
        """How much of it has been read."""
        if not self.size:
            return 0.0
        return 1.0 if self._raw.closed else self._raw.tell() / self.size

    def open(self) -> Any:
        """The bytes as a file in which one can go back."""
        self._raw, how = self._opened()
        if how is not None:
            self.keep()
            self._raw, _ = self._opened()
        return self._raw

    def keep(self) -> None:
        """Copy what can be read only from its beginning to a file, which is deleted at the end."""
        folder = TemporaryDirectory(prefix="fastloss-")
        path = os.path.join(folder.name, "copy")
        try:
            with self.stream() as stream, open(path, "wb") as file:
                copyfileobj(stream, file, COPIED)
        except OSError as error:
            if error.errno not in FULL:
                raise
            raise TableError(
                f"its copy in {os.path.dirname(folder.name)} finds no room ({error.strerror}): "
                "set TMPDIR to a folder that has some"
            ) from error
        self._folder, self.path, self.filesystem, self.pipe = folder, path, None, None
        self.size = os.path.getsize(path)

    def stream(self) -> Any:
        """The bytes from the first to the last, decompressed."""
        if self.pipe is None:
            self._raw, how = self._opened()
            return decompressed(self._raw, how)
        rest, self._rest, self.pipe = self._begun(), None, USED
        return _native(Ahead(self._ahead, rest))

    def head(self, size: int) -> bytes:
        """The first bytes, decompressed: ``size`` of them, or all."""
        if self.pipe is None:
            with self.stream() as stream:
                return read_fully(stream, size)
        self._ahead += read_fully(self._begun(), size - len(self._ahead))
        return self._ahead[:size]

    def text(self, end: bytes = b"") -> Any:
        """The bytes as a stream of UTF-8, after which ``end`` comes."""
        import pyarrow as pa

        encoding, stream = self.encoding(), self.stream()
        if encoding is not None:
            stream = pa.transcoding_input_stream(stream, encoding, "utf8")
        plain = isinstance(stream, pa.OSFile) and not end
        return stream if plain else _native(Ahead(b"", stream, end))

    def text_head(self, size: int) -> tuple[bytes, bool]:
        """The first bytes as UTF-8, and whether they are all."""
        encoding, found = self.encoding(), self.head(size)
        complete = len(found) < size
        if encoding is not None:
            decoder = codecs.getincrementaldecoder(encoding)()
            found = decoder.decode(found, final=complete).encode()
        return found, complete

    def encoding(self) -> str | None:
        """The encoding of the text, or None for UTF-8."""
        if self.options.encoding is not None:
            name = codecs.lookup(self.options.encoding).name
            return None if name in ("utf-8", "utf-8-sig", "ascii") else name
        start = self.head(4)
        return next((name for mark, name in MARKS.items() if start.startswith(mark)), None)

    def _opened(self) -> tuple[Any, str | None]:
        """The file at its beginning, and how it is compressed."""
        import pyarrow as pa

        if self.filesystem is not None:
            file = self.filesystem.open_input_file(self.path)
        else:
            file = pa.OSFile(os.fsencode(self.path))
        how = compression(read_fully(file, MAGIC_BYTES))
        file.seek(0)
        return file, how

    def _begun(self) -> Any:
        """The pipe, decompressed; how it is compressed is known once it has begun."""
        if self.pipe is USED:
            raise TableError("this is a pipe, which can be read only once")
        if self._rest is None:
            start = read_fully(self.pipe, MAGIC_BYTES)
            self._rest = decompressed(_native(Ahead(start, self.pipe)), compression(start))
        return self._rest


USED = object()  # in place of a pipe that has been read


class Ahead:
    """A stream of which the first bytes have been read already, as a file for pyarrow.

    ``end`` comes after its last bytes.
    """

    closed = False

    def __init__(self, start: bytes, rest: Any, end: bytes = b"") -> None:
        self.start, self.rest, self.end = start, rest, end

    def read(self, size: int = -1) -> bytes:
        """As many bytes as are asked for: Arrow takes fewer for a block, which may hold no row."""
        if size < 0:
            size = sys.maxsize
        found, self.start = self.start[:size], self.start[size:]
        found += read_fully(self.rest, size - len(found))
        if len(found) < size:
            more = size - len(found)
            found, self.end = found + self.end[:more], self.end[more:]
        return found

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False

    def close(self) -> None:
        self.closed = True


def _native(file: Any) -> Any:
    import pyarrow as pa

    return pa.PythonFile(file, mode="r")


def read_fully(stream: Any, size: int) -> bytes:
    """So many bytes, unless the stream ends before."""
    parts = []
    while size > 0 and (part := stream.read(min(size, MOST))):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def compression(start: bytes) -> str | None:
    """How a file is compressed that begins so."""
    return next((name for name, magic in MAGIC.items() if re.match(magic, start)), None)


def decompressed(stream: Any, how: str | None) -> Any:
    import pyarrow as pa

    if how is None:
        return stream
    if how == "xz":
        return _native(lzma.open(stream))
    return pa.CompressedInputStream(stream, how)


def stem(name: str) -> str:
    """The name without what says that it is compressed, in small letters."""
    name = urlsplit(name).path if is_url(name) else name
    name = name.lower()
    return next((name.removesuffix(end) for end in COMPRESSED if name.endswith(end)), name)


def is_url(name: str) -> bool:
    return "://" in name


def sources_of(name: str, options: Options) -> Iterator[Source]:
    """The files that a name stands for: itself, or those in a folder, in order."""
    with naming(name):
        if is_url(name):
            yield from _far(name, options)
        elif name == "-":
            if sys.stdin is None:
                raise TableError("there is no standard input")
            yield Source(name, name, options, pipe=getattr(sys.stdin, "buffer", sys.stdin))
        else:
            yield from _near(name, options)


def _near(name: str, options: Options) -> Iterator[Source]:
    try:
        found = os.stat(name)
        if stat.S_ISDIR(found.st_mode):
            yield from _in_folder(name, _walk(name), options)
            return
        file = open(name, "rb")
    except OSError as error:
        inner = f": {error.filename}" if error.filename not in (None, name) else ""
        raise TableError((error.strerror or str(error)).lower() + inner) from error
    if stat.S_ISREG(found.st_mode):
        file.close()
        yield Source(name, name, options, size=found.st_size)
    else:
        yield Source(name, name, options, pipe=file)


def _walk(folder: str) -> Iterator[tuple[str, str, int]]:
    """The files in a folder of this machine: their path within it, their path and size."""
    for inner, folders, files in os.walk(folder, onerror=_raise):
        folders[:] = [name for name in folders if not _hidden(name)]
        for file in files:
            path = os.path.join(inner, file)
            inside = os.path.relpath(path, folder).replace(os.sep, "/")
            yield inside, path, os.path.getsize(path)


def _raise(error: OSError) -> None:
    raise error


def _far(name: str, options: Options) -> Iterator[Source]:
    from pyarrow import fs

    filesystem, path = _filesystem(name)
    found = filesystem.get_file_info(path)
    if found.type == fs.FileType.NotFound:
        raise TableError("no such file or directory")
    if found.type == fs.FileType.Directory:
        inner = filesystem.get_file_info(fs.FileSelector(path, recursive=True))
        root = path.rstrip("/") + "/"
        files = (
            (file.path.removeprefix(root), file.path, file.size)
            for file in inner
            if file.type == fs.FileType.File
        )
        yield from _in_folder(name, files, options, filesystem)
    else:
        yield Source(name, path, options, filesystem=filesystem, size=found.size or 0)


def _filesystem(url: str) -> tuple[Any, str]:
    """Where a URL leads: pyarrow knows S3, Google Cloud, Azure and HDFS, fsspec the others."""
    import pyarrow as pa
    from pyarrow import fs

    try:
        filesystem, path = fs.FileSystem.from_uri(url)
        return filesystem, path
    except pa.ArrowInvalid as unknown:
        try:
            from fsspec.core import url_to_fs
        except ImportError:
            raise TableError(
                f"{one_line(unknown)}; other kinds of URL need fsspec: pip install fsspec"
            ) from None
    try:
        known, path = url_to_fs(url)
    except (ImportError, ValueError) as error:  # it lacks a package, or knows no such kind
        raise TableError(one_line(error)) from error
    return fs.PyFileSystem(fs.FSSpecHandler(known)), path


def _in_folder(
    name: str, files: Iterator[tuple[str, str, int]], options: Options, filesystem: Any = None
) -> Iterator[Source]:
    """The files of a folder by their names, but for those that are hidden."""
    found = 0
    for inside, path, size in sorted(files):
        if any(map(_hidden, inside.split("/"))):
            continue
        found += 1
        keys = {
            unquote(key): None if value == NO_VALUE else unquote(value)
            for key, is_key, value in (part.partition("=") for part in inside.split("/")[:-1])
            if is_key
        }
        yield Source(posixpath.join(name, inside), path, options, keys, filesystem, size)
    if not found:
        raise TableError("there are no files in this folder")


def _hidden(name: str) -> bool:
    """Whether those who read folders pass over a name, as _SUCCESS and .part-0.crc."""
    return name.startswith(("_", ".")) and "=" not in name
