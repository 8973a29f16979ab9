"""Every sentence that the chamber says to people, in Korean and English."""

from __future__ import annotations

from typing import Literal

from core.spec import Name

Language = Literal["ko", "en"]
LANGUAGES: tuple[Language, ...] = ("ko", "en")

#: key -> (Korean, English); both take the same placeholders
TEXTS: dict[str, tuple[str, str]] = {
    # evidence
    "few_hours": (
        "유효 평균 {have}개로 필요한 {need}개에 못 미쳐 판정하지 않음",
        "{have} valid averages where {need} are needed: not judged",
    ),
    "few_units": (
        "값을 보고한 기기가 {have}대뿐임(최소 2대 필요)",
        "only {have} unit(s) reported values, at least 2 are needed",
    ),
    "few_readings": (
        "{unit}, {level} µg/m³ 단계: 사용 가능한 측정값 {have}개(필요 {need}개)",
        "{unit} at {level} µg/m³: {have} usable readings where {need} are needed",
    ),
    "no_steps": (
        "계획에 안정 농도 단계가 없음",
        "the plan has no phase of steady levels",
    ),
    "undefined": (
        "이 자료로는 값을 계산할 수 없음(기준값이 일정하거나 평균이 0 이하)",
        "not defined on these data (constant reference, or a mean of zero or below)",
    ),
    "accuracy_hours": (
        "기준기와 기기 모두 유효한 평균 {hours}개 사용(전체 {total}개)",
        "{hours} averages used of {total}, valid on both the reference and the units",
    ),
    "accuracy_floor": (
        "기준값 {floor} µg/m³ 미만 {left}개 제외; 제외하지 않으면 {bare} %",
        "{left} averages with a reference below {floor} µg/m³ left out; with them {bare} %",
    ),
    "accuracy_bias": (
        "기기 평균의 편향 {bias} %",
        "the mean of the units is off by {bias} %",
    ),
    "part_units": (
        "{hours}개 평균은 일부 기기만 유효하여 유효한 기기의 평균을 사용함",
        "in {hours} averages not every unit was valid; the mean is over those that were",
    ),
    "r2_hours": (
        "기준기와 기기 평균의 쌍 {hours}개로 계산",
        "from {hours} pairs of the reference and the mean of the units",
    ),
    "precision_hours": (
        "기기 {units}대, 2대 이상 유효하고 기준값이 {floor} µg/m³ 이상인 평균 {hours}개",
        "{units} units, {hours} averages with at least 2 valid units and a reference of {floor} µg/m³ or more",
    ),
    "precision_worst": (
        "기기 간 상대표준편차의 최댓값 {worst} %",
        "largest relative standard deviation between units {worst} %",
    ),
    "rate_reference": (
        "기준기의 유효 평균 {hours}개(전체 {total}개)",
        "the reference has {hours} valid averages of {total}",
    ),
    "rate_unit": (
        "{unit}: 유효 {valid}개, {rate} %; 전체 기록 중 BAD·결측 {bad}개, UNCERTAIN {uncertain}개(평균에서 제외)",
        "{unit}: {valid} valid, {rate} %; over the whole recording {bad} BAD or missing and {uncertain} UNCERTAIN "
        "values (left out of the averages)",
    ),
    "repeat_worst": (
        "가장 낮은 경우: {unit}, {level} µg/m³ 단계, 측정값 {count}개",
        "lowest case: {unit} at {level} µg/m³, {count} readings",
    ),
    "repeat_scope": (
        "기기 {units}대 x {steps}단계를 각각 계산하여 최솟값으로 판정",
        "{units} units at {steps} levels each; the lowest decides",
    ),
    # formulas
    "formula_accuracy": ("100 · 평균(1 − |R − m| / R)", "100 · mean(1 − |R − m| / R)"),
    "formula_r2": ("R과 m의 상관계수 제곱", "squared correlation of R and m"),
    "formula_data_rate": (
        "100 · 최솟값(기기의 유효 수 / 기준기의 유효 수)",
        "100 · min over units(valid of unit / valid of reference)",
    ),
    "formula_relative_precision": ("100 − 평균(100 · SD / m)", "100 − mean(100 · SD / m)"),
    "formula_repeatability": (
        "100 − 상대표준편차(같은 농도 반복 측정)",
        "100 − relative standard deviation of repeated readings",
    ),
    "formula_key": (
        "R: 기준기의 평균, m: 유효한 기기들의 평균, SD: 기기 간 표본 표준편차",
        "R: mean of the reference, m: mean of the valid units, SD: sample standard deviation between units",
    ),
    # panels
    "panel_field": ("기준기와 기기의 시간 평균 (현장 동시 측정)", "Hourly means of reference and units (side by side)"),
    "panel_steps": ("챔버 농도 단계", "Concentration steps in the chamber"),
    "panel_scatter": ("기준기 대 기기 평균", "Mean of the units against the reference"),
    "axis_pm": ("PM2.5 (µg/m³)", "PM2.5 (µg/m³)"),
    "axis_reference": ("기준기 (µg/m³)", "Reference (µg/m³)"),
    "axis_units": ("기기 평균 (µg/m³)", "Mean of units (µg/m³)"),
    "legend_reference": ("기준기", "Reference"),
    "legend_band": ("± {percent} %", "± {percent} %"),
    # report
    "title": ("시험 보고서", "Test report"),
    "outcome_PASS": ("적합", "PASS"),
    "outcome_FAIL": ("부적합", "FAIL"),
    "outcome_NOT-TESTED": ("미시험", "NOT TESTED"),
    "overall": ("종합 판정", "Overall result"),
    "summary": ("시험 개요", "The test"),
    "report_id": ("기록 식별값 (SHA-256)", "Recording digest (SHA-256)"),
    "plan": ("시험 계획", "Test plan"),
    "plan_digest": ("계획 식별값 (SHA-256)", "Plan digest (SHA-256)"),
    "test_period": ("시험 기간 (기록 시각)", "Test period (time of the rows)"),
    "performed": ("수행 시각", "Performed"),
    "mode_simulated": (
        "모의 기기 '{device}', 실제 시간의 {speed}배 속도",
        "simulated device '{device}', at {speed} x real time",
    ),
    "mode_simulated_max": ("모의 기기 '{device}', 최대 속도", "simulated device '{device}', as fast as possible"),
    "mode_external": ("외부 기기, 실제 시간의 {speed}배 속도", "external device, at {speed} x real time"),
    "mode_external_max": ("외부 기기, 최대 속도", "external device, as fast as possible"),
    "mode": ("수행 방식", "Mode"),
    "versions": ("소프트웨어", "Software"),
    "seed": ("난수 시드", "Seed"),
    "devices": ("시험 대상과 기준기", "Devices under test and reference"),
    "role": ("구분", "Role"),
    "role_unit": ("시험 기기", "Unit"),
    "role_reference": ("기준기", "Reference"),
    "role_environment": ("환경 측정", "Environment"),
    "manufacturer": ("제조사 · 모델", "Manufacturer, model"),
    "serial": ("일련번호", "Serial number"),
    "topic": ("MQTT 토픽", "MQTT topic"),
    "rows": ("수신 행", "Rows"),
    "lost": ("유실", "Lost"),
    "doubled": ("중복", "Double"),
    "results": ("요구사항별 판정", "Results by requirement"),
    "item": ("항목", "Item"),
    "limit": ("기준", "Limit"),
    "measured": ("측정값", "Measured"),
    "result": ("판정", "Result"),
    "basis": ("근거", "Basis"),
    "basis_found": ("출처 있음", "source read"),
    "basis_derived": ("계산", "derived"),
    "basis_unverified": ("미확인", "unverified"),
    "basis_limit": ("기준값", "limit"),
    "basis_method": ("계산식", "formula"),
    "evidence": ("판정 근거", "Evidence"),
    "charts": ("그래프", "Charts"),
    "conditions": ("시험 조건과 근거", "Test conditions and their origin"),
    "condition": ("조건", "Condition"),
    "value": ("값", "Value"),
    "source": ("출처 · 사유", "Source or reason"),
    "setting_floor": (
        "정확도·상대정밀도에서 제외하는 기준값 하한 (µg/m³)",
        "Reference floor for accuracy and relative precision (µg/m³)",
    ),
    "setting_completeness": ("평균의 최소 자료 비율", "Readings an average needs (share)"),
    "setting_min_hours": ("판정에 필요한 최소 평균 수", "Averages needed to judge"),
    "setting_min_readings": ("단계별 최소 반복 측정 수", "Readings needed at a step"),
    "averaging": ("평균 시간", "Averaging time"),
    "phase": ("시험 단계: {name}", "Phase: {name}"),
    "units_count": ("시험 기기 수", "Number of units"),
    "climate": ("기록된 온도 · 습도 ({phase})", "Recorded temperature and humidity ({phase})"),
    "climate_value": (
        "{t:.1f} °C ({tlow:.1f} ~ {thigh:.1f}), {h:.0f} % RH ({hlow:.0f} ~ {hhigh:.0f})",
        "{t:.1f} °C ({tlow:.1f} to {thigh:.1f}), {h:.0f} % RH ({hlow:.0f} to {hhigh:.0f})",
    ),
    "notices": ("유의 사항", "Notices"),
    "notice_rehearsal": (
        "이 보고서는 가상 챔버 시험의 결과이며 법정 성능인증서가 아니다.",
        "This report states the outcome of a virtual chamber test. It is not a statutory certificate.",
    ),
    "notice_unverified": (
        "'미확인'으로 표시한 값은 공인 원문에서 확인하지 못한 가정이며, 공식 시험 전에 현행 고시로 확인해야 한다.",
        "Values marked 'unverified' are assumptions not read in an official text; "
        "check them against the notice in force before an official test.",
    ),
    "notice_seal": (
        "판정은 기록 폴더의 모든 파일이 위 식별값과 일치할 때만 유효하다.",
        "The result holds only while every file of the recording folder agrees with the digest above.",
    ),
    "sign_tester": ("시험자", "Tested by"),
    "sign_reviewer": ("검토자", "Reviewed by"),
    "sign_approver": ("승인자", "Approved by"),
    "sign_date": ("서명 · 날짜", "Signature, date"),
    "not_measured": ("—", "—"),
}  # fmt: skip


def say(code: str, **values: object) -> Name:
    """Return a sentence in both languages; raises KeyError for an unknown code or a missing value."""
    ko, en = TEXTS[code]
    return Name(ko.format(**values), en.format(**values))


def text(code: str, language: Language, **values: object) -> str:
    """Return a sentence in one language."""
    return pick(say(code, **values), language)


def pick(name: Name, language: Language) -> str:
    """Return a name in one language."""
    return name.ko if language == "ko" else name.en
