"""The load server: it speaks the service's protocol from prebuilt bytes, so that the client is what is measured."""
