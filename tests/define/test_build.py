"""Compiled losses are kept, and built again where they are damaged; what fails is said."""

import os
import stat
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from build_flags import flags
from isa import EVERY

import fastloss as fl
from fastloss.define import build
from fastloss.define.formulas import Graph
from fastloss.define.source import c_source


@pytest.fixture
def cache(tmp_path, monkeypatch):
    folder = tmp_path / "cache"
    monkeypatch.setenv("FASTLOSS_CACHE", str(folder))
    return folder


def source(formula="exp(z - y) - (z - y) - 1"):
    graph = Graph()
    value = graph.parse(formula, ())
    grad = graph.derivative(value)
    return c_source([value, grad, *[graph.derivative(grad)] * 2], ())


DEFINES = """
import sys, fastloss as fl
Own = fl.define_loss("own", "(z - y)**4 + {extra}", y="[0, 1]")
print(Own()([0.0, 1.0], [1.0, 1.0]))
"""


def run(code, **environment):
    env = os.environ | environment
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env=env,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_it_is_compiled_once(cache, monkeypatch):
    build.load(source())
    (kept,) = cache.iterdir()
    assert kept.suffix == build.SUFFIX and stat.S_IMODE(cache.stat().st_mode) == 0o700

    def never(*arguments):
        raise AssertionError("it was compiled again")

    monkeypatch.setattr(build, "_compile", never)
    build.load(source())
    assert list(cache.iterdir()) == [kept]


def test_what_is_damaged_is_compiled_again(cache):
    build.load(source())
    (kept,) = cache.iterdir()
    content = kept.read_bytes()
    for damage in (b"", content[:1000], b"\x7fELF" + content[4:-1] + b"!"):
        kept.unlink()  # the one that is loaded stays as it is
        kept.write_bytes(damage)
        _, addresses = build.load(source())
        assert all(addresses)
        assert any(path.read_bytes() == content or path != kept for path in cache.iterdir())


def test_another_version_is_another_file(cache, monkeypatch):
    build.load(source())
    monkeypatch.setattr(build, "__version__", "0.0.1")
    build.load(source())
    monkeypatch.setattr(build, "_headers", lambda: "another")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(build, "_compile", lambda source, key, folder: {}[key])
        with pytest.raises(KeyError):
            build.load(source())
    assert len(list(cache.iterdir())) == 2


def test_flags_are_those_of_kernels():
    assert set(build.INSTRUCTIONS) == {"baseline", "avx2", "avx512"} >= set(EVERY)
    for isa in EVERY:
        ours = {*build.FLAGS, *build.INSTRUCTIONS[isa]}
        assert ours - {"-std=c11", "-w"} == set(flags(isa))


def test_many_at_once(cache):
    with ThreadPoolExecutor(8) as pool:
        losses = list(pool.map(lambda _: fl.define_loss("at_once", "(z - y)**6"), range(8)))
    assert len(set(losses)) == 1
    codes = [DEFINES.format(extra="y*0.25")] * 6
    with ThreadPoolExecutor(6) as pool:
        done = list(pool.map(lambda code: run(code, FASTLOSS_CACHE=str(cache)), codes))
    assert [(x.stdout, x.stderr) for x in done] == [("0.625\n", "")] * 6
    assert not [path for path in cache.iterdir() if path.name.startswith("build-")]


def test_a_broken_compiler_says_what_it_said(cache, tmp_path):
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\necho 'fatal: it is broken' >&2\nexit 3\n")
    broken.chmod(0o755)
    done = run(DEFINES.format(extra="1"), FASTLOSS_CACHE=str(cache), CC=str(broken))
    last = done.stderr.strip().splitlines()[-2:]
    assert (
        "fastloss.define.build.CompileError: the C compiler" in last[0]
        and "it is broken" in last[1]
    )
    absent = run(DEFINES.format(extra="1"), FASTLOSS_CACHE=str(cache), CC="/no/such/cc")
    assert "CompileError: the C compiler /no/such/cc cannot run" in absent.stderr
    silent = run(DEFINES.format(extra="1"), FASTLOSS_CACHE=str(cache), CC="true")
    assert "CompileError: the C compiler true failed" in silent.stderr
    assert list(cache.iterdir()) == []


def test_without_a_compiler(cache, tmp_path, monkeypatch):
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(build.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(fl.CompileError, match=r"needs a C compiler.*fastloss\[define\]"):
        build.compiler()
    monkeypatch.setattr(build.importlib.util, "find_spec", lambda name: name == "ziglang")
    assert build.compiler() == [sys.executable, "-m", "ziglang", "cc", "-mcpu=baseline"]


def test_the_compiler_of_cc(monkeypatch):
    monkeypatch.setenv("CC", "ccache gcc -g")
    assert build.compiler() == ["ccache", "gcc", "-g"]


@pytest.mark.skipif(
    sys.platform == "win32" or not hasattr(os, "geteuid"), reason="folders of POSIX"
)
def test_a_folder_that_cannot_be_written(tmp_path, monkeypatch):
    file = tmp_path / "file"
    file.write_text("")
    monkeypatch.setenv("FASTLOSS_CACHE", str(file / "cache"))
    with pytest.raises(OSError, match="cannot be kept in .*set FASTLOSS_CACHE to a folder"):
        build.load(source("z**2"))
    monkeypatch.setenv("FASTLOSS_CACHE", "/dev/full/cache")
    with pytest.raises(OSError, match="cannot be kept"):
        build.load(source("z**2"))


def test_where_losses_are_kept(monkeypatch, tmp_path):
    monkeypatch.delenv("FASTLOSS_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    if sys.platform.startswith("linux"):
        assert build.cache_folder() == tmp_path / "fastloss"
        monkeypatch.delenv("XDG_CACHE_HOME")
        assert build.cache_folder().parts[-2:] == (".cache", "fastloss")


def test_a_kernel_of_wrong_functions_is_refused():
    from fastloss._core import Kernel

    with pytest.raises(ValueError, match="has 16 functions"):
        Kernel(None, [1, 2], ())
    with pytest.raises(ValueError, match="has 16 functions"):
        Kernel(None, [0] * 16, ())
    assert np.isfinite(fl.SquaredError()([0.0], [1.0]))


# ---- who may write to the folder ---------------------------------------------------------------

posix = pytest.mark.skipif(os.name != "posix", reason="owners and modes of POSIX")
root = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give files away"
)
NOBODY = 65534


def compiled_anew(monkeypatch):
    """The folders that losses are compiled in, from now on."""
    folders, compiles = [], build._compile

    def noting(source, key, folder):
        folders.append(folder)
        return compiles(source, key, folder)

    monkeypatch.setattr(build, "_compile", noting)
    return folders


@posix
@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o707])
def test_a_folder_that_others_can_write_to_is_not_used(cache, monkeypatch, mode):
    build.load(source())
    before = [*cache.iterdir()]
    cache.chmod(mode)
    folders = compiled_anew(monkeypatch)
    for _ in range(2):  # what is there is not loaded, and nothing is put there
        with pytest.warns(UserWarning, match=f"{cache} can be written by other users, who could"):
            _, addresses = build.load(source())
        assert any(addresses)
    assert len(folders) == 2 and cache not in folders
    assert [*cache.iterdir()] == before
    assert not any(folder.exists() for folder in folders)


@posix
def test_a_library_that_others_can_write_is_compiled_again(cache, monkeypatch):
    build.load(source())
    (kept,) = cache.iterdir()
    kept.chmod(0o757)
    folders = compiled_anew(monkeypatch)
    build.load(source())
    assert folders == [cache]
    (kept,) = cache.iterdir()
    assert stat.S_IMODE(kept.stat().st_mode) & 0o022 == 0
    build.load(source())
    assert folders == [cache]


@posix
def test_libraries_are_not_for_a_group_to_write(cache):
    previous = os.umask(0o002)
    try:
        build.load(source())
    finally:
        os.umask(previous)
    (kept,) = cache.iterdir()
    assert stat.S_IMODE(kept.stat().st_mode) & 0o022 == 0


@posix
def test_a_group_of_this_user_alone_may_write(cache, monkeypatch):
    """Many systems give each user one, and files that it may write."""
    cache.mkdir()
    cache.chmod(0o770)
    for alone, danger in ((True, None), (False, "can be written by other users")):
        monkeypatch.setattr(build, "_is_own_group", lambda number, alone=alone: alone)
        assert build._danger(cache) == danger


@posix
def test_whose_group_it_is(monkeypatch):
    grp, pwd = pytest.importorskip("grp"), pytest.importorskip("pwd")
    users = {os.geteuid(): pwd.struct_passwd(("me", "x", os.geteuid(), 7, "", "/", "/"))}
    monkeypatch.setattr(pwd, "getpwuid", users.__getitem__)
    groups = {
        1: grp.struct_group(("me", "x", 1, [])),
        2: grp.struct_group(("me", "x", 2, ["me"])),
        3: grp.struct_group(("me", "x", 3, ["me", "other"])),
        4: grp.struct_group(("staff", "x", 4, [])),
    }
    monkeypatch.setattr(grp, "getgrgid", groups.__getitem__)
    assert [build._is_own_group(number) for number in (1, 2, 3, 4, 5)] == [1, 1, 0, 0, 0]


@root
def test_a_folder_of_another_user_is_not_used(cache, monkeypatch):
    cache.mkdir(mode=0o755)
    os.chown(cache, NOBODY, NOBODY)
    with pytest.warns(UserWarning, match="belongs to another user, who could put code there"):
        build.load(source())
    assert not [*cache.iterdir()]
    os.chown(cache, 0, 0)
    build.load(source())
    (kept,) = cache.iterdir()
    os.chown(kept, NOBODY, NOBODY)
    folders = compiled_anew(monkeypatch)
    build.load(source())
    assert folders == [cache]


READS = """
import os, sys
import fastloss as fl
from fastloss.define import build
os.setgid({nobody})
os.setuid({nobody})
def never(*arguments):
    raise AssertionError("it was compiled again")
build._compile = never
Own = fl.define_loss("own", "(z - y)**4 + 1", y="[0, 1]")
print(Own()([0.0, 1.0], [1.0, 1.0]))
"""


@root
def test_what_root_has_prepared_is_for_all_to_read():
    """As in an image of a container, whose processes run as another user."""
    with tempfile.TemporaryDirectory(prefix="fastloss-") as folder:  # pytest's are root's alone
        cache = os.path.join(folder, "cache")
        assert run(DEFINES.format(extra="1"), FASTLOSS_CACHE=cache).stdout == "1.5\n"
        os.chmod(folder, 0o755)
        os.chmod(cache, 0o755)
        done = run(READS.format(nobody=NOBODY), FASTLOSS_CACHE=cache)
        assert (done.stdout, done.stderr) == ("1.5\n", "")


# ---- processes that are stopped ----------------------------------------------------------------


def test_what_killed_compilers_left_is_removed(cache):
    old, new = cache / "build-old", cache / "build-new"
    for folder in (old, new):
        folder.mkdir(parents=True)
        (folder / "loss.c").write_text("")
    cache.chmod(0o700)
    os.utime(old, (0, 0))
    build.load(source())
    assert not old.exists() and new.exists()  # somebody may be at work there
