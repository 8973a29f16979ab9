"""What the sensors of the C-MAPSS engines are (Saxena et al. 2008, table 2), for people."""

from __future__ import annotations

from core.spec import Name

SENSORS: dict[str, tuple[Name, str]] = {
    "s1": (Name("팬 입구 온도", "temperature at the fan inlet"), "[degR]"),
    "s2": (Name("저압 압축기 출구 온도", "temperature behind the low-pressure compressor"), "[degR]"),
    "s3": (Name("고압 압축기 출구 온도", "temperature behind the high-pressure compressor"), "[degR]"),
    "s4": (Name("저압 터빈 출구 온도", "temperature behind the low-pressure turbine"), "[degR]"),
    "s5": (Name("팬 입구 압력", "pressure at the fan inlet"), "[psi]"),
    "s6": (Name("바이패스 덕트 압력", "pressure in the bypass duct"), "[psi]"),
    "s7": (Name("고압 압축기 출구 압력", "pressure behind the high-pressure compressor"), "[psi]"),
    "s8": (Name("팬 회전수", "fan speed"), "/min"),
    "s9": (Name("코어 회전수", "core speed"), "/min"),
    "s10": (Name("엔진 압력비", "engine pressure ratio"), "1"),
    "s11": (Name("고압 압축기 출구 정압", "static pressure behind the high-pressure compressor"), "[psi]"),
    "s12": (Name("연료 유량 대 정압 비", "fuel flow against static pressure"), "1"),
    "s13": (Name("보정 팬 회전수", "corrected fan speed"), "/min"),
    "s14": (Name("보정 코어 회전수", "corrected core speed"), "/min"),
    "s15": (Name("바이패스비", "bypass ratio"), "1"),
    "s16": (Name("연소기 연공비", "fuel-air ratio of the burner"), "1"),
    "s17": (Name("블리드 엔탈피", "bleed enthalpy"), "1"),
    "s18": (Name("팬 요구 회전수", "demanded fan speed"), "/min"),
    "s19": (Name("보정 팬 요구 회전수", "demanded corrected fan speed"), "/min"),
    "s20": (Name("고압 터빈 냉각 공기량", "coolant bleed of the high-pressure turbine"), "lbm/s"),
    "s21": (Name("저압 터빈 냉각 공기량", "coolant bleed of the low-pressure turbine"), "lbm/s"),
}
