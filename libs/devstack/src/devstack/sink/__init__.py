"""The local sink of notifications: takes what would go to people, and shows it.

It takes anything from anybody on this machine, so it is only for this machine.
"""
