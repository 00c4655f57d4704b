"""`python -m benchmarks [startup|accuracy|step|training|…]`; all without an argument.

`quality` takes options of its own and hours: it runs only by its name.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from benchmarks import drift, gate_years, startup, training_startup
from benchmarks.peers import inference, memory, records, training
from benchmarks.preprocessing import run as preprocessing
from benchmarks.scaling import check, checkpoints, table, workers
from benchmarks.serving import run as serving
from components.runtime.libraries import load_tensorflow


def accuracy() -> None:
    load_tensorflow()
    # Behind the quiet import of TensorFlow, which the other benchmark does without.
    from benchmarks import accuracy as benchmark

    benchmark.run(range(1, 6))


def step() -> None:
    load_tensorflow()
    from benchmarks import step as benchmark

    benchmark.run()


def networks() -> None:
    load_tensorflow()
    from benchmarks import networks as benchmark

    benchmark.run()


def streamed() -> None:
    load_tensorflow()
    from benchmarks.peers import streamed as benchmark

    benchmark.run()


def scaling_pipeline() -> None:
    load_tensorflow()
    from benchmarks.scaling import pipeline

    pipeline.run()


BENCHMARKS = {
    "startup": startup.run,
    "gate_years": gate_years.run,
    "accuracy": accuracy,
    "step": step,
    "networks": networks,
    "training": training.run,
    "inference": inference.run,
    "records": records.run,
    "preprocessing": preprocessing.run,
    "drift": drift.run,
    "memory": memory.run,
    "streamed": streamed,
    "serving": serving.run,
    "training_startup": training_startup.run,
    "workers": workers.run,
    "workers_beside_estimator": workers.beside_estimator,
    "checkpoints": checkpoints.run,
    "scaling_check": check.run,
    "scaling_table": table.run,
    "scaling_pipeline": scaling_pipeline,
}


def quality(arguments: Sequence[str]) -> None:
    # It needs scikit-learn, which the other benchmarks do without.
    from benchmarks.quality import run as benchmark

    benchmark.main(arguments)


def main() -> None:
    if sys.argv[1:2] == ["quality"]:
        quality(sys.argv[2:])
        return
    for name in sys.argv[1:] or BENCHMARKS:
        if name not in BENCHMARKS:
            sys.exit(f"unknown benchmark {name!r}: choose from {', '.join(BENCHMARKS)}")
        print(f"== {name}", flush=True)
        BENCHMARKS[name]()


if __name__ == "__main__":
    main()
