"""A run served for as long as somebody asks, and what the settings of those who ask look like."""

import http.client
from pathlib import Path

import pytest

from luthier.pipeline.actions.serving import serving
from luthier.pipeline.actions.settings import explain
from luthier.pipeline.project import open_project, open_run, write_copy


@pytest.mark.parametrize("objective", ["chat"])
def test_a_run_is_served_and_the_server_ends(finished_file: Path) -> None:
    project = open_run(finished_file.parent / "runs" / "small")
    with serving(project) as served:
        assert (served.base, served.tuned, served.home) == ("tiny-base", "small", project.home)
        asked = http.client.HTTPConnection(served.address.removeprefix("http://"), timeout=60)
        asked.request("GET", "/healthz")
        assert asked.getresponse().read() == b"ok"
        asked.close()
    with pytest.raises(ConnectionRefusedError):
        asked.request("GET", "/healthz")


@pytest.mark.parametrize("objective", ["chat"])
def test_sections_that_are_off_by_default_are_shown_and_their_paths_are_seen_from_the_run(project_file: Path) -> None:
    project_file.write_text(project_file.read_text() + "evaluate: {suites: {tasks: [own], folder: questions}}\n")
    rows = {row["name"]: row["value"] for row in explain(project_file, overrides=(), out=None).values["settings"]}
    assert rows["evaluate.suites"]["tasks"] == ["own"]
    project = open_project(project_file)
    project.folder.mkdir(parents=True)
    write_copy(project)
    copied = open_run(project.folder)
    assert copied.config.evaluate.suites is not None
    assert (copied.home / str(copied.config.evaluate.suites.folder)).resolve() == project_file.parent / "questions"
