"""Small copies of corpora, in the layout and the formats of the originals.

The audio is synthetic, the labels are invented.
"""

import re
import zlib
from pathlib import Path

import soundfile
from speech import utterance

# A turn in IEMOCAP: the summary line, then the choices of each rater.
IEMOCAP_TURN = """\
[{:.4f} - {:.4f}]\t{}\t{}\t[{:.4f}, {:.4f}, {:.4f}]
C-E2:\tNeutral;\t()
C-E3:\tAnger; Frustration;\t(annoyed)
C-F1:\tNeutral;\t()
A-E3:\tval 3; act 2; dom  2;\t()
A-E4:\tval 2; act 3; dom  ;\t(mildly [1 - 2] aggravated)

"""
# A turn in MSP-IMPROV.
MSP_IMPROV_TURN = """\
UTD-IMPROV-{}.avi; {}; A:{:.6f}; V:{:.6f}; D:{} ; N:{:.6f};
41018-p1; Neutral; Neutral,Frustrated; A:3.000000; V:3.000000; D:3.000000; N:4.000000;
41020-p2; Angry; ; A:2.000000; V:2.000000; D:NaN; N:4.000000;

"""
MOSEI_HEADER = (
    '"HITId","Input.VIDEO_ID","Input.CLIP","WorkerId","Answer.anger","Answer.disgust",'
    '"Answer.fear","Answer.happiness","Answer.sadness","Answer.sentiment",'
    '"Answer.surprise"\n'
)


def write_audio(*parts, seconds=0.3, speaker=0, sampling_rate=16000):
    """Write speech to a file, another for each name, and create its folders."""
    path = make_path(*parts)
    take = zlib.crc32(path.name.encode())
    signal = utterance(speaker, take=take, seconds=seconds, sampling_rate=sampling_rate)
    soundfile.write(path, signal, sampling_rate)


def write_text(*parts, text):
    make_path(*parts).write_text(text, encoding="utf-8")


def write_shown(page, root):
    """Write empty files of the names that a page shows in blocks of code of `none`."""
    blocks = re.findall(
        r"^\.\. code-block:: none\n\n((?:   .+\n)+)", page, re.MULTILINE
    )
    for line in "".join(blocks).splitlines():
        make_path(root, line.strip()).touch()


def make_path(*parts):
    """Return the path of a file whose folders exist."""
    path = Path(*parts)
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def write_iemocap(root):
    """Write two of the five sessions: three dialogs of eight turns in all."""
    dialogs = {
        (1, "Ses01F_impro01"): [
            ("F000", "neu", 2.5, 2.5, 2.0, "Excuse me."),
            ("M000", "fru", 2.0, 3.5, 3.5, "Do you have your forms?"),
            ("F001", "xxx", 3.0, 3.0, 3.0, "Yeah."),
            ("M001", "exc", 4.5, 4.0, 3.0, "Let me see them."),
        ],
        (1, "Ses01F_script01_1"): [
            ("F000", "ang", 1.5, 4.0, 4.5, "What's that?"),
            ("M000", "hap", 4.0, 3.0, 3.0, "Nothing [LAUGHTER]."),
        ],
        (5, "Ses05M_script03_2b"): [
            ("M000", "sad", 1.5, 1.5, 2.0, "Please."),
            ("F000", "oth", 2.5, 3.0, 3.0, "No: never."),
        ],
    }
    for (session, dialog), turns in dialogs.items():
        folder = Path(root, f"Session{session}")
        labels = "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n\n"
        texts = ""
        for number, (turn, *label, text) in enumerate(turns):
            name, start, end = f"{dialog}_{turn}", 6.29 + number, 7.2 + number
            labels += IEMOCAP_TURN.format(start, end, name, *label)
            texts += f"{name} [{start:08.4f}-{end:08.4f}]: {text}\n"
            write_audio(folder, "sentences", "wav", dialog, f"{name}.wav")
        texts += "M: [BREATHING]\n"  # some lines belong to no turn
        write_text(folder, "dialog", "EmoEvaluation", f"{dialog}.txt", text=labels)
        write_text(folder, "dialog", "transcriptions", f"{dialog}.txt", text=texts)
        # Other files of the archive, which the reader must ignore.
        write_text(folder, "dialog", "EmoEvaluation", f"._{dialog}.txt", text="\0")
        rater = folder / "dialog" / "EmoEvaluation" / "Categorical"
        write_text(rater, f"{dialog}_e1_cat.txt", text=f"{dialog}_F000 :Anger;\n")
        write_audio(folder, "dialog", "wav", f"{dialog}.wav")
        write_text(folder, "sentences", "wav", dialog, f"._{dialog}_F000.wav", text="")


def write_msp_improv(root):
    """Write turns of two sessions, in all scenarios."""
    turns = [
        ("S01A-F01-P-FM01", "N", 3.2, 3.0, "2.800000", 3.6),
        ("S01A-F01-S-FM01", "A", 1.4, 1.8, "4.200000", 4.0),
        ("S01A-M01-S-FM02", "X", 2.4, 2.8, "3.200000", 4.0),
        ("S01A-F01-T-FM03", "A", 1.2, 1.4, "NaN", 4.4),
        ("S20S-F06-R-FF01", "S", 4.6, 1.4, "1.800000", 3.0),
        ("S20S-M06-S-MF11", "O", 3.0, 3.0, "3.000000", 3.0),
        ("S09H-M06-T-MF02", "H", 2.0, 4.8, "3.400000", 3.8),
    ]
    labels = ""
    for name, *label in turns:
        labels += MSP_IMPROV_TURN.format(name, *label)
        sentence, speaker, scenario, _ = name.split("-")
        folder = Path(root, f"session{speaker[-1]}", sentence, scenario)
        write_audio(folder, f"MSP-IMPROV-{name}.wav", sampling_rate=44100)
        write_text(folder, f"MSP-IMPROV-{name}.avi", text="no sound")
    write_text(root, "Evalution.txt", text=labels)
    write_text(
        *(root, "Transcripts", f"MSP-IMPROV-{turns[0][0]}.txt"), text="How was it?\n"
    )


def write_cmu_mosei(root):
    """Write two videos of three and two segments, with labels in two tables."""
    videos = {
        "--qXJuDtHPw": [
            (0, -0.45, 0.5, "I see that."),
            (1, 0.5, 1.25, "A writer___is who writes."),
            (2, 1.25, 2.0, "Key is part of the people."),
        ],
        "-3g5yACwYnA": [
            (4, 0.0, 0.75, "Today I am going to talk."),
            (10, 0.75, 1.5, "This one has no rating."),
        ],
    }
    for number, (video, segments) in enumerate(videos.items()):
        write_audio(
            *(root, "Audio", "Full", "WAV_16000", f"{video}.wav"),
            seconds=2.0,
            speaker=number,
        )
        lines = [
            f"{video}___{clip}___{start}___{end}___{text}\n"
            for clip, start, end, text in segments
        ]
        text = "".join(lines)
        write_text(root, "Transcript/Segmented/Combined", f"{video}.txt", text=text)
        write_text(root, "Transcript/Full/Combined", f"{video}.txt", text="All of it.")
    write_audio(root, "Audio", "Full", "WAV_16000", "unlabeled.wav")
    # anger, disgust, fear, happiness, sadness, sentiment, surprise
    first = [
        ("--qXJuDtHPw", 0, (0, 0, 0, 2, 0, 1, 0)),
        ("--qXJuDtHPw", 0, (0, 0, 0, 1, 0, 2, 1)),
        ("--qXJuDtHPw", 1, (0, 0, 0, 0, 0, 0, 0)),
        ("--qXJuDtHPw", 2, (1, 1, 0, 0, 0, -2, 0)),
    ]
    second = [("-3g5yACwYnA", 4, (0, 0, 0, 0, 3, -3, 0))]
    for name, answers in (("5000_batch_raw", first), ("mturk_extra_v2", second)):
        rows = [
            f'"3X","{video}","{clip}","A1",' + ",".join(f'"{n}"' for n in numbers)
            for video, clip, numbers in answers
        ]
        text = MOSEI_HEADER + "\n".join(rows) + "\n"
        write_text(root, "Labels", f"{name}.csv", text=text)


def write_named(root, names):
    """Write a corpus whose file names contain the labels."""
    for name in names:
        write_audio(root, name)


def write_emodb(root):
    names = "03a01Fa 03a02Nc 08b10Wb 16a07Ta 11b03Lc 09a05Ea 15b01Ab"
    write_named(root, [f"wav/{name}.wav" for name in names.split()])
    write_text(root, "lablaut", "03a01Fa.lablaut", text="d E")


def write_ravdess(root):
    write_named(
        root,
        [
            "Audio_Speech_Actors_01-24/Actor_01/03-01-01-01-01-01-01.wav",
            "Audio_Speech_Actors_01-24/Actor_01/03-01-06-02-02-02-01.wav",
            "Audio_Speech_Actors_01-24/Actor_24/03-01-02-01-01-02-24.wav",
            "Audio_Speech_Actors_01-24/Actor_24/03-01-08-02-01-02-24.wav",
            "Audio_Song_Actors_01-24/Actor_01/03-02-03-01-01-01-01.wav",
        ],
    )


def write_cremad(root):
    names = ["1001_DFA_ANG_XX", "1001_IEO_HAP_HI", "1091_WSI_SAD_LO", "1040_ITH_SAD_X"]
    write_named(root, [f"AudioWAV/{name}.wav" for name in names])
    write_text(root, "AudioMP3", f"{names[0]}.mp3", text="the same, compressed")
    write_text(
        *(root, "processedResults", "summaryTable.csv"),
        text='"","FileName","VoiceVote","VoiceLevel","FaceVote","FaceLevel"\n'
        '"1","1001_DFA_ANG_XX","A","60","A","56"\n'
        '"2","1001_IEO_HAP_HI","N","50","H","61"\n'
        '"3","1040_ITH_SAD_X","N:S","52:47","S","61"\n'
        '"4","1091_WSI_SAD_LO","S","51.5","N","61"\n',
    )


def write_urdu(root):
    names = [
        *("Angry/SM1_F10_A010.wav", "Happy/SF6_F1_H025.wav", "Happy/SM7_F28_H0100.wav"),
        *("Neutral/SM27_F2_N09.wav", "Sad/SF2_F1_S01.wav"),
    ]
    write_named(root, names)
    write_text(root, "README.md", text="# URDU-Dataset")


def write_msp_podcast(root):
    """Write turns of three partitions; the labels have another turn of test 3."""
    header = "FileName,EmoClass,EmoAct,EmoVal,EmoDom,SpkrID,Gender,Split_Set\n"
    lines = [
        "MSP-PODCAST_0001_0008.wav,N,4.8,4.6,5.0,127,Male,Test1",
        "MSP-PODCAST_0001_0019.wav,U,5.0,4.4,4.8,127,Male,Test1",
        "MSP-PODCAST_0023_0045.wav,X,3.4,3.8,3.6,Unknown,Unknown,Train",
        "MSP-PODCAST_0153_0012_0001.wav,C,4.2,2.6,5.2,16,Female,Development",
    ]
    text = header + "\n".join(lines) + "\n"
    write_text(root, "Labels", "labels_consensus.csv", text=text)
    write_text(root, "Labels", "labels_detailed.csv", text="FileName,EmoClass_Major\n")
    for line in lines:
        write_audio(root, "Audios", line.split(",")[0])
    name = "MSP-PODCAST_0001_0008.txt"
    write_text(root, "Transcripts", name, text="Welcome back.\n")


def write_meld(root):
    """Write utterances of the three splits, with the names of one in another."""
    header = (
        "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,Season,"
        "Episode,StartTime,EndTime\n"
    )
    splits = {
        ("train", "train_splits"): [
            '1,That\x92s the point. ,Chandler,neutral,neutral,0,0,8,21,"00:16:16,059",'
            '"00:16:21,731"',
            '2,"Oh, right!",The Interviewer,joy,positive,0,1,8,21,"00:16:21,940",'
            '"00:16:23,442"',
            '3,Hey!,All,surprise,positive,1,0,9,1,"00:01:02,000","00:01:03,500"',
        ],
        ("dev", "dev_splits_complete"): [
            '1,"He is gone, gone.",Phoebe,sadness,negative,0,0,4,7,"00:20:57,256",'
            '"00:21:00,049"',
        ],
        ("test", "output_repeated_splits_test"): [
            '1,Why numbers?,Mark,surprise,positive,0,0,3,19,"00:14:38,127",'
            '"00:14:40,378"',
            '2,So what.,Rachel,anger,negative,0,1,3,19,"00:14:40,629","00:14:42,000"',
        ],
    }
    for number, ((split, folder), lines) in enumerate(splits.items()):
        text = header + "\n".join(lines) + "\n"
        write_text(root, f"{split}_sent_emo.csv", text=text)
        for line in lines:
            dialogue, utterance = line.split('","')[0].split(",")[-6:-4]
            name = f"dia{dialogue}_utt{utterance}"
            write_audio(root, folder, f"{name}.wav", speaker=number)
            write_text(root, folder, f"{name}.mp4", text="video")
