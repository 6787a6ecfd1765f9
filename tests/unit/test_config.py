"""The daemon's settings: defaults, then the file, then the environment, then the command line."""

import os
from pathlib import Path
from typing import Any

import pytest

from actors.config import NAMES, ConfigError, load


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "rushes.toml"


def refused(given: dict[str, Any], file: Path | None = None, environ: dict[str, str] | None = None) -> str:
    with pytest.raises(ConfigError) as refusal:
        load(given, file, environ or {})
    return str(refusal.value)


def test_where_nothing_is_set_the_defaults_hold() -> None:
    config = load({}, environ={})
    assert config.slots["cpu"] == len(os.sched_getaffinity(0))
    assert config.grace == 2.0
    assert (config.ffmpeg, config.keep_files, config.default_role, config.log_level) == (None, False, "admin", "info")
    assert Path(config.data).is_absolute()


def test_the_file_goes_before_the_defaults(file: Path) -> None:
    file.write_text('slots = 3\ngrace = 0.5\nkeep_files = true\n[roles]\nada = "viewer"\n')
    config = load({}, file, {})
    assert (config.slots, config.grace, config.keep_files, config.roles) == ({"cpu": 3}, 0.5, True, {"ada": "viewer"})


def test_the_environment_goes_before_the_file_and_the_command_line_before_both(file: Path) -> None:
    file.write_text('slots = 3\ngrace = 3.0\nbus = "ipc:///file"\n')
    environ = {"RUSHES_SLOTS": "4", "RUSHES_GRACE": "4", "RUSHES_KEEP_FILES": "true"}
    config = load({"slots": 5, "grace": None}, file, environ)
    assert (config.slots, config.grace, config.bus, config.keep_files) == ({"cpu": 5}, 4.0, "ipc:///file", True)


def test_the_environment_may_name_the_file(file: Path) -> None:
    file.write_text("slots = 7\n")
    assert load({}, environ={"RUSHES_CONFIG": str(file)}).slots == {"cpu": 7}


def test_an_empty_variable_says_nothing() -> None:
    assert load({}, environ={"RUSHES_SLOTS": "", "RUSHES_CONFIG": ""}).slots["cpu"] >= 1


def test_slots_may_be_of_several_resources(file: Path) -> None:
    file.write_text("[slots]\nnvenc = 2\n")
    cores = len(os.sched_getaffinity(0))
    assert load({}, file, {}).slots == {"cpu": cores, "nvenc": 2}
    assert load({"slots": "cpu=8, nvenc=1"}, file, {}).slots == {"cpu": 8, "nvenc": 1}


@pytest.mark.parametrize("given", ["nvenc", "cpu=", "=2", "cpu=0", "cpu=2,,", "GPU=1", "cpu=1,cpu", "cpu=1,cpu=2"])
def test_slots_that_cannot_be_are_refused(given: str) -> None:
    assert "setting slots (from the command line): " in refused({"slots": given})


def test_a_variable_that_is_no_setting_is_left_alone() -> None:
    load({}, environ={"RUSHES_TRACEBACK": "1", "RUSHES_ROLES": "x"})


def test_a_setting_of_a_table_may_have_a_flag_and_a_variable_of_its_own(file: Path) -> None:
    assert load({}, environ={}).metrics.port == 0
    file.write_text("[metrics]\nport = 9464\n")
    assert load({}, file, {}).metrics.port == 9464
    environ = {"RUSHES_METRICS_PORT": "9465"}
    assert load({}, file, environ).metrics.port == 9465
    assert load({"metrics_port": 0}, file, environ).metrics.port == 0
    assert load({"metrics_port": 9466}, environ={}).metrics.port == 9466


def test_such_a_setting_is_refused_with_its_place_and_who_said_it(file: Path) -> None:
    assert "metrics.port (from RUSHES_METRICS_PORT)" in refused({}, environ={"RUSHES_METRICS_PORT": "65536"})
    assert "metrics.port (from the command line)" in refused({"metrics_port": -1})
    file.write_text("[metrics]\nport = 0.5\n")
    assert f"metrics.port (from {file})" in refused({}, file)
    file.write_text("metrics = 9464\n")
    assert f"metrics (from {file})" in refused({"metrics_port": 9464}, file)


def test_a_relative_folder_is_made_absolute_and_home_is_found() -> None:
    assert load({"data": "here"}, environ={}).data == str(Path.cwd() / "here")
    assert load({"data": "~/there"}, environ={}).data == str(Path("~/there").expanduser())


def test_a_setting_that_is_unknown_is_named_with_those_that_are_known(file: Path) -> None:
    file.write_text("slotz = 3\n")
    message = refused({}, file)
    assert "slotz" in message
    assert all(name in message for name in NAMES)


@pytest.mark.parametrize(
    ("name", "value"),
    [("slots", "0"), ("slots", "1025"), ("slots", "many"), ("slots", "1.5"), ("grace", "-1"), ("grace", "601"),
     ("grace", "nan"), ("log_format", "xml"), ("log_level", "loud"), ("default_role", "king"),
     ("keep_files", "perhaps")],
)  # fmt: skip
def test_a_value_that_cannot_be_is_refused_with_the_name_of_its_setting(name: str, value: str) -> None:
    assert name in refused({}, environ={f"RUSHES_{name.upper()}": value})
    assert name in refused({name: value})


@pytest.mark.parametrize(
    ("text", "size"), [("100", 100), ("2 GB", 2 * 10**9), ("1.5MiB", 1_572_864), ("0", 0), ("10 kB", 10_000)]
)
def test_a_size_may_have_a_unit(file: Path, text: str, size: int) -> None:
    assert load({"min_free": text}, environ={}).min_free == size
    assert load({}, environ={"RUSHES_MIN_FREE": text}).min_free == size
    file.write_text(f'[retention]\nmax_bytes = "{text}"\n')
    assert load({}, file, {}).retention.max_bytes == size


@pytest.mark.parametrize("text", ["much", "2 XB", "-1", "1 2"])
def test_what_is_no_size_is_refused_with_who_said_it(text: str) -> None:
    assert "min_free (from RUSHES_MIN_FREE)" in refused({}, environ={"RUSHES_MIN_FREE": text})


def test_a_refusal_says_where_the_setting_stands(file: Path) -> None:
    file.write_text("slots = 0\n[backup]\nkeep = 0\n")
    assert f"slots (from {file})" in refused({}, file)
    assert "slots (from the command line)" in refused({"slots": 0}, file)
    file.write_text("[backup]\nkeep = 0\n")
    assert f"backup.keep (from {file})" in refused({}, file)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('min_free = "lots"', "setting min_free (from FILE): must be a size, such as 500 MB"),
        ("[retention]\nmax_bytes = -1", "setting retention.max_bytes (from FILE): must be a size, such as 500 MB"),
        ("grace = -1", "setting grace (from FILE): must be a number, 0 to 600"),
        ("[retention]\nevents_days = 0", "(from FILE): must be a number, more than 0 and at most 36500"),
        ("[children.limits]\ncore = false", "children.limits.core (from FILE): must be a whole number, 0 or more"),
        ('log_level = "loud"', "log_level (from FILE): must be one of debug, error, info, warning"),
        ('[roles]\nada = "queen"', "setting roles (from FILE): must be one of admin, operator, viewer"),
        ('[children]\nionice = "low"', "(from FILE): must be idle or a whole number, 0 to 7"),
        ('keep_files = "perhaps"', "setting keep_files (from FILE): must be true or false"),
        ("roles = 3", "setting roles (from FILE): must be a table"),
        ('[formats.x]\nargs = "-an"', "setting formats.args (from FILE): must be a list"),
        ('[formats.x]\nextension = ".mp4"', "setting formats.args (from FILE): is missing"),
        ('[formats.x]\nargs = []\nextension = "mp4"', "must be a dot and letters or digits, such as .mp4"),
        ("[formats.x]\nargs = []\ninputs = [{path = 3}]", "formats.inputs[0].path (from FILE): must be a text"),
        ("[slots]\nGPU = 1", "setting slots (from FILE): a name in it must be of small letters, digits, _ and -"),
        ("[children.limits]\nfoo = 1", "limits.foo (from FILE): there is none of that name; there are address_space,"),
        (
            '"a` - at `$.zzz" = 1',
            "setting a` - at `$.zzz (from FILE): there is none of that name; there are data, bus,",
        ),
        ('[retention]\n"a` - at `$.zzz" = 1', "setting retention.a` - at `$.zzz (from FILE): there is none of that"),
        ("[slots]\n" + "".join(f"a{number} = 1\n" for number in range(20)), "must be of a length <= 16"),
    ],
)
def test_a_refusal_says_what_would_be_right_in_words(file: Path, text: str, said: str) -> None:
    file.write_text(text)
    assert said in refused({}, file).replace(str(file), "FILE")


def test_a_role_that_is_none_is_refused(file: Path) -> None:
    file.write_text('[roles]\nada = "queen"\n')
    assert "roles" in refused({}, file)


def test_a_file_that_is_not_there_is_named(file: Path) -> None:
    assert str(file) in refused({}, file)


@pytest.mark.parametrize("content", [b"slots = ", b"\xff\xfe"])
def test_a_file_that_is_no_toml_is_named(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    message = refused({}, file)
    assert str(file) in message
    assert "not TOML" in message


def test_the_example_that_is_shipped_can_be_loaded() -> None:
    example = Path(__file__).parents[2] / "deploy/rushes.toml"
    load({}, example, {})
