"""Makes surnames.csv from the name lists of faker (MIT licence): python make_surnames.py

Needs ``pip install faker``. A name that is in the lists of two countries is left out; of a longer
list those 450 are kept whose hashes are the smallest.
"""

from __future__ import annotations

import csv
import hashlib
import importlib
from collections import Counter
from pathlib import Path
from typing import Final

COUNTRIES: Final = {
    "Croatia": "hr_HR",
    "Finland": "fi_FI",
    "France": "fr_FR",
    "Germany": "de_DE",
    "Italy": "it_IT",
    "Netherlands": "nl_NL",
    "Spain": "es_ES",
    "Sweden": "sv_SE",
}
MOST: Final = 450


def names_of(locale: str) -> set[str]:
    provider = importlib.import_module(f"faker.providers.person.{locale}").Provider
    return {name.strip() for name in provider.last_names if "," not in name}


def digest(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


def main() -> None:
    names = {country: names_of(locale) for country, locale in COUNTRIES.items()}
    countries_of = Counter(name for one in names.values() for name in one)
    with (Path(__file__).parent / "surnames.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["name", "country"])
        for country, all_names in names.items():
            own = [name for name in all_names if countries_of[name] == 1]
            kept = sorted(own, key=digest)[:MOST]
            writer.writerows([name, country] for name in sorted(kept))


if __name__ == "__main__":
    main()
