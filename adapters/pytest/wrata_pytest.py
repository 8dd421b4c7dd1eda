"""Tells wrata what happens in a pytest run, test by test (docs/results-channel.md).

    WRATA_RESULTS_FD=3 PYTHONPATH=.../adapters/pytest pytest -p wrata_pytest tests/test_a.py 3>results

It only listens: it changes no setting, prints nothing, and whatever goes wrong in here never reaches the suite. Without
WRATA_RESULTS_FD it does nothing. Works with pytest 3.6 and newer on Python 3.7 and newer.
"""

import json
import os
import traceback

import pytest

MAX_LINE = 256 * 1024 - 1
MAX_MESSAGE = 64 * 1024
MAX_FRAME = 1000
MAX_FRAMES = 200
MAX_NAME = 1000
MAX_DEPTH = 16
MAX_ARTIFACTS = 50
CUT = "\u2026"
# What a test may replace for itself.
encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
write = os.write
getpid = os.getpid
HERE = os.path.dirname(os.path.abspath(__file__))


# ---- texts ----

def utf8(value):
    """Always text that can be written: no lone surrogates, no NUL."""
    try:
        text = value if isinstance(value, str) else str(value)
    except Exception:  # a __str__ that raises
        text = "<%s that cannot be shown>" % type(value).__name__
    return text.replace("\0", "\u2400").encode("utf-8", "replace").decode("utf-8")


def cut(value, limit):
    text = utf8(value)
    data = text.encode("utf-8")
    if len(data) <= limit:
        return text
    return data[:limit - 3].decode("utf-8", "ignore") + CUT


class Channel:
    """The pipe. One object a line, written at once; the first failed write closes it for good."""

    def __init__(self, number):
        self.fd = number
        self.pid = getpid()
        os.set_inheritable(number, False)

    def write(self, event):
        if self.fd is None or self.pid != getpid():  # a forked child has the same pipe but nothing to say
            return
        data = self.shrunk(event)
        try:
            while data:
                data = data[write(self.fd, data):]
        except OSError:
            self.fd = None

    @staticmethod
    def line(event):
        return (encode(event) + "\n").encode("utf-8", "replace")

    def shrunk(self, event):
        """The limits of the fields alone leave room for more than a line may hold."""
        data = self.line(event)
        for frames, size in ((50, 32 * 1024), (10, 2 * 1024), (0, 200)):
            if len(data) <= MAX_LINE:
                break
            event = dict(event)
            if event.get("backtrace"):
                event["backtrace"] = event["backtrace"][:frames] + [CUT]
            for key, value in event.items():
                if isinstance(value, str):
                    event[key] = cut(value, size)
                elif key == "path":
                    event[key] = [cut(part, size) for part in value]
            data = self.line(event)
        return data


# ---- failures ----

def own_frame(filename):
    """A frame of pytest itself: nobody looks for a failure there."""
    parts = filename.replace("\\", "/").split("/")
    return "_pytest" in parts or "pluggy" in parts or filename == __file__


def frames_of(excinfo, root):
    lines = []
    for frame in traceback.extract_tb(excinfo.tb):
        if own_frame(frame.filename):
            continue
        name = frame.filename
        if name.startswith(root + os.sep):
            name = "./" + name[len(root) + 1:]
        lines.append(cut("%s:%s:in `%s'" % (name, frame.lineno, frame.name), MAX_FRAME))
    lines.reverse()  # innermost first, as everywhere else
    if len(lines) > MAX_FRAMES:
        lines[MAX_FRAMES - 1:] = [CUT]
    return lines


def failure_of(report, excinfo, root):
    """exception, message, backtrace of a report that failed."""
    fields = {}
    longrepr = getattr(report, "longrepr", None)
    crash = getattr(longrepr, "reprcrash", None)
    if excinfo is not None:
        fields["exception"] = cut(excinfo.typename, MAX_FRAME)
        fields["backtrace"] = frames_of(excinfo, root)
    message = crash.message if crash is not None else longrepr
    if message is None and excinfo is not None:
        message = excinfo.value
    fields["message"] = cut("" if message is None else message, MAX_MESSAGE)
    return fields


def artifacts_of(report, root):
    """Files that a test says it left: record_property("artifact", path)."""
    paths = []
    for name, value in getattr(report, "user_properties", ()):
        if name == "artifact":
            path = utf8(value)
            path = path[len(root) + 1:] if path.startswith(root + os.sep) else path
            if path and path not in paths:
                paths.append(cut(path, MAX_NAME))
    return paths[:MAX_ARTIFACTS]


def reason_of(report):
    """Why a test was skipped."""
    longrepr = getattr(report, "longrepr", None)
    text = longrepr[2] if isinstance(longrepr, tuple) and len(longrepr) == 3 else longrepr
    text = "" if text is None else utf8(text)
    return text[len("Skipped: "):] if text.startswith("Skipped: ") else text


# ---- names ----

def parts_of(nodeid):
    """tests/test_a.py::TestB::test_c[x::y] -> the file, [TestB, test_c[x::y]]"""
    head, bracket, parameters = nodeid.partition("[")
    parts = head.split("::")
    parts[-1] += bracket + parameters
    if len(parts) == 1:
        return parts[0], parts
    return parts[0], [part for part in parts[1:] if part and part != "()"]


class Listener:
    def __init__(self, channel):
        self.channel = channel
        self.root = os.getcwd()
        self.discovered = self.examples = self.failed = self.pending = self.errors = 0
        self.aborted = False
        self.ended = False
        self.now = {}         # what is known of the tests that run, by id: with pytest-xdist several at once
        self.excinfo = {}     # of their failures, as far as they are in this process
        self.empty = {}       # how many were set up and torn down without being called, by why
        self.skipped = []     # modules that skip themselves

    def guard(self, call, *args):
        """Whatever a project did to pytest or to its own classes, the suite goes on."""
        try:
            call(*args)
        except Exception:
            pass

    # ---- hooks ----

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self, session):
        self.channel.write({"e": "start", "v": 1, "adapter": "pytest", "version": pytest.__version__, "discovered": 0})

    def pytest_collectreport(self, report):
        self.guard(self.collected, report)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self, session):
        self.guard(self.planned, session)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, node, ids):
        self.guard(self.planned_elsewhere, ids)

    def pytest_runtest_logstart(self, nodeid, location):
        self.guard(self.began, nodeid, location)

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_makereport(self, item, call):
        outcome = yield
        self.guard(self.made, item, outcome, call)

    def pytest_runtest_logreport(self, report):
        self.guard(self.phase, report)

    def pytest_runtest_logfinish(self, nodeid, location):
        self.guard(self.over, nodeid)

    def pytest_internalerror(self, excrepr, excinfo):
        self.guard(self.internal, excrepr, excinfo)

    def pytest_keyboard_interrupt(self, excinfo):
        # A file that does not load "interrupts" as well, and so does what ends a session, by a class of pytest's own.
        self.aborted = self.aborted or excinfo.typename != "Interrupted"

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session, exitstatus):
        self.guard(self.end, session, exitstatus)

    # ---- what they mean ----

    def collected(self, report):
        if report.failed:
            self.error({"message": cut("%s\n%s" % (report.nodeid, report.longrepr), MAX_MESSAGE)})
        elif report.skipped:
            self.skipped.append((report.nodeid, reason_of(report)))

    def planned(self, session):
        count = len(session.items)
        # pytest itself says "no tests" when all it found was skipped modules; else they are news.
        skipped, self.skipped = (self.skipped if count > 0 else []), []
        self.plan(count + len(skipped))
        for nodeid, reason in skipped:
            file, path = parts_of(nodeid)
            self.example({"id": cut(nodeid, MAX_NAME), "path": [cut(p, MAX_NAME) for p in path], "file": file, "ms": 0},
                         {"status": "pending", "pending": cut(reason or "skipped", MAX_MESSAGE)})

    def planned_elsewhere(self, ids):
        """pytest-xdist: each worker collects them all."""
        if self.discovered == 0:
            self.plan(len(ids))

    def plan(self, count):
        self.discovered += count
        if count > 0:
            self.channel.write({"e": "plan", "discovered": count})

    def began(self, nodeid, location):
        file, path = parts_of(nodeid)
        now = {"id": cut(nodeid, MAX_NAME), "path": [cut(p, MAX_NAME) for p in path[:MAX_DEPTH]],
               "file": cut(file, 4000), "ms": 0.0, "phases": [], "failures": [], "pending": None}
        if location[1] is not None:
            now["line"] = int(location[1]) + 1
        self.now[nodeid] = now
        self.channel.write({"e": "running", "id": now["id"], "path": now["path"]})

    def made(self, item, outcome, call):
        if outcome.get_result().failed:
            self.excinfo[item.nodeid] = call.excinfo

    def phase(self, report):
        now = self.now.get(report.nodeid)
        if now is None:
            return
        now["ms"] += report.duration * 1000.0
        now["phases"].append(report.when)
        if report.failed:
            fields = {"message": "a failure that cannot be shown"}  # whatever happens below, it failed
            now["failures"].append(fields)
            fields.update(failure_of(report, self.excinfo.pop(report.nodeid, None), self.root))
            if report.when != "call":
                fields["message"] = cut("%s: %s" % (report.when, fields["message"]), MAX_MESSAGE)
        elif report.skipped:
            xfail = getattr(report, "wasxfail", None)
            now["pending"] = (xfail or "expected to fail") if xfail is not None else reason_of(report) or "skipped"
        if report.when == "teardown":  # last, for what a test put there may be anything
            artifacts = artifacts_of(report, self.root)
            if artifacts:
                now["artifacts"] = artifacts

    def over(self, nodeid):
        now = self.now.pop(nodeid, None)
        self.excinfo.pop(nodeid, None)
        if now is None:
            return
        failures, pending, phases = now.pop("failures"), now.pop("pending"), now.pop("phases")
        if failures:
            result = dict(failures[0], status="failed")
            if len(failures) > 1:
                result["message"] = cut("\n\n".join(f["message"] for f in failures), MAX_MESSAGE)
        elif pending is not None:
            result = {"status": "pending", "pending": cut(pending, MAX_MESSAGE)}
        elif "call" in phases:
            result = {"status": "passed"}
        else:
            why = "its fixtures were set up, and it was not called" if phases else "it began, and nothing was told of it"
            self.empty[why] = self.empty.get(why, 0) + 1
            return
        self.example(now, result)

    def example(self, event, result):
        self.examples += 1
        self.failed += result["status"] == "failed"
        self.pending += result["status"] == "pending"
        event["ms"] = round(event["ms"], 3)
        self.channel.write(dict(event, e="example", **result))

    def not_run(self, session):
        """What pytest chose not to do. An error outside of tests, or an end in the middle, speaks for itself."""
        left = self.discovered - self.examples
        for why, count in self.empty.items():
            self.channel.write({"e": "not_run", "count": count, "why": why})
            left -= count
        option = session.config.option
        why = ""
        if getattr(option, "collectonly", False):
            why = "--collect-only: tests are listed, not executed"
        elif self.failed > 0:  # -x, --maxfail, --stepwise
            why = getattr(session, "shouldfail", False) or getattr(session, "shouldstop", False)
        if left > 0 and why:
            self.channel.write({"e": "not_run", "count": left, "why": cut(why, MAX_NAME)})
        return bool(why)

    def error(self, fields):
        self.errors += 1
        self.channel.write(dict(fields, e="error"))

    def internal(self, excrepr, excinfo):
        self.aborted = True
        self.error({"exception": cut(excinfo.typename, MAX_FRAME), "message": cut("pytest: %s" % excrepr, MAX_MESSAGE),
                    "backtrace": frames_of(excinfo, self.root)})

    def end(self, session, exitstatus):
        if self.ended:
            return
        self.ended = True
        for nodeid in [one for one, now in self.now.items() if now["failures"]]:
            self.over(nodeid)  # a worker of pytest-xdist died in it
        chosen = self.not_run(session)
        # 2 and 3: interrupted, internal error.
        aborted = self.aborted or (int(exitstatus) in (2, 3) and self.errors == 0 and not chosen)
        self.channel.write({"e": "end", "examples": self.examples, "failed": self.failed, "pending": self.pending,
                            "errors": self.errors, "aborted": aborted})


def tidy_environment():
    """A pytest or python that a test starts is one of its own: it gets neither the pipe nor our folder."""
    number = os.environ.pop("WRATA_RESULTS_FD", None)
    folders = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    if number is not None and folders[0] and os.path.abspath(folders[0]) == HERE:
        if len(folders) > 1:
            os.environ["PYTHONPATH"] = os.pathsep.join(folders[1:])
        else:
            del os.environ["PYTHONPATH"]
    return number


NUMBER = tidy_environment()


def pytest_configure(config):
    global NUMBER
    number, NUMBER = NUMBER, None
    try:
        if number is not None and number.isdigit():
            config.pluginmanager.register(Listener(Channel(int(number))), "wrata")
    except Exception:
        pass
