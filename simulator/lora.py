"""LoRa in the Korean band (KR920-923): time on air, largest payloads, listening before talking.

Time on air as in Semtech's modem designer's guide (AN1200.13): T = (n_preamble + 4.25 + n_payload) 2^SF / BW with
n_payload = 8 + max(ceil((8 PL - 4 SF + 28 + 16 CRC - 20 IH) / (4 (SF - 2 DE))) (CR + 4), 0); low data rate
optimisation (DE) for SF 11 and 12 at 125 kHz. Largest payloads and the 4 s limit on a transmission are those of the
region's parameters in LoRaMac-node (RegionKR920). The band knows no duty cycle but asks to listen at least 5 ms.
"""

from __future__ import annotations

from math import ceil

from pydantic import Field

from core.clock import MS, NS
from core.config import Config, Duration

#: largest application payload in bytes by spreading factor, dwell time free
LARGEST: dict[int, int] = {12: 51, 11: 51, 10: 51, 9: 115, 8: 242, 7: 242}
LONGEST = 4 * NS
_HEADER = 13  # bytes around the application payload: MHDR, address, control, counter, port, MIC


class LoraConfig(Config):
    """How a device sends.

    Attributes
    ----------
    sf
        Spreading factor.
    bandwidth
        Hz.
    coding
        1 to 4 for 4/5 to 4/8.
    row_bytes, value_bytes
        Bytes of a row's own (time, quality) and of each of its values, packed.
    listen, windows
        ns before a transmission, and after it until the next may begin (two receive windows).
    """

    sf: int = Field(default=9, ge=7, le=12)
    bandwidth: int = Field(default=125_000, ge=125_000, le=500_000)
    coding: int = Field(default=1, ge=1, le=4)
    row_bytes: int = Field(default=6, ge=0, le=51)
    value_bytes: int = Field(default=2, ge=1, le=8)
    listen: Duration = Field(default=6 * MS, ge=5 * MS)
    windows: Duration = Field(default=2 * NS, ge=0)

    def packets(self, channels: int) -> list[int]:
        """Return the payloads (bytes) that carry a row of that many channels."""
        left, most = self.row_bytes + self.value_bytes * channels, LARGEST[self.sf]
        return [most] * (left // most) + [left % most] * bool(left % most)

    def row_air(self, channels: int) -> int:
        """Return ns on air of a row of that many channels."""
        return sum(airtime(size + _HEADER, self.sf, self.bandwidth, self.coding) for size in self.packets(channels))

    def row_busy(self, channels: int) -> int:
        """Return ns that a row occupies the device, listening and receive windows included."""
        return self.row_air(channels) + len(self.packets(channels)) * (self.listen + self.windows)


def airtime(size: int, sf: int, bandwidth: int = 125_000, coding: int = 1, preamble: int = 8) -> int:
    """Return ns on air of ``size`` bytes (PHY payload), explicit header, with CRC."""
    low_rate = 1 if sf >= 11 and bandwidth == 125_000 else 0
    symbols = ceil((8 * size - 4 * sf + 28 + 16) / (4 * (sf - 2 * low_rate))) * (coding + 4)
    quarters = 4 * (preamble + 8 + max(symbols, 0)) + 17  # 4.25 symbols of synchronisation
    return quarters * (1 << sf) * NS // (4 * bandwidth)
