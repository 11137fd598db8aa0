"""One line of the audit log: who did what, why, and which people they were shown."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass
class Record:
    """Filled in while a request is answered, written before its answer leaves.

    action: search, view, upload, ...; key and name: whose; request: its id, as in the service's log; address:
    of the machine that asked; case and purpose: why; words: what was asked for (the texts of all parts);
    filter: as sent, in JSON; shown: the ids of the items in the answer; encoder (fingerprint) and generation:
    what answered; status: of the answer; refusal: why there was none; facts: what else an action has to say.
    """

    action: str
    key: str
    name: str
    request: str = ""
    address: str = ""
    case: str = ""
    purpose: str = ""
    words: str = ""
    filter: str = ""
    shown: list[int] = field(default_factory=list)
    encoder: str = ""
    generation: int | None = None
    status: int = 0
    refusal: str = ""
    facts: Mapping[str, object] = field(default_factory=dict)

    @classmethod
    def begin(cls, action: str, key: str, name: str) -> "Record":
        """The record of a request that has just been let in."""
        return cls(action, key, name)
