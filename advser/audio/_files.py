"""Audio files: decoded by libsndfile, and checked to be whole.

The errors here start with a verb: the caller puts the name of the file before it.
"""

import io
import os
import re

import numpy as np
import soundfile

MAX_LOSS = 0.010  # seconds: the step from one frame of openSMILE to the next
UNKNOWN = 2**62  # frames: libsndfile gives more if a file states no length
BLOCK = 2**22  # frames decoded at once
LFS_POINTER = b"version ht"  # tps://git-lfs.github.com/spec/v1

# Where a file is shorter than its header says, libsndfile corrects the length without
# an error; only its log shows both. A program that writes to a pipe cannot go back to
# fill in the size and leaves a huge one there; others are wrong by a few bytes.
CHUNK_SIZE = re.compile(
    r"^ *(?:data|SSND|BODY|riff|Data Size) *: (\d+) \(should be (\d+)\)", re.MULTILINE
)
PIPED_SIZE = 0x7FFF0000
CUT_SHORT = re.compile(
    r"^(?:Seems to be a truncated file"
    r"|\*\*\* Calculated frame count \d+ does not match value from 'ds64'"
    r"|Ogg ?: Last page lacks an end-of-stream bit"
    r"|Ogg : File ended unexpectedly"
    r"|Ogg ?: Junk after the last page)",  # Vorbis and Opus: no blank in the former
    re.MULTILINE,
)


class Sound(soundfile.SoundFile):
    """A file that is decoded from start to end.

    soundfile seeks after each read, even if libsndfile cannot seek in the format.
    """

    def seekable(self) -> bool:
        """Return False, so that soundfile does not seek after each read."""
        return False


class LongFile(io.FileIO):
    """A file that seems to be much longer than it is.

    If an MP3 file does not state its length, libsndfile estimates it from the size of
    the file and the bit rate at the start, and decodes no more than that. Bit rates
    differ by a factor of 40 at most.
    """

    at_end = False

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move to a position in the file."""
        self.at_end = whence == os.SEEK_END
        return super().seek(offset, whence)

    def tell(self) -> int:
        """Return the position, or a larger one at the end of the file."""
        return super().tell() * (64 if self.at_end else 1)


def read_file(file: str, start: float, end: float | None) -> tuple[np.ndarray, int]:
    """Return the samples of an audio file, (n_channels, n_samples), and its rate."""
    with open(file, "rb") as opened:
        head = opened.read(10)
        if not head:
            raise ValueError("is empty, a file of 0 bytes; restore it.")
        if head == LFS_POINTER:
            raise ValueError(
                "is a pointer of Git LFS instead of the recording; run `git lfs pull` "
                "in its repository."
            )
        if head[:3] == b"ID3":  # a tag of MP3, whose size is in 7 bits of each byte
            opened.seek(sum(byte << 7 * k for k, byte in enumerate(head[:5:-1])), 1)
            head = opened.read(10)
        stated = None
        if head[:7] == b"NIST_1A":  # libsndfile does not compare its length
            count = re.search(rb"\nsample_count -i (\d+)", opened.read(1024))
            stated = int(count[1]) if count else None
        # The first frame of MP3 starts with 11 bits of 1; others have a header there.
        has_length = True
        if head[:1] == b"\xff" and head[1:2] >= b"\xe0":
            first_frame = opened.read(64)
            has_length = any(
                name in first_frame for name in (b"Xing", b"Info", b"VBRI")
            )
    try:
        if has_length:
            # libsndfile also opens names that are not valid in the encoding.
            with Sound(file if os.name == "nt" else os.fsencode(file)) as sound:
                return read_sound(sound, start, end, stated=stated)
        with LongFile(file) as long_file, Sound(long_file) as sound:
            return read_sound(sound, start, end, has_length=False)
    except (soundfile.SoundFileError, TypeError) as error:
        # soundfile raises a TypeError for the suffixes of formats without a header.
        reason = getattr(error, "error_string", "it has no header").strip(" .")
        raise ValueError(
            f"cannot be read as audio: {reason or 'it is damaged'}; convert it to WAV "
            "or FLAC if other programs can play it."
        ) from error


def read_sound(
    sound: Sound,
    start: float,
    end: float | None,
    has_length: bool = True,
    stated: int | None = None,
) -> tuple[np.ndarray, int]:
    """Return the samples of an open file, or raise if they are not all there.

    `stated` is the number of frames in its header, unless libsndfile compares that.
    """
    rate, n_frames, log = sound.samplerate, sound.frames, sound.extra_info
    first, last = round(start * rate), None if end is None else round(end * rate)
    is_known = has_length and n_frames < UNKNOWN
    position = 0
    if is_known:
        check_segment(first, last, n_frames, rate)
        last = n_frames if last is None else min(last, n_frames)
        if first and super(Sound, sound).seekable():
            position = sound.seek(first)
    blocks = []
    while last is None or position < last:
        n_wanted = BLOCK if last is None else min(BLOCK, last - position)
        block = sound.read(n_wanted, dtype="float32", always_2d=True)
        blocks.append(block[max(first - position, 0) :])
        position += len(block)
        if len(block) < n_wanted:
            break
    lost = [0.0]  # seconds
    if is_known and last is not None:
        lost.append((last - position) / rate)
    else:
        n_frames = position
        check_segment(first, last, n_frames, rate)
    if stated is not None:
        lost.append((stated - n_frames) / rate)
    for size, found in CHUNK_SIZE.findall(log):
        if int(found) and int(size) < PIPED_SIZE:
            lost.append(n_frames / rate * (int(size) / int(found) - 1))
    if max(lost) > MAX_LOSS or CUT_SHORT.search(log):
        raise ValueError(
            f"is cut short: it ends after {position / rate:.3f} s, earlier than its "
            "header says; restore the file."
        )
    return np.concatenate([np.empty((0, sound.channels), np.float32), *blocks]).T, rate


def check_segment(first: int, last: int | None, n_frames: int, rate: int) -> None:
    """Raise if a segment is not in its file; all but the rate in samples."""
    last = n_frames if last is None else last
    if first > n_frames or last - n_frames > MAX_LOSS * rate:
        raise ValueError(
            f"lasts {n_frames / rate:.3f} s, and its segment goes from "
            f"{first / rate:g} to {last / rate:g} s; correct `start` and `end`."
        )
