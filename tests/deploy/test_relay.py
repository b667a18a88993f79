"""What deploy/relay starts is what the command takes. Docker does not run here: the files are read,
and the parts that fit together are held together."""

from __future__ import annotations

import configparser
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import yaml

from q2d2_stream.cli.main import parse
from tests.labs.paths import ROOT

FOLDER = ROOT / "deploy" / "relay"
COMPOSE: dict[str, Any] = yaml.safe_load((FOLDER / "compose.yaml").read_text(encoding="utf-8"))
SERVICES: dict[str, Any] = COMPOSE["services"]
RELAYS = [name for name in SERVICES if name.startswith("relay-")]
UNIT = FOLDER / "q2d2-relay.service"


def test_every_relay_is_one_and_speaks_to_nats() -> None:
    assert len(RELAYS) == 2
    nats = SERVICES["nats"]["command"]
    where = f"nats://{nats[nats.index('--addr') + 1]}:{nats[nats.index('--port') + 1]}"
    for name in RELAYS:
        args = parse(["relay", *SERVICES[name]["command"]])
        assert args.bus == [where]
        assert args.behind_proxy
        host, port = args.listen.split(":")
        assert host == "127.0.0.1"  # all share one network: nothing but the proxy is reachable
        assert args.udp_port == int(port)
        assert f"http://127.0.0.1:{port}/healthz" in SERVICES[name]["healthcheck"]["test"][-1]


def test_the_proxy_knows_all_relays_and_is_the_only_door() -> None:
    caddyfile = (FOLDER / "Caddyfile").read_text(encoding="utf-8")
    (line,) = re.findall(r"reverse_proxy (.+) \{", caddyfile)
    listening = [parse(["relay", *SERVICES[name]["command"]]).listen for name in RELAYS]
    assert line.split() == listening
    assert "health_uri /readyz" in caddyfile
    assert "{$RELAY_HOST}" in caddyfile
    assert "RELAY_HOST" in SERVICES["caddy"]["environment"]
    assert [name for name in SERVICES if "ports" in SERVICES[name]] == ["caddy"]
    ports = [parse(["relay", *SERVICES[name]["command"]]).udp_port for name in RELAYS]
    both = f"{ports[0]}-{ports[-1]}"
    assert SERVICES["caddy"]["ports"] == ["80:80", "443:443", f"{both}:{both}/udp"]
    for name in (*RELAYS, "nats"):
        assert SERVICES[name]["network_mode"] == "service:caddy"
        assert SERVICES[name]["cap_drop"] == ["ALL"]
        assert SERVICES[name]["read_only"] is True
    assert all(SERVICES[name]["restart"] == "unless-stopped" for name in SERVICES)


def test_the_image_is_built_from_this_checkout() -> None:
    build = SERVICES["relay-1"]["build"]
    assert (FOLDER / build["context"]).resolve() == ROOT.resolve()
    dockerfile = (ROOT / build["dockerfile"]).read_text(encoding="utf-8")
    assert "/source[relay]" in dockerfile
    assert '["/venv/bin/q2d2", "relay"]' in dockerfile


def _unit() -> dict[str, list[str]]:
    """The keys of the unit, each with all its values."""
    found: dict[str, list[str]] = {}
    for line in UNIT.read_text(encoding="utf-8").splitlines():
        key, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found.setdefault(key, []).append(value)
    return found


def test_the_unit_starts_a_relay_behind_a_proxy() -> None:
    configparser.ConfigParser(strict=False, interpolation=None).read(UNIT)  # it is an ini file
    unit = _unit()
    words = shlex.split(unit["ExecStart"][0])
    assert Path(words[0]).name == "q2d2"
    args = parse(words[1:])
    assert (args.listen, args.behind_proxy, args.metrics) == ("127.0.0.1:8080", True, 9100)
    assert args.udp_port == 8080
    commented = re.findall(r"^#ExecStart=(.+)$", UNIT.read_text(encoding="utf-8"), re.MULTILINE)
    assert parse(shlex.split(commented[0])[1:]).tls_cert.endswith("/cert.pem")
    for key, value in (("DynamicUser", "true"), ("ProtectSystem", "strict"),
                       ("NoNewPrivileges", "true"), ("CapabilityBoundingSet", ""),
                       ("MemoryDenyWriteExecute", "true"), ("Restart", "always")):  # fmt: skip
        assert unit[key] == [value], key


def test_systemd_takes_the_unit_and_finds_little_that_is_exposed() -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        return  # the other tests read the file all the same
    verified = subprocess.run([analyze, "verify", str(UNIT)], capture_output=True, text=True)
    complaints = [line for line in verified.stderr.splitlines() if "q2d2-relay.service" in line]
    assert all("is not executable" in line for line in complaints), complaints
    judged = subprocess.run(
        [analyze, "security", "--offline=true", str(UNIT)], capture_output=True, text=True
    )
    level = re.search(r"exposure level.*: ([\d.]+)", judged.stdout)
    if level is not None:  # systemd before 250 judges no files
        assert float(level[1]) <= 2.0
