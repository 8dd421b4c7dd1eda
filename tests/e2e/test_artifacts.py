#!/usr/bin/env python3
"""Artifacts on the machine: what a run leaves is found, bounded, sent over a channel, again after a cut."""
import os
import signal
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import test_agent  # noqa: E402
from test_agent import AGENT, EXITED, TIME_LIMIT, pid_of_agent  # noqa: E402


class Base(test_agent.AgentTest):
    """What that file's cases share, without its tests."""


for name in dir(Base):
    if name.startswith("test"):
        setattr(Base, name, None)


class Receiver:
    """The controller's end of artifact channels."""

    def __init__(self, link, answer=b"ok\n", cut_after=None):
        self.link, self.answer, self.cut_after = link, answer, cut_after
        self.files, self.skipped, self.chans, self.opened = {}, None, {}, []
        self.plain, link.on_frame = link.on_frame, self.on_frame

    def on_frame(self, name, f):
        if name == "CHAN_OPEN":
            self.opened.append((f["kind"], f["project"]))
            self.chans[f["chan"]] = b""
        elif name == "CHAN_DATA" and f["chan"] in self.chans:
            self.chans[f["chan"]] += f["bytes"]
            self.link.send("CHAN_CREDIT", chan=f["chan"], bytes=len(f["bytes"]))
            if self.cut_after is not None and len(self.chans[f["chan"]]) > self.cut_after:
                self.link.cut()
                raise ConnectionError("cut")
            self.parse(f["chan"])
        elif name == "CHAN_CLOSE":
            self.chans.pop(f["chan"], None)
        self.plain(name, f)

    def parse(self, chan):
        data, files = self.chans[chan], {}
        while b"\n" in data:
            head, rest = data.split(b"\n", 1)
            words = head.split()
            if words[0] == b"end":
                self.files, self.skipped = files, int(words[1])
                self.link.send("CHAN_DATA", chan=chan, bytes=self.answer)
                self.link.send("CHAN_CLOSE", chan=chan)
                return
            size, path = int(words[1]), int(words[3])
            if len(rest) < size + path:
                return
            files[rest[:path].decode()] = rest[path:path + size]
            data = rest[path + size:]


class Artifacts(Base):
    def test_what_matches_is_sent_before_the_end(self):
        link = self.attach(slots=1)
        got = Receiver(link)
        self.sh(link, 1, "mkdir -p shots/deep .git; echo one > shots/a.png; head -c 300000 /dev/zero > shots/deep/b.png; echo no > shots/c.txt;"
                "echo x > .git/d.png; : > shots/empty.png; ln -s /etc/passwd shots/link.png; mkfifo shots/fifo.png; ln -s /etc shots/out; echo done",
                setup=["artifact=shots/**/*.png", "artifact=.git/*", "artifact=shots/out/**"])
        f = link.end(1)
        self.assertEqual((f["how"], f["exit_code"]), (EXITED, 0))
        self.assertEqual(got.opened, [("artifacts", 1)])
        self.assertEqual(got.files, {"shots/a.png": b"one\n", "shots/deep/b.png": bytes(300000), "shots/empty.png": b""})
        self.assertEqual(got.skipped, 0)
        self.assertEqual(link.log(1), b"done\n")
        # the next run in that folder: only what is its own
        time.sleep(0.05)
        self.sh(link, 2, "echo two > shots/new.png", setup=["artifact=shots/**/*.png"])
        link.end(2)
        self.assertEqual(list(got.files), ["shots/new.png"])
        self.sh(link, 3, "true", setup=["artifact=shots/**/*.png"])  # nothing: no channel is opened
        link.end(3)
        self.assertEqual(got.opened, [("artifacts", 1), ("artifacts", 2)])

    def test_bounds_are_told_in_the_log(self):
        link = self.attach(slots=1)
        got = Receiver(link)
        self.sh(link, 1, "echo out; head -c 2000 /dev/zero > a.big; for i in 1 2 3 4; do head -c 300 /dev/zero > $i.bin; done; touch 'x\ny.bin'",
                setup=["artifact=*.big", "artifact_max=1000", "artifact=*.bin", "artifact_run_max=700", "artifact_files_max=10"])
        link.end(1)
        log = link.log(1).decode()
        self.assertEqual(len(got.files), 2, log)
        self.assertEqual(log.count("larger together than is kept"), 2, log)
        self.assertIn("[wrata: artifact a.big is not kept: it is larger than one file may be]", log)
        self.assertIn("with an odd name is not kept", log)
        self.assertEqual(got.skipped, log.count("is not kept"))

    def test_after_a_limit_and_after_a_stop(self):
        link = self.attach(slots=2)
        got = Receiver(link)
        self.sh(link, 1, "echo a > a.png; sleep 100", setup=["artifact=*.png"], time_limit_ms=3000)
        self.assertEqual(link.end(1)["how"], TIME_LIMIT)
        self.assertEqual(list(got.files), ["a.png"])
        self.sh(link, 2, "echo b > b.png; echo up; sleep 100", setup=["artifact=*.png"])
        link.wait(lambda: link.log(2) == b"up\n")
        link.want(2, test_agent.STOP)
        self.assertEqual(link.end(2)["how"], test_agent.STOPPED)
        self.assertEqual(list(got.files), ["b.png"])

    def test_limits_do_not_count_while_files_are_sent(self):
        link = self.attach()
        got = Receiver(link)
        got.parse = lambda chan: None  # no answer
        self.sh(link, 1, "echo a > a.png", setup=["artifact=*.png"], time_limit_ms=4000, silence_limit_ms=3000)
        end = time.monotonic() + 6
        while time.monotonic() < end:
            link.feed(0.05)
        self.assertNotIn(1, link.finished)
        link.send("CHAN_DATA", chan=list(got.chans)[0], bytes=b"ok\n")
        link.send("CHAN_CLOSE", chan=list(got.chans)[0])
        self.assertEqual(link.end(1)["how"], EXITED)

    def test_a_refusal_is_told_and_the_result_stands(self):
        link = self.attach()
        Receiver(link, answer=b"no the disk is full\n")
        self.sh(link, 1, "echo a > a.png", setup=["artifact=*.png"])
        self.assertEqual(link.end(1)["exit_code"], 0)
        self.assertEqual(link.log(1), b"[wrata: artifacts are not kept: the disk is full]\n")

    def test_a_cut_link_means_all_again(self):
        link = self.attach()
        Receiver(link, cut_after=100000)
        self.sh(link, 1, "head -c 900000 /dev/zero > a.bin; echo b > b.bin", setup=["artifact=*.bin"])
        with self.assertRaises((ConnectionError, AssertionError)):
            link.end(1)
        link = self.attach()
        got = Receiver(link)
        link.goals[1] = test_agent.RUN
        link.send_goals()
        self.assertEqual(link.end(1)["exit_code"], 0)
        self.assertEqual({k: len(v) for k, v in got.files.items()}, {"a.bin": 900000, "b.bin": 2})

    def test_a_run_that_nobody_wants_frees_its_slot(self):
        link = self.attach(slots=1)
        got = Receiver(link)
        got.parse = lambda chan: None
        self.sh(link, 1, "echo a > a.png", setup=["artifact=*.png"])
        link.wait(lambda: got.chans)
        link.drop(1)
        self.sh(link, 2, "true")
        self.assertEqual(link.end(2)["exit_code"], 0)

    def test_an_agent_killed_meanwhile(self):
        link = self.attach()
        got = Receiver(link)
        got.parse = lambda chan: None
        self.sh(link, 1, "echo a > a.png", setup=["artifact=*.png"])
        link.wait(lambda: got.chans)
        os.kill(pid_of_agent(self.where), signal.SIGKILL)
        link.close()
        link = self.attach()
        link.goals[1] = test_agent.RUN
        link.send_goals()
        self.assertEqual(link.end(1)["how"], test_agent.AGENT_DIED)


if __name__ == "__main__":
    if not AGENT:
        sys.exit(77)
    unittest.main(verbosity=2)
