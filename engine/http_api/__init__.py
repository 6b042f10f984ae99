"""The service's HTTP requests around sessions: keys for a browser, WebRTC calls, and the control of SIP calls."""

from engine.http_api.api import Call, ClientSecret, Described, HttpApi

__all__ = ["Call", "ClientSecret", "Described", "HttpApi"]
