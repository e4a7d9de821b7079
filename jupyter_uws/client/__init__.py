"""The notebook side: a small client for TAP archives and UWS services, over plain HTTP."""
