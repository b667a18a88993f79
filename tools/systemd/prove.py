"""Run the service under a living systemd: install, call, kill, freeze, stop, remove.

    sudo python tools/systemd/prove.py build/systemd [--mirror http://...]

apps/pi/install.sh installs it, with all the unit's hardening, in a Debian root that boot.sh boots.
Needs root, debootstrap and a checkout whose Python has pip. There is no sound card here: speech
comes from a file and goes into one.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parents[1]
PACKAGES = "systemd,systemd-sysv,dbus,procps,python3,python3-venv,libportaudio2"
UNIT = "q2d2-call.service"
ADDRESS = "127.0.0.1:9070"
WATCHDOG_SECONDS = 20


def say(what: str, result: str) -> None:
    """A line of the report."""
    print(f"{what:<44} {result}", flush=True)


def wait_for(what: str, true: Callable[[], object], seconds: float) -> float:
    """Seconds until ``true()``; raises SystemExit when it never is."""
    begun = time.monotonic()
    while not true():
        if time.monotonic() - begun > seconds:
            raise SystemExit(f"{what}: not within {seconds:.0f} s")
        time.sleep(0.1)
    return time.monotonic() - begun


class Container:
    """A booted Debian root."""

    def __init__(self, folder: Path) -> None:
        self.root, self.pidfile = folder / "root", folder / "pid"
        self.pidfile.unlink(missing_ok=True)
        log = (folder / "boot.log").open("w")
        command = [HERE / "boot.sh", self.root, self.pidfile]
        self.process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        wait_for("process 1", self.pidfile.exists, 10)
        time.sleep(2.0)  # until then its pivot_root may not be done

    def run(self, *command: str, check: bool = True) -> str:
        """Standard output of a command inside."""
        pid = self.pidfile.read_text().strip()
        enter = ["nsenter", "--target", pid, "--all", "--root", "--wd"]
        done = subprocess.run([*enter, *command], capture_output=True, text=True)
        if check and done.returncode:
            raise SystemExit(f"{' '.join(command)}: {done.stdout[-500:]}{done.stderr[-1500:]}")
        return done.stdout.strip()

    def show(self, name: str) -> str:
        """A property of the unit."""
        return self.run("systemctl", "show", "--property", name, "--value", UNIT)

    def is_up(self) -> bool:
        """Has everything been started?"""
        return self.run("systemctl", "is-system-running", check=False) in ("running", "degraded")

    def is_serving(self, besides: str = "") -> bool:
        """Is the unit active, with another process than ``besides``?"""
        return self.show("ActiveState") == "active" and self.show("MainPID") != besides

    def off(self) -> None:
        """Pull the plug: with its process 1 all of the container ends."""
        os.kill(int(self.pidfile.read_text()), signal.SIGKILL)
        self.process.wait(20)


def build(folder: Path, mirror: str | None) -> None:
    """Debian root with the package's wheels and installer in it."""
    root = folder / "root"
    if not (root / "lib/systemd/systemd").exists():
        command = [
            "debootstrap",
            "--variant=minbase",
            f"--include={PACKAGES}",
            "bookworm",
            str(root),
        ]
        subprocess.run([*command, *([mirror] if mirror else [])], check=True)
    lab = root / "root/lab"
    shutil.rmtree(lab, ignore_errors=True)
    wheels = [sys.executable, "-m", "pip", "wheel", "--quiet", "--wheel-dir", f"{lab}/wheels"]
    subprocess.run([*wheels, f"{PROJECT}[tflite]", "pip"], check=True)
    shutil.copytree(PROJECT / "apps/pi", lab / "pi")


def install(container: Container) -> None:
    """What the README tells a user to do; then a configuration without a sound card."""
    (wheel,) = (container.root / "root/lab/wheels").glob("q2d2_stream-*.whl")
    offline = ["env", "PIP_NO_INDEX=1", "PIP_FIND_LINKS=/root/lab/wheels"]
    script = ["sh", "/root/lab/pi/install.sh", "--no-start", "--package"]
    container.run(*offline, *script, f"/root/lab/wheels/{wheel.name}")
    etc = container.root / "etc/q2d2"
    shutil.copy(PROJECT / "apps/speech/kathleen_en_0.flac", etc / "speech.flac")
    (etc / "q2d2.toml").write_text(
        f'listen = "{ADDRESS}"\nsecret_file = "/etc/q2d2/secret"\n'
        'input = "/etc/q2d2/speech.flac"\noutput = "/run/q2d2/heard.wav"\n'
    )


def call(container: Container, folder: Path) -> str:
    """Call the service from outside, and say what was heard."""
    secret = folder / "secret"
    secret.write_bytes((container.root / "etc/q2d2/secret").read_bytes())
    secret.chmod(0o600)
    heard = folder / "heard.wav"
    heard.unlink(missing_ok=True)
    command = [sys.executable, "-m", "q2d2_stream", "call", "--peer", ADDRESS]
    command += ["--secret-file", str(secret), "--output", str(heard)]
    command += ["--input", str(PROJECT / "apps/speech/s2i_en_3.flac")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90)
    if done.returncode:
        raise SystemExit(f"the call failed with {done.returncode}: {done.stderr[-1500:]}")
    pcm, rate = soundfile.read(heard)
    level = 20.0 * np.log10(np.sqrt(np.mean(pcm**2)) + 1e-9)
    if level < -50.0:
        raise SystemExit(f"the call was silent: {level:.0f} dBFS")
    return f"{len(pcm) / rate:.1f} s of speech heard, {level:.0f} dBFS"


def prove(container: Container, folder: Path) -> None:
    """Every step, in the order of a service's life."""
    taken = wait_for("boot", container.is_up, 60)
    say(
        "systemd", f"{container.run('systemctl', '--version').splitlines()[0]}, up in {taken:.0f} s"
    )
    container.run("sh", "/root/lab/pi/install.sh", "--purge")  # of a run that was cut off
    install(container)
    say("apps/pi/install.sh", "installed")
    container.run("systemctl", "start", UNIT)
    say("start", f"{container.show('ActiveState')}: {container.show('StatusText')}")
    say("user", container.run("ps", "-o", "user=", "-p", container.show("MainPID")))
    say("call", call(container, folder))
    pid = container.show("MainPID")
    container.run("kill", "-KILL", pid)
    taken = wait_for("restart", lambda: container.is_serving(pid), 30)
    say("killed", f"serving again after {taken:.1f} s")
    pid = container.show("MainPID")
    container.run("kill", "-STOP", pid)
    taken = wait_for("watchdog", lambda: container.is_serving(pid), WATCHDOG_SECONDS * 2 + 20)
    if taken < WATCHDOG_SECONDS / 2:
        raise SystemExit(f"the watchdog bit after {taken:.1f} s, too early")
    say("frozen", f"killed by the watchdog and serving again after {taken:.1f} s")
    say("call after both", call(container, folder))
    container.run("systemctl", "stop", UNIT)
    say("stop", f"{container.show('ActiveState')}, {container.show('Result')}")
    if (container.show("ActiveState"), container.show("Result")) != ("inactive", "success"):
        raise SystemExit("the service did not stop cleanly")
    container.run("systemctl", "start", UNIT)
    container.run("sh", "/root/lab/pi/install.sh", "--purge")
    left = [p for p in ("opt/q2d2", "etc/q2d2") if (container.root / p).exists()]
    users = (container.root / "etc/passwd").read_text()
    if (
        left
        or "q2d2" in users
        or container.run("systemctl", "is-active", UNIT, check=False) == "active"
    ):
        raise SystemExit(f"after --purge there is still {left or 'the user or the unit'}")
    say("apps/pi/install.sh --purge", "nothing left")


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--mirror", help="Debian's mirror (default: debootstrap's)")
    args = parser.parse_args()
    if os.geteuid():
        raise SystemExit("expected to be run as root")
    folder = args.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    build(folder, args.mirror)
    container = Container(folder)
    try:
        prove(container, folder)
    finally:
        container.off()
    return 0


if __name__ == "__main__":
    sys.exit(main())
