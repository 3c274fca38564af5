"""The file that names several Eight Sleep accounts: a CSV ``email,password`` that only its owner may read."""

import csv
from io import StringIO
from pathlib import Path

from connectors.errors import WrongUsage

SETTING = "EIGHT_SLEEP_ACCOUNTS_FILE"
COLUMNS = ["email", "password"]
OTHERS = 0o077
"""The rights of a file that anybody but its owner has."""


def read_accounts(path: Path) -> list[tuple[str, str]]:
    """E-mail address and password of each account, in the order of the file (UTF-8, with or without BOM).

    Raises: WrongUsage naming the setting and the line, never the content of a cell.
    """
    text = _text(path)
    lines = csv.reader(StringIO(text), strict=True)
    accounts: dict[str, str] = {}
    try:
        if [column.strip() for column in next(lines, [])] != COLUMNS:
            raise WrongUsage(f"{SETTING}, line 1: the columns must be {','.join(COLUMNS)}.")
        for cells in lines:
            if not cells:
                continue
            where = f"{SETTING}, line {lines.line_num}"
            if len(cells) != len(COLUMNS):
                raise WrongUsage(f"{where}: not two cells; a password with a comma stands in double quotes.")
            email, password = cells[0].strip(), cells[1]
            if not email or not password:
                raise WrongUsage(f"{where}: the e-mail address or the password is empty.")
            if email in accounts:
                raise WrongUsage(f"{where}: this e-mail address stands in the file twice.")
            accounts[email] = password
    except csv.Error:
        raise WrongUsage(f"{SETTING}, line {lines.line_num}: not valid CSV (check the quotes).") from None
    if not accounts:
        raise WrongUsage(f"{SETTING} names no account: write a line email,password for each below the first.")
    return list(accounts.items())


def _text(path: Path) -> str:
    try:
        if path.stat().st_mode & OTHERS:
            raise WrongUsage(f"{SETTING} may be read by others than its owner: run chmod 600 on it.")
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        reason = error.strerror or type(error).__name__
    except UnicodeDecodeError:
        reason = "it is not UTF-8 text"
    raise WrongUsage(f"{SETTING} cannot be read ({reason}): name a CSV file that this user may read.")
