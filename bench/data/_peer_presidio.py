"""Run by D5 in Presidio's environment: every recogniser it ships that reads text by pattern, in one language."""

import inspect
import json
import sys
import time

import presidio_analyzer.predefined_recognizers as shipped
import spacy
from presidio_analyzer import AnalyzerEngine, LocalRecognizer, RecognizerRegistry
from presidio_analyzer.nlp_engine import SpacyNlpEngine
from spacy.language import Language


@Language.component("lemmas")
def lemmas(doc: spacy.tokens.Doc) -> spacy.tokens.Doc:
    """Give words a lemma, which Presidio compares with its context words."""
    for token in doc:
        token.lemma_ = token.lower_
    return doc


class Words(SpacyNlpEngine):
    """spaCy's tokenizer without a trained model: those are on no registry."""

    def __init__(self) -> None:
        super().__init__()
        nlp = spacy.blank("en")
        nlp.add_pipe("lemmas")
        self.nlp = {"en": nlp}


def analyzer() -> AnalyzerEngine:
    """An engine with all pattern recognisers under one language."""
    registry = RecognizerRegistry(recognizers=[], supported_languages=["en"])
    for name, kind in inspect.getmembers(shipped, inspect.isclass):
        if not issubclass(kind, LocalRecognizer) or inspect.isabstract(kind):
            continue
        if any(
            word in name
            for word in ("Spacy", "Stanza", "Transformers", "GLiNER", "Azure", "Lang", "HuggingFace", "Medical")
        ):
            continue
        try:
            registry.add_recognizer(kind(supported_language="en"))
        except TypeError:
            registry.add_recognizer(kind())
    return AnalyzerEngine(registry=registry, nlp_engine=Words(), supported_languages=["en"])


def main() -> None:
    """Sentences as JSON on stdin; findings and seconds as JSON on stdout."""
    texts = json.load(sys.stdin)
    engine = analyzer()
    engine.analyze("warm up 1", language="en")
    began = time.process_time()
    found = [
        [[one.entity_type, one.start, one.end, one.score] for one in engine.analyze(text, language="en")]
        for text in texts
    ]
    seconds = time.process_time() - began
    json.dump({"found": found, "seconds": seconds, "recognizers": len(engine.registry.recognizers)}, sys.stdout)


if __name__ == "__main__":
    main()
