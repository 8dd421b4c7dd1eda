"""`wrata locations|browsers|languages` against a real server: what an admin changes, and what others see of it."""

import json
import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import wrata  # noqa: E402


class Choices(wrata.Case):
    def setUp(self):
        super().setUp()
        self.server = self.serve()

    def wrata(self, *args, token=None, expect=0):
        env = dict(os.environ, HOME=self.folder, XDG_CONFIG_HOME=os.path.join(self.folder, "none"), NO_COLOR="1")
        if token:
            env.update(WRATA_URL=self.server.url, WRATA_TOKEN=token)
        args = args if token else (*args, "--data", self.server.data)
        done = subprocess.run([wrata.WRATA, *args], env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, expect, (args, done.stdout, done.stderr))
        return done.stdout if expect == 0 else done.stderr

    def names(self, things, *options):
        return [x["name"] for x in json.loads(self.wrata(things, "--json", *options))["items"]]

    def user_token(self):
        self.server.post("/api/v1/users", {"login": "mira", "password": "correct horse battery"})
        done = subprocess.run([wrata.WRATA, "login", "--url", self.server.url, "--login", "mira", "--password-stdin"],
                              env=dict(os.environ, HOME=self.folder, XDG_CONFIG_HOME=os.path.join(self.folder, "config")),
                              input="correct horse battery\n", capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(os.path.join(self.folder, "config", "wrata", "tokens.json"), encoding="utf-8") as f:
            text = f.read()
        return text[text.index("wrt_"):].split('"')[0]

    def test_an_admin_edits_and_everybody_sees(self):
        first = self.names("locations")
        self.assertEqual(len(first), 8)
        self.wrata("locations", "add", "staging", "--target", "https://s.example.org", "--place", "1")
        self.wrata("locations", "move", "staging", "3")
        self.assertEqual(self.names("locations"), first[:2] + ["staging"] + first[2:])
        self.wrata("locations", "edit", "staging", "--archive")
        self.assertEqual(self.names("locations"), first)
        self.assertEqual(self.names("locations", "--all"), first + ["staging"])
        self.wrata("locations", "edit", "staging", "--restore", "--rename", "stage 2")
        self.assertEqual(self.names("locations"), first + ["stage 2"])
        self.assertIn("https://s.example.org", self.wrata("locations"))
        self.assertIn("is removed", self.wrata("locations", "remove", "stage 2"))
        self.wrata("languages", "edit", "de-DE", "--preset")
        self.assertIn("is removed", self.wrata("languages", "remove", "en-US"))
        self.wrata("browsers", "add", "edge")
        token = self.user_token()
        self.assertIn("edge", self.wrata("browsers", token=token))
        self.server.post("/api/v1/locations/own", {"url": "https://mine.example.org"})
        self.assertIn("https://mine.example.org", self.wrata("locations"))
        self.assertNotIn("mine.example.org", self.wrata("locations", token=token))
        self.assertNotIn("en-US", self.wrata("languages", token=token))
        self.assertIn("admin", self.wrata("browsers", "add", "opera", token=token, expect=2))
        self.server.kill()
        self.server.start()
        self.assertEqual(self.names("browsers"), ["default", "chrome", "firefox", "edge"])

    def test_what_is_wrong_is_named(self):
        for args, word in ((("locations", "add", "x", "--target", "s.example.org"), "url"), (("locations", "add", "custom"), "name"),
                           (("browsers", "add", "two words"), "name"), (("locations", "remove", "default"), "preset"),
                           (("locations", "edit", "default"), "what is to change"), (("locations", "move", "default", "0"), "place"),
                           (("locations", "move", "default", "501"), "place"), (("locations", "remove", "defautl"), "did you mean"),
                           (("browsers", "add", "x", "--archive"), "--archive"), (("browsers", "add", "chrome"), "already")):
            with self.subTest(args=args):
                self.assertIn(word, self.wrata(*args, expect=2))


if __name__ == "__main__":
    unittest.main(verbosity=2)
