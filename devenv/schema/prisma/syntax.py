"""The grammar of schema.prisma: text to blocks, each with its line.

Must not know files, nor what names refer to: `read` checks that. Invariants: time is linear in the length of the text,
and whatever is not the grammar is a `SyntaxMistake` with its line, never another exception.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from devenv.schema.prisma.model import Argument, Arity, Attribute, Call, Value, Word

FIELD_BLOCKS = frozenset({"model", "view", "type"})
SETTING_BLOCKS = frozenset({"datasource", "generator"})
_DEEPEST = 40  # lists and calls inside one another; real schemas stay below five

# Possessive quantifiers keep a broken file from costing quadratic time.
_TOKEN = re.compile(
    r"""
    (?:[ \t\r\f]|//[^\n]*+)*+
    (?:
        (?P<newline>\n[ \t\r\f\n]*+)
      | (?P<word>[A-Za-z_][A-Za-z0-9_-]*+)
      | (?P<mark>@@|[@{}()\[\]?,:=.])
      | (?P<string>"(?:[^"\\\n]|\\.)*+")
      | (?P<number>[+-]?\d++(?:\.\d++)?+(?![\w.-]))
      | (?P<remark>/\*.*?\*/)
      | (?P<end>\Z)
    )
    """,
    re.VERBOSE | re.DOTALL,
)


class SyntaxMistake(Exception):
    """The text is no schema.prisma: what is wrong, and at which line (counted from 1)."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.message = message
        self.line = line


class Token(NamedTuple):
    """A piece of text; `kind` is string, number, word, or the mark itself, and '' at the end."""

    kind: str
    text: str
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A line of a block: a field, an enum's value (without type), or a setting (`key = value`)."""

    name: str
    line: int
    type: str = ""
    unsupported: str = ""
    arity: Arity = Arity.REQUIRED
    attributes: tuple[Attribute, ...] = ()
    value: Value = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """`keyword name { … }`."""

    keyword: str
    name: str
    line: int
    entries: tuple[Entry, ...] = ()
    attributes: tuple[Attribute, ...] = ()


def parse_blocks(text: str) -> tuple[Block, ...]:
    """Read the whole text. Raises SyntaxMistake."""
    parser = _Parser(_tokenize(text))
    blocks = []
    while parser.next.kind:
        blocks.append(parser.block())
    return tuple(blocks)


def _tokenize(text: str) -> Iterator[Token]:
    line, position = 1, 0
    while True:
        found = _TOKEN.match(text, position)
        if found is None:
            raise SyntaxMistake(_describe_stray(text, position), line)
        kind, position = str(found.lastgroup), found.end()
        if kind == "end":
            break
        piece = found[kind]
        if kind in {"newline", "remark"}:
            line += piece.count("\n")
        else:
            yield Token(piece if kind == "mark" else kind, piece, line)
    while True:
        yield Token("", "", line)


def _describe_stray(text: str, position: int) -> str:
    rest = text[position : position + 200].lstrip(" \t\r\f")
    if rest.startswith('"'):
        return "a quoted text is not closed on its line"
    if rest.startswith("/*"):
        return "a comment is not closed"
    return f"{rest[:1]!r} has no meaning here" if rest else "what follows has no meaning here"


class _Parser:
    """Recursive descent over the tokens; `next` is the one that was not taken yet, `_following` the one after it."""

    __slots__ = ("_following", "_last_line", "_tokens", "next")

    def __init__(self, tokens: Iterator[Token]) -> None:
        self._tokens = tokens
        self._last_line = 0
        self.next = next(tokens)
        self._following = next(tokens)

    def block(self) -> Block:
        keyword = self._take("word", "a block (model, enum, datasource, …)")
        if keyword.text not in FIELD_BLOCKS | SETTING_BLOCKS | {"enum"}:
            raise SyntaxMistake(f"{keyword.text!r} begins no block (model, enum, datasource, …)", keyword.line)
        name = self._take("word", f"a name after {keyword.text}")
        title = f"{keyword.text} {name.text}"
        self._take("{", f"{{ after {title}")
        entries: list[Entry] = []
        attributes: list[Attribute] = []
        while self.next.kind != "}":
            if not self.next.kind:
                raise SyntaxMistake(
                    f"the file ends in the middle of {title}, begun at line {name.line}", self.next.line
                )
            if self.next.line == self._last_line and (entries or attributes):
                raise SyntaxMistake(f"{self.next.text!r} needs a line of its own in {title}", self.next.line)
            if self.next.kind == "@@":
                attributes.append(self._attribute("@@"))
            else:
                entries.append(self._entry(keyword.text, title))
        self._take("}", "}")
        return Block(
            keyword=keyword.text,
            name=name.text,
            line=name.line,
            entries=tuple(entries),
            attributes=tuple(attributes),
        )

    def _entry(self, keyword: str, title: str) -> Entry:
        name = self._take("word", f"a name in {title}")
        if keyword in SETTING_BLOCKS:
            self._take("=", f"= after {name.text} in {title}")
            return Entry(name=name.text, line=name.line, value=self._value(0))
        if keyword == "enum":
            return Entry(name=name.text, line=name.line, attributes=self._attributes(name.line))
        if self.next.line != name.line:
            raise SyntaxMistake(f"{name.text} in {title} has no type", name.line)
        type_name = self._take("word", f"the type of {name.text} in {title}").text
        unsupported = self._unsupported() if type_name == "Unsupported" else ""
        arity = self._arity()
        return Entry(
            name=name.text,
            line=name.line,
            type=type_name,
            unsupported=unsupported,
            arity=arity,
            attributes=self._attributes(self._last_line),
        )

    def _unsupported(self) -> str:
        self._take("(", "( after Unsupported")
        text = _unquote(self._take("string", "the database's type, quoted"))
        self._take(")", ") after the database's type")
        return text

    def _arity(self) -> Arity:
        if self.next.kind == "?":
            self._advance()
            return Arity.OPTIONAL
        if self.next.kind == "[":
            self._advance()
            self._take("]", "] after [")
            return Arity.LIST
        return Arity.REQUIRED

    def _attributes(self, line: int) -> tuple[Attribute, ...]:
        """Read the attributes that begin on the line on which the last one ended; arguments may span lines."""
        attributes = []
        while self.next.kind == "@" and self.next.line == line:
            attributes.append(self._attribute("@"))
            line = self._last_line
        return tuple(attributes)

    def _attribute(self, mark: str) -> Attribute:
        line = self._take(mark, mark).line
        name = self._dotted(f"an attribute's name after {mark}")
        has_arguments = self.next.kind == "(" and self.next.line == self._last_line
        return Attribute(name=name, arguments=self._arguments("(", ")", 0) if has_arguments else (), line=line)

    def _arguments(self, opening: str, closing: str, depth: int) -> tuple[Argument, ...]:
        first = self._take(opening, opening)
        arguments = []
        while self.next.kind != closing:
            self._refuse_end(first)
            arguments.append(self._argument(depth))
            if self.next.kind != closing:
                self._take(",", f", or {closing}")
        self._advance()
        return tuple(arguments)

    def _argument(self, depth: int) -> Argument:
        if self.next.kind == "word" and self._following.kind == ":":
            name = self._advance().text
            self._advance()
            return Argument(name=name, value=self._value(depth))
        return Argument(value=self._value(depth))

    def _value(self, depth: int) -> Value:
        if depth > _DEEPEST:
            raise SyntaxMistake(f"more than {_DEEPEST} lists or calls inside one another", self.next.line)
        match self.next.kind:
            case "string":
                return _unquote(self._advance())
            case "number":
                return Word(text=self._advance().text)
            case "[":
                return self._list(depth)
            case "{":
                return Call(name="", arguments=self._arguments("{", "}", depth + 1))
        name = self._dotted("a value")
        if self.next.kind == "(":
            return Call(name=name, arguments=self._arguments("(", ")", depth + 1))
        return Word(text=name)

    def _list(self, depth: int) -> tuple[Value, ...]:
        first = self._advance()
        values = []
        while self.next.kind != "]":
            self._refuse_end(first)
            values.append(self._value(depth + 1))
            if self.next.kind != "]":
                self._take(",", ", or ]")
        self._advance()
        return tuple(values)

    def _dotted(self, wanted: str) -> str:
        parts = [self._take("word", wanted).text]
        while self.next.kind == ".":
            self._advance()
            parts.append(self._take("word", "a name after .").text)
        return ".".join(parts)

    def _refuse_end(self, opened: Token) -> None:
        if not self.next.kind:
            raise SyntaxMistake(
                f"the file ends before the {opened.text} of line {opened.line} is closed", self.next.line
            )

    def _take(self, kind: str, wanted: str) -> Token:
        if self.next.kind == kind:
            return self._advance()
        seen = f"{self.next.text[:40]!r} stands" if self.next.kind else "the file ends"
        raise SyntaxMistake(f"{seen} where {wanted} was expected", self.next.line)

    def _advance(self) -> Token:
        token = self.next
        self._last_line = token.line
        self.next = self._following
        self._following = next(self._tokens)
        return token


def _unquote(token: Token) -> str:
    if "\\" not in token.text:
        return token.text[1:-1]
    try:
        return str(json.loads(token.text, strict=False))
    except ValueError as error:
        raise SyntaxMistake(f"{token.text[:40]} holds an escape that Prisma does not have", token.line) from error
