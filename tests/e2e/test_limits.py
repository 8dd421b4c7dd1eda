#!/usr/bin/env python3
"""Limits of time: how a run ends, and that its end says what it was doing."""
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import test_agent  # noqa: E402
from test_agent import AGENT, SILENCE_LIMIT, TIME_LIMIT, is_alive, wait_dead  # noqa: E402


class Base(test_agent.AgentTest):
    """What that file's cases share, without its tests."""


for name in dir(Base):
    if name.startswith("test"):
        setattr(Base, name, None)

HANG = """echo '{"e":"start","discovered":3}' >&3
echo '{"e":"running","id":"./spec/a_spec.rb[1:1]","path":["Basket","adds"]}' >&3
echo '{"e":"example","id":"./spec/a_spec.rb[1:1]","path":["Basket","adds"],"status":"passed","ms":1}' >&3
%s
echo one; echo two; echo three; echo four
sleep 1000 & echo $! > %s
wait; wait
"""
RUNNING = """echo '{"e":"running","id":"./spec/a_spec.rb[1:2]","path":["Basket","says \\\\"no\\\\""]}' >&3"""


class Limits(Base):
    def hang(self, link, run, running=RUNNING, **more):
        self.child = os.path.join(self.where, "child")
        self.sh(link, run, HANG % (running, self.child), adapter="rspec", **more)

    def child_pid(self):
        with open(self.child) as f:
            return int(f.read())

    def test_the_end_names_example_processes_and_last_lines(self):
        link = self.attach()
        for run, limit, how, words in ((1, "time_limit_ms", TIME_LIMIT, "still running after 3.0 s; "),
                                       (2, "silence_limit_ms", SILENCE_LIMIT, "no output for 3.0 s; ")):
            self.hang(link, run, **{limit: 3000})
            f = link.end(run)
            self.assertEqual(f["how"], how)
            self.assertTrue(f["reason"].startswith(words + "running: "), f["reason"])
            self.assertIn("sleep 1000", f["reason"])
            self.assertIn('; example: Basket says "no" (./spec/a_spec.rb[1:2]); ', f["reason"])
            self.assertTrue(f["reason"].endswith("; last lines: two | three | four"), f["reason"])
            log = link.log(run).decode()
            self.assertRegex(log, r"\Aone\ntwo\nthree\nfour\n\n\[wrata: a limit ended it; at that moment it was running:\n"
                             r"(?s:.*)  process \d+ \(parent \d+\): sleep 1000\n(?s:.*)  example: Basket says \"no\" "
                             r"\(./spec/a_spec.rb\[1:2\]\)\n\]\n\Z")
            self.assertEqual(f["log_len"], len(log.encode()))
            self.assertTrue(wait_dead(self.child_pid()))

    def test_an_example_that_ended_is_not_accused(self):
        link = self.attach()
        self.hang(link, 1, running="", time_limit_ms=3000)
        self.assertNotIn("example:", link.end(1)["reason"])

    def test_secrets_of_command_lines_are_hidden(self):
        link = self.attach()
        secret = "hunter2-and-more/Zq9"
        self.sh(link, 1, 'sh -c "exec sleep 1000" "$TOKEN" & exec sh -c "sleep 900; true" "x$TOKEN"', secrets=["TOKEN=" + secret], time_limit_ms=3000)
        f = link.end(1)
        self.assertEqual(f["how"], TIME_LIMIT)
        self.assertIn("sh -c sleep 900; true x***", f["reason"])
        self.assertNotIn(secret, f["reason"] + link.log(1).decode())
        self.assertIn("x***", link.log(1).decode())

    def test_who_ignores_term_is_killed_with_all_it_started(self):
        link = self.attach()
        self.child = os.path.join(self.where, "child")
        self.sh(link, 1, "trap '' TERM; setsid sh -c 'trap \"\" TERM; echo $$ > %s; while :; do sleep 1; done' & while :; do sleep 1; done" % self.child,
                time_limit_ms=3000, kill_grace_ms=300)
        f = link.end(1)
        self.assertEqual((f["how"], f["signal"]), (TIME_LIMIT, 9))
        self.assertFalse(is_alive(self.child_pid()) and not wait_dead(self.child_pid()))


if __name__ == "__main__":
    if not AGENT:
        sys.exit(77)
    unittest.main(verbosity=2)
