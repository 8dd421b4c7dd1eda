"""Real podman for tests: storage, settings and network under a folder of the test's own, and an image made of the packages that
this machine has installed, so nothing is fetched from anywhere.

    engine = pod.Engine(folder)     raises unittest.SkipTest with a sentence where podman cannot work
    engine.env                      variables with which `podman`, and an agent, use it
    engine.image("localhost/t:1")
    engine.close()                  nothing is left: no container, no mount, no folder

WRATA_TEST_IMAGE=debootstrap makes the image by debootstrap(8) instead, of packages that are fetched: minutes, once; the result is
kept in WRATA_TEST_IMAGE_CACHE (default: ~/.cache/wrata-test). `python3 tests/lib/pod.py` does only that, and says how long it took.
"""
import hashlib
import io
import json
import os
import shutil
import signal
import subprocess
import tarfile
import tempfile
import time
import unittest

# What images hold, and all that these need.
SMALL = ["bash", "coreutils", "dash", "grep", "sed", "procps", "libc-bin", "base-files"]
RUNTIMES = SMALL + ["ruby", "ruby-rspec", "python3", "python3-pytest", "git"]
# Not needed for running anything.
LEFT_OUT = ("/usr/share/doc/", "/usr/share/man/", "/usr/share/locale/", "/usr/share/info/", "/usr/share/lintian/", "/usr/share/i18n/",
            "/usr/share/zoneinfo/", "/usr/lib/x86_64-linux-gnu/gconv/", "/usr/share/rubygems-integration/all/gems/doc/")
LEFT_OUT_PACKAGES = {"adduser", "ca-certificates", "debconf", "dpkg", "perl", "perl-base", "tzdata", "openssl", "media-types"}


def needed(packages):
    """The packages and all they depend on, as far as they are installed."""
    listed = subprocess.run(["dpkg-query", "-W", "-f", "${db:Status-Abbrev}|${Package}|${Provides}|${Pre-Depends},${Depends}\n"],
                            check=True, capture_output=True, text=True).stdout
    depends, provides = {}, {}
    for line in listed.splitlines():
        status, name, provided, wanted = line.split("|", 3)
        if not status.startswith("ii"):
            continue
        depends[name] = [[a.split()[0].split(":")[0] for a in group.split("|") if a.split()] for group in wanted.split(",")]
        for p in provided.split(","):
            if p.split():
                provides.setdefault(p.split()[0], name)
    found, todo = set(), list(packages)
    while todo:
        name = todo.pop()
        if name in found or name in LEFT_OUT_PACKAGES:
            continue
        if name not in depends:
            raise unittest.SkipTest("the package %s is not installed (scripts/install-deps.sh test)" % name)
        found.add(name)
        for group in depends[name]:
            there = [a for a in group if a in depends] or [provides[a] for a in group if a in provides]
            todo += there[:1]
    return sorted(found)


USERS = (("etc/passwd", 0o644, "root:x:0:0:root:/root:/bin/bash\ntester:x:4711:4711:Tester:/home/tester:/bin/bash\n"),
         ("etc/group", 0o644, "root:x:0:\ntester:x:4711:\nvideo:x:44:tester\n"))


def put_texts(tar, texts):
    for name, mode, text in texts:
        info = tarfile.TarInfo(name)
        data = text.encode()
        info.mode, info.size = mode, len(data)
        tar.addfile(info, io.BytesIO(data))


def put_folder(tar, name, mode, owner=0):
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.uid, info.gid = tarfile.DIRTYPE, mode, owner, owner
    tar.addfile(info)


def root_file_system(packages, out, more=()):
    """A tar of the files of packages, as on this machine. more: (path, mode, text)."""
    paths = subprocess.run(["dpkg", "-L"] + needed(packages), check=True, capture_output=True, text=True).stdout.splitlines()
    folders = ("root", "tmp", "home", "home/tester", "proc", "sys", "dev", "run", "var", "var/tmp")
    texts = list(USERS) + list(more)
    seen = {"/" + f for f in folders} | {"/" + t[0] for t in texts}
    with tarfile.open(fileobj=out, mode="w|") as tar:
        def put(path):
            path = os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))
            if path in seen or path == "/" or not os.path.lexists(path) or (path + "/").startswith(LEFT_OUT):
                return
            seen.add(path)
            tar.add(path, path[1:], recursive=False)
            if os.path.islink(path):
                target = os.path.join(os.path.dirname(path), os.readlink(path))
                if not os.path.isdir(target):
                    put(os.path.normpath(target))

        for path in ("/bin", "/sbin", "/lib", "/lib64", "/etc", "/usr", "/usr/bin", "/etc/ld.so.cache", "/usr/bin/sh", "/bin/sh"):
            put(path)
        for path in paths:
            if path.startswith("/"):
                put(path)
        for name in folders:
            put_folder(tar, name, 0o1777 if name.endswith("tmp") else 0o700 if name in ("root", "home/tester") else 0o755,
                       4711 if name == "home/tester" else 0)
        put_texts(tar, texts)


def debootstrap(packages, suite="bookworm"):
    """The path of a tar of a Debian with these packages; made when there is none yet."""
    name = "debootstrap-%s-%s.tar" % (suite, hashlib.sha256(" ".join(sorted(packages)).encode()).hexdigest()[:12])
    cache = os.environ.get("WRATA_TEST_IMAGE_CACHE") or os.path.expanduser("~/.cache/wrata-test")
    path = os.path.join(cache, name)
    if os.path.exists(path):
        return path
    program = shutil.which("debootstrap", path=os.environ.get("PATH", "") + ":/usr/sbin")
    if program is None:
        raise unittest.SkipTest("debootstrap is not installed (scripts/install-deps.sh test)")
    if os.geteuid() != 0:
        raise unittest.SkipTest("debootstrap needs root")
    os.makedirs(cache, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="wrata-debootstrap-") as folder:
        root = os.path.join(folder, "root")
        with open(path + ".log", "w") as log:
            subprocess.run([program, "--variant=minbase", "--include=" + ",".join(packages), suite, root], check=True,
                           stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        subprocess.run(["tar", "-C", root, "--numeric-owner", "--exclude=./var/cache/apt/archives/*.deb", "--exclude=./var/lib/apt/lists/*",
                        "--exclude=./dev/*", "-cf", path + ".part", "."], check=True)
    os.rename(path + ".part", path)
    return path


def debootstrap_file_system(packages, out, more=()):
    """As root_file_system(), but a real Debian: it has the same user besides its own."""
    with tempfile.NamedTemporaryFile(prefix="wrata-image-", suffix=".tar") as copy:
        shutil.copyfile(debootstrap(packages), copy.name)
        with tarfile.open(copy.name) as tar:
            users = [(name, mode, tar.extractfile("./" + name).read().decode() + "".join(
                line for line in text.splitlines(True) if "tester" in line)) for name, mode, text in USERS]
        subprocess.run(["tar", "--delete", "-f", copy.name] + ["./" + name for name, _, _ in users], check=True)
        with tarfile.open(copy.name, mode="a") as tar:
            put_texts(tar, users + list(more))
            put_folder(tar, "home/tester", 0o700, 4711)
        with open(copy.name, "rb") as f:
            shutil.copyfileobj(f, out, 1 << 20)


class Engine:
    def __init__(self, folder):
        self.folder = folder
        self.service = self.socket = None
        # podman's own bridge has one name for everybody: somebody else's is left alone.
        self.had_bridge = os.path.exists("/sys/class/net/podman0")
        for program, package in (("podman", "podman"), ("runc", "runc")):
            if not shutil.which(program):
                raise unittest.SkipTest("%s is not installed (scripts/install-deps.sh test)" % package)
        if os.geteuid() != 0:
            raise unittest.SkipTest("podman under a folder of its own needs root")
        os.makedirs(folder)
        self.env = dict(os.environ, CONTAINERS_STORAGE_CONF=os.path.join(folder, "storage.conf"),
                        CONTAINERS_CONF=os.path.join(folder, "containers.conf"), TMPDIR=os.path.join(folder, "tmp"))
        self.env.pop("DOCKER_HOST", None)
        os.mkdir(self.env["TMPDIR"])
        with open(self.env["CONTAINERS_STORAGE_CONF"], "w") as f:
            f.write('[storage]\ndriver = "overlay"\ngraphroot = "%s/graph"\nrunroot = "%s/run"\n' % (folder, folder))
        with open("/proc/sys/kernel/pid_max") as f:
            pids = f.read().strip()
        files = subprocess.run(["bash", "-c", "ulimit -Hn"], capture_output=True, text=True).stdout.strip()
        with open(self.env["CONTAINERS_CONF"], "w") as f:
            # runc: crun refuses a v1 hierarchy beside a v2 one. Limits: a machine may not let its root raise them.
            f.write('[containers]\ndefault_ulimits = ["nofile=%s:%s", "nproc=%s:%s"]\nnetns = "none"\n'
                    '[engine]\ncgroup_manager = "cgroupfs"\nruntime = "runc"\nevents_logger = "file"\n'
                    'image_copy_tmp_dir = "%s/tmp"\n[network]\nnetwork_backend = "netavark"\nnetwork_config_dir = "%s/net"\n'
                    % (files, files, pids, pids, folder, folder))

    def podman(self, *args, check=True, **more):
        return subprocess.run(["podman", *args], env=self.env, check=check, capture_output=True, text=True, timeout=120, **more)

    def image(self, name, packages=SMALL, more=(), changes=()):
        """An image of packages; more: files (path, mode, text); changes: lines of a Dockerfile like "ENV A=b"."""
        words = ["podman", "import"] + [w for c in changes for w in ("--change", c)] + ["-", name]
        p = subprocess.Popen(words, env=self.env, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        try:
            make = debootstrap_file_system if os.environ.get("WRATA_TEST_IMAGE") == "debootstrap" else root_file_system
            make(packages, p.stdin, more)
        except BrokenPipeError:
            pass
        try:
            p.stdin.close()
        except BrokenPipeError:
            pass
        errors = p.stderr.read().decode()
        p.stderr.close()
        if p.wait() != 0:
            raise AssertionError("podman import: " + errors)
        self.must_run(name)

    def must_run(self, name):
        """Where a container cannot be started at all, that is the machine's fault: skip."""
        if getattr(self, "has_run", False):
            return
        p = self.podman("run", "--rm", "--network", "none", name, "true", check=False)
        if p.returncode != 0:
            raise unittest.SkipTest("podman cannot run a container here: " + p.stderr.strip()[-300:])
        self.has_run = True

    def has_bridge(self, name):
        return not self.had_bridge and self.podman("run", "--rm", "--network", "bridge", name, "true", check=False).returncode == 0

    def containers(self, label=None):
        words = ["ps", "-a", "--format", "{{.Names}}"] + (["--filter", "label=" + label] if label else [])
        return self.podman(*words).stdout.split()

    def inspect(self, name):
        return json.loads(self.podman("container", "inspect", name).stdout)[0]

    def api(self):
        """The socket by which the `docker` client can use this podman."""
        if self.socket is not None:
            return self.socket
        path = os.path.join(self.folder, "api.sock")
        self.service = subprocess.Popen(["podman", "system", "service", "--time=0", "unix://" + path], env=self.env,
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                        start_new_session=True)
        end = time.monotonic() + 20
        while subprocess.run(["curl", "-fs", "--unix-socket", path, "http://d/_ping"], capture_output=True).returncode != 0:
            if time.monotonic() > end or self.service.poll() is not None:
                raise AssertionError("podman's API does not come up")
            time.sleep(0.05)
        self.socket = "unix://" + path
        return self.socket

    def close(self):
        if self.service is not None:
            self.service.send_signal(signal.SIGTERM)
            self.service.wait()
        self.podman("rm", "-fa", "-t", "0", check=False)
        for _ in range(2):
            self.podman("rmi", "-fa", check=False)
        with open("/proc/mounts") as f:
            mounts = [line.split()[1] for line in f if line.split()[1].startswith(self.folder + "/")]
        for m in sorted(mounts, reverse=True):  # the store stays mounted on itself until told otherwise
            subprocess.run(["umount", m], capture_output=True)
        if not self.had_bridge:
            subprocess.run(["ip", "link", "del", "podman0"], capture_output=True)
        shutil.rmtree(self.folder, ignore_errors=True)
        if os.path.exists(self.folder):
            raise AssertionError("%s is left behind" % self.folder)


if __name__ == "__main__":
    begun = time.monotonic()
    made = debootstrap(RUNTIMES)
    print("%s: %d MB, after %.0f s" % (made, os.path.getsize(made) >> 20, time.monotonic() - begun))
