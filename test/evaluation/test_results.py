"""Result files: flat, honest about what is missing, readable by anybody's JSON parser."""

import io
import json

import pytest
from rich.console import Console

import mdps_ros
from mdps_ros.evaluation import results


def rows_of_five_seeds():
    converged = [120.0, None, 90.0, 200.0, 150.0]
    return [
        {"name": "00", "seed": seed, "converged_after_m": metres, "frames": 100 + seed}
        for seed, metres in enumerate(converged)
    ]


def test_summary_is_median_smallest_and_largest_over_the_seeds():
    row = results.summary_row(rows_of_five_seeds(), "00 summary")
    assert row["name"] == "00 summary"
    assert row["seeds"] == 5
    assert (row["frames"], row["frames_min"], row["frames_max"]) == (102, 100, 104)
    assert "seed" not in row


def test_summary_counts_the_seeds_that_have_no_value():
    row = results.summary_row(rows_of_five_seeds(), "s")
    assert row["converged_after_m_nulls"] == 1
    assert row["converged_after_m"] == 135.0
    assert (row["converged_after_m_min"], row["converged_after_m_max"]) == (90.0, 200.0)
    assert "frames_nulls" not in row


def test_summary_gives_no_median_when_half_of_the_seeds_have_no_value():
    rows = [{"name": "06", "error_m": value} for value in (1.0, None)]
    row = results.summary_row(rows, "s")
    assert row["error_m"] is None
    assert row["error_m_min"] == 1.0
    alone = results.summary_row(rows[1:], "s")
    assert alone["error_m_min"] is None
    assert alone["error_m_nulls"] == 1


def test_document_names_what_when_and_where(tmp_path):
    rows = rows_of_five_seeds()
    content = results.document("kitti", rows, 7, command="mdps evaluate kitti")
    path = tmp_path / "deep" / "out.json"
    results.write_json(path, content)
    read = json.loads(path.read_text())
    assert list(read) == ["suite", "command", "version", "machine", "seed", "rows"]
    assert read["version"] == mdps_ros.__version__
    assert read["rows"] == rows
    assert read["machine"]["cores"] >= 1
    assert read["machine"]["cpu"]
    assert read["machine"]["torch"]


def test_not_a_number_never_reaches_a_file(tmp_path):
    with pytest.raises(ValueError, match="JSON compliant"):
        results.write_json(tmp_path / "x.json", {"rows": [{"error_m": float("nan")}]})


def test_command_line_is_what_one_would_type(monkeypatch):
    monkeypatch.setattr("sys.argv", ["/somewhere/bin/mdps", "replay", "my drive", "--seed", "3"])
    assert results.command_line() == "mdps replay 'my drive' --seed 3"


def test_table_shows_a_dash_where_there_is_no_value():
    stream = io.StringIO()
    console = Console(file=stream, width=100)
    results.print_table(console, "five", rows_of_five_seeds(), ["seed", "converged_after_m"])
    lines = stream.getvalue().splitlines()
    assert any("│ 1 " in line and line.rstrip(" │").endswith("-") for line in lines)
    assert "frames" not in stream.getvalue()


def test_one_value_has_no_error_and_none_says_nothing():
    assert results.with_error([0.25]) == "+0.250"
    assert results.with_error([]) is None


def test_markdown_table_has_a_row_per_row():
    text = results.markdown_table(rows_of_five_seeds(), ["name", "converged_after_m"])
    assert text.splitlines()[2:4] == ["| 00 | 120 |", "| 00 | - |"]


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "-"), (3, "3"), (0.123456, "0.1235"), (12345.6, "12346"), ("a", "a")],
)
def test_numbers_print_short(value, text):
    assert results.format_value(value) == text
