"""Synthetic speech: syllables of several speakers and emotions.

A pulse train and noise are filtered by the resonances of a vocal tract. It does not
sound like a human, but pitch, loudness, formants and spectral slope depend on speaker
and emotion as in speech, so all eGeMAPS features vary.
"""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile
from scipy.signal import lfilter

# pitch factor, pitch range in semitones, loudness, syllables per second, tilt
EMOTIONS = {
    "anger": (1.35, 5.0, 0.50, 6.0, 0.70),
    "happiness": (1.50, 7.0, 0.35, 5.5, 0.80),
    "neutral": (1.00, 2.0, 0.20, 4.5, 0.90),
    "sadness": (0.90, 1.0, 0.08, 3.0, 0.95),
}
VOWELS = [(730, 1090, 2440), (270, 2290, 3010), (300, 870, 2240), (530, 1840, 2480)]


def utterance(
    speaker=0, emotion="neutral", take=0, *, seconds=1.0, sampling_rate=16000
):
    """Return a float32 signal, the same for the same arguments.

    Speakers with even numbers have a low pitch and a long vocal tract, the others a
    high pitch and a short one.
    """
    voice = np.random.default_rng(speaker)
    pitch = (110, 205)[speaker % 2] * voice.uniform(0.9, 1.1)
    tract = (1.0, 1.17)[speaker % 2] * voice.uniform(0.95, 1.05)
    factor, semitones, loudness, pace, tilt = EMOTIONS[emotion]
    rng = np.random.default_rng([speaker, list(EMOTIONS).index(emotion), take])
    n_samples = int(seconds * sampling_rate)
    parts = [np.zeros(sampling_rate // 50)]
    while sum(map(len, parts)) < n_samples:
        syllable = int(sampling_rate / pace * rng.uniform(0.8, 1.2))
        parts.append(_fricative(rng, syllable // 4))
        f0 = pitch * factor * 2 ** (semitones * rng.normal() / 24)
        parts.append(
            _vowel(
                rng,
                f0 * 2 ** (np.linspace(semitones, -semitones, 3 * syllable // 4) / 24),
                tract * np.array(VOWELS[rng.integers(len(VOWELS))]),
                tilt,
                sampling_rate,
            )
        )
        parts.append(np.zeros(int(syllable * rng.uniform(0.1, 0.4))))
    signal = np.concatenate(parts)[:n_samples]
    signal += rng.normal(scale=0.003, size=n_samples)
    return (loudness * signal / np.abs(signal).max()).astype(np.float32)


def write_corpus(folder, *, n_speakers=3, n_takes=1, seconds=0.5, sampling_rate=16000):
    """Write each speaker with each emotion as WAV; return file, speaker and emotion."""
    rows = [
        (f"{speaker:02d}-{emotion}-{take}.wav", f"{speaker:02d}", emotion, take)
        for speaker in range(n_speakers)
        for emotion in EMOTIONS
        for take in range(n_takes)
    ]
    for name, speaker, emotion, take in rows:
        signal = utterance(
            int(speaker), emotion, take, seconds=seconds, sampling_rate=sampling_rate
        )
        soundfile.write(Path(folder) / name, signal, sampling_rate)
    table = pd.DataFrame(rows, columns=["file", "speaker", "emotion", "take"])
    return table.assign(file=[str(Path(folder) / name) for name in table["file"]])


def spoil(path):
    """Make a file useless, with the size and the modification time that it had."""
    status = os.stat(path)
    Path(path).write_bytes(bytes(status.st_size))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def _fricative(rng, n_samples):
    """Return noise without low frequencies."""
    noise = rng.normal(size=n_samples)
    return 0.15 * np.hanning(n_samples) * np.diff(noise, prepend=0.0)


def _vowel(rng, f0, formants, tilt, sampling_rate):
    """Return pulses at the rate `f0`, one value per sample, filtered by resonances."""
    jitter = rng.normal(scale=0.01, size=len(f0))
    cycles = np.cumsum(f0 * (1 + jitter) / sampling_rate)
    pulses = np.diff(np.floor(cycles), prepend=0.0)
    sound = lfilter([1.0], [1.0, -tilt], pulses - pulses.mean())
    for formant, bandwidth in zip(formants, (80, 110, 160), strict=True):
        radius = np.exp(-np.pi * bandwidth / sampling_rate)
        angle = 2 * np.pi * min(formant, 0.45 * sampling_rate) / sampling_rate
        sound = lfilter([1.0], [1.0, -2 * radius * np.cos(angle), radius**2], sound)
    return np.hanning(len(sound)) ** 0.5 * sound / np.abs(sound).max()
