"""The files that predictions come in: every kind, from everywhere, with the right scores."""

import bz2
import gzip
import io
import json
import lzma
import os
import subprocess
import sys
import threading
from itertools import product
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import feather, orc, parquet
from tables import BOTH, COLUMNS, FASTLOSS, close, columns_of, expected

import fastloss

ALL = [*COLUMNS, "--weight", "w", "--by", "g", *BOTH]
MAE = ["--loss", "mae"]
DATA = columns_of(14_000)  # as JSON lines more than a block
SMALL = {"y": [1, 0, 1], "p": [0.5, 0.25, 0.75]}  # mean absolute error 1/3


def zstd(data):
    return pa.compress(data, "zstd", asbytes=True)


def joined(*parts):
    return b"".join(parts)


COMPRESS = {
    ".gz": lambda data: gzip.compress(data, 1),
    ".zst": zstd,
    ".bz2": lambda data: bz2.compress(data, 1),
    ".xz": lambda data: lzma.compress(data, preset=0),
}


def as_csv(data, sep=",", decimal="."):
    def shown(value):
        return str(value).replace(".", decimal) if isinstance(value, float) else str(value)

    rows = zip(*(np.asarray(column).tolist() for column in data.values()), strict=True)
    lines = [sep.join(data), *(sep.join(map(shown, row)) for row in rows)]
    return "".join(f"{line}\n" for line in lines).encode()


def as_json_lines(data):
    rows = zip(*(np.asarray(column).tolist() for column in data.values()), strict=True)
    return "".join(json.dumps(dict(zip(data, row, strict=True))) + "\n" for row in rows).encode()


def as_parquet(data):
    sink = io.BytesIO()
    parquet.write_table(pa.table(data), sink, row_group_size=7_000)
    return sink.getvalue()


def as_orc(data):
    sink = io.BytesIO()
    orc.write_table(pa.table(data), sink, stripe_size=1 << 16)
    return sink.getvalue()


def as_stream(data):
    sink = io.BytesIO()
    table = pa.table(data)
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=7_000)
    return sink.getvalue()


def as_feather(data):
    sink = io.BytesIO()
    feather.write_feather(pa.table(data), sink)
    return sink.getvalue()


def as_npz(data):
    sink = io.BytesIO()
    np.savez(sink, **data)
    return sink.getvalue()


KINDS = {
    ".csv": as_csv,
    ".tsv": lambda data: as_csv(data, "\t"),
    ".txt": lambda data: as_csv(data, "|"),
    ".jsonl": as_json_lines,
    ".ndjson": as_json_lines,
    ".parquet": as_parquet,
    ".orc": as_orc,
    ".arrows": as_stream,
    ".feather": as_feather,
    ".npz": as_npz,
}


def check(result):
    groups = result.pop("groups")
    assert result == close(expected(DATA))
    assert {*groups} == {"red", "green", "blue"}
    for label, values in groups.items():
        assert values == close(expected(DATA, DATA["g"] == label))


@pytest.fixture(scope="module")
def encoded():
    """The same table as the bytes of each kind of file."""
    return {suffix: encode(DATA) for suffix, encode in KINDS.items()}


@pytest.fixture
def stdin(monkeypatch):
    """Let bytes come from standard input, a few at a time."""

    class Drops(io.BytesIO):
        def read(self, size=-1):
            return super().read(min(size, 70_001) if size >= 0 else size)

    def feed(data):
        monkeypatch.setattr(sys, "stdin", type("Input", (), {"buffer": Drops(data)}))

    return feed


# Kinds.


@pytest.mark.parametrize("compressed", ["", *COMPRESS])
@pytest.mark.parametrize("suffix", KINDS)
def test_kinds_compressed_or_not(suffix, compressed, encoded, scores):
    data = encoded[suffix]
    Path("data" + suffix + compressed).write_bytes(COMPRESS.get(compressed, bytes)(data))
    check(scores("data" + suffix + compressed, *ALL))


@pytest.mark.parametrize("compress", COMPRESS.values())
def test_compressed_files_are_known_by_their_first_bytes(compress, scores):
    half = len(as_csv(SMALL)) // 2
    parts = as_csv(SMALL)[:half], as_csv(SMALL)[half:]
    Path("data.csv").write_bytes(joined(*map(compress, parts)))  # as `cat a.gz b.gz` makes them
    Path("data.csv.gz").write_bytes(as_csv(SMALL))  # and one that is not what it says
    assert scores("data.csv", *COLUMNS, *MAE)["mae"] == close(1 / 3)
    assert scores("data.csv.gz", *COLUMNS, *MAE)["mae"] == close(1 / 3)


@pytest.mark.parametrize("compressed", COMPRESS)
@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_compressed_files_cut_short(suffix, compressed, encoded, failure):
    data = COMPRESS[compressed](encoded[suffix])
    Path("data" + suffix).write_bytes(data[: len(data) * 3 // 4])
    assert failure("score", "data" + suffix, *ALL).startswith(f"data{suffix}: ")


@pytest.mark.parametrize(
    ("suffix", "compressed"),
    [
        *((suffix, "") for suffix in KINDS),
        *((".csv", compressed) for compressed in COMPRESS),
        (".parquet", ".zst"),
        (".jsonl", ".xz"),
    ],
)
def test_standard_input(suffix, compressed, encoded, stdin, scores):
    stdin(COMPRESS.get(compressed, bytes)(encoded[suffix]))
    check(scores("-", *ALL))


@pytest.mark.usefixtures("command")
def test_a_pipe_that_cannot_be_copied(tmp_path):
    """A limit to the size of files is to a process what a full disk is."""
    resource = pytest.importorskip("resource")
    parquet.write_table(pa.table(columns_of(10_000)), "data.parquet")
    done = subprocess.run(
        [*FASTLOSS, "score", "-", *COLUMNS],
        input=Path("data.parquet").read_bytes(),
        capture_output=True,
        env=os.environ | {"TMPDIR": str(tmp_path)},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)),
        timeout=60,
    )
    message = f"its copy in {tmp_path} finds no room (File too large): set TMPDIR to a folder"
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.decode().startswith(f"fastloss: -: {message}")
    assert [*tmp_path.iterdir()] == [tmp_path / "data.parquet"]


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_a_long_pipe(suffix, scores, stdin):
    lines = KINDS[suffix]({**SMALL, "text": ["x" * 50_000] * 3}).splitlines(keepends=True)
    head, rows = (lines[:1], lines[1:]) if suffix == ".csv" else ([], lines)
    stdin(joined(*head, *rows * 240))  # more than two blocks of 16 MiB
    found = scores("-", *COLUMNS, *MAE)
    assert (found["mae"], found["count"]) == (close(1 / 3), 720)


@pytest.mark.parametrize("first", ["PK", "ORC", "PAR1", "ARROW1", "BZh9"])
def test_names_of_columns_that_are_how_files_begin(first, stdin, scores):
    stdin(as_csv({first: [1, 2, 3], **SMALL}))
    assert scores("-", *COLUMNS, *MAE)["mae"] == close(1 / 3)


def test_standard_input_that_cannot_be_read(stdin, failure):
    stdin(b"")
    assert failure("score", "-", *ALL) == "-: the pipe is empty"
    stdin(as_csv(SMALL))
    message = failure("score", "-", "-", *COLUMNS)
    assert message == "-: standard input can be read only once"
    stdin(as_csv(SMALL))
    message = failure("score", "-", "--y-true", "y", "--y-pred", "q")
    assert message == "-: no column 'q'; the columns are: y, p"
    stdin(b"y,p\n1,0.5\n1,x\n")
    assert failure("score", "-", *COLUMNS).startswith("-: row 2: column 'p' holds 'x', not")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_named_pipes_are_opened_once(suffix, encoded, scores):
    os.mkfifo("pipe" + suffix)
    writer = threading.Thread(target=Path("pipe" + suffix).write_bytes, args=[encoded[suffix]])
    writer.start()
    check(scores("pipe" + suffix, *ALL))
    writer.join()


def test_a_pipe_of_the_shell(tmp_path):
    done = subprocess.run(
        [*FASTLOSS, "score", "-", *COLUMNS, *MAE, "--format", "csv"],
        input=as_csv(SMALL), capture_output=True, cwd=tmp_path,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, b"")
    assert float(done.stdout.split()[1].split(b",")[0]) == close(1 / 3)


# Folders and URLs.


def write_parts(folder):
    """The table by days of the year, as Spark writes it."""
    days = np.arange(len(DATA["y"])) % 3
    for day in range(3):
        part = {name: column[days == day] for name, column in DATA.items()}
        name = ["2026-01-01", "2026-01-02", "__HIVE_DEFAULT_PARTITION__"][day]
        path = Path(folder) / f"date={name}" / "city=a%20b"
        path.mkdir(parents=True)
        parquet.write_table(pa.table(part), path / "part-0.parquet")
        (path / ".part-0.parquet.crc").write_bytes(b"crc")
    (Path(folder) / "_SUCCESS").touch()
    return days


@pytest.mark.parametrize("form", ["{}", "{}/", "file://{}"])
def test_folders_with_keys_in_their_names(form, tmp_path, scores):
    days = write_parts("parts")
    folder = form.format(tmp_path / "parts" if ":" in form else "parts")
    check(scores(folder, *ALL))
    found = scores(folder, *COLUMNS, "--weight", "w", "--by", "date", *BOTH)
    groups = found.pop("groups")
    assert found == close(expected(DATA))
    assert len(groups) == 3
    for day, name in enumerate(["2026-01-01", "2026-01-02", "(missing)"]):
        assert groups[name] == close(expected(DATA, days == day))
    assert {*scores(folder, *COLUMNS, "--by", "city", *MAE)["groups"]} == {"a b"}


def test_keys_in_names_of_folders_as_numbers(scores, failure):
    for weight in (1, 3):
        Path(f"d/w={weight}").mkdir(parents=True)
        Path(f"d/w={weight}/a.csv").write_text(f"y,p\n0,{weight}\n")
    found = scores("d", *COLUMNS, "--weight", "w", *MAE)
    assert (found["mae"], found["weight"]) == (2.5, 4.0)
    message = failure("score", "d", *COLUMNS, "--by", "v")
    assert message == "d/w=1/a.csv: no column 'v'; the columns are: y, p, w"
    Path("d/w=x").mkdir()
    Path("d/w=x/a.csv").write_text("y,p\n0,1\n")
    message = failure("score", "d", *COLUMNS, "--weight", "w")
    assert message == "d/w=x/a.csv: column 'w' holds 'x', not numbers"


def test_a_folder_of_mixed_kinds(scores, failure):
    Path("d/in").mkdir(parents=True)
    Path("d/b.csv").write_bytes(as_csv({name: column[:1000] for name, column in DATA.items()}))
    rest = {name: column[1000:] for name, column in DATA.items()}
    Path("d/in/a.jsonl").write_bytes(as_json_lines(rest))
    check(scores("d", *ALL))
    Path("d/notes.md").write_text("what is not read is not passed over")
    assert failure("score", "d", *ALL).startswith("d/notes.md: not a file type that is read")
    Path("none").mkdir()
    assert failure("score", "none", *ALL) == "none: there are no files in this folder"


@pytest.mark.skipif(sys.platform != "linux", reason="links need rights elsewhere")
def test_a_folder_with_a_link_to_nothing(failure):
    Path("d").mkdir()
    Path("d/a.csv").symlink_to("nothing.csv")
    assert failure("score", "d", *ALL) == "d: no such file or directory: d/a.csv"


def test_urls(scores, failure, tmp_path):
    fsspec = pytest.importorskip("fsspec", reason="fsspec opens memory://")
    files = fsspec.filesystem("memory")
    for suffix in (".csv", ".parquet", ".jsonl", ".npz", ".orc"):
        files.pipe(f"/bucket/data{suffix}", KINDS[suffix](DATA))
        check(scores(f"memory://bucket/data{suffix}", *ALL))
    files.pipe("/bucket/parts/date=1/a.csv.gz", gzip.compress(as_csv(SMALL)))
    files.pipe("/bucket/parts/date=2/a.csv", as_csv(SMALL))
    groups = scores("memory://bucket/parts", *COLUMNS, "--by", "date", *MAE)["groups"]
    assert {key: row["count"] for key, row in groups.items()} == {"1": 3, "2": 3}
    message = failure("score", "memory://bucket/none.csv", *ALL)
    assert message == "memory://bucket/none.csv: no such file or directory"
    message = failure("score", "nowhere://bucket/none.csv", *ALL)
    assert message.startswith("nowhere://bucket/none.csv: ") and "nowhere" in message


def test_urls_without_fsspec(failure, monkeypatch):
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    message = failure("score", "memory://bucket/data.csv", *ALL)
    assert message.endswith("need fsspec: pip install fsspec")


# Separators, decimals, encodings.


@pytest.mark.parametrize("name", ["data.csv", "data.tsv", "data.txt"])
@pytest.mark.parametrize("sep", [",", ";", "\t", "|"])
@pytest.mark.parametrize("decimal", [".", ","])
def test_separators_and_decimals_are_seen(name, sep, decimal, scores):
    if sep == decimal:
        return
    data = {**DATA, "text": np.array(["a,b;c", "d,e;f"])[DATA["y"]]}  # in quotes below
    text = as_csv(data, sep, decimal)
    for words in (b"a,b;c", b"d,e;f"):
        text = text.replace(words.replace(b".", decimal.encode()), b'"' + words + b'"')
    Path(name).write_bytes(text)
    check(scores(name, *ALL))


@pytest.mark.parametrize(
    ("text", "options", "mae"),
    [
        ("y;p\n1;0,5\n0;1\n", [], 0.75),
        ("y;p\n1000;1,500\n", ["--decimal", ","], 998.5),
        ("y p\n1 0.5\n", ["--sep", "space"], 0.5),
        ("y p\n1 0.5\n", ["--sep", " "], 0.5),
        ("y:p\n1:0.5\n", ["--sep", ":"], 0.5),
        ("y\tp\n1\t0.5\n", ["--sep", "tab"], 0.5),
        ("y,p,a;b\n1,0.5,1;2\n", [], 0.5),  # the columns asked for tell
        ("y;p;a,b\n1;0.5;1,2\n", [], 0.5),
        ('"y";"p"\n"1";"0,5"\n', [], 0.5),
        ("y;p\n1;-1,5e-1\n", [], 1.15),
        ("y;p", [], None),
        ("y,p\r1,0.5\r", [], 0.5),
        ("\ufeffy;p\r\n1;0,5\r\n", [], 0.5),
    ],
)
def test_how_text_is_written(text, options, mae, scores, failure):
    Path("data.csv").write_bytes(text.encode())
    if mae is None:
        assert "there is no line of column names" in failure("score", "data.csv", *COLUMNS)
    else:
        assert scores("data.csv", *COLUMNS, *MAE, *options)["mae"] == close(mae)


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        # 1,500 may be thousands: who wrote it has to say
        ("y;p\n1;1,500\n", [], "row 1: column 'p' holds '1,500', not a number; if that is a decim"),
        ("y;p\n1;0.5\n1;0,5\n", [], "row 2: column 'p' holds '0,5', not a number; if that is a de"),
        ("y;p\n" + "1;0,5\n" * 200 + "1;0.5\n", [], "row 201: column 'p' holds '0.5', not a numb"),
        ("y;p\n1;1.234,5\n", [], "row 1: column 'p' holds '1.234,5', not a number"),
        ("y,p\n1,2,5\n", [], "row 1: Expected 2 columns, got 3: 1,2,5"),
        ("a,b;c\n1,2;3\n", [], "columns may have ',' or ';' between them: say which with --sep"),
        ("y,p\n1,2\n", ["--decimal", ","], "',' cannot be both between columns and in numbers"),
        ("y,p\n1,2\n", ["--sep", ";"], "no column 'y'; the columns are: 'y,p'"),
        ("y, p\n1, 2\n", [], "no column 'p'; did you mean: ' p'"),
    ],
)
def test_what_is_in_doubt_is_refused(text, options, message, failure):
    Path("data.csv").write_text(text)
    found = failure("score", "data.csv", *COLUMNS, *options)
    assert found.startswith(f"data.csv: {message}")


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (["--sep", "::"], "'::' is not a character that can stand between columns"),
        (["--sep", "\n"], "is not a character that can stand between columns"),
        (["--decimal", "x"], "'x' is not one of '.', ','"),
        (["--encoding", "latin-99"], "'latin-99' is not an encoding that Python knows"),
    ],
)
def test_wrong_options(option, message, failure):
    assert message in failure("score", "data.csv", *COLUMNS, *option)


ACCENTS = {"yé": [1, 0, 1], "p": [0.5, 0.25, 0.75], "g": ["ü", "ü", "é"]}


@pytest.mark.parametrize("encode", [as_csv, as_json_lines])
@pytest.mark.parametrize(
    ("encoding", "options"),
    [
        ("utf-8", []),
        ("utf-8-sig", []),
        ("utf-16", []),
        ("utf-32", []),
        ("utf-16-le", ["--encoding", "utf-16-le"]),
        ("latin-1", ["--encoding", "latin-1"]),
        ("cp1252", ["--encoding", "windows-1252"]),
    ],
)
def test_encodings(encode, encoding, options, scores, stdin):
    text = encode(ACCENTS).decode()
    if encode is as_json_lines:
        text = text.replace("\\u00fc", "ü").replace("\\u00e9", "é")
    name = "data.csv" if encode is as_csv else "data.jsonl"
    Path(name).write_bytes(text.encode(encoding))
    stdin(Path(name).read_bytes())
    for file in [name] + ["-"] * (
        "16" not in encoding and "32" not in encoding or encode is as_csv
    ):
        found = scores(file, "--y-true", "yé", "--y-pred", "p", "--by", "g", *MAE, *options)
        assert found["mae"] == close(1 / 3)
        assert {key: row["count"] for key, row in found["groups"].items()} == {"ü": 2, "é": 1}


def test_what_is_not_utf8_says_so(failure, scores):
    Path("data.csv").write_bytes("yé,p\n1,0.5\n".encode("latin-1"))
    message = failure("score", "data.csv", *COLUMNS)
    assert message == (
        "data.csv: the first line holds byte 0xE9, which is not UTF-8: say how it is encoded, as "
        "in --encoding latin-1"
    )
    Path("data.csv").write_bytes("y,p,g\n1,0.5,a\n1,0.5,é\n".encode("latin-1"))
    message = failure("score", "data.csv", *COLUMNS, "--by", "g")
    assert message.startswith("data.csv: row 2: column 'g' holds text, which is not UTF-8: say")
    assert scores("data.csv", *COLUMNS, *MAE)["mae"] == 0.5  # the column is not read
    Path("data.csv").write_bytes("y,p\n1,0.5\n".encode("utf-16-le"))
    assert "use --encoding utf-16-le or utf-16-be" in failure("score", "data.csv", *COLUMNS)


@pytest.mark.skipif(sys.platform != "linux", reason="names of files are bytes on Linux")
def test_a_name_that_is_not_utf8(scores, tmp_path):
    for suffix, encode in KINDS.items():
        name = os.fsdecode(b"caf\xe9" + suffix.encode())
        Path(name).write_bytes(encode(SMALL))
        assert scores(name, *COLUMNS, *MAE)["mae"] == close(1 / 3)
    call = [*FASTLOSS, "score", b"caf\xe9.csv", "--y-true", "y", "--y-pred", "v"]
    done = subprocess.run(call, capture_output=True, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr.count(b"\n")) == (2, b"", 1)
    assert b"no column 'v'" in done.stderr


# Long rows.


def long_rows(encode):
    rows = len(DATA["y"])
    data = dict(DATA)
    data["text"] = np.array([""] * rows, object)
    data["text"][[0, 777, rows - 1]] = "x" * 3_000_000  # longer than a block
    return encode(data)


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_rows_longer_than_a_block(suffix, scores, stdin):
    data = long_rows(KINDS[suffix])
    Path("data" + suffix).write_bytes(data)
    check(scores("data" + suffix, *ALL))
    stdin(data)
    check(scores("-", *ALL))


def test_errors_after_rows_longer_than_a_block(failure):
    long = "x" * 1_500_000
    for row in (0, 2, 70_000):
        lines = ["1,0.5,a"] * 70_002
        lines[row] = f"1,0.5,{long}"
        lines[70_001] = "1,high,a"
        Path("data.csv").write_text("y,p,t\n" + "\n".join(lines))
        message = failure("score", "data.csv", *COLUMNS)
        assert message == "data.csv: row 70002: column 'p' holds 'high', not a number"


@pytest.mark.parametrize("megabytes", [1.5, 20])
def test_headers_longer_than_a_megabyte(megabytes, scores, stdin, failure):
    names = [f"column{k}" + "_" * 20_000 for k in range(int(megabytes * 50))]
    text = ",".join(["y", *names, "p"]) + "\n1," + "0," * len(names) + "0.25\n"
    Path("data.csv").write_text(text)
    assert scores("data.csv", *COLUMNS, *MAE)["mae"] == 0.75
    stdin(text.encode())
    assert scores("-", *COLUMNS, *MAE)["mae"] == 0.75


@pytest.mark.parametrize("rows", [1, 5, 100_000])
def test_a_quotation_mark_that_is_not_closed(rows, failure):
    text = "y,p,t\n" + "1,0.5,a\n" * rows + '1,0.25,"b\n' + "1,0.75,c\n" * 5
    Path("data.csv").write_text(text)
    message = failure("score", "data.csv", *COLUMNS)
    end = "a quotation mark is not closed until the end of the file"
    assert message == f"data.csv: row {rows + 1}: {end}"


@pytest.mark.parametrize("end", ["", "\n", "\r\n", "\n\n\n", '\n1,0.5,5" tube', '\n1,0.5,"a\nb"'])
def test_ends_of_files(end, scores):
    Path("data.csv").write_bytes(("y,p,t\n1,0.5,a\n,,\n1,0.5," + end).encode())
    found = scores("data.csv", *COLUMNS, *MAE, "--nan-policy", "omit")
    assert (found["mae"], found["count"]) == (0.5, 2 + ("0.5" in end))
    Path("one.csv").write_text('y\n1\n""\n3')
    found = scores("one.csv", "--y-true", "y", "--y-pred", "y", *MAE, "--nan-policy", "omit")
    assert (found["mae"], found["count"]) == (0.0, 2)


# JSON lines.


OTHER = {'{"y": 1, "p": "high"}': "text", '{"y": [1], "p": 1}': "a list"}


@pytest.mark.parametrize("place", [0, 3, 60_000])
@pytest.mark.parametrize(
    ("row", "message"),
    [
        ('{"y": 1, "p": "high"}', ": column 'p' holds text, not a number"),
        ('{"y": [1], "p": 1}', ": column 'y' holds a list, not a number"),
        ("[1]", " holds no JSON object but a list"),
    ],
)
def test_errors_in_json_lines_name_the_row(row, message, place, failure):
    lines = ['{"y": 1, "p": 0.5}'] * 70_000
    lines[place] = row
    Path("data.jsonl").write_text("\n".join(lines))
    if place == 0 and "column" in message:  # it says what the others have to be
        place, message = 1, f"{message.split('holds')[0]}holds a number, not {OTHER[row]}"
    assert failure("score", "data.jsonl", *COLUMNS) == f"data.jsonl: row {place + 1}{message}"


def test_json_lines_with_gaps(scores):
    Path("data.jsonl").write_text(
        '{"y": 1, "p": 0.5, "z": {"deep": [1]}}\n\n{"p": null, "y": 1}\n'
        '{"y": 1, "p": NaN}\n{"y": 1}\n{"p": 1, "y": 0.5, "q": 3}'
    )
    found = scores("data.jsonl", *COLUMNS, *MAE, "--nan-policy", "omit")
    assert (found["mae"], found["count"]) == (0.5, 2)


# Lists and classes.


P = np.random.default_rng(0).dirichlet(np.ones(3), 20_000)
Y = np.random.default_rng(1).integers(0, 3, 20_000)
LABELS = np.array(["cat", "dog", "eel"])
CROSS = ["--loss", "cross_entropy"]


def lists(kind):
    flat = pa.array(P.ravel())
    if kind == "fixed":
        return pa.FixedSizeListArray.from_arrays(flat, 3)
    offsets = pa.array(np.arange(0, P.size + 1, 3, dtype=np.int64 if kind == "large" else np.int32))
    return (pa.LargeListArray if kind == "large" else pa.ListArray).from_arrays(offsets, flat)


LISTS = [*product([".parquet", ".arrows", ".feather"], ["fixed", "large", "list"])]


@pytest.mark.parametrize(("suffix", "kind"), [*LISTS, (".orc", "list"), (".jsonl", "list")])
def test_probabilities_in_a_column_of_lists(suffix, kind, scores, stdin):
    if suffix == ".jsonl":
        data = as_json_lines({"y": Y, "p": P})
    else:
        data = KINDS[suffix]({"y": Y, "p": lists(kind)})
    Path("data" + suffix).write_bytes(data)
    stdin(data)
    want = fastloss.CrossEntropy()(Y, P)
    for name in ("data" + suffix, "-"):
        assert scores(name, *COLUMNS, *CROSS)["cross_entropy"] == pytest.approx(want, rel=1e-13)
    columns = ["--y-true", "y", "--y-pred", "p[0],p[1],p[2]"]
    assert scores("data" + suffix, *columns, *CROSS)["cross_entropy"] == pytest.approx(
        want, rel=1e-13
    )


def test_missing_lists_and_numbers_in_them(scores):
    p = [[0.25, 0.75], None, [0.5, None], [0.5, 0.5]]
    parquet.write_table(pa.table({"y": [1, 1, 1, 0], "p": p}), "data.parquet")
    Path("data.jsonl").write_text(
        "".join(json.dumps({"y": y, "p": q}) + "\n" for y, q in zip([1, 1, 1, 0], p, strict=True))
    )
    for name in ("data.parquet", "data.jsonl"):
        found = scores(name, *COLUMNS, *CROSS, "--nan-policy", "omit")
        assert found["cross_entropy"] == pytest.approx(-np.log(0.75 * 0.5) / 2, rel=1e-13)
        assert found["count"] == 2
        assert scores(name, *COLUMNS, *CROSS)["cross_entropy"] == "NaN"


def test_lists_of_differing_lengths(failure):
    p = [[0.25, 0.75]] * 70_000 + [[0.5, 0.25, 0.25], [1.0]]
    table = pa.table({"y": [1] * len(p), "p": p})
    parquet.write_table(table, "data.parquet")
    Path("data.jsonl").write_bytes(as_json_lines({"y": [1, 1], "p": [[0.5, 0.5], [0.5, 0.5]]}))
    message = failure("score", "data.parquet", *COLUMNS, *CROSS)
    assert message == "data.parquet: row 70001: column 'p' holds 3 numbers, not 2"
    parquet.write_table(pa.table({"y": [1], "p": [["a"]]}), "data.parquet")
    message = failure("score", "data.jsonl", "data.parquet", *COLUMNS, *CROSS)
    assert message == "data.parquet: row 1: column 'p' holds 1 numbers, not 2"
    parquet.write_table(pa.table({"y": [1], "p": [["a", "b"]]}), "data.parquet")
    message = failure("score", "data.parquet", *COLUMNS, *CROSS)
    assert message == "data.parquet: column 'p' holds string, not numbers"


CLASSES = {"y": LABELS[Y], **{f"p_{name}": P[:, k] for k, name in enumerate(LABELS)}}
NAMED = ["--y-true", "y", "--y-pred", "p_cat,p_dog,p_eel"]


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".orc", ".feather", ".jsonl", ".npz"])
def test_classes_by_the_names_of_columns(suffix, scores, stdin):
    Path("data" + suffix).write_bytes(KINDS[suffix](CLASSES))
    want = pytest.approx(fastloss.CrossEntropy()(Y, P), rel=1e-13)
    found = scores("data" + suffix, *NAMED, *CROSS, "--by", "y")
    assert found["cross_entropy"] == want
    assert {key: row["count"] for key, row in found["groups"].items()} == {
        name: (Y == k).sum() for k, name in enumerate(LABELS)
    }
    stdin(Path("data" + suffix).read_bytes())
    assert scores("-", *NAMED, *CROSS)["cross_entropy"] == want
    other = ["--y-true", "y", "--y-pred", "p_dog,p_eel,p_cat"]
    assert scores("data" + suffix, *other, *CROSS)["cross_entropy"] == want
    given = ["--classes", "cat,dog,eel"]
    assert scores("data" + suffix, *NAMED, *CROSS, *given)["cross_entropy"] == want


def test_classes_that_are_categories(scores):
    p = pa.FixedSizeListArray.from_arrays(pa.array(P.ravel()), 3)
    labels = pa.array(CLASSES["y"].tolist()).dictionary_encode()
    numbers = pa.array((Y + 10).tolist()).dictionary_encode()
    parquet.write_table(pa.table({"y": labels, "n": numbers, "p": p}), "data.parquet")
    want = pytest.approx(fastloss.CrossEntropy()(Y, P), rel=1e-13)
    given = ["data.parquet", *COLUMNS, *CROSS, "--classes", "cat,dog,eel"]
    assert scores(*given)["cross_entropy"] == want
    options = ["--y-pred", "p", *CROSS, "--classes", "10,11,12"]
    assert scores("data.parquet", "--y-true", "n", *options)["cross_entropy"] == want


def test_names_of_classes_with_underlines_and_gaps(scores):
    Path("data.csv").write_text(
        "y,m_p_new_york,m_p_new_jersey\nnew_york,0.25,0.75\n,0.5,0.5\nnew_jersey,0.5,0.5\n"
    )
    options = ["--y-true", "y", "--y-pred", "m_p_new_york,m_p_new_jersey", *CROSS]
    found = scores("data.csv", *options, "--nan-policy", "omit")
    assert found["cross_entropy"] == pytest.approx(-np.log(0.25 * 0.5) / 2, rel=1e-13)
    assert found["count"] == 2


def test_two_classes_and_one_column_of_predictions(scores):
    Path("data.csv").write_text("y,p\nno,0.25\nyes,0.75\n")
    options = [*COLUMNS, "--loss", "log_loss", "--classes", "no,yes"]
    assert scores("data.csv", *options)["log_loss"] == pytest.approx(-np.log(0.75), rel=1e-13)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--y-pred", "a,b"], "data.csv: column 'y' holds text, as 'cat': say which class each of"),
        (
            ["--y-pred", "a,b", "--classes", "cat,cow"],
            "data.csv: row 2: column 'y' holds 'dog', which is none of the classes cat, cow",
        ),
        (["--y-pred", "a,b", "--classes", "cat"], "--classes cat: 1 labels for 2 classes"),
        (["--y-pred", "a,b", "--classes", "cat,cat"], "--classes cat,cat: labels must differ"),
        (["--y-pred", "a,b", "--classes", "cat,"], "--classes cat,: labels must differ"),
        (["--y-pred", "a,b", "--classes", '"cat'], '"cat: a quotation mark is not closed'),
    ],
)
def test_classes_that_are_not_known(options, message, failure):
    Path("data.csv").write_text("y,a,b\ncat,0.5,0.5\ndog,0.5,0.5\n")
    assert failure("score", "data.csv", "--y-true", "y", *options, *CROSS).startswith(message)


# Names of columns.


def test_names_with_commas(scores):
    Path("data.csv").write_text('"a,b",c,y,"d ""e"""\n0.25,0.75,1,2\n')
    options = ["--y-true", "y", "--y-pred", '"a,b",c', *CROSS]
    found = scores("data.csv", *options)
    assert found["cross_entropy"] == pytest.approx(-np.log(0.75), rel=1e-13)
    found = scores("data.csv", "--y-true", "y", "--y-pred", '"a,b"', *MAE)
    assert found["mae"] == 0.75
    found = scores("data.csv", "--y-true", "y", "--y-pred", 'd "e"', *MAE)
    assert found["mae"] == 1.0


# The other commands.


def test_fit_and_predict_read_the_same_files(command, scores, stdin, tmp_path):
    data = {**DATA, "x": DATA["p"] * 3.5}
    fit = ["--target", "y", "--features", "x", "--loss", "logistic"]
    sources = {
        "data.csv": as_csv(data, ";", ","),
        "data.jsonl.zst": zstd(as_json_lines(data)),
        "data.orc": as_orc(data),
        "data.parquet": as_parquet(data),
    }
    models = set()
    for name, text in sources.items():
        Path(name).write_bytes(text)
        stdin(text)
        for file in (name, "-"):
            status, _, err = command("fit", file, *fit, "--out", "m.json")
            assert (status, err) == (0, "")
            models.add(Path("m.json").read_text())
    assert len(models) == 1
    for name, text in sources.items():
        stdin(text)
        for file in (name, "-"):
            keep = ["--columns", "y", "--out", "o.parquet"]
            assert command("predict", "m.json", file, *keep)[0] == 0
            options = ["--y-true", "y", "--y-pred", "probability", "--loss", "log_loss"]
            models.add(scores("o.parquet", *options)["log_loss"])
    assert len(models) == 2


def test_predict_keeps_the_names_of_folders(command):
    write_parts("parts")
    fit = ["--target", "y", "--features", "p", "--loss", "logistic", "--out", "m.json"]
    assert command("fit", "parts", *fit)[0] == 0
    keep = ["--columns", "date,g", "--out", "o.parquet"]
    assert command("predict", "m.json", "parts", *keep)[0] == 0
    dates = parquet.read_table("o.parquet")["date"].to_pylist()
    assert {*dates} == {"2026-01-01", "2026-01-02", None} and len(dates) == len(DATA["y"])


def test_arrow_whose_places_lead_nowhere_is_refused(command):
    codes = pa.DictionaryArray.from_arrays(
        pa.array([0, 99], pa.int32()), pa.array(["a"]), safe=False
    )
    columns = {"y": pa.array([0.0, 1.0]), "p": pa.array([0.1, 0.2]), "g": codes}
    with pa.ipc.new_file("data.arrow", pa.table(columns).schema) as writer:
        writer.write_table(pa.table(columns))
    status, _, err = command("score", "data.arrow", *COLUMNS, "--by", "g")
    assert status == 2
    assert err.startswith("fastloss: data.arrow: ")
