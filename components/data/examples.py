"""Raw rows become examples: two passes, with Beam and TFT, and the directory that they leave.

    train-00000-of-00002.tfrecord …     transformed SequenceExamples; so are validation-…, test-…
    raw_test-00000-of-00002.tfrecord …  the rows of test-…, in the same order, as they came, and
                                        when they were, if the config says where that stands
    transform/                          the transform graph and its vocabularies
    schema.json                         ``components.artifacts.schema``
    statistics.json                     ``components.data.statistics``
    dead_letters.jsonl                  the invalid rows: source, line, reason, excerpt
    sample.parquet                      ``components.data.passes.row_sample``, of the training split

The same rows and settings give the same TFRecords, byte for byte: the hash of a row's id decides
its shard and its position in it.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import tensorflow_transform as tft

from components.artifacts.schema import Schema, save_schema
from components.artifacts.storage import building, combined_digest, digest_of_file
from components.artifacts.values import Examples, Rows
from components.config import DataConfig, PreprocessingConfig
from components.data.beam import check_runner
from components.data.passes.progress import OnProgress, told
from components.data.passes.row_sample import SAMPLE, write_sample
from components.data.passes.shards import shard_count
from components.data.passes.survey import Survey, check_survey, survey_rows, write_dead_letters
from components.data.passes.transform import transform_rows
from components.data.sources.formats import chunks_of
from components.data.splits.values import row_format
from components.data.statistics import DEAD_LETTERS, rare_labels, write_statistics
from components.features.config import FeaturesConfig
from components.runtime.libraries import quiet_libraries


def write_examples(
    rows: Rows,
    data: DataConfig,
    features: FeaturesConfig,
    preprocessing: PreprocessingConfig,
    directory: Path,
    on_progress: OnProgress | None = None,
) -> Examples:
    """Validates, splits, transforms and writes the rows into ``directory``.

    Args:
        rows: the files.
        data: which splits there are, and what becomes of invalid rows.
        features: of the rows.
        preprocessing: how Beam runs.
        directory: of the examples.
        on_progress: is told how many rows are read and transformed.

    Raises:
        ConfigError: the Beam runner or its options cannot be used.
        InvalidRowsError: too many invalid rows; ``<directory>.dead_letters.jsonl`` lists them.
        DataError: no model can be trained on the rows; see ``components.data.checks``.
        StorageError: the disk is full or the directory cannot be written.
    """
    check_runner(preprocessing)
    form = row_format(features, data)
    # Outside of the directory, which is removed when the survey fails.
    dead_letters = directory.with_name(f"{directory.name}.{DEAD_LETTERS}")
    with building(directory) as partial, quiet_libraries():
        scratch = partial / "scratch"
        scratch.mkdir()
        chunks = chunks_of(rows)
        with told(scratch, len(chunks), on_progress):
            survey = survey_rows(chunks, features, form, data, preprocessing, scratch)
            check_survey(survey, data, features, dead_letters)
            transform_rows(
                survey.chunks,
                features,
                survey.sample,
                preprocessing,
                partial,
                shards=preprocessing.shards or shard_count(_size_bytes(survey, features)),
                with_time=form.time is not None,
            )
        transform = tft.TFTransformOutput(str(partial / "transform"))
        sizes = {
            name: size
            for name, feature in features.by_name.items()
            if (size := feature.id_count(name, transform)) is not None
        }
        # Those of the training split are all: rows with any other are left out.
        labels = tuple(sorted(survey.profile.splits["train"].labels))
        schema = Schema(
            features, labels, sizes, data.max_row_steps, data.columns, data.label, data.truncate
        )
        save_schema(schema, partial)
        shown = {features.by_name[name].in_rows(name): size for name, size in sizes.items()}
        rare = rare_labels(survey.rule, data)
        write_statistics(survey.profile, shown, partial, rare, survey.matches.repeated)
        write_dead_letters(survey, partial / DEAD_LETTERS)
        # There is one: the survey has checked that no split is empty.
        write_sample(survey.row_sample, partial / SAMPLE)
        shutil.rmtree(scratch)
        # Of what is trained on: other statistics or dead letters make no other examples.
        trained_on = [*sorted(partial.glob("*.tfrecord")), partial / "schema.json"]
        digest = combined_digest((path.name, digest_of_file(path)) for path in trained_on)
    # Of an earlier run that had too many invalid rows.
    dead_letters.unlink(missing_ok=True)
    return Examples(str(directory), digest)


def _size_bytes(survey: Survey, features: FeaturesConfig) -> int:
    """About the size of all examples: the values as they came, and the summaries."""
    summaries = features.summaries.transformed(features.numeric_columns).values()
    widths = sum(4 * each.values_per_step for each in summaries)
    return survey.findings.size_bytes + survey.profile.valid_count * widths
