"""The two wheels: ``rnn-core`` works without this repository, and ``rnnflow`` with it.

The tests download nothing: a new environment has the wheels in its own site-packages, and behind
them, by a ``.pth`` file, what the environment of the tests has. Its metadata say what ``rnn-core``
declares, and its imports are compared with that. That an installer finds these requirements in an
index, and that the oldest admitted versions of them suffice, is not shown.
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from importlib.metadata import Distribution, distributions
from pathlib import Path

import pytest

from tests.projects import ROOT, make_project

pytestmark = pytest.mark.slow
README = ROOT / "rnn_core" / "README.md"
SITE = Path("lib") / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    output = tmp_path_factory.mktemp("wheels")
    printed = _run([sys.executable, str(ROOT / "wheels" / "build.py"), "--output", str(output)])
    rnn_core, rnnflow = (Path(line) for line in printed.splitlines())
    return rnn_core, rnnflow


@pytest.fixture(scope="module")
def core(tmp_path_factory: pytest.TempPathFactory, wheels: tuple[Path, Path]) -> Path:
    """An environment with rnn-core."""
    return _environment(tmp_path_factory.mktemp("core"), wheels[0])


@pytest.fixture(scope="module")
def application(tmp_path_factory: pytest.TempPathFactory, wheels: tuple[Path, Path]) -> Path:
    """An environment with both wheels."""
    return _environment(tmp_path_factory.mktemp("application"), *wheels)


def _environment(folder: Path, *wheels: Path) -> Path:
    _run([sys.executable, "-m", "venv", "--without-pip", str(folder)])
    install = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    install += ["--python", str(folder / "bin" / "python"), "install", "--no-deps", "--no-index"]
    _run([*install, *map(str, wheels)])
    # Only names of folders: the .pth files in them, such as that of a checkout, are not followed.
    behind = [path for path in sys.path if Path(path).name == "site-packages"]
    (folder / SITE / "tests-environment.pth").write_text("".join(f"{path}\n" for path in behind))
    return folder


def _run(
    command: list[str], cwd: Path | None = None, variables: Mapping[str, str] | None = None
) -> str:
    """What a command prints, standard error included, after it has ended well."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        command,
        cwd=cwd,
        env={**environment, **(variables or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def _distribution(environment: Path, name: str) -> Distribution:
    found = distributions(path=[str(environment / SITE)])
    return next(each for each in found if each.metadata["Name"] == name)


def test_rnn_core_declares_tensorflow_keras_and_numpy_alone(core: Path) -> None:
    requirements = _distribution(core, "rnn-core").requires or []
    assert sorted(re.split(r"[<>=!~ ]", line)[0] for line in requirements) == [
        "keras",
        "numpy",
        "tensorflow",
    ]


def test_rnn_core_imports_what_it_declares_and_no_more(wheels: tuple[Path, Path]) -> None:
    imported: set[str] = set()
    with zipfile.ZipFile(wheels[0]) as wheel:
        for file in filter(lambda name: name.endswith(".py"), wheel.namelist()):
            for node in ast.walk(ast.parse(wheel.read(file))):
                if isinstance(node, ast.Import):
                    imported.update(alias.name.partition(".")[0] for alias in node.names)
                elif isinstance(node, ast.ImportFrom):
                    imported.add(str(node.module).partition(".")[0])
    # TensorFlow's messages are those of google.protobuf, which it requires itself.
    assert imported - sys.stdlib_module_names - {"rnn_core"} == {
        "google", "keras", "numpy", "tensorflow",
    }  # fmt: skip


def test_both_wheels_carry_the_licence_and_type_information(wheels: tuple[Path, Path]) -> None:
    packages = ({"rnn_core"}, {"rnnflow/components", "rnnflow/pipelines"})
    for wheel, typed in zip(wheels, packages, strict=True):
        names = zipfile.ZipFile(wheel).namelist()
        assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)
        assert {f"{package}/py.typed" for package in typed} <= set(names)
        # What was compiled here is of use here only.
        assert [name for name in names if name.endswith(".so") or "__pycache__" in name] == []


def test_every_file_of_the_packages_is_in_a_wheel(wheels: tuple[Path, Path]) -> None:
    listed = _run(["git", "-C", str(ROOT), "ls-files", "rnn_core", "components", "pipelines"])
    packed = {name for wheel in wheels for name in zipfile.ZipFile(wheel).namelist()}
    missing = [
        name
        for name in listed.splitlines()
        if (ROOT / name).is_file() and not {name, f"rnnflow/{name}"} & packed
    ]
    assert missing == ["rnn_core/README.md"]


def test_rnn_core_builds_its_operations_where_it_is_installed(core: Path) -> None:
    build = [str(core / "bin" / "python"), "-m", "rnn_core.kernels"]
    printed = _run(build, core, {"PATH": str(core / "bin"), "CXX": ""})
    assert "found no C++ compiler. Install g++, or name one in CXX." in printed
    assert "Traceback" not in printed

    printed = _run(build, core)
    (library,) = (core / SITE / "rnn_core" / "kernels").glob("kernels-*.so")
    assert f"Native operations: {library}" in printed


def test_the_migration_guide_runs_on_the_installed_rnn_core(core: Path, tmp_path: Path) -> None:
    snippets = re.findall(
        r"^```python\n(.*?)^```$", README.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    program = tmp_path / "guide.py"
    program.write_text("\n".join([*snippets, "print(rnn_core.__file__)\n"]), encoding="utf-8")
    (tmp_path / "tests").symlink_to(ROOT / "tests")
    printed = _run([str(core / "bin" / "python"), program.name], tmp_path).splitlines()
    assert printed[-1] == str(core / SITE / "rnn_core" / "__init__.py")
    assert "5" in printed  # the step of the model_dir that was taken over


def test_site_packages_gets_no_package_of_a_common_name(application: Path) -> None:
    own = {path.name for path in (application / SITE).iterdir() if path.suffix != ".dist-info"}
    assert own == {"rnn_core", "rnnflow", "tests-environment.pth"}
    requirements = _distribution(application, "rnnflow").requires or []
    version = _distribution(application, "rnn-core").version
    assert f"rnn-core=={version}" in requirements


def test_the_same_code_has_the_same_digest_installed_and_in_a_checkout(application: Path) -> None:
    program = (
        "from components.runtime.fingerprints import code_digest; "
        "print(code_digest('components.training.train'))"
    )
    installed = application / SITE / "rnnflow"
    python = str(application / "bin" / "python")
    assert _run([python, "-c", program], application, {"PYTHONPATH": str(installed)}) == _run(
        [sys.executable, "-c", program], ROOT
    )


def test_the_installed_application_runs_the_pipeline_beside_packages_of_the_same_names(
    application: Path, tmp_path: Path, prefect_server: str
) -> None:
    for name in ("components", "pipelines"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise RuntimeError('not this one')\n")
    project = make_project(tmp_path, prefect_server)
    command = [str(application / "bin" / "rnnflow"), "run", str(project.config)]
    _run(command, tmp_path, {"PREFECT_API_URL": project.server})  # 0: the model was promoted
    assert project.work.root.is_dir()
