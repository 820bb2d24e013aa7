"""Private data and secrets: found by cheap triggers, proved by validators, replaced by consistent pseudonyms."""
