"""Sites, routers, hosts and shaped links, as the lab lays them out (tests/lab/src/network).

Every site has a router with a bridge, its LAN. A link is a pair of interfaces between two routers, with htb at both ends,
each for what leaves there. What leaves onto a link is cut into frames, so the kernel's counters are those of a wire.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

from .processes import Trouble, run, wait_until

#: What an Ethernet frame of a full packet has, as htb counts it.
FRAME = 1514

#: How long a full queue takes to drain, as at most slow links.
QUEUE_SECONDS = 0.15

#: Frames that one packet may have inside a site: without any offload the bed would measure its own machine.
LAN_SEGMENTS = 8


@dataclass
class Host:
    """A network namespace at a site."""

    name: str
    site: str
    address: str

    @property
    def netns(self) -> str:
        """The file by which it is entered."""
        return f"/run/netns/{self.name}"


#: Of a link's rate, what the site map lets Narrows have. All of it would fill the router's queue, and every answer that Salt
#: waits for would come later by the length of that queue.
BUDGET = 0.95


@dataclass
class Link:
    """What joins two sites."""

    name: str
    ends: tuple[str, str]
    rate: int  # bit/s
    #: device of each end, in its router
    devices: tuple[str, str] = ("", "")

    @property
    def bytes_per_second(self) -> float:
        """Of frames."""
        return self.rate / 8


@dataclass
class Network:
    """A network of sites in a star around the first."""

    sites: list[str]
    rate: int
    hosts: dict[str, Host] = field(default_factory=dict)
    links: list[Link] = field(default_factory=list)

    def __post_init__(self) -> None:
        center, *others = self.sites
        for number, site in enumerate(others):
            devices = (f"l{number}a", f"l{number}b")
            self.links.append(Link(f"{center}-{site}", (center, site), self.rate, devices))

    def prefix(self, site: str) -> str:
        """The first two bytes of a site's addresses."""
        return f"10.{self.sites.index(site) + 1}"

    def network(self, site: str) -> str:
        """A site's network."""
        return f"{self.prefix(site)}.0.0/16"

    def add(self, name: str, site: str, number: int) -> Host:
        """A further host, to be made by :meth:`build`."""
        host = Host(name, site, f"{self.prefix(site)}.0.{number}")
        self.hosts[name] = host
        return host

    def site_map(self) -> dict[str, object]:
        """As the tracker wants it."""
        return {
            "version": 1,
            "sites": {site: {"networks": [self.network(site)]} for site in self.sites},
            "links": [{"between": list(link.ends), "rate": f"{link.rate * BUDGET / 1e6:.0f} Mbit/s"} for link in self.links],
        }

    def build(self) -> None:
        """Makes it."""
        run(["ip", "-batch", "-"], text=self._interfaces())
        congestion = congestion_control()
        for site in self.sites:
            run(["ip", "-n", f"r-{site}", "-batch", "-"], text=self._router(site))
            run(["tc", "-n", f"r-{site}", "-batch", "-"], text=self._shaping(site))
            forward = "echo 1 > /proc/sys/net/ipv4/ip_forward"
            run(["ip", "netns", "exec", f"r-{site}", "sh", "-c", forward])
        for host in self.hosts.values():
            lines = [
                "link set lo up",
                f"link set eth0 gso_max_segs {LAN_SEGMENTS}",
                f"addr add {host.address}/16 dev eth0",
                "link set eth0 up",
                f"route add default via {self.prefix(host.site)}.0.1 congctl {congestion}",
            ]
            run(["ip", "-n", host.name, "-batch", "-"], text="\n".join(lines) + "\n")
        for link in self.links:
            for site, device in zip(link.ends, link.devices):
                if self._show(site, device)["gso_max_segs"] != 1:
                    raise Trouble(f"this kernel does not let gso_max_segs of {device} be 1: it would not count frames")

    def _interfaces(self) -> str:
        lines = [f"netns add r-{site}" for site in self.sites]
        for link in self.links:
            (a, b), (left, right) = link.ends, link.devices
            lines.append(f"link add {left} netns r-{a} type veth peer name {right} netns r-{b}")
        for number, host in enumerate(self.hosts.values()):
            lines.append(f"netns add {host.name}")
            lines.append(f"link add eth0 netns {host.name} type veth peer name h{number} netns r-{host.site}")
        return "\n".join(lines) + "\n"

    def _router(self, site: str) -> str:
        lines = ["link set lo up", "link add lan type bridge", f"addr add {self.prefix(site)}.0.1/16 dev lan"]
        lines.append("link set lan up")
        for number, host in enumerate(self.hosts.values()):
            if host.site == site:
                lines.append(f"link set h{number} gso_max_segs {LAN_SEGMENTS}")
                lines.append(f"link set h{number} master lan up")
        routes = []
        for number, link in enumerate(self.links):
            # of RFC 6598, which no site has here
            addresses = (f"100.64.{number}.1", f"100.64.{number}.2")
            for side in (0, 1):
                if link.ends[side] != site:
                    continue
                own, other, device = addresses[side], addresses[1 - side], link.devices[side]
                lines.append(f"link set {device} gso_max_segs 1")
                lines.append(f"addr add {own} peer {other} dev {device}")
                lines.append(f"link set {device} up")
                # the center knows each site, the others send everything to the center
                routes.append(f"route add {self.network(link.ends[1]) if side == 0 else 'default'} via {other}")
        return "\n".join(lines + routes) + "\n"

    def _shaping(self, site: str) -> str:
        lines = []
        for link in self.links:
            for end, device in zip(link.ends, link.devices):
                if end == site:
                    lines += shape(device, link.rate)
        return "\n".join(lines) + "\n"

    def _show(self, site: str, device: str) -> dict:
        output = run(["ip", "-n", f"r-{site}", "-d", "-s", "-j", "link", "show", "dev", device])
        return json.loads(output)[0]

    def link_bytes(self) -> dict[str, int]:
        """Bytes of frames that left onto each link so far, per direction: ``hq → b1``."""
        counted = {}
        for link in self.links:
            for side in (0, 1):
                sent = self._show(link.ends[side], link.devices[side])["stats64"]["tx"]["bytes"]
                counted[f"{link.ends[side]} → {link.ends[1 - side]}"] = sent
        return counted

    def host_sent(self, name: str) -> int:
        """Bytes that a host has sent so far."""
        output = run(["ip", "-n", name, "-s", "-j", "link", "show", "dev", "eth0"])
        return json.loads(output)[0]["stats64"]["tx"]["bytes"]

    def remove(self) -> None:
        """Removes the namespaces that are there; interfaces go with them."""
        for name in [*self.hosts, *(f"r-{site}" for site in self.sites)]:
            if Path(f"/run/netns/{name}").exists():
                run(["ip", "netns", "delete", name])
        wait_until("namespaces removed", lambda: not any(Path("/run/netns").iterdir()), 10)


def shape(device: str, rate: int) -> list[str]:
    """What `tc` is told: one class with a burst of 2 ms, and a plain queue of bytes that is bounded by time."""
    bytes_per_second = rate // 8
    burst = max(bytes_per_second // 500, 2 * FRAME)
    queue = max(int(bytes_per_second * QUEUE_SECONDS), 16 * FRAME)
    return [
        f"qdisc add dev {device} root handle 1: htb default 1",
        f"class replace dev {device} parent 1: classid 1:1 htb rate {rate}bit ceil {rate}bit burst {burst} "
        f"cburst {burst} quantum {FRAME}",
        f"qdisc replace dev {device} parent 1:1 handle 2: bfifo limit {queue}",
    ]


def congestion_control() -> str:
    """TCP's of every host: cubic, as on Linux and Windows, whatever this machine prefers; else reno, which is always there."""
    available = Path("/proc/sys/net/ipv4/tcp_available_congestion_control").read_text().split()
    return "cubic" if "cubic" in available else "reno"
