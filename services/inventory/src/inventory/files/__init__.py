"""The files that people import and export: CSV, XLSX, GeoJSON."""
