"""The engine inside other people's frameworks; each stands on the facade, and needs the extra of its name."""
