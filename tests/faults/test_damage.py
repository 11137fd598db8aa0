"""A damaged derived file costs a warning, no answer; a damaged database is refused, not believed."""

import pytest
from damage import damage_database, damage_derived, damage_log, damage_rows, sound_gallery
from extent import extent

SEED = 5
REGIONS_OF_A_FILE = extent(8, 1200)
REGIONS_OF_THE_DATABASE = extent(120, 6000)
REGIONS_OF_THE_LOG = extent(20, 600)


@pytest.mark.slow
def test_damaged_derived_files(workers, place, count):
    truth, _ = sound_gallery(workers[0], place / "g", [["close"]])
    damages, findings = damage_derived(workers, place / "g", truth, SEED, REGIONS_OF_A_FILE)
    count(damaged_derived_files=damages)
    assert findings == []
    assert damages > REGIONS_OF_A_FILE


@pytest.mark.slow
def test_a_damaged_database(workers, place, count):
    truth, _ = sound_gallery(workers[0], place / "g", [["close"]])
    damages, refused, findings = damage_database(workers, place / "g", truth, SEED, REGIONS_OF_THE_DATABASE)
    count(damaged_databases=damages, refused_databases=refused)
    assert findings == []
    assert refused > damages / 4  # what is not refused was never read, or free


@pytest.mark.slow
def test_damaged_rows(workers, place, count):
    truth, _ = sound_gallery(workers[0], place / "g", [["close"]])
    damages, findings = damage_rows(workers, place / "g", truth)
    count(damaged_rows=damages)
    assert findings == []


@pytest.mark.slow
def test_a_damaged_log(workers, place, count):
    """To SQLite it looks like one that a power cut left unfinished: what is behind was never done."""
    truth, moments = sound_gallery(workers[0], place / "g")
    damages, findings = damage_log(workers, place / "g", [*moments, truth], SEED, REGIONS_OF_THE_LOG)
    count(damaged_logs=damages)
    assert findings == []
