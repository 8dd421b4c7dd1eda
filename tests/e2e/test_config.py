"""config.yml and the credentials, from outside: what a server and the commands make of them."""

import os
import signal
import sqlite3
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import wrata
from wrata import WRATA, wait_for


def clean_env(**more):
    env = {k: v for k, v in os.environ.items() if not k.startswith("WRATA_") and k not in ("EDITOR", "VISUAL", "DO_ACCESS_TOKEN")}
    env.update(more)
    return env


class Base(wrata.Case):
    def setUp(self):
        super().setUp()
        self.data = os.path.join(self.folder, "data")
        os.makedirs(self.data, 0o700)

    def write(self, name, text, mode=0o600):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        os.chmod(path, mode)
        return path

    def read(self, name):
        with open(os.path.join(self.data, name), "rb") as f:
            return f.read()

    def wrata(self, *args, stdin=b"", env=None, expect=0):
        p = subprocess.run([WRATA, *args, "--data", self.data], input=stdin, capture_output=True, env=env or clean_env(), timeout=60)
        err = p.stderr.decode()
        self.assertEqual(p.returncode, expect, err)
        self.assertNotIn("Sanitizer", err)
        return p.stdout.decode(), err


class Config(Base):
    def test_flags_go_before_the_environment_before_the_file(self):
        self.write("data/config.yml", "log_level: debug\nretries: 1\nlease_s: 30\n")
        shown = self.wrata("config", "show", env=clean_env(WRATA_LEASE_S="40"))[0]
        self.assertRegex(shown, r'(?m)^retries: 1 +# file, line 2$')
        self.assertRegex(shown, r'(?m)^lease_s: 40 +# WRATA_LEASE_S$')
        self.assertRegex(shown, r'(?m)^beat_ms: 1000 +# default$')
        server = self.serve("--log-level", "info", env=clean_env())
        self.assertNotIn("level=debug", server.log_tail())

    def test_wrong_values_end_it_with_file_and_line(self):
        path = self.write("data/config.yml", "log_level: info\nlease_s: soon\nlisten_on: x\n")
        for command in (["serve"], ["config", "check"], ["config", "show"], ["config", "check", path]):
            err = self.wrata(*command, expect=2)[1]
            self.assertIn("%s:2: lease_s: 'soon' is not a number of seconds from 10 to 3600" % path, err)
            self.assertIn("%s:3: listen_on: there is no such setting" % path, err)
        os.unlink(path)
        self.assertIn("--config", self.wrata("serve", "--confg", "x", expect=2)[1])
        self.assertIn("is not there", self.wrata("serve", "--config", path, expect=2)[1])
        self.assertIn("--beat-ms: 'x' is not a number", self.wrata("serve", "--beat-ms", "x", expect=2)[1])
        self.assertIn("WRATA_LOG_JSON: 'perhaps' is neither", self.wrata("serve", env=clean_env(WRATA_LOG_JSON="perhaps"), expect=2)[1])
        for command in (["serve"], ["config", "check"]):
            err = self.wrata(*command, env=clean_env(WRATA_TRUSTED_PROXIES="::1,10.0.0.1/8"), expect=2)[1]
            self.assertIn("trusted_proxies: '10.0.0.1/8' goes on after its prefix: the network begins at 10.0.0.0", err)
        self.assertIn("is not there: the defaults are used", self.wrata("config", "check")[0])

    def test_another_file_can_be_named(self):
        path = self.write("other.yml", "retries: 7\n")
        self.assertRegex(self.wrata("config", "show", "--config", path)[0], r'(?m)^retries: 7 +# file, line 1$')
        self.assertRegex(self.wrata("config", env=clean_env(WRATA_CONFIG=path))[0], r'(?m)^retries: 7 ')

    def limits(self, launch):
        with sqlite3.connect(os.path.join(self.data, "wrata.db")) as db:
            ms, retries = db.execute("SELECT time_limit_ms, retries FROM launches WHERE id = ?", (launch["id"],)).fetchone()
        return ms // 1000, retries

    def test_hangup_brings_into_force_what_can_be(self):
        project = self.project({"a.sh": "sleep 0\n"})
        self.write("data/config.yml", "time_limit_s: 100\n")
        server = self.serve(env=clean_env())
        server.add_local()
        server.wait_online("local-1")
        self.assertEqual(self.limits(server.launch(project, ["a.sh"])), (100, 2))
        self.assertEqual(self.limits(server.launch(project, ["a.sh"], time_limit_s=5, retries=0)), (5, 0))
        self.write("data/config.yml", "time_limit_s: 200\nretries: 4\nlog_level: debug\nbeat_ms: 500\n")
        server.process.send_signal(signal.SIGHUP)
        wait_for("the settings are read again", lambda: "event=config.reloaded changed=yes" in server.log_tail())
        log = server.log_tail(20000)
        self.assertIn('event=config.changed name=time_limit_s from="100" to="200"', log)
        self.assertIn('event=config.needs_restart name=beat_ms from="1000" to="500"', log)
        self.assertEqual(self.limits(server.launch(project, ["a.sh"])), (200, 4))
        self.write("data/config.yml", "time_limit_s: never\n")
        server.process.send_signal(signal.SIGHUP)
        wait_for("the mistake is named", lambda: "event=config.wrong" in server.log_tail())
        self.assertIn("config.yml:1: time_limit_s: 'never'", server.log_tail())
        self.assertEqual(self.limits(server.launch(project, ["a.sh"])), (200, 4))

    def test_the_log_can_be_json(self):
        self.write("data/config.yml", "log_json: true\n")
        server = self.serve(env=clean_env())
        wait_for("the log is JSON", lambda: '"event":"listening"' in server.log_tail())


class Credentials(Base):
    def editor(self, body):
        return clean_env(EDITOR=self.write("editor.sh", "#!/bin/sh\n" + body, 0o700))

    BEFORE = {n for n in os.listdir("/dev/shm") if n.startswith("wrata-private-")}  # somebody else's

    def left_over(self):
        return [os.path.join("/dev/shm", n) for n in os.listdir("/dev/shm")
                if n.startswith("wrata-private-") and n not in self.BEFORE] + [
            n for n in os.listdir(self.data) if n.startswith("wrata-private-") or n.endswith(".new")]

    def set(self, key, value, **more):
        return self.wrata("credentials", "set", key, stdin=value.encode(), **more)

    def test_round_trip(self):
        key = "-----BEGIN OPENSSH PRIVATE KEY-----\nabc\n-----END OPENSSH PRIVATE KEY-----\n"
        self.set("git_token", "hush hush\n")
        self.set("ssh_key", key)
        self.set("admin_emails", "a@b.c d@e.f\n")
        self.assertEqual(self.wrata("credentials", "show", "git_token")[0], "hush hush\n")
        self.assertEqual(self.wrata("credentials", "show", "ssh_key")[0], key + "\n")
        listed = self.wrata("credentials", "show")[0]
        self.assertIn("a@b.c, d@e.f", listed)
        self.assertNotIn("hush", listed)
        self.assertNotIn(b"hush", self.read("credentials.yml.enc"))
        for name in ("master.key", "credentials.yml.enc"):
            self.assertEqual(os.stat(os.path.join(self.data, name)).st_mode & 0o777, 0o600)
        self.wrata("credentials", "edit", env=self.editor('echo "github_user: ann" >>"$1"\n'))
        self.assertEqual(self.wrata("credentials", "show", "git_user")[0], "ann\n")
        self.set("git_user", "bob")
        self.assertEqual(self.wrata("credentials", "show", "git_user")[0], "bob\n")
        self.assertEqual(self.left_over(), [])

    def test_bad_input_changes_nothing(self):
        self.set("git_token", "hush")
        before = self.read("credentials.yml.enc")
        self.assertIn("did you mean 'git_token'?", self.set("git_tokn", "x", expect=2)[1])
        err = self.wrata("credentials", "set", "git_token", "hush", expect=2)[1]
        self.assertIn("standard input", err)
        self.assertIn("the value is empty", self.set("git_token", "\n", expect=2)[1])
        self.assertIn("takes a port", self.set("smtp_port", "hush", expect=2)[1])
        for text in ("git_token: [\n", "smtp_port: hush\n", "git_token: twice\n"):
            err = self.wrata("credentials", "edit", env=self.editor("printf '%s' '" + text + "' >>\"$1\"\n"), expect=2)[1]
            self.assertIn("nothing was changed", err)
            self.assertNotIn("hush", err)
        self.wrata("credentials", "edit", env=self.editor("exit 3\n"), expect=2)
        self.wrata("credentials", "edit", env=clean_env(EDITOR="/nonexistent/ed --x"), expect=2)
        self.assertEqual(self.read("credentials.yml.enc"), before)
        err = self.wrata("credentials", "edit", env=self.editor('echo "git_tokn: x" >>"$1"\n'))[1]
        self.assertIn("did you mean git_token?", err)
        self.assertEqual(self.left_over(), [])

    def test_another_key_and_a_changed_byte(self):
        self.set("git_token", "hush")
        err = self.wrata("credentials", "show", env=clean_env(WRATA_MASTER_KEY="00" * 32), expect=2)[1]
        self.assertIn("sealed with another key", err)
        key = self.read("master.key").decode().strip()
        os.unlink(os.path.join(self.data, "master.key"))
        self.assertIn("but not its key", self.wrata("credentials", "show", expect=2)[1])
        self.assertIn("but not its key", self.wrata("credentials", "edit", env=self.editor("exit 0\n"), expect=2)[1])
        self.assertEqual(self.wrata("credentials", "show", "git_token", env=clean_env(WRATA_MASTER_KEY=key))[0], "hush\n")
        sealed = bytearray(self.read("credentials.yml.enc"))
        sealed[-20] ^= 1
        with open(os.path.join(self.data, "credentials.yml.enc"), "wb") as f:
            f.write(sealed)
        self.assertRegex(self.wrata("credentials", "show", env=clean_env(WRATA_MASTER_KEY=key), expect=2)[1], "changed or is damaged")

    def test_a_key_that_others_can_read_is_refused(self):
        self.set("git_token", "hush")
        os.chmod(os.path.join(self.data, "master.key"), 0o640)
        err = self.wrata("credentials", "show", expect=2)[1]
        self.assertIn("can be read by others (mode 0640); run: chmod 600", err)

    def test_rotation(self):
        self.set("git_token", "hush")
        old = self.read("master.key"), self.read("credentials.yml.enc")
        self.wrata("credentials", "rotate")
        self.assertNotEqual(self.read("master.key"), old[0])
        self.assertEqual(self.wrata("credentials", "show", "git_token")[0], "hush\n")
        # Cut short after the file was sealed anew, before the key had its name.
        os.rename(os.path.join(self.data, "master.key"), os.path.join(self.data, "master.key.next"))
        with open(os.path.join(self.data, "master.key"), "wb", opener=lambda p, f: os.open(p, f, 0o600)) as f:
            f.write(old[0])
        self.assertEqual(self.wrata("credentials", "show", "git_token")[0], "hush\n")
        self.set("git_user", "ann")
        self.assertFalse(os.path.exists(os.path.join(self.data, "master.key.next")))
        self.assertEqual(self.wrata("credentials", "show", "git_token")[0], "hush\n")
        # With the key in the environment the new one comes from there, too.
        key = self.read("master.key").decode().strip()
        os.unlink(os.path.join(self.data, "master.key"))
        self.assertIn("WRATA_MASTER_KEY_NEXT", self.wrata("credentials", "rotate", env=clean_env(WRATA_MASTER_KEY=key), expect=2)[1])
        self.wrata("credentials", "rotate", env=clean_env(WRATA_MASTER_KEY=key, WRATA_MASTER_KEY_NEXT="ab" * 32))
        self.assertEqual(self.wrata("credentials", "show", "git_token", env=clean_env(WRATA_MASTER_KEY="ab" * 32))[0], "hush\n")

    def test_an_editor_that_is_killed_loses_nothing(self):
        self.set("git_token", "hush")
        before = self.read("credentials.yml.enc")
        err = self.wrata("credentials", "edit", env=self.editor('echo half >"$1"; cp "$1" "$1~"; kill -9 $$\n'), expect=3)[1]
        self.assertIn("ended by signal 9", err)
        self.assertEqual(self.read("credentials.yml.enc"), before)
        self.assertEqual(self.left_over(), [])

    def test_no_plain_text_stays_when_wrata_itself_is_killed(self):
        self.set("git_token", "hush")
        before = self.read("credentials.yml.enc")
        for how in (signal.SIGKILL, signal.SIGTERM, signal.SIGHUP):
            note = os.path.join(self.folder, "note-%d" % how)
            env = self.editor('ls -ld "$(dirname "$1")" "$1" >"%s.new"; mv "%s.new" "%s"; exec sleep 60\n' % (note, note, note))
            p = subprocess.Popen([WRATA, "credentials", "edit", "--data", self.data], env=env, stdin=subprocess.DEVNULL,
                                 stderr=subprocess.DEVNULL)
            wait_for("the editor has the file open", lambda path=note: os.path.exists(path))
            editors = [pid for pid in wrata.pids_with("sleep 60") if parent_of(pid) == p.pid]
            with open(note, encoding="utf-8") as f:
                lines = f.read().splitlines()
            self.assertRegex(lines[0], "^drwx------ ")
            self.assertRegex(lines[1], "^-rw------- ")
            p.send_signal(how)
            p.wait()
            wait_for("the guard has cleaned up", lambda: self.left_over() == [])
            for pid in editors:
                os.kill(pid, signal.SIGKILL)
            self.assertEqual(self.read("credentials.yml.enc"), before)

    def test_one_at_a_time(self):
        self.set("git_token", "hush")
        env = self.editor('"%s" credentials set git_user --data "%s" </dev/null 2>&1 | grep -q "somebody else is changing" && exit 0; exit 9\n' % (WRATA, self.data))
        self.wrata("credentials", "edit", env=env)

    def test_the_cloud_token_may_come_from_the_environment(self):
        self.assertRegex(self.wrata("credentials", "show", env=clean_env(DO_ACCESS_TOKEN="dop"))[0], r"cloud_token +\(3 characters\)  # from DO_ACCESS_TOKEN")


def parent_of(pid):
    try:
        with open("/proc/%d/stat" % pid, encoding="utf-8", errors="replace") as f:
            return int(f.read().rsplit(")", 1)[1].split()[1])
    except OSError:
        return 0


if __name__ == "__main__":
    wrata.main()
