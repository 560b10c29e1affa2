"""The author's desk: commands that write a record, or say how one stands."""
