from __future__ import annotations

import subprocess
import sys
from importlib.metadata import EntryPoint

import pytest

from strategies import ROSTER, Strategy, StrategyError, find, names, roster


class Foreign(Strategy):
    """Of another package."""

    name = "foreign"


@pytest.fixture
def install(monkeypatch):
    """Makes strategies of other packages known, as `name="module:attribute"`."""

    def install(*pairs):
        points = [EntryPoint(name, value, roster.ENTRY_POINT_GROUP) for name, value in pairs]
        monkeypatch.setattr(roster, "entry_points", lambda group: points)

    return install


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(
        "from dataclasses import dataclass\n"
        "from strategies import Strategy\n"
        "class Mine(Strategy):\n    name = 'mine'\n"
        "class Nameless(Strategy):\n    pass\n"
        "class Taken(Strategy):\n    name = 'no_grad'\n"
        "class Plus(Strategy):\n    name = 'a+b'\n"
        "class Needy(Strategy):\n    name = 'needy'\n    def __init__(self, rate): ...\n"
        "@dataclass\nclass Other:\n    size: int = 0\n"
    )
    return path


@pytest.mark.parametrize("name", ROSTER)
def test_every_strategy_is_found_by_its_name(name):
    assert type(find(name)) is ROSTER[name]


@pytest.mark.parametrize("name", ROSTER)
def test_every_strategy_says_what_it_is_in_one_line(name):
    assert ROSTER[name].__doc__.splitlines()[0].endswith(".")


@pytest.mark.parametrize("name", ROSTER)
def test_every_strategy_says_when_it_is_wrong(name):
    assert any(word in ROSTER[name].__doc__ for word in ("wrong", "never"))


@pytest.mark.parametrize("name", ROSTER)
def test_every_strategy_takes_the_eval_modifier(name):
    strategy = find(f"{name}+eval")
    assert strategy.name == f"{name}+eval"
    assert isinstance(strategy, ROSTER[name])


def test_each_look_up_gives_a_fresh_instance():
    assert find("restore") is not find("restore")


def test_the_reference_comes_first():
    assert names()[0] == "full"


def test_an_unknown_name_gets_near_matches():
    with pytest.raises(StrategyError, match=r"no strategy 'nograd'; did you mean 'no_grad'"):
        find("nograd")


def test_an_unknown_modifier_gets_the_known_ones():
    with pytest.raises(StrategyError, match=r"unknown modifier '\+evil'; did you mean 'eval'"):
        find("no_grad+evil")


def test_a_strategy_is_found_in_a_file(file):
    assert find(f"{file}:Mine").name == "mine"


def test_a_strategy_of_a_file_takes_the_modifier(file):
    assert find(f"{file}:Mine+eval").name == "mine+eval"


def test_a_plus_in_a_folder_is_no_modifier(tmp_path, file):
    folder = tmp_path / "c++"
    folder.mkdir()
    assert find(f"{file.rename(folder / 'mine.py')}:Mine").name == "mine"


@pytest.mark.parametrize(
    ("class_name", "complaint"),
    [
        ("Mien", r"no class 'Mien' in .*mine\.py; did you mean 'Mine'"),
        ("Other", r"'Other' in .* is no subclass of strategies\.Strategy"),
        ("Nameless", r"'Nameless' in .* needs a class attribute `name`"),
        ("Plus", r"'Plus' in .* needs a class attribute `name`, a word without '\+'"),
        ("Taken", r"is called 'no_grad' like the built-in strategy"),
        ("Needy", r"cannot be made: TypeError: .*rate"),
        ("Strategy", r"needs a class attribute `name`"),
    ],
)
def test_a_class_of_a_file_that_will_not_do_is_told(file, class_name, complaint):
    with pytest.raises(StrategyError, match=complaint):
        find(f"{file}:{class_name}")


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(StrategyError, match=r"no strategy file '.*absent\.py'"):
        find(f"{tmp_path / 'absent.py'}:Mine")


def test_a_file_without_a_class_is_told(file):
    with pytest.raises(StrategyError, match=r"say which class"):
        find(str(file))


def test_a_file_that_is_not_python_is_told(tmp_path):
    path = tmp_path / "mine.txt"
    path.write_text("")
    with pytest.raises(StrategyError, match=r"must end in \.py"):
        find(f"{path}:Mine")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("def", "SyntaxError"),
        ("raise SystemExit(3)", "SystemExit: 3"),
    ],
)
def test_a_file_that_raises_is_told_with_its_reason(tmp_path, text, complaint):
    path = tmp_path / "broken.py"
    path.write_text(text)
    with pytest.raises(StrategyError, match=rf"broken\.py cannot be imported: {complaint}"):
        find(f"{path}:Mine")


def test_a_strategy_of_another_package_is_listed_and_found(install):
    install(("foreign", f"{__name__}:Foreign"))
    assert names()[-1] == "foreign"
    assert isinstance(find("foreign"), Foreign)


def test_a_name_that_is_built_in_already_raises_and_tells_both(install):
    install(("no_grad", "their.package:NoGrad"))
    with pytest.raises(
        StrategyError, match=r"'no_grad': one of freezebench and one of their\.pack"
    ):
        names()


def test_two_packages_with_one_name_raise_and_are_told(install):
    install(("new", "one.package:New"), ("new", "other.package:New"))
    with pytest.raises(StrategyError, match=r"one of one\.package:New and one of other\.package"):
        names()


def test_an_entry_point_that_does_not_load_is_told_with_its_origin(install):
    install(("new", "no_such_package:New"))
    with pytest.raises(StrategyError, match=r"'new' of no_such_package:New does not load: Module"):
        find("new")


def test_an_entry_point_and_its_class_must_agree_on_the_name(install):
    install(("new", f"{__name__}:Foreign"))
    with pytest.raises(StrategyError, match=r"calls itself 'foreign'"):
        find("new")


def test_an_entry_point_to_something_else_is_told(install):
    install(("new", "json:dumps"))
    with pytest.raises(StrategyError, match=r"is no subclass"):
        find("new")


def test_listing_does_not_import_what_other_packages_offer(install):
    install(("new", "no_such_package:New"))
    assert "new" in names()


def test_importing_strategies_needs_nothing_beyond_torch():
    probe = (
        "import sys, torch; before = set(sys.modules); import strategies; "
        "print({name.partition('.')[0] for name in set(sys.modules) - before})"
    )
    told = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "{'strategies'}"
