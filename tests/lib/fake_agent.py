#!/usr/bin/python3
"""fake_agent.py - an agent's side of the link, by a script of words instead of an agent.

Started as `fake_agent.py attach --dir DIR --instance ID`; does what DIR/script says, a word a line, and writes every
frame it gets to DIR/got, a JSON object a line. It has its own reading of the frames, made from docs/protocol.md and
not from the C sources: two readings that agree are worth more than one.

    hello            say hello                   expect NAME     wait for a frame of that name
    beat N           a beat with seq N           stream R S OFF TEXT
    finished R       run R returned 0            raw HEX         these bytes
    fetch P COMMIT   a git channel: fetch COMMIT of project P into DIR/clone.git
    open C KIND N    open channel C              data C N        N bytes on channel C, in frames of 64 KiB
    close C ERROR    close channel C             answer          wait for CHAN_DATA, add its bytes to DIR/answer
    stderr TEXT      a line of standard error    exit N          end with this status
    sleep MS         wait                        flood N         N megabytes of bytes that are no frame
"""
import json
import os
import select
import struct
import subprocess
import sys
import time

NAMES = {1: "HELLO", 2: "BEAT", 3: "STARTED", 4: "STREAM", 5: "FINISHED", 6: "CHAN_OPEN", 7: "AGENT_LOG",
         8: "PREPARING", 9: "HEALTH",
         16: "WELCOME", 17: "RUN_SPEC", 18: "GOALS", 19: "ACKS", 20: "BYE",
         32: "CHAN_DATA", 33: "CHAN_CREDIT", 34: "CHAN_CLOSE"}
NUMBERS = {name: number for number, name in NAMES.items()}
WINDOW = 262144


def u32(v):
    return struct.pack("<I", v)


def u64(v):
    return struct.pack("<Q", v)


def text(s):
    b = s if isinstance(s, bytes) else s.encode()
    return u32(len(b)) + b


class Body:
    def __init__(self, b):
        self.b = b
        self.at = 0

    def u32(self):
        v = struct.unpack_from("<I", self.b, self.at)[0]
        self.at += 4
        return v

    def u64(self):
        v = struct.unpack_from("<Q", self.b, self.at)[0]
        self.at += 8
        return v

    def bytes(self):
        n = self.u32()
        v = self.b[self.at:self.at + n]
        assert len(v) == n
        self.at += n
        return v

    def str(self):
        return self.bytes().decode()

    def list(self, part):
        return [part(Body(self.bytes())) for _ in range(self.u32())]


def decode(name, b):
    if name == "WELCOME":
        return {"protocol": b.u32(), "instance": b.str(), "server": b.str(), "server_id": b.u64(), "slots": b.u32(),
                "beat_ms": b.u32(), "grace_ms": b.u32(), "window_bytes": b.u64()}
    if name == "RUN_SPEC":
        return {"run": b.u64(), "test": b.u64(), "launch": b.u64(), "attempt": b.u32(), "project": b.u64(),
                "commit": b.str(), "adapter": b.str(), "argv": b.list(Body.str), "env": b.list(Body.str),
                "time_limit_ms": b.u64(), "silence_limit_ms": b.u64(), "kill_grace_ms": b.u64(),
                "log_max_bytes": b.u64(), "memory_max_bytes": b.u64(), "pids_max": b.u32(),
                "secrets": b.list(Body.str), "reports": b.list(Body.str),
                "setup": b.list(Body.str)}
    if name == "GOALS":
        return {"seq": b.u64(), "beat_seq": b.u64(),
                "goals": b.list(lambda g: {"run": g.u64(), "want": g.u32(), "lease_ms": g.u32()})}
    if name == "ACKS":
        return {"acks": b.list(lambda a: {"run": a.u64(), "stream": a.u32(), "offset": a.u64()})}
    if name == "BYE":
        return {"reason": b.str()}
    if name == "CHAN_DATA":
        return {"chan": b.u32(), "bytes": b.bytes()}
    if name == "CHAN_CREDIT":
        return {"chan": b.u32(), "bytes": b.u64()}
    if name == "CHAN_CLOSE":
        return {"chan": b.u32(), "error": b.str()}
    return {}


class Link:
    def __init__(self, folder):
        self.folder = folder
        self.buf = b""
        self.got = open(os.path.join(folder, "got"), "a")

    def send(self, name, *parts):
        body = b"".join(parts)
        self.raw(u32(len(body)) + u32(NUMBERS[name]) + body)

    def raw(self, b):
        while b:
            b = b[os.write(1, b):]

    def next(self):
        """The next frame as (name, fields); ends with 0 when the link ends."""
        while True:
            if len(self.buf) >= 8:
                n, number = struct.unpack_from("<II", self.buf)
                if len(self.buf) >= 8 + n:
                    name = NAMES.get(number, str(number))
                    f = decode(name, Body(self.buf[8:8 + n]))
                    self.buf = self.buf[8 + n:]
                    shown = {k: v if not isinstance(v, bytes) else len(v) for k, v in f.items()}
                    self.got.write(json.dumps({"frame": name, **shown}) + "\n")
                    self.got.flush()
                    return name, f
            more = os.read(0, 65536)
            if not more:
                sys.exit(0)
            self.buf += more

    def wait(self, name):
        while True:
            got, f = self.next()
            if got == name:
                return f


def fetch(link, project, commit):
    """git fetch with the channel as its transport: a helper process that is a pair of pipes."""
    clone = os.path.join(link.folder, "clone.git")
    subprocess.run(["git", "init", "-q", "--bare", clone], check=True)
    to_git, from_git = os.path.join(link.folder, "to_git"), os.path.join(link.folder, "from_git")
    for p in (to_git, from_git):
        if os.path.exists(p):
            os.unlink(p)
        os.mkfifo(p)
    helper = os.path.join(link.folder, "helper")
    with open(helper, "w") as f:
        f.write("#!/bin/sh\nexec 3<&0\ncat <&3 >'%s' &\ncat <'%s'\nkill $! 2>/dev/null\nwait\n" % (from_git, to_git))
    os.chmod(helper, 0o755)
    git = subprocess.Popen(["git", "-C", clone, "fetch", "-q", "--upload-pack=" + helper, clone, commit],
                           stdin=subprocess.DEVNULL, stdout=2)
    w = os.open(to_git, os.O_WRONLY)
    r = os.open(from_git, os.O_RDONLY | os.O_NONBLOCK)
    link.send("CHAN_OPEN", u32(1), text("git"), u64(project), text(commit))
    credit, taken, ended, reading, began = WINDOW, 0, None, True, False
    while ended is None:
        fds = [0] + ([r] if reading and credit > 0 else [])
        if len(link.buf) < 8:
            ready = select.select(fds, [], [], 1)[0]
        else:
            ready = [0]
        if r in ready:
            b = os.read(r, min(credit, 65536))
            if b:
                began = True
                credit -= len(b)
                link.send("CHAN_DATA", u32(1), text(b))
            elif began:  # before the helper has opened its end, a read is empty as well
                reading = False
                link.send("CHAN_CLOSE", u32(1), text(""))
        if 0 in ready:
            name, f = link.next()
            if name == "CHAN_DATA":
                assert taken + len(f["bytes"]) <= WINDOW, "more than the credit"
                b = f["bytes"]
                n = len(b)
                while b:
                    b = b[os.write(w, b):]
                taken += n
                if taken > WINDOW // 2:
                    link.send("CHAN_CREDIT", u32(1), u64(taken))
                    taken = 0
            elif name == "CHAN_CREDIT":
                credit += f["bytes"]
            elif name == "CHAN_CLOSE":
                ended = f["error"]
    os.close(w)
    git.wait()
    with open(os.path.join(link.folder, "fetched"), "w") as f:
        f.write("%d %s\n" % (git.returncode, ended))


def main():
    if sys.argv[1:] == ["version"]:
        print("fake")
        return
    folder = os.path.expanduser("~/.wrata")
    for i, a in enumerate(sys.argv):
        if a == "--dir":
            folder = sys.argv[i + 1]
    link = Link(folder)
    for line in open(os.path.join(folder, "script")):
        word, _, rest = line.rstrip("\n").partition(" ")
        args = rest.split(" ")
        if word == "hello":
            link.send("HELLO", u32(int(args[0] or 1)), text("0.1.0"), text("abc"), u64(7), text("host"),
                      text("Linux x86_64"), u64(int(time.time() * 1000)), u64(1 << 30), u32(1),
                      text(u64(41) + u32(2) + u32(0) + u64(100) + u64(0)))
        elif word == "beat":
            link.send("BEAT", u64(int(args[0])), u64(0), u64(1 << 30), u32(12), u32(0))
        elif word == "stream":
            link.send("STREAM", u64(int(args[0])), u32(int(args[1])), u64(int(args[2])), text(args[3]))
        elif word == "finished":
            link.send("FINISHED", u64(int(args[0])), u32(0), u32(0), u32(0), text(""), u64(5), u64(0), u64(0),
                      u64(1000), u64(1), u64(1), u64(1), u64(1), u64(1))
        elif word == "expect":
            link.wait(args[0])
        elif word == "raw":
            link.raw(bytes.fromhex(args[0]))
        elif word == "open":
            link.send("CHAN_OPEN", u32(int(args[0])), text(args[1]), u64(int(args[2])), text(""))
        elif word == "data":
            left = int(args[1])
            while left > 0:
                link.send("CHAN_DATA", u32(int(args[0])), text(b"x" * min(left, 65536)))
                left -= 65536
        elif word == "close":
            link.send("CHAN_CLOSE", u32(int(args[0])), text(rest.partition(" ")[2]))
        elif word == "answer":
            with open(os.path.join(folder, "answer"), "ab") as f:
                f.write(link.wait("CHAN_DATA")["bytes"])
        elif word == "fetch":
            fetch(link, int(args[0]), args[1])
        elif word == "stderr":
            print(rest, file=sys.stderr, flush=True)
        elif word == "sleep":
            time.sleep(int(args[0]) / 1000)
        elif word == "flood":
            for _ in range(int(args[0])):
                link.raw(b"\xff" * 1048576)
        elif word == "exit":
            sys.exit(int(args[0]))
        else:
            sys.exit("no such word: " + word)
    while True:
        link.next()


main()
