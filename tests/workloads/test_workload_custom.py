from __future__ import annotations

import sys
from importlib.machinery import PathFinder
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch

from bench.workloads import Options, WorkloadError, batch_size, build, label

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Write = Callable[[str, str], Path]

GOOD = """
    import torch
    from torch import nn
    from bench.workloads import Workload

    def make(batch=6, seed=0):
        model = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 2))
        batches = [(torch.randn(batch, 2), torch.zeros(batch, dtype=torch.long))]
        return Workload(model, batches, frozen=("0",))

    def fixed():
        return make()

    def wants_batch(batch):
        return make(batch or 5)

    def takes_all(**given):
        assert set(given) <= {"batch", "seed"}
        return make(**given)

    def wants_device(device):
        return make()

    def with_frozen(frozen):
        made = make()
        return Workload(made.model, made.batches, frozen)

    def plain_string(): return with_frozen("1")
    def nothing_frozen(): return with_frozen(())
    def all_frozen(): return with_frozen(("*",))
    def no_match(): return with_frozen(("encoder",))
    def frozen_numbers(): return with_frozen([0])

    def with_batches(batches):
        made = make()
        return Workload(made.model, batches, made.frozen)

    def no_batches(): return with_batches([])
    def a_generator(): return with_batches(batch for batch in make().batches)
    def ragged(): return with_batches([(torch.ones(4, 2),), (torch.ones(3, 2),)])
    def textual(): return with_batches(["hello"])

    def a_model(): return nn.Linear(2, 2)
    def nothing(): pass
    def no_module(): return Workload(lambda x: x, make().batches, ("0",))
    def no_loss(): return Workload(make().model, make().batches, ("0",), loss=3)

    number = 5
"""


@pytest.fixture(autouse=True)
def _path_as_before() -> Iterator[None]:
    before = list(sys.path)
    yield
    sys.path[:] = before


@pytest.fixture
def spec(write: Write) -> Callable[[str], str]:
    path = write("my_model.py", GOOD)
    return lambda factory: f"{path}:{factory}"


def said(spec: str, options: Options | None = None) -> str:
    with pytest.raises(WorkloadError) as caught:
        build(spec, options or Options())
    return str(caught.value)


def test_a_function_in_a_file_makes_a_workload(spec: Callable[[str], str]) -> None:
    workload = build(spec("make"), Options())
    assert workload.frozen == ("0",)
    assert batch_size(workload.batches[0]) == 6


def test_a_function_in_a_module_makes_a_workload(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("some_package/__init__.py", "")
    write("some_package/inner.py", GOOD)
    monkeypatch.chdir(tmp_path)
    assert build("some_package.inner:make", Options(batch=2)).frozen == ("0",)


def test_it_is_given_the_batch_that_was_asked_for(spec: Callable[[str], str]) -> None:
    for factory in ("make", "wants_batch", "takes_all"):
        workload = build(spec(factory), Options(batch=9))
        assert batch_size(workload.batches[0]) == 9


def test_its_own_batch_size_holds_when_none_was_asked_for(spec: Callable[[str], str]) -> None:
    assert batch_size(build(spec("make"), Options()).batches[0]) == 6
    assert batch_size(build(spec("takes_all"), Options()).batches[0]) == 6
    assert batch_size(build(spec("wants_batch"), Options()).batches[0]) == 5


def test_a_size_that_it_has_anyway_needs_no_argument(spec: Callable[[str], str]) -> None:
    assert batch_size(build(spec("fixed"), Options(batch=6)).batches[0]) == 6


def test_the_same_seed_gives_the_same_bits_without_asking_for_it(
    spec: Callable[[str], str],
) -> None:
    before = torch.get_rng_state()
    one, other = (build(spec("fixed"), Options(seed=4)) for _ in range(2))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(one.batches[0][0], other.batches[0][0])
    assert torch.equal(one.model[0].weight, other.model[0].weight)  # type: ignore[index]


def test_a_plain_string_is_one_pattern(spec: Callable[[str], str]) -> None:
    assert build(spec("plain_string"), Options()).frozen == ("1",)


def test_patterns_of_the_request_replace_its_own(spec: Callable[[str], str]) -> None:
    assert build(spec("nothing_frozen"), Options(freeze=("1",))).frozen == ("1",)


def test_a_file_can_import_its_neighbours(write: Write) -> None:
    write("neighbour_of_mine.py", GOOD)
    path = write("entry.py", "from neighbour_of_mine import make")
    assert build(f"{path}:make", Options()).frozen == ("0",)


def test_a_file_named_like_a_library_replaces_nothing(write: Write) -> None:
    path = write("queue.py", GOOD)
    build(f"{path}:make", Options())
    assert not hasattr(sys.modules.get("queue"), "make")


def test_a_neighbour_hides_an_installed_package_but_not_the_standard_library(
    write: Write, tmp_path: Path
) -> None:
    for neighbour in ("colorsys.py", "pandas.py"):
        write(neighbour, "raise RuntimeError")
    build(f"{write('my_model.py', GOOD)}:make", Options())
    of_standard_library, installed = map(PathFinder.find_spec, ("colorsys", "pandas"))
    assert of_standard_library is not None
    assert installed is not None
    assert of_standard_library.origin != str(tmp_path / "colorsys.py")
    assert installed.origin == str(tmp_path / "pandas.py")


def test_tied_parameters_stay_tied_on_meta(write: Write) -> None:
    path = write(
        "tied.py",
        """
        import torch
        from torch import nn
        from bench.workloads import Workload

        def make():
            model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2), nn.Linear(2, 2))
            model[2].weight = model[0].weight
            return Workload(model, [(torch.ones(1, 2), torch.zeros(1).long())], ["1"])
        """,
    )
    model = build(f"{path}:make", Options(), meta=True).model
    assert model.get_parameter("2.weight") is model.get_parameter("0.weight")
    assert model.get_parameter("0.weight").is_meta


def test_a_label_has_no_folders() -> None:
    assert label("some/where/my_model.py:make") == "my_model.py:make"
    assert label("package.module:make") == "package.module:make"
    assert label("torchvision:resnet18") == "torchvision:resnet18"
    assert label("policy") == "policy"


@pytest.mark.parametrize(
    ("factory", "sentence"),
    [
        ("mak", "there is no function 'mak' in it; did you mean 'make'"),
        ("number", "'number' is an int and cannot be called; make it a function that returns"),
        ("a_model", "a_model() returned a Linear, not a Workload; let it return bench.workloads."),
        ("nothing", "nothing() returned None, not a Workload; let it return bench.workloads."),
        ("wants_device", "wants_device() wants an argument 'device', and only 'batch' and 'seed'"),
        ("no_module", "its model is not a module (function); make it a torch.nn.Module"),
        ("no_loss", "its loss cannot be called (int); make it a function of model and batch"),
        ("no_batches", "it has no batches; give at least one"),
        ("a_generator", "its batches are not a list (generator); give a few batches"),
        ("ragged", "its batches hold 4, 3 samples; give them all one size"),
        ("textual", "a batch holds no tensor (it is a str)"),
        ("frozen_numbers", "what is frozen must be patterns on module or parameter names"),
        ("nothing_frozen", "no pattern says what is frozen; give at least one module name"),
        ("all_frozen", "the patterns '*' freeze every parameter; leave something to train"),
        ("no_match", "the pattern 'encoder' matches no module or parameter"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(
    spec: Callable[[str], str], factory: str, sentence: str
) -> None:
    message = said(spec(factory))
    assert message.startswith(f"my_model.py:{factory}: {sentence}")
    assert "\n" not in message


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("raise ValueError('bad luck\\nwith details')", "ValueError: bad luck (raising.py:2)"),
        ("raise SystemExit(2)", "SystemExit: 2 (raising.py:2)"),
        ("import torch; torch.ones(2) @ torch.ones(3)", "RuntimeError: inconsistent tensor size"),
        ("import torch; torch.nn.Linear('a', 3)", "(raising.py:2)"),
    ],
)
def test_a_function_that_raises_is_told_where_in_the_users_file(
    write: Write, source: str, told: str
) -> None:
    message = said(f"{write('raising.py', f'def make():{chr(10)}    {source}')}:make")
    assert message.startswith("raising.py:make: make() raised ")
    assert told in message
    assert message.endswith("(raising.py:2)")


def test_a_size_that_it_cannot_have_is_refused(spec: Callable[[str], str]) -> None:
    assert said(spec("fixed"), Options(batch=9)) == (
        "my_model.py:fixed: a batch of 9 was asked for and its batches hold 6; "
        "let fixed() accept an argument `batch` and go by it"
    )


def test_a_missing_file_is_told_its_neighbours(write: Write, tmp_path: Path) -> None:
    write("my_model.py", GOOD)
    message = said(f"{tmp_path / 'my_modell.py'}:make")
    assert message.startswith("my_modell.py:make: there is no file")
    assert message.endswith("did you mean 'my_model.py'?")


def test_a_file_that_is_not_python_is_refused(write: Write) -> None:
    assert "it is not a Python file" in said(f"{write('notes.txt', '')}:make")


def test_a_missing_module_is_named() -> None:
    assert said("no_such_package.inner:make").startswith(
        "no_such_package.inner:make: no module 'no_such_package' can be imported"
    )


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("x = 1\nraise RuntimeError('at import')", "RuntimeError: at import (broken.py:2)"),
        ("def make(:\n    pass", "SyntaxError: invalid syntax (broken.py:1)"),
        (
            "import torch\nimport no_such_neighbour",
            "ModuleNotFoundError: No module named 'no_such_neighbour' (broken.py:2)",
        ),
        ("import json\n\njson.loads('{')", "JSONDecodeError: Expecting property name"),
        ("import sys\nsys.exit('usage')", "SystemExit: usage (broken.py:2)"),
    ],
)
def test_a_file_that_raises_on_import_is_told_where(write: Write, source: str, told: str) -> None:
    message = said(f"{write('broken.py', source)}:make")
    assert message.startswith("broken.py:make: importing it raised")
    assert told in message
    assert "(broken.py:" in message


def test_a_module_that_imports_something_missing_is_not_called_missing_itself(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("half_there.py", "import no_such_thing")
    monkeypatch.chdir(tmp_path)
    assert "raised ModuleNotFoundError: No module named 'no_such_thing' (half_there.py:1)" in said(
        "half_there:make"
    )


def test_a_file_without_its_function_is_asked_for_it(write: Write) -> None:
    assert "which function of the file? give path/to/file.py:factory" in said(
        str(write("my_model.py", GOOD))
    )


def test_an_unknown_workload_is_told_near_ones() -> None:
    assert said("polcy").startswith("polcy: there is no such workload; did you mean 'policy'")
    assert "'torchvision:resnet50'" in said("resnet50")


def test_a_batch_below_one_is_refused() -> None:
    assert said("policy", Options(batch=0)) == "the batch must be at least 1 sample, not 0"


def test_weights_are_for_torchvision_alone() -> None:
    assert said("policy", Options(weights="DEFAULT")).startswith(
        "policy: weights ('DEFAULT') can only be chosen for torchvision:NAME workloads"
    )


def test_importing_the_workloads_loads_neither_torchvision_nor_sklearn() -> None:
    import subprocess  # noqa: PLC0415

    code = "import sys, bench.workloads; print({'sklearn', 'torchvision'} & set(sys.modules))"
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"
