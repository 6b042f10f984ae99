"""Audio: formats and units, framing, resampling and files. Nothing here plays or records."""
