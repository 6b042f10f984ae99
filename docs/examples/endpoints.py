"""Other servers, Azure, calls, headers and proxies. Connects to nobody."""

from engine import ClientSettings, ConfigError

# A server that takes its key in another header, and a header of your own.
gateway = ClientSettings(
    base_url="https://gateway.example/voice/v1",
    api_key="secret",
    key_header="X-API-Key",
    extra_headers={"X-Tenant": "7"},
    safety_identifier="user-3f9a",
)
print([name for name, _ in gateway.headers()])

# A server with one model, which takes no name.
print(ClientSettings(base_url="ws://127.0.0.1:8000/v1", api_key="any", model_parameter=None).url("any"))

# Azure: the session's model is the deployment's name.
azure = ClientSettings.azure("my-resource", api_key="secret")
print(azure.url("my-deployment"), [name for name, _ in azure.headers()])
print([name for name, _ in ClientSettings.azure("my-resource", token="eyJ...").headers()])

# A call that runs already.
print(ClientSettings(api_key="secret", call_id="rtc_u1_9c6574da8b8a").url())

# A proxy on the way.
print(ClientSettings(api_key="secret", proxy="http://me:password@proxy.example:3128"))

try:
    ClientSettings(api_key="secret", extra_headers={"Authorization": "Bearer other"})
except ConfigError as error:
    print(error)
