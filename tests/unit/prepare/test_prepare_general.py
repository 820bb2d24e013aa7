"""General tasks: made by rule, the same every time, answerable by whoever reads the question."""

import json

from luthier.prepare.general.pairs import general_pairs
from luthier.prepare.general.tasks import CLUSTERS, DRAWS, general_tasks
from luthier.prepare.general.text import general_search
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


def test_pairs_are_of_a_use_and_the_meaning_that_stands_before_it():
    text = (
        "The word burg means a town without walls. I've lived in this burg. It is small. If we say ungracious, we mean "
        "lacking taste and charm. Something smart is quick and very brisk. I gave him a smart salute."
    )
    found = general_pairs({"a": text})
    assert [(one.question, one.options) for one in found] == [
        ("I've lived in this burg.", ("burg: a town without walls",)),
        ("I gave him a smart salute.", ("smart: quick and very brisk",)),
    ]


def test_an_embedder_is_asked_pairs_of_every_examined_document():
    found = general_search()
    assert found.exam == found.validation == []
    assert len(found.tasks) >= 600
    assert len({task.cluster for task in found.tasks[:240]}) == 240
    assert len({task.id for task in found.tasks}) == len(found.tasks)
    assert all(len(task.options) == 1 and task.question not in task.options[0] for task in found.tasks)
