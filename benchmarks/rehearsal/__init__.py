"""The rehearsal: the plain pipeline at the user's size, on a collection made here."""
