"""A launch again: what did not pass, or all of it, with the same parameters."""

import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))
import wrata  # noqa: E402

SCRIPT = "#!/bin/bash\necho \"$0 $SPEC_LANGUAGE $SPEC_BROWSER $SPEC_REGION $MINE\"\n"


class RetestTest(wrata.Case):
    def setUp(self):
        super().setUp()
        self.server = self.serve()
        self.repo = wrata.make_project(os.path.join(self.folder, "repo"), {
            "good.sh": SCRIPT, "bad.sh": SCRIPT + "[ $SPEC_LANGUAGE = de-DE ]\n", "worse.sh": SCRIPT + "exit 1\n",
            "wrata.yml": "commands:\n  - glob: 'worse.sh'\n    run: [bash, '{file}']\n    time_limit: 77s\n"})
        self.server.post("/api/v1/projects", {"name": "p", "url": self.repo})
        self.server.add_local("local-1", 2)
        self.server.wait_online("local-1")
        self.first = self.launch(self.server.launch("p", ["good.sh", "bad.sh", "worse.sh"], languages=["en-US", "de-DE"], browsers=["chrome"],
                                                    location="com eu", env=["MINE=yes"], name="nightly", retries=1, servers=["local-1"]))

    def launch(self, made):
        return self.server.wait_launch(made["id"])

    def retest(self, launch, **body):
        return self.launch(self.server.post("/api/v1/launches/%d/retest" % launch["id"], body))

    def ran(self, launch):
        runs = self.server.all("/api/v1/runs?launch=%d" % launch["id"])
        return sorted(self.server.log(r["id"]).decode().strip() for r in runs)

    def refused(self, status, launch_id, **body):
        with self.assertRaises(wrata.ApiError) as caught:
            self.server.post("/api/v1/launches/%d/retest" % launch_id, body)
        self.assertEqual(caught.exception.status, status, caught.exception.body)
        return caught.exception.body

    def test_what_did_not_pass_runs_again_as_it_was(self):
        again = self.retest(self.first)
        self.assertEqual((again["tests"]["total"], again["tests"]["failed"]), (3, 3))
        self.assertEqual([again[k] for k in ("name", "commit", "order")], [self.first[k] for k in ("name", "commit", "order")])
        self.assertEqual([line.split("/")[-1] for line in self.ran(again)],
                         ["bad.sh en-US chrome com eu yes", "worse.sh de-DE chrome com eu yes", "worse.sh en-US chrome com eu yes"])

    def test_all_of_it_runs_again(self):
        again = self.retest(self.first, what="all")
        self.assertEqual((again["tests"]["total"], again["tests"]["passed"]), (6, 3))
        self.assertEqual(self.ran(again), self.ran(self.first))

    def test_fresh_takes_what_the_branch_is_now(self):
        for name in ("bad.sh", "worse.sh"):
            with open(os.path.join(self.repo, name), "w", encoding="utf-8") as f:
                f.write(SCRIPT)
        wrata.git(self.repo, "commit", "-qam", "mended")
        self.server.post("/api/v1/projects/1/refresh")
        self.assertEqual(self.retest(self.first)["outcome"], "failed")
        again = self.retest(self.first, fresh=True)
        self.assertEqual(again["outcome"], "passed")
        self.assertNotEqual(again["commit"], self.first["commit"])
        self.assertIn("every test of launch %d passed" % again["id"], self.refused(422, again["id"]))

    def test_a_file_that_is_gone_is_said(self):
        wrata.git(self.repo, "rm", "-q", "worse.sh")
        wrata.git(self.repo, "commit", "-qm", "gone")
        self.server.post("/api/v1/projects/1/refresh")
        self.assertIn("worse.sh", self.refused(422, self.first["id"], fresh=True))

    def test_what_makes_no_sense_is_refused(self):
        self.refused(404, 999)
        self.assertIn("what", self.refused(422, self.first["id"], what="some"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
