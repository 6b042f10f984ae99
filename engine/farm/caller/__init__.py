"""One call: the caller of a scenario talks with the agent, and tells what came of it."""
