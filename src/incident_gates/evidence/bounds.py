"""How much of anything the door lets in; more than this is refused, never truncated."""

from __future__ import annotations

from typing import Final

KIB: Final = 1024
MIB: Final = 1024 * KIB

# Records are written by people; the largest real ones are a few hundred KiB.
FILE_BYTES: Final = 2 * MIB
# YAML parsers are slow enough that a megabyte of brackets takes seconds.
YAML_BYTES: Final = 64 * KIB
# Front matter is a handful of keys and goes through the same parser.
FRONT_MATTER_BYTES: Final = 64 * KIB
# A Markdown parser takes ten times as long a byte, and nobody reads a log of ten thousand lines.
MARKDOWN_BYTES: Final = 512 * KIB
MARKDOWN_LINES: Final = 10_000
# An attachment is hashed, never parsed, so only time limits it.
ATTACHMENT_BYTES: Final = 64 * MIB

# Far deeper than any schema here, far below the recursion limit of any consumer.
JSON_DEPTH: Final = 64
# Policies and front matter nest three or four levels.
YAML_DEPTH: Final = 16
# Every 64-bit integer fits; longer ones are slow to convert and lose digits elsewhere.
INTEGER_DIGITS: Final = 19

# Every rule meets every entry, and some meet each pair of two lists.
LIST_ENTRIES: Final = 1000
# What machines export about a deployment or its alerts is met once.
INPUT_ENTRIES: Final = 10_000
# A value costs an object, and a list of lists could hold a million of them.
FILE_VALUES: Final = 50_000
# As the schemas have it; what a thousand entries refer to is read a thousand times.
STRING_CHARS: Final = 20_000
# As the schema has it: each word is weighed anew at each execution.
ASSESSORS: Final = 200
# A name is compared with all others; nobody's is longer.
NAME_CHARS: Final = 200

# A monitoring package is configuration, not data.
ZIP_BYTES: Final = 10 * MIB
# Each member costs an object before anything is known about it.
ZIP_MEMBERS: Final = 1000
# Counted while inflating, because announced sizes are claims.
ZIP_INFLATED: Final = 50 * MIB

# One incident's folder with all its attachments.
INCIDENT_FILES: Final = 2000
INCIDENT_BYTES: Final = 64 * MIB
# A manifest of the most files that a record may hold is smaller than this.
MANIFEST_BYTES: Final = 8 * MIB
# A record that was sealed again a thousand times is no record; so with its amendments.
SEALS: Final = 1000
# What is asked of git about one record: a folder changed more often than this is no incident.
HISTORY_COMMITS: Final = 10_000
HISTORY_BYTES: Final = 32 * MIB
HISTORY_VERSIONS: Final = 500
# The versions of one file that are read, all together.
HISTORY_CONTENT: Final = 8 * MIB
HISTORY_SECONDS: Final = 120
# Many records of one folder are read together, so often as many times the bound of one.
HISTORY_SHARED: Final = 8
# The earlier mitigation plans of a folder that are read, all together.
KEPT_PLANS: Final = 1 * MIB
# Folders below an incident hold attachments; a deeper tree is a mistake or a trap.
ATTACHMENT_DEPTH: Final = 8
# Longer than any path a repository holds in practice, shorter than what an OS chokes on.
PATH_CHARS: Final = 1024
PATH_PARTS: Final = 32

# The same mistake a thousand times is said two hundred times, and counted.
FINDINGS_A_RULE: Final = 200
# Two long lists can make a million pairs that are wrong; nobody needs to know how many.
FINDINGS_COUNTED: Final = 10_000
# What is looked at of one text where its beginning decides.
TEXT_CHARS: Final = 2000
# Times and owners of members; zipfile reads them in the square of their length.
ZIP_EXTRA: Final = 1 * MIB
# A monitoring package says within this what it is.
ZIP_LOOKED_INTO: Final = 50
ZIP_MEMBER_BYTES: Final = 1 * MIB
ZIP_READ_BYTES: Final = 4 * MIB

# A bundle holds one incident's folder, its inputs, schemas and report.
BUNDLE_BYTES: Final = INCIDENT_BYTES + 32 * MIB
BUNDLE_MEMBERS: Final = INCIDENT_FILES + 200

# What a message may repeat of the evidence, and what a finding may say at all.
EXCERPT_CHARS: Final = 200
FINDING_CHARS: Final = 2000
NAMES_LISTED: Final = 20
# A stated duration or tolerance beyond ten years is a typing error.
DURATION_DAYS: Final = 3650
