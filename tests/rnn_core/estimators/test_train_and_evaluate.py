"""Training with evaluations, a real kill, the best checkpoint and early stopping."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import pytest
import tensorflow as tf

import rnn_core
from rnn_core.storage.summaries import read_events
from tests.programs import LOAD_TENSORFLOW
from tests.rnn_core.samples import Data, make_estimator, same_bits, weights_of

ROOT = Path(__file__).resolve().parents[3]


class KillAt(rnn_core.Hook):
    """Ends this process as ``kill -9`` does."""

    def __init__(self, step: int) -> None:
        self.every_steps = step

    def after_steps(self, context: rnn_core.HookContext) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


class Watch:
    """An exporter that remembers its calls; no subclass of ``Exporter``, as is allowed."""

    name = "watch"

    def __init__(self) -> None:
        self.calls: list[tuple[str, bool]] = []

    def export(
        self, estimator: Any, export_path: str, checkpoint_path: str, eval_result: Any, final: bool
    ) -> str:
        assert eval_result["global_step"] == int(checkpoint_path.rsplit("-", 1)[1])
        self.calls.append((Path(checkpoint_path).name, final))
        return export_path


def run(model_dir: Path, hooks: Any = (), exporters: Any = (), max_steps: int = 18) -> Any:
    """With a learning rate so high that the best evaluation is not the last."""
    # A shuffled dataset mixes its own seed with the process's, which other tests may have set.
    tf.random.set_seed(5)
    data = Data()
    estimator = make_estimator(
        model_dir, optimizer=keras.optimizers.SGD(1.5), config={"keep_checkpoint_max": 2}
    )
    stop = rnn_core.stop_if_no_decrease_hook(
        estimator, "average_loss", 100, run_every_secs=None, run_every_steps=4
    )
    result = rnn_core.train_and_evaluate(
        estimator,
        rnn_core.TrainSpec(data.train_input, max_steps, [*hooks, stop]),
        rnn_core.EvalSpec(
            data.eval_input,
            steps=None,
            throttle_secs=0,
            start_delay_secs=0,
            exporters=[*exporters, rnn_core.BestCheckpointExporter()],
        ),
    )
    return estimator, result


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Any:
    watch = Watch()
    estimator, result = run(tmp_path_factory.mktemp("whole"), exporters=[watch])
    return estimator, result, watch.calls


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Killed at step 14, two steps after a checkpoint, and started again in this process."""
    directory = tmp_path_factory.mktemp("killed")
    program = (
        f"{LOAD_TENSORFLOW}from pathlib import Path\n"
        "from tests.rnn_core.estimators.test_train_and_evaluate import KillAt, run\n"
        f"run(Path({str(directory)!r}), hooks=[KillAt(14)])\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False)
    assert ended.returncode == -signal.SIGKILL
    before = tf.train.latest_checkpoint(str(directory))
    return before, *run(directory)


@pytest.mark.slow
def test_a_killed_run_ends_with_the_same_bits(whole: Any, killed: Any) -> None:
    assert Path(killed[0]).name == "model.ckpt-12"
    assert same_bits(weights_of(killed[1]), weights_of(whole[0]))


def test_a_killed_run_has_the_same_evaluations(whole: Any, killed: Any) -> None:
    expected = read_events(whole[0].eval_dir())
    assert list(expected) == [4, 8, 12, 16, 18]
    assert read_events(killed[1].eval_dir()) == expected
    assert killed[2][0] == whole[1][0]


def test_a_killed_run_keeps_the_same_best_checkpoint(whole: Any, killed: Any) -> None:
    found = []
    for estimator in (whole[0], killed[1]):
        directory = Path(estimator.model_dir) / "export" / "best"
        found.append(json.loads((directory / "best.json").read_text()))
        assert tf.train.latest_checkpoint(str(directory)) == str(directory / found[-1]["path"])
        assert [path.stem for path in directory.glob("*.index")] == [found[-1]["path"]]
    assert found[0] == found[1]
    evaluations = read_events(whole[0].eval_dir())
    best = min(evaluations, key=lambda step: evaluations[step]["average_loss"])
    assert found[0]["path"] == f"model.ckpt-{best}"


def test_exporters_are_called_after_every_evaluation(whole: Any) -> None:
    names = [f"model.ckpt-{step}" for step in (4, 8, 12, 16, 18)]
    assert whole[2] == [(name, name == "model.ckpt-18") for name in names]
    assert whole[1][1][0] == str(Path(whole[0].model_dir) / "export" / "watch")


@pytest.mark.slow
def test_a_finished_run_started_again_trains_no_further(whole: Any) -> None:
    before = weights_of(whole[0])
    watch = Watch()
    run(Path(whole[0].model_dir), exporters=[watch])
    assert same_bits(weights_of(whole[0]), before)
    assert watch.calls == [("model.ckpt-18", True)]


@pytest.mark.slow
def test_a_throttle_leaves_only_the_evaluation_at_the_end(data: Data, tmp_path: Path) -> None:
    estimator = make_estimator(tmp_path)
    watch: Any = Watch()
    metrics, exported = rnn_core.train_and_evaluate(
        estimator,
        rnn_core.TrainSpec(data.train_input, 6),
        rnn_core.EvalSpec(data.eval_input, name="slow", exporters=watch),
    )
    assert metrics["global_step"] == 6
    assert watch.calls == [("model.ckpt-6", True)]
    assert exported == [str(tmp_path / "export" / "watch")]
    assert list(read_events(estimator.eval_dir("slow"))) == [6]


@pytest.mark.slow
def test_a_checkpoint_that_a_kill_left_unevaluated_is_evaluated_first(
    data: Data, tmp_path: Path
) -> None:
    estimator = make_estimator(tmp_path)
    watch: Any = Watch()
    estimator.train(data.train_input, max_steps=4)
    rnn_core.train_and_evaluate(
        estimator,
        rnn_core.TrainSpec(data.train_input, 8),
        rnn_core.EvalSpec(data.eval_input, throttle_secs=0, start_delay_secs=0, exporters=watch),
    )
    assert [name for name, _ in watch.calls] == ["model.ckpt-4", "model.ckpt-8"]


@pytest.mark.slow
def test_hooks_of_an_evaluation_run_in_each(data: Data, tmp_path: Path) -> None:
    class Count(tf.compat.v1.train.SessionRunHook):
        begun = ended = 0

        def begin(self) -> None:
            self.begun += 1

        def end(self, session: Any) -> None:
            self.ended += 1

    hook, final = Count(), rnn_core.FinalOpsHook("global_step")
    rnn_core.train_and_evaluate(
        make_estimator(tmp_path),
        rnn_core.TrainSpec(data.train_input, 6, hooks=[Count()]),
        rnn_core.EvalSpec(data.eval_input, 1, None, [hook, final], None, 0, 0),
    )
    assert (hook.begun, hook.ended, final.final_ops_values) == (2, 2, 6)


@pytest.mark.slow
def test_the_first_evaluation_does_not_wait_for_the_throttle(data: Data, tmp_path: Path) -> None:
    estimator = make_estimator(tmp_path)
    rnn_core.train_and_evaluate(
        estimator,
        rnn_core.TrainSpec(data.train_input, 10),
        rnn_core.EvalSpec(data.eval_input, 1, start_delay_secs=0, throttle_secs=3600),
    )
    assert list(read_events(estimator.eval_dir())) == [4, 10]


def test_specs_take_their_arguments_in_the_order_of_2_15_and_keep_tuples() -> None:
    hook, listener = rnn_core.Hook(), rnn_core.Hook()
    exporter: Any = Watch()
    train = rnn_core.TrainSpec(list, 5, iter([hook]), iter([listener]))
    assert (train.max_steps, train.hooks, train.saving_listeners) == (5, (hook,), (listener,))
    spec = rnn_core.EvalSpec(list, 3, "name", iter([hook]), exporter, 1, 2)
    assert (spec.steps, spec.name, spec.hooks, spec.exporters) == (3, "name", (hook,), (exporter,))
    assert (spec.start_delay_secs, spec.throttle_secs) == (1, 2)
    assert (rnn_core.TrainSpec(list).hooks, rnn_core.EvalSpec(list, exporters=None).exporters) == (
        (),
        (),
    )


class Nameless(Watch):
    name = ""


WATCHES: Any = [Watch()] * 2
NAMELESS: Any = Nameless()


@pytest.mark.parametrize(
    ("make", "kind", "message"),
    [  # some are of a wrong type, on purpose
        (lambda: rnn_core.TrainSpec(list, 0), ValueError, "max_steps"),
        (lambda: rnn_core.TrainSpec(3), TypeError, "input_fn"),  # type: ignore[arg-type]
        (lambda: rnn_core.TrainSpec(list, hooks=[3]), TypeError, "hooks"),
        (lambda: rnn_core.TrainSpec(list, saving_listeners=[3]), TypeError, "saving_listeners"),
        (lambda: rnn_core.EvalSpec(list, steps=0), ValueError, "steps"),
        (lambda: rnn_core.EvalSpec(None), TypeError, "input_fn"),  # type: ignore[arg-type]
        (lambda: rnn_core.EvalSpec(list, name=3), TypeError, "name"),  # type: ignore[arg-type]
        (lambda: rnn_core.EvalSpec(list, hooks=[3]), TypeError, "hooks"),
        (lambda: rnn_core.EvalSpec(list, exporters=3), TypeError, "exporters"),  # type: ignore[arg-type]
        (lambda: rnn_core.EvalSpec(list, exporters=[3]), TypeError, "exporters"),  # type: ignore[list-item]
        (lambda: rnn_core.EvalSpec(list, exporters=WATCHES), ValueError, "all different"),
        (lambda: rnn_core.EvalSpec(list, exporters=NAMELESS), ValueError, "a name for each"),
        (lambda: rnn_core.EvalSpec(list, start_delay_secs=-1), ValueError, "start_delay_secs"),
        (lambda: rnn_core.EvalSpec(list, throttle_secs=-1), ValueError, "throttle_secs"),
    ],
)
def test_specs_are_checked(make: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        make()


def test_the_arguments_are_an_estimator_and_two_specs(tmp_path: Path) -> None:
    estimator, train = make_estimator(tmp_path), rnn_core.TrainSpec(list)
    for arguments in ((None, train, None), (estimator, None, None), (estimator, train, None)):
        with pytest.raises(TypeError, match=r"Expected an "):
            rnn_core.train_and_evaluate(*arguments)
