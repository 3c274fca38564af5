"""Tables on stdout: what stands in them comes from a database and is no instruction to the terminal."""

import pytest

from pipelines.command.console import print_table


def test_cells_and_headings_are_shown_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    """Words in brackets are no markup, whether they close nothing or colour something."""
    print_table(["[bold]name", "n"], [["[/x]", 1], ["[red]x[/red]", None]])
    shown = capsys.readouterr().out
    for text in ("[bold]name", "[/x]", "[red]x[/red]"):
        assert text in shown
