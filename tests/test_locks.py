"""Locks of outputs: held by one process at a time, and freed when it dies."""

import errno
import os
import re
import subprocess
import sys
import threading

import pytest

from advser._locks import locked, replacing

HOLD = """\
import sys
from advser._locks import locked
with locked(sys.argv[1]):
    print("locked", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    """Start a process that holds the lock of an output."""
    command = [sys.executable, "-c", HOLD, tmp_path / "output"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, **pipes) as process:
        assert process.stdout.readline() == b"locked\n"
        yield process
        process.kill()


def test_lock_of_another_process_is_refused_until_it_is_killed(holder, tmp_path):
    message = r"output is being written by another process; wait until it ends"
    for _ in range(2):
        with pytest.raises(BlockingIOError, match=message), locked(tmp_path / "output"):
            pass
    with locked(tmp_path / "another"):
        pass
    holder.kill()  # it has no time to delete the file
    holder.wait()
    with locked(tmp_path / "output"):
        assert os.listdir(tmp_path) == ["output.lock"]
    assert not os.listdir(tmp_path)


def test_lock_is_freed_after_an_error(tmp_path):
    for _ in range(2):
        with pytest.raises(KeyError), locked(tmp_path / "output"):
            raise KeyError
    assert not os.listdir(tmp_path)


def test_one_thread_at_a_time_holds_the_lock(tmp_path):
    inside, most, refused = [], [], []

    def work():
        for _ in range(200):
            try:
                with locked(tmp_path / "output"):
                    inside.append(1)
                    most.append(len(inside))
                    inside.pop()
            except BlockingIOError:
                refused.append(1)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(most) == {1}
    assert len(most) + len(refused) == 800


def test_folder_that_does_not_exist_is_an_error_with_its_name(tmp_path):
    with pytest.raises(OSError, match="nowhere"), locked(tmp_path / "nowhere" / "out"):
        pass


def test_a_private_file_stays_private_and_a_link_a_link(tmp_path):
    file, link = tmp_path / "file", tmp_path / "link"
    file.write_text("old")
    file.chmod(0o600)
    link.symlink_to(file)
    with replacing(link) as unfinished:
        unfinished.write_text("new")
    assert link.is_symlink()
    assert file.read_text() == "new"
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_name_may_be_as_long_as_the_file_system_takes(tmp_path):
    path = tmp_path / ("ä" * 120 + ".x")
    with replacing(path) as unfinished:
        unfinished.write_text("new")
    assert path.read_text() == "new"


def test_a_full_disk_names_the_file_and_the_remedy(tmp_path):
    path = tmp_path / "out"
    path.write_text("old")
    message = f"free disk space, and repeat the same call. Cannot write: '{path}'"
    with pytest.raises(OSError, match=re.escape(message)), replacing(path):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert path.read_text() == "old"
    assert [*tmp_path.iterdir()] == [path]
