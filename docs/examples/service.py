"""Whom a session talks to: keys, organisation, other servers. Connects to nobody."""

import os

from engine import ClientSettings, ConfigError, SessionConfig

os.environ["OPENAI_API_KEY"] = "sk-example"  # your shell would do this
os.environ["OPENAI_ORGANIZATION"] = "org-example"

client = SessionConfig().client
print(client)
print(client.url("gpt-realtime"))
print([name for name, _ in client.headers()])

print(ClientSettings(base_url="https://gateway.example/openai/v1").url("gpt-realtime"))
print(ClientSettings(base_url="ws://127.0.0.1:8765/v1").url("gpt-realtime"))

try:
    ClientSettings(base_url="ws://gateway.example/v1")
except ConfigError as error:
    print(error)
print(ClientSettings(base_url="ws://gateway.example/v1", allow_insecure_key=True).url("gpt-realtime"))

del os.environ["OPENAI_API_KEY"]
try:
    ClientSettings()
except ConfigError as error:
    print(error)
