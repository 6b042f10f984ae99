"""What a session takes and how it feels: turns with their times, tokens by modality, and what they cost."""
