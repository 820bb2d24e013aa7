"""General tasks: made by rule, the same every time, answerable by whoever reads the question."""

import json

from luthier.prepare.general.tasks import CLUSTERS, DRAWS, general_tasks
from luthier.prepare.general.wordings import OFFERS, REFUSALS

TASKS = general_tasks()


def of(suite):
    return [task for task in TASKS if task.suite == suite]


def test_every_suite_has_its_clusters_and_the_first_tasks_are_of_different_ones():
    suites = sorted({task.suite for task in TASKS})
    assert suites == ["arithmetic", "formats", "instructions", "knowledge", "refusals"]
    for suite in suites:
        assert len(of(suite)) == CLUSTERS * DRAWS
        assert len({task.cluster for task in of(suite)[:CLUSTERS]}) == CLUSTERS
    assert len({task.id for task in TASKS}) == len(TASKS)
    assert general_tasks() == TASKS


def test_options_differ_and_wrong_ones_are_as_long_as_right_ones():
    for task in TASKS:
        assert len(set(task.options)) == len(task.options) == (2 if task.suite == "refusals" else 4), task
        if task.suite in {"arithmetic", "formats"}:
            assert len({len(option) for option in task.options}) == 1, task


def test_the_first_option_alone_is_right():
    for task in of("formats"):
        if "JSON" in task.cluster:
            json.loads(task.options[0])
            assert not any(_is_json(option) for option in task.options[1:]), task
    for task in of("arithmetic"):
        if task.cluster.startswith("plus"):
            first, second = (int(part.strip("?.,")) for part in task.question.split() if part.strip("?.,").isdigit())
            assert int(task.options[0]) == first + second
    capitals = [task for task in of("instructions") if task.cluster.startswith("capitals-")]
    assert all(task.options[0].isupper() and not task.options[1].isupper() for task in capitals)
    for task in of("refusals"):
        assert task.options[0] in (OFFERS if task.cluster.startswith("harmless") else REFUSALS)


def _is_json(text):
    try:
        json.loads(text)
    except ValueError:
        return False
    return True
