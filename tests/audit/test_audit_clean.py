"""Nothing is said of a training in which nothing is wrong."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from clean_models import (
    an_expert_that_no_sample_chooses,
    bias_before_batchnorm,
    checkpointed,
    compiled,
    dead_relu,
    double_precision,
    dropout_in_eval,
    eval_frozen_bn,
    experts_in_turn,
    features_in_inference_mode,
    lora,
    rnn,
    spectral_norm_in_eval,
    tied_and_frozen,
    tied_and_trained,
    weight_norm,
)
from clean_pairs import (
    a_teacher_beside,
    critic_frozen_for_the_generator,
    gan,
    running_average,
    shared_with_another_model,
    target_network,
)
from clean_updates import (
    accumulation,
    clipped,
    fresh_freeze,
    lbfgs,
    lr_zero,
    one_cycle_of_the_rest,
    optimizer_subset,
    restored_each_step,
    skipped_by_the_scaler,
    warm_up,
    warm_up_of_one_group,
    warmed_then_frozen,
    zeros_of_a_fresh_freeze,
)
from torch.optim import lr_scheduler
from trainings import audited, rules

CLEAN: list[Any] = [
    eval_frozen_bn,
    *(
        fresh_freeze(opt)
        for opt in (
            torch.optim.SGD,
            torch.optim.Adam,
            torch.optim.AdamW,
            torch.optim.Adagrad,
            torch.optim.Adadelta,
            torch.optim.RMSprop,
            torch.optim.Rprop,
            torch.optim.NAdam,
            torch.optim.Adamax,
        )
    ),
    lbfgs,
    warmed_then_frozen,
    zeros_of_a_fresh_freeze,
    lr_zero(lambda o: lr_scheduler.StepLR(o, 2)),
    lr_zero(lambda o: lr_scheduler.ExponentialLR(o, 0.9)),
    lr_zero(lr_scheduler.LinearLR),
    lr_zero(lambda o: lr_scheduler.LambdaLR(o, lambda e: 0.9**e)),
    lr_zero(lambda o: lr_scheduler.CosineAnnealingLR(o, 10)),
    warm_up,
    warm_up_of_one_group,
    one_cycle_of_the_rest,
    accumulation(2),
    accumulation(8),
    skipped_by_the_scaler,
    dead_relu,
    bias_before_batchnorm,
    experts_in_turn,
    gan,
    critic_frozen_for_the_generator,
    target_network(norm=False, when="before"),
    target_network(norm=True, when="after"),
    lora,
    tied_and_frozen,
    tied_and_trained,
    running_average,
    dropout_in_eval,
    weight_norm,
    spectral_norm_in_eval,
    checkpointed,
    features_in_inference_mode,
    optimizer_subset,
    clipped,
    rnn,
    a_teacher_beside,
    restored_each_step,
    shared_with_another_model,
    compiled,
    an_expert_that_no_sample_chooses,
    double_precision,
]


@pytest.mark.parametrize("how", ["anew", "rewound"])
@pytest.mark.parametrize("make", CLEAN, ids=[f"{n}-{m.__name__}" for n, m in enumerate(CLEAN)])
def test_nothing_is_said_where_nothing_is_wrong(make: Any, how: str) -> None:
    found = audited(make, how)

    assert rules(found) == [], found.findings
    assert found.stopped is None
