"""A fleet for each test, ended with it, whose logs a failure shows."""

import pathlib
import shutil
import tempfile

import pytest

from fleet import Fleet


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    fleet = item.funcargs.get("fleet") if hasattr(item, "funcargs") else None
    if report.failed and fleet is not None:
        report.sections.append(("programs", fleet.logs()))


@pytest.fixture
def fleet():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="fml-system-"))
    made = Fleet(folder)
    yield made
    made.close()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def bus(fleet):
    return fleet.bus()
