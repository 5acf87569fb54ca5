"""The subject of a check, as the domain has it."""

from devenv.domain.subject import CodePlace as CodePlace
from devenv.domain.subject import Subject as Subject
