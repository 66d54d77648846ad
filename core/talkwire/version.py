"""Which talkwire this is; the build reads it here."""

VERSION = "0.1.0"
