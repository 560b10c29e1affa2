"""What every record is held to, whichever gate reads its files."""

from incident_gates.gates.record import custody, excuses, files, learning, links, moments, texts
from incident_gates.gates.record.moments import last_moment

__all__ = ["custody", "excuses", "files", "last_moment", "learning", "links", "moments", "texts"]
