"""Tables in files that people send: CSV of any spreadsheet, with a limit to everything."""
