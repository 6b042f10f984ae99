"""The words of the Realtime protocol: JSON text to frozen events and back. Knows words, not their order."""
