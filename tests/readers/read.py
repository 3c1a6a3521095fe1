"""Prints what a reader makes of a file, as JSON: read.py READER FILE."""

import json
import sys

import dotenv
import javaproperties
import yaml

READERS = {
    "javaproperties": lambda file: javaproperties.load(open(file, "rb")),
    "json": lambda file: json.load(open(file, encoding="utf-8")),
    "python-dotenv": lambda file: dotenv.dotenv_values(file),
    "pyyaml": lambda file: yaml.safe_load(open(file, encoding="utf-8", newline="")),
}

reader, file = sys.argv[1:]
print(json.dumps(READERS[reader](file)))
