#!/usr/bin/env python3
"""Mail about what goes wrong by itself: a server that is sick, an error in the log, a schedule and a webhook that are disabled."""

import os
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import wrata  # noqa: E402
from hook_sink import HookSink  # noqa: E402
from test_mail_launches import BOSS, Base  # noqa: E402
from wrata import ApiError  # noqa: E402


class Troubles(Base):
    def test_a_sick_server_an_error_and_what_was_disabled(self):
        sink = self.sink()
        receiver = HookSink().start()
        self.addCleanup(receiver.stop)
        receiver.script("/in", 410)
        # Half of any disk, however much that is: this computer's has less, or it is as good as empty. The last server stays.
        server = self.world(sink, "--sick-disk-bytes", str(1 << 40), "--sick-disk-percent", "50", "--hooks-private", "127.0.0.1",
                            servers=2, admin_emails="[%s]" % BOSS)
        full = shutil.disk_usage(self.folder)
        told = 0
        if full.free < full.total / 2:
            m = self.wait_mails(sink, 1, BOSS)[0]
            self.assertRegex(m["Subject"], r"\AA server was taken out: server local-[12]\Z")
            self.assertIn("wrata servers resume", " ".join(self.text(m).split()))
            self.assertIn("%s/board" % server.url, self.text(m))
            told = 1

        # An error line of the server's own: an answer of 5xx is one. The bytes of a log are gone from the disk.
        path = self.project({"big.sh": "head -c 3000000 /dev/urandom | base64\n"}, "big")
        run = server.wait_launch(server.launch(path, ["big.sh"], mail="never")["id"])["id"]
        run = server.get("/api/v1/runs?launch=%d" % run)["items"][0]["id"]
        shutil.rmtree(os.path.join(server.data, "blobs"))
        with self.assertRaises(ApiError) as e:
            server.log(run)
        self.assertGreaterEqual(e.exception.status, 500)
        m = self.wait_mails(sink, told + 1, BOSS)[told]
        self.assertEqual(m["Subject"], "An unexpected error: http.failed")
        self.assertIn("status=%d" % e.exception.status, self.text(m))

        # Of mira: a schedule whose list its owner deletes, a hook whose receiver is gone.
        made = server.post("/api/v1/lists", {"name": "nightly", "project": "p", "files": ["good.sh"], "shared": True})
        self.mira("/schedules", {"name": "each night", "list": made["id"], "kind": "daily", "at": "02:00"})
        server.call("DELETE", "/api/v1/lists/%d?force=1" % made["id"])
        m = self.wait_mails(sink, 1)[0]
        self.assertEqual(m["Subject"], "A schedule was disabled: schedule each night")
        self.assertIn("its list 'nightly' was deleted", self.text(m))
        hook = self.mira("/hooks", {"name": "chat", "url": receiver.url(), "kinds": ["launch_ended"]})
        self.mira("/hooks/%d/test" % hook["id"], {})
        m = self.wait_mails(sink, 2)[1]
        self.assertEqual(m["Subject"], "A webhook was disabled: hook chat")
        text = " ".join(self.text(m).split())
        self.assertIn("the receiver says that it is gone (410)", text)
        self.assertIn("wrata hooks enable NAME", text)
        self.assertIn("You get this because the hook is yours", text)
        self.settled(server, sink, 2)


if __name__ == "__main__":
    wrata.main()
