"""Saved states: exact, whole at every moment, and checked against everything when loaded."""

import errno
import io
import json
import math
import os
import random
import signal
import stat
import struct
import subprocess
import sys
import tempfile
import time
import zipfile
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra import numpy as hnp

import fastloss as fl
from fastloss.files import written_whole
from fastloss.optim.storage import DEEPEST, load_state, save_state

DTYPES = ["f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", ">f4", ">i8"]

STATE = {
    "rule": "adam",
    "step": 12,
    "lr": 0.1,
    "ends": [math.inf, -math.inf, -0.0, None, True, [], {}],
    "m": {"w": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.array(2.5)},
    "v": np.asfortranarray(np.arange(6.0).reshape(3, 2)),
}


def same(a, b):
    """Equal to the last bit, and of the same types."""
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, np.ndarray):
        order = all(a.flags[f] == b.flags[f] for f in ("C_CONTIGUOUS", "F_CONTIGUOUS"))
        alike = a.dtype == b.dtype and a.shape == b.shape
        return alike and order and a.tobytes("A") == b.tobytes("A")
    if isinstance(a, float):
        return struct.pack("d", a) == struct.pack("d", b) or (a != a and b != b)
    return a == b


# ---- what comes back

arrays = st.sampled_from(DTYPES).flatmap(
    lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, min_side=0, max_side=4))
)
leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | arrays
leaves |= arrays.map(np.asfortranarray)
values = st.recursive(
    leaves, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20
)


@settings(max_examples=60, deadline=None)
@given(state=st.dictionaries(st.text(), values))
def test_what_is_saved_comes_back(tmp_path_factory, state):
    path = tmp_path_factory.getbasetemp() / "round trip"
    with mock.patch("os.fsync"):  # which takes its time
        save_state(path, state)
    assert same(load_state(path), state)


@pytest.mark.parametrize("key", ["array", "dict", "float", "bfloat16", "", "\ud800", "a\0b", "ü/."])
def test_any_text_is_a_key_and_a_value(tmp_path, key):
    for state in ({key: 0}, {key: {key: [key]}}, {"x": key}):
        save_state(tmp_path / "f", state)
        assert same(load_state(tmp_path / "f"), state)


@pytest.mark.parametrize("number", [2**127 + 1, -(10**4000), 5e-324, 1.7976931348623157e308, 0.1])
def test_numbers_are_exact(tmp_path, number):
    save_state(tmp_path / "f", {"x": number})
    assert same(load_state(tmp_path / "f"), {"x": number})


def test_bfloat16(tmp_path):
    ml_dtypes = pytest.importorskip("ml_dtypes", reason="bfloat16 is its dtype")
    state = {"m": np.array([[1, -2.5, np.inf], [0, 3, 4]], ml_dtypes.bfloat16), "n": np.arange(3)}
    state["t"] = state["m"].T
    save_state(tmp_path / "f", state)
    found = load_state(tmp_path / "f")
    assert same({**found, "t": found["t"].view(np.uint16)}, {**state, "t": state["t"].view("u2")})
    assert found["t"].dtype == ml_dtypes.bfloat16


def test_bfloat16_without_its_package(tmp_path, monkeypatch):
    ml_dtypes = pytest.importorskip("ml_dtypes", reason="bfloat16 is its dtype")
    save_state(tmp_path / "f", {"m": np.ones(3, ml_dtypes.bfloat16)})
    monkeypatch.setitem(sys.modules, "ml_dtypes", None)
    with pytest.raises(ValueError, match="needs the package ml_dtypes"):
        load_state(tmp_path / "f")


def test_a_strided_array_comes_back_in_the_order_of_c(tmp_path):
    whole = np.arange(24.0).reshape(4, 6)
    save_state(tmp_path / "f", {"x": whole[::2, ::3]})
    assert same(load_state(tmp_path / "f"), {"x": whole[::2, ::3].copy()})


def test_the_name_is_used_as_it_is(tmp_path):
    for name in ("state", "state.npz", "state.tar.gz", "x" * 255):
        save_state(tmp_path / name, STATE)
        assert [path.name for path in tmp_path.iterdir()] == [name]
        assert same(load_state(str(tmp_path / name)), STATE)
        (tmp_path / name).unlink()


def test_the_same_state_is_the_same_bytes(tmp_path):
    save_state(tmp_path / "a", STATE)
    save_state(tmp_path / "b", load_state(tmp_path / "a"))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_numpy_alone_reads_the_arrays(tmp_path):
    save_state(tmp_path / "f.npz", STATE)
    with np.load(tmp_path / "f.npz", allow_pickle=False) as file:
        assert json.loads(file["structure"].tobytes())["version"] == 1
        np.testing.assert_array_equal(file["0"], STATE["m"]["w"])


def nested(depth):
    state = {}
    for _ in range(depth - 1):
        state = {"x": state}
    return state


def test_nesting_has_a_limit(tmp_path):
    save_state(tmp_path / "f", nested(DEEPEST))
    assert same(load_state(tmp_path / "f"), nested(DEEPEST))
    cycle = {}
    cycle["x"] = [cycle]
    for state in (nested(DEEPEST + 1), nested(10_000), cycle):
        with pytest.raises(ValueError, match="nested more than 100 deep at state"):
            save_state(tmp_path / "g", state)


@pytest.mark.parametrize(("state", "message"), [
    ([1], "state must be a dict; got list"),
    ({1: 2}, "keys must be strings; got 1 in state"),
    ({"a": {None: 2}}, r"got None in state\['a'\]"),
    ({"a": [0, (1, 2)]}, r"state\['a'\]\[1\] must be .* got tuple"),
    ({"a": 1j}, "got complex"),
    ({"a": np.float32(1)}, "got float32"),
    ({"a": np.array([None])}, r"state\['a'\] must hold real numbers or integers; got object"),
    ({"a": np.array(["x"])}, "got <U1"),
    ({"a": np.array([True])}, "got bool"),
    ({"a": np.zeros(2, np.longdouble)}, "must hold real numbers"),
    ({"a": np.zeros(2, "f4,f4")}, "must hold real numbers"),
    ({"a": np.ma.zeros(2)}, "got MaskedArray"),
])  # fmt: skip
def test_what_cannot_be_saved(tmp_path, state, message):
    with pytest.raises(TypeError, match=message):
        save_state(tmp_path / "f", state)
    assert not list(tmp_path.iterdir())


# ---- whole or not at all


def test_modes(tmp_path):
    previous = os.umask(0o027)
    try:
        save_state(tmp_path / "f", STATE)
        (tmp_path / "plain").write_text("")
        assert (tmp_path / "f").stat().st_mode == (tmp_path / "plain").stat().st_mode
        (tmp_path / "f").chmod(0o604)
        save_state(tmp_path / "f", {})
        assert stat.S_IMODE((tmp_path / "f").stat().st_mode) == 0o604
    finally:
        os.umask(previous)


def test_a_link_is_followed(tmp_path):
    (tmp_path / "folder").mkdir()
    link = tmp_path / "link"
    link.symlink_to("folder/file")
    for state in (STATE, {"other": 1}):  # without and with a file there
        save_state(link, state)
        assert link.is_symlink()
        assert same(load_state(tmp_path / "folder" / "file"), state)
    assert len(list((tmp_path / "folder").iterdir())) == 1
    link.unlink()
    link.symlink_to("link")
    with pytest.raises(OSError, match="symbolic link"):
        save_state(link, STATE)


def test_what_is_no_file_stays(tmp_path):
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(IsADirectoryError, match="folder"):
        save_state(tmp_path / "folder", STATE)
    with pytest.raises(OSError, match="Not an ordinary file.*pipe"):
        save_state(tmp_path / "pipe", STATE)
    with pytest.raises(FileNotFoundError, match="nowhere.*file"):
        save_state(tmp_path / "nowhere" / "file", STATE)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "pipe"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(errno.ENOSPC, "full"), ValueError])
def test_an_error_while_writing_leaves_the_old_file(tmp_path, monkeypatch, error):
    save_state(tmp_path / "f", STATE)
    savez = np.savez

    def fail(file, **entries):
        savez(file, **entries)
        raise error

    monkeypatch.setattr(np, "savez", fail)
    with pytest.raises(type(error) if isinstance(error, Exception) else error):
        save_state(tmp_path / "f", {"new": 1})
    assert [path.name for path in tmp_path.iterdir()] == ["f"]
    assert same(load_state(tmp_path / "f"), STATE)


@pytest.mark.parametrize("name", ["fsync", "replace"])
def test_an_error_at_the_end_leaves_the_old_file(tmp_path, monkeypatch, name):
    save_state(tmp_path / "f", STATE)

    def fail(*arguments):
        raise OSError(errno.EIO, "broken")

    with monkeypatch.context() as patch:
        patch.setattr(os, name, fail)
        with pytest.raises(OSError, match="broken"):
            save_state(tmp_path / "f", {"new": 1})
    assert [path.name for path in tmp_path.iterdir()] == ["f"]
    assert same(load_state(tmp_path / "f"), STATE)


def test_a_full_disk_leaves_the_old_file(tmp_path):
    """A limit to the size of files is to a process what a full disk is: writing fails midway."""
    save_state(tmp_path / "f", STATE)
    program = """
import errno, resource, signal, sys
import numpy as np
from fastloss.optim.storage import save_state
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    save_state(sys.argv[1], {"x": np.ones(int(sys.argv[2]))})
except OSError as error:
    assert (error.errno, error.filename) == (errno.EFBIG, sys.argv[1]), error
    sys.exit(7)
"""
    for size in (1_000_000, 12_490):  # fails at once, and at the very end
        command = [sys.executable, "-c", program, str(tmp_path / "f"), str(size)]
        assert subprocess.run(command, timeout=60).returncode == 7
        assert [path.name for path in tmp_path.iterdir()] == ["f"]
        assert same(load_state(tmp_path / "f"), STATE)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs users")
def test_what_may_not_be_written_is_not_replaced():
    program = """
import os, sys
from fastloss.optim.storage import save_state
if os.geteuid() == 0:
    os.setuid(65534)
os.chdir(sys.argv[1])
try:
    save_state("f", {"new": 1})
except PermissionError as error:
    assert error.filename == "f", error
    sys.exit(7)
"""
    with tempfile.TemporaryDirectory() as folder:  # pytest's folders are its user's alone
        os.chmod(folder, 0o777)
        path = os.path.join(folder, "f")
        save_state(path, STATE)
        os.chmod(path, 0o444)
        done = subprocess.run([sys.executable, "-c", program, folder], timeout=60)
        assert done.returncode == 7
        assert os.listdir(folder) == ["f"] and same(load_state(path), STATE)


@pytest.mark.skipif(os.name != "posix", reason="modes of POSIX")
def test_what_is_secret_is_secret_while_it_is_written(tmp_path, monkeypatch):
    save_state(tmp_path / "f", STATE)
    (tmp_path / "f").chmod(0o640)
    seen, chmod = [], os.chmod

    def noting(path, mode):
        seen.append(stat.S_IMODE(os.stat(path).st_mode))
        chmod(path, mode)

    monkeypatch.setattr(os, "chmod", noting)
    save_state(tmp_path / "f", {})
    assert seen == [0o600] and stat.S_IMODE((tmp_path / "f").stat().st_mode) == 0o640


def test_errors_at_the_end_name_the_file(tmp_path, monkeypatch):
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    monkeypatch.setattr(os, "fsync", mock.Mock(side_effect=full))
    with pytest.raises(OSError, match="No space left on device") as caught:
        save_state(tmp_path / "f", STATE)
    assert caught.value.filename == str(tmp_path / "f")
    assert not [*tmp_path.iterdir()]


def test_names_reach_the_disk_after_the_content(tmp_path, monkeypatch):
    calls = []
    fsync, replace = os.fsync, os.replace

    def synced(descriptor):
        calls.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", lambda *a: (calls.append("replace"), replace(*a)))
    with written_whole(tmp_path / "f") as file:
        file.write(b"text")
        assert not (tmp_path / "f").exists()
    assert calls == ["file", "replace", "folder"]
    assert (tmp_path / "f").read_bytes() == b"text"


@pytest.mark.skipif(os.name != "posix", reason="only there a folder is opened")
def test_a_folder_that_can_be_written_and_not_read_is_enough(tmp_path, monkeypatch):
    opened = os.open

    def refusing(path, *rest, **options):  # as the system does for all users but root
        if os.path.isdir(path):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        return opened(path, *rest, **options)

    monkeypatch.setattr(os, "open", refusing)
    with pytest.raises(PermissionError):
        os.open(tmp_path, os.O_RDONLY)
    with written_whole(tmp_path / "f") as file:
        file.write(b"text")
    assert (tmp_path / "f").read_bytes() == b"text"


SAVING = """
import itertools, sys
import numpy as np
from fastloss.optim.storage import save_state
print("ready", flush=True)
for version in itertools.count():
    n = 1000 if version % 2 else 300_000
    save_state(sys.argv[1], {"version": version, "x": np.full(n, float(version)), "n": n})
"""


def test_a_kill_leaves_a_whole_version(tmp_path):
    path = tmp_path / "f"
    save_state(path, {"version": 0, "x": np.zeros(1), "n": 1})
    versions = set()
    rng = random.Random(0)
    for _ in range(30):
        command = [sys.executable, "-c", SAVING, str(path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout.readline() == b"ready\n"
            time.sleep(rng.uniform(0, 0.1))
            process.send_signal(signal.SIGKILL)
        state = load_state(path)
        assert same(state["x"], np.full(state["n"], float(state["version"])))
        versions.add((state["version"], state["n"]))
    assert len(versions) > 1
    assert len(list(tmp_path.iterdir())) > 5  # partial files: so often it was killed while writing


# ---- damaged and hostile files


@pytest.fixture
def whole(tmp_path):
    save_state(tmp_path / "whole", STATE)
    return (tmp_path / "whole").read_bytes()


def outcome(path, content):
    """Whether a file of this content is the state; that or a ValueError, and no warnings."""
    path.write_bytes(content)
    try:
        state = load_state(path)
    except ValueError as error:
        assert str(error).startswith(f"'{path}' is not a saved state, or is damaged: ")
        assert type(error) is ValueError
        return False
    assert same(state, STATE)
    return True


def test_a_file_cut_short_raises(tmp_path, whole):
    for size in range(len(whole)):
        assert not outcome(tmp_path / "f", whole[:size])


@pytest.mark.filterwarnings("error")
def test_a_changed_byte_is_noticed_or_has_no_meaning(tmp_path, whole):
    rng = random.Random(0)
    passed = 0
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= rng.choice([1 << rng.randrange(8), 0xFF])
        passed += outcome(tmp_path / "f", bytes(damaged))
    assert passed < len(whole) / 5  # dates and the like


def test_noise_raises(tmp_path, whole):
    rng = random.Random(0)
    for _ in range(300):
        damaged = bytearray(whole)
        for _ in range(rng.randrange(2, 40)):
            damaged[rng.randrange(len(whole))] = rng.randrange(256)
        outcome(tmp_path / "f", bytes(damaged))
        assert not outcome(tmp_path / "f", rng.randbytes(rng.randrange(2000)))


def npy(array, **options):
    file = io.BytesIO()
    np.lib.format.write_array(file, np.asanyarray(array), **options)
    return file.getvalue()


def header(text):
    """A .npy file of this header."""
    text = text.encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


def archive(path, structure, entries=(), **options):
    """A file of this structure, an object or JSON's text, and of these entries."""
    if not isinstance(structure, str):
        structure = json.dumps({"format": "fastloss state", "version": 1, "state": structure})
    with zipfile.ZipFile(path, "w", **options) as file:
        file.writestr("structure.npy", npy(np.frombuffer(structure.encode(), np.uint8)))
        for name, content in entries:
            file.writestr(name, content)


ONE = ("0.npy", npy(np.ones(3)))
USES_ONE = {"dict": {"x": {"array": 0}}}
HUGE = "{'descr': '<f8', 'fortran_order': False, 'shape': (1152921504606846976,), }"


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(("structure", "entries", "message"), [
    (USES_ONE, [], "there is no entry 0.npy"),
    (USES_ONE, [ONE, ("1.npy", ONE[1])], "entry 1.npy belongs to nothing"),
    (USES_ONE, [ONE, ONE], "an entry occurs twice"),
    ({"dict": {"x": {"array": 0}, "y": {"array": 0}}}, [ONE], "or it is used twice"),
    ({"dict": {"x": {"array": True}}}, [ONE], "an object that is no dict, float or array"),
    ({"dict": {"x": {"array": "0"}}}, [ONE], "an object that is no dict, float or array"),
    ({"dict": {"x": {"array": -1}}}, [ONE], "there is no entry -1.npy"),
    ({"dict": {"x": {"array": 0, "bfloat16": 0}}}, [ONE], "an object of 2 entries"),
    ({"dict": {"x": {"bfloat16": 0}}}, [ONE], "stored as uint16; got float64"),
    ({"dict": {"x": {"float": "1"}}}, [], "an object that is no"),
    ({"dict": {"x": {"float": []}}}, [], "an object that is no"),
    ({"dict": {"x": {"module": "os"}}}, [], "an object that is no .*: 'module'"),
    ({"dict": [1]}, [], "an object that is no"),
    ({}, [], "an object of 0 entries"),
    ([], [], "its state is not a dict"),
    (USES_ONE, [("0.npy", npy([None], allow_pickle=True))], "entry 0.npy is no array of real"),
    (USES_ONE, [("0.npy", npy(["x"]))], "entry 0.npy is no array of real"),
    (USES_ONE, [("0.npy", npy([1j]))], "entry 0.npy is no array of real"),
    (USES_ONE, [("0.npy", npy(np.zeros(2, "f4,O"), allow_pickle=True))], "entry 0.npy is no array"),
    (USES_ONE, [("0.npy", npy(np.ones(3), version=(2, 0)))], "entry 0.npy is no array"),
    (USES_ONE, [("0.npy", header(HUGE + "\n"))], "another size than its shape"),
    (USES_ONE, [("0.npy", header(HUGE.replace("976", "976, 0") + "\n"))], ""),
    (USES_ONE, [("0.npy", header(HUGE.replace("11", "-11")))], "is no array"),
    (USES_ONE, [("0.npy", header(HUGE.replace("11529", "-1, 11529")))], "is no array"),
    (USES_ONE, [("0.npy", header(HUGE.replace("11529", "1<<60, 11529")))], "is no array"),
    (USES_ONE, [("0.npy", header("{[]: 1}"))], "is no array"),
    (USES_ONE, [("0.npy", header("(" * 9000))], "is no array"),
    (USES_ONE, [("0.npy", header("9" * 9000))], "is no array"),
    (USES_ONE, [("0.npy", ONE[1] + b"more")], "another size than its shape"),
    (USES_ONE, [("0.npy", ONE[1][:-1])], "another size than its shape"),
    (USES_ONE, [("0.npy", b"")], "is no array"),
    ('{"format": "fastloss state", "version": 2, "state": {}}', [], "it is of version 2"),
    ('{"format": "fastloss state", "version": 1.0, "state": {}}', [], "it is of version 1.0"),
    ('{"format": "fastloss state", "version": true, "state": {}}', [], "it is of version True"),
    ('{"format": "fastloss state", "state": {}}', [], "it is of version None"),
    ('{"format": "fastloss state", "version": 1}', [], "another form"),
    ('{"format": "fastloss state", "version": 1, "state": {"dict": {}}, "x": 1}', [], "form"),
    ('{"version": 1, "state": {"dict": {}}}', [], "not that of a fastloss state"),
    ('{"format": 1, "format": 2}', [], "a name occurs twice"),
    ("[NaN]", [], "NaN, which is not JSON"),
    ("[-Infinity]", [], "-Infinity, which is not JSON"),
    ("[1e999]", [], "1e999, which no float holds"),
    ("[" + "1" * 5000 + "]", [], "digits"),
    ("[" * 100_000, [], "recursion"),
    ("[" * 500 + "]" * 500, [], "not that of a"),
    ('{"format": "fastloss state", "version": 1, "state": ' + "[" * 200 + "]" * 200 + "}", [],
     "nested more than 100 deep"),
    ("not JSON", [], "Expecting value"),
    ("\u00fc", [], "ascii"),
    ("", [], "Expecting value"),
])  # fmt: skip
def test_hostile_files(tmp_path, structure, entries, message):
    archive(tmp_path / "f", structure, entries)
    with pytest.raises(ValueError, match=f"'{tmp_path / 'f'}' is not .*{message}") as caught:
        load_state(tmp_path / "f")
    assert type(caught.value) is ValueError
    assert caught.value.__suppress_context__


def test_a_bomb_is_not_unpacked(tmp_path):
    archive(
        tmp_path / "f",
        USES_ONE,
        [("0.npy", npy(np.zeros(10_000_000)))],
        compression=zipfile.ZIP_DEFLATED,
    )
    assert (tmp_path / "f").stat().st_size < 100_000
    with pytest.raises(ValueError, match="an entry is compressed"):
        load_state(tmp_path / "f")


def test_entries_that_share_bytes_are_refused(tmp_path, whole):
    """Many entries of the directory that all point to one content are a bomb too."""
    archive(tmp_path / "f", USES_ONE, [("0.npy", npy(np.zeros(100_000)))])
    content = (tmp_path / "f").read_bytes()
    with zipfile.ZipFile(tmp_path / "f") as file:
        start = file.start_dir
    directory, end = content[start:-22], content[-22:]
    entry = directory[directory.index(b"PK\x01\x02", 4) :]
    copies = [entry.replace(b"0.npy", f"{k}.npy".encode()) for k in range(1, 10)]
    directory += b"".join(copies)
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 11, 11, len(directory), start, 0)
    (tmp_path / "f").write_bytes(content[:start] + directory + end)
    with pytest.raises(ValueError, match="larger than the file"):
        load_state(tmp_path / "f")


def test_files_that_are_not_there(tmp_path):
    with pytest.raises(FileNotFoundError):
        load_state(tmp_path / "f")
    with pytest.raises(IsADirectoryError):
        load_state(tmp_path)
    archive(tmp_path / "f.npz", USES_ONE, [ONE])
    with pytest.raises(FileNotFoundError):
        load_state(tmp_path / "f")
    assert same(load_state(tmp_path / "f.npz"), {"x": np.ones(3)})


@pytest.mark.parametrize("key", ["params", "self", "common", "state_dtype", "max_norm", "other"])
@pytest.mark.parametrize("grouped", [False, True])
def test_an_option_that_there_is_not_is_damage(tmp_path, key, grouped):
    w = np.ones(3)
    params = [{"params": w}] if grouped else w
    path = tmp_path / "f"
    fl.optim.Adam(params).save(path)
    fl.optim.load(path, params)
    state = load_state(path)
    state["groups"][0][key] = 1
    save_state(path, state)
    with pytest.raises(ValueError, match=f"f is damaged: Adam has no option {key!r}"):
        fl.optim.load(path, params)
