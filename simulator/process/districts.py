"""The 25 districts of Seoul: positions of their offices, rounded (WGS 84 degrees), and ways between them."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

_M_A_DEGREE = 111_320.0
_DETOUR = 1.35  # length of the road over the straight line (assumption)

DISTRICTS: dict[str, tuple[float, float]] = {
    "jongno": (37.5730, 126.9794),
    "jung": (37.5641, 126.9979),
    "yongsan": (37.5324, 126.9900),
    "seongdong": (37.5634, 127.0369),
    "gwangjin": (37.5385, 127.0823),
    "dongdaemun": (37.5744, 127.0396),
    "jungnang": (37.6066, 127.0927),
    "seongbuk": (37.5894, 127.0167),
    "gangbuk": (37.6396, 127.0257),
    "dobong": (37.6688, 127.0471),
    "nowon": (37.6542, 127.0568),
    "eunpyeong": (37.6027, 126.9291),
    "seodaemun": (37.5791, 126.9368),
    "mapo": (37.5663, 126.9019),
    "yangcheon": (37.5170, 126.8664),
    "gangseo": (37.5509, 126.8495),
    "guro": (37.4955, 126.8875),
    "geumcheon": (37.4569, 126.8956),
    "yeongdeungpo": (37.5264, 126.8962),
    "dongjak": (37.5124, 126.9393),
    "gwanak": (37.4784, 126.9516),
    "seocho": (37.4837, 127.0324),
    "gangnam": (37.5172, 127.0473),
    "songpa": (37.5145, 127.1059),
    "gangdong": (37.5301, 127.1238),
}


def road_m(here: tuple[float, float], there: tuple[float, float]) -> float:
    """Return the length of the road between two positions in m."""
    north = there[0] - here[0]
    east = (there[1] - here[1]) * math.cos(math.radians((here[0] + there[0]) / 2.0))
    return math.hypot(north, east) * _M_A_DEGREE * _DETOUR


NUMBERS: dict[str, int] = {name: n for n, name in enumerate(DISTRICTS)}
_CENTRES = np.array(list(DISTRICTS.values()))
_SHRINK = math.cos(math.radians(37.55))  # a degree east over a degree north in Seoul


def nearest(latitude: NDArray[np.float64], longitude: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return the number of the district whose office is nearest, intp[D]; without a position (NaN) it is -1."""
    north = latitude[:, None] - _CENTRES[:, 0]
    east = (longitude[:, None] - _CENTRES[:, 1]) * _SHRINK
    found = np.argmin(np.nan_to_num(north * north + east * east, nan=0.0), axis=1)
    return np.where(np.isnan(latitude), -1, found)


def distances_km() -> NDArray[np.float64]:
    """Return the straight distances between the districts, float64[25, 25]."""
    north = _CENTRES[:, None, 0] - _CENTRES[:, 0]
    east = (_CENTRES[:, None, 1] - _CENTRES[:, 1]) * _SHRINK
    return np.asarray(np.hypot(north, east) * (_M_A_DEGREE / 1000.0), dtype=np.float64)
