"""What Prometheus hears of a log and of what was found in it."""

from __future__ import annotations

from pathlib import Path

from components.monitoring.answer_log import AnswerLog
from components.monitoring.findings import Feedback, path_of, write_last
from components.monitoring.log_files import LogOptions
from components.serving.log_metrics import LastFindings, LogCollector
from components.serving.metrics import Metrics
from tests.components.monitoring.test_findings import CHECK, FEEDBACK


def test_the_last_findings_are_gauges(tmp_path: Path) -> None:
    metrics, last = Metrics(), LastFindings(tmp_path)
    log = AnswerLog(LogOptions(tmp_path))
    log.close(60.0)
    metrics.add(LogCollector(log, last))

    def lines() -> list[str]:
        return [each for each in metrics.text().decode().splitlines() if "rnnflow_" in each]

    last.look()
    assert 'rnnflow_log_lost_rows_total{reason="storage"} 0.0' in lines()
    assert "rnnflow_logged_rows_total 0.0" in lines()
    assert not [each for each in lines() if "_check_" in each or "_feedback_" in each]
    write_last(tmp_path, CHECK)
    write_last(tmp_path, FEEDBACK)
    last.look()
    for line in (
        "rnnflow_check_time_seconds 1.7698608e+09",
        "rnnflow_check_rows 200.0",
        "rnnflow_check_invalid_rows 3.0",
        "rnnflow_check_alarms 1.0",
        "rnnflow_check_version 4.0",
        'rnnflow_check_distance{feature="age"} 0.3',
        'rnnflow_check_feature_alarms{feature="age"} 1.0',
        'rnnflow_check_label_share{label="yes",of="answers"} 0.75',
        'rnnflow_check_label_share{label="yes",of="training"} 0.5',
        'rnnflow_check_estimated_accuracy{version="4"} 0.875',
        'rnnflow_feedback_rows{version="4"} 40.0',
        'rnnflow_feedback_accuracy{end="value",version="4"} 0.8',
        'rnnflow_feedback_accuracy{end="low",version="4"} 0.7',
    ):
        assert line in lines()
    path_of(tmp_path, Feedback).unlink()
    last.look()
    assert not [each for each in lines() if "_feedback_" in each]
