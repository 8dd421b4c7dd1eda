"""hosts.py - throw-away hosts for tests: a network namespace with an address and a real sshd each.

They share this computer's files except for /root, which is an empty tmpfs of their own, so that each is a machine that
has never seen an agent. Needs root, iproute2, nftables and an OpenSSH server; missing() says what is not there.

    with Hosts() as hosts:
        h = hosts.add()
        h.address, hosts.identity
        h.cut(); h.heal(); h.kill()
"""
import fcntl
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

SSHD = "/usr/sbin/sshd"


def missing():
    """Why hosts cannot be made here; None when they can."""
    if os.geteuid() != 0:
        return "test hosts need root"
    for program in ("ip", "nft", "ssh", "ssh-keygen", SSHD):
        if shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin") is None:
            return "test hosts need %s (apt packages iproute2 nftables openssh-server)" % program
    name = "wt-probe-%d" % os.getpid()
    if subprocess.run(["ip", "netns", "add", name], capture_output=True).returncode != 0:
        return "no network namespace can be made here"
    subprocess.run(["ip", "netns", "del", name], check=True)
    return None


def run(*argv, **kw):
    return subprocess.run(argv, check=True, capture_output=True, text=True, **kw)


class Host:
    def __init__(self, hosts, number, root_mount="mode=700", env=(), host_key=None, authorized=None):
        """host_key: the text of a private key, instead of a new one; authorized: who may log in, instead of hosts.identity."""
        self.hosts = hosts
        self.number = number
        self.ns = "%sh%d" % (hosts.prefix, number)
        self.veth = "%sv%d" % (hosts.prefix, number)
        self.address = "%s.%d.2" % (hosts.net, number)
        self.dir = os.path.join(hosts.dir, str(number))
        self.root_mount = root_mount
        self.env = list(env)
        os.mkdir(self.dir)
        run("ip", "netns", "add", self.ns)
        run("ip", "link", "add", self.veth, "type", "veth", "peer", "name", "eth0", "netns", self.ns)
        run("ip", "addr", "add", "%s.%d.1/30" % (hosts.net, number), "dev", self.veth)
        run("ip", "link", "set", self.veth, "up")
        run("ip", "-n", self.ns, "link", "set", "lo", "up")
        run("ip", "-n", self.ns, "addr", "add", self.address + "/30", "dev", "eth0")
        run("ip", "-n", self.ns, "link", "set", "eth0", "up")
        self.authorized = hosts.identity + ".pub"
        if authorized is not None:
            self.authorized = self.write("authorized", authorized + "\n")
        if host_key is not None:
            self.write("hostkey", host_key)
        else:
            self.new_host_key()
        self.boot()

    def write(self, name, text):
        path = os.path.join(self.dir, name)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as f:
            f.write(text)
        return path

    def new_host_key(self):
        key = os.path.join(self.dir, "hostkey")
        for path in (key, key + ".pub"):
            if os.path.exists(path):
                os.unlink(path)
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key)

    def boot(self):
        """Start sshd with an empty /root; what ran before must be dead."""
        config = os.path.join(self.dir, "sshd_config")
        with open(config, "w") as f:
            f.write("Port 22\nListenAddress %s\nHostKey %s/hostkey\nAuthorizedKeysFile %s\nPidFile none\nUsePAM no\n"
                    "PasswordAuthentication no\nPermitRootLogin prohibit-password\nStrictModes no\nUseDNS no\n"
                    "MaxStartups 200\n" % (self.address, self.dir, self.authorized))
            if self.env:
                f.write("SetEnv " + " ".join(self.env) + "\n")
        os.makedirs("/run/sshd", exist_ok=True)
        log = open(os.path.join(self.dir, "log"), "a")
        self.sshd = subprocess.Popen(["ip", "netns", "exec", self.ns, "sh", "-c",
                                      'mount -t tmpfs -o "$1" tmpfs /root && cd / && exec "$2" -D -e -f "$3"', "sh",
                                      self.root_mount, SSHD, config],
                                     stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        log.close()
        end = time.monotonic() + 60
        while time.monotonic() < end:
            try:
                with socket.create_connection((self.address, 22), timeout=10) as s:
                    if s.recv(4) == b"SSH-":
                        return
            except OSError:
                time.sleep(0.02)
        raise RuntimeError("no sshd on %s: %s" % (self.address, self.log()))

    def log(self):
        with open(os.path.join(self.dir, "log"), encoding="utf-8", errors="replace") as f:
            return f.read()

    def pids(self):
        out = subprocess.run(["ip", "netns", "pids", self.ns], capture_output=True, text=True).stdout
        return [int(p) for p in out.split()]

    def commands(self):
        """What runs on the host: (pid, command line)."""
        found = []
        for pid in self.pids():
            try:
                with open("/proc/%d/cmdline" % pid, encoding="utf-8", errors="replace") as f:
                    found.append((pid, f.read().replace("\0", " ").strip()))
            except OSError:
                pass
        return found

    def kill_sessions(self):
        """Every ssh connection breaks; what it had started stays."""
        for pid, command in self.commands():
            if command.startswith("sshd: ") and "[listener]" not in command:
                os.kill(pid, signal.SIGKILL)

    def cut(self):
        """No packet comes or goes: both sides see silence."""
        run("ip", "netns", "exec", self.ns, "nft", "add table inet cut; "
            "add chain inet cut in { type filter hook input priority 0; policy drop; }; "
            "add chain inet cut out { type filter hook output priority 0; policy drop; }")

    def heal(self):
        run("ip", "netns", "exec", self.ns, "nft", "delete", "table", "inet", "cut")

    def kill(self):
        """Every process dies at once; the peers get FIN or RST."""
        for _ in range(50):
            pids = self.pids()
            if not pids:
                self.sshd.wait(60)
                return
            for pid in pids:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            time.sleep(0.02)

    def sh(self, text):
        """Run a shell text as root on the host, by ssh; returns its output."""
        return run("ssh", "-F", "/dev/null", "-i", self.hosts.identity, "-o", "BatchMode=yes", "-o",
                   "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR",
                   "root@" + self.address, text).stdout

    def remove(self):
        self.kill()
        subprocess.run(["ip", "netns", "del", self.ns], capture_output=True)
        subprocess.run(["ip", "link", "del", self.veth], capture_output=True)


def free_net():
    """The beginning of addresses that no other test on this computer uses, and the lock that keeps it so."""
    for i in range(50):
        number = 200 + (os.getpid() + i) % 50
        lock = os.open(os.path.join(tempfile.gettempdir(), "wrata-net-%d" % number), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return "10.%d" % number, lock
        except BlockingIOError:
            os.close(lock)
    raise RuntimeError("all 50 nets for test hosts are in use")


class Hosts:
    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="wrata-hosts-")
        self.prefix = "wt%d" % (os.getpid() % 100000)
        self.net, self.net_lock = free_net()
        self.identity = os.path.join(self.dir, "id")
        self.all = []
        self.numbers = set()
        self.lock = threading.Lock()  # some tests make hosts in threads
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.identity)

    def add(self, **kw):
        with self.lock:
            number = next(n for n in range(1, 255) if n not in self.numbers)
            self.numbers.add(number)
        h = Host(self, number, **kw)
        with self.lock:
            self.all.append(h)
        return h

    def drop(self, h):
        """Switch it off for good."""
        h.remove()
        shutil.rmtree(h.dir, ignore_errors=True)
        with self.lock:
            self.all.remove(h)
            self.numbers.discard(h.number)

    def down(self):
        for h in list(self.all):
            h.remove()
        os.close(self.net_lock)
        shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *what):
        self.down()
