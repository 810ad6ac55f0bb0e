"""A watch over the models that a test trains: the test fails when something frozen moves.

It fails when its body ends, and not in the step that moved it: what the test asserts is said too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from torch import nn

    from bench.watch import Watch


class FrozenGuard:
    """What a test calls, once for each model, before it trains.

    def test_fine_tuning(frozen_guard):
        model = build()
        frozen_guard(model, "backbone.*")
        train(model)
    """

    def __init__(self) -> None:
        self._watches: list[Watch] = []
        self.called = False

    def __call__(
        self,
        model: nn.Module,
        frozen: str | Sequence[str] | None = None,
        **asked: Any,
    ) -> Watch:
        """Watch `model` until the test ends.

        Args:
            model: what the test trains.
            frozen: patterns on names of modules or parameters; `None` for what has
                `requires_grad` off now.
            **asked: `every`, `keep`, `optimizers` and `severed`, as `bench.watch.watch` takes them.

        Returns:
            The report of the watch: `steps`, `checks`, `findings`.
        """
        from bench.watch import WatchRequestError, watch  # noqa: PLC0415  only here is torch needed

        self.called = True
        try:
            entered = watch(model, frozen, **asked).__enter__()
        except WatchRequestError as error:
            sentence = f"frozen_guard: {error}"
        else:
            entered.at_once = False
            self._watches.append(entered)
            return entered
        pytest.fail(sentence, pytrace=False)

    def end(self, error: BaseException | None = None) -> str:
        """End all watches; what they found, as text. The test's own exception is noted on."""
        from bench.watch import WatchError  # noqa: PLC0415

        found: list[str] = []
        watches, self._watches = self._watches, []
        for each in watches:
            try:
                each.__exit__(None if error is None else type(error), error, None)
            except (WatchError, Warning) as worst:  # warnings may be turned into errors
                found.append("\n\n".join([str(worst), *getattr(worst, "__notes__", ())]))
        if isinstance(error, WatchError):
            found = [str(error), *getattr(error, "__notes__", ())]
        return "\n\n".join(found)


_GUARD = pytest.StashKey[FrozenGuard]()


@pytest.fixture
def frozen_guard(request: pytest.FixtureRequest) -> Iterator[FrozenGuard]:
    """Call it with a model and what is frozen: the test fails if that moves while it trains.

    It also fails if something trainable never gets a gradient (`severed=False` turns that off).
    """
    guard = FrozenGuard()
    request.node.stash[_GUARD] = guard
    yield guard
    if not guard.called:
        request.node.warn(pytest.PytestWarning("frozen_guard was never called: nothing is guarded"))
    elif found := guard.end():  # a test that is no function, such as a method of a TestCase
        pytest.fail(found, pytrace=False)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """End the watches with the body, so that the test fails, rather than its teardown."""
    result: object = None
    try:
        result = yield
    except BaseException as error:
        found = _ended(pyfuncitem, error)
        if not found:
            raise
    else:
        found = _ended(pyfuncitem)
    if found:  # out here, so that pytest shows no other exception along with it
        pytest.fail(found, pytrace=False)
    return result


def _ended(item: pytest.Function, error: BaseException | None = None) -> str:
    guard = item.stash.get(_GUARD, None)
    return guard.end(error) if guard is not None and guard.called else ""
