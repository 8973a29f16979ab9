from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import Field, ValidationError, model_validator

from core.config import Config, Duration, Label, load, parse, read_yaml
from core.errors import ConfigError
from core.spec import Name


class Pump(Config):
    kind: Literal["pump"]
    speed: float = Field(1.0, gt=0)


class Van(Config):
    kind: Literal["van"]
    route: str

    @model_validator(mode="after")
    def _named(self) -> Van:
        if self.route == "nowhere":
            raise ValueError("the van has nowhere to go")
        return self


class Scenario(Config):
    name: Label = Name("이름", "name")
    period: Duration = 1_000_000_000
    equipment: tuple[Annotated[Pump | Van, Field(discriminator="kind")], ...] = ()
    limit: int | Literal["none"] = "none"


def fault(text: str, tmp_path: Path) -> ConfigError:
    path = tmp_path / "s.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load(path, Scenario)
    caught.value.where = caught.value.where.replace(str(path), "s.yaml")
    return caught.value


def test_a_good_file(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text("name: 서울\nperiod: 250ms\nequipment: [{kind: pump, speed: 2}]\n", encoding="utf-8")
    scenario = load(path, Scenario)
    assert scenario.name == Name("서울", "서울")
    assert scenario.period == 250_000_000
    assert scenario.equipment == (Pump(kind="pump", speed=2.0),)


def test_an_empty_file_is_all_defaults(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text("", encoding="utf-8")
    assert load(path, Scenario) == Scenario()


@pytest.mark.parametrize(
    ("text", "where", "what", "hint"),
    [
        ("periood: 1s", "s.yaml:periood", "unknown key", "did you mean period?"),
        ("zzz: 1s", "s.yaml:zzz", "unknown key", "remove it or check its spelling"),
        ("equipment: [{kind: van}]", "s.yaml:equipment.0.route", "missing key", "add it"),
        (
            "equipment: [{kind: pump}, {kind: pump, sped: 3}]",
            "s.yaml:equipment.1.sped",
            "unknown key",
            "did you mean speed?",
        ),
        ("equipment: [{kind: pmup}]", "s.yaml:equipment.0", "unknown 'kind' 'pmup'", "did you mean pump?"),
        ("equipment: [{kind: rocket}]", "s.yaml:equipment.0", "unknown 'kind' 'rocket'", "one of pump, van"),
        (
            "equipment: [{kind: van, route: nowhere}]",
            "s.yaml:equipment.0",
            "the van has nowhere to go",
            "",
        ),
        ("period: soon", "s.yaml:period", "not a duration: 'soon' (write 90s, 250ms, 1h30m or 30d)", "got 'soon'"),
        ("period: .inf", "s.yaml:period", "not a duration: inf (write a number of seconds from 0 up)", "got inf"),
        ("period: -1", "s.yaml:period", "not a duration: -1 (write a number of seconds from 0 up)", "got -1"),
    ],
)
def test_an_error_names_file_path_and_remedy(text: str, where: str, what: str, hint: str, tmp_path: Path) -> None:
    error = fault(text, tmp_path)
    assert (error.where, error.what, error.hint) == (where, what, hint)


def test_one_line_counts_the_faults_behind_the_first(tmp_path: Path) -> None:
    error = fault("equipment: [{kind: pump, speed: -1}, {kind: pump, speed: 0}]", tmp_path)
    assert error.where == "s.yaml:equipment.0.speed"
    assert error.hint == "got -1; and 1 more"
    assert "\n" not in str(error)


def test_members_of_a_plain_union_are_no_part_of_the_path(tmp_path: Path) -> None:
    assert fault("limit: many", tmp_path).where == "s.yaml:limit"


def test_a_file_that_is_a_list(tmp_path: Path) -> None:
    assert fault("- 1\n- 2\n", tmp_path).where == "s.yaml"


def test_a_syntax_error_names_its_line(tmp_path: Path) -> None:
    error = fault("name: x\nperiod: [1,\n", tmp_path)
    assert error.where.startswith("s.yaml:")
    assert error.what.startswith("not YAML")


def test_a_repeated_key_is_an_error(tmp_path: Path) -> None:
    error = fault("period: 1s\nequipment:\n  - {kind: pump, speed: 1, speed: 2}\n", tmp_path)
    assert error.where == "s.yaml:3:28"
    assert "speed" in error.what


def test_yaml_cannot_make_objects(tmp_path: Path) -> None:
    assert fault("name: !!python/object/apply:os.getcwd []\n", tmp_path).what.startswith("not YAML")


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="cannot be read"):
        read_yaml(path)


def test_a_missing_file_points_to_its_neighbour(tmp_path: Path) -> None:
    (tmp_path / "seoul.yaml").write_text("{}")
    with pytest.raises(ConfigError, match=r"no such file \(did you mean .*seoul\.yaml\?\)"):
        read_yaml(tmp_path / "soul.yaml")
    with pytest.raises(ConfigError, match="there is no folder"):
        read_yaml(tmp_path / "nowhere" / "seoul.yaml")


def test_parse_names_the_place_it_was_given() -> None:
    with pytest.raises(ConfigError) as caught:
        parse({"kind": "pump", "speed": "fast"}, Pump, "run.json:equipment.3")
    assert caught.value.where == "run.json:equipment.3:speed"
    assert caught.value.hint == "got 'fast'"


def test_models_are_frozen() -> None:
    scenario = Scenario()
    with pytest.raises(ValidationError):
        scenario.period = 3


def test_a_duration_comes_back_from_json_as_it_was():
    class Patience(Config):
        wait: Duration

    patience = Patience.model_validate({"wait": "90s"})
    assert patience.model_dump_json() == '{"wait":"90000000000ns"}'
    assert Patience.model_validate_json(patience.model_dump_json()) == patience
