"""IP addresses: which may be connected to, and which only this machine has.

Rules: pure; no name is resolved here, and nothing large is imported: workers judge addresses, too. What
counts is the address that a connection is made to, in whatever form it was written: an IPv4 address
within an IPv6 one is that IPv4 address.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

__all__ = ["EVERYWHERE", "KINDS", "AddressFilter", "is_link_local", "is_local"]

IPAddress = IPv4Address | IPv6Address
IPNetwork = IPv4Network | IPv6Network

KINDS: dict[str, tuple[IPNetwork, ...]] = {
    # To connect to 0.0.0.0 or :: is to connect to this machine.
    "loopback": tuple(map(ip_network, ("127.0.0.0/8", "::1/128", "0.0.0.0/8", "::/128"))),
    "link-local": tuple(map(ip_network, ("169.254.0.0/16", "fe80::/10"))),
    "private": tuple(
        map(
            ip_network,
            (
                "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "192.0.0.0/24",
                "198.18.0.0/15", "fc00::/7", "fec0::/10",
            ),
        )
    ),
}  # fmt: skip
"""By the word that the configuration has for them."""

_TRANSLATED = (IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48"), IPv6Network("::/96"))
"""Where the last 32 bits are an IPv4 address: NAT64, and the old form of `::a.b.c.d`."""


@dataclass(frozen=True, slots=True)
class AddressFilter:
    """Decides which addresses may be connected to. It goes to worker processes, so it is plain."""

    deny: tuple[str, ...] = ()
    """`loopback`, `link-local`, `private`, or networks."""

    allow: tuple[str, ...] = ()
    """Networks that may be reached all the same."""

    def refusal(self, address: str) -> str:
        """Return what in `deny` refuses an address that was resolved; empty if it may be reached."""
        if not self.deny:
            return ""
        forms = _forms(address)
        if _within(forms, self.allow):
            return ""
        return next((one for one in self.deny if _within(forms, (one,))), "")


EVERYWHERE = AddressFilter()
"""Denies nothing."""


def _forms(address: str) -> tuple[IPAddress, ...]:
    """Return an address, and the IPv4 one that is meant by it; nothing for what is none."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return ()
    if not isinstance(found, IPv6Address):
        return (found,)
    inner = [one for one in (found.ipv4_mapped, found.sixtofour) if one is not None]
    if any(found in network for network in _TRANSLATED) and int(found) > 1:
        inner.append(IPv4Address(int(found) & 0xFFFFFFFF))
    return (found, *inner)


def _within(forms: tuple[IPAddress, ...], entries: tuple[str, ...]) -> bool:
    networks = [
        network for one in entries for network in (KINDS.get(one) or (ip_network(one, False),))
    ]
    return any(form in network for form in forms for network in networks)


def is_local(host: str) -> bool:
    """Return whether a host, as it is written, is this machine alone."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def is_link_local(host: str) -> bool:
    """Return whether a host is written as a link-local address, in decimal or octal form too."""
    forms = _forms(host.strip("[]")) or _forms(_as_inet_aton(host))
    return _within(forms, ("link-local",))


def _as_inet_aton(host: str) -> str:
    """Return an IPv4 address as a resolver reads it: `2852039166`, `0xa9.254.1`; empty if it is none."""
    numbers = []
    for part in host.split("."):
        try:
            octal = len(part) > 1 and part[0] == "0" and part.isdigit()
            numbers.append(int(part, 8 if octal else 0))
        except ValueError:
            return ""
    *first, last = numbers
    room = 4 - len(first)
    if room < 1 or any(not 0 <= one < 256 for one in first) or not 0 <= last < 256**room:
        return ""
    return str(IPv4Address(sum(one << (24 - 8 * at) for at, one in enumerate(first)) + last))
