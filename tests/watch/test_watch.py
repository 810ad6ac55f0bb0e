from __future__ import annotations

import copy
import gc
import pickle
import re

import pytest
import torch
from torch import nn
from watched import Net, adam, frozen_net, hooks_left, sgd, train

from bench.rules import RULES
from bench.watch import FrozenMoved, Severed, WatchError, watch


def test_what_stays_frozen_raises_nothing() -> None:
    net = frozen_net()

    with watch(net) as report:
        train(net)

    assert (report.steps, report.checks, report.findings) == (3, 4, [])
    assert report.kept_by == "copy"
    assert report.frozen_bytes == sum(p.nbytes for p in net.backbone.parameters())
    assert "4 frozen tensors" in str(report)
    assert "nothing found" in str(report)


@pytest.mark.parametrize("keep", ["copy", "hash"])
def test_what_moves_raises_at_the_step_in_which_it_moves(keep: str) -> None:
    net, reached = Net(), []

    def meddle(step: int) -> None:
        reached.append(step)
        if step == 2:
            net.backbone[0].bias.data += 1

    with pytest.raises(FrozenMoved) as caught, watch(net, "backbone", keep=keep) as report:  # noqa: PT012
        net.backbone.requires_grad_(False)
        train(net, before_update=meddle)

    assert reached == [1, 2]
    (finding,) = caught.value.findings
    assert finding.where == ["backbone.0.bias"]
    assert finding.since_step == 2
    assert "in step 2" in finding.what
    assert report.findings == caught.value.findings
    assert finding.moved[0].max_abs == (pytest.approx(1.0) if keep == "copy" else None)


def test_what_moves_after_the_last_step_raises_at_the_end() -> None:
    net = frozen_net()

    with pytest.raises(FrozenMoved, match="after step 3, outside of an update"), watch(net):  # noqa: PT012
        train(net)
        net.backbone[0].bias.data += 1


def test_what_moves_without_any_step_raises_at_the_end() -> None:
    net = frozen_net(norm=True)

    with pytest.raises(FrozenMoved, match="before the first update"), watch(net):
        net(torch.randn(8, 4))


def test_a_long_training_is_looked_at_from_time_to_time() -> None:
    net = frozen_net()

    def meddle(step: int) -> None:
        if step == 11:
            net.backbone[0].bias.data += 1

    with pytest.raises(FrozenMoved, match="between steps 11 and 20") as caught:  # noqa: SIM117
        with watch(net, every=10) as report:
            train(net, steps=50, before_update=meddle)

    assert (report.steps, report.checks) == (20, 2)
    assert caught.value.findings[0].since_step == 20


@pytest.mark.parametrize("every", [1, 2, 3, 7, 100])
@pytest.mark.parametrize("steps", [1, 6, 7, 20])
def test_steps_are_counted_and_looks_come_at_their_time(every: int, steps: int) -> None:
    net, counted = frozen_net(), []

    with watch(net, every=every) as report:
        train(net, steps=steps, after_update=lambda _: counted.append(report.steps))

    assert counted == list(range(1, steps + 1))
    assert report.checks == steps // every + 1


def test_a_second_optimizer_that_comes_later_keeps_the_count() -> None:
    net = frozen_net()
    net.side = nn.Linear(6, 2)
    first, second = sgd(net.head), sgd(net.side)

    with watch(net, every=5) as report:
        for step in range(1, 21):
            (net(torch.randn(8, 4)) + net.side(torch.randn(8, 6))).square().mean().backward()
            first.step()
            if step > 7:
                second.step()

    assert (report.steps, report.checks) == (20, 5)


def test_a_tensor_that_comes_back_between_two_looks_is_not_seen() -> None:
    net = frozen_net()

    with watch(net, every=10):
        train(net, steps=3, before_update=lambda _: net.backbone[0].bias.data.neg_())
        net.backbone[0].bias.data.neg_()


@pytest.mark.parametrize("patterns", ["backbone", "backbone.*", ["backbone.*"], ["b*", "!head"]])
def test_patterns_cover_parameters_and_buffers(patterns: str | list[str]) -> None:
    net = Net(norm=True)
    net.backbone.register_buffer("own", torch.zeros(1))

    with watch(net, patterns) as report:
        pass

    of_backbone = [*dict(net.backbone.named_parameters()), *dict(net.backbone.named_buffers())]
    assert set(report.frozen_names) == {f"backbone.{name}" for name in of_backbone}
    assert "backbone.own" in report.frozen_names


def test_the_error_reads_as_sentences_with_a_mend() -> None:
    net = frozen_net(norm=True)

    with pytest.raises(FrozenMoved) as caught, watch(net):
        train(net)

    text = str(caught.value)
    assert "backbone.1.running_mean" in text
    assert "[bn-statistics]" in text
    assert "why:   The module runs in training mode" in text
    assert "mend:  model.backbone.eval()" in text
    assert isinstance(caught.value, AssertionError)


def test_an_error_keeps_its_findings_from_process_to_process() -> None:
    net = frozen_net(norm=True)
    with pytest.raises(WatchError) as caught, watch(net):
        train(net)

    sent = pickle.loads(pickle.dumps(caught.value))

    assert type(sent) is FrozenMoved
    assert sent.findings == caught.value.findings
    assert all(finding.rule in RULES for finding in sent.findings)


def test_an_error_that_the_training_swallows_is_raised_again_at_the_end() -> None:
    net = frozen_net(norm=True)

    with pytest.raises(FrozenMoved), watch(net) as report:  # noqa: PT012
        with pytest.raises(FrozenMoved):
            train(net)
        train(net)

    assert report.checks == 1


def test_the_training_s_own_exception_wins_and_carries_what_was_seen() -> None:
    net = frozen_net(norm=True)

    with pytest.raises(KeyError) as caught, watch(net, every=100):  # noqa: PT012
        train(net)
        raise KeyError("my own")

    assert "bn-statistics" in "".join(caught.value.__notes__)
    assert hooks_left(net) == []


def test_an_exception_of_a_clean_training_stays_as_it_is() -> None:
    net = frozen_net()

    with pytest.raises(KeyError) as caught, watch(net):  # noqa: PT012
        train(net)
        raise KeyError("my own")

    assert not hasattr(caught.value, "__notes__")


def test_no_hook_is_left() -> None:
    net = frozen_net()

    with watch(net):
        assert hooks_left(net)
        train(net)

    assert hooks_left(net) == []


def test_no_hook_is_left_after_something_moved_or_was_cut() -> None:
    net = frozen_net(norm=True)
    with pytest.raises(FrozenMoved), watch(net):
        train(net)
    cut = frozen_net()
    cut.backbone[2].requires_grad_(True)
    with pytest.raises(Severed), watch(cut):  # noqa: PT012
        with torch.no_grad():
            features = cut.backbone(torch.randn(8, 4))
        cut.head(features).sum().backward()
        sgd(cut).step()

    assert hooks_left(net) == hooks_left(cut) == []


def test_once_every_gradient_has_come_only_the_hook_behind_the_step_is_left() -> None:
    net = frozen_net()

    with watch(net):
        train(net, steps=1)
        assert hooks_left(net) == ["_global_optimizer_post_hooks"]


def test_a_watch_that_is_dropped_takes_its_hooks_along() -> None:
    net = frozen_net()
    report = watch(net).__enter__()

    del report
    gc.collect()

    assert hooks_left(net) == []


def test_a_model_can_be_copied_and_saved_while_it_is_watched() -> None:
    net = frozen_net()

    with watch(net):
        other = pickle.loads(pickle.dumps(copy.deepcopy(net)))
        train(net)

    assert hooks_left(other) == []


def test_the_copies_go_when_the_watch_ends() -> None:
    net = frozen_net()
    with watch(net) as report:
        train(net)

    assert report._kept.bytes == 0
    assert report.frozen_bytes > 0


def test_a_parameter_that_is_replaced_is_said_to_be() -> None:
    net = frozen_net()

    with pytest.raises(FrozenMoved) as caught, watch(net):  # noqa: PT012
        net.backbone[0] = nn.Linear(4, 6)
        train(net)

    (finding,) = caught.value.findings
    assert finding.rule == "parameter-replaced"
    assert "weight and 1 more were replaced in step 1, by up to" in finding.what
    assert "assigned a new parameter, or a new module" in finding.why
    assert finding.mend.startswith("replace it before the watch begins")
    assert "audit" not in finding.mend


@pytest.mark.parametrize("keep", ["copy", "hash"])
def test_a_cast_is_said_to_be_one(keep: str) -> None:
    net = frozen_net(norm=True)
    net.backbone.eval()

    with pytest.raises(FrozenMoved) as caught, watch(net, keep=keep):  # noqa: PT012
        train(net)
        net.double()

    (finding,) = caught.value.findings
    assert finding.rule == "parameter-replaced"
    assert set(finding.where) == {
        name for name, tensor in net.backbone.state_dict(prefix="backbone.").items()
        if tensor.dtype == torch.float64
    }  # fmt: skip
    assert "the dtype changed from float32 to float64 after step 3" in finding.what
    assert "by up to" not in finding.what
    assert finding.mend.startswith("model.to(torch.float64)")
    exec(finding.mend, {"model": net, "torch": torch})


def test_another_shape_is_said_to_be_one() -> None:
    net = frozen_net()

    with pytest.raises(FrozenMoved, match=r"changed from \(6, 6\) to \(6, 5\)"), watch(net):
        net.backbone[2].weight.data = torch.zeros(6, 5)


def test_a_parameter_replaced_by_one_of_another_dtype_is_replaced() -> None:
    net = frozen_net()

    with pytest.raises(FrozenMoved, match="was replaced before") as caught, watch(net):
        net.backbone[0].bias = nn.Parameter(net.backbone[0].bias.double())

    assert "from float32 to float64" in caught.value.findings[0].what


def test_a_sign_of_zero_is_not_told_as_a_distance_of_zero() -> None:
    net = frozen_net()
    nn.init.zeros_(net.backbone[0].bias)

    with pytest.raises(FrozenMoved, match="the sign of 0") as caught, watch(net):
        net.backbone[0].bias.data.neg_()

    assert "by up to" not in caught.value.findings[0].what


def test_the_largest_figure_is_not_that_of_the_counter() -> None:
    net = frozen_net(norm=True)

    with pytest.raises(FrozenMoved) as caught, watch(net, every=100):
        train(net, steps=20)

    (finding,) = caught.value.findings
    counter = next(m for m in finding.moved if m.name.endswith("num_batches_tracked"))
    assert counter.max_abs == 20
    assert re.search(r"by up to 0\.\d+ \(backbone\.1\.running_", finding.what)


def test_a_parameter_that_is_gone_is_said_to_be() -> None:
    net = frozen_net()

    with pytest.raises(FrozenMoved, match="no longer in the model") as caught, watch(net):  # noqa: PT012
        net.backbone[0].bias = None
        train(net)

    (finding,) = caught.value.findings
    assert (finding.rule, finding.where) == ("parameter-replaced", ["backbone.0.bias"])


def test_a_module_that_is_gone_is_said_to_be() -> None:
    net = frozen_net()

    with pytest.raises(FrozenMoved) as caught, watch(net, severed=False):  # noqa: PT012
        net.backbone = nn.Linear(4, 6)
        train(net)

    assert len(caught.value.findings[0].where) == 4


def test_a_step_of_another_model_is_not_counted() -> None:
    net, other = frozen_net(), Net()

    with watch(net) as report:
        train(other)

    assert report.steps == 0


def test_two_models_can_be_watched_at_once() -> None:
    still, moving = frozen_net(), frozen_net(norm=True)

    with watch(still) as outer:  # noqa: SIM117
        with pytest.raises(FrozenMoved), watch(moving) as nested:  # noqa: PT012
            train(still)
            train(moving)

    assert (outer.steps, outer.findings) == (3, [])
    assert nested.steps == 1


def test_an_optimizer_that_is_not_torch_s_is_counted_by_hand() -> None:
    net = frozen_net()

    with pytest.raises(FrozenMoved, match="in step 2"), watch(net) as report:  # noqa: PT012
        report.step()
        net.backbone[0].weight.data.zero_()
        report.step()


def test_tied_frozen_parameters_are_compared_once_and_stay() -> None:
    net = frozen_net()
    net.backbone.append(nn.Linear(6, 6))
    net.backbone[3].weight = net.backbone[2].weight
    net.backbone[3].bias.requires_grad_(False)

    with watch(net) as report:
        train(net, adam(net))

    assert len(report.frozen_names) == 5
