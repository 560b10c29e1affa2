"""The proof that the checks bite: a valid record is spoilt in every way that rules claim to see."""
