"""What may lie side by side, as which columns, and what is said of what may not."""

from __future__ import annotations

import msgspec
import pytest
from collection_runs import GPU, MACHINE, cell, cells, run, stored

from bench.collection.asked import Asked, UnknownNameError, setting
from bench.collection.comparison import compare
from bench.collection.gathering import CollectionError, gather
from bench.collection.settings import AXES, SETTINGS
from bench.records import Project, TorchSettings

replaced = msgspec.structs.replace


@pytest.fixture
def compared(tmp_path):
    def of(*runs, **asked):
        for place, each in enumerate(runs):
            stored(tmp_path, each, folder=str(place))
        return compare(gather([tmp_path]), Asked(**asked))

    return of


def two(**changes):
    """Two runs that differ in a setting of their cells or, where it has none, of their request."""
    return [
        run(cells(**{name: value[place] for name, value in changes.items()}), id=f"r{place}")
        for place in range(2)
    ]


def requested(**changes):
    return [
        run(id=f"r{place}", request={name: value[place] for name, value in changes.items()})
        for place in range(2)
    ]


def on(*machines):
    return [run(id=f"r{place}", machine=machine) for place, machine in enumerate(machines)]


def labels(comparison):
    return [column.label for column in comparison.columns]


OTHER_TORCH = replaced(MACHINE, torch="2.9.0")
DIFFERING = {
    "dtype": two(dtype=("float32", "bfloat16")),
    "batch": two(batch=(8, 16)),
    "threads": two(threads=(1, 2)),
    "optimizer": two(optimizer=("adam", "sgd")),
    "version": two(fingerprint=("f00d", "beef")),
    "topology": two(topology=("front", "back")),
    "device": two(device=("cpu", "mps")),
    "torch": on(MACHINE, OTHER_TORCH),
    "compile": requested(compile=(False, True)),
    "channels_last": requested(channels_last=(False, True)),
    "freeze": requested(freeze=((), ("a", "b"))),
    "weights": requested(weights=(None, "DEFAULT")),
    "schema": [run(id="r0", schema=1), run(id="r1", schema=2)],
    "machine": on(MACHINE, replaced(MACHINE, cpu="Intel Xeon")),
    "switches": on(
        replaced(MACHINE, settings=TorchSettings("highest", False, False, False, None)),
        replaced(MACHINE, settings=TorchSettings("high", False, False, False, None)),
    ),
}


def an_axis_beside(name):
    return "optimizer" if name == "dtype" else "dtype"


def test_every_setting_is_tried_here():
    assert set(DIFFERING) == set(SETTINGS)


@pytest.mark.parametrize("name", SETTINGS)
def test_runs_that_differ_in_a_setting_are_refused_by_its_name(compared, name):
    with pytest.raises(CollectionError, match=f"side by side: {name} of policy is .* in r0 and"):
        compared(*DIFFERING[name], axis=an_axis_beside(name))


@pytest.mark.parametrize("name", SETTINGS)
def test_a_setting_that_may_differ_gives_each_value_a_column(compared, name):
    found = compared(*DIFFERING[name], axis=an_axis_beside(name), allow=frozenset({name}))
    assert len(set(labels(found))) == 2


@pytest.mark.parametrize("axis", sorted(set(AXES.values())))
def test_the_setting_on_the_axis_may_differ(compared, axis):
    assert len(set(labels(compared(*DIFFERING[axis], axis=axis)))) == 2


def test_a_refusal_says_both_values_and_offers_both_ways_out(compared):
    with pytest.raises(CollectionError) as refused:
        compared(*DIFFERING["dtype"])
    told = str(refused.value)
    assert "dtype of policy is float32 in r0 and bfloat16 in r1" in told
    assert "--only dtype=float32" in told
    assert "--allow dtype" in told


def test_a_refusal_names_what_else_differs(compared):
    with pytest.raises(CollectionError, match=r"\(optimizer differs too\)"):
        compared(*two(dtype=("float32", "bfloat16"), optimizer=("adam", "sgd")))


def test_what_is_offered_in_a_refusal_is_accepted(compared):
    found = compared(*DIFFERING["machine"], axis="dtype", only=(("machine", "AMD EPYC"),))
    assert labels(found) == ["float32"]


def test_runs_of_both_schemas_are_refused(compared):
    with pytest.raises(CollectionError, match="schema of policy is 1 in r0 and 2 in r1"):
        compared(*DIFFERING["schema"])


def test_the_patch_of_torch_makes_no_difference(compared):
    found = compared(*on(MACHINE, replaced(MACHINE, torch="2.14.0+cu128")))
    assert found.columns[0].runs == 2


def test_threads_of_an_accelerator_make_no_difference(compared):
    found = compared(
        run(cells(device="cuda:0", threads=1), id="r0", machine=GPU),
        run(cells(device="cuda:1", threads=2), id="r1", machine=GPU),
    )
    assert found.columns[0].runs == 2


def test_a_few_bytes_of_memory_more_are_the_same_machine(compared):
    found = compared(*on(MACHINE, replaced(MACHINE, memory_bytes=MACHINE.memory_bytes + 4096)))
    assert len(found.columns) == 1


def test_a_column_is_called_after_the_accelerator_or_the_processor(compared):
    found = compared(*on(MACHINE, GPU))
    assert sorted(labels(found)) == ["AMD EPYC", "H100"]


def test_machines_of_one_name_are_told_apart_by_what_differs(compared):
    found = compared(*on(MACHINE, replaced(MACHINE, cores=64)))
    assert sorted(labels(found)) == ["AMD EPYC (2 cores)", "AMD EPYC (64 cores)"]


def test_columns_stand_in_the_order_of_their_numbers(compared):
    found = compared(*(run(cells(batch=n), id=f"r{n}") for n in (128, 8, 64)), axis="batch")
    assert labels(found) == ["batch 8", "batch 64", "batch 128"]


def test_versions_stand_in_their_order(compared):
    found = compared(*on(MACHINE, OTHER_TORCH), axis="torch")
    assert labels(found) == ["torch 2.9", "torch 2.14"]


def test_the_latest_finished_run_stands_for_a_column(compared):
    found = compared(run(id="r1"), run(id="r2"), run(id="r3", state="interrupted"))
    assert (found.columns[0].run, found.columns[0].runs) == ("r2", 3)


def test_the_latest_run_of_each_workload_stands_for_it(compared):
    found = compared(run(id="r1"), run(cells(workload="adapter"), id="r2"))
    assert {each.workload: each.stands for each in found.workloads} == {
        "policy": {0: "r1"},
        "adapter": {0: "r2"},
    }


def test_an_unfinished_run_is_used_where_nothing_else_is_and_told(compared):
    found = compared(run(id="r1", state="running"))
    assert found.columns[0].run == "r1"
    assert any("still running, or killed" in note and "r1" in note for note in found.notes)


def test_a_single_column_is_shown_and_told(compared):
    found = compared(run())
    assert found.workloads[0].figures["no_grad", 0].total.value == 0.5
    assert any("nothing to compare with" in note for note in found.notes)


def test_columns_without_a_common_workload_are_told(compared):
    first, second = on(MACHINE, GPU)
    found = compared(first, replaced(second, cells=cells(workload="adapter")))
    assert any(note.startswith("no workload is in two columns") for note in found.notes)


def test_a_workload_in_one_column_alone_is_told(compared):
    first, second = on(MACHINE, GPU)
    found = compared(first, replaced(second, cells=cells() + cells(workload="adapter")))
    assert "in one column alone: adapter" in found.notes


def test_no_strategy_in_common_is_told(compared):
    first, second = on(MACHINE, GPU)
    found = compared(first, replaced(second, cells=cells({"detach": 0.4})))
    assert any("no strategy beside full is in two columns" in note for note in found.notes)


def test_a_machine_with_one_cell_is_a_column(compared):
    first, second = on(MACHINE, GPU)
    found = compared(first, replaced(second, cells=[cell("no_grad")]))
    assert len(found.columns) == 2
    assert found.workloads[0].agreements[0].tau is None


def test_a_run_without_cells_gives_a_sentence(compared):
    with pytest.raises(CollectionError, match="hold no cell"):
        compared(run([]))


def test_only_keeps_the_runs_with_a_value(compared):
    found = compared(*DIFFERING["dtype"], only=(("dtype", "bfloat16"),))
    assert found.columns[0].run == "r1"


def test_only_one_setting_twice_keeps_either_value(compared):
    runs = [run(cells(batch=n), id=f"r{n}") for n in (8, 16, 32)]
    found = compared(*runs, axis="batch", only=(("batch", "8"), ("batch", "32")))
    assert labels(found) == ["batch 8", "batch 32"]


def test_only_a_workload_keeps_it_alone(compared):
    found = compared(run(cells() + cells(workload="adapter")), only=(("workload", "adapter"),))
    assert [each.workload for each in found.workloads] == ["adapter"]


def test_only_a_strategy_keeps_full_beside_it(compared):
    found = compared(run(), only=(("strategy", "lr_zero"),))
    assert found.workloads[0].strategies == ["full", "lr_zero"]


@pytest.mark.parametrize(
    ("name", "value"), [("dtype", "float23"), ("workload", "polcy"), ("strategy", "nograd")]
)
def test_a_value_that_no_run_has_is_refused_with_those_that_there_are(compared, name, value):
    with pytest.raises(UnknownNameError) as refused:
        compared(run(), only=((name, value),))
    assert refused.value.known


def test_values_that_no_run_has_together_are_refused(compared):
    runs = two(dtype=("float32", "bfloat16"), batch=(8, 16))
    with pytest.raises(CollectionError, match="no run has all of"):
        compared(*runs, only=(("dtype", "float32"), ("batch", "16")))


def test_a_setting_that_there_is_not_is_refused():
    with pytest.raises(UnknownNameError):
        setting("dtyp")


def test_a_dash_in_a_setting_is_as_good_as_an_underscore():
    assert setting("channels-last") == setting("channels_last")


def test_another_batch_is_no_other_version_of_the_workload(compared):
    found = compared(*two(batch=(8, 16), fingerprint=("f00d", "beef")), axis="batch")
    assert len(found.columns) == 2
    assert any("fingerprint holds the batch" in note for note in found.notes)


def test_another_file_of_a_strategy_is_told(compared):
    first, second = on(MACHINE, GPU)
    changed = [replaced(c, fingerprint="own") if c.strategy == "no_grad" else c for c in cells()]
    found = compared(first, replaced(second, cells=changed))
    assert "policy: no_grad is not the same file in all columns" in found.notes


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"synthetic": True}, "synthetic"),
        ({"project": Project("0.1.0", "c0ffee", True)}, "not committed"),
        ({"project": Project("0.1.0", "decaf", False)}, "different commits"),
    ],
)
def test_what_bears_on_trust_is_told(compared, changes, told):
    first, second = (replaced(each, synthetic=False) for each in on(MACHINE, GPU))
    assert not compared(first, second).notes
    found = compared(first, replaced(second, **changes))
    assert len(found.notes) == 1
    assert told in found.notes[0]


def test_the_common_settings_are_those_that_do_not_tell_columns_apart(compared):
    common = compared(*DIFFERING["dtype"], axis="dtype").workloads[0].settings
    assert common["batch"] == "64"
    assert "dtype" not in common


BESIDE = {
    "driver": ("driver", "550.54", "560.28"),
    "cuda": ("cuda", "12.8", "13.0"),
    "cudnn": ("cudnn", "90100", "91000"),
    "blas": ("blas", "MKL", "OpenBLAS"),
    "exact torch": ("torch", "2.14.0+cpu", "2.14.1+cpu"),
    "torchvision": ("torchvision", "0.29.0", "0.29.1"),
    "python": ("python", "3.11.9", "3.12.1"),
    "kernel": ("os", "Linux 6.1", "Linux 6.8"),
}


def beside(comparison):
    return [note for note in comparison.notes if "also differ in" in note]


@pytest.mark.parametrize(("field", "one", "other"), BESIDE.values(), ids=BESIDE)
def test_software_that_differs_is_told(compared, field, one, other):
    made = two(threads=(1, 2))
    made = [
        replaced(each, machine=replaced(MACHINE, **{field: value}))
        for each, value in zip(made, (one, other), strict=True)
    ]
    (note,) = beside(compared(*made, axis="threads"))
    assert f"also differ in {field} ({one} and {other});" in note


def test_steps_that_differ_are_told(compared):
    made = [
        run(cells(threads=1 + place), id=f"r{place}", request={"steps": 5 + place})
        for place in range(2)
    ]
    (note,) = beside(compared(*made, axis="threads"))
    assert "--steps (5 and 6)" in note


def test_one_note_names_all_that_differs_with_two_values_each(compared):
    made = [
        run(
            cells(threads=1 + place),
            id=f"r{place}",
            machine=replaced(MACHINE, python=f"3.{place}", blas=f"MKL {place % 2}"),
        )
        for place in range(4)
    ]
    (note,) = beside(compared(*made, axis="threads"))
    assert "python (3.0, 3.1 and 2 more); blas (MKL 0 and MKL 1);" in note


def test_what_columns_are_told_apart_by_is_no_news(compared):
    assert not beside(compared(*on(MACHINE, OTHER_TORCH), axis="torch"))


def test_what_a_run_does_not_tell_differs_from_nothing(compared):
    made = two(threads=(1, 2))
    made[1] = replaced(made[1], machine=replaced(MACHINE, driver="560.28"))
    assert not beside(compared(*made, axis="threads"))
