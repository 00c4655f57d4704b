"""One worker that trains and evaluates every case."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import rnn_core
from tests.rnn_core.distribution.cases import CASES, STEPS, estimator, eval_input, train_input


def main(directory: Path) -> None:
    strategy = rnn_core.multi_worker_strategy(60)
    for case in CASES:
        trained = estimator(case, directory / case, train_distribute=strategy)
        trained.train(train_input, steps=STEPS)
        metrics = {name: float(value) for name, value in trained.evaluate(eval_input).items()}
        path = directory / f"{case}-{trained.config.task_type}-{trained.config.task_id}.json"
        path.write_text(json.dumps(metrics))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
