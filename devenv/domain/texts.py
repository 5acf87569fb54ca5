"""Text from outside, made fit to be shown: names and messages of databases, tools, git and the user's code.

Pure. Must not know what the text is about. Invariant: what leaves `printable` is one line that can neither move a
cursor nor end an XML document nor begin a line of its own, and shows no password of a URL.
"""

import re

_URL_PASSWORD = re.compile(r"(?<=://)([^\s:/@]*):[^\s/]*@")
_QUERY_PASSWORD = re.compile(r"(?<=[?&])(password|passwd)=[^&\s]*")


def printable(text: str) -> str:
    r"""Return `text` as one line: white space as spaces, what cannot be seen as an escape (`\u200b`)."""
    return "".join(map(_show, hide_passwords(text)))


def hide_passwords(text: str) -> str:
    """Return `text` without the passwords of the URLs in it."""
    return _QUERY_PASSWORD.sub(r"\1=***", _URL_PASSWORD.sub(r"\1:***@", text))


def _show(character: str) -> str:
    if character.isspace():
        return " "
    return character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
