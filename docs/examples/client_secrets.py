"""A key for a browser: made over HTTP with your own key, good for a minute, and with the settings baked in."""

import trio

from engine import ClientSettings, SessionConfig, open_session
from engine.http_api import HttpApi
from engine.simulator import serve


async def main() -> None:
    async with serve() as simulator:
        mine = ClientSettings(api_key="sk-mine", base_url=simulator.base_url)

        async with HttpApi(mine) as api:
            config = SessionConfig(instructions="You sell tickets.", client=mine)
            secret = await api.create_client_secret(config, expires_after_s=60)
            print("a secret:", secret.value.startswith("ek_"), secret.session["instructions"])

            # What the browser would do with it, done here:
            browser = ClientSettings(api_key=secret.value, base_url=simulator.base_url)
            async with open_session(SessionConfig(client=browser)):
                print("a session with the secret")

            # A function is asked at each connect: here each session gets a secret of its own.
            async def fresh() -> str:
                return (await api.create_client_secret(expires_after_s=60)).value

            changing = ClientSettings(api_key=fresh, base_url=simulator.base_url)
            for number in (1, 2):
                async with open_session(SessionConfig(client=changing)):
                    print("session", number, "with a fresh secret")


trio.run(main)
